"""Rebuilding beside the live version, verifying, setting aside and retrying, on real servers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from consumers.cli.main import app
from consumers.stack.office import first_keys
from consumers.stack.stack import migration_sources
from infra.migrations import migrate
from infra.settings import Settings
from projections import queries
from projections.erasure import erase
from projections.events import Event
from projections.folds.history import Change, PutVersion, fold
from projections.history_statements import Asked
from projections.rebuild import Options, Standing, rebuild
from projections.retrying import retry_set_aside
from projections.shells import (
    Folded,
    History,
    ProductRecall,
    Projection,
    access_log_projection,
)
from projections.status import statuses
from projections.verify import verify
from projections.versions import VersionRefused, drop, versions
from schemas.dispensation import Supersedes
from tests.integration.projections_world import (
    END,
    NOON,
    PARTITIONS,
    START,
    Output,
    World,
    guid_of,
    opened,
    running,
    subject_of,
)
from tests.integration.test_projections_others import decision

pytestmark = pytest.mark.integration

FORMER = Supersedes(version=1, month="2026-03", subject=subject_of("ann"))


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


def history(world: World) -> History:
    return History(world.vault, world.topic)


async def filled(world: World, lines: int = 30) -> None:
    """A log of both partitions: lines, every third corrected, every fifth revoked."""
    facts = world.facts
    outputs: list[Output] = []
    for number in range(lines):
        name = f"line {number}"
        outputs.append(await facts.registered(name, batch="lot"))
        outputs.append(await facts.registered(f"other {number}", "bob", partition=1))
        if number % 3 == 0:
            outputs.append(await facts.corrected(name, 2, "ann", NOON, FORMER))
        elif number % 5 == 0:
            outputs.append(await facts.revoked(name, 2, "ann", FORMER))
    await world.publish(outputs)


EVERYTHING = Asked(START, END, limit=1000, versions="all")


async def seen(world: World, person: str = "ann") -> list[queries.HistoryRow]:
    return await queries.history(world.connection, [subject_of(person)], EVERYTHING)


async def live_with(world: World, *projections: Projection) -> None:
    """Lets the projections catch up, and stops them."""
    async with running(world, *projections):
        for one in projections:
            await world.caught_up(one.name)


@asynccontextmanager
async def reading(world: World) -> AsyncIterator[list[int]]:
    """Counts a person's rows without a pause, on a connection of its own."""
    counts: list[int] = []
    stop = asyncio.Event()

    async def read() -> None:
        async with world.pool.connection() as connection:
            await connection.set_autocommit(True)
            while not stop.is_set():
                rows = await queries.history(connection, [subject_of("ann")], EVERYTHING)
                assert len({(row.dguid, row.version) for row in rows}) == len(rows)
                counts.append(len(rows))

    reader = asyncio.create_task(read())
    try:
        yield counts
    finally:
        stop.set()
        await reader


async def test_a_rebuild_takes_over_while_facts_arrive_and_readers_never_see_a_gap_or_a_mixture(
    world: World,
) -> None:
    await filled(world)
    steps: list[Standing] = []
    projection = history(world)
    async with running(world, projection) as runner:
        await world.caught_up()
        before = len(await seen(world))
        async with reading(world) as counts:
            building = asyncio.create_task(
                rebuild(world.settings, history(world), told=steps.append)
            )
            for number in range(5):
                await world.publish([await world.facts.registered(f"meanwhile {number}")])
            report = await building
            await world.publish([await world.facts.registered("afterwards")])
            await world.caught_up()
            assert runner.health.ready
    assert (report.outcome, report.version, report.set_aside) == ("live", 2, 0)
    assert counts == sorted(counts), "a reader lost sight of rows"
    assert counts[0] >= before
    assert len(await seen(world)) == before + 6
    assert [(one.version, one.state) for one in await versions(world.connection, "history")] == [
        (1, "kept"),
        (2, "live"),
    ]
    assert [one.step for one in steps][-3:] == ["indexes", "verification", "switch"]
    assert (await verify(world.settings, projection)).equal


