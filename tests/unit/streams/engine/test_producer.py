"""The writer of a partition: what its client's failures mean, and that it is always let go."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

from infra.errors import InfrastructureError
from infra.kafka import BrokerRefused, BrokerUnavailable, Fenced
from streams.engine import producer
from streams.engine.producer import PartitionWriter
from streams.engine.stage import Output

OUTPUTS = [Output("t", b"k", (("a", b"1"),), b"v"), Output("u", None, (), None)]


class _Client:
    """A producer that fails at one step."""

    def __init__(self, step: str = "", error: Exception | None = None) -> None:
        self._step = step
        self._error = error
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

    async def send(self, topic: str, **record: Any) -> asyncio.Future[Any]:
        await self._do("send")
        self.log.append((topic, record))
        return asyncio.get_running_loop().create_future()

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


async def test_all_outputs_are_sent_to_the_partition_inside_one_transaction() -> None:
    client = _Client()
    await PartitionWriter(client, "dpp-s-3").write(3, OUTPUTS)
    sent = [one for one in client.log if not isinstance(one, str)]
    assert [one for one in client.log if isinstance(one, str)] == [
        "begin",
        "send",
        "send",
        "commit",
    ]
    assert sent == [
        ("t", {"value": b"v", "key": b"k", "partition": 3, "headers": [("a", b"1")]}),
        ("u", {"value": None, "key": None, "partition": 3, "headers": []}),
    ]


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
