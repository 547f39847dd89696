"""What a replay found: per projection, at which positions, with which content; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from projections.hashing import Difference
from projections.store import Failure

Outcome = Literal["same", "differs", "not_replayed"]


@dataclass(slots=True)
class Replayed:
    """One projection, built from the log and compared with the live rows at `positions`.

    `behind` are offsets that the live version has passed and the log has not reached, by partition:
    what lies there was not compared. `ahead` counts records of the log that the live version has
    not applied. `later` counts rows that were put anew behind the positions, `since` live rows that
    were put there for the first time: neither was compared.
    """

    projection: str
    version: int
    positions: dict[int, int] = field(default_factory=dict)
    behind: dict[int, int] = field(default_factory=dict)
    ahead: int = 0
    records: int = 0
    rows: int = 0
    later: int = 0
    since: int = 0
    content: str = ""
    """Content hash of what the log became."""
    live: str = ""
    """Content hash of the live rows at the same positions."""
    public: str = ""
    """Hash of what the log became without the columns that only the holder of keys can know."""
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    failure: Failure | None = None
    schema: str | None = None
    """Where the rebuilt rows are, if they were kept."""

    @property
    def why(self) -> str | None:
        """Why it was not replayed, if it was not."""
        at = self.failure
        if at is None:
            return None
        if at.partition is None:
            return f"It has no live version ({at.category})."
        return f"{at.topic}-{at.partition} at {at.position} is not foldable: {at.category}."

    @property
    def outcome(self) -> Outcome:
        """In one word."""
        if self.failure is not None:
            return "not_replayed"
        return "differs" if self.differing else "same"


@dataclass(frozen=True, slots=True)
class Replay:
    """A log replayed up to a cut; `left_out` names projections that cannot be, with the reason."""

    origin: str
    size: int
    root: bytes
    cut: str
    replayed: tuple[Replayed, ...]
    left_out: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether every projection that was compared is what the log says."""
        return all(one.outcome != "differs" for one in self.replayed)

    @property
    def complete(self) -> bool:
        """Whether every projection that can be was replayed."""
        return all(one.outcome != "not_replayed" for one in self.replayed)
