"""Expectations of the demo: each one shown, and none forgotten in the exit code."""

from collections.abc import Sized
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Check:
    """What was to be seen, and what was."""

    what: str
    expected: object
    observed: object
    holds: bool


@dataclass
class Checks:
    """All checks of a run, in their order."""

    made: list[Check] = field(default_factory=list)

    def expect(self, what: str, expected: object, observed: object) -> None:
        """Notes one expectation."""
        self.made.append(Check(what, expected, observed, expected == observed))

    def expect_same(self, what: str, expected: Sized, observed: Sized) -> None:
        """Notes that two long values are the same; only their sizes are kept."""
        self.made.append(Check(what, len(expected), len(observed), expected == observed))

    @property
    def hold(self) -> bool:
        """Whether there were checks, and all of them hold."""
        return bool(self.made) and all(check.holds for check in self.made)

    def as_json(self) -> list[dict[str, object]]:
        """For programs."""
        return [
            {"what": c.what, "expected": c.expected, "observed": c.observed, "holds": c.holds}
            for c in self.made
        ]
