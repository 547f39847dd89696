"""What commands that ask the projections share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from stdnum.exceptions import ValidationError as NumberRefused

from consumers.cli.output import Exit, fail
from consumers.stack.stack import migration_sources
from infra.migrations import require_current
from infra.postgres import Connection, pool
from infra.settings import load_settings
from schemas.identifiers import pharmacy

PharmacyOption = Annotated[
    str | None, typer.Option("--pharmacy", help="Pharmacy number, 8 digits; all if none is given.")
]


def pharmacy_number(text: str | None) -> str | None:
    """The number as the log has it; None stays None.

    Raises:
        typer.Exit: it is no pharmacy number.
    """
    if text is None:
        return None
    try:
        return pharmacy.validate(text)
    except NumberRefused:
        fail(f"{text} is not a pharmacy number: 8 digits, the last two check it.", Exit.USAGE)
        raise


def moment(at: datetime | None) -> str:
    """A time for people, in UTC; `never` in place of none."""
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


@asynccontextmanager
async def projected() -> AsyncIterator[Connection]:
    """A connection to the projections' database, whose migrations are applied.

    Raises:
        InfrastructureError: the database does not answer or is not current.
    """
    settings = load_settings()
    await require_current(migration_sources(settings)[:1])
    async with (
        pool(settings.dsn, maximum=1) as connections,
        connections.connection() as connection,
    ):
        yield connection
