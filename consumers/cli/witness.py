"""`dpp witness serve|vkey`: a witness that cosigns the checkpoints of transparency logs."""

import asyncio
import time
from typing import Annotated, Final

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, fail, one_sentence, print_json
from consumers.cli.run import until_stopped
from consumers.witness.app import WitnessService, witness_app
from consumers.witness.store import WitnessStore, WitnessStoreBroken
from infra.observability import logs
from infra.observability.ops import serve_app, serve_ops
from infra.settings import Settings, load_settings
from streams.intake.keys import SigningKey
from streams.notary import notes
from streams.notary.notes import NoteInvalid, Verifier

app = typer.Typer(help="A witness of transparency logs.", no_args_is_help=True)
_KEY: Final = "witness.key"
_STORE: Final = "witness.sqlite"


@app.command()
def vkey(as_json: Json = False) -> None:
    """Prints the witness's verifier key, which logs and auditors pin; makes the key if need be."""
    with one_sentence():
        settings = load_settings()
        key, _ = _opened(settings)
        text = str(notes.verifier(settings.witness_name, key.private, notes.COSIGNATURE))
    if as_json:
        print_json({"vkey": text})
    else:
        typer.echo(text)


@app.command()
def serve(
    log: Annotated[
        list[str],
        typer.Option(
            "--log", help="Key of a log to watch; may be repeated, a log's keys oldest first."
        ),
    ],
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where it listens.", min=1, max=65535)] = 8090,
) -> None:
    """Cosigns checkpoints that continue what it has cosigned before, until it is told to stop.

    Key and store lie in DPP_DATA/witness; health and metrics are at DPP_METRICS_PORT.
    """
    known = [_log_key(one) for one in log]
    with one_sentence():
        settings = load_settings()
        key, store = _opened(settings)
        logs.configure(settings.log_format, part="witness")
        service = WitnessService(
            settings.witness_name,
            key.private,
            store,
            {one.name: [each for each in known if each.name == one.name] for one in known},
            time.time,
        )

        async def serving(settings: Settings, stop: asyncio.Event) -> None:
            ready = {"logs": sorted(service.logs)}
            async with asyncio.TaskGroup() as group:
                group.create_task(serve_app(witness_app(service), host, port, stop))
                group.create_task(
                    serve_ops(
                        settings.metrics_host, settings.metrics_port, lambda: (True, ready), stop
                    )
                )

        asyncio.run(until_stopped(serving, settings))


def _opened(settings: Settings) -> tuple[SigningKey, WitnessStore]:
    """Key and store, made together: a key without its store would cosign a second history.

    Raises:
        WitnessStoreBroken: there is a key, and what it has cosigned is lost.
    """
    folder = settings.data / "witness"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, kept = folder / _KEY, folder / _STORE
    if key.exists() and not kept.exists():
        raise WitnessStoreBroken(
            f"{kept} is lost, and with it what {key} has cosigned. Restore its newest copy, or "
            "begin anew with a new key in an empty folder, and tell the logs and auditors."
        )
    store = WitnessStore(kept)
    if not key.exists():
        SigningKey.generate("witness-1").save(key)
    return SigningKey.load(key), store


def _log_key(text: str) -> Verifier:
    try:
        found = notes.parse_verifier(text)
    except NoteInvalid as error:
        fail(f"This is no verifier key: {error}.", Exit.USAGE)
        raise
    if found.kind != notes.ED25519:
        fail("--log takes the key of a log, as dpp log vkey prints it.", Exit.USAGE)
    return found
