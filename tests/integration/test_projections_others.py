"""Access state, access log and quality on the real broker and database, and their reads."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from infra.postgres import connect
from infra.settings import Settings
from projections import (
    consumption_queries,
    notice_queries,
    quality_queries,
    queries,
)
from projections.access import AccessFacts, Exclusion, Link, Mandate
from projections.consumption_queries import Consumed
from projections.erasure import erase
from projections.folds import access_state, recall
from projections.folds.access_state import Recorded
from projections.folds.product_recall import batch_index, product_index
from projections.notice_queries import Concern, ConcernedPharmacy
from projections.rows import RowWriter
from projections.shells import (
    Consumption,
    History,
    ProductRecall,
    access_log_projection,
    access_state_projection,
    quality_projection,
)
from projections.store import use_schema
from schemas import subject
from schemas.audit import ACCESS_DECIDED, AccessDecided
from schemas.dispensation import Supersedes
from schemas.recall import RecallAcknowledged, RecallClosed, RecallEvent, RecallOpened
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
    END,
    NOON,
    PHARMACY,
    START,
    Output,
    World,
    guid_of,
    opened,
    running,
    subject_of,
)

pytestmark = pytest.mark.integration

ANN, DOCTOR, HOLDER = subject_of("ann"), subject_of("doctor"), subject_of("holder")
LATER = datetime(2027, 3, 1, tzinfo=UTC)
COMMON = {
    "subject": ANN,
    "generation": 1,
    "author_role": "patient",
    "author": ANN,
    "sealed": "AAAA",
}


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


def registered(world: World, model: type[subject.SubjectFact], **members: object) -> Output:
    fact = model.model_validate({**COMMON, **members})
    return world.facts.output(subject.SUBJECT_FACT_TYPES[model], fact)


async def state_of(world: World, *facts: Output) -> AccessFacts:
    async with running(world, access_state_projection(world.topic)):
        await world.publish(facts)
        await world.caught_up("access_state")
    return await queries.access_facts(world.connection, subject=ANN, at=NOON)


def link(world: World, name: str, until: datetime = LATER) -> Output:
    return registered(
        world,
        subject.LinkDeclared,
        link=name,
        party=DOCTOR,
        party_kind="professional",
        link_type="consultation",
        valid_from=NOON,
        valid_until=until,
    )


def parent(world: World) -> Output:
    return registered(
        world,
        subject.ParentDeclared,
        parent="parent-one",
        party=HOLDER,
        consent_until=LATER,
        valid_until=LATER,
    )


def exclusion(world: World, party: str, **members: object) -> Output:
    members |= {"party": party, "party_kind": "professional", "exclusion": "exclusion-one"}
    return registered(world, subject.ExclusionPut, **members)


def half(world: World, one: str, other: str, side: str) -> Output:
    members: dict[str, object] = {"subject": one, "other": other, "side": side}
    return registered(world, subject.IdentityMerged, merge="merge-one", **members)


def grant(world: World, name: str) -> Output:
    return registered(
        world,
        subject.MandateGranted,
        mandate=name,
        holder=HOLDER,
        holder_kind="citizen",
        mandate_type="prescription",
    )


async def test_nothing_registered_is_nothing_granted(world: World) -> None:
    assert await state_of(world) == AccessFacts()


async def test_consent_that_is_given_withdrawn_and_given_again_rests_on_the_last(
    world: World,
) -> None:
    given = registered(world, subject.ConsentGiven)
    withdrawn = registered(world, subject.ConsentWithdrawn)
    again = registered(world, subject.ConsentGiven)
    facts = await state_of(world, given, withdrawn, again)
    assert facts.consent == again.id
    everything = await queries.registrations_of(world.connection, subject=ANN, ended=True)
    assert sorted(row.ended_at is None for row in everything) == [False, True]


async def test_links_exclusions_and_accepted_mandates_are_facts_of_a_decision(
    world: World,
) -> None:
    facts = await state_of(
        world,
        link(world, "link-one"),
        link(world, "link-over", until=NOON),
        registered(
            world,
            subject.ExclusionPut,
            exclusion="exclusion-one",
            party=DOCTOR,
            party_kind="professional",
        ),
        grant(world, "mandate-one"),
        grant(world, "mandate-two"),
        registered(world, subject.MandateAccepted, mandate="mandate-one", author=HOLDER),
    )
    assert facts.links == (Link("link-one", DOCTOR, "consultation", NOON, LATER),)
    assert facts.exclusions == (Exclusion("exclusion-one", DOCTOR),)
    assert facts.mandates == (Mandate("mandate-one", HOLDER, "prescription"),)
    (mandator,) = await queries.mandators(world.connection, holder=HOLDER)
    assert (mandator.subject, mandator.mandate) == (ANN, "mandate-one")
    held = await queries.mandates_of(world.connection, holder=HOLDER)
    assert [(row.id, row.accepted_at is None) for row in held] == [
        ("mandate-one", False),
        ("mandate-two", True),
    ]


async def test_what_is_ended_is_no_fact_any_more_but_can_be_listed(world: World) -> None:
    facts = await state_of(
        world,
        link(world, "link-one"),
        registered(world, subject.LinkRevoked, link="link-one"),
        grant(world, "mandate-one"),
        registered(world, subject.MandateAccepted, mandate="mandate-one"),
        registered(world, subject.MandateEnded, mandate="mandate-one"),
    )
    assert facts == AccessFacts()
    assert await queries.registrations_of(world.connection, subject=ANN) == []
    over = await queries.registrations_of(world.connection, subject=ANN, ended=True)
    assert [(row.kind, row.variety) for row in over] == [
        ("link", "consultation"),
        ("mandate", "prescription"),
    ]
    assert await queries.mandators(world.connection, holder=HOLDER) == []


async def test_what_stood_at_a_position_is_what_a_decision_made_there_rested_on(
    world: World,
) -> None:
    before = await state_of(
        world,
        registered(world, subject.ConsentGiven),
        link(world, "link-one"),
        grant(world, "mandate-one"),
        registered(world, subject.MandateAccepted, mandate="mandate-one"),
        parent(world),
    )
    assert len(before.links) == len(before.mandates) == len(before.parents) == 1
    cut = await queries.positions(world.connection, projection="access_state", topic=world.topic)
    after = await state_of(world, registered(world, subject.DeathDeclared, death="death-one"))
    assert (after.consent, after.links, after.mandates, after.death) == (None, (), (), "death-one")
    then = await queries.access_facts(world.connection, subject=ANN, at=NOON, as_of=cut)
    assert then == before
    nothing = dict.fromkeys(cut, 0)
    assert (
        await queries.access_facts(world.connection, subject=ANN, at=NOON, as_of=nothing)
        == AccessFacts()
    )


async def test_two_numbers_are_one_person_once_both_halves_stand(world: World) -> None:
    pending = await state_of(
        world,
        registered(world, subject.ConsentGiven),
        exclusion(world, DOCTOR, subject=HOLDER),
        half(world, ANN, HOLDER, "surviving"),
    )
    assert pending.merge_pending
    merged = await state_of(world, half(world, HOLDER, ANN, "replaced"))
    assert (merged.merge_pending, merged.person) == (False, (ANN, HOLDER))
    assert [one.party for one in merged.exclusions] == [DOCTOR]
    other = await queries.access_facts(world.connection, subject=HOLDER, at=NOON)
    assert other == merged
    apart = await state_of(
        world,
        registered(world, subject.MergeRevoked, merge="merge-one"),
        registered(world, subject.MergeRevoked, merge="merge-one", subject=HOLDER),
    )
    assert (apart.merge_pending, apart.person, apart.exclusions) == (False, (), ())


async def test_mandates_are_asked_for_a_subject_or_a_holder(world: World) -> None:
    with pytest.raises(ValueError, match="needs a subject or a holder"):
        await queries.mandates_of(world.connection)


async def test_the_tables_of_access_state_have_the_columns_that_its_fold_fills(
    world: World,
) -> None:
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in await world.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'access_state_v1' ORDER BY ordinal_position"
    ):
        name = str(kind).replace("timestamp with time zone", "timestamptz")
        found.setdefault(str(table), {})[str(column)] = name
    assert found == access_state.TABLES


def decision(number: int, at: datetime = NOON, *, partition: int = 0) -> Output:
    event = AccessDecided(
        decision="deny",
        reason="no_link",
        subject=ANN,
        reader=DOCTOR,
        role="caregiver",
        purpose="history",
        decided_at=at,
        policy_version="access/1",
        sealed_reader="AAAA",
    )
    return Output(partition, ACCESS_DECIDED, event.write(), None, ce_id=f"decision-{number}")


async def test_the_access_log_is_paged_latest_first_and_holds_a_doubled_event_once(
    world: World,
) -> None:
    async with running(world, access_log_projection(world.topic)):
        await world.publish([decision(1), decision(2), decision(2), decision(3, LATER)])
        await world.caught_up("access_log")
    first = await queries.access_log(world.connection, subject=ANN, start=NOON, limit=2)
    rest = await queries.access_log(
        world.connection,
        subject=ANN,
        start=NOON,
        limit=9,
        after=(first[-1].decided_at, first[-1].ce_id),
    )
    assert [row.ce_id for row in [*first, *rest]] == ["decision-3", "decision-1", "decision-2"]
    assert await queries.access_log(world.connection, subject=DOCTOR, start=NOON, limit=9) == []


def receipt(world: World, offset: int, code: str | None = None) -> Output:
    issues = (
        ()
        if code is None
        else (Issue(code=code, severity="reject", scope="line", fault_class="FUNCTIONAL", path=""),)
    )
    body = Receipt(
        outcome="accepted" if code is None else "rejected",
        submission=SubmissionRef(
            partition=0, offset=offset, appended_at=NOON, source=f"/pharmacies/{PHARMACY}"
        ),
        lines=(
            LineOutcome(
                path="/lines/0", outcome="rejected" if issues else "recorded", issues=issues
            ),
        ),
    )
    return world.facts.output(RECEIPT, body)


async def test_a_pharmacy_finds_its_receipts_and_gap_notices(world: World) -> None:
    gap = GapNoticed(publisher=PHARMACY, epoch="e", first=2, last=3)
    closed = GapClosed(publisher=PHARMACY, epoch="e", number=3)
    outputs = [
        receipt(world, 0),
        world.facts.output(GAP_NOTICED, gap),
        receipt(world, 1, "cnk_checksum"),
        world.facts.output(GAP_CLOSED, closed),
    ]
    async with running(world, quality_projection(world.topic)):
        await world.publish(outputs)
        await world.caught_up("quality")
    connection = world.connection
    letters = await quality_queries.receipts(connection, pharmacy=PHARMACY, partition=0, limit=3)
    more = await quality_queries.receipts(
        connection, pharmacy=PHARMACY, partition=0, after=letters[-1].offset, limit=3
    )
    assert [one.type for one in [*letters, *more]] == [one.type for one in outputs]
    assert [one.body for one in [*letters, *more]] == [one.body for one in outputs]


async def test_several_projections_run_beside_each_other_and_one_that_stops_leaves_the_others(
    world: World,
) -> None:
    async with running(
        world, access_state_projection(world.topic), quality_projection(world.topic)
    ) as runner:
        await world.publish([receipt(world, 0)])
        await world.caught_up("quality")
        await world.publish([receipt(world, 1)])
        await world.caught_up("quality")
        shown = [part for part in runner.health.snapshot().values() if isinstance(part, dict)]
        assert not runner.health.ready
        assert not runner.task.done()
    assert [part["state"] for part in shown] == ["stopped", "running"]
    failure = await queries.failure(world.connection, projection="access_state")
    assert failure is not None
    assert failure.category == "unknown_type"


async def test_a_recall_finds_the_lines_that_stand_by_product_and_by_batch(world: World) -> None:
    facts = world.facts
    lines = [await facts.registered(name, batch=f"lot {name}") for name in ("a", "b", "c")]
    former = Supersedes(version=1, month="2026-03", subject=ANN)
    await world.publish([*lines, await facts.revoked("c", 2, "ann", former)])
    async with running(world, ProductRecall(world.vault, world.topic)):
        await world.caught_up("product_recall")
    key = await world.vault.root_key("index")
    product, lot = product_index(key, "0000000"), batch_index(key, "0000000", "LOTB")
    found = await _carriers(world, "product_index", product)
    assert found == sorted([(guid_of("a"), ANN), (guid_of("b"), ANN)])
    assert await _carriers(world, "batch_index", lot) == [(guid_of("b"), ANN)]
    await erase(world.connection, ANN, 1)
    assert await _carriers(world, "product_index", product) == []


async def _carriers(world: World, index: str, wanted: str) -> list[tuple[str, str]]:
    cursor = await world.connection.execute(
        sql.SQL(
            "SELECT dguid, subject FROM product_recall_v1.line"
            " WHERE {} = %s AND superseded_position IS NULL ORDER BY dguid"
        ).format(sql.Identifier(index)),
        (wanted,),
    )
    return await cursor.fetchall()


async def test_consumption_counts_what_stands_and_forgets_whoever_is_erased(world: World) -> None:
    facts = world.facts
    lines = [await facts.registered(name) for name in ("a", "b", "c")]
    former = Supersedes(version=1, month="2026-03", subject=ANN)
    await world.publish([*lines, await facts.revoked("c", 2, "ann", former)])
    async with running(
        world, History(world.vault, world.topic), Consumption(world.vault, world.topic)
    ):
        await world.caught_up("history")
        await world.caught_up("consumption")
    product = product_index(await world.vault.root_key("index"), "0000000")

    async def counted() -> list[Consumed]:
        return await consumption_queries.consumption(
            world.connection, products=[product], start=START, end=END
        )

    (march,) = await counted()
    assert (march.month, march.lines, march.product_index) == (date(2026, 3, 1), 2, product)
    assert march.units == 2
    await erase(world.connection, ANN, 1)
    assert await counted() == []


async def test_a_recall_tells_pharmacies_lines_and_who_acknowledged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = world.facts
    known = [await facts.registered("a", batch="lot a"), await facts.registered("b", batch="lot b")]
    await world.publish([*known, await facts.registered("c")])
    async with running(world, ProductRecall(world.vault, world.topic)):
        await world.caught_up("product_recall")
    key, database = await world.vault.root_key("index"), world.connection
    product = product_index(key, "0000000")
    await _recalls(world)
    (notice,) = await notice_queries.notices(database, limit=9, open_only=True)
    assert (notice.recall, notice.cnk, notice.closed_at) == ("recall-0001", "0041020", None)
    assert await notice_queries.notices(database, limit=9, authority="0000000196") == []
    concern = Concern(product, batch_index(key, "0000000", "LOTA"), start=START, end=END)
    lines = await notice_queries.lines(database, concern, pharmacy=PHARMACY, limit=9)
    assert {(one.dguid, one.certain) for one in lines} == {
        (guid_of("a"), True),
        (guid_of("c"), False),
    }
    (behind,) = await notice_queries.lines(
        database, concern, pharmacy=PHARMACY, limit=9, after=lines[0].dguid
    )
    assert behind == lines[1]
    assert await notice_queries.pharmacies(database, concern, recall="recall-0001") == [
        ConcernedPharmacy(PHARMACY, 2, 1, 2)
    ]
    everything = Concern(product)
    assert await notice_queries.pharmacies(database, everything, recall="another-one") == [
        ConcernedPharmacy(PHARMACY, 3, 0, None)
    ]
    none = Concern(product, start=END)
    assert await notice_queries.pharmacies(database, none, recall="recall-0001") == []
    concerns = {"r-1": concern, "r-2": everything, "r-3": none, "r-4": Concern("another")}
    concerns["r-5"] = Concern(product, batch_index(key, "0000000", "LOTZ"), end=END)
    with counted_statements(monkeypatch) as statements:
        found = await notice_queries.concerning(database, concerns, pharmacy=PHARMACY)
        assert await notice_queries.concerning(database, concerns, pharmacy="27457532") == set()
    assert found == {"r-1", "r-2", "r-5"}, "r-5 by the line whose batch was not told"
    assert len(statements) == 2, "one for each pharmacy, however many recalls"


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Every statement that is sent meanwhile."""
    sent: list[object] = []
    plain = psycopg.AsyncCursor.execute

    async def execute(self: Any, query: Any, *given: Any, **named: Any) -> Any:
        sent.append(query)
        return await plain(self, query, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncCursor, "execute", execute)
        yield sent


async def _recalls(world: World) -> None:
    """Two recalls, of which one is closed; the pharmacy acknowledged two lines of the other."""
    act = {"at": NOON, "token_issuer": "i", "token_id": "t"}
    about = {"authority": "0000000394", "cnk": "0041020", "reference": "R", "reason": "why"}
    events: list[RecallEvent] = [
        RecallOpened.model_validate({**act, **about, "recall": "recall-0001"}),
        RecallOpened.model_validate({**act, **about, "recall": "recall-0002"}),
        RecallAcknowledged.model_validate(
            {**act, "recall": "recall-0001", "pharmacy": PHARMACY, "lines": 2}
        ),
        RecallClosed.model_validate(
            {**act, "recall": "recall-0002", "authority": about["authority"]}
        ),
    ]
    changes = [
        change
        for number, event in enumerate(events)
        for change in recall.fold(event, Recorded(0, number, NOON, "id"))
    ]
    async with connect(world.settings.dsn, autocommit=True) as writing:
        await use_schema(writing, recall.SCHEMA)
        writer = RowWriter(writing, recall.PRIMARY_KEYS)
        for change in changes:
            async with writing.transaction():
                await writer.write([change])
