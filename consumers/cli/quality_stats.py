"""`dpp quality stats`: how pharmacies do."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import console, one_sentence, print_json, table
from consumers.cli.projected import PharmacyOption, moment, pharmacy_number, projected
from projections import quality_overview
from projections.quality_overview import DayRow, GapTotals, Overview, PharmacyRow
from projections.silence import Heard

Days = Annotated[int, typer.Option(min=1, max=3650, help="How many days back from now.")]


@dataclass(frozen=True, slots=True)
class Stats:
    """Everything that `stats` shows; `pharmacies` only of everybody, `heard` only of one."""

    start: datetime
    end: datetime
    overview: Overview
    gaps: GapTotals
    days: Sequence[DayRow]
    pharmacies: Sequence[PharmacyRow] = ()
    heard: Heard | None = None


def stats(
    pharmacy: PharmacyOption = None,
    days: Days = 7,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Pharmacies listed, most refused lines first.")
    ] = 20,
    by_day: Annotated[bool, typer.Option("--by-day", help="Codes by Belgian day, too.")] = False,
    as_json: Json = False,
) -> None:
    """Shows what was accepted, refused and warned of by code, scores, and missing numbers."""
    number = pharmacy_number(pharmacy)
    with one_sentence():
        found = asyncio.run(_stats(number, days, limit))
    if as_json:
        print_json({"pharmacy": number, **asdict(found)})
    else:
        _print_stats(found, number, by_day=by_day)


async def _stats(number: str | None, days: int, limit: int) -> Stats:
    end = datetime.now(UTC)
    start = end - timedelta(days=days)
    async with projected() as connection:
        heard = await quality_overview.heard(connection, [number]) if number else {}
        ranking = (
            ()
            if number
            else await quality_overview.pharmacies(connection, start=start, end=end, limit=limit)
        )
        return Stats(
            start=start,
            end=end,
            overview=await quality_overview.overview(
                connection, start=start, end=end, pharmacy=number
            ),
            gaps=await quality_overview.gap_totals(connection, pharmacy=number),
            days=await quality_overview.by_day(connection, start=start, end=end, pharmacy=number),
            pharmacies=ranking,
            heard=heard.get(number) if number else None,
        )


def _print_stats(found: Stats, number: str | None, *, by_day: bool) -> None:
    screen, one = console(), found.overview
    title = f"pharmacy {number}" if number else "all pharmacies"
    totals = [
        *((f"submissions {name}", count) for name, count in one.outcomes.items()),
        ("lines recorded", one.lines_recorded),
        ("lines refused", one.lines_rejected),
        ("lines seen before", one.lines_duplicate),
        ("dead letters", one.dead_letters),
        ("numbers missing, epoch in use", found.gaps.numbers),
        ("numbers missing, former epochs", found.gaps.former_numbers),
    ]
    span = f"{moment(found.start)} to {moment(found.end)}"
    screen.print(table(f"{title}, {span}", ("what", "number"), totals))
    if found.heard is not None:
        screen.print(f"last seen: {moment(found.heard.seen)}")
        if found.heard.heard != found.heard.seen:
            screen.print(f"last submission that only claims to be its: {moment(found.heard.heard)}")
    _print_counts("refused by code", "code", one.refused)
    _print_counts("warned by code", "code", one.warned)
    _print_counts("recorded lines by score", "score", _steps(one.scores))
    if found.pharmacies:
        columns = ("pharmacy", "submissions", "refused", "lines", "lines refused", "mean score")
        rows = [
            (
                row.pharmacy or "nobody",
                row.submissions,
                row.refused,
                row.lines_recorded,
                row.lines_rejected,
                "" if row.mean_score is None else f"{row.mean_score:.1f}",
            )
            for row in found.pharmacies
        ]
        screen.print(table("most refused lines first", columns, rows))
    if by_day and found.days:
        days = [(day.day, day.severity, day.code, day.count) for day in found.days]
        screen.print(table("codes by day", ("day", "severity", "code", "number"), days))


def _print_counts(title: str, name: str, counts: Mapping[str, int]) -> None:
    if counts:
        console().print(table(title, (name, "number"), list(counts.items())))


def _steps(scores: Mapping[int, int]) -> dict[str, int]:
    """Steps of ten as people read them; 100 stands alone."""
    top = 100
    return {
        str(top) if low == top else f"{low}-{low + quality_overview.BUCKET - 1}": count
        for low, count in scores.items()
    }
