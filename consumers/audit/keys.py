"""A vault for a stage that only derives: it answers from what is there and makes nothing.

Where the stage would have a secret made, or made anew after an erasure, it gets a stand-in, and
whoever asks learns afterwards for whom and for which days.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Final, NoReturn

from infra.errors import InfrastructureError
from schemas.envelope import EnvelopeFault, parse
from schemas.keyvault import (
    DestroyedPeriod,
    IntakeKey,
    KeyReader,
    PeriodSecret,
    RootKeyName,
    Shredded,
    SubjectSecret,
)
from streams.engine.stage import Submission
from streams.sessions import Tables

_STAND_IN: Final = bytes(32)
_LATER: Final = 2**31
"""A generation after every other: what a line of an erased subject belongs to is destroyed."""


class KeysMissing(InfrastructureError):
    """The vault at hand cannot open submissions."""


class ReadingVault:
    """Implements `schemas.keyvault.KeyVault` over a `KeyReader`."""

    def __init__(self, reader: KeyReader) -> None:
        self._reader = reader
        self.erased: set[str] = set()
        """Subjects of which a generation was destroyed, as far as they were asked for."""
        self.unknown: set[str | date] = set()
        """Subjects and days that have no secret, as far as they were asked for."""
        self.intake: frozenset[str] = frozenset()
        """Ids of the intake keys that are left."""

    async def root_key(self, name: RootKeyName) -> bytes:
        """A key of the installation.

        Raises:
            KeysMissing: it was never made.
        """
        found = await self._reader.look_up_root_key(name)
        if found is None:
            raise KeysMissing(
                f"The key vault holds no {name} key, so it is not the one of this log: give the "
                "backbone's own in DPP_VAULT_DSN and DPP_KEK_FILE."
            )
        return found

    async def subject_secrets(self, subjects: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The latest secret of each subject, or a stand-in."""
        found = await self._reader.look_up_subjects(subjects)
        answers: dict[str, SubjectSecret] = {}
        for subject in subjects:
            secret = found.get(subject)
            if isinstance(secret, SubjectSecret):
                answers[subject] = secret
                if secret.generation > 1:
                    self.erased.add(subject)
            elif secret is None:
                answers[subject] = SubjectSecret(subject, 1, _STAND_IN)
                self.unknown.add(subject)
            else:
                answers[subject] = SubjectSecret(subject, _LATER, _STAND_IN)
                self.erased.add(subject)
        return answers

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        """As the vault has them."""
        return await self._reader.find_subject_secrets(wanted)

    async def reader_secrets(self, readers: Collection[str]) -> Mapping[str, SubjectSecret]:
        """No stage asks for readers."""
        del readers
        self._refuse()

    async def period_secrets(
        self, days: Collection[date]
    ) -> Mapping[date, PeriodSecret | DestroyedPeriod]:
        """The secret of each day, its tombstone, or a stand-in."""
        found = await self._reader.look_up_days(days)
        self.unknown |= set(days) - found.keys()
        return {day: found.get(day, PeriodSecret("unknown", day, _STAND_IN)) for day in days}

    async def find_periods(
        self, periods: Collection[str]
    ) -> Mapping[str, PeriodSecret | DestroyedPeriod]:
        """As the vault has them."""
        return await self._reader.find_periods(periods)

    async def intake_keys(self) -> Mapping[str, IntakeKey]:
        """Every intake key that is not destroyed.

        Raises:
            KeysMissing: there is none, so that no submission can be opened.
        """
        found = await self._reader.intake_keys()
        if not found:
            raise KeysMissing(
                "The key vault holds no intake key, so submissions cannot be opened: run this "
                "where the backbone's own vault may be read (DPP_VAULT_DSN, DPP_KEK_FILE)."
            )
        self.intake = frozenset(found)
        return found

    async def put_intake_key(self, key: IntakeKey) -> None:
        """An audit makes no keys."""
        del key
        self._refuse()

    async def destroy_intake_key(self, key_id: str, at: datetime) -> None:
        """An audit destroys nothing."""
        del key_id, at
        self._refuse()

    async def destroy_subject(self, subject: str, generation: int, at: datetime) -> None:
        """An audit destroys nothing."""
        del subject, generation, at
        self._refuse()

    async def destroy_period(self, period: str, at: datetime) -> None:
        """An audit destroys nothing."""
        del period, at
        self._refuse()

    def forget(self, subjects: Collection[str]) -> None:
        """Nothing is kept."""

    def _refuse(self) -> NoReturn:
        raise PermissionError("an audit neither makes nor destroys keys")


def is_locked(tables: Tables, vault: ReadingVault, submission: Submission) -> bool:
    """Whether the session of a submission is one that no key opens any more."""
    parsed = parse(submission.headers)
    if isinstance(parsed, EnvelopeFault):
        return False
    session = tables.session(parsed.extensions.get("sessionid", ""))
    return session is not None and session.opened.intake_key not in vault.intake
