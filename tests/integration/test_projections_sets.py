"""The history's SQL works on sets of rows; however a log is cut, it must equal the plain fold."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.erasure import erase as erase_rows
from projections.folds.history import Line
from projections.history_store import HistoryWriter, ensure_months
from projections.runner import migrations
from projections.store import use_schema
from tests.unit.projections.history_model import SUBJECTS, Row, Step, batches, folded, logs

pytestmark = pytest.mark.integration

MONTHS = [datetime(2026, month, 1, tzinfo=UTC).date() for month in range(1, 5)]


@st.composite
def cut_logs(draw: st.DrawFn) -> tuple[list[Step], list[list[Step]], int | None]:
    log = draw(logs())
    cut = draw(batches(log))
    return log, cut, draw(st.none() | st.integers(0, len(cut) - 1))


async def _stored(connection: Connection) -> dict[Line, Row]:
    cursor = await connection.execute(
        "SELECT delivered_month, pharmacy, dguid, version, subject, status, generation,"
        " delivered_at, product_index, returns_index, superseded_position"
        " FROM history_v1.dispensation"
    )
    return {Line(*row[:4]): row[4:] async for row in cursor}


async def _check(dsn: str, log: list[Step], cut: list[list[Step]], erase: int | None) -> None:
    async with connect(dsn, autocommit=True) as connection:
        await use_schema(connection, "history_v1")
        writer = HistoryWriter(connection)
        await writer.prepare()
        await connection.execute("TRUNCATE history_v1.dispensation, projection_erased")
        await connection.execute(
            "INSERT INTO projection_version (projection, version, state)"
            " VALUES ('history', 1, 'live') ON CONFLICT DO NOTHING"
        )
        for number, batch in enumerate(cut):
            changes = [change for step in batch for change in step.changes()]
            if number == erase:
                await erase_rows(connection, SUBJECTS[0], 1)
            async with connection.transaction():
                await writer.write(changes)
        expected = folded(log)
        if erase is not None:
            expected.erase(SUBJECTS[0], 1)
        assert await _stored(connection) == expected.rows


async def _prepare(settings: Settings, dsn: str) -> None:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(dsn)})
    await migrate([migrations(own)])
    async with connect(dsn, autocommit=True) as connection:
        await use_schema(connection, "history_v1")
        await ensure_months(connection, MONTHS)
        await ensure_months(connection, MONTHS)


async def test_however_a_log_is_cut_into_batches_the_rows_are_those_of_the_plain_fold(
    settings: Settings, fresh_database: str
) -> None:
    await _prepare(settings, fresh_database)

    @hypothesis_settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(cut_logs())
    def check(drawn: tuple[list[Step], list[list[Step]], int | None]) -> None:
        asyncio.run(_check(fresh_database, *drawn))

    await asyncio.to_thread(check)
