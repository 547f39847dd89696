"""The whole flow, every part a process of its own, on a real broker and a real database."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from consumers.catalogue import catalogue
from consumers.demo.cast import Cast
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.kafka import reader
from infra.postgres import connect
from infra.settings import Settings
from schemas.topics import ALL_TOPICS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
TABLES = """
SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


async def topic_dump(settings: Settings) -> AsyncIterator[bytes]:
    """Key, headers and value of every record of every topic, aborted ones included."""
    async with reader(settings, isolation="read_uncommitted") as log:
        assigned = await log.assign_all(*(topic.name for topic in ALL_TOPICS))
        ends = await log.end_offsets(assigned)
        while any(place < ends[one] for one, place in (await log.positions()).items()):
            for records in (await log.poll()).values():
                for record in records:
                    headers = b"".join(name.encode() + value for name, value in record.headers)
                    yield b"|".join((record.key or b"", headers, record.value or b""))


async def table_dump(dsn: str) -> AsyncIterator[bytes]:
    """Every row of every table as text."""
    async with connect(dsn, autocommit=True) as connection:
        names = [row[0] for row in await (await connection.execute(TABLES)).fetchall()]
        for name in names:
            rows = await connection.execute(f"SELECT t::text FROM {name} AS t")
            for row in await rows.fetchall():
                yield str(row[0]).encode()


async def test_the_demo_holds_and_what_it_keeps_names_no_person_and_no_product(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "kept"
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [sys.executable, "-m", "consumers.cli.main", "demo", "--json", "--data", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    told = json.loads(done.stdout)
    assert [check for check in told["checks"] if not check["holds"]] == []
    assert done.returncode == 0
    endpoints = json.loads((folder / "endpoints.json").read_text())
    assert set(endpoints["tokens"]) >= {"patient", "holder", "physician", "pharmacist"}

    cast = Cast()
    secrets = [cast.patient, cast.holder, cast.stranger]
    secrets += [one.cnk for one in catalogue.load()]
    secrets += [name for one in catalogue.load() for name in (one.name_fr, one.name_nl) if name]
    seen = 0
    async with EmbeddedInfrastructure(folder) as servers:
        found = servers.endpoints
        settings = Settings(
            kafka_bootstrap=found.kafka_bootstrap, postgres_dsn=SecretStr(found.postgres_dsn)
        )
        dumps = [topic_dump(settings), table_dump(found.postgres_dsn), table_dump(found.vault_dsn)]
        for dump in dumps:
            async for content in dump:
                seen += 1
                assert [one for one in secrets if f'"{one}"'.encode() in content] == []
                assert cast.patient.encode() not in content
    assert seen > 100
