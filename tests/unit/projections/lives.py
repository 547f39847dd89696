"""Logs of projections as records: for each partition a life that touches every table."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import pairwise

from hypothesis import strategies as st

from infra.kafka import Partition, Record
from infra.keys.memory import MemoryVault
from projections.shells import (
    History,
    ProductRecall,
    Projection,
    access_log_projection,
    access_state_projection,
    quality_projection,
    surveillance_projection,
)
from schemas import subject
from schemas.audit import ACCESS_DECIDED, AccessDecided
from schemas.dispensation import Supersedes
from schemas.receipts import (
    GAP_CLOSED,
    GAP_NOTICED,
    RECEIPT,
    GapClosed,
    GapNoticed,
    Issue,
    LineOutcome,
    Receipt,
    SubmissionRef,
)
from tests.integration.projections_world import (
    NOON,
    PHARMACY,
    Facts,
    Output,
    guid_of,
    subject_of,
)

TOPIC = "lives"
PEOPLE = ("ann", "bob", "cis")
"""Each has a partition, so whose events come first makes no difference."""
Poll = dict[Partition, list[Record]]


async def _dispensed(facts: Facts, person: str, partition: int) -> list[Output]:
    """Lines that are registered, corrected into another month and for another, and withdrawn."""
    april = NOON.replace(month=4)
    names = [f"{person} {number}" for number in range(4)]
    lines = [
        await facts.registered(name, person, partition=partition, batch="lot") for name in names
    ]
    first = Supersedes(version=1, month="2026-03", subject=subject_of(person))
    moved = Supersedes(version=2, month="2026-04", subject=subject_of("dee"))
    return [
        *lines,
        await facts.corrected(names[0], 2, "dee", april, first, partition=partition),
        await facts.revoked(names[1], 2, person, first, partition=partition),
        await facts.corrected(names[0], 3, person, NOON, moved, partition=partition),
    ]


async def _rights(facts: Facts, person: str, partition: int) -> list[Output]:
    """Rights that are given, accepted, ended and given again."""
    mandate = {"holder": subject_of("holder"), "holder_kind": "citizen"}
    named = {"party": subject_of("doctor"), "party_kind": "professional"}
    window = {"valid_from": NOON, "valid_until": NOON.replace(year=2027)}
    link = {**named, **window, "link_type": "consultation"}
    events: list[tuple[type[subject.SubjectFact], dict[str, object]]] = [
        (subject.ConsentGiven, {}),
        (subject.LinkDeclared, {"link": "link-number-1", **link}),
        (
            subject.MandateGranted,
            {"mandate": "mandate-number-1", "mandate_type": "prescription", **mandate},
        ),
        (subject.MandateAccepted, {"mandate": "mandate-number-1"}),
        (subject.ConsentWithdrawn, {}),
        (subject.ExclusionPut, {"exclusion": "exclusion-number-1", **named}),
        (subject.LinkRevoked, {"link": "link-number-1"}),
        (subject.ConsentGiven, {}),
        (subject.ExclusionLifted, {"exclusion": "exclusion-number-1"}),
        (subject.MandateEnded, {"mandate": "mandate-number-1"}),
    ]
    common = {
        "subject": subject_of(person),
        "generation": 1,
        "author_role": "patient",
        "author": subject_of(person),
        "sealed": "AAAA",
    }
    return [
        facts.output(
            subject.SUBJECT_FACT_TYPES[model], model.model_validate({**common, **own}), partition
        )
        for model, own in events
    ]


async def _answered(facts: Facts, _person: str, partition: int) -> list[Output]:
    """Receipts with findings, and a gap that closes."""
    issue = Issue(
        code="cnk_checksum", severity="reject", scope="line", fault_class="FUNCTIONAL", path=""
    )
    epoch = f"epoch {partition}"
    receipts = [
        Receipt(
            outcome="rejected" if number % 2 else "accepted",
            submission=SubmissionRef(
                partition=partition,
                offset=number,
                appended_at=NOON,
                source=f"/pharmacies/{PHARMACY}",
            ),
            lines=(
                LineOutcome(
                    path="/lines/0",
                    outcome="rejected" if number % 2 else "recorded",
                    issues=(issue,) * (number % 2),
                ),
            ),
        )
        for number in range(5)
    ]
    gap = GapNoticed(publisher=PHARMACY, epoch=epoch, first=2, last=3)
    closed = GapClosed(publisher=PHARMACY, epoch=epoch, number=3)
    return [
        *(facts.output(RECEIPT, one, partition) for one in receipts),
        facts.output(GAP_NOTICED, gap, partition),
        facts.output(GAP_CLOSED, closed, partition),
    ]


async def _read(_facts: Facts, person: str, partition: int) -> list[Output]:
    """Decisions about reads."""
    return [
        Output(
            partition,
            ACCESS_DECIDED,
            AccessDecided(
                decision="deny",
                reason="no_link",
                subject=subject_of(person),
                reader=subject_of("doctor"),
                role="caregiver",
                purpose="history",
                decided_at=NOON,
                policy_version="access/1",
                sealed_reader="AAAA",
            ).write(),
            None,
            ce_id=f"{guid_of(person)}/{number}",
        )
        for number in range(5)
    ]


async def _watched(_facts: Facts, person: str, partition: int) -> list[Output]:
    """Reads on several days by one doctor, of all kinds; one is written twice."""
    numbers = [0, 1, 2, 3, 1, 4, 5]
    return [
        Output(
            partition,
            ACCESS_DECIDED,
            AccessDecided(
                decision="deny" if number == 3 else "permit",
                subject=subject_of(person),
                generation=1,
                reader=subject_of("doctor"),
                role="caregiver",
                organisation=subject_of("place") if number == 5 else None,
                purpose="history",
                detail="emergency" if number == 2 else None,
                # The last come in before the first, as if from another process.
                decided_at=NOON - timedelta(hours=9 * number),
                policy_version="access/1",
                sealed_reader="AAAA",
            ).write(),
            None,
            ce_id=f"{guid_of(person)}/{number}",
        )
        for number in numbers
    ]


Made = Callable[[Facts, str, int], Awaitable[list[Output]]]
LIVES: dict[str, tuple[Callable[[MemoryVault], Projection], Made]] = {
    "history": (lambda vault: History(vault, TOPIC), _dispensed),
    "product_recall": (lambda vault: ProductRecall(vault, TOPIC), _dispensed),
    "access_state": (lambda _: access_state_projection(TOPIC), _rights),
    "access_log": (lambda _: access_log_projection(TOPIC), _read),
    "surveillance": (lambda _: surveillance_projection(TOPIC), _watched),
    "quality": (lambda _: quality_projection(TOPIC), _answered),
}


async def lives(name: str) -> tuple[Projection, list[list[Record]]]:
    """A projection, and the records of each partition of its topic."""
    projection, made = LIVES[name]
    vault = MemoryVault()
    facts = Facts(vault)
    logs = []
    for partition, person in enumerate(PEOPLE):
        outputs = await made(facts, person, partition)
        logs.append([_record(one, partition, at) for at, one in enumerate(outputs)])
    return projection(vault), logs


def _record(output: Output, partition: int, offset: int) -> Record:
    headers = tuple(output.headers())
    return Record(TOPIC, partition, offset, 0, output.key, headers, output.body)


@st.composite
def polls(
    draw: st.DrawFn, logs: Sequence[Sequence[Record]]
) -> tuple[list[list[Record]], list[Poll]]:
    """The first part of each log, and the same delivered: each record one to three times, the
    partitions mixed, the whole cut into polls anywhere."""
    parts = [list(log[: draw(st.integers(1, len(log)))]) for log in logs]
    queues = [list(part) for part in parts]
    mixed: list[Record] = []
    while any(queues):
        queue = draw(st.sampled_from([one for one in queues if one]))
        mixed += [queue.pop(0)] * draw(st.integers(1, 3))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=6)))
    found = []
    for start, end in pairwise([0, *cuts, len(mixed)]):
        poll: Poll = {}
        for record in mixed[start:end]:
            poll.setdefault(Partition(TOPIC, record.partition), []).append(record)
        found.append(poll)
    return parts, found
