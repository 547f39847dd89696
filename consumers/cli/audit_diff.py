"""`dpp audit diff`: which rows events changed between two places of a log, or two versions made."""

import asyncio
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from consumers.audit import exported
from consumers.audit.changed import Changed
from consumers.audit.diff import Asked, Difference
from consumers.audit.diff import diff as diff_log
from consumers.audit.exported import ExportInvalid, Unlike
from consumers.cli.audit_log import PlaceIfAny, VkeyIfAny, verifier_of
from consumers.cli.audit_replay import NO_KEYS, Keep, Only, cut_of, needs_keys, vault_for, verified
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.cli.projections import Name
from consumers.cli.recorded import Auditor, Recorder, opened_recorded
from consumers.progress import Progress
from infra.settings import Settings, load_settings
from projections.shells import registered
from streams.notary.directory import Read
from streams.notary.leaf import LOGGED, LeafInvalid
from streams.notary.tiles import BundleInvalid

_SHOWN: Final = 50
_EXPORTS: Final = 2


def diff(  # noqa: PLR0917 - typer passes options by name
    place: PlaceIfAny = None,
    key: VkeyIfAny = None,
    start: Annotated[
        str | None, typer.Option("--from", help="So many leaves, or a time with its offset.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="The same; the end of the log if not given.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Only rows of this subject (a pseudonym).")
    ] = None,
    projection: Only = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Only what needs no key vault.")
    ] = False,
    keep: Keep = None,
    auditor: Auditor = None,
    exports: Annotated[
        list[Path] | None,
        typer.Option(help="Compare two exports of dpp audit replay instead; given twice."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours, no bars.")] = False,
    as_json: Json = False,
) -> None:
    """Tells which events between two places of the log changed which rows, and in which columns.

    Values are shown of columns that are neither sealed nor clinical. It needs the log, and for
    what is sealed the key vault; neither Kafka nor the database. Who reads a folder where a broker
    is named (DPP_KAFKA_BOOTSTRAP) is recorded there first. With --exports it compares what two
    versions of the code made of one log. Exit code 0: it was told (with --exports: they are
    the same); 1: the log does not hold, or the exports differ; 2: an option has another form;
    3: log, vault or keys are missing.
    """
    if exports:
        _compare(exports, plain=plain, as_json=as_json)
    if place is None or key is None or start is None:
        fail("Name the log, --vkey and --from; or two --exports.", Exit.USAGE)
        raise typer.Exit(Exit.USAGE)
    known, asked = verifier_of(key), Asked(cut_of(start), cut_of(end), subject)
    names = {one.value for one in projection or Name}
    screen = console(plain=plain)
    with one_sentence(), ExitStack() as stack, shown(screen, silent=as_json) as told:
        settings = load_settings()
        read = opened_recorded(place, settings, stack, Recorder(settings, "diff", auditor, place))
        size = verified(read, known, keep, told).size
        try:
            found, left_out = asyncio.run(
                _changes(settings, read, size, asked, names=names, keys=not without_keys, told=told)
            )
        except (BundleInvalid, LeafInvalid) as error:
            fail(f"The log does not hold: {error}. Run dpp audit verify.", Exit.UNEXPECTED)
            raise
    if as_json:
        print_json(
            {
                "from": str(asked.start),
                "to": str(asked.end),
                "changes": [asdict(one) for one in found.changes],
                "erased": found.erased,
                "unfoldable": [asdict(one) for one in found.left_out],
                "left_out": left_out,
            }
        )
    else:
        _print(found, asked, left_out, plain=plain)


async def _changes(
    settings: Settings,
    read: Read,
    size: int,
    asked: Asked,
    *,
    names: set[str],
    keys: bool,
    told: Progress,
) -> tuple[Difference, dict[str, str]]:
    async with vault_for(settings, keys=keys) as vault:
        wanted = [one for one in registered(vault) if one.name in names]
        left_out = {
            one.name: f"its topic {one.topic} is not among those that are logged"
            for one in wanted
            if one.topic not in LOGGED
        }
        left_out |= {one.name: NO_KEYS for one in wanted if not keys and needs_keys(one)}
        done = [one for one in wanted if one.name not in left_out]
        return await diff_log(read, size, done, asked, told), left_out


def _print(found: Difference, asked: Asked, left_out: dict[str, str], *, plain: bool) -> None:
    screen = console(plain=plain)
    screen.print(f"{len(found.changes)} rows changed between {asked.start} and {asked.end}.")
    for change in found.changes[:_SHOWN]:
        screen.print(_line(change), soft_wrap=True)
    if found.erased:
        screen.print(f"{found.erased} changes of people who are erased are not told.")
    for one in found.left_out:
        at = f"{one.topic}-{one.partition} at {one.position}"
        screen.print(f"{at} could not be folded: {one.category}")
    for name, reason in left_out.items():
        screen.print(f"{name} was left out: {reason}")


def _line(one: Changed) -> str:
    event, who = one.event, "" if one.subject is None else f", subject {one.subject}"
    key = ", ".join(f"{name} {value}" for name, value in one.key.items() if name != "subject")
    how = "put" if one.put else "; ".join(_told(one))
    return (
        f"leaf {event.leaf}: {event.type} {event.id}{who}: {one.projection}.{one.table} ({key}): "
        f"{how}"
    )


def _told(one: Changed) -> list[str]:
    return [
        f"{name}: {one.before.get(name)} > {one.after[name]}" if name in one.after else name
        for name in one.columns
    ]


def _compare(files: list[Path], *, plain: bool, as_json: bool) -> None:
    """Ends the command with what two exports tell."""
    if len(files) != _EXPORTS:
        fail("Give --exports twice.", Exit.USAGE)
    with one_sentence(), files[0].open() as one, files[1].open() as other:
        try:
            heads = exported.head_of(one), exported.head_of(other)
            exported.check_same(*heads)
            found = list(exported.compare(one, other))
        except ExportInvalid as error:
            fail(f"These exports cannot be compared: {error}.", Exit.USAGE)
            raise
    if as_json:
        print_json({"code": [head.code for head in heads], "differ": [asdict(x) for x in found]})
    else:
        names = (f"{file} ({head.code})" for file, head in zip(files, heads, strict=True))
        _print_exports(" and ".join(names), found, plain=plain)
    raise typer.Exit(Exit.UNEXPECTED if found else Exit.OK)


def _print_exports(between: str, found: list[Unlike], *, plain: bool) -> None:
    screen = console(plain=plain)
    title = f"{len(found)} subjects differ between {between}"
    columns = ("projection", "table", "subject", "rows", "columns")
    rows = [
        (
            one.projection,
            one.table,
            one.subject or "",
            f"{one.rows[0]} > {one.rows[1]}",
            ", ".join(one.columns),
        )
        for one in found[:_SHOWN]
    ]
    screen.print(table(title, columns, rows))
