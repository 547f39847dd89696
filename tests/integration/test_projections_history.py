"""The history projection on the real broker and database: facts in transactions become rows."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.kafka import Partition, Record, reader
from infra.keys.memory import MemoryVault
from infra.settings import Settings
from projections import queries, store
from projections.erasure import erase
from projections.history_statements import Asked, Cut, Versions
from projections.leases import Leases
from projections.positions import PositionTimeout
from projections.retrying import retry
from projections.shells import History
from projections.store import (
    Failure,
    Move,
    Place,
    SourcePlace,
    Superseded,
    Target,
    commit,
    live_target,
    load_places,
)
from schemas.dispensation import Supersedes
from schemas.keyvault import DestroyedPeriod, PeriodSecret, VaultUnavailable
from tests.integration.projections_world import (
    END,
    NOON,
    PARTITIONS,
    PHARMACY,
    START,
    Facts,
    Output,
    Running,
    World,
    guid_of,
    opened,
    running,
    subject_of,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


def history(world: World) -> History:
    return History(world.vault, world.topic)


async def current(
    world: World,
    person: str,
    *,
    as_of: Cut | None = None,
    versions: Versions = "current",
) -> list[queries.HistoryRow]:
    asked = Asked(START, END, limit=100, as_of=as_of, versions=versions)
    return await queries.history(world.connection, [subject_of(person)], asked)


def former(version: int, person: str = "ann", month: str = "2026-03") -> Supersedes:
    return Supersedes(version=version, month=month, subject=subject_of(person))


async def test_facts_of_a_transaction_become_rows_with_their_places(world: World) -> None:
    first = await world.facts.registered("a")
    second = await world.facts.registered("b", at=NOON.replace(hour=13))
    async with running(world, history(world)):
        await world.publish([first, second])
        await world.caught_up()
    rows = await current(world, "ann")
    assert [(row.dguid, row.partition, row.offset) for row in rows] == [
        (guid_of("b"), 0, 1),
        (guid_of("a"), 0, 0),
    ]
    assert rows[1].ce_id == first.ce_id
    assert rows[1].delivered_at == NOON
    assert rows[1].sealed in (await _sealed(world))


async def _sealed(world: World) -> list[object]:
    return [row[0] for row in await world.rows("SELECT sealed FROM history_v1.dispensation")]


async def test_the_position_reaches_the_last_stable_offset_past_the_commit_marker(
    world: World,
) -> None:
    async with running(world, history(world)):
        await world.publish([await world.facts.registered("a")])
        assert (await world.caught_up())[0] == 2
    stored = await queries.positions(world.connection, projection="history", topic=world.topic)
    assert stored == {0: 2, 1: 0}


async def test_the_position_moves_past_an_aborted_transaction_which_leaves_no_row(
    world: World,
) -> None:
    async with running(world, history(world)):
        await world.publish([await world.facts.registered("a")], abort=True)
        await world.caught_up()
    assert await current(world, "ann") == []


async def test_a_runner_that_is_started_again_resumes_where_the_last_one_stopped(
    world: World,
) -> None:
    async with running(world, history(world)):
        await world.publish([await world.facts.registered("a")])
        await world.caught_up()
    await world.publish([await world.facts.registered("b", partition=1)])
    async with running(world, history(world)):
        await world.caught_up()
    assert {row.dguid for row in await current(world, "ann")} == {guid_of("a"), guid_of("b")}


async def test_a_correction_moves_a_line_to_another_month_and_person(world: World) -> None:
    april = datetime(2026, 4, 2, 9, tzinfo=UTC)
    await world.publish([await world.facts.registered("a")])
    async with running(world, history(world)):
        await world.caught_up()
        await world.publish([await world.facts.corrected("a", 2, "bob", april, former(1))])
        await world.caught_up()
    assert await current(world, "ann") == []
    assert [(row.version, row.status) for row in await current(world, "bob")] == [(2, "corrected")]
    (old,) = await current(world, "ann", versions="all")
    assert (old.version, old.superseded_position) == (1, 2)


async def test_a_line_that_is_registered_corrected_and_revoked_in_one_batch_stands_revoked(
    world: World,
) -> None:
    facts = world.facts
    await world.publish(
        [
            await facts.registered("a"),
            await facts.corrected("a", 2, "ann", NOON, former(1)),
            await facts.revoked("a", 3, "ann", former(2)),
        ]
    )
    async with running(world, history(world)):
        await world.caught_up()
    assert await current(world, "ann") == []
    everything = await current(world, "ann", versions="all")
    assert [(row.version, row.status, row.superseded_position) for row in everything] == [
        (1, "registered", 1),
        (2, "corrected", 2),
        (3, "revoked", None),
    ]
    assert everything[2].delivered_at == NOON


async def test_a_history_can_be_asked_as_of_a_cut_of_positions(world: World) -> None:
    facts = world.facts
    await world.publish([await facts.registered("a")])
    await world.publish([await facts.corrected("a", 2, "ann", NOON, former(1))])
    await world.publish([await facts.revoked("a", 3, "ann", former(2))])
    async with running(world, history(world)):
        await world.caught_up()
    seen = [
        [row.version for row in await current(world, "ann", as_of={0: position})]
        for position in (0, 1, 2, 3, 4, 5, 6)
    ]
    assert seen == [[], [1], [1], [2], [2], [], []]
    assert await current(world, "ann", as_of={1: 99}) == []
    assert len(await current(world, "ann", as_of={0: 3}, versions="all")) == 2


async def test_pages_follow_each_other_without_overlap_also_among_equal_times(
    world: World,
) -> None:
    lines = [await world.facts.registered(f"line {number}") for number in range(7)]
    lines.append(await world.facts.registered("late", at=NOON.replace(month=5)))
    await world.publish(lines)
    async with running(world, history(world)):
        await world.caught_up()
    everything = await current(world, "ann")
    paged: list[queries.HistoryRow] = []
    asked = Asked(START, END, limit=3)
    while page := await queries.history(world.connection, [subject_of("ann")], asked):
        paged += page
        asked = replace(asked, after=page[-1].key)
    assert paged == everything
    assert everything[0].dguid == guid_of("late")
    own = await queries.own_lines(world.connection, PHARMACY, Asked(START, END, limit=100))
    # Of a pharmacy's lines nobody looked whether something came back.
    assert own == [row._replace(may_return=True) for row in everything]


async def test_a_window_is_half_open(world: World) -> None:
    await world.publish([await world.facts.registered("a")])
    async with running(world, history(world)):
        await world.caught_up()

    async def between(start: datetime, end: datetime) -> int:
        asked = Asked(start, end, limit=9)
        return len(await queries.history(world.connection, [subject_of("ann")], asked))

    assert await between(NOON, END) == 1
    assert await between(START, NOON) == 0


async def test_a_delivery_just_after_midnight_in_belgium_lies_in_the_new_month(
    world: World,
) -> None:
    at = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    await world.publish([await world.facts.registered("a", at=at)])
    async with running(world, history(world)):
        await world.caught_up()
    months = await world.rows("SELECT delivered_month FROM history_v1.dispensation")
    assert months == [(date(2026, 4, 1),)]
    assert len(await current(world, "ann")) == 1


async def test_copies_that_a_zombie_stage_wrote_late_are_dropped(world: World) -> None:
    first = await world.facts.registered("a")
    second = await world.facts.registered("b")
    other = replace(first, body=(await world.facts.registered("c")).body)
    async with running(world, history(world)) as runner:
        await world.publish([first, second])
        await world.publish([first, other])
        await world.caught_up()
        assert runner.health.ready
    assert {row.dguid for row in await current(world, "ann")} == {guid_of("a"), guid_of("b")}
    async with running(world, history(world)):
        await world.publish([second])
        await world.caught_up()
    assert len(await current(world, "ann", versions="all")) == 2


async def test_a_fact_whose_day_is_shredded_leaves_no_row_but_still_replaces_the_former(
    world: World,
) -> None:
    later = NOON.replace(day=20)
    registered = await world.facts.registered("a")
    corrected = await world.facts.corrected("a", 2, "ann", later, former(1))
    await world.publish([registered, corrected])
    day = later.date()
    period = (await world.vault.period_secrets([day]))[day]
    await world.vault.destroy_period(period.period, NOON)
    async with running(world, history(world)):
        await world.caught_up()
    assert await current(world, "ann") == []
    assert len(await current(world, "ann", versions="all")) == 1


async def test_a_fact_of_an_erased_subject_leaves_no_row(world: World) -> None:
    await world.publish(
        [await world.facts.registered("a"), await world.facts.registered("b", "bob")]
    )
    await world.vault.destroy_subject(subject_of("ann"), 1, NOON)
    async with running(world, history(world)):
        await world.caught_up()
    assert await world.rows("SELECT subject FROM history_v1.dispensation") == [(subject_of("bob"),)]


async def test_rows_of_an_erased_generation_go_and_never_come_back(world: World) -> None:
    await world.publish([await world.facts.registered("a")])
    async with running(world, history(world)):
        await world.caught_up()
    assert await erase(world.connection, subject_of("ann"), 1) == 1
    assert await erase(world.connection, subject_of("ann"), 0) == 0
    await world.publish([await world.facts.registered("b")])
    async with running(world, history(world)):
        await world.caught_up()
    assert await current(world, "ann", versions="all") == []


async def test_an_event_that_cannot_be_folded_stops_the_projection_behind_everything_before(
    world: World,
) -> None:
    good = await world.facts.registered("a")
    bad = replace(await world.facts.registered("b"), body=b"{}")
    await world.publish([good, bad])
    async with running(world, strict(world)) as runner:
        reason = await runner.health.until("history", "stopped")
        assert not runner.health.ready
    assert reason == f"malformed ({world.topic}-0 at 1)"
    assert len(await current(world, "ann")) == 1
    assert await queries.failure(world.connection, projection="history") == Failure(
        "malformed", world.topic, 0, 1, "be.dpp.dispensation.registered.v1"
    )
    stored = await queries.positions(world.connection, projection="history", topic=world.topic)
    assert stored[0] == 1


class Strict(History):
    """A history that never leaves an event out."""

    sets_aside = False


def strict(world: World) -> Strict:
    return Strict(world.vault, world.topic)


async def spoilt(world: World, name: str) -> Output:
    fact = await world.facts.registered(name)
    match name:
        case "malformed":
            return replace(fact, body=b"{}")
        case "unknown_type":
            return replace(fact, type="be.dpp.dispensation.unheard-of.v1")
        case "source_place_missing":
            return replace(fact, source=None, ce_id="quality/without/place")
        case "seal_broken":
            own, other = guid_of(name).encode(), guid_of("z").encode()
            return replace(fact, body=fact.body.replace(own, other))
        case _:
            raise AssertionError(name)


SPOILT = ("malformed", "unknown_type", "source_place_missing", "seal_broken")


@pytest.mark.parametrize("category", SPOILT)
async def test_the_reason_is_the_category_of_what_is_wrong(world: World, category: str) -> None:
    await world.publish([await spoilt(world, category)])
    async with running(world, strict(world)) as runner:
        reason = await runner.health.until("history", "stopped")
    assert reason == f"{category} ({world.topic}-0 at 0)"


async def test_events_with_wrong_content_are_set_aside_counted_and_shown_and_the_rest_goes_on(
    world: World,
) -> None:
    bad = [await spoilt(world, category) for category in SPOILT]
    await world.publish([*bad, await world.facts.registered("after")])
    async with running(world, history(world)) as runner:
        await world.caught_up()
        assert runner.health.ready
    shown = runner.health.snapshot()["history"]
    assert isinstance(shown, dict)
    assert shown["set_aside"] == len(SPOILT)
    assert [row.dguid for row in await current(world, "ann")] == [guid_of("after")]
    assert await world.rows(
        "SELECT category, position FROM projection_set_aside ORDER BY position"
    ) == [(category, number) for number, category in enumerate(SPOILT)]


async def test_a_day_that_the_vault_never_knew_stops_the_projection_since_the_vault_is_another(
    world: World,
) -> None:
    other = type(world.vault)()
    other._roots, other._living = world.vault._roots, world.vault._living
    strange = Facts(other)
    await world.publish([await strange.registered("a")])
    async with running(world, history(world)) as runner:
        reason = await runner.health.until("history", "stopped")
    assert reason == f"period_unknown ({world.topic}-0 at 0)"


async def test_the_reason_is_cleared_once_the_projection_moves_again(world: World) -> None:
    await world.connection.execute(
        "INSERT INTO projection_failure (projection, category, topic) VALUES ('history', 'x', 'y')"
    )
    await world.publish([await world.facts.registered("a")])
    async with running(world, history(world)):
        await world.caught_up()
    assert await queries.failure(world.connection, projection="history") is None


async def test_a_runner_that_froze_while_it_sent_rows_loses_its_partitions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.leases.IDLE_SECONDS", 3)
    await world.publish([await world.facts.registered("a")])
    # Not through `connect`, which would end the COPY in order.
    frozen = await psycopg.AsyncConnection.connect(world.settings.dsn, autocommit=True)
    try:
        leases = Leases(frozen, "history")
        await leases.join()
        await leases.settle(range(PARTITIONS))
        assert leases.held == {*range(PARTITIONS)}
        await frozen.execute("BEGIN")
        await frozen.execute("CREATE TEMP TABLE rows (i int)")
        frozen.pgconn.send_query(b"COPY rows FROM STDIN")
        async with running(world, history(world)):
            await world.caught_up()
        pid = frozen.info.backend_pid
        assert await world.rows(f"SELECT FROM pg_stat_activity WHERE pid = {pid}") == []
    finally:
        await frozen.close()
    assert len(await current(world, "ann")) == 1


async def test_a_runner_whose_session_the_server_ended_in_a_transaction_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = [True]

    async def late(*given: Any) -> None:
        if frozen:
            frozen.clear()
            connection = given[0]
            await connection.execute("SET idle_in_transaction_session_timeout = '1ms'")
            pid = connection.info.backend_pid
            while await world.rows(f"SELECT FROM pg_stat_activity WHERE pid = {pid}"):
                pass
        await intact(*given)

    intact = store._set_aside
    monkeypatch.setattr(store, "_set_aside", late)
    await world.publish([await world.facts.registered("a")])
    async with running(world, history(world)):
        await world.caught_up()
    assert frozen == []
    assert len(await current(world, "ann")) == 1


async def test_two_runners_share_the_partitions_and_the_one_left_takes_over(
    world: World,
) -> None:
    async with running(world, history(world)) as one:
        await one.health.until("history", "running")
        async with running(world, history(world)) as other:
            await other.health.until("history", "running")
            for partition in range(PARTITIONS):
                await world.publish(
                    [await world.facts.registered(f"a{partition}", partition=partition)]
                )
            await world.caught_up()
            assert _held(one) | _held(other) == {0, 1}
            assert _held(one) & _held(other) == set()
        await world.publish(
            [await world.facts.registered("b"), await world.facts.registered("c", partition=1)]
        )
        await world.caught_up()
    assert len(await current(world, "ann", versions="all")) == 4


def _held(runner: Running) -> set[int]:
    shown = runner.health.snapshot()["history"]
    assert isinstance(shown, dict)
    return {int(number) for number in shown["partitions"]}


async def test_a_zombie_loses_at_its_next_commit_writes_nothing_and_goes_on_when_retried(
    world: World,
) -> None:
    await world.publish([await world.facts.registered("a")])
    async with running(world, history(world)) as zombie:
        await world.caught_up()
        await world.connection.execute("UPDATE projection_position SET position = position + 1")
        await world.publish([await world.facts.registered("b")])
        reason = await zombie.health.until("history", "stopped")
        assert reason is not None
        assert "Another runner moved" in reason
        assert len(await current(world, "ann", versions="all")) == 1
        await world.connection.execute("UPDATE projection_position SET position = position - 1")
        await retry(world.connection, "history")
        await world.caught_up()
    assert len(await current(world, "ann", versions="all")) == 2


async def test_a_stopped_projection_goes_on_without_a_restart_once_it_is_retried(
    world: World,
) -> None:
    vault = MemoryVault()
    await world.publish([await world.facts.registered("a")])
    async with running(world, History(vault, world.topic)) as runner:
        vault._living = world.vault._living
        await runner.health.until("history", "stopped")
        vault._periods, vault._days = world.vault._periods, world.vault._days
        await retry(world.connection, "history")
        await world.caught_up()
        assert runner.health.ready
    assert await queries.failure(world.connection, projection="history") is None
    assert len(await current(world, "ann")) == 1


async def test_a_commit_from_an_unexpected_position_writes_nothing(world: World) -> None:
    async def write(connection: object) -> None:
        await world.connection.execute("INSERT INTO projection_erased VALUES ('x', 1)")

    connection = world.connection
    target = await live_target(connection, "history", "t", "history_v1", {0: 5})
    assert target == Target("history", "t", 1, "history_v1")
    move = Move(0, 5, Place(7, SourcePlace(3, 1)))
    await commit(connection, target, [move], write)
    with pytest.raises(Superseded):
        await commit(connection, target, [move], write)
    assert await load_places(connection, target) == {0: move.to}


async def test_the_log_tells_where_it_ended_at_a_moment(world: World) -> None:
    for name in "abc":
        await world.publish([await world.facts.registered(name)])
    partition, nothing_there = Partition(world.topic, 0), Partition(world.topic, 1)
    async with reader(world.settings) as log:
        ends = await world.ends()
        await log.assign({partition: 0})
        records: list[Record] = []
        while len(records) < 3:
            records += (await log.poll()).get(partition, [])
        times = {one.offset: _moment(one.timestamp_ms) for one in records}
        for moment in (*times.values(), NOON.replace(year=2020)):
            later = [offset for offset, at in times.items() if at >= moment]
            found = await log.offsets_at([partition, nothing_there], moment)
            assert found == {partition: min(later), nothing_there: 0}
        after = max(times.values()) + timedelta(days=1)
        assert (await log.offsets_at([partition], after))[partition] == ends[0]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


async def test_a_wait_ends_with_the_batch_that_brings_the_position(world: World) -> None:
    async with running(world, history(world)):
        waiting = asyncio.create_task(world.waiter.wait("history", world.topic, 0, 2, 20))
        await world.publish([await world.facts.registered("a")])
        assert await waiting == 2
    assert world.waiter.current("history", world.topic, 0) == 2


async def test_a_wait_for_what_never_comes_ends_at_its_limit(world: World) -> None:
    with pytest.raises(PositionTimeout) as caught:
        await world.waiter.wait("history", world.topic, 0, 1, 0.05)
    assert caught.value.reached == 0


async def test_a_wait_sees_at_its_limit_what_nobody_notified(world: World) -> None:
    await live_target(world.connection, "history", world.topic, "history_v1", {0: 9})
    assert await world.waiter.wait("history", world.topic, 0, 9, 0.05) == 9


CUT_ALL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_a_waiter_that_lost_its_connection_listens_again(world: World) -> None:
    await world.connection.execute(CUT_ALL_OTHERS)
    async with running(world, history(world)):
        await world.publish([await world.facts.registered("a")])
        assert await world.waiter.wait("history", world.topic, 0, 2, 20) == 2


class FaintVault(MemoryVault):
    """Does not answer the first time that secrets are wanted."""

    fainted = False

    async def find_periods(
        self, periods: Collection[str]
    ) -> Mapping[str, PeriodSecret | DestroyedPeriod]:
        if not self.fainted:
            self.fainted = True
            raise VaultUnavailable("no answer")
        return await super().find_periods(periods)


async def test_facts_wait_for_a_vault_that_does_not_answer(world: World) -> None:
    vault = FaintVault()
    await world.publish([await Facts(vault).registered("a")])
    async with running(world, History(vault, world.topic)):
        await world.caught_up()
    assert vault.fainted
    assert len(await current(world, "ann")) == 1


async def test_a_runner_whose_connection_is_cut_goes_on_without_loss(world: World) -> None:
    async with running(world, history(world)) as runner:
        await world.publish([await world.facts.registered("a")])
        await world.caught_up()
        await world.connection.execute(CUT_ALL_OTHERS)
        await world.publish([await world.facts.registered("b")])
        await world.caught_up()
        assert runner.health.ready
    assert len(await current(world, "ann")) == 2


def _position(runner: Running) -> int:
    shown = runner.health.snapshot()["history"]
    assert isinstance(shown, dict)
    position: int = shown["partitions"].get("0", {"position": 0})["position"]
    return position


async def test_health_tells_position_and_end_of_every_partition(world: World) -> None:
    async with running(world, history(world)) as runner:
        await world.publish([await world.facts.registered("a")])
        await world.caught_up()
        # The commit is seen by others a moment before the runner that made it says so.
        async with asyncio.timeout(120):
            while _position(runner) == 0:  # noqa: ASYNC110 - the runner tells nobody else
                await asyncio.sleep(0.01)
        shown = runner.health.snapshot()["history"]
    assert isinstance(shown, dict)
    assert shown["state"] == "running"
    assert shown["partitions"]["0"]["position"] == 2
