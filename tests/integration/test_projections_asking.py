"""The history's answers out of PostgreSQL: windows, versions, cuts, and returns of lines."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections import queries
from projections.access import window_end, window_start
from projections.folds.history import Change, returns_index
from projections.history_statements import Asked, Cut, Versions
from projections.history_store import HistoryWriter
from projections.runner import migrations
from projections.store import use_schema
from schemas.dispensation import Supersedes
from tests.support.windows import DELIVERIES
from tests.unit.projections.history_model import (
    INDEX_KEY,
    PHARMACY,
    RETURNED,
    SUBJECTS,
    Step,
    corrected,
    registered,
    revoked,
)

pytestmark = pytest.mark.integration

ANN, BOB, CAT = SUBJECTS
MARCH = datetime(2026, 3, 10, 12, tzinfo=UTC)
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
async def connection(settings: Settings, fresh_database: str) -> AsyncIterator[Connection]:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    async with connect(fresh_database, autocommit=True) as made:
        await use_schema(made, "history_v1")
        yield made


async def write(connection: Connection, steps: Sequence[Step]) -> None:
    """What a runner writes of these facts."""
    changes: list[Change] = [change for step in steps for change in step.changes()]
    writer = HistoryWriter(connection)
    await writer.prepare()
    await writer.before(changes)
    async with connection.transaction():
        await writer.write(changes)


def of(version: int, subject: str = ANN) -> Supersedes:
    return Supersedes(version=version, month="2026-03", subject=subject)


async def asked(
    connection: Connection,
    subject: str = ANN,
    *,
    versions: Versions = "current",
    as_of: Cut | None = None,
) -> list[queries.HistoryRow]:
    page = Asked(START, END, limit=99, versions=versions, as_of=as_of)
    return await queries.history(connection, [subject], page)


async def test_a_window_of_calendar_months_holds_what_its_table_says(
    connection: Connection,
) -> None:
    steps = [registered(number, ANN, one.delivered_at) for number, one in enumerate(DELIVERIES)]
    await write(connection, steps)
    for number, one in enumerate(DELIVERIES):
        page = Asked(window_start(one.now, one.months), window_end(one.now), limit=99)
        rows = await queries.history(connection, [ANN], page)
        found = any(row.dguid.endswith(f"{number:012d}") for row in rows)
        assert found == one.inside, one.why


async def lived(connection: Connection) -> None:
    """Line 1 is registered at 10, corrected at 20, revoked at 30; line 2 is revoked for Bob."""
    first = registered(1, ANN, MARCH)
    second = corrected(1, 2, ANN, MARCH, of=of(1))
    third = revoked(1, 3, ANN, of=of(2))
    other = registered(2, BOB, MARCH)
    moved = corrected(2, 2, ANN, MARCH, of=of(1, BOB))
    await write(connection, [first, second, third, other, moved])


def shown(rows: Sequence[queries.HistoryRow]) -> list[tuple[int, str, int | None]]:
    return [(row.version, row.status, row.superseded_position) for row in rows]


AS_OF: list[tuple[int | None, Versions, list[tuple[int, str, int | None]]]] = [
    # cut of partition 1, versions, (version, status, superseded at)
    (None, "current", []),
    (None, "latest", [(3, "revoked", None)]),
    (None, "revoked", [(3, "revoked", None)]),
    (31, "revoked", [(3, "revoked", None)]),
    (30, "revoked", []),
    (None, "all", [(1, "registered", 20), (2, "corrected", 30), (3, "revoked", None)]),
    (31, "latest", [(3, "revoked", None)]),
    (30, "current", [(2, "corrected", None)]),
    (30, "all", [(1, "registered", 20), (2, "corrected", None)]),
    (21, "current", [(2, "corrected", None)]),
    (20, "current", [(1, "registered", None)]),
    (20, "latest", [(1, "registered", None)]),
    (20, "all", [(1, "registered", None)]),
    (10, "all", []),
]


async def test_a_line_is_shown_as_it_stood_at_every_cut(connection: Connection) -> None:
    await lived(connection)
    for cut, versions, wanted in AS_OF:
        as_of = None if cut is None else {1: cut}
        rows = await asked(connection, versions=versions, as_of=as_of)
        first = [row for row in rows if row.dguid.endswith("1")]
        assert shown(first) == wanted, (cut, versions)


async def test_a_cut_knows_nothing_of_partitions_that_it_does_not_name(
    connection: Connection,
) -> None:
    await lived(connection)
    assert await asked(connection, as_of={}) == []
    assert {row.partition for row in await asked(connection, as_of={0: 99, 2: 99})} == {2}


async def test_a_line_that_was_corrected_to_somebody_else_left_its_former_person(
    connection: Connection,
) -> None:
    await lived(connection)
    assert await asked(connection, BOB, versions="latest") == []
    assert shown(await asked(connection, BOB, versions="all")) == [(1, "registered", 20)]


async def test_a_revocation_shows_what_it_withdrew(connection: Connection) -> None:
    await lived(connection)
    (revocation,) = [
        row for row in await asked(connection, versions="latest") if row.status == "revoked"
    ]
    (withdrawn,) = [row for row in await asked(connection, versions="all") if row.version == 2][:1]
    assert (revocation.sealed_version, revocation.version) == (2, 3)
    assert (revocation.sealed, revocation.ce_id, revocation.event_type) == (
        withdrawn.sealed,
        withdrawn.ce_id,
        withdrawn.event_type,
    )
    assert revocation.delivered_at == MARCH


async def test_returns_that_stand_are_found_by_the_line_that_they_name(
    connection: Connection,
) -> None:
    index = returns_index(INDEX_KEY, PHARMACY, RETURNED)
    await write(
        connection,
        [
            registered(1, ANN, MARCH, returns=RETURNED),
            registered(2, ANN, MARCH, returns=RETURNED),
            revoked(2, 2, ANN, of=of(1)),
            registered(3, BOB, MARCH, returns=RETURNED),
            registered(4, ANN, MARCH),
        ],
    )

    async def found(
        subjects: Sequence[str], index: str = index, as_of: Cut | None = None
    ) -> set[str]:
        rows = await queries.returns(connection, subjects, [index], as_of)
        return {row.dguid[-1] for row in rows}

    assert await found([ANN]) == {"1"}
    assert await found([ANN, BOB]) == {"1", "3"}
    assert await found([CAT]) == set()
    assert await found([ANN], returns_index(INDEX_KEY, PHARMACY, SUBJECTS[0])) == set()
    assert await found([ANN], as_of={1: 11, 2: 20}) == {"1", "2"}


async def test_a_page_tells_whether_anything_of_its_person_ever_came_back(
    connection: Connection,
) -> None:
    await write(
        connection,
        [
            registered(1, ANN, MARCH),
            registered(2, BOB, MARCH, returns=RETURNED),
            revoked(2, 2, BOB, of=of(1, BOB)),
            registered(3, BOB, MARCH),
        ],
    )

    async def told(*person: str) -> set[bool]:
        rows = await queries.history(connection, person, Asked(START, END, limit=99))
        return {row.may_return for row in rows}

    assert await told(ANN) == {False}
    # What was revoked since may still count at an earlier cut.
    assert await told(BOB) == {True}
    assert await told(ANN, BOB) == {True}
    whole = Asked(START, END, limit=99)
    assert all(row.may_return for row in await queries.own_lines(connection, PHARMACY, whole))
