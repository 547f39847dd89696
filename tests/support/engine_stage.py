"""A small stage for tests of the engine: counts the submissions of each key.

A good value is `{"n": <int>}`. It becomes a fact with the key's count, and a receipt. What is no
JSON makes `decide` fail; a tombstone, a keyless or an over-long submission gets a dead letter.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from infra.kafka import Record
from schemas.deadletter import DeadLetterReason
from streams.engine.order import to_submission
from streams.engine.outputs import OutputBuilder
from streams.engine.stage import Headers, Output, Submission
from streams.engine.tables import Layout, StateTables, in_memory

MAX_VALUE_BYTES = 48 * 1024
Gather = Callable[[Sequence[Submission]], Awaitable[None]]


class Counts:
    """Submissions per key, and a digest over every output in the order of folding."""

    def __init__(self, tables: StateTables) -> None:
        self._tables = tables
        self.per_key = tables.table(_PER_KEY)
        self.digests = tables.table(_DIGEST)

    @property
    def digest(self) -> bytes:
        return self.digests.get("") or b""


_PER_KEY: Final = Layout[bytes, int](
    "count", bytes, lambda count: str(count).encode(), int, cached=4
)
_DIGEST: Final = Layout[str, bytes]("digest", str.encode, bytes, bytes)


async def _nothing(batch: Sequence[Submission]) -> None:
    del batch


class CountingStage:
    """`streams.engine.stage.Stage` under a name of the test's own, which its topics start with."""

    def __init__(self, name: str, gather: Gather = _nothing) -> None:
        self.name = name
        self.submitted = f"{name}.submitted"
        self.facts = f"{name}.recorded"
        self.letters = f"{name}.deadletter"
        self.receipts = f"{name}.receipts"
        self.outputs = (self.facts, self.receipts)
        self._gather = gather

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that the stage needs."""
        return (self.submitted, self.facts, self.letters, self.receipts)

    fold = "1"

    def initial(self, tables: StateTables) -> Counts:
        return Counts(tables)

    def evolve(
        self, state: Counts, topic: str, key: bytes | None, headers: Headers, value: bytes | None
    ) -> None:
        if topic == self.letters:
            return
        if topic == self.facts:
            state.per_key.put(key or b"", (state.per_key.get(key or b"") or 0) + 1)
        content = repr((state.digest, topic, key, headers, value)).encode()
        state.digests.put("", hashlib.sha256(content).digest())

    async def gather(self, state: Counts, batch: Sequence[Submission]) -> None:
        del state
        await self._gather(batch)

    def decide(self, state: Counts, submission: Submission, gathered: None) -> tuple[Output, ...]:
        del gathered
        key, value = submission.key, submission.value
        if key is None or value is None or len(value) > MAX_VALUE_BYTES:
            return self._refused(submission, "no_key" if key is None else "no_session")
        number = json.loads(value)["n"]
        count = (state.per_key.get(key) or 0) + 1
        return (
            self._output(self.facts, submission, 0, {"n": number, "count": count}),
            self._output(self.receipts, submission, 1, {"outcome": "accepted", "n": number}),
        )

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        return (self._output(self.receipts, submission, 0, {"outcome": error_type}),)

    def _refused(self, submission: Submission, reason: DeadLetterReason) -> tuple[Output, ...]:
        builder = OutputBuilder(self.name, submission, "1", "1")
        return (
            builder.dead_letter(self.letters, reason),
            self._output(self.receipts, submission, 1, {"outcome": "rejected"}),
        )

    def _output(
        self, topic: str, submission: Submission, ordinal: int, value: dict[str, Any]
    ) -> Output:
        key = submission.key
        headers = (
            ("ce_id", f"{self.name}/{submission.partition}/{submission.offset}/{ordinal}".encode()),
            ("ce_sourceoffset", str(submission.offset).encode()),
            ("ce_sourceordinal", str(ordinal).encode()),
        )
        kept = key if key is None or len(key) <= MAX_VALUE_BYTES else None
        return Output(topic, kept, headers, json.dumps(value).encode())


def good(number: int) -> bytes:
    """A value that is accepted."""
    return json.dumps({"n": number}).encode()


def answers(stage: CountingStage, submitted: Sequence[Record]) -> list[Output]:
    """What one partition's submissions must become, by a plain fold without any engine."""
    state = stage.initial(in_memory())
    made: list[Output] = []
    for record in submitted:
        submission = to_submission(record)
        try:
            outputs = stage.decide(state, submission, None)
        except Exception as error:  # noqa: BLE001 - as the engine does
            outputs = stage.undecidable(submission, type(error).__name__)
        for output in outputs:
            stage.evolve(state, output.topic, output.key, output.headers, output.value)
        made += outputs
    return made
