"""The demo's pharmacies: enrolled by the office, publishing through the SDK, reading receipts."""

from collections import Counter
from datetime import UTC, datetime

import stamina

from consumers.demo.cast import PHARMACIES, Planned
from consumers.demo.checks import Checks
from consumers.stack.office import office_key_path
from consumers.stack.stack import Stack
from infra.kafka import partition_for, producer
from schemas.dispensation import SUBMISSION_BODIES
from schemas.publisher import Contract, Enrolled
from schemas.topics import (
    DISPENSATION_SUBMITTED,
    EMBEDDED_PARTITIONS,
    PUBLISHER_REGISTERED,
)
from streams.intake import (
    Outbox,
    Publisher,
    Receipt,
    SigningKey,
    TransportRefused,
    connect_http,
)
from streams.intake.office import publisher_record


async def enrol(stack: Stack) -> dict[str, Publisher]:
    """Admits the pharmacies, and gives each its software with an outbox of its own."""
    office = SigningKey.load(office_key_path(stack.settings))
    contract = Contract(event_types=tuple(SUBMISSION_BODIES), valid_from=datetime.now(UTC))
    made: dict[str, Publisher] = {}
    async with producer(stack.settings) as sender:
        for number in PHARMACIES:
            folder = stack.settings.data / "publishers" / number
            fresh = not (folder / "key").exists()
            if fresh:
                SigningKey.generate("1").save(folder / "key")
            key = SigningKey.load(folder / "key")
            fact = Enrolled(
                publisher=number,
                publisher_kind="pharmacy",
                key=key.enrolment(number),
                contract=contract,
            )
            record = publisher_record(office, fact, datetime.now(UTC))
            topic = PUBLISHER_REGISTERED.name
            await sender.send(topic, record.value, key=record.key, headers=record.headers)
            transport = connect_http(
                stack.api_url,
                number,
                key,
                office_public_key=stack.settings.office_public_key or "",
            )
            made[number] = Publisher(number, key, Outbox(folder / "outbox", number, key), transport)
    return made


async def publish(
    publishers: dict[str, Publisher], plan: tuple[Planned, ...]
) -> dict[str, Planned]:
    """Registers and sends everything; answers what is planned by the id of its submission."""
    sent: dict[str, Planned] = {}
    for one in plan:
        entry = await publishers[one.pharmacy].register(one.body)
        sent[entry.id] = one
    for publisher in publishers.values():
        # The API learns of an enrolment a moment after the office stated it.
        async for attempt in stamina.retry_context(on=TransportRefused, timeout=15.0):
            with attempt:
                await publisher.flush()
    return sent


async def publish_noise(stack: Stack) -> int:
    """Bytes that no pharmacy software would send; answers how many records."""
    known = PHARMACIES[0].encode()
    noise: list[tuple[bytes | None, bytes | None]] = [
        (known, b"\x00\xff" * 40),
        (known, None),
        (b"nobody", b"random bytes"),
        (None, b"without a key"),
    ]
    async with producer(stack.settings) as sender:
        for key, value in noise:
            place = 0 if key is None else partition_for(key, EMBEDDED_PARTITIONS)
            await sender.send(DISPENSATION_SUBMITTED.name, value, key=key, partition=place)
    return len(noise)


async def compare(
    publishers: dict[str, Publisher], sent: dict[str, Planned], checks: Checks
) -> Counter[str]:
    """Waits for the receipt of each submission, and holds it against the plan."""
    outcomes: Counter[str] = Counter()
    for number, publisher in publishers.items():
        waiting = {id_ for id_, one in sent.items() if one.pharmacy == number}
        async for answered in publisher.receipts():
            receipt = answered.answer
            if not isinstance(receipt, Receipt) or receipt.submission.id not in waiting:
                continue
            waiting.discard(receipt.submission.id)
            one = sent[receipt.submission.id]
            issues = [*receipt.issues, *(i for line in receipt.lines for i in line.issues)]
            codes = tuple(sorted({issue.code for issue in issues}))
            outcomes[receipt.outcome] += 1
            checks.expect(f"{one.what}: outcome", one.outcome, receipt.outcome)
            checks.expect(f"{one.what}: codes", list(one.codes), list(codes))
            if not waiting:
                break
    return outcomes
