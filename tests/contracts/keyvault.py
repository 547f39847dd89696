"""What every key vault promises, as tests that each adapter's test class inherits.

A subclass brings a fixture `vault` that answers an empty vault.
"""

import asyncio
from datetime import UTC, date, datetime
from typing import Protocol

import pytest

from schemas.keyvault import (
    DestroyedPeriod,
    IntakeKey,
    KeyReader,
    KeyVault,
    PeriodSecret,
    Shredded,
)

AT = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = date(2026, 2, 28)
NEXT_DAY = date(2026, 3, 1)
INTAKE = IntakeKey("intake-1", bytes(range(96)))


class ReadableVault(KeyVault, KeyReader, Protocol):
    """What both adapters are."""


class KeyVaultContract:
    """Inherit, and add the fixture `vault`."""

    async def test_root_keys_are_made_once_and_differ_by_name(self, vault: KeyVault) -> None:
        first = [await vault.root_key(name) for name in ("pseudonym", "index", "cursor")]
        again = [await vault.root_key(name) for name in ("pseudonym", "index", "cursor")]
        assert first == again
        assert len(set(first)) == 3
        assert {len(key) for key in first} == {32}

    async def test_looking_up_makes_nothing(self, vault: ReadableVault) -> None:
        assert await vault.look_up_root_key("pseudonym") is None
        assert await vault.look_up_subjects(["a"]) == {}
        assert await vault.look_up_days([DAY]) == {}
        assert await vault.look_up_root_key("pseudonym") is None
        assert await vault.look_up_subjects(["a"]) == {}
        assert await vault.look_up_days([DAY]) == {}

    async def test_what_was_made_is_looked_up(self, vault: ReadableVault) -> None:
        root = await vault.root_key("pseudonym")
        subjects = await vault.subject_secrets(["a", "b"])
        days = await vault.period_secrets([DAY, NEXT_DAY])
        assert await vault.look_up_root_key("pseudonym") == root
        assert await vault.look_up_root_key("index") is None
        assert await vault.look_up_subjects(["b", "unknown"]) == {"b": subjects["b"]}
        assert await vault.look_up_days([DAY]) == {DAY: days[DAY]}

    async def test_what_was_destroyed_is_looked_up_as_such(self, vault: ReadableVault) -> None:
        await vault.subject_secrets(["a", "b"])
        await vault.destroy_subject("a", 1, AT)
        await vault.destroy_subject("b", 1, AT)
        back = (await vault.subject_secrets(["b"]))["b"]
        period = (await vault.period_secrets([DAY]))[DAY].period
        await vault.destroy_period(period, AT)
        assert await vault.look_up_subjects(["a", "b"]) == {"a": Shredded("subject"), "b": back}
        assert back.generation == 2
        assert await vault.look_up_days([DAY]) == {DAY: DestroyedPeriod(period, DAY)}

    async def test_a_subject_keeps_its_secret(self, vault: KeyVault) -> None:
        made = (await vault.subject_secrets(["a", "b"]))["a"]
        assert (made.subject, made.generation, len(made.secret)) == ("a", 1, 32)
        assert (await vault.subject_secrets(["c", "a"]))["a"] == made

    async def test_every_subject_has_its_own_secret(self, vault: KeyVault) -> None:
        subjects = [f"s{number}" for number in range(200)]
        made = await vault.subject_secrets(subjects)
        assert set(made) == set(subjects)
        assert len({secret.secret for secret in made.values()}) == len(subjects)

    async def test_a_batch_may_be_empty_or_name_somebody_twice(self, vault: KeyVault) -> None:
        assert await vault.subject_secrets([]) == {}
        assert await vault.find_subject_secrets([]) == {}
        assert await vault.reader_secrets([]) == {}
        assert await vault.period_secrets([]) == {}
        assert await vault.find_periods([]) == {}
        assert set(await vault.subject_secrets(["a", "a"])) == {"a"}

    async def test_names_that_look_like_sql_or_text_formats_are_only_names(
        self, vault: KeyVault
    ) -> None:
        names = ["'; --", '{"a",b}', "%s", "é\\", "NULL", ""]
        made = await vault.subject_secrets(names)
        assert await vault.subject_secrets(names) == made
        assert set(made) == set(names)

    async def test_a_secret_is_found_by_subject_and_generation(self, vault: KeyVault) -> None:
        made = (await vault.subject_secrets(["a"]))["a"]
        found = await vault.find_subject_secrets([("a", 1), ("a", 2), ("unknown", 1)])
        assert found == {
            ("a", 1): made,
            ("a", 2): Shredded("subject"),
            ("unknown", 1): Shredded("subject"),
        }

    async def test_looking_for_a_secret_makes_none(self, vault: ReadableVault) -> None:
        await vault.find_subject_secrets([("a", 1)])
        assert await vault.look_up_subjects(["a"]) == {}

    async def test_an_erased_subject_is_shredded_at_once(self, vault: KeyVault) -> None:
        await vault.subject_secrets(["a", "b"])
        await vault.destroy_subject("a", 1, AT)
        found = await vault.find_subject_secrets([("a", 1), ("b", 1)])
        assert found["a", 1] == Shredded("subject")
        assert found["b", 1] != Shredded("subject")

    async def test_erasing_again_leaves_who_came_back(self, vault: KeyVault) -> None:
        await vault.subject_secrets(["a"])
        await vault.destroy_subject("a", 1, AT)
        back = (await vault.subject_secrets(["a"]))["a"]
        await vault.destroy_subject("a", 1, AT)
        assert (await vault.subject_secrets(["a"]))["a"] == back

    async def test_a_generation_that_this_vault_never_made_is_erased_all_the_same(
        self, vault: KeyVault
    ) -> None:
        await vault.subject_secrets(["a"])
        await vault.destroy_subject("a", 3, AT)
        await vault.destroy_subject("a", 2, AT)
        assert (await vault.subject_secrets(["a"]))["a"].generation == 4
        found = await vault.find_subject_secrets([("a", 1), ("a", 3)])
        assert set(found.values()) == {Shredded("subject")}

    async def test_an_erased_subject_that_comes_back_gets_the_next_generation(
        self, vault: KeyVault
    ) -> None:
        secrets = set()
        for generation in (1, 2, 3):
            made = (await vault.subject_secrets(["b", "a"]))["a"]
            assert made.generation == generation
            secrets.add(made.secret)
            await vault.destroy_subject("a", generation, AT)
        assert len(secrets) == 3
        assert (await vault.subject_secrets(["b"]))["b"].generation == 1

    async def test_the_living_generation_does_not_open_the_erased_one(
        self, vault: KeyVault
    ) -> None:
        await vault.subject_secrets(["a"])
        await vault.destroy_subject("a", 1, AT)
        living = (await vault.subject_secrets(["a"]))["a"]
        found = await vault.find_subject_secrets([("a", 1), ("a", 2)])
        assert found == {("a", 1): Shredded("subject"), ("a", 2): living}

    async def test_readers_have_secrets_of_their_own(self, vault: KeyVault) -> None:
        reader = (await vault.reader_secrets(["a", "b"]))["a"]
        subject = (await vault.subject_secrets(["a"]))["a"]
        assert reader.generation == 1
        assert reader.secret != subject.secret
        assert (await vault.reader_secrets(["a"]))["a"] == reader

    async def test_erasing_a_subject_leaves_the_reader_of_that_name(self, vault: KeyVault) -> None:
        reader = (await vault.reader_secrets(["a"]))["a"]
        await vault.subject_secrets(["a"])
        await vault.destroy_subject("a", 1, AT)
        assert (await vault.reader_secrets(["a"]))["a"] == reader

    async def test_a_day_keeps_its_secret_and_is_found_by_its_opaque_id(
        self, vault: KeyVault
    ) -> None:
        made = await vault.period_secrets([NEXT_DAY, DAY])
        period = made[DAY]
        assert isinstance(period, PeriodSecret)
        assert (period.day, len(period.secret)) == (DAY, 32)
        assert str(DAY.year) not in period.period[:4]
        assert await vault.period_secrets([DAY]) == {DAY: period}
        assert await vault.find_periods([period.period, "unknown"]) == {period.period: period}
        assert made[NEXT_DAY] != period

    async def test_a_destroyed_day_is_never_made_again(self, vault: KeyVault) -> None:
        made = (await vault.period_secrets([DAY]))[DAY]
        for _ in range(2):
            await vault.destroy_period(made.period, AT)
            tombstone = DestroyedPeriod(made.period, DAY)
            assert await vault.period_secrets([DAY]) == {DAY: tombstone}
            assert await vault.find_periods([made.period]) == {made.period: tombstone}

    async def test_destroying_an_unknown_day_changes_nothing(self, vault: KeyVault) -> None:
        made = await vault.period_secrets([DAY])
        await vault.destroy_period("unknown", AT)
        assert await vault.period_secrets([DAY]) == made

    async def test_intake_keys_are_kept_as_they_were_put(self, vault: KeyVault) -> None:
        second = IntakeKey("intake-2", bytes(96))
        assert await vault.intake_keys() == {}
        await vault.put_intake_key(INTAKE)
        await vault.put_intake_key(second)
        assert await vault.intake_keys() == {"intake-1": INTAKE, "intake-2": second}

    async def test_an_intake_key_is_never_replaced(self, vault: KeyVault) -> None:
        await vault.put_intake_key(INTAKE)
        with pytest.raises(ValueError, match="intake-1"):
            await vault.put_intake_key(IntakeKey("intake-1", bytes(96)))
        assert await vault.intake_keys() == {"intake-1": INTAKE}

    async def test_a_destroyed_intake_key_is_gone_and_its_id_is_spent(
        self, vault: KeyVault
    ) -> None:
        await vault.put_intake_key(INTAKE)
        for key_id in ("intake-1", "intake-1", "unknown"):
            await vault.destroy_intake_key(key_id, AT)
        assert await vault.intake_keys() == {}
        with pytest.raises(ValueError, match="intake-1"):
            await vault.put_intake_key(INTAKE)

    async def test_forgetting_changes_no_answer(self, vault: KeyVault) -> None:
        made = await vault.subject_secrets(["a"])
        vault.forget(["a", "unknown"])
        assert await vault.subject_secrets(["a"]) == made

    async def test_tasks_that_ask_at_once_agree(self, vault: KeyVault) -> None:
        subjects = [f"s{number}" for number in range(20)]
        answers = await asyncio.gather(
            *(vault.subject_secrets(subjects[start:] + subjects[:start]) for start in range(8))
        )
        days = await asyncio.gather(*(vault.period_secrets([DAY, NEXT_DAY]) for _ in range(8)))
        roots = await asyncio.gather(*(vault.root_key("pseudonym") for _ in range(8)))
        assert all(answer == answers[0] for answer in answers)
        assert all(answer == days[0] for answer in days)
        assert len(set(roots)) == 1

    async def test_no_answer_shows_a_secret_in_its_text(self, vault: KeyVault) -> None:
        await vault.put_intake_key(INTAKE)
        subject = (await vault.subject_secrets(["a"]))["a"]
        period = (await vault.period_secrets([DAY]))[DAY]
        assert isinstance(period, PeriodSecret)
        shown = repr((subject, period, await vault.intake_keys()))
        for secret in (subject.secret, period.secret, INTAKE.private_key):
            assert repr(secret) not in shown
