"""The catalogue on the real database: its promises, loads that fail or repeat, immutability."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import psycopg
import pytest

from consumers.catalogue import sample
from consumers.stack.stack import migration_sources
from infra.catalogue.loading import _LOCK, Loaded, LoadRefused, Origin, load
from infra.catalogue.postgres import PostgresCatalogue, migrations_source
from infra.migrations import check, migrate
from infra.postgres import Pool, connect, pool
from infra.settings import Settings
from schemas.catalogue import CatalogueEntry, CatalogueUnavailable
from tests.contracts.catalogue import GLYCEROL, NEW, OLD, VERSIONS, CatalogueContract

pytestmark = pytest.mark.integration

_ONE_MORE = """
INSERT INTO catalogue_v1.entry
(version, cnk, valid_from, kind, names, atc, pack, form, environments) VALUES
 ('test/1', '0039347', '2020-01-01', 'other', '{}', '', '', '', '{}')
"""
ORIGIN = Origin("export.zip", "ab" * 32)


@pytest.fixture
async def database(fresh_database: str) -> str:
    await migrate([migrations_source(fresh_database)])
    return fresh_database


@pytest.fixture
async def connections(database: str) -> AsyncIterator[Pool]:
    async with pool(database, maximum=2) as opened:
        yield opened


class TestPostgres(CatalogueContract):
    @pytest.fixture
    async def catalogue(self, database: str, connections: Pool) -> PostgresCatalogue:
        for version, entries in VERSIONS.items():
            await load(database, version, ORIGIN, entries)
        return PostgresCatalogue(connections)


async def test_its_migrations_stand_beside_those_of_the_projections(
    settings: Settings, fresh_database: str
) -> None:
    sources = [one for one in migration_sources(settings) if one.dsn == settings.dsn]
    assert {one.name for one in sources} == {"", "catalogue"}
    moved = [replace(one, dsn=fresh_database) for one in sources]
    assert all(status.current for status in await migrate(moved))
    assert all(status.current for status in await check(moved))


async def test_of_entries_with_the_same_code_and_first_day_the_first_is_kept(
    database: str, connections: Pool
) -> None:
    again = CatalogueEntry(OLD.cnk, OLD.valid_from, kind="other")
    loaded = await load(database, "test/1", ORIGIN, [OLD, NEW, again], counts=lambda: {"packs": 3})
    assert loaded == Loaded(codes=1, entries=2, repeated=1)
    catalogue = PostgresCatalogue(connections)
    assert await catalogue.entries("test/1", [OLD.cnk]) == {OLD.cnk: (OLD, NEW)}
    (version,) = await catalogue.versions()
    assert (version.complete, version.codes, version.entries) == (True, 1, 2)
    assert (version.source, version.sha256) == (ORIGIN.source, ORIGIN.sha256)
    assert version.counts == {"packs": 3}
    assert version.loaded_at is not None


async def test_a_load_that_breaks_leaves_no_entries_and_is_started_over(
    database: str, connections: Pool
) -> None:
    def breaking() -> Iterator[CatalogueEntry]:
        yield OLD
        raise RuntimeError("the file ends here")

    catalogue = PostgresCatalogue(connections)
    with pytest.raises(RuntimeError, match="ends here"):
        await load(database, "test/1", ORIGIN, breaking())
    assert not await catalogue.exists("test/1")
    assert await catalogue.entries("test/1", [OLD.cnk]) == {}
    assert [one.complete for one in await catalogue.versions()] == [False]
    await load(database, "test/1", Origin("other.zip", "cd" * 32), [NEW])
    assert await catalogue.entries("test/1", [OLD.cnk]) == {OLD.cnk: (NEW,)}


async def test_loading_the_same_files_again_changes_nothing(database: str) -> None:
    await load(database, "test/1", ORIGIN, [OLD])
    assert await load(database, "test/1", ORIGIN, [NEW]) == Loaded(already=True)


async def test_other_files_under_a_name_that_is_taken_are_refused(database: str) -> None:
    await load(database, "test/1", ORIGIN, [OLD])
    with pytest.raises(LoadRefused, match="choose another name"):
        await load(database, "test/1", Origin("export.zip", "cd" * 32), [OLD])


async def test_nothing_to_load_is_refused(database: str) -> None:
    with pytest.raises(LoadRefused, match="hold no CNK"):
        await load(database, "test/1", ORIGIN, [])


async def test_an_entry_that_the_table_refuses_ends_the_load_with_one_sentence(
    database: str,
) -> None:
    backwards = CatalogueEntry("5521950", NEW.valid_from, OLD.valid_from)
    with pytest.raises(LoadRefused, match="The database ended the load of test/1"):
        await load(database, "test/1", ORIGIN, [backwards])


async def test_two_loads_of_one_version_do_not_mix(database: str) -> None:
    async with connect(database, autocommit=True) as other:
        await other.execute(_LOCK, ("test/1",))
        with pytest.raises(LoadRefused, match="Another process is loading test/1"):
            await load(database, "test/1", ORIGIN, [OLD])
        await load(database, "test/2", ORIGIN, [OLD])


@pytest.mark.parametrize(
    "statement",
    [
        _ONE_MORE,
        "UPDATE catalogue_v1.entry SET atc = 'N02BE01'",
        "DELETE FROM catalogue_v1.entry",
        "TRUNCATE catalogue_v1.entry",
        "UPDATE catalogue_v1.version SET complete = false",
        "DELETE FROM catalogue_v1.version",
    ],
)
async def test_a_complete_version_does_not_change(database: str, statement: str) -> None:
    await load(database, "test/1", ORIGIN, [GLYCEROL])
    async with connect(database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="does not change"):
            await connection.execute(statement.encode())


async def test_the_sample_is_loaded_once(database: str, connections: Pool) -> None:
    assert (await sample.ensure_sample(database)).entries == len(sample.entries())
    assert (await sample.ensure_sample(database)).already
    codes = [entry.cnk for entry in sample.entries()]
    stored = await PostgresCatalogue(connections).entries(sample.VERSION, codes)
    assert stored == await sample.sample_catalogue().entries(sample.VERSION, codes)


async def test_a_database_that_does_not_answer_is_said_as_such(
    database: str, connections: Pool
) -> None:
    await connections.close()
    catalogue = PostgresCatalogue(connections)
    with pytest.raises(CatalogueUnavailable, match="did not answer"):
        await catalogue.exists("test/1")
