"""What a stage supplies to the engine, and the records that pass between them.

The engine owns partitions, transactions, positions and restore; a stage owns the meaning. Its
`decide` and `evolve` are pure: the same input log gives the same output bytes. Source: DESIGN
section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from streams.engine.tables import StateTables

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """One record of a submitted topic, as received; `appended_at` is the broker's, in UTC."""

    topic: str
    partition: int
    offset: int
    appended_at: datetime
    key: bytes | None
    headers: Headers
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Output:
    """One record that a stage writes; its headers name its source offset and ordinal."""

    topic: str
    key: bytes | None
    headers: Headers
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An output read back at restore, with the place that the broker gave it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None


State = TypeVar("State")
Gathered = TypeVar("Gathered")


class Stage(Protocol[State, Gathered]):
    """One stage of a process; the engine keeps one `State` for each assigned partition."""

    @property
    def name(self) -> str:
        """`quality` or `subject`: part of group id, transactional ids and `ce_id`."""
        ...

    @property
    def submitted(self) -> str:
        """The topic that is read."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics that are folded at restore, the receipts topic last."""
        ...

    @property
    def receipts(self) -> str:
        """The topic of exactly one receipt per submission: its last one is the position."""
        ...

    @property
    def fold(self) -> str:
        """Version of `evolve` and of the tables' layouts, a decimal number.

        It changes whenever the same outputs would become another state: a state on disk that
        another version folded is set aside and rebuilt.
        """
        ...

    def initial(self, tables: StateTables) -> State:
        """The state in these tables, which may hold what an earlier process left there."""
        ...

    def evolve(
        self, state: State, topic: str, key: bytes | None, headers: Headers, value: bytes | None
    ) -> None:
        """Fold one output into the state; the same function live and at restore."""
        ...

    async def gather(self, state: State, batch: Sequence[Submission]) -> Gathered:
        """Everything that `decide` needs from outside; the only method that does I/O.

        Raises:
            VaultUnavailable, InfrastructureError: the batch is tried again later.
        """
        ...

    def decide(
        self, state: State, submission: Submission, gathered: Gathered
    ) -> tuple[Output, ...]:
        """The outputs of one submission, its receipt last; pure.

        Outputs are evolved into the state before the next submission is decided. An exception is
        taken for a fault of the submission's content and answered by `undecidable`.
        """
        ...

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        """A rejection receipt for a submission on which `decide` failed; must not raise."""
        ...
