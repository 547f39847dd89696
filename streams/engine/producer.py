"""One transactional writer per partition: all outputs of a batch become visible, or none.

This is aiokafka itself rather than the shared producer, because a writer whose broker is gone has
to be let go at once: whatever it left open is ended by the next writer of the same id.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from infra.kafka import BrokerRefused, BrokerUnavailable, Fenced, connection_options
from infra.settings import Settings
from streams.engine.stage import Output

log = logging.getLogger(__name__)

OPEN_SECONDS: Final = 15.0
TRANSACTION_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0
BATCH_BYTES: Final = 256 * 1024


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
        client = AIOKafkaProducer(
            **connection_options(settings),
            acks="all",
            compression_type="zstd",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            transactional_id=transactional_id,
            transaction_timeout_ms=60_000,
            request_timeout_ms=10_000,
        )
        writer = cls(client, transactional_id)
        try:
            with _translated(writer._what):
                async with asyncio.timeout(OPEN_SECONDS):
                    await client.start()
        except BaseException:
            await writer.close()
            raise
        return writer

    async def write(self, partition: int, outputs: Sequence[Output]) -> None:
        """One transaction with all outputs, each to that partition of its topic.

        Raises:
            Fenced: another writer has taken over; nothing was written.
            BrokerUnavailable, BrokerRefused: it may or may not be written; restore to know.
        """
        with _translated(self._what):
            async with asyncio.timeout(TRANSACTION_SECONDS):
                await self._client.begin_transaction()
                sent = [
                    await self._client.send(
                        output.topic,
                        value=output.value,
                        key=output.key,
                        partition=partition,
                        headers=list(output.headers),
                    )
                    for output in outputs
                ]
                try:
                    await self._client.commit_transaction()
                finally:
                    _retrieve(sent)

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


def _retrieve(sent: Sequence[asyncio.Future[Any]]) -> None:
    """Marks errors of single records as seen; the commit has raised them already."""
    for future in sent:
        if future.done() and not future.cancelled():
            future.exception()
        else:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
