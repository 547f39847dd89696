"""The single sequencer: records become leaves, leaves a tree, the tree a signed checkpoint.

Durable before signed. The checkpoint's record in Kafka, written by a fenced transactional
producer, is what decides: a second sequencer fences the first, and finds the last checkpoint of
either in the topic before it appends anything. Only then are witnesses asked, and is the
checkpoint published as a file with the cosignatures that came in time.
One folder is written by one process at a time, which holds a lock on it until it ends.

A crash leaves, at worst, files beyond the last checkpoint (written again) or a decided checkpoint
without its file (its tiles are durable, so the file is written at the next start).

While a successor of its key is there, both sign. Handing over is one more record in Kafka: the last
checkpoint once again, with the handovers so far as its header, as every checkpoint has them from
then on. The file `handovers` follows, and only then what the successor signs alone.
"""

import asyncio
import fcntl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from infra.errors import InfrastructureError
from infra.kafka import (
    Partition,
    PartitionReader,
    Producer,
    Record,
    partition_for,
    producer,
    reader,
)
from infra.settings import Settings
from schemas.topics import LOG_CHECKPOINTS
from streams.engine.memory import rarely_collected
from streams.notary import handover, leaf, metrics, notes, positions
from streams.notary.cosigning import Cosigners, Witness
from streams.notary.directory import CHECKPOINT, LogDirectory, LogFileMissing
from streams.notary.handover import (
    HANDOVERS,
    HandoverInvalid,
    Handovers,
    Held,
    KeyAbsent,
    LogKeys,
    Signers,
)
from streams.notary.leaf import LOGGED, Recorded
from streams.notary.notes import Checkpoint, Note, NoteInvalid
from streams.notary.positions import NextOffsets
from streams.notary.writer import LogWriter

TRANSACTIONAL_ID: Final = "dpp-notary"
POLL_RECORDS: Final = 8_192
POLL_SECONDS: Final = 0.25
LARGEST_BATCH: Final = 32_768
"""Leaves between two checkpoints at most: some 20 MB, about half a second of work."""
_LOOK_BACK: Final = 16
_log = structlog.get_logger(__name__)


class SequencerStopped(InfrastructureError):
    """The sequencer must not go on; the text says why and what to do."""


@dataclass(slots=True)
class SequencerHealth:
    """What `/readyz` of the notary answers from; `size` is None until the log is open."""

    size: int | None = None
    published_at: float | None = None

    def snapshot(self) -> dict[str, object]:
        """JSON-ready."""
        return {"size": self.size, "published_at": self.published_at}


@dataclass(slots=True)
class _Opened:
    """What exists between start and stop; `note` is the last checkpoint as it is published."""

    sender: Producer
    reading: PartitionReader
    writer: LogWriter
    positions: NextOffsets
    cosigners: Cosigners
    note: Note | None
    succession: "_Succession"


@dataclass(frozen=True, slots=True)
class _Succession:
    """The handovers so far: the bytes of their file, and what they say."""

    file: bytes
    handovers: Handovers

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """What goes with a decided checkpoint."""
        return [(HANDOVERS, self.file)] if self.file else []


KeySource = Callable[[], Held]
"""Gives the log's private keys as they are at this moment; asked again before every checkpoint."""


