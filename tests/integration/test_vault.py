"""The vault on the real database: its promises, races, caches, and what stands in its rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.keys.heeding import heeding_erasures
from infra.keys.postgres import ERASED_CHANNEL, MIGRATIONS, PostgresVault, WrongKek
from infra.keys.wrapping import SecretDamaged
from infra.migrations import Source, migrate
from infra.postgres import Pool, pool
from schemas.keyvault import (
    DestroyedPeriod,
    IntakeKey,
    KeyVault,
    Shredded,
    SubjectSecret,
    VaultUnavailable,
)
from tests.contracts.keyvault import AT, DAY, INTAKE, NEXT_DAY, KeyVaultContract

pytestmark = pytest.mark.integration

KEK = bytes(range(100, 132))
TABLES = ("root_key", "subject_secret", "reader_secret", "period_secret", "intake_key")


Call = Callable[[], Awaitable[object]]
VaultCall = Callable[[PostgresVault], Awaitable[object]]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def database(fresh_database: str) -> str:
    await migrate([Source(*MIGRATIONS, fresh_database)])
    return fresh_database


@pytest.fixture
async def connections(database: str) -> AsyncIterator[Pool]:
    async with pool(database, maximum=4) as opened:
        yield opened


@pytest.fixture
def vault(connections: Pool) -> PostgresVault:
    return PostgresVault(connections, KEK)


async def rows(connections: Pool, query: str) -> list[tuple[object, ...]]:
    async with connections.connection() as connection:
        cursor = await connection.execute(query.encode())
        return await cursor.fetchall() if cursor.description else []


class TestPostgresVault(KeyVaultContract):
    @pytest.fixture
    def vault(self, connections: Pool) -> KeyVault:
        return PostgresVault(connections, KEK)


class TestPostgresVaultThatCachesNothing(KeyVaultContract):
    @pytest.fixture
    def vault(self, connections: Pool) -> KeyVault:
        seconds = iter(range(0, 10**9, 61))
        return PostgresVault(connections, KEK, lambda: float(next(seconds)))


async def test_vaults_that_race_for_the_same_secrets_agree(connections: Pool) -> None:
    subjects = [f"s{number}" for number in range(500)]
    days = [date(2026, 1, day) for day in range(1, 29)]
    one, two = PostgresVault(connections, KEK), PostgresVault(connections, KEK)
    first, second = await asyncio.gather(
        one.subject_secrets(subjects), two.subject_secrets(subjects[::-1])
    )
    others: Sequence[object] = await asyncio.gather(
        one.reader_secrets(subjects),
        two.reader_secrets(subjects[::-1]),
        one.period_secrets(days),
        two.period_secrets(days[::-1]),
        one.root_key("pseudonym"),
        two.root_key("pseudonym"),
    )
    assert first == second
    assert len(first) == 500
    assert others[0::2] == others[1::2]


async def test_an_answer_waits_for_a_rival_that_has_not_committed(
    connections: Pool, vault: PostgresVault
) -> None:
    rival = PostgresVault(connections, KEK)
    await vault.open()
    async with connections.connection() as slow, slow.transaction():
        wrapped = rival._new("subject_secret", "a", "1")
        await slow.execute(
            "INSERT INTO subject_secret (subject, generation, wrapped) VALUES ('a', 1, %s)",
            (wrapped,),
        )
        asking = asyncio.create_task(vault.subject_secrets(["a"]))
        await _blocked(connections)
    secret = rival._subject("a", 1, wrapped)
    assert await asking == {"a": secret}


async def _blocked(connections: Pool) -> None:
    """Returns once somebody in this database waits for a lock."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    found: list[tuple[object, ...]] = []
    while not found:
        found = await rows(connections, waiting)


async def test_an_erasure_that_races_leaves_the_subject_with_one_living_secret(
    connections: Pool,
) -> None:
    one, two = PostgresVault(connections, KEK), PostgresVault(connections, KEK)
    for generation in range(1, 11):
        await asyncio.gather(
            one.subject_secrets(["a"]),
            two.destroy_subject("a", generation, AT),
            two.subject_secrets(["a"]),
        )
        one.forget(["a"])
        two.forget(["a"])
        first, second = await asyncio.gather(one.subject_secrets(["a"]), two.subject_secrets(["a"]))
        assert first == second


async def test_a_batch_costs_one_round_trip_and_a_cached_one_none(
    database: str, tmp_path: Path
) -> None:
    subjects = [f"s{number}" for number in range(300)]
    async with pool(database, minimum=1, maximum=1) as single:
        vault = PostgresVault(single, KEK)
        await vault.open()
        calls: list[tuple[Call, int]] = [
            (lambda: vault.subject_secrets(subjects), 1),
            (lambda: vault.subject_secrets(subjects), 0),
            (lambda: vault.find_subject_secrets([(s, 1) for s in subjects]), 0),
            (lambda: vault.subject_secrets([*subjects, "more"]), 1),
            (lambda: vault.reader_secrets(subjects), 1),
            (lambda: vault.period_secrets([DAY, NEXT_DAY]), 1),
            (lambda: vault.period_secrets([DAY]), 0),
        ]
        for number, (call, _) in enumerate(calls):
            await _traced(single, call, tmp_path / str(number))
    counted = [_round_trips(tmp_path / str(number)) for number in range(len(calls))]
    assert counted == [expected for _, expected in calls]


