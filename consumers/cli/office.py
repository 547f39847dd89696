"""`dpp office`: the first keys, enrolment of publishers; `dpp keygen` on the publisher's side."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from stdnum.exceptions import ValidationError as NumberRefused

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json
from consumers.stack.office import (
    first_keys,
    init_office,
    next_office_key,
    office_signing_key,
)
from consumers.stack.stack import migration_sources
from infra.kafka import producer
from infra.migrations import require_current
from infra.settings import Settings, load_settings
from schemas.dispensation import SUBMISSION_BODIES
from schemas.identifiers import pharmacy
from schemas.policy import MIN_NOTICE_MINUTES
from schemas.publisher import (
    Contract,
    ContractEnded,
    Enrolled,
    KeyAdded,
    KeyWithdrawn,
    PublisherFact,
    PublisherKey,
)
from schemas.topics import PUBLISHER_REGISTERED
from streams.intake.keys import SigningKey
from streams.intake.office import publisher_record

app = typer.Typer(help="What only the FarmaFlux office does.", no_args_is_help=True)
Publisher = Annotated[str, typer.Argument(help="Pharmacy number, 8 digits.")]
Request = Annotated[
    Path, typer.Argument(help="The file that dpp keygen wrote for the publisher.", exists=True)
]


@app.command()
def init(as_json: Json = False) -> None:
    """Makes the first keys and states them; running it again changes nothing."""
    with one_sentence():
        settings = first_keys(load_settings())
        stated = asyncio.run(_init(settings))
    if as_json:
        print_json({"office_public_key": settings.office_public_key, "stated": stated})
    else:
        console().print(f"DPP_OFFICE_PUBLIC_KEY={settings.office_public_key}")
        for sentence in stated or ["Everything was stated already."]:
            console().print(sentence)


async def _init(settings: Settings) -> list[str]:
    await require_current(migration_sources(settings)[1:])
    return await init_office(settings)


@app.command()
def rotate(
    since: Annotated[
        datetime, typer.Option(help="When the next key begins to sign, UTC; leave days for it.")
    ],
    as_json: Json = False,
) -> None:
    """Makes the office's next key and prints what everybody pins from now on.

    Every process and publisher takes the new setting before the time that is stated; from then on
    the office signs with the new key, and what the former one signs counts no more.
    """
    moment = since.replace(tzinfo=UTC)
    if moment < datetime.now(UTC) + timedelta(minutes=MIN_NOTICE_MINUTES):
        fail(f"State a time at least {MIN_NOTICE_MINUTES} minutes away.", Exit.USAGE)
    with one_sentence():
        try:
            pinned = next_office_key(load_settings(), moment)
        except ValueError:
            fail("Another change is planned for that time or a later one.", Exit.USAGE)
    if as_json:
        print_json({"office_public_key": str(pinned)})
    else:
        console().print(f"DPP_OFFICE_PUBLIC_KEY={pinned}", soft_wrap=True)


@app.command()
def enrol(publisher: Publisher, request: Request, as_json: Json = False) -> None:
    """Admits a pharmacy with the key in its request, from now on and without end."""
    contract = Contract(event_types=tuple(SUBMISSION_BODIES), valid_from=datetime.now(UTC))
    number = _pharmacy_number(publisher)
    fact = Enrolled(
        publisher=number, publisher_kind="pharmacy", key=_read_request(request), contract=contract
    )
    _state(fact, as_json=as_json)


@app.command("add-key")
def add_key(publisher: Publisher, request: Request, as_json: Json = False) -> None:
    """Lets a publisher open sessions with one more key."""
    fact = KeyAdded(publisher=_pharmacy_number(publisher), key=_read_request(request))
    _state(fact, as_json=as_json)


@app.command("withdraw-key")
def withdraw_key(
    publisher: Publisher,
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    as_json: Json = False,
) -> None:
    """Ends a key, and every session that was opened with it."""
    fact = KeyWithdrawn(publisher=_pharmacy_number(publisher), key_id=key_id, reason=reason)
    _state(fact, as_json=as_json)


@app.command("end-contract")
def end_contract(
    publisher: Publisher,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    as_json: Json = False,
) -> None:
    """Refuses what the publisher submits from now on."""
    fact = ContractEnded(
        publisher=_pharmacy_number(publisher), ends_at=datetime.now(UTC), reason=reason
    )
    _state(fact, as_json=as_json)


def keygen(
    publisher: Publisher,
    key_file: Annotated[Path, typer.Option(help="New file for the private key (mode 0600).")],
    request: Annotated[Path, typer.Option(help="New file to hand to the office.")],
    key_id: Annotated[
        str, typer.Option(help="A name for the key, unique for the publisher.")
    ] = "1",
) -> None:
    """Makes a publisher's signing key, and the request by which the office enrols it."""
    with one_sentence():
        key = SigningKey.generate(key_id)
        key.save(key_file)
        request.write_bytes(key.enrolment(_pharmacy_number(publisher)).write() + b"\n")
    console().print(f"Keep {key_file} secret, and hand {request} to the office.")


def _pharmacy_number(text: str) -> str:
    try:
        return pharmacy.validate(text)
    except NumberRefused:
        fail(f"{text} is not a pharmacy number: 8 digits, the last two check it.", Exit.USAGE)
        raise


def _read_request(path: Path) -> PublisherKey:
    try:
        return PublisherKey.read(path.read_bytes())
    except (ValidationError, json.JSONDecodeError):
        fail(f"{path} is not an enrolment request: make one with dpp keygen.", Exit.USAGE)
        raise


def _state(fact: PublisherFact, *, as_json: bool) -> None:
    with one_sentence():
        place = asyncio.run(_send(load_settings(), fact))
    if as_json:
        print_json({"stated": type(fact).__name__, **place})
    else:
        console().print(f"{type(fact).__name__} stated at {place}.")


async def _send(settings: Settings, fact: PublisherFact) -> dict[str, object]:
    office = office_signing_key(settings)
    record = publisher_record(office, fact, datetime.now(UTC))
    async with producer(settings) as sender:
        ack = await sender.send(
            PUBLISHER_REGISTERED.name, record.value, key=record.key, headers=record.headers
        )
    return {"partition": ack.partition, "offset": ack.offset}
