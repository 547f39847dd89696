"""Migrations against the real database."""

import asyncio
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.migrations import MigrationRefused, Source, check, migrate, require_current
from infra.postgres import DatabaseUnavailable, connect, pool

pytestmark = pytest.mark.integration


class Files:
    """A temporary package with a folder of migrations."""

    def __init__(self, root: Path) -> None:
        self.package = f"sql_{uuid.uuid4().hex}"
        self.folder = root / self.package / "sql"
        self.folder.mkdir(parents=True)
        (root / self.package / "__init__.py").touch()

    def put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def source(self, dsn: str) -> Source:
        return Source(self.package, "sql", dsn)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    made = Files(tmp_path)
    made.put("0001_first.sql", "CREATE TABLE a (i int); INSERT INTO a VALUES (1);")
    made.put("0002_second.sql", "INSERT INTO a VALUES (2);")
    return made


async def _count(dsn: str) -> int:
    async with connect(dsn) as connection:
        row = await (await connection.execute("SELECT count(*) FROM a")).fetchone()
        assert row is not None
        return int(row[0])


async def test_pending_files_are_applied_once_in_order(fresh_database: str, files: Files) -> None:
    source = files.source(fresh_database)
    (before,) = await check([source])
    assert before.pending == ("0001_first.sql", "0002_second.sql")
    (after,) = await migrate([source])
    assert after.current
    assert after.applied == before.pending
    await migrate([source])
    assert await _count(fresh_database) == 2


async def test_many_processes_migrating_at_once_apply_each_file_once(
    fresh_database: str, files: Files
) -> None:
    source = files.source(fresh_database)
    await asyncio.gather(*(migrate([source]) for _ in range(5)))
    assert await _count(fresh_database) == 2


async def test_a_file_changed_after_it_was_applied_is_refused(
    fresh_database: str, files: Files
) -> None:
    source = files.source(fresh_database)
    await migrate([source])
    files.put("0002_second.sql", "INSERT INTO a VALUES (3);")
    with pytest.raises(MigrationRefused, match=r"0002_second\.sql was changed"):
        await migrate([source])
    with pytest.raises(MigrationRefused, match=r"0002_second\.sql was changed"):
        await require_current([source])


async def test_code_older_than_the_schema_is_refused(fresh_database: str, files: Files) -> None:
    source = files.source(fresh_database)
    files.put("0003_third.sql", "SELECT 1;")
    await migrate([source])
    (files.folder / "0003_third.sql").unlink()
    with pytest.raises(MigrationRefused, match=r"0003_third\.sql was applied by newer code"):
        await migrate([source])


async def test_a_file_before_an_applied_one_is_refused(fresh_database: str, files: Files) -> None:
    (files.folder / "0001_first.sql").unlink()
    files.put("0002_second.sql", "CREATE TABLE a (i int);")
    source = files.source(fresh_database)
    await migrate([source])
    files.put("0001_late.sql", "SELECT 1;")
    with pytest.raises(MigrationRefused, match=r"0001_late\.sql sorts before"):
        await migrate([source])


async def test_a_failing_file_leaves_no_trace_and_those_before_it_stay(
    fresh_database: str, files: Files
) -> None:
    source = files.source(fresh_database)
    files.put("0003_wrong.sql", "INSERT INTO a VALUES (3); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(MigrationRefused, match=r"0003_wrong\.sql failed.*left no trace"):
        await migrate([source])
    assert await _count(fresh_database) == 2
    (status,) = await check([source])
    assert status.pending == ("0003_wrong.sql",)


async def test_a_database_that_is_behind_is_not_worked_on(
    fresh_database: str, files: Files
) -> None:
    with pytest.raises(MigrationRefused, match="run dpp db migrate"):
        await require_current([files.source(fresh_database)])
    await migrate([files.source(fresh_database)])
    await require_current([files.source(fresh_database)])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"port": 1}, "connection refused"),
        ({"password": "not-the-password"}, "user or password refused"),
        ({"dbname": "nowhere"}, "no such database"),
    ],
)
async def test_a_wrong_connection_string_is_one_sentence_without_the_password(
    fresh_database: str, change: dict[str, str | int], reason: str
) -> None:
    wrong = make_conninfo(fresh_database, **change)
    for opened in (connect(wrong), pool(wrong)):
        with pytest.raises(DatabaseUnavailable, match=reason) as caught:
            await opened.__aenter__()
        assert str(conninfo_to_dict(wrong)["password"]) not in str(caught.value)


async def test_an_unreadable_connection_string_is_one_sentence() -> None:
    with pytest.raises(DatabaseUnavailable, match="DPP_POSTGRES_DSN"):
        await connect("host=a password=secret nonsense").__aenter__()


async def test_a_statement_ends_at_its_limit(fresh_database: str) -> None:
    async with pool(fresh_database, statement_ms=50) as pooled, pooled.connection() as connection:
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(30)")
