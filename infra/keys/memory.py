"""The vault without a server, for tests and offline checks: the same promises, gone at the end."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from infra.keys.wrapping import new_period_id, new_secret
from schemas.keyvault import (
    DestroyedPeriod,
    IntakeKey,
    PeriodSecret,
    RootKeyName,
    Shredded,
    SubjectSecret,
)


class MemoryVault:
    """Implements `KeyVault` and `KeyReader`; always available, caches nothing."""

    def __init__(self) -> None:
        self._roots: dict[RootKeyName, bytes] = {}
        self._living: dict[str, SubjectSecret] = {}
        self._erased: dict[str, int] = {}
        self._readers: dict[str, SubjectSecret] = {}
        self._periods: dict[str, PeriodSecret | DestroyedPeriod] = {}
        self._days: dict[date, str] = {}
        self._intake: dict[str, IntakeKey | None] = {}

    async def root_key(self, name: RootKeyName) -> bytes:
        """A 32-byte key of the installation, made at first use."""
        return self._roots.setdefault(name, self._new_secret("root", name))

    async def look_up_root_key(self, name: RootKeyName) -> bytes | None:
        """A key of the installation, if it was ever made."""
        return self._roots.get(name)

    async def look_up_subjects(
        self, subjects: Collection[str]
    ) -> Mapping[str, SubjectSecret | Shredded]:
        """The secret of each subject's latest generation; `Shredded` where that is erased."""
        erased = {one: Shredded("subject") for one in subjects if one in self._erased}
        living = {one: self._living[one] for one in subjects if one in self._living}
        return {**erased, **living}

    async def look_up_days(
        self, days: Collection[date]
    ) -> Mapping[date, PeriodSecret | DestroyedPeriod]:
        """The secret of each day, or its tombstone."""
        return {day: self._periods[self._days[day]] for day in days if day in self._days}

    async def subject_secrets(self, subjects: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The living secret of each subject, made where there is none (next generation)."""
        for subject in subjects:
            if subject not in self._living:
                generation = self._erased.get(subject, 0) + 1
                secret = self._new_secret("subject", subject, str(generation))
                self._living[subject] = SubjectSecret(subject, generation, secret)
        return {subject: self._living[subject] for subject in subjects}

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        """Secrets by (subject, generation); an erased or unknown one is `Shredded`."""
        return {(subject, number): self._find(subject, number) for subject, number in wanted}

    async def reader_secrets(self, readers: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The secret of each reader, made where there is none; generation is always 1."""
        for reader in readers:
            secret = self._new_secret("reader", reader)
            self._readers.setdefault(reader, SubjectSecret(reader, 1, secret))
        return {reader: self._readers[reader] for reader in readers}

    async def period_secrets(
        self, days: Collection[date]
    ) -> Mapping[date, PeriodSecret | DestroyedPeriod]:
        """The secret of each day, made where there is none; a destroyed day is never made again."""
        for day in days:
            if day not in self._days:
                secret = self._new_secret("period", day.isoformat())
                made = PeriodSecret(self._new_period_id(day), day, secret)
                self._days[day] = made.period
                self._periods[made.period] = made
        return {day: self._periods[self._days[day]] for day in days}

    async def find_periods(
        self, periods: Collection[str]
    ) -> Mapping[str, PeriodSecret | DestroyedPeriod]:
        """Days and secrets by opaque id; an unknown id is left out."""
        return {period: self._periods[period] for period in periods if period in self._periods}

    async def intake_keys(self) -> Mapping[str, IntakeKey]:
        """Every intake key that is not destroyed, by id."""
        return {key_id: key for key_id, key in self._intake.items() if key is not None}

    async def put_intake_key(self, key: IntakeKey) -> None:
        """Keeps a new intake key; the same id again is refused with `ValueError`."""
        if key.key_id in self._intake:
            raise ValueError(f"the vault had an intake key {key.key_id!r} before: choose a new id")
        self._intake[key.key_id] = key

    async def destroy_intake_key(self, key_id: str, at: datetime) -> None:  # noqa: ARG002 - no row to date
        """Destroys an intake key; doing it again, or for an unknown id, changes nothing."""
        if key_id in self._intake:
            self._intake[key_id] = None

    async def destroy_subject(self, subject: str, generation: int, at: datetime) -> None:  # noqa: ARG002 - no row to date
        """Destroys this generation and those before it; doing it again changes nothing."""
        self._erased[subject] = max(generation, self._erased.get(subject, 0))
        living = self._living.get(subject)
        if living is not None and living.generation <= generation:
            del self._living[subject]

    async def destroy_period(self, period: str, at: datetime) -> None:  # noqa: ARG002 - no row to date
        """Destroys a day's secret; doing it again changes nothing."""
        if period in self._periods:
            self._periods[period] = DestroyedPeriod(period, self._periods[period].day)

    def forget(self, subjects: Collection[str]) -> None:
        """Drops nothing: every answer comes from where the secrets live."""

    def _new_secret(self, *_what: str) -> bytes:
        """32 random bytes; a vault that has to make the same ones again overrides it."""
        return new_secret()

    def _new_period_id(self, _day: date) -> str:
        """A random id; see `_new_secret`."""
        return new_period_id()

    def _find(self, subject: str, generation: int) -> SubjectSecret | Shredded:
        living = self._living.get(subject)
        if living is None or living.generation != generation:
            return Shredded("subject")
        return living
