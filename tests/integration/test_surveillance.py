"""What the surveillance of use counts, on the real tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from prometheus_client import REGISTRY
from psycopg import sql
from pydantic import SecretStr

from consumers.surveillance.watch import look
from infra.keys.memory import MemoryVault
from infra.migrations import migrate
from infra.postgres import Connection, connect, pool
from infra.settings import Settings
from projections.runner import migrations
from projections.surveillance import REPEATED_DAYS, Kind, Party
from projections.surveillance_queries import uses

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
START, END = NOW - timedelta(days=30), NOW
DOCTOR, PLACE = "doctor", "place"


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


async def _read(connection: Connection, number: int, at: datetime, **changes: Any) -> None:
    values: dict[str, Any] = {
        "ce_id": f"read-{number}",
        "recorded_partition": 0,
        "recorded_position": number,
        "event_type": "be.dpp.access.decided.v1",
        "subject": "ann",
        "generation": 1,
        "decision": "permit",
        "basis_refs": ["consent", "link-1"],
        "reader": DOCTOR,
        "role": "caregiver",
        "organisation": PLACE,
        "purpose": "history",
        "decided_at": at,
        "policy_version": "access/1",
        "row_count": 1,
        "sealed_reader": "AAAA",
    }
    await _insert(connection, "access_log_v1.decision", **{**values, **changes})


async def _link(connection: Connection, at: datetime, link_type: str) -> None:
    await _insert(
        connection,
        "access_state_v1.link",
        subject="ann",
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
        await _read(connection, 3, midnight + timedelta(minutes=2), subject="bob", decision="deny")
        await _read(connection, 4, START - timedelta(days=1), subject="eve")
        await _read(connection, 5, midnight, role="patient", purpose="own_history")
        await _read(connection, 6, midnight, subject="fay", detail="emergency", role="pharmacist")
        await _read(connection, 7, midnight, subject="gil", purpose="emergency", decision="deny")
        await _link(connection, first - timedelta(days=90), "consultation")
        found = await uses(connection, start=START, end=END, now=NOW)

        party = Party(DOCTOR, "caregiver", PLACE)
        counted = sorted((d.reads, d.refused, d.subjects) for d in found.days)
        assert counted == [(1, 0, 1), (1, 0, 1), (3, 2, 3)]
        (pair,) = [one for one in found.pairs if one.party == party]
        assert (pair.party, pair.reads, pair.days) == (party, 2, 2)
        assert (pair.linked, pair.pharmacies, pair.settled) == (False, (), True)
        on_link = replace(party, role="pharmacist")
        assert {(e.party, e.reads, e.refused, e.subjects) for e in found.emergencies} == {
            (party, 1, 1, 1),
            (on_link, 1, 0, 1),
        }
        assert found.usual.by_reader == {DOCTOR: 1.0}
        assert found.usual.by_role == {"caregiver": 1.0}

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
            subject="fay",
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
            await _read(connection, 20 + number, NOW - timedelta(days=1 + number), subject="hal")
        often = await uses(connection, start=START, end=END, now=NOW)
        assert [(one.days, one.settled) for one in often.pairs if one.party == party] == [
            (5, False)
        ]

        # The keeper shows the same as totals.
        async with pool(fresh_database, maximum=1) as connections:
            await look(connections, _memory_vault, NOW)
    shown = {
        kind: REGISTRY.get_sample_value("dpp_surveillance_findings", {"kind": kind})
        for kind in get_args(Kind)
    }
    assert shown == {"volume": 0, "repeated": 1, "no_contact": 0, "emergency": 2}
    assert REGISTRY.get_sample_value("dpp_surveillance_reads", {"kind": "emergency"}) == 2
