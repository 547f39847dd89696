"""`dpp audit report`: one signed summary of all audits of a period, and its check."""

import asyncio
import getpass
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from consumers.audit import period, summary
from consumers.audit.against_kafka import Compared
from consumers.audit.against_kafka import compare as compare_log
from consumers.audit.cuts import EVERYTHING, Cut
from consumers.audit.kept import Kept
from consumers.audit.page import page as printed
from consumers.audit.replay import Asked
from consumers.audit.replayed import Replay
from consumers.audit.report import Window
from consumers.audit.reporting import LOG, Audit, gather
from consumers.audit.summary import AuditReport, Period, Section
from consumers.audit.tally import Tally
from consumers.audit.verify import Verification
from consumers.audit.verify import verify as verify_log
from consumers.cli.audit_log import (
    Needed,
    PlaceIfAny,
    VkeyIfAny,
    Witnesses,
    remembered,
    verifier_of,
)
from consumers.cli.audit_replay import NO_KEYS, Keep, replayed
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.cli.projections import Name
from consumers.cli.recorded import Auditor, Recorder, opened_recorded
from consumers.cli.rederive import INSTANT, Stage, audited, window_of
from consumers.progress import Progress
from consumers.stack.office import office_signing_key
from infra.errors import InfrastructureError
from infra.settings import Settings, load_settings
from schemas.keyvault import VaultUnavailable
from streams.intake.keys import SigningKey
from streams.notary import notes
from streams.notary.directory import Read
from streams.notary.notes import Checkpoint, NoteInvalid, Verifier

