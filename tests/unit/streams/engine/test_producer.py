"""The writer of a partition: what its client's failures mean, and that it is always let go."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)
from aiokafka.structs import RecordMetadata

from infra.errors import InfrastructureError
from infra.kafka import BrokerRefused, BrokerUnavailable, Fenced
from streams.engine import producer
from streams.engine.producer import PartitionWriter, silence_echoes
from streams.engine.stage import Output

OUTPUTS = [Output("t", b"k", (("a", b"1"),), b"v"), Output("u", None, (), None)]
FIT = 3
"""Records that a batch of the fake takes."""


class _Batch:
    def __init__(self) -> None:
        self.records: list[Any] = []

    def append(self, **record: Any) -> object | None:
        if len(self.records) == FIT:
            return None
        self.records.append(record)
        return record

    def record_count(self) -> int:
        return len(self.records)


class _Client:
    """A producer that fails at one step."""

    def __init__(self, step: str = "", error: Exception | None = None) -> None:
        self._step = step
        self._error = error
        self.offsets: dict[str, int] = {}
        self.refused: dict[str, Exception] = {}
        self.log: list[Any] = []
        self.client = self
        self._sender = self
        self.sender_task = asyncio.get_running_loop().create_future()
        self.never = asyncio.get_running_loop().create_future()

    async def _do(self, step: str) -> None:
        self.log.append(step)
        if step == self._step:
            if self._error is None:
                await self.never
            else:
                raise self._error

    async def begin_transaction(self) -> None:
        await self._do("begin")

    def create_batch(self) -> _Batch:
        return _Batch()

    async def send_batch(
        self, batch: _Batch, topic: str, *, partition: int
    ) -> asyncio.Future[RecordMetadata]:
        await self._do("send")
        self.log.append((topic, partition, batch.records))
        base = self.offsets.get(topic, 0)
        self.offsets[topic] = base + batch.record_count()
        sent = asyncio.get_running_loop().create_future()
        if topic in self.refused:
            sent.set_exception(self.refused[topic])
        else:
            at = TopicPartition(topic, partition)
            sent.set_result(RecordMetadata(topic, partition, at, base, None, None, None))
        return sent

    async def commit_transaction(self) -> None:
        await self._do("commit")

    async def stop(self) -> None:
        await self._do("stop")

    async def close(self) -> None:
        await self._do("close")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "TRANSACTION_SECONDS", 0.01)
    monkeypatch.setattr(producer, "CLOSE_SECONDS", 0.01)


def _record(output: Output) -> dict[str, Any]:
    return {
        "timestamp": None,
        "key": output.key,
        "value": output.value,
        "headers": list(output.headers),
    }


async def test_all_outputs_are_sent_to_the_partition_inside_one_transaction() -> None:
    client = _Client()
    assert await PartitionWriter(client, "dpp-s-3").write(3, OUTPUTS) == {"t": 0, "u": 0}
    assert client.log == [
        "begin",
        "send",
        ("t", 3, [_record(OUTPUTS[0])]),
        "send",
        ("u", 3, [_record(OUTPUTS[1])]),
        "commit",
    ]


async def test_outputs_that_do_not_fit_one_batch_keep_their_order_and_topics_take_turns() -> None:
    client = _Client()
    client.offsets = {"t": 40, "u": 7}
    many = [Output("u" if n % 4 == 3 else "t", None, (), str(n).encode()) for n in range(20)]
    assert await PartitionWriter(client, "dpp-s-3").write(3, many) == {"t": 54, "u": 11}
    sent = [one for one in client.log if not isinstance(one, str)]
    assert [topic for topic, _, _ in sent] == ["t", "u", "t", "u", "t", "t", "t"]
    for topic in ("t", "u"):
        values = [r["value"] for name, _, records in sent if name == topic for r in records]
        assert values == [one.value for one in many if one.topic == topic]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MessageSizeTooLargeError("SECRET"), BrokerRefused),
        (OutOfOrderSequenceNumber("SECRET"), BrokerRefused),
        (ProducerFenced("SECRET"), Fenced),
    ],
)
async def test_nothing_is_committed_when_the_broker_refuses_a_batch(
    error: Exception, kind: type[InfrastructureError]
) -> None:
    client = _Client()
    client.refused = {"t": error}
    with pytest.raises(kind) as caught:
        await PartitionWriter(client, "dpp-s-3").write(3, OUTPUTS)
    assert "commit" not in client.log
    assert "SECRET" not in str(caught.value)


async def test_a_batch_that_the_broker_places_nowhere_is_not_taken_for_written() -> None:
    client = _Client()
    client.offsets = {"u": -1}
    with pytest.raises(BrokerUnavailable, match="where the writer dpp-s-3 wrote"):
        await PartitionWriter(client, "dpp-s-3").write(3, OUTPUTS)


async def test_a_transaction_without_outputs_is_committed_empty() -> None:
    client = _Client()
    assert await PartitionWriter(client, "dpp-s-3").write(3, []) == {}
    assert client.log == ["begin", "commit"]


FAILURES: Sequence[tuple[Exception | None, type[InfrastructureError]]] = (
    (ProducerFenced("SECRET"), Fenced),
    (None, BrokerUnavailable),
    (TimeoutError("SECRET"), BrokerUnavailable),
    (KafkaConnectionError("SECRET"), BrokerRefused),
    (MessageSizeTooLargeError("SECRET"), BrokerRefused),
    (OutOfOrderSequenceNumber("SECRET"), BrokerRefused),
    (KafkaError("SECRET"), BrokerRefused),
)


@pytest.mark.parametrize("step", ["begin", "send", "commit"])
@pytest.mark.parametrize(("error", "kind"), FAILURES, ids=str)
async def test_every_failure_of_a_write_is_ours_and_quotes_nothing(
    step: str, error: Exception | None, kind: type[InfrastructureError]
) -> None:
    client = _Client(step, error)
    with pytest.raises(kind, match="writer dpp-s-3") as caught:
        await PartitionWriter(client, "dpp-s-3").write(3, OUTPUTS)
    assert "SECRET" not in str(caught.value)


async def test_a_writer_is_stopped_in_order_where_that_works() -> None:
    client = _Client()
    await PartitionWriter(client, "dpp-s-3").close()
    assert client.log == ["stop"]
    assert not client.sender_task.done()


@pytest.mark.parametrize("error", [KafkaError(), ConnectionResetError(), ProducerFenced()])
async def test_a_writer_that_fails_to_stop_is_let_go(error: Exception) -> None:
    await PartitionWriter(_Client("stop", error), "dpp-s-3").close()


async def test_a_writer_that_does_not_stop_leaves_neither_sender_nor_connections() -> None:
    client = _Client("stop")
    await PartitionWriter(client, "dpp-s-3").close()
    assert client.log == ["stop", "close"]
    assert client.sender_task.cancelled()


async def _throw_away(error: Exception) -> None:
    """A future that failed, and that nobody asks."""
    asyncio.get_running_loop().create_future().set_exception(error)


async def test_what_a_dead_client_repeats_is_not_told_after_the_write_has_raised_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    silence_echoes(loop)
    handler = loop.get_exception_handler()
    silence_echoes(loop)
    assert loop.get_exception_handler() is handler
    await _throw_away(ProducerFenced())
    assert caplog.text == ""


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("ours")])
@pytest.mark.parametrize("before", [True, False], ids=["a handler before", "none before"])
async def test_whatever_else_nobody_asks_for_is_told_bad(
    caplog: pytest.LogCaptureFixture, error: Exception, before: bool
) -> None:
    told: list[object] = []
    loop = asyncio.get_running_loop()
    if before:
        loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    silence_echoes(loop)
    await _throw_away(error)
    assert told == ([error] if before else [])
    assert ("never retrieved" in caplog.text) is not before


async def test_a_task_of_ours_that_fails_with_an_error_of_the_client_is_told_bad(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ProducerFenced

    silence_echoes(asyncio.get_running_loop())
    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    assert "never retrieved" in caplog.text
