"""Keys are replaced while everybody goes on working, and what is over is destroyed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from consumers.cli.main import app
from consumers.keys.rotation import destroy_retired
from consumers.stack.office import first_keys, init_office, office_signing_key, publish
from infra.kafka import producer
from infra.keys.kek import create_kek_file, load_kek
from infra.keys.opening import opened_vault
from infra.keys.postgres import MIGRATIONS, PostgresVault, WrongKek
from infra.migrations import Source, migrate
from infra.postgres import pool
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from schemas.keyvault import SubjectSecret
from schemas.publisher import REGISTRAR, BackboneKeyPublished
from schemas.sealing.office import OfficeKeys
from schemas.topics import PUBLISHER_SESSIONS
from streams.intake.keys import SigningKey
from streams.intake.session import open_session
from streams.sessions import Sessions

pytestmark = pytest.mark.integration
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def office(topics_applied: Settings, fresh_database: str, tmp_path: Path) -> Settings:
    """An office of the test's own, with a vault of its own."""
    await migrate([Source(*MIGRATIONS, fresh_database)])
    own = topics_applied.model_copy(
        update={"data": tmp_path, "vault_dsn": SecretStr(fresh_database)}
    )
    made = first_keys(own)
    await init_office(made)
    return made


@pytest.fixture
async def tables(office: Settings) -> AsyncIterator[BroadcastTables]:
    following = BroadcastTables(office, office.office_keys)
    await following.start()
    yield following
    await following.stop()


def command(office: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=office.environment())


def keys(office: Settings, *arguments: str) -> Result:
    return command(office, "keys", *arguments)


async def _registrar_session(office: Settings, tables: BroadcastTables) -> str:
    now = datetime.now(UTC)
    key = SigningKey.load(office.data / "office" / "registrar.key")
    session, record = open_session(REGISTRAR, key, tables.backbone_keys("intake")[-1], now)
    async with producer(office) as sender:
        await sender.send(
            PUBLISHER_SESSIONS.name, record.value, key=record.key, headers=record.headers
        )
    await tables.catch_up()
    return session.id


async def test_a_new_intake_key_takes_over_and_open_sessions_go_on(
    office: Settings, tables: BroadcastTables
) -> None:
    (former,) = tables.backbone_keys("intake")
    before = await _registrar_session(office, tables)
    done = await asyncio.to_thread(keys, office, "rotate-intake", "--json")
    assert done.exit_code == 0, done.output
    await tables.catch_up()
    (current,) = tables.backbone_keys("intake")
    assert current.key_id != former.key_id
    after = await _registrar_session(office, tables)
    now = datetime.now(UTC) + timedelta(minutes=1)
    async with opened_vault(office) as vault:
        intake = await vault.intake_keys()
        for session in (before, after):
            view = Sessions().view(tables, session, intake, now)
            assert view is not None
            assert view.key is not None
        assert await destroy_retired(tables, vault, now) == []
        due = now + timedelta(days=42)
        assert await destroy_retired(tables, vault, due) == [former.key_id]
        assert await destroy_retired(tables, vault, due) == []
        assert list(await vault.intake_keys()) == [current.key_id]


async def test_the_next_office_key_states_what_counts_and_the_former_one_nothing_more(
    office: Settings,
) -> None:
    since = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    said = f"--since={since:%Y-%m-%dT%H:%M:%S}"
    done = await asyncio.to_thread(command, office, "office", "rotate", said, "--json")
    assert done.exit_code == 0, done.output
    pinned = OfficeKeys.parse(json.loads(done.stdout)["office_public_key"])
    assert (pinned.first, pinned.later[0][0]) == (office.office_keys.first, since)
    former = office_signing_key(office.model_copy(update={"office_public_key": str(pinned)}))
    # As if that hour had passed: the next key signs since the beginning of time.
    begun = OfficeKeys(bytes(32), ((AT, pinned.later[0][1]),))
    rotated = office.model_copy(update={"office_public_key": str(begun)})
    key = office_signing_key(rotated)
    assert key.public_bytes == pinned.later[0][1] != former.public_bytes
    async with producer(office) as sender:
        for signer in (former, key):
            name = f"intake-by-{signer.key_id}"
            fact = BackboneKeyPublished(key_id=name, purpose="intake", public_key="A")
            await publish(sender, signer, fact)
    tables = BroadcastTables(rotated, rotated.office_keys)
    await tables.start()
    await tables.stop()
    counted = {one.key_id for one in tables.backbone_keys("intake")}
    assert counted == {f"intake-by-{key.key_id}"}
    too_soon = f"--since={datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    refused = await asyncio.to_thread(command, office, "office", "rotate", too_soon)
    assert refused.exit_code == 2


