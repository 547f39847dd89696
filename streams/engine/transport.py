"""Faust's aiokafka transport, changed to hand over whole partition batches.

Stock Faust makes two tasks per record; one Faust message per fetched partition batch removes that
cost. Offsets acknowledged to Faust become group offsets, which are a hint only: positions live in
the outputs, so this consumer never drops a batch because of what it believes to have read.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import faust
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError
from faust.transport.conductor import Conductor
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from infra.kafka import Record, connection_options, consumer, our_records
from infra.settings import Settings

log = logging.getLogger(__name__)

SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 1_000
"""How soon a process learns that another one joined or left: until then its partitions wait."""
REBALANCE_TIMEOUT_MS = 20_000
"""How long all others wait for a member that hears of a rebalance and does not join anew."""
REQUEST_MS = REBALANCE_TIMEOUT_MS + 5_000
"""The broker answers who joins when all have joined, or the others' time is up. A client that gives
up earlier takes the coordinator for dead, and joins again and again."""
MAX_POLL_RECORDS = 2_000
FETCH_BYTES = 2 * 1024 * 1024
LOG_APPEND_TIME = 1
"""Kafka's number for timestamps that the broker set, as all topics have them."""
NOTHING_TO_FETCH_SECONDS = 0.02

Positions = Callable[[], Mapping[int, int]]


class Assignments(Protocol):
    """What the app tells about the partitions that this process holds; none of it does I/O."""

    def expected(self) -> Mapping[int, int]:
        """The next offset of every partition that is restored."""
        ...

    def hand_over(self) -> None:
        """The group starts to hand partitions over; `take` ends that."""
        ...

    def keep_only(self, partitions: set[int]) -> None:
        """All other partitions belong to other processes now."""
        ...

    def take(self, partitions: set[int]) -> None:
        """These are ours; those that are new want to be initialised."""
        ...


class PassThrough(faust.Schema[Any, Any]):
    """Leaves keys and values as they are: the value is a list of records."""

    def loads_key(self, app: Any, message: Any, **_kwargs: Any) -> Any:
        """The key, untouched."""
        del app
        return message.key

    def loads_value(self, app: Any, message: Any, **_kwargs: Any) -> Any:
        """The batch, untouched."""
        del app
        return message.value


class _NothingRead(dict[TP, int | None]):
    """Faust's memory of read offsets, switched off: it would drop batches after a seek back."""

    def __getitem__(self, key: TP) -> int | None:
        return None


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the group membership: heartbeats go on while the loop decides."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        self._assignor = RoundRobinPartitionAssignor
        return consumer(
            transport.dpp_settings,
            group=self.app.conf.id,
            value_deserializer=our_records,
            max_poll_records=MAX_POLL_RECORDS,
            max_partition_fetch_bytes=FETCH_BYTES,
            max_poll_interval_ms=300_000,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            request_timeout_ms=REQUEST_MS,
            partition_assignment_strategy=[self._assignor],
        )

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """A commit that fails costs nothing but a hint, and must not crash the worker."""
        client = self._ensure_consumer()
        held = {tp for tp in offsets if tp in self.assignment()}
        try:
            await client.commit({driver.ensure_aiokafka_TP(tp): offsets[tp] for tp in held})
        except KafkaError as error:
            log.info("group offsets were not committed: %s", type(error).__name__)
            return False
        return True


