"""The benchmark of the history at a small size, and that its plans walk along the indexes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from consumers.bench.benches import Run
from consumers.bench.history import measure
from consumers.bench.history.filling import Filled, fill
from consumers.bench.history.plans import place_of, statements
from consumers.bench.result import Findings
from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.history_statements import Statement
from projections.runner import migrations

pytestmark = pytest.mark.integration

ROWS = 60_000
PERSON, PHARMACY = "subject_delivered_at", "pharmacy_delivered_at"
RETURNS, IDENTITY = "subject_idx", "pkey"
INTENDED = {
    "every version": {PERSON, RETURNS, IDENTITY},
    "a pharmacy's own lines": {PHARMACY, IDENTITY},
    "returns of a page": {RETURNS},
}
"""Indexes that a question may use; those that are not named use the person's.

Every page of a person's asks too whether anything of theirs ever came back.
"""


def told(step: str, done: int, total: int) -> None:
    """Says nothing."""


@pytest.fixture
async def connection(settings: Settings, fresh_database: str) -> AsyncIterator[Connection]:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    async with connect(fresh_database, autocommit=True, statement_ms=0) as made:
        yield made


async def test_every_question_walks_along_its_index_and_the_benchmark_measures_them(
    connection: Connection,
    fresh_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "READS", 20)
    filled = await fill(fresh_database, connection, ROWS, told)
    await _plans_use_indexes(connection, filled)
    findings = Findings()
    await measure.measure_table(Run(1, told, tmp_path), findings, connection, filled)
    assert findings.median("history_60000_p50") > 0
    assert findings.ratio("again", "offset_60000_p50", "next_page_60000_p50") > 0
    assert findings.median("index_on_person_60000_p99") > 0


async def _explain_nodes(connection: Connection, statement: Statement) -> list[dict[str, Any]]:
    """The nodes of the plan, outermost first."""
    how = "EXPLAIN (FORMAT JSON) " + statement.query.as_string(connection)
    row = await (await connection.execute(how, statement.values)).fetchone()
    found = [row[0][0]["Plan"]] if row else []
    for node in found:
        found += node.get("Plans", [])
    return found


async def _plans_use_indexes(connection: Connection, filled: Filled) -> None:
    after = await place_of(connection, filled, filled.patients[0])
    for name, statement in statements(filled, after):
        nodes = await _explain_nodes(connection, statement)
        assert not {"Seq Scan", "Parallel Seq Scan"} & {node["Node Type"] for node in nodes}, name
        used = {node["Index Name"] for node in nodes if "Index Name" in node}
        intended = INTENDED.get(name, {PERSON, RETURNS})
        assert used, name
        assert all(any(one in index for one in intended) for index in used), (name, used)
        asked = [node for node in nodes if str(node.get("Alias")).startswith("r_")]
        assert all(RETURNS in node["Index Name"] for node in asked), name