async def test_a_cancelled_rebuild_leaves_a_true_position_from_which_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.building.BATCH_RECORDS", 7)
    monkeypatch.setattr("projections.rebuild.CLOSE", 0)
    await filled(world)
    await live_with(world, history(world))
    stop = asyncio.Event()

    class Stopping(History):
        async def fold(self, events: Sequence[Event]) -> Folded:
            stop.set()
            return await super().fold(events)

    first = await rebuild(world.settings, Stopping(world.vault, world.topic), stop=stop)
    assert first.outcome == "cancelled"
    assert 0 < sum(first.positions.values()) <= 7
    stored = await world.rows(
        "SELECT count(*) FROM history_v1_b2.dispensation WHERE superseded_position IS NULL"
    )
    assert 0 < int(str(stored[0][0])) <= 7
    second = await rebuild(world.settings, history(world))
    assert (second.outcome, second.resumed, second.version) == ("live", True, 2)
    assert first.records + second.records == sum((await world.ends()).values())
    assert (await verify(world.settings, history(world))).equal


async def test_a_capped_rebuild_takes_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.building.BATCH_RECORDS", 7)
    monkeypatch.setattr("projections.rebuild.CLOSE", 0)
    await filled(world)
    await live_with(world, history(world))
    report = await rebuild(world.settings, history(world), options=Options(cap=200))
    assert report.outcome == "live"
    # Sleeping can be longer on a busy machine, never shorter.
    facts = 30 * 2 + 10 + 4
    assert report.seconds >= facts / 200


class Scored(History):
    """A release that fills a column in another way than the one before it."""

    @staticmethod
    def _changes(*arguments: Any) -> tuple[Change, ...]:
        return tuple(
            one._replace(period=f"new/{one.period}") if isinstance(one, PutVersion) else one
            for one in fold(*arguments)
        )


async def test_a_release_that_fills_columns_otherwise_rebuilds_while_readers_go_on(
    world: World,
) -> None:
    await filled(world)
    await live_with(world, history(world))
    release = Scored(world.vault, world.topic)
    refused = await rebuild(world.settings, release)
    assert refused.outcome == "differs"
    assert refused.difference is not None
    assert refused.difference.columns == ("period",)
    await drop(world.connection, release, 2)
    async with running(world, release), reading(world) as counts:
        building = asyncio.create_task(
            rebuild(world.settings, release, options=Options(changed=frozenset({"period"})))
        )
        await world.publish([await world.facts.registered("meanwhile")])
        report = await building
        await world.publish([await world.facts.registered("afterwards")])
        await world.caught_up()
    assert (report.outcome, report.version) == ("live", 2)
    assert counts == sorted(counts), "a reader lost sight of rows"
    filled_otherwise = await world.rows(
        "SELECT period LIKE 'new/%', count(*) FROM history_v1.dispensation GROUP BY 1"
    )
    assert filled_otherwise == [(True, 76)]
    assert (await verify(world.settings, release)).equal


async def test_several_processes_rebuild_one_projection_and_stop_at_true_positions(
    topics_applied: Settings, fresh_database: str, second_database: str, tmp_path: Path
) -> None:
    # A vault of its own too: another test may have made the shared one under another key.
    places = {
        "data": tmp_path,
        "postgres_dsn": SecretStr(fresh_database),
        "vault_dsn": SecretStr(second_database),
    }
    own = first_keys(topics_applied.model_copy(update=places))
    await migrate(migration_sources(own))
    projection = access_log_projection()
    async with opened(own, fresh_database, projection.topic) as world:
        await world.publish([decision(number, partition=number % 2) for number in range(40)])
        await live_with(world, projection)
        stop = asyncio.Event()
        stop.set()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("projections.rebuild.CLOSE", 0)
            first = await rebuild(world.settings, projection, options=Options(workers=2), stop=stop)
            assert first.outcome == "cancelled"
            (stored,) = await world.rows("SELECT count(*) FROM access_log_v1_b2.decision")
            assert int(str(stored[0])) <= first.records
            second = await rebuild(world.settings, projection, options=Options(workers=2))
        assert (second.outcome, second.resumed) == ("live", True)
        verified = await asyncio.to_thread(
            CliRunner().invoke,
            app,
            ["projections", "verify", "access_log", "--json"],
            env=world.settings.environment(),
        )
    assert verified.exit_code == 0, verified.output
    shown = json.loads(verified.stdout)
    assert shown["equal"]


