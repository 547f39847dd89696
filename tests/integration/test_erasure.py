"""An executed erasure is carried out whatever happened before: crash, restored vault, return."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from consumers.erasure.carrying import CarriedOut, Scope, carry_out
from infra.keys.postgres import MIGRATIONS, PostgresVault
from infra.migrations import Source, migrate
from infra.postgres import Connection, Pool, connect, pool
from projections.erasure_queries import erasures
from schemas.keyvault import Shredded

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 26, tzinfo=UTC)
ANN, BEN, OFFICER = "a" * 26, "b" * 26, "o" * 26
KEK = bytes(range(32))


@dataclass
class World:
    """The projections' database and the vault, with Ann and Ben in both."""

    connection: Connection
    vaults: Pool
    vault: PostgresVault

    async def execute(self, query: str) -> list[tuple[object, ...]]:
        cursor = await self.connection.execute(query.encode())
        return await cursor.fetchall() if cursor.description else []

    async def carry_out(self, scope: Scope = "left") -> CarriedOut:
        return await carry_out(self.connection, self.vault, AT, scope)

    async def consents(self) -> list[tuple[object, ...]]:
        return await self.execute(
            "SELECT subject, generation FROM access_state_v1.consent ORDER BY 1, 2"
        )

    async def add_consent(self, subject: str, generation: int) -> None:
        await self.execute(
            "INSERT INTO access_state_v1.consent (subject, generation, id, recorded_partition,"
            " recorded_position, recorded_at, ce_id, event_type, author_role, author, sealed)"
            f" VALUES ('{subject}', {generation}, 'c', 0, 1, now(), 'c', 't', 'patient', 'p', '')"
        )


@pytest.fixture
async def world(fresh_database: str, second_database: str) -> AsyncIterator[World]:
    await migrate([Source("projections", "sql", fresh_database)])
    await migrate([Source(*MIGRATIONS, second_database)])
    async with (
        connect(fresh_database, autocommit=True) as connection,
        pool(second_database, maximum=2) as connections,
    ):
        made = World(connection, connections, PostgresVault(connections, KEK))
        await made.vault.subject_secrets([ANN, BEN])
        await made.execute(
            "INSERT INTO projection_version (projection, version, state)"
            " VALUES ('access_state', 1, 'live')"
        )
        for subject in (ANN, BEN):
            await made.add_consent(subject, 1)
        await made.execute(
            "INSERT INTO erasures_v1.erasure (subject, generation, id, recorded_partition,"
            " recorded_position, recorded_at, author, author_role, ground)"
            f" VALUES ('{ANN}', 1, 'erasure-0001', 0, 2, now(), 'p', 'patient', 'unlawful'),"
            f" ('{BEN}', 1, 'erasure-0002', 0, 3, now(), 'p', 'patient', 'unlawful')"
        )
        yield made


async def executed(world: World) -> None:
    await world.execute(
        "UPDATE erasures_v1.erasure SET executed_position = 9, executed_at = now(),"
        f" executed_by = '{OFFICER}' WHERE subject = '{ANN}'"
    )


async def test_nothing_happens_before_the_fact(world: World) -> None:
    assert await world.carry_out("anew") == CarriedOut()
    assert await world.consents() == [(ANN, 1), (BEN, 1)]


async def test_secret_and_rows_go_once_and_others_stay(world: World) -> None:
    await executed(world)
    assert await world.carry_out() == CarriedOut(secrets=1, rows=1)
    assert await world.carry_out() == CarriedOut()
    assert await world.consents() == [(BEN, 1)]
    found = await world.vault.find_subject_secrets([(ANN, 1), (BEN, 1)])
    assert found[ANN, 1] == Shredded("subject")
    assert found[BEN, 1] != Shredded("subject")
    assert [one.phase for one in await erasures(world.connection)] == ["removed", "requested"]


async def test_a_crash_between_secret_and_rows_is_made_good(world: World) -> None:
    await executed(world)
    await world.vault.destroy_subject(ANN, 1, AT)
    assert [one.phase for one in await erasures(world.connection)] == ["executed", "requested"]
    assert await world.carry_out() == CarriedOut(secrets=0, rows=1)


async def test_a_vault_that_was_restored_from_before_the_erasure_is_cleaned_again(
    world: World,
) -> None:
    async with world.vaults.connection() as connection:
        cursor = await connection.execute("SELECT subject, generation, wrapped FROM subject_secret")
        backup = await cursor.fetchall()
    await executed(world)
    await world.carry_out()
    async with world.vaults.connection() as connection:
        await connection.execute("DELETE FROM subject_secret")
        for row in backup:
            await connection.execute(
                "INSERT INTO subject_secret (subject, generation, wrapped) VALUES (%s, %s, %s)", row
            )
    world.vault.forget_all()
    assert await world.carry_out() == CarriedOut()
    assert await world.carry_out("all") == CarriedOut(secrets=1, rows=0)
    assert await world.carry_out("all") == CarriedOut()
    found = await world.vault.find_subject_secrets([(ANN, 1), (BEN, 1)])
    assert found[ANN, 1] == Shredded("subject")
    assert found[BEN, 1] != Shredded("subject")


async def test_a_vault_restored_from_before_the_person_never_makes_that_generation_again(
    world: World,
) -> None:
    await executed(world)
    await world.carry_out()
    async with world.vaults.connection() as connection:
        await connection.execute("DELETE FROM subject_secret WHERE subject = %s", (ANN,))
    world.vault.forget_all()
    await world.carry_out("anew")
    assert (await world.vault.subject_secrets([ANN]))[ANN].generation == 2


async def test_who_came_back_is_not_touched_by_the_former_erasure(world: World) -> None:
    await executed(world)
    await world.carry_out()
    back = (await world.vault.subject_secrets([ANN]))[ANN]
    await world.add_consent(ANN, 2)
    assert await world.carry_out("anew") == CarriedOut(secrets=1, rows=0)
    assert (await world.vault.subject_secrets([ANN]))[ANN] == back
    assert await world.consents() == [(ANN, 2), (BEN, 1)]
