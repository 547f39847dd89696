"""What a benchmark finds, in the form of DESIGN section 11."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

_DIGITS: Final = 4
"""Significant digits of what is kept: noise is larger than the fifth."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(_Frozen):
    """The median of a run's rounds, and how far they lie apart."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of one value for each round."""
        return cls(median=_median(values), min=_short(min(values)), max=_short(max(values)))


class Measure(_Frozen):
    """One figure over the rounds, in `unit`."""

    unit: str
    min: float
    median: float
    max: float


class Goal(_Frozen):
    """What was to be reached, and what was."""

    goal: float
    value: float
    met: bool

    @property
    def at_least(self) -> bool:
        """Whether the goal is a lower bound."""
        return (self.value >= self.goal) == self.met


class Machine(_Frozen):
    """Where it was measured: usable cores, and memory in bytes."""

    cores: int
    memory: int


class Result(_Frozen):
    """One run of one benchmark. Source: DESIGN section 11."""

    bench: str
    commit: str
    machine: Machine
    rounds: int
    results: dict[str, Measure]
    ratios: dict[str, Spread]
    goals: dict[str, Goal]

    @property
    def missed(self) -> list[str]:
        """Names of the goals that were not met."""
        return [name for name, goal in self.goals.items() if not goal.met]


@dataclass(slots=True)
class Findings:
    """Collects what the rounds of one run measure; names keep the order of their first use."""

    _samples: dict[str, tuple[str, list[float]]] = field(default_factory=dict)
    _ratios: dict[str, list[float]] = field(default_factory=dict)
    _goals: dict[str, Goal] = field(default_factory=dict)

    def sample(self, name: str, unit: str, value: float) -> None:
        """One round's value of a figure.

        Raises:
            ValueError: the figure was given in another unit before.
        """
        known, values = self._samples.setdefault(name, (unit, []))
        if known != unit:
            raise ValueError(f"{name} is measured in {known}, not in {unit}")
        values.append(value)

    def samples(self, name: str) -> Sequence[float]:
        """The values so far, in the order of the rounds."""
        return tuple(self._samples[name][1])

    def ratio(self, name: str, over: str, under: str) -> float:
        """The ratio of two figures round by round, as they were measured next to each other.

        Returns:
            Its median.
        """
        pairs = zip(self._samples[over][1], self._samples[under][1], strict=True)
        self._ratios[name] = [one / other for one, other in pairs]
        return _median(self._ratios[name])

    def at_least(self, name: str, goal: float, value: float) -> None:
        """A goal that more than meets."""
        self._goals[name] = Goal(goal=goal, value=_short(value), met=_short(value) >= goal)

    def at_most(self, name: str, goal: float, value: float) -> None:
        """A goal that less than meets."""
        self._goals[name] = Goal(goal=goal, value=_short(value), met=_short(value) <= goal)

    def median(self, name: str) -> float:
        """The median of a figure over the rounds."""
        return _median(self._samples[name][1])

    def result(self, bench: str, commit: str, machine: Machine, rounds: int) -> Result:
        """All of it, for printing and keeping."""
        return Result(
            bench=bench,
            commit=commit,
            machine=machine,
            rounds=rounds,
            results={
                name: Measure(unit=unit, **Spread.of(values).model_dump())
                for name, (unit, values) in self._samples.items()
            },
            ratios={name: Spread.of(values) for name, values in self._ratios.items()},
            goals=dict(self._goals),
        )


def _median(values: Sequence[float]) -> float:
    return _short(statistics.median(values))


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}") if abs(value) < 10**_DIGITS else float(round(value))
