"""`dpp surveillance`: use of the record that somebody should look at; looking is recorded."""

import asyncio
import getpass
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from consumers.api import operators, surveillance
from consumers.api.tokens import Principal
from consumers.audit import reads
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, one_sentence, print_json, table
from consumers.cli.projected import moment, projected
from infra.keys.opening import opened_vault
from infra.postgres import Connection
from infra.settings import Settings, load_settings
from projections import queries
from projections.surveillance import Finding, judged, whole_days
from projections.surveillance_queries import uses
from schemas.audit import OPERATIONS_READ, OperationsParameters, PositionUsed, Window
from schemas.envelope import Envelope
from schemas.topics import ACCESS_AUDITED

ISSUER: Final = "urn:dpp:command-line"
"""Who vouches for an operator that logged in to a machine."""
_COLUMNS: Final = ("kind", "reader", "role", "reads", "patients", "why", "last")


def surveillance_command(
    days: Annotated[
        int,
        typer.Option(min=1, max=surveillance.LONGEST.days, help="How many days back from today."),
    ] = surveillance.PERIOD.days,
    operator: Annotated[
        str | None, typer.Option(help="Who looks; the login name if not given.")
    ] = None,
    contacts: Annotated[
        bool, typer.Option(help="Look up who was met, which takes long where many read.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Lists use of the record that should be looked at: readers by pseudonym, patients counted.

    The look is recorded on dpp.access.audited before anything is told. Answers 1 if there is
    anything to look at, 0 if there is nothing, 3 if it cannot be told.
    """
    with one_sentence():
        looking = _look(load_settings(), days, operator or getpass.getuser(), contacts=contacts)
        found = asyncio.run(looking)
    if as_json:
        rows = [surveillance.view(one).model_dump(mode="json", exclude_none=True) for one in found]
        print_json({"findings": rows})
    elif found:
        console().print(table("use to look at", _COLUMNS, [_cells(one) for one in found]))
    else:
        console().print("Nothing to look at.")
    raise typer.Exit(Exit.UNEXPECTED if found else Exit.OK)


async def _look(settings: Settings, days: int, operator: str, *, contacts: bool) -> list[Finding]:
    now = datetime.now(UTC)
    start, end = whole_days(now - timedelta(days=days), now)
    window = Window(start=start, end=end)
    async with (
        projected() as connection,
        opened_vault(settings, maximum=1, listening=False) as vault,
    ):
        positions = await _positions(connection)
        async with connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            counted = await uses(connection, start=start, end=end, now=now, contacts=contacts)
        found = judged(counted, await vault.root_key("pseudonym"))
        token_id = str(uuid.uuid4())
        principal = Principal("operator", ISSUER, token_id, name=operator, subject=operator)
        who = await operators.identify(vault, principal)
        parameters = OperationsParameters(endpoint="dpp surveillance", window=window)
        secrets = await vault.reader_secrets({who.pseudonym})
        event = operators.build(
            surveillance.reading(who, parameters, found, positions, now),
            token_id,
            secrets[who.pseudonym],
        )
    headers = Envelope(id=token_id, source="/audit", type=OPERATIONS_READ, time=now).headers()
    await reads.kafka_append(
        settings, ACCESS_AUDITED.name, who.pseudonym.encode(), headers, event.write()
    )
    return found


async def _positions(connection: Connection) -> tuple[PositionUsed, ...]:
    found: list[PositionUsed] = []
    for name, topic in surveillance.READ:
        reached = await queries.positions(connection, projection=name, topic=topic)
        found += [
            PositionUsed(projection=name, topic=topic, partition=one, position=position)
            for one, position in reached.items()
        ]
    return tuple(found)


def _cells(one: Finding) -> tuple[object, ...]:
    party = one.party
    return (
        one.kind,
        party.reader,
        party.role,
        one.reads,
        one.subjects,
        _why(one),
        moment(one.last),
    )


def _why(one: Finding) -> str:
    """The figure that stands with a kind."""
    if one.usual is not None:
        return f"usual {one.usual:g}"
    if one.days is not None:
        return f"{one.days} days"
    return f"{one.refused} refused" if one.refused else ""