class BatchConsumer(driver.Consumer):
    """Yields one message per partition batch; its offset is that of the batch's last record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NothingRead()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> Any:
        """As Faust's, which sleeps a whole second when no partition may be fetched just now.

        That is so during every rebalance, and whenever the buffers of all partitions are full.
        """
        if self.flow_active and not self._get_active_partitions():
            await asyncio.sleep(NOTHING_TO_FETCH_SECONDS)
            return {}, set()
        if self._buffered_partitions:
            # They are fetched again once their buffers have emptied, which others must not delay.
            timeout = min(timeout, NOTHING_TO_FETCH_SECONDS)
        return await super()._wait_next_records(timeout)

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """The fetched batches, as long as neither flow nor group generation changed."""
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        generation = self.app.consumer_generation_id
        for found, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                # The assignment that follows seeks anew, so nothing is lost by leaving.
                break
            tp = ensure_TP(found)
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, self._to_batch(tp, batch)

    def _to_batch(self, tp: TP, batch: Sequence[Record]) -> ConsumerMessage:
        last = batch[-1]
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp_ms / 1000.0,
            LOG_APPEND_TIME,
            None,  # headers stay with their records
            None,
            None,
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        batched: Any = message
        batched.value = batch
        return message

    async def perform_seek(self) -> None:
        """Seeks to the committed offsets, and from there to the positions that are known."""
        await super().perform_seek()
        await self.seek_known(cast("BatchTransport", self.transport).positions())

    async def seek_known(self, positions: Mapping[int, int]) -> None:
        """Goes on fetching from these offsets, where the partitions are still ours."""
        assigned = self.assignment()
        wanted = {tp: positions[tp.partition] for tp in assigned if tp.partition in positions}
        if wanted:
            await self._thread.seek_wait(wanted)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Batches leave no gaps: whatever lies between two of them was passed in order."""

    def _new_offset(self, tp: TP) -> int | None:
        """One after the highest acknowledged offset; safe because batches finish in order."""
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return highest + 1

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own stall detector knows single records only; lag is measured at the broker."""


class LastingSubscription(Conductor):
    """Faust's record of who reads what: a stage reads one topic, from its start to its end.

    Whenever an agent of a partition ends, Faust would subscribe to its topics anew 45 s later, and
    each time that is a rebalance of the whole group.
    """

    def discard(self, topic: Any) -> None:
        """The agent of a partition is gone; the subscription stays."""
        self._topics.discard(topic)


class IdleProducer(driver.Producer):
    """Faust's own producer, which nothing uses: it only has to connect as all others do."""

    def _settings_default(self) -> Mapping[str, Any]:
        return {
            **super()._settings_default(),
            **connection_options(cast("BatchTransport", self.transport).dpp_settings),
        }

    def _settings_auth(self) -> Mapping[str, Any]:
        return {}


class BatchTransport(driver.Transport):
    """Names the consumer and producer above, and carries what they need."""

    Consumer = BatchConsumer
    Conductor = LastingSubscription
    Producer = IdleProducer

    dpp_settings: Settings
    positions: Positions


class StageApp(faust.App):
    """A Faust app on the batched transport that reports assignments to `partitions`."""

    def __init__(self, settings: Settings, partitions: Assignments, **options: Any) -> None:
        self._dpp_settings = settings
        self._dpp_partitions = partitions
        super().__init__(
            broker=[f"kafka://{one.strip()}" for one in settings.bootstrap.split(",")],
            key_serializer="raw",
            value_serializer="raw",
            autodiscover=False,
            web_enabled=False,
            store="memory://",
            datadir=str(settings.data / "faust"),
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            broker_commit_interval=1.0,
            broker_session_timeout=SESSION_TIMEOUT_MS / 1000,
            broker_heartbeat_interval=HEARTBEAT_MS / 1000,
            broker_rebalance_timeout=REBALANCE_TIMEOUT_MS / 1000,
            broker_request_timeout=30.0,
            stream_wait_empty=False,
            stream_buffer_maxsize=2,
            **options,
        )

    def _new_transport(self) -> BatchTransport:
        transport = BatchTransport(self.conf.broker_consumer, self, loop=self.loop)
        transport.dpp_settings = self._dpp_settings
        transport.positions = self._dpp_partitions.expected
        return transport

    def _new_producer_transport(self) -> BatchTransport:
        return self._new_transport()

    async def until_crashed(self) -> None:
        """Returns when something inside Faust failed: it then stays there and does nothing."""
        await self._crashed.wait()

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._dpp_partitions.hand_over()
        await super()._on_partitions_revoked(revoked)

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        numbers = {tp.partition for tp in assigned}
        self._dpp_partitions.keep_only(numbers)
        await super()._on_partitions_assigned(assigned, generation_id)
        self._dpp_partitions.take(numbers)
