"""The quality projection on the real broker and database, held against what went in."""

import itertools
import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from importlib import resources

import pytest

from infra.postgres import connect, pool
from infra.settings import Settings
from projections import quality_overview, quality_refusals
from projections.folds import quality
from projections.folds.access_state import Recorded
from projections.folds.changes import Upsert
from projections.positions import PositionWaiter
from projections.quality_overview import OpenGap, PharmacyRow
from projections.quality_refusals import Filter, RefusalKey
from projections.shells import quality_projection
from projections.silence import Heard
from schemas.receipts import (
    GAP_CLOSED,
    GAP_NOTICED,
    RECEIPT,
    GapClosed,
    GapNoticed,
    Issue,
    LineOutcome,
    Receipt,
    Severity,
    SubmissionRef,
)
from streams.engine.tables import in_memory
from streams.quality import numbering
from streams.quality.numbering import Fresh, Numbered, Numbers
from streams.quality.state import HORIZON
from tests.integration.projections_world import NOON, PHARMACY, Output, World, opened, running

pytestmark = pytest.mark.integration

OTHER = "27457532"
HOUR = timedelta(hours=1)
TABLES = ("receipt", "finding", "gap", "gap_closed")


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


def issue(code: str, severity: Severity = "reject") -> Issue:
    return Issue(code=code, severity=severity, scope="line", fault_class="FUNCTIONAL", path="")


def recorded(score: int, *warnings: str) -> LineOutcome:
    issues = tuple(issue(code, "warn") for code in warnings)
    return LineOutcome(path="/lines/0", outcome="recorded", score=score, issues=issues)


def rejected(*codes: str) -> LineOutcome:
    return LineOutcome(
        path="/lines/0", outcome="rejected", dguid="d", issues=tuple(map(issue, codes))
    )


def receipt(
    offset: int,
    *lines: LineOutcome,
    at: datetime = NOON,
    pharmacy: str | None = PHARMACY,
    issues: tuple[Issue, ...] = (),
    epoch: str = "e",
    proven: bool = True,
) -> Receipt:
    fates: set[str] = {line.outcome for line in lines} or {"rejected"}
    outcome = "partial"
    if len(fates) == 1:
        outcome = "accepted" if fates == {"recorded"} else "rejected"
    names = {"id": f"id-{offset}", "epoch": epoch, "sequence": offset + 1} if proven else {}
    return Receipt.model_validate(
        {
            "outcome": outcome,
            "submission": SubmissionRef.model_validate(
                {
                    "partition": 0,
                    "offset": offset,
                    "appended_at": at,
                    "source": f"/pharmacies/{pharmacy}" if pharmacy else "/registrar",
                    **names,
                }
            ),
            "lines": lines,
            "issues": issues,
            "dead_letter": pharmacy is None,
        }
    )


async def project(world: World, events: Sequence[Receipt | GapNoticed | GapClosed]) -> None:
    types: dict[type, str] = {Receipt: RECEIPT, GapNoticed: GAP_NOTICED, GapClosed: GAP_CLOSED}
    outputs: list[Output] = [world.facts.output(types[type(one)], one) for one in events]
    await world.publish(outputs)
    await fold(world)


async def fold(world: World) -> None:
    async with running(world, quality_projection(world.topic)):
        await world.caught_up("quality")


async def fold_again(world: World) -> None:
    """From the beginning of the topic, whatever the tables hold."""
    await world.connection.execute("DELETE FROM projection_position")
    ends = await world.ends()
    async with (
        pool(world.settings.dsn) as connections,
        running(world, quality_projection(world.topic)),
    ):
        waiter = PositionWaiter(world.settings.dsn, connections)
        await waiter.start()
        for partition, end in ends.items():
            await waiter.wait("quality", world.topic, partition, end, 20)
        await waiter.stop()


async def dump(world: World) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(await world.rows(f"SELECT * FROM quality_v1.{table}"), key=repr)
        for table in TABLES
    }


