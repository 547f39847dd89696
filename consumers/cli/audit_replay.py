"""`dpp audit replay`: projections built from the log alone, and compared with the live rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TextIO

import typer

from consumers.audit import cuts
from consumers.audit.cuts import EVERYTHING, Cut, CutInvalid
from consumers.audit.exported import FileExport
from consumers.audit.kept import Kept
from consumers.audit.keys import ReadingVault
from consumers.audit.replay import Asked
from consumers.audit.replay import replay as replay_log
from consumers.audit.replayed import Replay, Replayed
from consumers.audit.verify import verify as verify_log
from consumers.cli.audit_log import Place, Vkey, remembered, verifier_of
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.cli.projections import Name, words
from consumers.cli.recorded import Auditor, Recorder, opened_recorded
from consumers.progress import Progress
from consumers.stack.stack import migration_sources
from infra.keys.memory import MemoryVault
from infra.keys.opening import opened_vault
from infra.migrations import require_current
from infra.settings import Settings, load_settings
from projections.shells import Projection, registered
from schemas.keyvault import KeyVault
from streams.notary.directory import Read
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import Checkpoint, Verifier
from streams.notary.tiles import BundleInvalid

Keep = Annotated[
    Path | None,
    typer.Option(help="Folder of what is remembered: checkpoints seen, how far it was read."),
]
Only = Annotated[
    list[Name] | None,
    typer.Option("--projection", help="Only this projection; may be repeated."),
]
NO_KEYS = "it folds what is sealed, and was to be done without keys"


def replay(  # noqa: PLR0917 - typer passes options by name
    place: Place,
    key: Vkey,
    as_of: Annotated[
        str | None,
        typer.Option(help="Up to so many leaves, or up to a time with its offset."),
    ] = None,
    projection: Only = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Only what needs no key vault.")
    ] = False,
    keep: Keep = None,
    keep_schema: Annotated[
        bool,
        typer.Option("--keep-schema", help="Leave the rebuilt rows, as versions to be dropped."),
    ] = False,
    auditor: Auditor = None,
    export: Annotated[
        Path | None,
        typer.Option(help="New file of hashes by subject, for dpp audit diff --exports."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours, no bars.")] = False,
    as_json: Json = False,
) -> None:
    """Builds projections from the log alone, and compares them with the live rows.

    The log is verified first; Kafka is not read. Rows are compared at the positions that log and
    live version both have come to. Who reads a folder where a broker is named
    (DPP_KAFKA_BOOTSTRAP) is recorded there first.

    It needs the database as its owner, and for what is sealed the
    backbone's own key vault (DPP_VAULT_DSN, DPP_KEK_FILE). Exit code 0: the same; 1: log or rows
    do not hold, the first differing subject is named; 2: an option has another form; 3: something
    is missing, so it is not known.
    """
    known, cut = verifier_of(key), cut_of(as_of)
    screen = console(plain=plain)
    with one_sentence(), ExitStack() as stack, shown(screen, silent=as_json) as told:
        settings = load_settings()
        read = opened_recorded(place, settings, stack, Recorder(settings, "replay", auditor, place))
        checkpoint = verified(read, known, keep, told)
        names = {one.value for one in projection or Name}
        asked = Asked(cut, keep_schema)
        file = None if export is None else stack.enter_context(export.open("x"))
        try:
            found = asyncio.run(
                replayed(
                    settings,
                    read,
                    checkpoint,
                    names,
                    asked=asked,
                    keys=not without_keys,
                    progress=told,
                    export=file,
                )
            )
        except (BundleInvalid, LeafInvalid) as error:
            fail(f"The log does not hold: {error}. Run dpp audit verify.", Exit.UNEXPECTED)
            raise
    if as_json:
        print_json(replay_json(found))
    else:
        _print(found, plain=plain)
    if not found.holds:
        raise typer.Exit(Exit.UNEXPECTED)
    raise typer.Exit(Exit.OK if found.complete else Exit.UNAVAILABLE)


def cut_of(text: str | None) -> Cut:
    """The place in an option, or the end of the command."""
    try:
        return EVERYTHING if text is None else cuts.parse(text)
    except CutInvalid as error:
        fail(f"This is no place in a log: {error}.", Exit.USAGE)
        raise


def verified(read: Read, key: Verifier, keep: Path | None, progress: Progress) -> Checkpoint:
    """The checkpoint of a log that holds, or the end of the command.

    What an earlier run verified is not recomputed, if `keep` remembers it.
    """
    kept = None if keep is None else Kept(keep)
    memory = remembered(kept)
    found = verify_log(read, key, memory, progress=progress)
    if found.fault is not None or found.checkpoint is None:
        told = "" if found.fault is None else f" ({found.fault.kind}): {found.fault.sentence}"
        fail(f"The log does not hold{told}", Exit.UNEXPECTED)
        raise typer.Exit(Exit.UNEXPECTED)
    if kept is not None:
        kept.save(memory)
        kept.note(found.note)
    return found.checkpoint


async def replayed(
    settings: Settings,
    read: Read,
    checkpoint: Checkpoint,
    names: set[str],
    *,
    asked: Asked,
    keys: bool,
    progress: Progress,
    export: TextIO | None = None,
) -> Replay:
    """Replays the projections of these names; without keys those that need none.

    What the log became is written to `export`, subject by subject.

    Raises:
        InfrastructureError, VaultUnavailable: log, database, vault or keys are missing.
    """
    await require_current(migration_sources(settings)[:1])
    async with vault_for(settings, keys=keys) as vault:
        wanted = [one for one in registered(vault) if one.name in names]
        done = [one for one in wanted if keys or not needs_keys(one)]
        if export is not None:
            index_key = await vault.root_key("index")
            told = FileExport(export, version("dpp-backbone"), checkpoint, index_key)
            asked = replace(asked, export=told)
        found = await replay_log(settings, read, checkpoint, done, asked=asked, progress=progress)
    without = {one.name: NO_KEYS for one in wanted if one not in done}
    return replace(found, left_out={**found.left_out, **without})


@asynccontextmanager
async def vault_for(settings: Settings, *, keys: bool) -> AsyncIterator[KeyVault]:
    """The backbone's vault, from which nothing is made; an empty one without keys."""
    if not keys:
        yield MemoryVault()
        return
    async with opened_vault(settings, maximum=2) as vault:
        yield ReadingVault(vault)


