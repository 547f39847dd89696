"""What every contender decides with: the real stage, or none, on topics of the contender's own.

Publishers and sessions are read once, and secrets are derived from a seed instead of fetched: so
all contenders do the same work and write the same bytes, and gathering never waits. What tables and
vault cost in production is measured by `latency`, which runs the stage as production does.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from consumers.catalogue.sample import sample_catalogue
from infra.keys.memory import MemoryVault
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from projections.folds.publishers import PublisherEntry, SessionEntry
from schemas import topics
from schemas.keyvault import IntakeKey
from schemas.policy import PolicyName, PolicyVersion
from schemas.receipts import RECEIPT
from schemas.sealing.session import INTAKE_PRIVATE_BYTES
from schemas.topics import Topic
from streams.engine.stage import Headers, Output, Stage, Submission
from streams.engine.tables import StateTables, in_memory
from streams.quality.stage import QualityStage

T = TypeVar("T")
_LOOK_SECONDS: Final = 0.01
Work = Literal["quality", "nothing"]
"""What is done with a submission: all of quality control, or only a receipt."""
INTAKE: Final = "intake-bench"
OUTPUTS: Final = (
    topics.DISPENSATION_RECORDED,
    topics.DISPENSATION_RECEIPTS,
    topics.DISPENSATION_DEADLETTER,
)


class SeededVault(MemoryVault):
    """A vault whose secrets follow from a seed, so that every process has the same."""

    def __init__(self, seed: bytes) -> None:
        super().__init__()
        self._seed = seed

    @property
    def intake(self) -> IntakeKey:
        """The key that the input is sealed to."""
        parts = (self._new_secret("intake", str(n)) for n in range(-(-INTAKE_PRIVATE_BYTES // 32)))
        return IntakeKey(INTAKE, b"".join(parts)[:INTAKE_PRIVATE_BYTES])

    def _new_secret(self, *what: str) -> bytes:
        return hmac.digest(self._seed, "/".join(what).encode(), hashlib.sha256)

    def _new_period_id(self, day: date) -> str:
        return self._new_secret("period-id", day.isoformat())[:12].hex()


class StillTables:
    """Broadcast tables as they were read once: nobody is enrolled during a measurement."""

    def __init__(self, read: BroadcastTables) -> None:
        self._read = read

    async def catch_up(self) -> None:
        """Nothing to wait for."""

    def publisher(self, publisher: str) -> PublisherEntry | None:
        """A publisher by id."""
        return self._read.publisher(publisher)

    def session(self, session: str) -> SessionEntry | None:
        """A session by id."""
        return self._read.session(session)

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force at a time."""
        return self._read.policy(name, at)


def own_topics(name: str) -> dict[str, Topic]:
    """By the name of each declared output topic, the topic of a contender's own in its place."""
    return {
        one.name: Topic(
            f"bench.{name}.{one.name}", one.key, one.content, one.retention_ms, one.overrides
        )
        for one in OUTPUTS
    }


class NothingToDecide:
    """A stage that opens, checks and remembers nothing: one receipt of a usual size for each.

    What a contender takes with it is the transport alone.
    """

    name: Final = "nothing"
    submitted: Final = topics.DISPENSATION_SUBMITTED.name
    outputs: Final = (topics.DISPENSATION_RECORDED.name, topics.DISPENSATION_RECEIPTS.name)
    receipts: Final = topics.DISPENSATION_RECEIPTS.name
    fold: Final = "1"
    _VALUE: Final = b'"' + b"x" * 400 + b'"'

    def initial(self, tables: StateTables) -> None:
        """See `Stage`."""

    def evolve(
        self,
        state: None,
        topic: str,
        key: bytes | None,
        headers: Headers,
        value: bytes | None,
    ) -> None:
        """See `Stage`."""

    async def gather(self, state: None, batch: Sequence[Submission]) -> None:
        """See `Stage`."""

    def decide(self, state: None, submission: Submission, gathered: None) -> tuple[Output, ...]:
        """See `Stage`."""
        del state, gathered
        return self.undecidable(submission, "")

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        """See `Stage`."""
        del error_type
        headers = (
            ("ce_type", RECEIPT.encode()),
            ("ce_sourceoffset", b"%d" % submission.offset),
            ("ce_sourceordinal", b"0"),
        )
        return (Output(self.receipts, submission.key, headers, self._VALUE),)


