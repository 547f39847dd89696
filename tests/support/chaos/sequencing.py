"""The sequencer under faults: killed, frozen, doubled, without disk; and the judge of its log.

`python -m tests.support.chaos.sequencing ORIGIN` is the sequencer in a process of its own, with its
settings in the environment; `campaign` hurts it while records keep coming.
"""

import argparse
import asyncio
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from consumers.audit.against_kafka import Compared, compare
from consumers.audit.crosscheck import Discrepancy, Kind
from consumers.audit.verify import Memory, verify
from consumers.keys.log_keys import LogKeyFiles
from infra import files
from infra.errors import InfrastructureError
from infra.kafka import producer, reader
from infra.settings import Settings, load_settings
from schemas.topics import LOG_CHECKPOINTS
from streams.intake.keys import SigningKey
from streams.notary import handover, notes, positions, sequencer
from streams.notary.directory import CHECKPOINT, LogDirectory
from streams.notary.handover import LogKeys
from streams.notary.leaf import LOGGED
from streams.notary.opening import Demand, handovers_of, open_log
from streams.notary.sequencer import Sequencer
from tests.support.chaos.checker import Kind as ViolationKind
from tests.support.chaos.checker import Violation
from tests.support.chaos.outcome import Outcome
from tests.support.chaos.points import ARM, Reached, die_at, inside, replace_seam
from tests.support.engine_world import ROOT
from tests.support.signals import send

STAGE: Final = "notary"
PATIENCE: Final = 120.0
FULL_BYTES: Final = 700
"""Most bytes of one file on a full disk: less than a bundle has."""
_READY: Final = b"opened"
_STOPPED: Final = 69


def _gathered(reached: Reached) -> None:
    """Records have arrived, and nothing of them is written."""
    intact = sequencer._gathered

    async def gathered(reading: Any) -> Any:
        found = await intact(reading)
        if found:
            reached()
        return found

    replace_seam(sequencer, "_gathered", gathered)


