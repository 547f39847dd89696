"""`dpp registrations`: the codes of registrations, and what stood about somebody at some time."""

import asyncio
import getpass
import re
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer

from consumers.audit import reads
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.vendors import registration_codes
from infra.keys.opening import opened_vault
from infra.postgres import connect
from infra.settings import Settings, load_settings
from projections import queries, registered
from projections.registered import RegistrationRow
from streams.subject.codes import CODES

_INSTANT: Final = "%Y-%m-%dT%H:%M:%S%z"
_PSEUDONYM: Final = re.compile(r"[a-z2-7]{26}")
_COLUMNS: Final = ("kind", "id", "type", "party", "recorded", "accepted", "until", "ended")

app = typer.Typer(help="Consent, links, exclusions, mandates, persons.", no_args_is_help=True)


@app.command()
def rules(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page docs/registration-codes.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lists every code that a receipt may hold, with texts in four languages for programs."""
    if markdown and as_json:
        fail("--markdown writes the page, --json lists for programs: give one.", Exit.USAGE)
    if markdown:
        typer.echo(registration_codes.page(), nl=False)
    elif as_json:
        print_json([registration_codes.row(code) for code in CODES.values()])
    else:
        rows = [(code.code, code.fault_class, code.texts.en) for code in CODES.values()]
        console().print(table("codes of registrations", ("code", "class", "meaning"), rows))


@app.command()
def show(
    subject: Annotated[str, typer.Argument(help="The subject's pseudonym.")],
    at: Annotated[
        datetime | None,
        typer.Option("--at", formats=[_INSTANT], help="As of this moment, with offset."),
    ] = None,
    position: Annotated[
        int | None,
        typer.Option(min=0, help="As of this position of the subject's partition."),
    ] = None,
    auditor: Annotated[
        str | None, typer.Option(help="Who answers for it; the login name if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows what stood about a subject, now or at a moment or position, by pseudonyms only.

    The reading is recorded on dpp.access.audited before anything is told.
    """
    if at is not None and position is not None:
        fail("--at and --position ask for two different things: give one.", Exit.USAGE)
    if _PSEUDONYM.fullmatch(subject) is None:
        fail("A subject is a pseudonym: 26 characters a-z and 2-7.", Exit.USAGE)
    with one_sentence():
        rows = asyncio.run(
            stood(
                load_settings(),
                subject,
                at=None if at is None else at.astimezone(UTC),
                position=position,
                auditor=auditor or getpass.getuser(),
            )
        )
    if as_json:
        print_json([_as_json(row) for row in rows])
    else:
        console().print(table("registrations", _COLUMNS, [_cells(row) for row in rows]))


async def stood(
    settings: Settings,
    subject: str,
    *,
    at: datetime | None,
    position: int | None,
    auditor: str,
) -> list[RegistrationRow]:
    """What stood about a subject; recorded before it is answered.

    Raises:
        InfrastructureError, VaultUnavailable: it could not be read or recorded.
    """
    async with (
        connect(settings.dsn) as connection,
        opened_vault(settings, maximum=1, listening=False) as keys,
    ):
        rows = await queries.registrations_of(connection, subject=subject, ended=True)
        if at is not None:
            rows = registered.stood_at(rows, at)
        if position is not None:
            rows = registered.stood_before(rows, position)
        await reads.record_registrations(
            partial(reads.kafka_append, settings),
            keys,
            auditor,
            reads.Stood(subject, at, position, len(rows)),
            datetime.now(UTC),
        )
    return rows


def _as_json(row: RegistrationRow) -> dict[str, object]:
    return {
        "kind": row.kind,
        "id": row.id,
        "type": row.variety,
        "party": row.party,
        "fact": row.ce_id,
        "author": row.author,
        "author_role": row.author_role,
        "partition": row.partition,
        "position": row.position,
        "recorded_at": row.recorded_at.isoformat(),
        "valid_from": _moment(row.valid_from),
        "valid_until": _moment(row.valid_until),
        "accepted_at": _moment(row.accepted_at),
        "ended_at": _moment(row.ended_at),
    }


def _cells(row: RegistrationRow) -> tuple[object, ...]:
    times = (row.recorded_at, row.accepted_at, row.valid_until, row.ended_at)
    return (
        row.kind,
        row.id,
        row.variety or "",
        row.party or "",
        *(_moment(t) or "" for t in times),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
