"""The sequencer on a real broker: one dense log, in step with Kafka, that nobody can fork."""

import asyncio
import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record._crc32c import crc as crc32c
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from consumers.audit import against_kafka
from consumers.audit.against_kafka import Compared, Comparison, compare
from consumers.audit.follow import Demands, Following
from consumers.audit.kept import Kept
from consumers.audit.prove import check_within, prove
from consumers.audit.verify import Memory, verify
from consumers.cli.main import app
from consumers.keys.log_keys import LogKeyFiles
from consumers.stack.office import first_keys, log_key_path, log_signers, log_verifier
from consumers.witness.app import WitnessService, witness_app
from consumers.witness.known import KnownLogs, published_at
from consumers.witness.store import WitnessStore
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.embedded.processes import free_ports
from infra.kafka import Fenced, Partition, producer, reader
from infra.observability.ops import serve_app
from infra.settings import Settings, load_settings
from infra.topics import apply
from projections.broadcast import BroadcastTables
from schemas.audit import LogAudited
from schemas.topics import ACCESS_AUDITED
from streams.notary import leaf, notes, proofs, sequencer, tiles, tree, witnessing
from streams.notary.cosigning import witnesses_from
from streams.notary.directory import LogDirectory, LogFileMissing
from streams.notary.handover import Held
from streams.notary.leaf import LOGGED
from streams.notary.opening import Demand
from streams.notary.sequencer import Sequencer, SequencerStopped
from streams.notary.witnessing import AddCheckpoint
from streams.notary.writer import LogWriter
from tests.support.chaos import sequencing

