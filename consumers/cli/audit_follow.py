"""`dpp audit follow|compare`: a log watched for ever, and compared with the Kafka it is of."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from consumers.audit.against_kafka import Compared, Comparison
from consumers.audit.against_kafka import compare as compare_log
from consumers.audit.follow import Demands, Following, Look
from consumers.audit.kept import Kept, MemoryDamaged
from consumers.cli.audit_log import Needed, Place, Vkey, Witnesses, verifier_of
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.cli.recorded import Auditor, Recorder, opened_recorded
from consumers.cli.run import until_stopped
from infra.errors import InfrastructureError
from infra.observability import logs
from infra.observability.ops import serve_ops
from infra.settings import Settings, load_settings
from infra.waiting import pause
from schemas.keyvault import VaultUnavailable
from streams.notary.directory import Read
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import NoteInvalid, Verifier
from streams.notary.tiles import BundleInvalid

_SHOWN: Final = 50
_log = structlog.get_logger("audit")


def compare(
    place: Place,
    key: Vkey,
    auditor: Auditor = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours, no bars.")] = False,
    as_json: Json = False,
) -> None:
    """Compares a log with Kafka, both ways, from where each partition begins there.

    Who does is recorded on dpp.access.audited before anything is read.

    Exit code 0: every record is a leaf and every leaf a record, in the same bytes; 1: they
    disagree; 2: a key has another form; 3: log or broker cannot be read.
    """
    known = verifier_of(key)
    screen = console(plain=plain)
    with one_sentence(), ExitStack() as stack, shown(screen, silent=as_json) as told:
        settings = load_settings()
        recorder = Recorder(settings, "compare", auditor, place, kafka=True)
        read = opened_recorded(place, settings, stack, recorder)
        try:
            found = asyncio.run(compare_log(settings, read, known, Compared(), told))
        except (NoteInvalid, BundleInvalid, LeafInvalid) as error:
            fail(f"The log does not hold: {error}. Run dpp audit verify.", Exit.UNEXPECTED)
            raise
    if as_json:
        print_json(comparison_json(found))
    else:
        screen.print(
            f"{found.compared} leaves compared, {found.gone} whose records have left Kafka by "
            f"retention; Kafka is {found.behind} offsets ahead."
        )
        _show(found)
    raise typer.Exit(Exit.OK if found.holds else Exit.UNEXPECTED)


def follow(  # noqa: PLR0917 - typer passes options by name
    place: Place,
    key: Vkey,
    keep: Annotated[
        Path,
        typer.Option(help="Folder of what is remembered, out of reach of the log's operators."),
    ],
    witness: Witnesses = None,
    quorum: Needed = 0,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 10.0,
    entries_every: Annotated[
        float, typer.Option(min=0.0, help="Seconds that new entries may stay unread.")
    ] = 60.0,
    with_kafka: Annotated[
        bool, typer.Option("--compare", help="Compare new leaves with Kafka too.")
    ] = False,
    auditor: Auditor = None,
) -> None:
    """Watches a log until it is told to stop; keeps its checkpoints, and ends on the first fault.

    With --compare, and for a folder where a broker is named (DPP_KAFKA_BOOTSTRAP), who does is
    recorded on dpp.access.audited, at the beginning and once a day; what cannot be recorded is not
    looked at.

    Health and metrics are at DPP_METRICS_PORT. Exit code 0: told to stop; 1: the log forked, was
    put back, altered, or disagrees with Kafka; 2: an option has another form; 3: it cannot begin.
    """
    demands = Demands(
        verifier_of(key), [verifier_of(one) for one in witness or ()], quorum, entries_every
    )
    with one_sentence(), ExitStack() as stack:
        settings = load_settings()
        logs.configure(settings.log_format, part="auditor")
        recorder = Recorder(settings, "follow", auditor, place, kafka=with_kafka)
        try:
            memory = Kept(keep).load()
            read = opened_recorded(place, settings, stack, recorder, memory.recount.size)
            following = Following(read, demands, Kept(keep))
        except MemoryDamaged as error:
            fail(str(error), Exit.UNEXPECTED)
            raise
        comparing = _comparing(settings, read, demands.log, with_kafka)
        watch = _Watch(following, every, comparing, recorder)
        asyncio.run(until_stopped(watch.run, settings))
    if watch.alarm is not None:
        fail(watch.alarm, Exit.UNEXPECTED)


Comparing = Callable[[], Comparison | None]


def _comparing(settings: Settings, read: Read, log: Verifier, wanted: bool) -> Comparing:
    """Compares what is new since the last call; answers nothing where nothing could be compared."""
    done = Compared()

    def step() -> Comparison | None:
        if not wanted:
            return None
        try:
            return asyncio.run(compare_log(settings, read, log, done))
        except (InfrastructureError, NoteInvalid, BundleInvalid, LeafInvalid) as error:
            # What is wrong with the log itself is the look's to tell.
            _log.warning("not compared with Kafka", why=str(error))
            return None

    return step


class _Watch:
    """Looks again and again, with health and metrics beside it."""

    def __init__(
        self, following: Following, every: float, comparing: Comparing, recorder: Recorder
    ) -> None:
        self._following = following
        self._every = every
        self._comparing = comparing
        self._recorder = recorder
        self._last: Look | None = None
        self.alarm: str | None = None

    async def run(self, settings: Settings, stop: asyncio.Event) -> None:
        """Until it is told to stop, or the first fault."""
        serving = asyncio.create_task(
            serve_ops(settings.metrics_host, settings.metrics_port, self._ready, stop)
        )
        try:
            while not stop.is_set() and await self._in_order():
                await pause(stop, self._every)
        finally:
            stop.set()
            await serving

    async def _in_order(self) -> bool:
        try:
            await self._recorder.ensure(self._following.verified)
        except (InfrastructureError, VaultUnavailable) as error:
            _log.warning("not recorded, so not looked at", why=str(error))
            self._last = None
            return True
        look = await asyncio.to_thread(self._following.look)
        self._last = look
        if look.fault is not None:
            self.alarm = f"The log does not hold ({look.fault.kind}): {look.fault.sentence}"
        elif look.reached:
            found = await asyncio.to_thread(self._comparing)
            if found is not None and not found.holds:
                first = asdict(found.told[0])
                _log.error("LOG AND KAFKA DISAGREE", counts=found.counts, first=first)
                self.alarm = f"Log and Kafka disagree: {found.counts}, first {first}."
        return self.alarm is None

    def _ready(self) -> tuple[bool, dict[str, object]]:
        look = self._last
        size = look.checkpoint.size if look is not None and look.checkpoint is not None else None
        verified = None if look is None else look.verified
        detail: dict[str, object] = {"size": size, "verified": verified}
        return look is not None and look.reached and self.alarm is None, detail


def comparison_json(found: Comparison) -> dict[str, object]:
    """A comparison as one JSON value."""
    return {
        "holds": found.holds,
        "size": found.checkpoint.size,
        "compared": found.compared,
        "gone": found.gone,
        "behind": found.behind,
        "counts": found.counts,
        "discrepancies": [asdict(one) for one in found.told],
    }


def _show(found: Comparison) -> None:
    if found.holds:
        console().print("They agree: nothing missing, nothing added, the same bytes.")
        return
    rows = [
        (one.kind, one.topic, one.partition, one.offset, "" if one.leaf is None else one.leaf)
        for one in found.told[:_SHOWN]
    ]
    columns = ("kind", "topic", "partition", "offset", "leaf")
    console().print(table("Where they disagree", columns, rows))
    if sum(found.counts.values()) > len(rows):
        console().print(f"... of {sum(found.counts.values())} in all.")
