"""The port behind which keys live.

Adapters hand out secrets in batches, so that a stage makes one round trip per Kafka batch. What was
destroyed stays destroyed: a tombstone answers for it. Source: DESIGN sections 4.2 and 4.4.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class SubjectSecret:
    """32 random bytes of one generation of a subject or reader."""

    subject: str
    generation: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeriodSecret:
    """32 random bytes of one delivery day (Europe/Brussels), named by an opaque id."""

    period: str
    day: date
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DestroyedPeriod:
    """The tombstone of a day whose secret is gone for good."""

    period: str
    day: date


@dataclass(frozen=True, slots=True)
class Shredded:
    """What reading yields once a key is gone: an explicit value, never null."""

    what: Literal["subject", "period"]


@dataclass(frozen=True, slots=True)
class IntakeKey:
    """A private intake key (raw bytes of ML-KEM-768 + X25519) and its id."""

    key_id: str
    private_key: bytes = field(repr=False)


RootKeyName = Literal["pseudonym", "index", "cursor"]


class KeyVault(Protocol):
    """Fetch and make secrets, and destroy them.

    Every method may raise `VaultUnavailable`; nothing else is retriable.
    """

    async def root_key(self, name: RootKeyName) -> bytes:
        """A 32-byte key of the installation, made at first use."""
        ...

    async def subject_secrets(self, subjects: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The living secret of each subject, made where there is none (next generation)."""
        ...

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        """Secrets by (subject, generation); an erased or unknown one is `Shredded`."""
        ...

    async def reader_secrets(self, readers: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The secret of each reader, made where there is none; generation is always 1."""
        ...

    async def period_secrets(
        self, days: Collection[date]
    ) -> Mapping[date, PeriodSecret | DestroyedPeriod]:
        """The secret of each day, made where there is none; a destroyed day is never made again."""
        ...

    async def find_periods(
        self, periods: Collection[str]
    ) -> Mapping[str, PeriodSecret | DestroyedPeriod]:
        """Days and secrets by opaque id; an unknown id is left out."""
        ...

    async def intake_keys(self) -> Mapping[str, IntakeKey]:
        """Every intake key that is not destroyed, by id."""
        ...

    async def put_intake_key(self, key: IntakeKey) -> None:
        """Keeps a new intake key; the same id again is refused with `ValueError`."""
        ...

    async def destroy_intake_key(self, key_id: str, at: datetime) -> None:
        """Destroys an intake key; doing it again, or for an unknown id, changes nothing."""
        ...

    async def destroy_subject(self, subject: str, generation: int, at: datetime) -> None:
        """Destroys this generation and those before it, even one that was never made here.

        Doing it again changes nothing, and a later generation stays: so an erasure can be carried
        out again after a crash, and over a vault that was restored from an older copy.
        """
        ...

    async def destroy_period(self, period: str, at: datetime) -> None:
        """Destroys a day's secret; doing it again changes nothing."""
        ...

    def forget(self, subjects: Collection[str]) -> None:
        """Drops cached secrets of these subjects, as an erasure demands."""
        ...


class KeyReader(Protocol):
    """What an auditor may ask of a vault: nothing is made, what is not there is left out."""

    async def look_up_root_key(self, name: RootKeyName) -> bytes | None:
        """A key of the installation, if it was ever made."""
        ...

    async def look_up_subjects(
        self, subjects: Collection[str]
    ) -> Mapping[str, SubjectSecret | Shredded]:
        """The secret of each subject's latest generation; `Shredded` where that is erased."""
        ...

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        """As `KeyVault` has it."""
        ...

    async def look_up_days(
        self, days: Collection[date]
    ) -> Mapping[date, PeriodSecret | DestroyedPeriod]:
        """The secret of each day, or its tombstone."""
        ...

    async def find_periods(
        self, periods: Collection[str]
    ) -> Mapping[str, PeriodSecret | DestroyedPeriod]:
        """As `KeyVault` has it."""
        ...

    async def intake_keys(self) -> Mapping[str, IntakeKey]:
        """As `KeyVault` has it."""
        ...


class VaultUnavailable(Exception):
    """The vault did not answer; try again later. Nothing was decided."""
