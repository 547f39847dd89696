"""`dpp quality silent` and `gaps`: pharmacies of which nothing comes, numbers that never came."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.projected import PharmacyOption, moment, pharmacy_number, projected
from consumers.quality.silence import Silence, ask
from consumers.stack.stack import migration_sources
from infra.migrations import require_current
from infra.settings import load_settings
from projections import quality_overview
from projections.quality_overview import OpenGap
from projections.silence import DAYS, Silent, per_threshold

_MAX_DAYS = 3650


def silent(
    days: Annotated[str, typer.Option(help="Thresholds in days, separated by commas.")] = ",".join(
        map(str, DAYS)
    ),
    as_json: Json = False,
) -> None:
    """Lists pharmacies under contract of which nothing has come for so many days.

    Those that were never heard of since they were enrolled are among them. Answers 1 if there is
    any, 0 if there is none, 3 if it cannot be told.
    """
    thresholds = _thresholds(days)
    with one_sentence():
        found = asyncio.run(_silence(thresholds[0]))
    counts = per_threshold(found.silent, thresholds)
    if as_json:
        rows = [{**asdict(one), "reached": _reached(one, thresholds)} for one in found.silent]
        print_json(
            {
                "at": found.at.isoformat(),
                "expected": found.expected,
                "undecided": found.undecided,
                "thresholds": {str(limit): count for limit, count in counts.items()},
                "silent": rows,
            }
        )
    else:
        _print_silence(found, counts, thresholds)
    raise typer.Exit(Exit.UNEXPECTED if found.silent else Exit.OK)


def gaps(pharmacy: PharmacyOption = None, as_json: Json = False) -> None:
    """Lists sequence numbers that were passed over and have not arrived.

    Those of an epoch that the pharmacy has left behind (its software was installed anew) will
    hardly come. Answers 1 if a number of an epoch in use is missing.
    """
    with one_sentence():
        found = asyncio.run(_gaps(pharmacy_number(pharmacy)))
    if as_json:
        print_json({"gaps": [{**asdict(one), "missing": one.missing} for one in found]})
    elif found:
        columns = ("pharmacy", "epoch", "first", "last", "missing", "noticed at", "in use")
        rows = [
            (
                one.pharmacy,
                one.epoch,
                one.first,
                one.last,
                one.missing,
                moment(one.noticed_at),
                "yes" if one.current else "no",
            )
            for one in found
        ]
        console().print(table("missing numbers", columns, rows))
    else:
        console().print("No number is missing.")
    raise typer.Exit(Exit.UNEXPECTED if any(one.current for one in found) else Exit.OK)


def _thresholds(text: str) -> Sequence[int]:
    parts = [part.strip() for part in text.split(",")]
    good = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(good) != len(parts) or not all(0 < one <= _MAX_DAYS for one in good):
        fail(
            f"--days takes whole days from 1 to {_MAX_DAYS}, separated by commas: 7,21.",
            Exit.USAGE,
        )
    return sorted(set(good))


def _reached(one: Silent, thresholds: Sequence[int]) -> list[int]:
    return [limit for limit in thresholds if one.days >= limit]


async def _silence(days: int) -> Silence:
    settings = load_settings()
    await require_current(migration_sources(settings)[:1])
    return await ask(settings, days=days, at=datetime.now(UTC))


async def _gaps(pharmacy: str | None) -> list[OpenGap]:
    async with projected() as connection:
        return await quality_overview.open_gaps(connection, pharmacy=pharmacy)


def _print_silence(found: Silence, counts: dict[int, int], thresholds: Sequence[int]) -> None:
    screen = console()
    if found.silent:
        columns = ("pharmacy", "silent days", "reached", "last seen", "unproven", "expected since")
        rows = [
            (
                one.pharmacy,
                one.days,
                _reached(one, thresholds)[-1],
                moment(one.last_seen),
                "" if one.last_unproven is None else moment(one.last_unproven),
                moment(one.expected_since),
            )
            for one in found.silent
        ]
        screen.print(table("silent pharmacies", columns, rows))
    for limit, count in counts.items():
        screen.print(f"silent for {limit} days or longer: {count} of {found.expected} pharmacies")
    if found.undecided:
        screen.print(
            f"{found.undecided} submissions have no receipt yet: if that number does not shrink, "
            "look at the quality stage first."
        )