async def test_two_cannot_rebuild_one_projection_at_a_time(world: World) -> None:
    await filled(world, 3)
    await live_with(world, history(world))

    class Second(History):
        async def fold(self, events: Sequence[Event]) -> Folded:
            with pytest.raises(VersionRefused, match="being rebuilt by another"):
                await rebuild(world.settings, history(world))
            return await super().fold(events)

    report = await rebuild(world.settings, Second(world.vault, world.topic))
    assert report.outcome == "live"


async def test_a_rebuild_from_a_snapshot_reads_only_what_came_after(world: World) -> None:
    await filled(world)
    await live_with(world, history(world))
    report = await rebuild(world.settings, history(world), options=Options(from_snapshot=True))
    assert (report.outcome, report.records) == ("live", 0)
    assert (await verify(world.settings, history(world))).equal


async def test_a_kept_version_goes_by_command_and_a_live_one_does_not_bad(world: World) -> None:
    await filled(world, 3)
    await live_with(world, history(world))
    await rebuild(world.settings, history(world))
    with pytest.raises(VersionRefused, match="is live"):
        await drop(world.connection, history(world), 2)
    await drop(world.connection, history(world), 1)
    with pytest.raises(VersionRefused, match="does not exist"):
        await drop(world.connection, history(world), 1)
    left = await world.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'history%'")
    assert left == [("history_v1",)]


async def test_a_new_version_has_the_tables_and_indexes_of_the_live_one(world: World) -> None:
    def shape(schema: str) -> str:
        return (
            "SELECT replace(pg_get_indexdef(i.indexrelid), ' ONLY ', ' ') FROM pg_index AS i"
            " JOIN pg_class AS c ON c.oid = i.indrelid WHERE NOT c.relispartition"
            f" AND c.relnamespace = '{schema}'::regnamespace ORDER BY 1"
        )

    await filled(world, 3)
    await live_with(world, history(world))
    before = await world.rows(shape("history_v1"))
    await rebuild(world.settings, history(world))
    assert await world.rows(shape("history_v1")) == before


class Difficult(History):
    """Cannot take over the first version of one line until it has learnt to."""

    learnt = False

    async def fold(self, events: Sequence[Event]) -> Folded:
        for number, event in enumerate(events):
            value = event.record.value or b""
            if not self.learnt and guid_of("hard").encode() in value and b"registered" in value:
                folded = await super().fold(events[:number])
                folded.failure = "too_hard"
                return folded
        return await super().fold(events)


async def hard_line(world: World) -> None:
    await world.publish(
        [
            await world.facts.registered("easy"),
            await world.facts.registered("hard"),
            await world.facts.corrected("hard", 2, "ann", NOON, FORMER),
        ]
    )


