"""What each role of the databases may do, by trying; and that every part can work under its own."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege
from pydantic import SecretStr

from consumers.stack.parts import PARTS
from infra.catalogue.postgres import migrations_source
from infra.keys.postgres import MIGRATIONS, PostgresVault
from infra.migrations import Source, migrate
from infra.postgres import connect, pool
from infra.roles import OF_PARTS, PROJECTOR, READER, VAULT_READER, VAULT_STAGE, logins
from infra.settings import Settings
from projections.clones import clone_tables
from projections.history_store import ensure_months
from projections.store import use_schema
from schemas.keyvault import IntakeKey, VaultUnavailable

pytestmark = pytest.mark.integration

KEK = bytes(range(32))
AT = datetime(2026, 3, 1, tzinfo=UTC)
WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture(scope="module")
def own(settings: Settings) -> Iterator[Settings]:
    """Databases of this module's own: projections with catalogue, and vault."""
    names = {name: f"roles_{uuid.uuid4().hex}" for name in ("projections", "vault")}
    with psycopg.connect(settings.dsn, autocommit=True) as connection:
        for name in names.values():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsns = {which: make_conninfo(settings.dsn, dbname=name) for which, name in names.items()}
        sources = [
            Source("projections", "sql", dsns["projections"]),
            migrations_source(dsns["projections"]),
            Source(*MIGRATIONS, dsns["vault"]),
        ]
        asyncio.run(migrate(sources))
        yield settings.model_copy(
            update={
                "postgres_dsn": SecretStr(dsns["projections"]),
                "vault_dsn": SecretStr(dsns["vault"]),
            }
        )
        for name in names.values():
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def parts(own: Settings) -> Iterator[Mapping[str, Settings]]:
    """The settings of each part, logged in under its own roles."""
    yield asyncio.run(logins(own))
    with psycopg.connect(own.dsn, autocommit=True) as connection:
        for name in (PROJECTOR, READER, VAULT_STAGE, VAULT_READER):
            connection.execute(
                sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(name))
            )


async def _granted(dsn: str, role: str) -> dict[str, set[str]]:
    """Every table of ours, and what the role may do with it."""
    async with connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT c.oid::regclass::text, p FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace,"
            " unnest(%s::text[]) AS p WHERE c.relkind IN ('r', 'p', 'v', 'm')"
            " AND (n.nspname = 'public' OR n.nspname ~ '_v[0-9]+(_b[0-9]+)?$')"
            " AND has_table_privilege(%s, c.oid, p)",
            (["SELECT", *WRITES], role),
        )
        found: dict[str, set[str]] = {}
        for table, privilege in await cursor.fetchall():
            found.setdefault(table, set()).add(privilege)
    return found


async def test_the_api_reads_the_projections_and_writes_nothing(
    own: Settings, parts: Mapping[str, Settings]
) -> None:
    granted = await _granted(own.dsn, READER)
    assert granted["history_v1.dispensation"] == {"SELECT"}
    assert granted["catalogue_v1.entry"] == {"SELECT"}
    assert all(privileges == {"SELECT"} for privileges in granted.values())
    async with connect(parts["api"].dsn, autocommit=True) as connection:
        for statement in (
            "DELETE FROM access_state_v1.consent",
            "UPDATE projection_position SET position = 0",
            "INSERT INTO projection_failure (projection, category, topic) VALUES ('a', 'b', 'c')",
            "TRUNCATE history_v1.dispensation",
            "DROP TABLE history_v1.dispensation",
            "CREATE TABLE public.mine (a int)",
            "CREATE SCHEMA mine",
            "SELECT add_history_month('history_v1', '2026-01-01')",
            "SET ROLE dpp_projector",
            "ALTER ROLE dpp_reader SUPERUSER",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ):
            with pytest.raises(psycopg.Error) as refused:
                await connection.execute(statement.encode())
            assert isinstance(refused.value, InsufficientPrivilege), statement
        await connection.execute("SELECT count(*) FROM history_v1.dispensation")
        await connection.execute("LISTEN dpp_projection")


async def test_the_projector_writes_rows_and_adds_months_and_changes_no_table(
    own: Settings, parts: Mapping[str, Settings]
) -> None:
    granted = await _granted(own.dsn, PROJECTOR)
    for table in ("history_v1.dispensation", "surveillance_v1.pair", "projection_kept_from"):
        assert granted[table] == {"SELECT", "INSERT", "UPDATE", "DELETE"}, table
    assert granted["schema_migration"] == {"SELECT"}
    async with connect(parts["projections"].dsn, autocommit=True) as connection:
        await use_schema(connection, "history_v1")
        await ensure_months(connection, {date(2026, 1, 1), date(2026, 2, 1)})
        await ensure_months(connection, {date(2026, 1, 1)})
        for statement in (
            "TRUNCATE history_v1.dispensation",
            "DROP TABLE history_v1.dispensation_2026_01",
            "ALTER TABLE history_v1.dispensation DISABLE TRIGGER ALL",
            "CREATE SCHEMA history_v9",
            "DELETE FROM schema_migration",
        ):
            with pytest.raises(InsufficientPrivilege):
                await connection.execute(statement.encode())
        for version, month in (("public", "2026-01-01"), ("history_v1", "2026-03-02")):
            with pytest.raises(psycopg.errors.RaiseException):
                await connection.execute(
                    "SELECT public.add_history_month(%s, %s)", (version, month)
                )
    granted = await _granted(own.dsn, READER)
    assert granted["history_v1.dispensation_2026_01"] == {"SELECT"}