async def test_a_pharmacys_quality_is_counted_over_its_receipts(world: World) -> None:
    await project(
        world,
        [
            receipt(0, recorded(100), recorded(85, "LATE", "CNK_UNKNOWN")),
            receipt(1, rejected("CNK_INVALID", "UNITS_ZERO"), recorded(90, "LATE"), at=NOON + HOUR),
            receipt(2, issues=(issue("BODY_MALFORMED"),), at=NOON + 2 * HOUR, proven=False),
            receipt(3, recorded(100), pharmacy=OTHER, at=NOON - 24 * HOUR),
            receipt(4, issues=(issue("KEY_MISSING"),), pharmacy=None),
        ],
    )
    connection, start, end = world.connection, NOON, NOON + 3 * HOUR
    found = await quality_overview.overview(connection, start=start, end=end, pharmacy=PHARMACY)
    assert found.outcomes == {"accepted": 1, "partial": 1, "rejected": 1}
    assert (found.lines_recorded, found.lines_rejected, found.lines_duplicate) == (3, 1, 0)
    assert found.refused == {"BODY_MALFORMED": 1, "CNK_INVALID": 1, "UNITS_ZERO": 1}
    assert found.warned == {"CNK_UNKNOWN": 1, "LATE": 2}
    assert found.scores == {80: 1, 90: 1, 100: 1}
    assert found.dead_letters == 0
    everybody = await quality_overview.overview(connection, start=NOON - 25 * HOUR, end=end)
    assert everybody.outcomes == {"accepted": 2, "partial": 1, "rejected": 2}
    assert (everybody.scores, everybody.dead_letters) == ({80: 1, 90: 1, 100: 2}, 1)
    assert everybody.refused["KEY_MISSING"] == 1
    assert await quality_overview.pharmacies(
        connection, start=NOON - 25 * HOUR, end=end, limit=9
    ) == [
        PharmacyRow(PHARMACY, 3, 1, 3, 1, 91.7),
        PharmacyRow(None, 1, 1, 0, 0, None),
        PharmacyRow(OTHER, 1, 0, 1, 0, 100.0),
    ]
    days = await quality_overview.by_day(connection, start=start, end=end, pharmacy=PHARMACY)
    assert {(row.day.isoformat(), row.code): row.count for row in days} == {
        ("2026-03-10", code): count for code, count in {**found.refused, **found.warned}.items()
    }
    silent = "80000252"
    assert await quality_overview.heard(connection, [PHARMACY, OTHER, silent]) == {
        PHARMACY: Heard(NOON + HOUR, NOON + 2 * HOUR),
        OTHER: Heard(NOON - 24 * HOUR, NOON - 24 * HOUR),
        silent: Heard(),
    }


async def test_an_empty_projection_counts_nothing(world: World) -> None:
    connection = world.connection
    found = await quality_overview.overview(connection, start=NOON, end=NOON + HOUR)
    assert (found.outcomes, found.lines_recorded, found.scores) == ({}, 0, {})
    assert await quality_overview.open_gaps(connection) == []
    totals = await quality_overview.gap_totals(connection)
    assert (totals.ranges, totals.numbers, totals.former_ranges) == (0, 0, 0)


async def test_refusals_are_filtered_and_paged_as_a_list_of_them_would_be(world: World) -> None:
    dice = random.Random(7)  # noqa: S311 - a test's own order
    events = []
    for offset in range(60):
        lines = [
            rejected(*dice.sample("ABC", dice.randint(1, 2))) if dice.random() < 0.4 else
            recorded(100, *dice.sample("WX", dice.randint(0, 1)))
            for _ in range(dice.randint(0, 3))
        ]  # fmt: skip
        events.append(
            receipt(
                offset,
                *lines,
                at=NOON + dice.randint(0, 9) * HOUR,
                pharmacy=dice.choice([PHARMACY, OTHER, None]),
                issues=(issue("WHOLE"),) if not lines else (),
            )
        )
    await project(world, events)
    expected = sorted(map(_entry, _refused(events)), reverse=True)
    for wanted in (
        Filter(NOON, NOON + 10 * HOUR),
        Filter(NOON, NOON + 10 * HOUR, pharmacy=PHARMACY),
        Filter(NOON, NOON + 10 * HOUR, code="A"),
        Filter(NOON + 2 * HOUR, NOON + 5 * HOUR, pharmacy=OTHER, code="B"),
        Filter(NOON, NOON + 10 * HOUR, code="WHOLE"),
        Filter(NOON, NOON + 10 * HOUR, code="W"),
    ):
        found = await _all_pages(world, wanted, limit=7)
        assert found == [one for one in expected if _agrees(one, wanted)]
        assert len({key for key, _, _ in found}) == len(found)


Entry = tuple[RefusalKey, str, tuple[str, ...]]


def _refused(events: Sequence[Receipt]) -> list[tuple[Receipt, int, tuple[Issue, ...]]]:
    return [
        (one, index, issues)
        for one in events
        for index, issues in [(-1, one.issues), *enumerate(line.issues for line in one.lines)]
        if any(found.severity == "reject" for found in issues)
    ]


def _entry(refused: tuple[Receipt, int, tuple[Issue, ...]]) -> Entry:
    one, index, issues = refused
    ref = one.submission
    pharmacy = (ref.source or "").removeprefix("/pharmacies/")
    codes = tuple(found.code for found in issues if found.severity == "reject")
    return (
        RefusalKey(ref.appended_at, ref.partition, ref.offset, index),
        "" if pharmacy == "/registrar" else pharmacy,
        codes,
    )