async def test_an_event_that_was_set_aside_is_applied_on_command_as_if_it_had_never_been(
    world: World,
) -> None:
    await hard_line(world)
    projection = Difficult(world.vault, world.topic)
    async with running(world, projection):
        await world.caught_up()
        assert len(await seen(world)) == 2
        (shown,) = await statuses(world.settings)
        assert (shown.set_aside, shown.well) == (1, False)
        (still,) = await retry_set_aside(world.settings, projection)
        assert (still.category, still.position) == ("too_hard", 1)
        projection.learnt = True
        assert await retry_set_aside(world.settings, projection) == []
    versions_seen = {(row.dguid, row.version): row.superseded_position for row in await seen(world)}
    assert versions_seen == {
        (guid_of("easy"), 1): None,
        (guid_of("hard"), 1): 2,
        (guid_of("hard"), 2): None,
    }
    (shown,) = await statuses(world.settings)
    assert (shown.set_aside, shown.lag, shown.well) == (0, 0, True)
    assert (await verify(world.settings, history(world))).equal


async def test_a_rebuild_is_strict_and_reports_what_it_left_out_when_told_to_leave_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.rebuild.CLOSE", 0)
    await hard_line(world)
    await live_with(world, Difficult(world.vault, world.topic))
    report = await rebuild(world.settings, Difficult(world.vault, world.topic))
    assert report.outcome == "stopped"
    assert report.failure is not None
    assert (report.failure.category, report.positions[0]) == ("too_hard", 1)
    lenient = await rebuild(
        world.settings, Difficult(world.vault, world.topic), options=Options(set_aside=True)
    )
    assert (lenient.outcome, lenient.set_aside) == ("live", 1)


async def test_a_rebuild_after_an_erasure_equals_the_live_one(world: World) -> None:
    await filled(world)
    both = history(world), ProductRecall(world.vault, world.topic)
    await live_with(world, *both)
    await world.vault.destroy_subject(subject_of("ann"), 1, NOON)
    await erase(world.connection, subject_of("ann"), 1)
    assert await seen(world) == []
    for projection in both:
        assert (await verify(world.settings, projection)).equal
        assert (await rebuild(world.settings, projection)).outcome == "live"
    assert await seen(world) == []
    assert len(await seen(world, "bob")) == 30


CHANGE = "UPDATE history_v1.dispensation SET score = 1 WHERE dguid = '{dguid}' AND version = 1"
REMOVE = "DELETE FROM history_v1.dispensation WHERE dguid = '{dguid}' AND version = 1"
DOUBLE = """
CREATE TABLE history_v1.dispensation_2026_02 PARTITION OF history_v1.dispensation
    FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO history_v1.dispensation
SELECT (jsonb_populate_record(d, '{{"delivered_month": "2026-02-01"}}')).*
FROM history_v1.dispensation AS d WHERE dguid = '{dguid}' AND version = 1
"""
PLANTED = {
    "changed": (CHANGE, ("score",), None),
    "missing": (REMOVE, (), "live"),
    "doubled": (DOUBLE, (), ""),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_verification_names_the_subject_and_columns_of_a_row_that_was_planted(
    world: World, planted: str
) -> None:
    statement, columns, missing = PLANTED[planted]
    await filled(world, 5)
    await live_with(world, history(world))
    await world.connection.execute(statement.format(dguid=guid_of("line 1")))
    found = await verify(world.settings, history(world))
    assert not found.equal
    assert {*found.differences} == {"memory", "rebuilt"}
    for other, one in found.differences.items():
        assert one.subject == subject_of("ann")
        assert one.key["dguid"] == guid_of("line 1")
        assert one.columns == columns
        assert one.missing == (other if missing == "" else missing)
    report = await rebuild(world.settings, history(world))
    assert (report.outcome, report.difference is None) == ("differs", False)
    assert [one.state for one in await versions(world.connection)] == ["live", "building"]


async def test_the_public_hash_is_the_same_under_other_keys_of_blind_indexes(world: World) -> None:
    await filled(world, 3)
    await live_with(world, history(world))
    one = await verify(world.settings, history(world), rebuilt=False, memory=False)
    await world.connection.execute("UPDATE history_v1.dispensation SET product_index = 'other'")
    other = await verify(world.settings, history(world), rebuilt=False, memory=False)
    assert one.public == other.public
    assert one.live.digest != other.live.digest
    assert len(one.positions) == PARTITIONS
