"""`dpp witness serve|vkey`: a witness that cosigns the checkpoints of transparency logs."""

import asyncio
import time
from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, fail, one_sentence, print_json
from consumers.cli.run import until_stopped
from consumers.witness.app import WitnessService, witness_app
from consumers.witness.keeping import opened_witness, witness_verifier
from consumers.witness.known import KnownLogs, published_at
from infra.observability import logs
from infra.observability.ops import serve_app, serve_ops
from infra.settings import Settings, load_settings
from streams.notary import notes
from streams.notary.notes import NoteInvalid, Verifier

app = typer.Typer(help="A witness of transparency logs.", no_args_is_help=True)


@app.command()
def vkey(as_json: Json = False) -> None:
    """Prints the witness's verifier key, which logs and auditors pin; makes the key if need be."""
    with one_sentence():
        text = str(witness_verifier(load_settings()))
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
    published: Annotated[
        list[str] | None,
        typer.Option(
            "--published",
            help="Where a log is published (address or folder): its key is followed when it hands "
            "over to the next. May be repeated.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where it listens.", min=1, max=65535)] = 8090,
) -> None:
    """Cosigns checkpoints that continue what it has cosigned before, until it is told to stop.

    Key and store lie in DPP_DATA/witness; health and metrics are at DPP_METRICS_PORT.
    """
    known = [_log_key(one) for one in log]
    with one_sentence():
        settings = load_settings()
        key, store = opened_witness(settings)
        logs.configure(settings.log_format, part="witness")
        service = WitnessService(
            settings.witness_name,
            key.private,
            store,
            KnownLogs(known, [published_at(one, settings) for one in published or ()]),
            time.time,
        )

        async def serving(settings: Settings, stop: asyncio.Event) -> None:
            ready = {"logs": sorted(service.logs.keys)}
            async with asyncio.TaskGroup() as group:
                group.create_task(serve_app(witness_app(service), host, port, stop))
                group.create_task(
                    serve_ops(
                        settings.metrics_host, settings.metrics_port, lambda: (True, ready), stop
                    )
                )

        asyncio.run(until_stopped(serving, settings))


def _log_key(text: str) -> Verifier:
    try:
        found = notes.parse_verifier(text)
    except NoteInvalid as error:
        fail(f"This is no verifier key: {error}.", Exit.USAGE)
        raise
    if found.kind != notes.ED25519:
        fail("--log takes the key of a log, as dpp log vkey prints it.", Exit.USAGE)
    return found