class Sequencer:
    """The log named `origin` in `directory`, signed with its `keys`; `state` is its own folder."""

    def __init__(
        self,
        settings: Settings,
        directory: LogDirectory,
        *,
        origin: str,
        keys: KeySource,
        state: Path,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._origin = origin
        self._keys = keys
        self._state = state
        self._positions_file = state / "positions.json"
        self._witnesses = witnesses
        self.health = SequencerHealth()

    async def run(self, stop: asyncio.Event) -> None:
        """Appends records until `stop` is set.

        Raises:
            SequencerStopped, LogDamaged, Fenced: another sequencer took over, or the log is not
                in order.
            InfrastructureError: broker or disk are in trouble; start it again.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(_locked(self._state / "lock"))
            opened = await self._open(stack)
            self.health.size = opened.writer.size
            arriving = _Arriving(opened.reading)
            stack.push_async_callback(arriving.stop)
            stack.enter_context(rarely_collected())
            while not stop.is_set():
                records = await arriving.next()
                await self._hand_over(opened)
                if records:
                    await self._commit(opened, records)
                else:
                    await self._cosign(opened, seconds=0)

    async def _open(self, stack: AsyncExitStack) -> _Opened:
        """Fence first, then look at what was decided, then open the files at that size."""
        sender = await stack.enter_async_context(
            producer(self._settings, transactional_id=TRANSACTIONAL_ID, linger_ms=0)
        )
        reading = await stack.enter_async_context(reader(self._settings))
        last = await self._last_decided(reading)
        decided = None if last is None else last.value
        published = self._directory.checkpoint()
        succession = self._succession(last)
        checkpoint = self._reconciled(decided, published, succession)
        writer = await asyncio.to_thread(LogWriter, self._directory, checkpoint)
        note = _newest(decided, published)
        if succession.file:
            self._directory.write({HANDOVERS: succession.file})
        if note is not None:
            self._directory.write({CHECKPOINT: str(note).encode()})
        start = await asyncio.to_thread(
            positions.load, self._positions_file, writer.size, self._directory.read
        )
        await reading.assign_all(*LOGGED, start=start)
        cosigners = Cosigners(self._directory.read, self._witnesses)
        await stack.enter_async_context(cosigners)
        return _Opened(sender, reading, writer, start, cosigners, note, succession)

    async def _last_decided(self, reading: PartitionReader) -> Record | None:
        """The record of the last checkpoint of this log in the topic."""
        count = len(await reading.partitions(LOG_CHECKPOINTS.name))
        one = Partition(LOG_CHECKPOINTS.name, partition_for(self._origin.encode(), count))
        begin = (await reading.beginning_offsets([one]))[one]
        end = (await reading.end_offsets([one]))[one]
        back = _LOOK_BACK
        while end > begin:
            start = max(begin, end - back)
            await reading.assign({one: start})
            last: Record | None = None
            while await reading.position(one) < end:
                for record in (await reading.poll()).get(one, []):
                    last = record if record.key == self._origin.encode() else last
            if last is not None or start == begin:
                return last
            back *= 8
        return None

    def _succession(self, last: Record | None) -> _Succession:
        """The handovers that are decided; those shown in the folder are among them."""
        headers = () if last is None else last.headers
        file = next((value for name, value in headers if name == HANDOVERS), b"")
        try:
            shown = self._directory.read(HANDOVERS)
        except LogFileMissing:
            shown = b""
        if not file.startswith(shown):
            raise SequencerStopped(
                f"The log in {self._directory.folder} shows a handover of its key that "
                f"{LOG_CHECKPOINTS.name} does not know: one of them was put back to an older "
                "state. Nothing was appended."
            )
        try:
            return _Succession(file, handover.parse(file, self._origin))
        except HandoverInvalid as error:
            raise SequencerStopped(f"The handovers of {self._origin}: {error}.") from None

    def _reconciled(
        self, decided: bytes | None, published: bytes | None, succession: _Succession
    ) -> Checkpoint | None:
        if decided is None and published is not None:
            raise SequencerStopped(
                f"The log in {self._directory.folder} has a checkpoint that "
                f"{LOG_CHECKPOINTS.name} does not know: it belongs to another broker. Nothing was "
                "appended; name its own folder."
            )
        ruling = notes.verifier(self._origin, self._signers(succession).ruling)
        keys = LogKeys.of(ruling, succession.handovers)
        try:
            last = None if decided is None else handover.open_checkpoint(decided, keys)
            if published is not None:
                mine = handover.open_checkpoint(published, keys)
                if last is None or mine.size > last.size:
                    raise SequencerStopped(
                        f"The log in {self._directory.folder} is ahead of {LOG_CHECKPOINTS.name}: "
                        "one of them was put back to an older state. Nothing was appended."
                    )
        except NoteInvalid as error:
            raise SequencerStopped(
                f"The last checkpoint of {self._origin} does not open with this key: {error}."
            ) from None
        return last

    async def _commit(self, opened: _Opened, records: Sequence[Recorded]) -> None:
        """Leaves durable and checked, then the checkpoint decided, then published."""
        entries = [leaf.encode(record) for record in records]
        with metrics.PHASE_SECONDS.labels("append").time():
            await asyncio.to_thread(opened.writer.append, entries)
        signed = self._signed(opened)
        with metrics.PHASE_SECONDS.labels("decide").time():
            await self._decide(opened, signed, opened.succession)
        seconds = self._settings.log_witness_seconds
        with metrics.PHASE_SECONDS.labels("cosign").time():
            opened.note = await opened.cosigners.cosigned(signed, seconds)
        with metrics.PHASE_SECONDS.labels("publish").time():
            await asyncio.to_thread(self._publish, opened, opened.note, records)
        self._count(opened.writer.size, records)

    async def _cosign(self, opened: _Opened, *, seconds: float) -> None:
        """Adds cosignatures that came late to the published checkpoint."""
        if opened.note is not None:
            note = await opened.cosigners.cosigned(opened.note, seconds)
            if len(note.signatures) > len(opened.note.signatures):
                opened.note = note
                data = str(note).encode()
                await asyncio.to_thread(self._directory.write, {CHECKPOINT: data})

    async def _decide(self, opened: _Opened, note: Note, succession: _Succession) -> None:
        async with opened.sender.transaction():
            await opened.sender.send(
                LOG_CHECKPOINTS.name,
                str(note).encode(),
                key=self._origin.encode(),
                headers=succession.headers,
            )

    async def _hand_over(self, opened: _Opened) -> None:
        """If it is due: the ruling key signs its last, and says so with its successor."""
        signers = self._signers(opened.succession)
        if not signers.due or signers.successor is None or opened.note is None:
            return
        last = notes.parse_checkpoint(opened.note)
        statement = handover.signed(last, signers.ruling, signers.successor)
        file = handover.joined(opened.succession.file, statement)
        succession = _Succession(file, handover.parse(file, self._origin))
        both = signers.sign(last)
        await self._decide(opened, both, succession)
        opened.succession = succession
        opened.note = await opened.cosigners.cosigned(both, 0)
        await asyncio.to_thread(self._show_handover, opened.succession, opened.note)
        _log.info("key handed over", size=last.size)

    def _show_handover(self, succession: _Succession, note: Note) -> None:
        self._directory.write({HANDOVERS: succession.file})
        self._directory.write({CHECKPOINT: str(note).encode()})

    def _signers(self, succession: _Succession) -> Signers:
        try:
            return handover.signers(self._keys(), succession.handovers)
        except KeyAbsent:
            raise SequencerStopped(
                f"The key that signs {self._origin} now is not at hand: bring the private key of "
                "the last handover back to where the log's keys lie."
            ) from None

    def _signed(self, opened: _Opened) -> Note:
        checkpoint = Checkpoint(self._origin, opened.writer.size, opened.writer.root)
        return self._signers(opened.succession).sign(checkpoint)

    def _publish(self, opened: _Opened, note: Note, records: Sequence[Recorded]) -> None:
        self._directory.write({CHECKPOINT: str(note).encode()})
        opened.writer.published()
        last = {(one.topic, one.partition): one.offset for one in records}
        for place, offset in last.items():
            opened.positions[Partition(*place)] = offset + 1
        positions.save(self._positions_file, opened.writer.size, opened.positions)

    def _count(self, size: int, records: Sequence[Recorded]) -> None:
        now = time.time()
        self.health.size, self.health.published_at = size, now
        metrics.SIZE.set(size)
        metrics.CHECKPOINT_TIME.set(now)
        metrics.BATCH_LEAVES.observe(len(records))
        for topic, count in Counter(record.topic for record in records).items():
            metrics.LEAVES.labels(topic).inc(count)
        _log.debug("checkpoint published", size=size, leaves=len(records))


def _newest(decided: bytes | None, published: bytes | None) -> Note | None:
    """The last checkpoint: as published, with its cosignatures, if that is the one decided."""
    if decided is None:
        return None
    note = notes.parse_note(decided)
    mine = None if published is None else notes.parse_note(published)
    return mine if mine is not None and mine.text == note.text else note


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SequencerStopped(
                f"Another process holds {file}, and with it the log: it must end first."
            ) from None
        yield


class _Arriving:
    """Batches of records; the next is fetched while the last is on its way to disk and broker."""

    def __init__(self, reading: PartitionReader) -> None:
        self._reading = reading
        self._fetching: asyncio.Task[list[Recorded]] | None = None

    async def next(self) -> list[Recorded]:
        """The next batch, empty if nothing came for a while."""
        fetching = self._fetching or asyncio.create_task(_gathered(self._reading))
        records = await fetching
        self._fetching = asyncio.create_task(_gathered(self._reading))
        return records

    async def stop(self) -> None:
        """Gives up what was fetched ahead: nobody has seen it, so it is fetched again."""
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError, InfrastructureError):
                await self._fetching


async def _gathered(reading: PartitionReader) -> list[Recorded]:
    """What has arrived: the first records as soon as they come, more only while they wait."""
    found: list[Recorded] = []
    wait = POLL_SECONDS
    while len(found) < LARGEST_BATCH:
        polled = await reading.poll(max_records=POLL_RECORDS, timeout=wait)
        new = [record for records in polled.values() for record in records]
        if not new:
            break
        found += new
        wait = 0.0
    return found
