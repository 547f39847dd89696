"""`dpp audit rederive`: decides again what the log holds, and says where it differs."""

import asyncio
import getpass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Final, assert_never

import typer

from consumers.audit import reads
from consumers.audit.access import rederive_access
from consumers.audit.answers import HistoryAnswers
from consumers.audit.log import KafkaLog
from consumers.audit.quality import QualityAudit
from consumers.audit.rederive import rederive as derive
from consumers.audit.report import Difference, Report, Window
from consumers.audit.subject import SubjectAudit
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.parts import following, opened_catalogue
from consumers.cli.progress import shown
from consumers.progress import Progress
from infra.keys.opening import opened_vault
from infra.postgres import pool
from infra.settings import Settings, load_settings

INSTANT: Final = "%Y-%m-%dT%H:%M:%S%z"
_SHOWN: Final = 50
_NAMED: Final = {"quality": "submissions", "subject": "registrations", "access": "accesses"}


class Stage(StrEnum):
    """What can be derived again."""

    QUALITY = "quality"
    SUBJECT = "subject"
    ACCESS = "access"


def rederive(  # noqa: PLR0917 - typer passes options by name
    stage: Annotated[Stage, typer.Argument(help="Which stage's decisions.")],
    start: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=[INSTANT],
            help="First append time, with offset; the oldest submission kept if not given.",
        ),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=[INSTANT], help="Append time to stop before; now if not given."
        ),
    ] = None,
    auditor: Annotated[
        str | None, typer.Option(help="Who answers for the audit; the login name if not given.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours, no bars.")] = False,
    as_json: Json = False,
) -> None:
    """Decides again what the log holds, and compares.

    Of submissions and registrations the outputs are compared byte for byte; of accesses the
    outcome, what it rested on, and where it can be derived the digest of the answer. It needs the
    backbone's own key vault (DPP_VAULT_DSN, DPP_KEK_FILE) and writes nothing but the
    record of the audit. Exit code 0: no difference; 1: differences; 2: the options do not fit;
    3: broker, vault or keys are missing, so it is not known.
    """
    window = window_of(start, end)
    screen = console(plain=plain)
    with one_sentence(), shown(screen, silent=as_json) as progress:
        settings = load_settings()
        who = auditor or getpass.getuser()
        report = asyncio.run(audited(settings, stage, window, who, progress))
    if as_json:
        print_json(_as_json(report))
    else:
        screen.print(table(_NAMED[report.stage], ("what", "count"), _counts(report)))
        rows = [_row(one) for one in report.differences[:_SHOWN]]
        if rows:
            columns = ("partition", "offset", "ordinal", "kind", "topic", "at", "members")
            screen.print(table(f"{len(report.differences)} differences", columns, rows))
    if report.not_derivable["key_unknown"]:
        fail("The key vault lacks keys that this log needs: is it the backbone's own?")
    raise typer.Exit(Exit.OK if report.holds else Exit.UNEXPECTED)


def window_of(start: datetime | None, end: datetime | None) -> Window:
    """The period of two options, open ones filled in, or the end of the command."""
    first = datetime.fromtimestamp(0, UTC) if start is None else start.astimezone(UTC)
    last = datetime.now(UTC) if end is None else end.astimezone(UTC)
    if first >= last:
        fail("--from has to lie before --to.", Exit.USAGE)
    return Window(first, last)


async def audited(
    settings: Settings, stage: Stage, window: Window, auditor: str, progress: Progress
) -> Report:
    """Derives a window again and records the audit, in this order, before anything is told.

    Raises:
        InfrastructureError, VaultUnavailable: broker, database, vault or keys are missing.
    """
    log = KafkaLog(settings)
    async with (
        opened_vault(settings) as keys,
        opened_catalogue(settings) as catalogue,
        following(settings) as tables,
        pool(settings.dsn, maximum=2) as connections,
    ):
        match stage:
            case Stage.QUALITY:
                count = await log.partitions(QualityAudit.submitted)
                quality = QualityAudit(tables, keys, catalogue, count)
                report = await derive(quality, log, window, progress)
            case Stage.SUBJECT:
                count = await log.partitions(SubjectAudit.submitted)
                subject = SubjectAudit(tables, keys, count)
                report = await derive(subject, log, window, progress)
            case Stage.ACCESS:
                answers = HistoryAnswers(connections, keys, datetime.now(UTC))
                report = await rederive_access(log, tables, answers, window, progress)
            case _:
                assert_never(stage)
        append = partial(reads.kafka_append, settings)
        await reads.record(append, keys, auditor, report, datetime.now(UTC))
    return report


def _counts(report: Report) -> list[tuple[str, int]]:
    counted = {
        "in the window": report.submissions,
        "derived again, the same bytes": report.rederived,
        "with differences": report.differing,
        "not answered yet": report.waiting,
        "removed by retention": report.gone,
        "outputs that stand there twice": report.copies,
        "outputs without their receipt": report.torn,
    }
    counted |= {f"answers, {one}": n for one, n in report.answers.items()}
    counted |= {f"decided by version {one}": n for one, n in report.other_decider.items()}
    counted |= {f"not derivable: {one}": n for one, n in report.not_derivable.items()}
    return list(counted.items())


def _row(one: Difference) -> tuple[object, ...]:
    at = "" if one.at is None else one.at
    place = (one.partition, one.offset, one.ordinal)
    return (*place, one.kind, one.topic, at, ", ".join(one.members))


def _as_json(report: Report) -> dict[str, object]:
    return {
        "stage": report.stage,
        "decider_version": report.decider_version,
        "from": report.window.start.isoformat(),
        "to": report.window.end.isoformat(),
        "holds": report.holds,
        "submissions": report.submissions,
        "rederived": report.rederived,
        "differing": report.differing,
        "waiting": report.waiting,
        "gone": report.gone,
        "copies": report.copies,
        "torn": report.torn,
        "other_decider": dict(report.other_decider),
        "not_derivable": dict(report.not_derivable),
        "answers": dict(report.answers),
        "differences": [
            {
                "partition": one.partition,
                "offset": one.offset,
                "ordinal": one.ordinal,
                "kind": one.kind,
                "topic": one.topic,
                "at": one.at,
                "members": list(one.members),
            }
            for one in report.differences
        ],
    }
