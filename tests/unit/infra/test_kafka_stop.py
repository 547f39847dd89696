"""Starting and stopping a client end, whatever aiokafka makes of cancellations on the way."""

import asyncio
from contextlib import suppress

import pytest

from infra import kafka_connection


class _Connections:
    closed = False

    async def close(self) -> None:
        self.closed = True


class _Fetcher:
    """A fetcher that loses the first cancellation, as one does that takes over an assignment."""

    def __init__(self, losing: int) -> None:
        self._losing = losing
        self._fetch_task = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self._losing -= 1
                if self._losing < 0:
                    raise

    async def close(self) -> None:
        self._fetch_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._fetch_task


class _Consumer:
    def __init__(self, *, losing: int = 0, cancelled: bool = False) -> None:
        self._fetcher = _Fetcher(losing)
        self._client = _Connections()
        self._cancelled = cancelled

    async def stop(self) -> None:
        await self._fetcher.close()
        if self._cancelled:
            raise asyncio.CancelledError
        await self._client.close()


@pytest.mark.parametrize(
    ("losing", "cancelled"), [(0, False), (1, False), (2, False), (0, True), (1, True)]
)
async def test_a_consumer_stops_and_its_connections_close(
    monkeypatch: pytest.MonkeyPatch, losing: int, cancelled: bool
) -> None:
    monkeypatch.setattr(kafka_connection, "_SWALLOWED_SECONDS", 0.001)
    await asyncio.sleep(0)
    consumer = _Consumer(losing=losing, cancelled=cancelled)
    await asyncio.sleep(0)
    await kafka_connection.stop(consumer)
    assert consumer._client.closed


async def test_a_client_without_a_fetcher_is_closed() -> None:
    client = _Connections()
    await kafka_connection.stop(client)
    assert client.closed


async def test_whoever_stops_and_is_cancelled_is_cancelled_bad() -> None:
    consumer = _Consumer(losing=1_000_000)
    await asyncio.sleep(0)
    stopping = asyncio.create_task(kafka_connection.stop(consumer))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    consumer._fetcher._losing = 0
    consumer._fetcher._fetch_task.cancel()


class _Starting(_Connections):
    """A client that would leave its first connection open if its start were cancelled."""

    def __init__(self, answered: asyncio.Event) -> None:
        self._answered = answered
        self.open = 0

    async def start(self) -> None:
        self.open += 1
        await self._answered.wait()
        self.open -= 1


async def test_a_start_that_is_cancelled_ends_by_itself_and_leaves_nothing_open() -> None:
    answered = asyncio.Event()
    client = _Starting(answered)
    starting = asyncio.create_task(kafka_connection.start_within(client, 10.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert client.open == 1
    starting.cancel()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert client.open == 0


async def test_a_start_that_never_ends_is_given_up_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_connection, "_SWALLOWED_SECONDS", 0.001)
    with pytest.raises(TimeoutError):
        await kafka_connection.start_within(_Starting(asyncio.Event()), 0.001)