def _agrees(entry: Entry, wanted: Filter) -> bool:
    key, pharmacy, codes = entry
    return (
        wanted.start <= key.appended_at < wanted.end
        and wanted.pharmacy in (None, pharmacy)
        and (wanted.code is None or wanted.code in codes)
    )


async def _all_pages(world: World, wanted: Filter, limit: int) -> list[Entry]:
    entries: list[Entry] = []
    after: RefusalKey | None = None
    for _ in itertools.repeat(None, 100):
        page = await quality_refusals.refusals(world.connection, wanted, limit=limit, after=after)
        entries += [
            (one.key, one.pharmacy or "", tuple(found.code for found in one.issues)) for one in page
        ]
        if len(page) < limit:
            return entries
        after = page[-1].key
    raise AssertionError("paging has no end")


async def test_open_gaps_are_what_has_not_arrived_in_any_order_of_arrival(world: World) -> None:
    dice = random.Random(11)  # noqa: S311 - a test's own order
    numbers = Numbers(in_memory(), HORIZON)
    arrived: dict[str, set[int]] = {"old": set(), "new": set()}
    events: list[Receipt | GapNoticed | GapClosed] = []
    arrivals = [("old", n) for n in dice.sample(range(1, 40), 20)]
    arrivals += [("new", n) for n in dice.sample(range(1, 40), 20)]
    for offset, (epoch, number) in enumerate(arrivals):
        claim = Numbered(PHARMACY, epoch, number, f"{epoch}-{number}", "AA")
        verdict = numbering.decide(numbers, claim)
        assert isinstance(verdict, Fresh)
        answer = receipt(offset, recorded(100), epoch=epoch, at=NOON + offset * HOUR)
        ref = answer.submission.model_copy(
            update={"sequence": number, "digest": "AA", "id": claim.id}
        )
        answer = answer.model_copy(update={"submission": ref})
        events += [*verdict.notices, answer]
        numbering.evolve(numbers, PHARMACY, answer.submission, answer.write())
        arrived[epoch].add(number)
    await project(world, events)
    found = await quality_overview.open_gaps(world.connection, pharmacy=PHARMACY)
    assert await quality_overview.open_gaps(world.connection) == found
    for epoch, seen in arrived.items():
        gaps = [one for one in found if one.epoch == epoch]
        missing = [n for one in gaps for n in range(one.first, one.last + 1)]
        assert sorted(missing) == sorted(set(range(1, max(seen))) - seen)
        assert all(one.current is (epoch == "new") for one in gaps)
    totals = await quality_overview.gap_totals(world.connection)
    assert (totals.ranges, totals.numbers) == _totals(found, current=True)
    assert (totals.former_ranges, totals.former_numbers) == _totals(found, current=False)

    before = await dump(world)
    await fold_again(world)
    assert await dump(world) == before, "what is delivered again changes nothing"
    tables = ", ".join(f"quality_v1.{table}" for table in TABLES)
    await world.connection.execute(f"TRUNCATE {tables}".encode())
    await fold_again(world)
    assert await dump(world) == before, "what is built anew equals what was live"


def _totals(found: Sequence[OpenGap], *, current: bool) -> tuple[int, int]:
    ours = [one for one in found if one.current is current]
    return len(ours), sum(one.missing for one in ours)


async def test_what_was_projected_before_there_were_findings_has_them_after_the_migration(
    fresh_database: str,
) -> None:
    folder = resources.files("projections").joinpath("sql")
    texts = {one.name[:4]: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    answer = receipt(
        3,
        recorded(85, "LATE"),
        rejected("A", "B"),
        LineOutcome(path="/lines/2", outcome="duplicate", score=70),
        recorded(100),
        issues=(issue("CLOCK", "warn"),),
    )
    at = Recorded(0, 12, NOON, "quality/0/3/0")
    changes = [
        change
        for change in quality.fold(answer, at, key=None, body=answer.write())
        if isinstance(change, Upsert)
    ]
    row = {**changes[0].row, "rejections": ["A", "B"], "warnings": ["CLOCK", "LATE"]}
    scores = row.pop("scores")
    async with connect(fresh_database, autocommit=True) as connection:
        for number in ("0001", "0005"):
            await connection.execute(texts[number])
        await connection.execute(
            f"INSERT INTO quality_v1.receipt ({', '.join(row)})"
            f" VALUES ({', '.join(f'%({name})s' for name in row)})".encode(),
            row,
        )
        await connection.execute(texts["0006"])
        kept = await (await connection.execute("SELECT scores FROM quality_v1.receipt")).fetchall()
        assert kept == [(scores,)]
        findings = [change.row for change in changes[1:]]
        cursor = await connection.execute(
            f"SELECT {', '.join(findings[0])} FROM quality_v1.finding ORDER BY ordinal".encode()
        )
        assert await cursor.fetchall() == [tuple(one.values()) for one in findings]