pytestmark = [pytest.mark.integration]
SEED = secrets.randbelow(10**6)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Notary:
    """One log of the test's own: its name, its folder, and its sequencer when it runs."""

    def __init__(self, settings: Settings, folder: Path, origin: str) -> None:
        self.settings = settings
        self.folder = folder
        self.origin = origin
        self.directory = LogDirectory(folder / "log")
        self.witnesses: str | None = None

    def sequencer(self) -> Sequencer:
        return Sequencer(
            self.settings,
            self.directory,
            origin=self.origin,
            keys=lambda: Held((KEY,)),
            state=self.folder,
            witnesses=witnesses_from(self.witnesses),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Sequencer]:
        stop = asyncio.Event()
        one = self.sequencer()
        work = asyncio.create_task(one.run(stop))
        try:
            yield one
        finally:
            stop.set()
            await work

    async def until(self, size: int) -> list[leaf.Leaf]:
        async with asyncio.timeout(120):
            while self.size() < size:  # noqa: ASYNC110 - the file is what readers see
                await asyncio.sleep(0.02)
        return self.leaves()

    def size(self) -> int:
        data = self.directory.checkpoint()
        return 0 if data is None else self.opened(data).size

    def opened(self, data: bytes) -> notes.Checkpoint:
        return notes.open_checkpoint(data, notes.verifier(self.origin, KEY))

    def leaves(self) -> list[leaf.Leaf]:
        """Every leaf, after checking that the entries give the checkpoint's root."""
        data = self.directory.checkpoint()
        assert data is not None
        checkpoint = self.opened(data)
        entries: list[bytes] = []
        for index in range(-(-checkpoint.size // 256)):
            width = tiles.width_at(checkpoint.size, 0, index)
            bundle = self.directory.read(tiles.bundle_path(index, width))
            entries += tiles.unpack(bundle, width)
        hashes = [tree.leaf_hash(entry) for entry in entries]

        def nodes(height: int, index: int) -> bytes:
            return tiles.subtree(b"".join(hashes[index << height : (index + 1) << height]))

        assert tree.root_of(checkpoint.size, nodes) == checkpoint.root
        return [leaf.decode(entry) for entry in entries]


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A broker whose topics nobody else reads: what is written here is no event."""
    folder = tmp_path_factory.mktemp("notary")
    with EmbeddedInfrastructure(folder) as running:
        settings = load_settings(kafka_bootstrap=running.endpoints.kafka_bootstrap, data=folder)
        asyncio.run(apply(settings))
        yield settings


@pytest.fixture
def notary(own_broker: Settings, tmp_path: Path, topic: str) -> Notary:
    return Notary(own_broker, tmp_path, f"{topic}.example/log")


async def publish(settings: Settings, count: int, *, name: str) -> None:
    async with producer(settings) as sender:
        futures = [
            await sender.enqueue(
                LOGGED[number % len(LOGGED)],
                b"%d of " % number + name.encode(),
                key=b"key %d" % (number % 7),
                headers=(("ce_id", b"%d" % number),),
            )
            for number in range(count)
        ]
        await asyncio.gather(*futures)


async def in_kafka(settings: Settings) -> dict[Partition, list[int]]:
    """The offsets of every record of the logged topics, by partition."""
    found: dict[Partition, list[int]] = {}
    async with reader(settings) as reading:
        await reading.assign_all(*LOGGED)
        ends = await reading.end_offsets(reading.assigned)
        while await reading.positions() != ends:
            for place, records in (await reading.poll()).items():
                found.setdefault(place, []).extend(record.offset for record in records)
    return found


def offsets(leaves: list[leaf.Leaf]) -> dict[Partition, list[int]]:
    found: dict[Partition, list[int]] = {}
    for one in leaves:
        found.setdefault(Partition(one.topic, one.partition), []).append(one.offset)
    return found


async def everything(notary: Notary) -> list[leaf.Leaf]:
    wanted = sum(map(len, (await in_kafka(notary.settings)).values()))
    return await notary.until(wanted)


async def test_the_log_holds_every_record_once_in_order_and_goes_on_after_a_stop(
    notary: Notary,
) -> None:
    await publish(notary.settings, 700, name=notary.origin)
    async with notary.running():
        await everything(notary)
    await publish(notary.settings, 300, name=notary.origin)
    async with notary.running():
        leaves = await everything(notary)

    assert offsets(leaves) == await in_kafka(notary.settings)
    mine = [one for one in leaves if one.value and one.value.endswith(notary.origin.encode())]
    assert len(mine) == 1_000
    assert all(one.key and one.headers for one in mine)


async def test_positions_that_are_lost_are_read_from_the_leaves(notary: Notary) -> None:
    await publish(notary.settings, 40, name=notary.origin)
    async with notary.running():
        await everything(notary)
    (notary.folder / "positions.json").write_bytes(b"torn")
    await publish(notary.settings, 40, name=notary.origin)
    async with notary.running():
        leaves = await everything(notary)
    assert offsets(leaves) == await in_kafka(notary.settings)


async def test_a_checkpoint_that_was_decided_but_not_published_is_published_at_the_next_start(
    notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(notary.settings, 40, name=notary.origin)

    def dies(*_: object) -> None:
        raise OSError("as if killed here")

    with monkeypatch.context() as patched:
        patched.setattr(Sequencer, "_publish", dies)
        with pytest.raises(OSError, match="as if killed"):
            await notary.sequencer().run(asyncio.Event())
    assert notary.size() == 0
    async with notary.running():
        leaves = await everything(notary)
    assert offsets(leaves) == await in_kafka(notary.settings)


async def test_what_was_written_but_not_decided_is_written_again(
    notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(notary.settings, 400, name=notary.origin)

    def dies(*_: object) -> str:
        raise OSError("as if killed here")

    with monkeypatch.context() as patched:
        patched.setattr(Sequencer, "_signed", dies)
        with pytest.raises(OSError, match="as if killed"):
            await notary.sequencer().run(asyncio.Event())
    async with notary.running():
        leaves = await everything(notary)
    assert offsets(leaves) == await in_kafka(notary.settings)


async def test_a_second_sequencer_with_a_copy_fences_the_first_and_the_log_does_not_fork(
    notary: Notary, tmp_path: Path
) -> None:
    first = asyncio.create_task(notary.sequencer().run(asyncio.Event()))
    await everything(notary)
    shutil.copytree(notary.directory.folder, tmp_path / "standby" / "log")
    standby = Notary(notary.settings, tmp_path / "standby", notary.origin)
    async with standby.running() as second:
        async with asyncio.timeout(120):
            while second.health.size is None:  # noqa: ASYNC110 - health has no event
                await asyncio.sleep(0.02)
        await publish(notary.settings, 50, name=notary.origin)
        with pytest.raises(Fenced):
            await first
        leaves = await everything(standby)
    assert offsets(leaves) == await in_kafka(notary.settings)
    decided = notary.directory.checkpoint()
    assert decided is not None
    assert notary.opened(decided).size < standby.size()


async def test_one_folder_has_one_sequencer_bad(notary: Notary) -> None:
    await publish(notary.settings, 5, name=notary.origin)
    async with notary.running():
        await everything(notary)
        with pytest.raises(SequencerStopped, match="must end first"):
            await notary.sequencer().run(asyncio.Event())


async def test_a_folder_that_was_put_back_is_not_appended_to_bad(notary: Notary) -> None:
    await publish(notary.settings, 20, name=notary.origin)
    async with notary.running():
        await everything(notary)
    notary.directory = LogDirectory(notary.folder / "another")
    with pytest.raises(Exception, match=r"restore the log|has no file"):
        await notary.sequencer().run(asyncio.Event())


async def test_a_log_of_another_key_or_broker_is_not_appended_to_bad(
    notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(notary.settings, 20, name=notary.origin)
    async with notary.running():
        await everything(notary)
    other = Notary(notary.settings, notary.folder, "other." + notary.origin)
    with pytest.raises(SequencerStopped, match="belongs to another broker"):
        await other.sequencer().run(asyncio.Event())
    monkeypatch.setattr("tests.integration.test_notary.KEY", Ed25519PrivateKey.generate())
    with pytest.raises(SequencerStopped, match="does not open with this key"):
        await notary.sequencer().run(asyncio.Event())


@asynccontextmanager
async def served(service: WitnessService) -> AsyncIterator[str]:
    """The witness's address, while it is asked over HTTP."""
    [port] = free_ports(1)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_app(witness_app(service), "127.0.0.1", port, stop))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await serving


async def test_a_witness_cosigns_what_is_published_and_nothing_that_is_forked(
    notary: Notary, tmp_path: Path
) -> None:
    key = Ed25519PrivateKey.generate()
    witness = notes.verifier("witness.example", key, notes.COSIGNATURE)
    log = notes.verifier(notary.origin, KEY)
    store = WitnessStore(tmp_path / "witness.sqlite")
    service = WitnessService("witness.example", key, store, KnownLogs([log]), time.time)

    async def cosigned() -> notes.Checkpoint:
        async with asyncio.timeout(120):
            while True:
                data = notary.directory.read("checkpoint")
                with suppress(notes.NoteInvalid):
                    return notes.open_checkpoint(data, log, [witness], needed=1)
                await asyncio.sleep(0.02)

    async with served(service) as address:
        notary.witnesses = f"{address} {witness}"
        for _ in range(2):
            await publish(notary.settings, 50, name=notary.origin)
            async with notary.running():
                leaves = await everything(notary)
                assert (await cosigned()).size == len(leaves)
        fork = notes.Checkpoint(notary.origin, len(leaves), bytes(32))
        forged = str(notes.Note(fork.text, (notes.sign(fork.text, notary.origin, KEY),)))
        body = witnessing.write_request(AddCheckpoint(fork.size, (), forged.encode()))
        assert service.add_checkpoint(body).status_code == witnessing.CONFLICT
        assert store.misbehaviour(notary.origin) == [forged.encode()]


def test_the_poll_is_short_enough_for_a_checkpoint_each_second() -> None:
    assert sequencer.POLL_SECONDS < 0.5


async def compared(notary: Notary) -> Comparison:
    log = notes.verifier(notary.origin, KEY)
    return await compare(notary.settings, notary.directory.read, log, Compared())


async def test_log_and_kafka_agree_and_what_is_added_or_left_out_is_named(
    notary: Notary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(notary.settings, 300, name=notary.origin)
    async with notary.running():
        leaves = await everything(notary)
    found = await compared(notary)
    assert (found.holds, found.compared, found.gone) == (True, len(leaves), 0)

    await publish(notary.settings, 20, name=notary.origin)
    assert (await compared(notary)).behind >= 20
    lying = leaf.encode(leaves[-1])[:-1] + b"?"
    invented = leaf.encode(replace(leaves[-1], offset=leaves[-1].offset + 10**6))
    honest = [leaf.encode(one) for one in leaves]
    forged = Notary(notary.settings, tmp_path / "forged", notary.origin)
    writer = LogWriter(forged.directory, None)
    writer.append([*honest[1:-1], lying, invented])
    text = notes.Checkpoint(notary.origin, writer.size, writer.root).text
    note = str(notes.Note(text, (notes.sign(text, notary.origin, KEY),))).encode()
    forged.directory.write({"checkpoint": note})
    monkeypatch.setattr(against_kafka, "STRETCH", 1)
    found = await compared(forged)
    # The invented leaf claims that the log has come so far: what Kafka has before it is missing.
    last = Partition(leaves[-1].topic, leaves[-1].partition)
    assert found.counts["added"] == 1
    assert found.counts["other_bytes"] == 1
    told = {(one.kind, one.topic, one.partition, one.offset) for one in found.told}
    assert ("missing", leaves[0].topic, leaves[0].partition, leaves[0].offset) in told
    assert ("other_bytes", *last, leaves[-1].offset) in told
    assert ("added", *last, leaves[-1].offset + 10**6) in told


async def test_comparing_goes_on_where_it_ended(notary: Notary) -> None:
    done, log = Compared(), notes.verifier(notary.origin, KEY)
    for count in (300, 30):
        await publish(notary.settings, count, name=notary.origin)
        async with notary.running():
            await everything(notary)
        before = done.size
        found = await compare(notary.settings, notary.directory.read, log, done)
        assert found.holds
        assert found.compared == notary.size() - before


async def plain(settings: Settings, topic: str, value: bytes) -> tuple[Partition, int]:
    """One record that is not compressed, so that a byte of it can be rewritten on disk."""
    client = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all")
    await client.start()
    try:
        sent = await client.send_and_wait(topic, value, partition=0)
    finally:
        await client.stop()
    return Partition(topic, 0), sent.offset


@contextmanager
def rewritten(folder: Path, place: Partition, value: bytes, *, checksum: bool) -> Iterator[None]:
    """The last byte of that value is another in Kafka's own file; the checksum fits, or not."""
    [data] = folder.glob("**/__cluster_metadata-0")
    file = data.parent / f"{place.topic}-{place.partition}" / f"{0:020}.log"
    before = file.read_bytes()
    altered, at = bytearray(before), 0
    while not (at <= before.index(value) < at + 12 + int.from_bytes(before[at + 8 : at + 12])):
        at += 12 + int.from_bytes(before[at + 8 : at + 12])
    end = at + 12 + int.from_bytes(before[at + 8 : at + 12])
    altered[before.index(value) + len(value) - 1] ^= 1
    if checksum:
        altered[at + 17 : at + 21] = crc32c(bytes(altered[at + 21 : end])).to_bytes(4)
    with file.open("r+b") as segment:
        segment.write(altered)
    try:
        yield
    finally:
        with file.open("r+b") as segment:
            segment.write(before)


async def test_a_rewritten_segment_of_kafka_is_noticed(notary: Notary) -> None:
    value = f"the record of {notary.origin}".encode()
    place, offset = await plain(notary.settings, LOGGED[-1], value)
    await publish(notary.settings, 30, name=notary.origin)
    async with notary.running():
        await everything(notary)
    assert (await compared(notary)).holds
    with rewritten(notary.settings.data, place, value, checksum=True):
        found = await compared(notary)
        assert found.counts == {"other_bytes": 1}
        one = found.told[0]
        assert (one.topic, one.partition, one.offset) == (*place, offset)
    with rewritten(notary.settings.data, place, value, checksum=False):
        found = await compared(notary)
        assert set(found.counts) == {"unreadable"}
        assert {(one.topic, one.partition) for one in found.told} == {place}
    assert (await compared(notary)).holds


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_a_sequencer_that_is_killed_frozen_or_out_of_disk_writes_one_history(
    own_broker: Settings, tmp_path: Path
) -> None:
    """The short form; `python -m tests.chaos --stage notary` is the long one."""
    faults = ["kill -9", "kill -9", "kill -9", "SIGSTOP", "disk full", "key rotation"]
    outcome = await sequencing.run(faults, own_broker, tmp_path / "log", seed=SEED)
    assert outcome.violations == (), f"seed {SEED}"
    assert (outcome.runs, outcome.submissions > 0) == (len(faults), True)


class Rotated:
    """A log in an installation's folder, whose key the commands of the office change."""

    def __init__(self, notary: Notary) -> None:
        given = {
            "data": notary.folder / "data",
            "log_origin": notary.origin,
            "log_witness_seconds": 10.0,
        }
        self.settings = first_keys(notary.settings.model_copy(update=given))
        self.read = LogDirectory(self.settings.log_folder).read
        self.pinned = log_verifier(self.settings)
        self.following = Following(
            self.read, Demands(self.pinned, entries_seconds=0), Kept(notary.folder / "mine")
        )

    async def command(self, *arguments: str) -> dict[str, Any]:
        environment = self.settings.environment()
        done = await asyncio.to_thread(
            CliRunner().invoke, app, [*arguments, "--json"], env=environment
        )
        assert done.exit_code == 0, done.output
        # Before it, lines about the records of these tests, which are no facts of any publisher.
        told: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return told

    async def until(self, *signers: notes.Verifier) -> notes.Note:
        """The log's checkpoint once exactly these have signed it."""
        async with asyncio.timeout(120):
            while True:
                with suppress(LogFileMissing):
                    note = notes.parse_note(self.read("checkpoint"))
                    wanted = {(one.name, one.key_id) for one in signers}
                    if {(one.name, one.key_id) for one in note.signatures} == wanted:
                        assert set(note.signed_by(signers)) == set(signers)
                        return note
                await asyncio.sleep(0.02)

    async def look(self) -> None:
        found = await asyncio.to_thread(self.following.look)
        assert found.fault is None


@asynccontextmanager
async def loaded(log: Rotated, witness: str) -> AsyncIterator[None]:
    """Its sequencer runs, under traffic, which ends at the end."""
    sequencer = Sequencer(
        log.settings,
        LogDirectory(log.settings.log_folder),
        origin=log.settings.log_origin,
        keys=LogKeyFiles(log_key_path(log.settings)).held,
        state=log.settings.data / "notary",
        witnesses=witnesses_from(witness),
    )
    stop, quiet = asyncio.Event(), asyncio.Event()

    async def traffic() -> None:
        while not quiet.is_set():
            await publish(log.settings, 20, name=log.settings.log_origin)
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        group.create_task(sequencer.run(stop))
        loading = group.create_task(traffic())
        yield
        quiet.set()
        await loading
        stop.set()


async def test_another_key_takes_over_under_traffic_and_the_former_one_counts_no_more(
    notary: Notary, tmp_path: Path
) -> None:
    log = Rotated(notary)
    former, former_key = log.pinned, log_signers(log.settings).ruling
    cosigner = Ed25519PrivateKey.generate()
    witness = notes.verifier("witness.example", cosigner, notes.COSIGNATURE)
    store = WitnessStore(tmp_path / "witness.sqlite")
    logs = KnownLogs([former], [published_at(str(log.settings.log_folder), log.settings)])
    service = WitnessService("witness.example", cosigner, store, logs, time.time)
    async with served(service) as address, loaded(log, f"{address} {witness}"):
        await log.until(former, witness)
        await log.look()
        before = await asyncio.to_thread(prove, log.read, former, lambda _: True)

        begun = await log.command("log", "rotate-key")
        new = notes.parse_verifier(begun["successor"])
        assert (begun["ruling"], len(begun["stated"])) == (str(former), 2)
        again = await log.command("log", "rotate-key")
        assert (again["successor"], again["stated"]) == (str(new), [])
        # A witness, and readers, that know just one of the keys go on.
        await log.until(former, new, witness)
        await log.look()
        assert verify(log.read, new, Memory()).holds
        assert logs.keys == {notary.origin: (former,)}

        done = await log.command("log", "retire-key")
        assert (done["former"], done["vkey"]) == (str(former), str(new))
        # The witness has not been told the new key: it follows the handover.
        note = await log.until(new, witness)
        assert logs.keys == {notary.origin: (former, new)}
        assert notes.parse_checkpoint(note).size > done["size"]
        await log.look()
        assert (await log.command("log", "vkey")) == {"vkey": str(new), "successor": None}
        assert not log_key_path(log.settings).exists()
        assert (await log.command("log", "retire-key"))["size"] == done["size"]

    for pinned in (former, new):
        assert verify(log.read, pinned, Memory()).holds
    assert before is not None
    old_proof = proofs.read(before.proof)
    assert proofs.check(old_proof, before.entry, former).size <= done["size"]
    assert check_within(log.read, old_proof, before.entry, Demand(new)).size <= done["size"]
    await _require_compared_and_recorded(log, former)
    _require_useless(log, service, former_key)
    await _require_stated(log)


def _require_useless(log: Rotated, service: WitnessService, stolen: Ed25519PrivateKey) -> None:
    """Whoever has the former key is refused by the witness, and named by who follows the log."""
    last = notes.parse_checkpoint(notes.parse_note(log.read("checkpoint")))
    text = replace(last, size=last.size + 1).text
    forged = str(notes.Note(text, (notes.sign(text, last.origin, stolen),))).encode()
    body = witnessing.write_request(AddCheckpoint(last.size, (), forged))
    assert service.add_checkpoint(body).status_code == witnessing.UNTRUSTED
    LogDirectory(log.settings.log_folder).write({"checkpoint": forged})
    look = log.following.look()
    assert look.fault is not None
    assert look.fault.kind == "retired"


async def _require_compared_and_recorded(log: Rotated, pinned: notes.Verifier) -> None:
    """Log and Kafka agree, says the command, and who asked is in Kafka before anything is told."""
    folder, who = str(log.settings.log_folder), "a" * 26
    asked = ("audit", "compare", folder, "--vkey", str(pinned), "--auditor", who)
    told = await log.command(*asked)
    assert told["holds"]
    assert told["behind"] > 0
    async with reader(log.settings) as reading:
        await reading.assign_all(ACCESS_AUDITED.name)
        ends, found = await reading.end_offsets(reading.assigned), []
        while await reading.positions() != ends:
            for records in (await reading.poll()).values():
                found += [one for one in records if one.key == who.encode()]
    [one] = found
    event = LogAudited.read(one.value or b"")
    assert (event.purpose, event.first_leaf, event.kafka) == ("compare", 0, True)


async def _require_stated(log: Rotated) -> None:
    tables = BroadcastTables(log.settings, log.settings.office_keys)
    await tables.start()
    await tables.stop()
    lives = {one.fact.key_id: one.retired_at for one in tables.backbone_key_lives("log")}
    assert lives["log-2"] is None
    assert lives["log-1"] is not None
