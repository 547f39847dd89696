"""One transactional writer per partition: all outputs of a batch become visible, or none.

This is aiokafka itself rather than the shared producer, because a writer whose broker is gone has
to be let go at once: whatever it left open is ended by the next writer of the same id.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer import sender

from infra.kafka import (
    BrokerRefused,
    BrokerUnavailable,
    Fenced,
    connection_options,
    start_within,
)
from infra.settings import Settings
from streams.engine.stage import Output

log = logging.getLogger(__name__)

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]
OPEN_SECONDS: Final = 15.0
TRANSACTION_SECONDS: Final = 15.0
"""How long a write may take before the partition is restored and the write repeated."""
ABANDONED_SECONDS: Final = 20
"""After which the broker itself ends a transaction that nobody ends: its process is gone and no
other has taken the partition. Until then readers see nothing that follows in that partition."""
CLOSE_SECONDS: Final = 2.0
BATCH_BYTES: Final = 768 * 1024
"""Of a batch before compression: below the broker's limit even if nothing compresses."""
NEXT_TRANSACTION_SECONDS: Final = 0.002
"""How soon the client tries again to begin a transaction while the broker still ends the last one.
Its own 20 ms would be most of a small transaction's time; the broker takes one to five."""

sender.BACKOFF_OVERRIDE = NEXT_TRANSACTION_SECONDS


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ProducerFenced:
        raise Fenced(f"Another process took over the {what}.") from None
    except TimeoutError:
        raise BrokerUnavailable(f"The broker did not answer the {what} in time.") from None
    except KafkaError as error:
        raise BrokerRefused(f"The {what} was refused: {type(error).__name__}.") from error


class PartitionWriter:
    """Writes the outputs of one partition; opening it fences every earlier writer of its id."""

    def __init__(self, client: Any, transactional_id: str) -> None:
        self._client = client
        self._what = f"writer {transactional_id}"

    @classmethod
    async def open(cls, settings: Settings, transactional_id: str) -> Self:
        """A started writer.

        Raises:
            BrokerUnavailable, BrokerRefused: try again.
        """
        silence_echoes(asyncio.get_running_loop())
        client = AIOKafkaProducer(
            **connection_options(settings),
            acks="all",
            compression_type="zstd",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            transactional_id=transactional_id,
            transaction_timeout_ms=ABANDONED_SECONDS * 1_000,
            request_timeout_ms=10_000,
        )
        writer = cls(client, transactional_id)
        try:
            with _translated(writer._what):
                await start_within(client, OPEN_SECONDS)
        except BaseException:
            await writer.close()
            raise
        return writer

    async def write(self, partition: int, outputs: Sequence[Output]) -> dict[str, int]:
        """One transaction with all outputs, each to that partition of its topic.

        Returns the offset of the last output of each topic.

        Raises:
            Fenced: another writer has taken over; nothing was written.
            BrokerUnavailable, BrokerRefused: it may or may not be written; restore to know.
        """
        with _translated(self._what):
            async with asyncio.timeout(TRANSACTION_SECONDS):
                await self._client.begin_transaction()
                last = await self._send(partition, outputs)
                await self._client.commit_transaction()
        return last

    async def _send(self, partition: int, outputs: Sequence[Output]) -> dict[str, int]:
        """Sends everything and waits for it: the client would commit without what was refused."""
        packed = pack(self._client, outputs)
        sent: list[asyncio.Future[Any]] = []
        try:
            for topic, batch in packed:
                sent.append(await self._client.send_batch(batch, topic, partition=partition))
            if sent:
                await asyncio.wait(sent)
            done = [future.result() for future in sent]
        finally:
            _retrieve(sent)
        last = {
            topic: found.offset + batch.record_count() - 1
            for (topic, batch), found in zip(packed, done, strict=True)
        }
        if any(found.offset < 0 for found in done):
            # The broker knew these as repeated: they are written, and it does not say where.
            raise BrokerUnavailable(f"The broker did not tell where the {self._what} wrote.")
        return last

    async def close(self) -> None:
        """Lets go of the writer and its connections, soon, whatever the broker does."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.stop()
        except TimeoutError:
            await self._abandon()
        except (KafkaError, OSError) as error:
            log.info("the %s was not closed in order: %s", self._what, type(error).__name__)

    async def _abandon(self) -> None:
        """Ends what a stop cut short leaves behind: its sender would go on, and keep sockets."""
        sender = self._client._sender.sender_task  # noqa: SLF001 - the client ends it only in order
        if sender is not None:
            sender.cancel()
        with suppress(KafkaError, OSError):
            await self._client.client.close()


class _Echoes:
    """An exception handler of a loop that passes on everything but what a dead client repeats."""

    def __init__(self, before: Handler | None) -> None:
        self._before = before

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, future = context.get("exception"), context.get("future")
        if isinstance(error, KafkaError) and _is_plain(future):
            log.debug("a client that was given up repeats its end: %s", type(error).__name__)
        elif self._before is not None:
            self._before(loop, context)
        else:
            loop.default_exception_handler(context)


def _is_plain(future: object) -> bool:
    return isinstance(future, asyncio.Future) and not isinstance(future, asyncio.Task)


def silence_echoes(loop: asyncio.AbstractEventLoop) -> None:
    """Keeps asyncio from reporting futures of a dead client, for the life of the loop.

    When aiokafka's sender ends by an error it puts that error into every future that it has made,
    also into those that nobody was waiting for. The write has raised it already; asyncio would tell
    it again with a traceback whenever one of them is thrown away, after the one clear last message.
    """
    before = loop.get_exception_handler()
    if not isinstance(before, _Echoes):
        loop.set_exception_handler(_Echoes(before))


def pack(client: Any, outputs: Sequence[Output]) -> list[tuple[str, Any]]:
    """The outputs as full record batches with their topics; those of one topic keep their order.

    Batches of different topics take turns, since a client sends one batch of a topic at a time.
    """
    batches: dict[str, list[Any]] = {}
    for output in outputs:
        of_topic = batches.setdefault(output.topic, [])
        if not of_topic or not _append(of_topic[-1], output):
            of_topic.append(client.create_batch())
            _append(of_topic[-1], output)
    turns = zip_longest(*([(topic, one) for one in found] for topic, found in batches.items()))
    return [one for turn in turns for one in turn if one is not None]


def _append(batch: Any, output: Output) -> bool:
    added = batch.append(
        timestamp=None, key=output.key, value=output.value, headers=list(output.headers)
    )
    return added is not None


def _retrieve(sent: Sequence[asyncio.Future[Any]]) -> None:
    """Marks errors of the batches as seen: the first one is raised, and it speaks for all."""
    for future in sent:
        if future.done() and not future.cancelled():
            future.exception()
        else:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
