"""What one campaign of the fault suite came to."""

from dataclasses import dataclass

from tests.support.chaos.checker import Violation


@dataclass(frozen=True, slots=True)
class Outcome:
    """One campaign; `recoveries` are the seconds of each of its runs, `seed` repeats its draws."""

    fault: str
    stage: str
    seed: int
    submissions: int
    violations: tuple[Violation, ...]
    recoveries: tuple[float, ...]

    @property
    def runs(self) -> int:
        """How often the fault was injected."""
        return len(self.recoveries)