def needs_keys(projection: Projection) -> bool:
    """Whether its rows cannot be folded by somebody who has the log alone."""
    return bool(projection.key_derived)


def replay_json(found: Replay) -> dict[str, object]:
    """A replay as one JSON value."""
    return {
        "holds": found.holds,
        "complete": found.complete,
        "origin": found.origin,
        "size": found.size,
        "root": found.root.hex(),
        "as_of": found.cut,
        "projections": [
            {
                **asdict(one),
                "outcome": one.outcome,
                "differences": [asdict(other) for other in one.differences],
            }
            for one in found.replayed
        ],
        "left_out": dict(found.left_out),
    }


def _print(found: Replay, *, plain: bool) -> None:
    screen = console(plain=plain)
    columns = ("projection", "version", "outcome", "records", "rows", "differing", "behind")
    rows = [
        (
            one.projection,
            one.version,
            one.outcome.replace("_", " "),
            one.records,
            one.rows,
            one.differing,
            sum(one.behind.values()),
        )
        for one in found.replayed
    ]
    screen.print(table(f"{found.size} leaves replayed up to {found.cut}", columns, rows))
    for one in found.replayed:
        for line in _lines(one):
            screen.print(line)
    for name, reason in found.left_out.items():
        screen.print(f"{name} was not replayed: {reason}")


def _lines(one: Replayed) -> list[str]:
    lines = []
    if one.content:
        lines.append(f"{one.projection:15} {one.content}")
    if one.content != one.live:
        lines.append(f"{'  live':15} {one.live}")
    if one.schema is not None:
        lines.append(f"  kept in {one.schema}: dpp projections drop removes it")
    if one.later:
        lines.append(f"  {one.later} rows were put anew since and could not be compared")
    if one.since:
        lines.append(f"  {one.since} live rows were put behind these positions: not compared")
    if one.why is not None:
        lines.append(f"{one.projection}: {one.why}")
    return lines + [f"  {words(other)}" for other in one.differences]