class BenchStage:
    """A stage under another name, with outputs in other topics.

    It notes when the first submission was taken in hand: measuring begins then. With a `gate`,
    submissions wait for that file, so that several processes can begin together.
    """

    submitted: Final = topics.DISPENSATION_SUBMITTED.name

    def __init__(self, stage: Stage[Any, Any], name: str) -> None:
        self._stage = stage
        self.name = f"bench-{name}"
        self._own = {declared: own.name for declared, own in own_topics(name).items()}
        self._declared = {own: declared for declared, own in self._own.items()}
        self.outputs = tuple(self._own[one] for one in stage.outputs)
        self.receipts = self._own[stage.receipts]
        self.started: Started | None = None
        self.gate: Path | None = None
        self.deciding = 0.0
        """Processor seconds of opening, validating and deciding, which all contenders share."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that is written, the dead letters' too."""
        return tuple(self._own.values())

    @property
    def fold(self) -> str:
        """See `Stage`."""
        return self._stage.fold

    def initial(self, tables: StateTables) -> Any:
        """See `Stage`."""
        return self._stage.initial(tables)

    def evolve(
        self,
        state: Any,
        topic: str,
        key: bytes | None,
        headers: Headers,
        value: bytes | None,
    ) -> None:
        """See `Stage`."""
        self._stage.evolve(state, self._declared[topic], key, headers, value)

    async def gather(self, state: Any, batch: Sequence[Submission]) -> Any:
        """See `Stage`."""
        while self.gate is not None and not self.gate.exists():  # noqa: ASYNC110 - it is a file
            await asyncio.sleep(_LOOK_SECONDS)
        if self.started is None:
            self.started = Started()
        begun = time.thread_time()
        gathered = await self._stage.gather(state, batch)
        self.deciding += time.thread_time() - begun
        return gathered

    def decide(self, state: Any, submission: Submission, gathered: Any) -> tuple[Output, ...]:
        """See `Stage`."""
        begun = time.thread_time()
        outputs = self._stage.decide(state, submission, gathered)
        self.deciding += time.thread_time() - begun
        return self._renamed(outputs)

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        """See `Stage`."""
        return self._renamed(self._stage.undecidable(submission, error_type))

    def _renamed(self, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        return tuple(
            Output(self._own[one.topic], one.key, one.headers, one.value) for one in outputs
        )


@dataclass(frozen=True, slots=True)
class Started:
    """When a process began to work: seconds since 1970, and processor seconds used by then."""

    at: float = field(default_factory=time.time)
    cpu: float = field(default_factory=time.process_time)


async def open_stage(
    settings: Settings, name: str, seed: bytes, partitions: int, work: Work
) -> BenchStage:
    """The stage of a contender, ready to decide.

    Raises:
        BrokerUnavailable: the broker does not answer.
    """
    if work == "nothing":
        return BenchStage(NothingToDecide(), name)
    vault = SeededVault(seed)
    await vault.put_intake_key(vault.intake)
    tables = BroadcastTables(settings, settings.office_keys)
    await tables.start()
    await tables.stop()
    stage = QualityStage(StillTables(tables), vault, sample_catalogue(), partitions)
    return BenchStage(stage, name)


class Decider:
    """Answers submissions as the engine does, for the rivals: state in memory, by partition."""

    def __init__(self, stage: BenchStage) -> None:
        self._stage = stage
        self._states: dict[int, Any] = {}

    def answer(self, partition: int, batch: Sequence[Submission]) -> list[Output]:
        """The outputs of a batch of one partition, in order."""
        stage = self._stage
        state = self._states.setdefault(partition, stage.initial(in_memory()))
        gathered = finished(stage.gather(state, batch))
        outputs: list[Output] = []
        for submission in batch:
            made = self._decide(state, submission, gathered)
            for one in made:
                stage.evolve(state, one.topic, one.key, one.headers, one.value)
            outputs += made
        return outputs

    def _decide(self, state: Any, submission: Submission, gathered: Any) -> tuple[Output, ...]:
        try:
            return self._stage.decide(state, submission, gathered)
        except Exception as error:  # noqa: BLE001 - as in the engine: content must not stop it
            return self._stage.undecidable(submission, type(error).__name__)


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits.

    Raises:
        RuntimeError: it does wait.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("gathering waits for something, which it must not in a benchmark")


Runner = Callable[[Settings, BenchStage, int], None]
"""A contender: answers until SIGTERM; the number is how many submissions there are."""
