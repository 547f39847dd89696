"""`dpp erasure`: how erasures stand, what is carried out, and the certificate of one."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.erasure import certificate as certificates
from consumers.erasure.carrying import apply_all
from consumers.erasure.issuing import issue
from consumers.stack.office import log_verifier, office_signing_key
from infra.postgres import connect
from infra.settings import Settings, load_settings
from projections.erasure_queries import Erasure, erasures
from streams.notary.directory import LogDirectory
from streams.notary.notes import NoteInvalid

app = typer.Typer(help="Erasures of people, as they stand.", no_args_is_help=True)
_COLUMNS = (
    "erasure",
    "subject",
    "generation",
    "ground",
    "requested",
    "approvals",
    "holds",
    "phase",
)


@app.command("list")
def list_erasures(as_json: Json = False) -> None:
    """Lists every erasure with its phase: requested, rejected, executed, removed."""
    with one_sentence():
        found = asyncio.run(_erasures(load_settings()))
    if as_json:
        print_json({"erasures": [{**asdict(one), "phase": one.phase} for one in found]})
        return
    rows = [
        (
            one.id,
            one.subject,
            one.generation,
            one.ground,
            f"{one.requested_at:%Y-%m-%d}",
            one.approvals,
            one.holds,
            one.phase,
        )
        for one in found
    ]
    console().print(table("erasures", _COLUMNS, rows))


async def _erasures(settings: Settings) -> list[Erasure]:
    async with connect(settings.dsn, autocommit=True) as connection:
        return await erasures(connection)


@app.command()
def apply(as_json: Json = False) -> None:
    """Destroys secrets and rows of every executed erasure, also of those done before.

    Run it after a vault was restored from a backup, before the parts start: what was erased since
    the backup would be readable until the keeper's first round.
    """
    with one_sentence():
        done = asyncio.run(apply_all(load_settings(), datetime.now(UTC)))
    if as_json:
        print_json({"secrets": done.secrets, "rows": done.rows})
    else:
        console().print(f"{done.secrets} secrets destroyed for good, {done.rows} rows removed.")


@app.command()
def certificate(
    erasure: Annotated[str, typer.Argument(help="Id of the erasure: dpp erasure list.")],
    out: Annotated[Path, typer.Option(help="New file; a number is added for further numbers.")],
    log: Annotated[
        Path | None,
        typer.Option(help="The log's folder; that of DPP_DATA if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Checks that an erasure is done everywhere and that the log still holds, and signs it.

    It takes the office's private key. Answers 3 and signs nothing if something is not as it must.
    """
    with one_sentence():
        settings = load_settings()
        office = office_signing_key(settings)
        read = LogDirectory(log or settings.log_folder).read
        verifier = log_verifier(settings)
        found = asyncio.run(issue(settings, read, verifier, erasure, datetime.now(UTC)))
        files = [out, *(out.with_stem(f"{out.stem}-{at}") for at in range(2, len(found) + 1))]
        for path, one in zip(files, found, strict=True):
            path.write_text(certificates.sign(one, settings.log_origin, office.private))
    if as_json:
        print_json({"certificates": [str(path) for path in files]})
    else:
        for path, one in zip(files, found, strict=True):
            console().print(f"{path}: {len(one.log.leaves)} leaves can no longer be read.")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A certificate.", exists=True)],
    as_json: Json = False,
) -> None:
    """Checks a certificate with nothing but the office's public key (DPP_OFFICE_PUBLIC_KEY)."""
    with one_sentence():
        settings = load_settings()
        keys = settings.office_keys.every
    for office in keys:
        try:
            found = certificates.check(file.read_bytes(), settings.log_origin, office)
        except NoteInvalid as error:
            reason = str(error)
            continue
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            console().print(
                f"Subject {found.subject}, generation {found.generation}: secret destroyed at "
                f"{found.secret_destroyed_at:%Y-%m-%d %H:%M} UTC, {len(found.log.leaves)} of "
                f"{found.log.size} leaves unreadable; sealed copies until {found.copies_until}."
            )
        return
    fail(f"It does not hold: {reason}.", Exit.UNEXPECTED)