async def test_a_version_that_is_built_later_is_open_to_the_same_roles(own: Settings) -> None:
    async with connect(own.dsn, autocommit=True) as connection:
        await clone_tables(connection, "history_v1", "history_v1_b2")
    assert (await _granted(own.dsn, READER))["history_v1_b2.dispensation"] == {"SELECT"}
    writes = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert (await _granted(own.dsn, PROJECTOR))["history_v1_b2.dispensation"] == writes


async def test_the_api_fetches_from_the_vault_and_creates_and_destroys_nothing(
    own: Settings, parts: Mapping[str, Settings]
) -> None:
    async with pool(own.vault, maximum=2) as connections:
        owner = PostgresVault(connections, KEK)
        await owner.put_intake_key(IntakeKey("intake-1", bytes(96)))
        made = (await owner.subject_secrets(["known"]))["known"]
        await owner.root_key("pseudonym")
    async with pool(parts["api"].vault, maximum=2) as connections:
        vault = PostgresVault(connections, KEK)
        assert await vault.root_key("pseudonym")
        assert (await vault.find_subject_secrets([("known", 1)]))["known", 1] == made
        # The one thing that it makes, through the owner's function: who reads for the first time.
        reader = (await vault.reader_secrets(["reader"]))["reader"]
        vault.forget_all()
        assert (await vault.reader_secrets(["reader"]))["reader"] == reader
        for attempt in (
            lambda: vault.root_key("cursor"),
            lambda: vault.subject_secrets(["new"]),
            lambda: vault.period_secrets([date(2026, 1, 1)]),
            lambda: vault.put_intake_key(IntakeKey("intake-2", bytes(96))),
            vault.intake_keys,
            lambda: vault.destroy_intake_key("intake-1", AT),
            lambda: vault.destroy_subject("known", 1, AT),
        ):
            with pytest.raises(VaultUnavailable, match="may not do this"):
                await attempt()
        async with connections.connection() as connection:
            for statement in (
                "INSERT INTO reader_secret (reader, wrapped) VALUES ('x', '')",
                "UPDATE reader_secret SET wrapped = ''",
                "DELETE FROM subject_secret",
                "SELECT * FROM intake_key",
            ):
                with pytest.raises(InsufficientPrivilege):
                    await connection.execute(statement.encode())
                await connection.rollback()


async def test_the_stages_make_secrets_and_destroy_none(parts: Mapping[str, Settings]) -> None:
    async with connect(parts["quality"].vault) as connection:
        cursor = await connection.execute(
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee = %s AND privilege_type <> 'SELECT'",
            (VAULT_STAGE,),
        )
        granted = set(await cursor.fetchall())
    assert granted == {("subject_secret", "INSERT"), ("period_secret", "INSERT")}


async def test_owner_and_migrator_are_two_where_an_administrator_wants_it(
    settings: Settings, fresh_database: str
) -> None:
    """The migrator logs in under its own name and works as an owner that cannot log in."""
    names = {"owner": "test_dpp_owner", "login": "test_dpp_migrator"}
    password = "a-password"
    async with connect(fresh_database, autocommit=True) as connection:
        for statement in (
            "DROP ROLE IF EXISTS {login}",
            "DROP ROLE IF EXISTS {owner}",
            "CREATE ROLE {owner} NOLOGIN CREATEROLE",
            "CREATE ROLE {login} LOGIN PASSWORD {password} IN ROLE {owner}",
            "GRANT CREATE ON DATABASE {database} TO {owner}",
            "GRANT CREATE ON SCHEMA public TO {owner}",
        ):
            await connection.execute(
                sql.SQL(statement).format(
                    **{name: sql.Identifier(value) for name, value in names.items()},
                    password=sql.Literal(password),
                    database=sql.Identifier(connection.info.dbname),
                )
            )
        dsn = make_conninfo(
            fresh_database,
            user=names["login"],
            password=password,
            options=f"-c role={names['owner']}",
        )
        await migrate([Source("projections", "sql", dsn), migrations_source(dsn)])
        cursor = await connection.execute(
            "SELECT DISTINCT r.rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        assert await cursor.fetchall() == [(names["owner"],)]
        assert (await _granted(dsn, READER))["history_v1.dispensation"] == {"SELECT"}
        await connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(names["owner"])))
        for name in ("login", "owner"):
            await connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(names[name])))


def test_every_part_that_dpp_up_starts_has_its_roles() -> None:
    # The keeper takes months away and destroys secrets, as the owner.
    assert set(PARTS) - set(OF_PARTS) == {"keeper"}
    assert set(OF_PARTS) <= set(PARTS)