def _half_written(reached: Reached) -> None:
    """Some files of a batch are there, and half of the next one beside its place."""
    intact = files.replace

    def replace(file: Path, data: bytes) -> None:
        file.with_name(f".{file.name}.new").write_bytes(data[: len(data) // 2])
        reached()
        intact(file, data)

    replace_seam(files, "replace", replace)


def _inside_handover(reached: Reached) -> None:
    """The handover is in the broker's log; its transaction is open."""
    intact, handing_over = Sequencer._decide, False

    async def decide(one: Sequencer, opened: Any, note: Any, succession: Any) -> None:
        nonlocal handing_over
        handing_over = succession is not opened.succession
        await intact(one, opened, note, succession)

    replace_seam(Sequencer, "_decide", decide)
    inside(lambda: reached() if handing_over else None)


def _before(owner: Any, name: str) -> Callable[[Reached], None]:
    def install(reached: Reached) -> None:
        intact = getattr(owner, name)

        def wrapped(*given: Any, **named: Any) -> Any:
            reached()
            return intact(*given, **named)

        replace_seam(owner, name, wrapped)

    return install


POINTS: Final[dict[str, Callable[[Reached], None]]] = {
    "after poll": _gathered,
    "files half written": _half_written,
    "before signing": _before(Sequencer, "_signed"),
    "inside the transaction": inside,
    "decided and not published": _before(Sequencer, "_publish"),
    "published and positions not kept": _before(positions, "save"),
}
HANDING_OVER: Final[dict[str, Callable[[Reached], None]]] = {
    "before the handover is signed": _before(handover, "signed"),
    "inside the handover's transaction": _inside_handover,
    "handed over and not shown": _before(Sequencer, "_show_handover"),
}
"""Points that only a handover passes."""


@dataclass
class Process:
    """One sequencer's process."""

    process: asyncio.subprocess.Process
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    said: bytearray = field(default_factory=bytearray)
    following: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said += line
            if line.startswith(_READY):
                self.opened.set()
        await self.process.wait()

    async def ended(self) -> int:
        """Its exit code, once it has one."""
        assert self.following is not None
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self.following)
        assert self.process.returncode is not None
        return self.process.returncode

    async def ready(self) -> bool:
        """Whether it opened the log; false if it ended instead."""
        assert self.following is not None
        waiting = asyncio.create_task(self.opened.wait())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({waiting, self.following}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return self.opened.is_set()


@dataclass
class Campaign:
    """A log under load, and what its observer has seen of it."""

    settings: Settings
    origin: str
    folder: Path
    draw: random.Random
    sent: int = 0
    seen: dict[bytes, notes.Checkpoint] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)
    verifier: notes.Verifier = field(init=False)
    """The log's first key, which the observer pins for ever."""

    def __post_init__(self) -> None:
        first = keys_in(self.folder).make_first()
        self.verifier = notes.verifier(self.origin, first.private)

    @property
    def keys(self) -> LogKeyFiles:
        return keys_in(self.folder)

    @property
    def log(self) -> LogDirectory:
        return LogDirectory(self.folder / "log")

    async def start(self, folder: Path | None = None, *arguments: str) -> Process:
        """Starts a sequencer over a folder, by default the log's own."""
        settings = self.settings.model_copy(update={"data": folder or self.folder})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.chaos.sequencing", self.origin, *arguments),
            env={**os.environ, **settings.environment()},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        made = Process(process)
        made.following = asyncio.create_task(made.follow())
        self.running.append(made)
        return made

    async def started(self) -> Process:
        """A sequencer that has opened the log; one that a fault still hinders is started again."""
        async with asyncio.timeout(PATIENCE):
            while True:
                one = await self.start()
                if await one.ready():
                    return one

    def look(self) -> int:
        """What an auditor sees now, and remembers."""
        data = self.log.checkpoint()
        if data is None:
            return 0
        if data not in self.seen:
            self.seen[data] = open_log(self.log.read, Demand(self.verifier), data).checkpoint
        return self.seen[data].size

    async def progressed(self) -> None:
        """Returns when the log has grown since now, which it does under load."""
        before = self.look()
        async with asyncio.timeout(PATIENCE):
            while self.look() <= before:  # noqa: ASYNC110 - the file is what readers see
                await asyncio.sleep(0.02)

    async def load(self) -> None:
        """Records in all logged topics, in bursts, until cancelled."""
        async with producer(self.settings) as sender:
            while True:
                futures = [
                    await sender.enqueue(
                        LOGGED[number % len(LOGGED)],
                        self.draw.randbytes(self.draw.randint(1, 900)),
                        key=b"%d" % self.draw.randrange(50),
                    )
                    for number in range(self.draw.randint(1, 60))
                ]
                await asyncio.gather(*futures)
                self.sent += len(futures)
                await asyncio.sleep(self.draw.uniform(0.02, 0.15))


_BROKEN: Final[dict[Kind, ViolationKind]] = {
    "missing": "lost",
    "added": "unfounded",
    "other_bytes": "changed",
    "unreadable": "torn",
}
Fault = Callable[[Campaign], Awaitable[None]]


async def kill(campaign: Campaign) -> None:
    """kill -9 at a named point of its work, on some passage of it."""
    point = campaign.draw.choice(sorted(POINTS))
    passage = str(campaign.draw.choice((1, 2, 3, 5)))
    doomed = await campaign.start(None, "--point", point, "--passage", passage)
    if not await doomed.ready():
        raise AssertionError(f"it did not start: {doomed.said.decode()}")
    await campaign.progressed()
    send(doomed.process, ARM)
    assert await doomed.ended() == -signal.SIGKILL, doomed.said.decode()


async def freeze(campaign: Campaign) -> None:
    """SIGSTOP at any moment; another takes over with a copy; the first one wakes up fenced."""
    frozen = await campaign.started()
    await campaign.progressed()
    await asyncio.sleep(campaign.draw.uniform(0, 0.3))
    send(frozen.process, signal.SIGSTOP)
    refused = await campaign.start()
    assert await refused.ended() == _STOPPED, "the folder is locked"
    copy = campaign.folder.with_name(f"{campaign.folder.name}+")
    shutil.copytree(campaign.folder, copy)
    old, campaign.folder = campaign.folder, copy
    second = await campaign.started()
    await campaign.progressed()
    send(frozen.process, signal.SIGCONT)
    assert await frozen.ended() == _STOPPED, frozen.said.decode()
    zombie = LogDirectory(old / "log").checkpoint()
    if zombie is not None:
        read = LogDirectory(old / "log").read
        campaign.seen[zombie] = open_log(read, Demand(campaign.verifier), zombie).checkpoint
    await _stopped(second)


async def disk_full(campaign: Campaign) -> None:
    """No file can grow any more: it ends, has signed nothing, and goes on when there is room."""
    hit = await campaign.started()
    await campaign.progressed()
    _, hard = resource.prlimit(hit.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(hit.process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
    assert await hit.ended() == _STOPPED, hit.said.decode()


async def rotate(campaign: Campaign) -> None:
    """The next key signs too; kill -9 at a named point while the former one hands over to it."""
    point = campaign.draw.choice(sorted(HANDING_OVER))
    doomed = await campaign.start(None, "--point", point)
    if not await doomed.ready():
        raise AssertionError(f"it did not start: {doomed.said.decode()}")
    await campaign.progressed()
    former, successor = campaign.keys.load()[-1], campaign.keys.make_next()
    await _signed_by(campaign, former, successor)
    doomed.process.send_signal(ARM)
    campaign.keys.retire(former)
    assert await doomed.ended() == -signal.SIGKILL, doomed.said.decode()
    again = await campaign.started()
    await _signed_by(campaign, successor)
    await _stopped(again)
    campaign.keys.destroy(former.public_bytes)


async def _signed_by(campaign: Campaign, *keys: SigningKey) -> None:
    """Returns when the log's checkpoint carries the signatures of exactly these keys."""
    wanted = {notes.verifier(campaign.origin, key.private) for key in keys}
    async with asyncio.timeout(PATIENCE):
        while True:
            campaign.look()
            note = notes.parse_note(campaign.log.read(CHECKPOINT))
            if {one.key_id for one in note.signatures} == {one.key_id for one in wanted}:
                assert set(note.signed_by(wanted)) == wanted
                return
            await asyncio.sleep(0.02)


FAULTS: Final[dict[str, Fault]] = {
    "kill -9": kill,
    "SIGSTOP": freeze,
    "disk full": disk_full,
    "key rotation": rotate,
}


async def _stopped(one: Process) -> None:
    send(one.process, signal.SIGTERM)
    assert await one.ended() == 0, one.said.decode()


async def run(faults: Sequence[str], settings: Settings, folder: Path, *, seed: int) -> Outcome:
    """Injects faults one after the other under load, then judges the log that came of it.

    Each begins with the log going on where the one before has left it.
    """
    campaign = Campaign(settings, f"chaos.example/{folder.name}", folder, random.Random(seed))  # noqa: S311 - no secret
    recoveries: list[float] = []
    async with _loaded(campaign):
        for fault in faults:
            began = time.monotonic()
            await FAULTS[fault](campaign)
            recoveries.append(round(time.monotonic() - began, 3))
    violations = await judged(campaign)
    return Outcome(
        ", ".join(sorted(set(faults))), "notary", seed, campaign.sent, violations, tuple(recoveries)
    )


@asynccontextmanager
async def _loaded(campaign: Campaign) -> AsyncIterator[None]:
    loading = asyncio.create_task(campaign.load())
    try:
        yield
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
        for one in campaign.running:
            send(one.process, signal.SIGCONT)
            send(one.process, signal.SIGKILL)
            assert one.following is not None
            await one.following


async def judged(campaign: Campaign) -> tuple[Violation, ...]:
    """One history, in step with Kafka: whatever was ever published or decided is a part of it."""
    one = await campaign.started()
    try:
        found = await _level(campaign)
    finally:
        await _stopped(one)
    decided = await _decided(campaign)
    kept = sorted({*decided, *campaign.seen.values()}, key=lambda each: each.size)
    fault = verify(campaign.log.read, campaign.verifier, Memory(kept)).fault
    violations = [Violation(_BROKEN[each.kind], str(each)) for each in found]
    return (*violations, *([Violation("changed", fault.sentence)] if fault else ()))


async def _level(campaign: Campaign) -> list[Discrepancy]:
    """Waits until the log has everything that Kafka has; what disagrees then."""
    async with asyncio.timeout(PATIENCE):
        while True:
            log = campaign.log.read
            found = await compare(campaign.settings, log, campaign.verifier, Compared())
            if found.behind == 0 or found.told:
                return list(found.told)
            await asyncio.sleep(0.05)


async def _decided(campaign: Campaign) -> list[notes.Checkpoint]:
    """Every checkpoint of this log that was ever decided."""
    handovers = handovers_of(campaign.log.read, campaign.origin)
    keys = LogKeys.of(campaign.verifier, handovers)
    found: list[notes.Checkpoint] = []
    async with reader(campaign.settings) as reading:
        await reading.assign_all(LOG_CHECKPOINTS.name)
        ends = await reading.end_offsets(reading.assigned)
        while await reading.positions() != ends:
            for records in (await reading.poll()).values():
                mine = [one for one in records if one.key == campaign.origin.encode()]
                found += [handover.open_checkpoint(one.value or b"", keys) for one in mine]
    return found


def keys_in(folder: Path) -> LogKeyFiles:
    """The keys of the log in a folder."""
    return LogKeyFiles(folder / "keys" / "log.key")


async def _sequence(origin: str) -> None:
    settings, stop = load_settings(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # Small batches: more to get in between.
    replace_seam(sequencer, "LARGEST_BATCH", 400)
    replace_seam(sequencer, "POLL_RECORDS", 200)
    one = Sequencer(
        settings,
        LogDirectory(settings.data / "log"),
        origin=origin,
        keys=keys_in(settings.data).held,
        state=settings.data / "notary",
    )
    running = asyncio.create_task(one.run(stop))
    while one.health.size is None and not running.done():  # noqa: ASYNC110 - health has no event
        await asyncio.sleep(0.01)
    if one.health.size is not None:
        sys.stdout.write(f"{_READY.decode()}\n")
        sys.stdout.flush()
    await running


def main() -> int:
    """Sequences until told to stop; the exit code tells that it may not go on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("origin")
    parser.add_argument("--point", choices=sorted(POINTS | HANDING_OVER))
    parser.add_argument("--passage", type=int, default=1)
    given = parser.parse_args()
    if given.point is not None:
        die_at((POINTS | HANDING_OVER)[given.point], given.passage, armed=False)
    try:
        asyncio.run(_sequence(given.origin))
    except InfrastructureError as error:
        sys.stdout.write(f"ended: {error}\n")
        return _STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
