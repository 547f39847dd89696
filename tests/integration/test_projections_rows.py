"""Row changes applied in sets, by COPY and a few statements, equal the same applied one by one."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import SecretStr

from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.erasure import erase
from projections.folds import access_state
from projections.folds.changes import Change
from projections.memory import Row, Tables
from projections.rows import RowWriter
from projections.runner import migrations
from projections.store import use_schema
from tests.unit.projections.state_logs import SUBJECTS, state_logs

pytestmark = pytest.mark.integration

KEYS = dict.fromkeys(access_state.TABLES, access_state.PRIMARY_KEY)


@st.composite
def cut_logs(draw: st.DrawFn) -> tuple[list[list[Change]], int | None]:
    log = draw(state_logs())
    cuts = sorted(draw(st.lists(st.integers(0, len(log)), max_size=5)))
    batches = [
        [change for changes in log[start:end] for change in changes]
        for start, end in pairwise([0, *cuts, len(log)])
    ]
    return batches, draw(st.none() | st.integers(0, len(batches) - 1))


async def _stored(connection: Connection, table: str) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        return await cursor.fetchall()


def _filled(table: str, row: Row) -> Row:
    return {**dict.fromkeys(access_state.TABLES[table]), **row}


async def _check(dsn: str, batches: Sequence[Sequence[Change]], erased: int | None) -> None:
    async with connect(dsn, autocommit=True) as connection:
        await use_schema(connection, access_state.SCHEMA)
        emptied = sql.SQL(", ").join(sql.Identifier(one) for one in (*KEYS, "projection_erased"))
        await connection.execute(sql.SQL("TRUNCATE {}").format(emptied))
        writer = RowWriter(connection, KEYS, forgets=True)
        for number, batch in enumerate(batches):
            if number == erased:
                await erase(connection, SUBJECTS[0], 1)
            async with connection.transaction():
                await writer.write(batch)
        expected = Tables(KEYS, {} if erased is None else {SUBJECTS[0]: 1})
        for batch in batches:
            expected.apply(batch)
        for table, key in KEYS.items():
            stored = {tuple(row[k] for k in key): row for row in await _stored(connection, table)}
            rows = expected.rows.get(table, {})
            assert stored == {k: _filled(table, row) for k, row in rows.items()}


async def test_however_changes_are_cut_into_batches_the_rows_are_those_of_the_plain_fold(
    settings: Settings, fresh_database: str
) -> None:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    async with connect(fresh_database, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO projection_version (projection, version, state)"
            " VALUES ('access_state', 1, 'live')"
        )

    @hypothesis_settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(cut_logs())
    def check(drawn: tuple[list[list[Change]], int | None]) -> None:
        asyncio.run(_check(fresh_database, *drawn))

    await asyncio.to_thread(check)