async def test_the_status_tells_ages_and_what_goes_when(
    office: Settings, tables: BroadcastTables
) -> None:
    async with opened_vault(office) as vault:
        await vault.subject_secrets(["a", "b"])
        await vault.destroy_subject("a", 1, AT)
        await vault.period_secrets([AT.date()])
    done = await asyncio.to_thread(keys, office, "status", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    vault_holds = {one["kind"]: (one["living"], one["destroyed"]) for one in told["vault"]}
    assert vault_holds["subject_secret"] == (1, 1)
    assert vault_holds["intake_key"] == (1, 0)
    assert told["oldest_day"] == "2026-03-01"
    (intake,) = [one for one in told["published"] if one["purpose"] == "intake"]
    assert intake["key"] == tables.backbone_keys("intake")[0].key_id
    assert (intake["destroyed_from"], intake["days"]) == (None, 0)
    (log,) = [one for one in told["published"] if one["purpose"] == "log"]
    assert (log["key"], log["retired"], log["days"]) == ("log-1", None, 0)
    shown = await asyncio.to_thread(keys, office, "status")
    assert "in the vault" in shown.stdout


async def test_another_key_encryption_key_takes_over_while_secrets_are_made_and_destroyed(
    office: Settings,
) -> None:
    new = office.data / "keys" / "new"
    create_kek_file(new)
    async with opened_vault(office) as vault:
        made = dict(await vault.subject_secrets([f"s{number}" for number in range(1500)]))
        days = await vault.period_secrets([AT.date()])
    swapped = office.model_copy(update={"kek_file": new, "kek_also_file": office.kek_file})
    stop = asyncio.Event()
    traffic = asyncio.create_task(_traffic(swapped, made, stop))
    done = await asyncio.to_thread(keys, swapped, "rewrap", "--json")
    stop.set()
    await traffic
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rewrapped"] >= 1500
    again = await asyncio.to_thread(keys, swapped, "rewrap", "--json")
    assert json.loads(again.stdout) == {"rewrapped": 0}
    alone = swapped.model_copy(update={"kek_also_file": None})
    async with opened_vault(alone) as vault:
        assert await vault.subject_secrets(list(made)) == made
        assert await vault.period_secrets([AT.date()]) == days
        assert list(await vault.intake_keys())
    async with pool(office.vault, maximum=1) as connections:
        with pytest.raises(WrongKek):
            await PostgresVault(connections, load_kek(office)).open()


async def _traffic(settings: Settings, made: dict[str, SubjectSecret], stop: asyncio.Event) -> None:
    """Secrets are made, read by a vault that caches nothing, and destroyed, until told to stop."""
    number = 0
    async with opened_vault(settings) as vault:
        while not stop.is_set():
            number += 1
            made.update(await vault.subject_secrets([f"t{number}"]))
            await vault.subject_secrets([f"gone{number}"])
            await vault.destroy_subject(f"gone{number}", 1, AT)
            vault.forget_all()
            assert await vault.subject_secrets(["s1"]) == {"s1": made["s1"]}


def test_rewrapping_needs_the_former_key_bad(office: Settings) -> None:
    done = keys(office, "rewrap")
    assert done.exit_code == 3
    assert "DPP_KEK_ALSO_FILE" in done.stderr