KAFKA: Final = "kafka"
COUNTS: Final = "counts"


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a report is about, and with whose eyes."""

    window: Window
    cut: Cut
    auditor: str
    log: Verifier
    witnesses: Sequence[Verifier]
    quorum: int
    keep: Path | None


def report(  # noqa: PLR0917 - typer passes options by name
    place: PlaceIfAny = None,
    key: VkeyIfAny = None,
    output: Annotated[
        Path | None, typer.Option(help="File of the signed report, which --check reads.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="File of the page to print (HTML).")] = None,
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=[INSTANT], help="First append time, with offset."),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=[INSTANT], help="Append time to stop before; now if none."),
    ] = None,
    auditor: Auditor = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(help="The auditor's private key, made if missing; the office's if not given."),
    ] = None,
    witness: Witnesses = None,
    quorum: Needed = 0,
    keep: Keep = None,
    check: Annotated[
        Path | None, typer.Option(help="Check this signed report instead of making one.")
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(help="With --check: the key of its signer; the office's if not given."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours, no bars.")] = False,
    as_json: Json = False,
) -> None:
    """Does all audits of a period, and signs what was found and what could not be done.

    The log is verified, compared with Kafka, replayed into projections, and its decisions are
    derived again; erasures, cosignatures, gaps and events are counted. Where a broker is named
    (DPP_KAFKA_BOOTSTRAP), who does is recorded there first.

    Exit code 0: nothing that
    was looked at differs; 1: something does, or the report to check does not hold; 2: an option
    has another form; 3: the log or the signing key cannot be read.
    """
    if check is not None:
        _check(check, signer, as_json=as_json)
        return
    if place is None or key is None or output is None:
        fail("Name the log, --vkey and --output; or a report to --check.", Exit.USAGE)
        raise typer.Exit(Exit.USAGE)
    scope = _Scope(
        window_of(start, end),
        EVERYTHING if end is None else Cut(before=end.astimezone(UTC)),
        auditor or getpass.getuser(),
        verifier_of(key),
        [verifier_of(one) for one in witness or ()],
        quorum,
        keep,
    )
    screen = console(plain=plain)
    with one_sentence(), ExitStack() as stack, shown(screen, silent=as_json) as told:
        settings = load_settings()
        signing = _signing_key(settings, signing_key)
        with_kafka = settings.kafka_bootstrap is not None
        recorder = Recorder(settings, "report", auditor, place, kafka=with_kafka)
        read = opened_recorded(place, settings, stack, recorder)
        made = _made(settings, read, scope, told)
        note = summary.sign(made, signing.private)
        output.write_text(note)
        if page is not None:
            page.write_text(printed(made, hashlib.sha256(note.encode()).hexdigest()))
    if as_json:
        print_json(_as_json(made, signed=str(output)))
    else:
        _print(made, plain=plain)
        public = summary.signer(made.origin, signing.public_bytes)
        screen.print(f"{output} is signed; --signer {public} checks it.")
    raise typer.Exit(Exit.OK if made.holds else Exit.UNEXPECTED)


def _signing_key(settings: Settings, file: Path | None) -> SigningKey:
    if file is None:
        return office_signing_key(settings)
    if not file.exists():
        SigningKey.generate("auditor-1").save(file)
    return SigningKey.load(file)


def _made(settings: Settings, read: Read, scope: _Scope, progress: Progress) -> AuditReport:
    kept = None if scope.keep is None else Kept(scope.keep)
    memory = remembered(kept)
    found = verify_log(read, scope.log, memory, witnesses=scope.witnesses, progress=progress)
    if kept is not None and found.holds:
        kept.save(memory)
        kept.note(found.note)
    checkpoint = found.checkpoint or Checkpoint(scope.log.name, 0, b"")
    done = [summary.log_section(found), _cosignatures(found, scope)]
    audits = _Audits(settings, read, checkpoint, scope, progress).all()
    return AuditReport(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=summary.checkpoint_root(checkpoint.root),
        period=Period(start=scope.window.start, end=scope.window.end),
        auditor=scope.auditor,
        code=version("dpp-backbone"),
        sections=tuple(asyncio.run(gather(done, audits))),
        issued_at=datetime.now(UTC),
    )


def _cosignatures(found: Verification, scope: _Scope) -> Section:
    if not found.holds:
        return summary.not_done("cosignatures", "The log does not hold.")
    signers = notes.parse_note(found.note).signed_by(scope.witnesses)
    asked = [one.name for one in scope.witnesses]
    return summary.cosignatures_section([one.name for one in signers], asked, scope.quorum)


class _Audits:
    """The audits of a report, each as something that can be run."""

    def __init__(
        self,
        settings: Settings,
        read: Read,
        checkpoint: Checkpoint,
        scope: _Scope,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._read = read
        self._checkpoint = checkpoint
        self._scope = scope
        self._progress = progress
        self._tally = Tally(scope.window)

    def all(self) -> dict[str, Audit]:
        """By name, in the order in which they are done."""
        return {
            COUNTS: Audit(self._counted, LOG),
            summary.ROWS_LEFT: Audit(self._rows_left, COUNTS),
            KAFKA: Audit(self._compared, LOG),
            "replay": Audit(self._replayed, LOG),
            "rederive quality": Audit(lambda: self._derived(Stage.QUALITY), KAFKA),
            "rederive subject": Audit(lambda: self._derived(Stage.SUBJECT), KAFKA),
            "rederive access": Audit(lambda: self._derived(Stage.ACCESS), KAFKA),
        }

    async def _counted(self) -> list[Section]:
        size, window = self._checkpoint.size, self._scope.window
        self._tally = await period.tally(self._read, size, window, self._progress)
        return [
            summary.counts_section(self._tally),
            summary.gaps_section(self._tally),
            summary.erasures_section(self._tally),
        ]

    async def _rows_left(self) -> list[Section]:
        left = await period.rows_of(self._settings, summary.executed(self._tally))
        return [summary.erased_section(self._tally, left)]

    async def _compared(self) -> list[Section]:
        found = await compare_log(
            self._settings, self._read, self._scope.log, Compared(), self._progress
        )
        return [summary.kafka_section(found)]

    async def _replayed(self) -> list[Section]:
        names, asked = {one.value for one in Name}, Asked(self._scope.cut)
        try:
            found = await self._replay(names, asked, keys=True)
        except (InfrastructureError, VaultUnavailable) as error:
            # Without the vault what is not sealed can be replayed; without a database nothing.
            found = await self._replay(names, asked, keys=False)
            left = {
                name: str(error) if reason == NO_KEYS else reason
                for name, reason in found.left_out.items()
            }
            found = replace(found, left_out=left)
        return summary.replay_sections(found)

    async def _replay(self, names: set[str], asked: Asked, *, keys: bool) -> Replay:
        return await replayed(
            self._settings,
            self._read,
            self._checkpoint,
            names,
            asked=asked,
            keys=keys,
            progress=self._progress,
        )

    async def _derived(self, stage: Stage) -> list[Section]:
        scope = self._scope
        found = await audited(self._settings, stage, scope.window, scope.auditor, self._progress)
        return [summary.rederive_section(found)]


def _check(file: Path, signer: str | None, *, as_json: bool) -> None:
    with one_sentence():
        settings = load_settings()
        keys = (
            [verifier_of(signer)]
            if signer is not None
            else [summary.signer(settings.log_origin, one) for one in settings.office_keys.every]
        )
        note = file.read_bytes()
    reason = "no key was given"
    for key in keys:
        try:
            found = summary.check(note, key)
        except NoteInvalid as error:
            reason = str(error)
            continue
        if as_json:
            print_json(_as_json(found, signed=str(file)))
        else:
            _print(found, plain=False)
            console().print(f"{file} is as {key.name} has signed it.")
        return
    fail(f"It does not hold: {reason}.", Exit.UNEXPECTED)


def _as_json(found: AuditReport, *, signed: str) -> dict[str, object]:
    return {
        "holds": found.holds,
        "complete": not found.not_done,
        "signed": signed,
        "report": found.model_dump(mode="json"),
    }


def _print(found: AuditReport, *, plain: bool) -> None:
    screen = console(plain=plain)
    title = f"{found.origin}, {found.size} leaves, {found.period}"
    rows = [
        (one.name, one.outcome.replace("_", " "), one.reason or "; ".join(one.findings[:3]))
        for one in found.sections
    ]
    screen.print(table(title, ("audit", "outcome", "what"), rows))
