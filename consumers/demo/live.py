"""A visit at the counter while everything runs: published through the SDK, over HTTP."""

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

from consumers.simulation.publish import publisher_folder
from infra.settings import Settings
from streams.intake import (
    MedicinalProduct,
    Outbox,
    Posology,
    Publisher,
    Receipt,
    RegisterBody,
    SigningKey,
    SubmittedLine,
    SubmittedPatient,
    connect_http,
)

PRODUCT = "0029025"


def visit(niss: str, at: datetime) -> RegisterBody:
    """One package, just handed over."""
    line = SubmittedLine(
        dguid=str(uuid.uuid4()),
        product=MedicinalProduct(cnk=PRODUCT),
        units=1,
        posology=Posology(text="1 x / jour"),
    )
    return RegisterBody(
        sguid=str(uuid.uuid4()),
        patient=SubmittedPatient(niss=niss),
        delivered_at=at,
        lines=(line,),
    )


@asynccontextmanager
async def counter(settings: Settings, api_url: str, pharmacy: str) -> AsyncIterator[Publisher]:
    """The software of a pharmacy of the simulated year, with an outbox of its own."""
    folder = publisher_folder(settings, pharmacy)
    key = SigningKey.load(folder / "key")
    office = settings.office_public_key or ""
    transport = connect_http(api_url, pharmacy, key, office_public_key=office)
    outbox = Outbox(folder / "outbox", pharmacy, key)
    async with Publisher(pharmacy, key, outbox, transport) as publisher:
        yield publisher


async def outcome(publisher: Publisher, entry: str) -> str:
    """What the receipt of an outbox entry says, once it is there."""
    async with aclosing(publisher.receipts()) as letters:
        async for letter in letters:
            if letter.entry == entry and isinstance(letter.answer, Receipt):
                return letter.answer.outcome
    raise AssertionError("receipts are followed until the publisher is closed")