async def _traced(single: Pool, call: Call, trace: Path) -> None:
    with trace.open("wb") as file:
        async with single.connection() as connection:
            connection.pgconn.trace(file.fileno())
        await call()
        async with single.connection() as connection:
            connection.pgconn.untrace()


def _round_trips(trace: Path) -> int:
    """How often the server was waited for: once for each time that it says it is ready again."""
    lines = (line.split("\t") for line in trace.read_text().splitlines())
    return sum(parts[1:2] == ["B"] and "ReadyForQuery" in parts for parts in lines)


async def test_a_cached_secret_is_asked_for_again_after_sixty_seconds(connections: Pool) -> None:
    clock = Clock()
    cached, other = PostgresVault(connections, KEK, clock), PostgresVault(connections, KEK)
    made = await cached.subject_secrets(["a"])
    await other.destroy_subject("a", 1, AT)
    clock.now = 59.9
    assert await cached.subject_secrets(["a"]) == made
    clock.now = 60
    assert (await cached.subject_secrets(["a"]))["a"].generation == 2


async def test_a_destroyed_day_is_noticed_elsewhere_within_sixty_seconds(connections: Pool) -> None:
    clock = Clock()
    cached, other = PostgresVault(connections, KEK, clock), PostgresVault(connections, KEK)
    made = (await cached.period_secrets([DAY]))[DAY]
    await cached.find_periods([made.period])
    await other.destroy_period(made.period, AT)
    clock.now = 60
    tombstone = DestroyedPeriod(made.period, DAY)
    assert await cached.period_secrets([DAY]) == {DAY: tombstone}
    assert await cached.find_periods([made.period]) == {made.period: tombstone}


async def test_a_forgotten_subject_is_asked_for_at_once(connections: Pool) -> None:
    cached, other = PostgresVault(connections, KEK), PostgresVault(connections, KEK)
    await cached.subject_secrets(["a"])
    await other.destroy_subject("a", 1, AT)
    cached.forget(["a"])
    assert await cached.find_subject_secrets([("a", 1)]) == {("a", 1): Shredded("subject")}


async def test_a_later_generation_than_the_cached_one_is_found(connections: Pool) -> None:
    cached, other = PostgresVault(connections, KEK), PostgresVault(connections, KEK)
    await cached.subject_secrets(["a"])
    await other.destroy_subject("a", 1, AT)
    second = (await other.subject_secrets(["a"]))["a"]
    found = await cached.find_subject_secrets([("a", 1), ("a", 2)])
    assert found == {("a", 1): Shredded("subject"), ("a", 2): second}


async def test_an_erasure_elsewhere_reaches_the_cache_at_once_and_after_a_cut_line(
    database: str, connections: Pool
) -> None:
    cached, other = PostgresVault(connections, KEK), PostgresVault(connections, KEK)
    await cached.subject_secrets(["a", "b"])
    async with heeding_erasures(database, cached):
        await cached.subject_secrets(["a", "b"])
        await other.destroy_subject("a", 1, AT)
        await _shredded(cached, "a")
        await rows(connections, _CUT)
        await other.destroy_subject("b", 1, AT)
        await _shredded(cached, "b")


_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    f" WHERE query = 'LISTEN {ERASED_CHANNEL}' AND datname = current_database()"
)


async def _shredded(vault: PostgresVault, subject: str) -> None:
    wanted, found = (subject, 1), None
    async with asyncio.timeout(120):
        while found != Shredded("subject"):
            found = (await vault.find_subject_secrets([wanted]))[wanted]
            await asyncio.sleep(0.01)


async def test_the_caches_stay_bounded(connections: Pool) -> None:
    vault = PostgresVault(connections, KEK, max_cached=10)
    made = await vault.subject_secrets([f"s{number}" for number in range(50)])
    assert len(made) == 50
    assert len(vault._subjects) == 10


async def test_secrets_outlive_the_process(connections: Pool, vault: PostgresVault) -> None:
    made = (
        await vault.root_key("pseudonym"),
        await vault.subject_secrets(["a"]),
        await vault.reader_secrets(["a"]),
        await vault.period_secrets([DAY]),
    )
    await vault.put_intake_key(INTAKE)
    again = PostgresVault(connections, KEK)
    assert made == (
        await again.root_key("pseudonym"),
        await again.subject_secrets(["a"]),
        await again.reader_secrets(["a"]),
        await again.period_secrets([DAY]),
    )
    assert await again.intake_keys() == {INTAKE.key_id: INTAKE}


