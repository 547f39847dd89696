"""`dpp quality refused`: refused lines and submissions for operators, contents masked."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.projected import PharmacyOption, moment, pharmacy_number, projected
from consumers.quality.masking import MaskedRefusal, mask
from projections import quality_refusals
from projections.quality_refusals import Filter, Refusal, RefusalKey
from streams.quality.codes import CODES

_CURSOR: Final = re.compile(r"([0-9T:.-]+\+00:00)/(\d{1,9})/(\d{1,18})/(-1|\d{1,9})")
Days = Annotated[int, typer.Option(min=1, max=3650, help="How many days back from now.")]


def refused(  # noqa: PLR0917 - typer names them
    pharmacy: PharmacyOption = None,
    code: Annotated[
        str | None, typer.Option(help="Only what this code refused; dpp quality rules lists them.")
    ] = None,
    days: Days = 7,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Lines of one page.")] = 50,
    after: Annotated[str | None, typer.Option(help="Where the last page said it ended.")] = None,
    as_json: Json = False,
) -> None:
    """Lists refused lines and submissions, newest first, contents masked."""
    if code is not None and code.upper() not in CODES:
        fail(f"There is no code {code}: dpp quality rules lists them all.", Exit.USAGE)
    end = datetime.now(UTC)
    wanted = Filter(
        start=end - timedelta(days=days),
        end=end,
        pharmacy=pharmacy_number(pharmacy),
        code=code.upper() if code else None,
    )
    key = key_of(after) if after else None
    with one_sentence():
        found = asyncio.run(_refused(wanted, limit, key))
    shown = [mask(one) for one in found[:limit]]
    following = cursor_text(found[limit - 1].key) if len(found) > limit else None
    if as_json:
        print_json({"refused": [asdict(one) for one in shown], "next": following})
    else:
        _print_refused(shown, following)


def cursor_text(key: RefusalKey) -> str:
    """A place in the list as `--after` takes it."""
    at = key.appended_at.astimezone(UTC).isoformat()
    return f"{at}/{key.partition}/{key.source_offset}/{key.line}"


def key_of(text: str) -> RefusalKey:
    """The place that a cursor names.

    Raises:
        typer.Exit: it is none.
    """
    found = _CURSOR.fullmatch(text)
    try:
        at = datetime.fromisoformat(found[1] if found else "")
    except ValueError:
        fail("--after takes what the page before said under next.", Exit.USAGE)
        raise
    partition, offset, line = map(int, found.groups()[1:] if found else ())
    return RefusalKey(at, partition, offset, line)


async def _refused(wanted: Filter, limit: int, after: RefusalKey | None) -> Sequence[Refusal]:
    async with projected() as connection:
        return await quality_refusals.refusals(connection, wanted, limit=limit + 1, after=after)


def _print_refused(shown: Sequence[MaskedRefusal], following: str | None) -> None:
    screen = console()
    if not shown:
        screen.print("Nothing was refused.")
        return
    columns = ("appended at", "pharmacy", "place", "number", "line", "codes and paths")
    rows = [
        (
            moment(one.appended_at),
            one.pharmacy or "nobody",
            f"{one.partition}/{one.offset}",
            "" if one.sequence is None else str(one.sequence),
            f"all {one.lines}"
            if one.path is None
            else " ".join(filter(None, (one.path, one.dguid))),
            "\n".join(f"{issue.code} {issue.path}".strip() for issue in one.issues),
        )
        for one in shown
    ]
    screen.print(table("refused, newest first", columns, rows))
    if following:
        screen.print(f"More with --after {following}", markup=False, soft_wrap=True)
