"""What the surveillance of use counts, on the real tables."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import SecretStr

from consumers.surveillance.watch import FINDINGS, Looks
from infra.keys.memory import MemoryVault
from infra.migrations import migrate
from infra.postgres import Connection, connect, pool
from infra.settings import Settings
from projections import surveillance_queries
from projections.folds import access_log, surveillance
from projections.folds.access_state import Recorded
from projections.folds.surveillance import Read
from projections.memory import Tables
from projections.rows import RowWriter
from projections.runner import migrations
from projections.store import use_schema
from projections.surveillance import (
    KEPT_DAYS,
    REPEATED_DAYS,
    VOLUME_FLOOR,
    Kind,
    Party,
    whole_days,
)
from projections.surveillance_queries import uses
from projections.surveillance_store import SurveillanceWriter, leave
from schemas.audit import AccessDecided
from schemas.brussels import day_of
from tests.integration.use_counted_on_demand import counted

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
START, END = NOW - timedelta(days=30), NOW
DOCTOR, PLACE, ELSEWHERE = "d" * 26, "p" * 26, "e" * 26
ANN, BOB, EVE, FAY, GIL, HAL = (letter * 26 for letter in "abcfgh")


async def _insert(connection: Connection, table: str, **values: Any) -> None:
    schema, name = table.split(".")
    await connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(schema, name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        ),
        list(values.values()),
    )


def _decided(number: int, at: datetime, **changes: Any) -> tuple[AccessDecided, Recorded]:
    values: dict[str, Any] = {
        "decision": "permit",
        "subject": ANN,
        "generation": 1,
        "reader": DOCTOR,
        "role": "caregiver",
        "organisation": PLACE,
        "purpose": "history",
        "decided_at": at,
        "policy_version": "access/1",
        "sealed_reader": "AAAA",
    }
    event = AccessDecided.model_validate({**values, **changes})
    return event, Recorded(0, number, at, f"read-{number}")


async def _write(connection: Connection, changes: Sequence[Read]) -> None:
    writer = SurveillanceWriter(connection)
    await writer.prepare()
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path TO surveillance_v1, public")
        await writer.write(changes)


async def _read(connection: Connection, number: int, at: datetime, **changes: Any) -> None:
    await _write(connection, surveillance.fold(*_decided(number, at, **changes)))


async def _link(connection: Connection, at: datetime, link_type: str) -> None:
    await _insert(
        connection,
        "access_state_v1.link",
        subject=ANN,
        generation=1,
        id="link-1",
        recorded_partition=0,
        recorded_position=1,
        recorded_at=at,
        ce_id="subject/0/1/0",
        event_type="be.dpp.subject.link-declared.v1",
        author_role="caregiver",
        author=DOCTOR,
        sealed="AAAA",
        party=PLACE,
        party_kind="organisation",
        link_type=link_type,
        valid_from=at,
        valid_until=at + timedelta(days=30),
    )


@asynccontextmanager
async def _memory_vault() -> AsyncIterator[MemoryVault]:
    yield MemoryVault()


async def test_days_pairs_emergencies_and_the_usual_are_counted(
    settings: Settings, fresh_database: str
) -> None:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    first = NOW - timedelta(days=20)
    async with connect(fresh_database, autocommit=True) as connection:
        # Around midnight in Brussels, which is an hour before that of UTC.
        midnight = first.replace(hour=23)
        await _read(connection, 1, midnight - timedelta(minutes=1))
        await _read(connection, 2, midnight + timedelta(minutes=1))
        await _read(connection, 3, midnight + timedelta(minutes=2), subject=BOB, decision="deny")
        await _read(connection, 4, START - timedelta(days=1), subject=EVE)
        await _read(connection, 5, midnight, role="patient", purpose="own_history")
        await _read(connection, 6, midnight, subject=FAY, detail="emergency", role="pharmacist")
        await _read(connection, 7, midnight, subject=GIL, detail="emergency", decision="deny")
        await _link(connection, first - timedelta(days=90), "consultation")
        found = await uses(connection, start=START, end=END, now=NOW)

        party = Party(DOCTOR, "caregiver", PLACE)
        assert found.days == [], "fewer patients than are ever unusual"
        cursor = await connection.execute(
            "SELECT reads, refused, subjects FROM surveillance_v1.day WHERE day > %s"
            " ORDER BY day, role",
            (day_of(START),),
        )
        assert await cursor.fetchall() == [(1, 0, 1), (3, 2, 3), (1, 0, 1)]
        (pair,) = [one for one in found.pairs if one.party == party]
        assert (pair.party, pair.reads, pair.days) == (party, 2, 2)
        assert (pair.linked, pair.pharmacies, pair.settled) == (False, (), True)
        on_link = replace(party, role="pharmacist")
        assert {(e.party, e.reads, e.refused, e.subjects) for e in found.emergencies} == {
            (party, 1, 1, 1),
            (on_link, 1, 0, 1),
        }
        assert found.usual.by_reader == {}, "nobody has a day that it would be compared with"

        # A delivery is a contact of the pharmacist's own pharmacy, which its number tells.
        await connection.execute("SELECT add_history_month('history_v1', '2026-03-01')")
        await _insert(
            connection,
            "history_v1.dispensation",
            delivered_month=datetime(2026, 3, 1, tzinfo=UTC).date(),
            pharmacy="80000551",
            dguid="d",
            version=1,
            status="registered",
            event_type="t",
            ce_id="c",
            subject=FAY,
            generation=1,
            period="p",
            delivered_at=first + timedelta(days=3),
            sealed=b"",
            warnings=[],
            recorded_partition=0,
            recorded_position=0,
        )
        after = await uses(connection, start=START, end=END, now=NOW)
        assert {(one.party, one.pharmacies) for one in after.pairs} == {
            (party, ()),
            (on_link, ("80000551",)),
        }

        # A link registered about then is one, and what may still become one is waited for.
        await connection.execute(
            "UPDATE access_state_v1.link SET recorded_at = %s", (first + timedelta(days=2),)
        )
        linked = await uses(connection, start=START, end=END, now=NOW)
        assert {one.party for one in linked.pairs} == {on_link}
        recent = await uses(connection, start=START, end=END, now=first + timedelta(days=10))
        assert recent.pairs == []

        # Whoever looks at one person on many days is shown, met or not.
        for number in range(REPEATED_DAYS):
            await _read(connection, 20 + number, NOW - timedelta(days=1 + number), subject=HAL)
        often = await uses(connection, start=START, end=END, now=NOW)
        assert [(one.days, one.settled) for one in often.pairs if one.party == party] == [
            (5, False)
        ]

        # Who reads very many on one day is compared with the days before.
        for number in range(VOLUME_FLOOR):
            other = f"{number:026}".translate(str.maketrans("0189", "zyxw"))
            await _read(connection, 100 + number, NOW - timedelta(hours=1), subject=other)
        many = await uses(connection, start=START, end=END, now=NOW)
        assert [(one.party, one.subjects) for one in many.days] == [(party, VOLUME_FLOOR)]
        assert many.usual.by_reader == {DOCTOR: 1.0}
        assert many.usual.by_role == {"caregiver": 1.0}

        quick = await uses(connection, start=START, end=END, now=NOW, contacts=False)
        assert [one.days for one in quick.pairs] == [REPEATED_DAYS], "nobody who was not met"
        assert (quick.days, quick.emergencies) == (many.days, many.emergencies)
    await _the_keeper_shows_the_same_as_totals(fresh_database)


async def _the_keeper_shows_the_same_as_totals(dsn: str) -> None:
    async with pool(dsn, maximum=1) as connections:
        looks = Looks(connections, _memory_vault)
        await looks.take(NOW)
        # Who was met is looked up once a day, and shown until then as it was.
        FINDINGS.labels("no_contact").set(9)
        FINDINGS.labels("volume").set(9)
        await looks.take(NOW + timedelta(hours=1))
        assert _shown() == {"volume": 1, "repeated": 1, "no_contact": 9, "emergency": 2}
        await looks.take(NOW + timedelta(days=1))
    assert _shown()["no_contact"] == 0
    assert REGISTRY.get_sample_value("dpp_surveillance_reads", {"kind": "emergency"}) == 2


def _shown() -> dict[str, float | None]:
    return {
        kind: REGISTRY.get_sample_value("dpp_surveillance_findings", {"kind": kind})
        for kind in get_args(Kind)
    }


OFTEN = 2
READERS, ROLES = (DOCTOR, "r" * 26), ("caregiver", "pharmacist")
SUBJECTS = (ANN, BOB, EVE)


@st.composite
def reads(draw: st.DrawFn) -> list[tuple[AccessDecided, Recorded]]:
    """Decisions in the order of their partitions, some delivered or written more than once."""
    made = []
    for number in range(draw(st.integers(1, 25))):
        reader, subject = draw(st.sampled_from(READERS)), draw(st.integers(0, 2))
        # Moments are different, as those of different decisions about one person are.
        at = NOW - timedelta(hours=draw(st.integers(0, 24 * 70)), microseconds=number)
        event, _ = _decided(
            number,
            at,
            reader=reader,
            subject=SUBJECTS[subject],
            role=ROLES[READERS.index(reader)],
            organisation=(None, PLACE, ELSEWHERE)[(subject + READERS.index(reader)) % 3],
            decision=draw(st.sampled_from(("permit", "permit", "deny"))),
            detail=draw(st.sampled_from((None, None, "emergency"))),
        )
        for copy in range(draw(st.integers(1, 2))):
            place = Recorded(subject, 2 * number + copy, at, f"read-{number}")
            made += [(event, place)] * draw(st.integers(1, 3))
    return made


Delivered = tuple[list[list[tuple[AccessDecided, Recorded]]], int | None]


@st.composite
def batches(draw: st.DrawFn) -> Delivered:
    """Reads cut anywhere, and before which batch old days leave."""
    log = draw(reads())
    cuts = sorted(draw(st.lists(st.integers(0, len(log)), max_size=4)))
    found = [log[start:end] for start, end in pairwise([0, *cuts, len(log)])]
    return found, draw(st.none() | st.integers(0, len(found)))


async def _check(dsn: str, delivered: Delivered) -> None:
    found, leaving = delivered
    today = day_of(NOW) + timedelta(days=KEPT_DAYS - 30)
    async with connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "TRUNCATE surveillance_v1.pair, surveillance_v1.day, access_log_v1.decision,"
            " projection_kept_from"
        )
        log = RowWriter(connection, access_log.PRIMARY_KEYS)
        for number, batch in enumerate(found):
            if number == leaving:
                await leave(connection, today)
            await _write(connection, [one for each in batch for one in surveillance.fold(*each)])
            await use_schema(connection, access_log.SCHEMA)
            async with connection.transaction():
                await log.write([one for each in batch for one in access_log.fold(*each)])
        if leaving == len(found):
            await leave(connection, today)
        kept_from = None if leaving is None else today - timedelta(days=KEPT_DAYS)
        await _require_same_rows(connection, found, kept_from)
        if leaving is None:
            for start in (START, NOW - timedelta(days=3)):
                await _require_same_counts(connection, start, NOW - timedelta(days=2))
                await _require_same_counts(connection, start, NOW)


async def _require_same_rows(
    connection: Connection,
    found: list[list[tuple[AccessDecided, Recorded]]],
    kept_from: date | None,
) -> None:
    plain = Tables(surveillance.PRIMARY_KEYS, kept_from=kept_from)
    plain.apply([one for batch in found for each in batch for one in surveillance.fold(*each)])
    for table, key in surveillance.PRIMARY_KEYS.items():
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier("surveillance_v1", table))
            )
            stored = {tuple(row[name] for name in key): row async for row in cursor}
        assert stored == plain.rows.get(table, {})


async def _require_same_counts(connection: Connection, start: datetime, end: datetime) -> None:
    first, last = whole_days(start, end)
    days, pairs, emergencies, usual = await counted(connection, start=first, end=last, now=NOW)
    told = await uses(connection, start=start, end=end, now=NOW)
    assert {_flat(one) for one in told.days} == days
    assert {_flat(one) for one in told.emergencies} == emergencies
    asked = {pair for pair in pairs if pair[4] >= OFTEN or pair[-1]}
    assert {(*_flat(one)[:7], one.settled) for one in told.pairs} == asked
    for names, shown in ((READERS, told.usual.by_reader), (ROLES, told.usual.by_role)):
        compared = {one.party.reader for one in told.days} | {one.party.role for one in told.days}
        assert shown == {one: usual[one] for one in names if one in usual and one in compared}


def _flat(one: Any) -> tuple[Any, ...]:
    party, *rest = astuple(one)
    return (*party, *rest)


async def test_however_reads_are_delivered_they_are_counted_as_over_the_access_log(
    settings: Settings, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    # Everything that is counted is told.
    monkeypatch.setattr(surveillance_queries, "VOLUME_FLOOR", 1)
    monkeypatch.setattr(surveillance_queries, "REPEATED_DAYS", OFTEN)

    @hypothesis_settings(
        max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(batches())
    def check(delivered: Delivered) -> None:
        asyncio.run(_check(fresh_database, delivered))

    await asyncio.to_thread(check)

    # Two processes with a partition each write the same day of one reader.
    ann = surveillance.fold(*_decided(1, NOW))[0]
    others = [ann._replace(subject=BOB, partition=1), ann._replace(subject=EVE, partition=1)]
    async with connect(fresh_database) as one, connect(fresh_database, autocommit=True) as two:
        await two.execute("TRUNCATE surveillance_v1.pair, surveillance_v1.day")
        await _write(one, [ann])
        waiting = asyncio.create_task(_write(two, others))
        await one.commit()
        await waiting
        (row,) = await (
            await two.execute("SELECT reads, subjects FROM surveillance_v1.day")
        ).fetchall()
    assert row == (3, 3)