async def test_no_row_holds_a_secret_in_clear(connections: Pool, vault: PostgresVault) -> None:
    period = (await vault.period_secrets([DAY]))[DAY]
    await vault.put_intake_key(INTAKE)
    known = (
        await vault.root_key("index"),
        (await vault.subject_secrets(["a"]))["a"].secret,
        (await vault.reader_secrets(["a"]))["a"].secret,
        getattr(period, "secret"),  # noqa: B009 - a tombstone has none, and would fail here
        INTAKE.private_key,
        KEK,
    )
    kept = [str(row) for table in TABLES for row in await rows(connections, f"TABLE {table}")]
    kept += [str(row) for row in await rows(connections, "TABLE kek_fingerprint")]
    assert len(kept) == 6
    assert not [secret for secret in known if any(str(secret)[2:-1] in row for row in kept)]


async def test_destroying_takes_the_bytes_out_and_dates_the_tombstone(
    connections: Pool, vault: PostgresVault
) -> None:
    period = (await vault.period_secrets([DAY]))[DAY]
    await vault.subject_secrets(["a"])
    await vault.put_intake_key(INTAKE)
    await vault.destroy_subject("a", 1, AT)
    await vault.destroy_period(period.period, AT)
    await vault.destroy_intake_key(INTAKE.key_id, AT)
    for table in ("subject_secret", "period_secret", "intake_key"):
        assert await rows(connections, f"SELECT wrapped, destroyed_at FROM {table}") == [(None, AT)]


@pytest.mark.parametrize("column", ["subject", "generation"])
async def test_a_row_moved_to_another_identity_is_not_used(connections: Pool, column: str) -> None:
    await PostgresVault(connections, KEK).subject_secrets(["a"])
    value = {"subject": "'b'", "generation": "2"}[column]
    await rows(connections, f"UPDATE subject_secret SET {column} = {value}")
    with pytest.raises(SecretDamaged, match="subject_secret"):
        await PostgresVault(connections, KEK).subject_secrets(["a", "b"])


async def test_swapped_days_are_not_used(connections: Pool) -> None:
    await PostgresVault(connections, KEK).period_secrets([DAY, NEXT_DAY])
    swap = (
        "UPDATE period_secret AS one SET wrapped = other.wrapped "
        "FROM period_secret AS other WHERE one.day <> other.day"
    )
    await rows(connections, swap)
    with pytest.raises(SecretDamaged, match="period_secret"):
        await PostgresVault(connections, KEK).period_secrets([DAY])


async def _root(vault: PostgresVault) -> object:
    return await vault.root_key("pseudonym")


async def _subjects(vault: PostgresVault) -> object:
    return await vault.subject_secrets(["a"])


async def _find(vault: PostgresVault) -> object:
    return await vault.find_subject_secrets([("a", 1)])


async def _readers(vault: PostgresVault) -> object:
    return await vault.reader_secrets(["a"])


async def _days(vault: PostgresVault) -> object:
    return await vault.period_secrets([DAY])


async def _periods(vault: PostgresVault) -> object:
    return await vault.find_periods(["a"])


async def _intake(vault: PostgresVault) -> object:
    return await vault.intake_keys()


async def _put(vault: PostgresVault) -> None:
    await vault.put_intake_key(IntakeKey("intake-9", bytes(96)))


async def _erase(vault: PostgresVault) -> None:
    await vault.destroy_subject("a", 1, AT)


async def _destroy(vault: PostgresVault) -> None:
    await vault.destroy_period("a", AT)


async def _destroy_intake(vault: PostgresVault) -> None:
    await vault.destroy_intake_key("a", AT)


CALLS = [
    *(_root, _subjects, _find, _readers, _days, _periods),
    *(_intake, _put, _erase, _destroy, _destroy_intake),
]


@pytest.mark.parametrize("call", CALLS)
async def test_another_key_encryption_key_is_refused_and_changes_nothing(
    connections: Pool, vault: PostgresVault, call: VaultCall
) -> None:
    made = await vault.subject_secrets(["a"])
    other = PostgresVault(connections, bytes(32))
    with pytest.raises(WrongKek, match="DPP_KEK"):
        await call(other)
    assert await PostgresVault(connections, KEK).subject_secrets(["a"]) == made


@pytest.mark.parametrize("call", CALLS)
async def test_a_database_that_ends_connections_makes_the_vault_unavailable(
    database: str, call: VaultCall
) -> None:
    async with pool(database, minimum=1, maximum=1) as single:
        vault = PostgresVault(single, KEK)
        await vault.open()
        await _end_connections(database)
        with pytest.raises(VaultUnavailable, match="key vault did not answer"):
            await call(vault)
        await call(vault)


async def _end_connections(database: str) -> None:
    dsn = make_conninfo(database, dbname="postgres")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )


async def test_a_pool_without_a_free_connection_makes_the_vault_unavailable(database: str) -> None:
    async with pool(database, minimum=1, maximum=1) as single:
        vault = PostgresVault(single, KEK)
        await vault.open()
        single.timeout = 0.05
        async with single.connection():
            with pytest.raises(VaultUnavailable, match="PoolTimeout"):
                await vault.subject_secrets(["a"])
        assert isinstance((await vault.subject_secrets(["a"]))["a"], SubjectSecret)


async def test_a_closed_pool_makes_the_vault_unavailable(database: str) -> None:
    async with pool(database) as opened:
        vault = PostgresVault(opened, KEK)
    with pytest.raises(VaultUnavailable, match="PoolClosed"):
        await vault.open()
