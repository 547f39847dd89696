"""What deciding a batch needs from outside, as plain data: a shell fills it, `decide` reads it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from schemas.keyvault import DestroyedPeriod, IntakeKey, PeriodSecret, SubjectSecret
from schemas.policy import PolicyVersion, QualityPolicy
from schemas.receipts import Issue
from schemas.sealing import facts
from schemas.sealing.facts import FactKeys, RecordSealer
from streams.quality.admission import Barred, Opened
from streams.quality.inspection import Inspection
from streams.quality.lifecycle import LineState

Period = PeriodSecret | DestroyedPeriod


@dataclass(frozen=True, slots=True)
class Readable:
    """A submission whose seal holds, with everything its body says by itself."""

    opened: Opened
    inspection: Inspection


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Reading failed in a way that nobody foresaw; only the kind of error is kept."""

    error_type: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """One submission after admission, and the policy in force when it was appended."""

    policy: PolicyVersion
    found: Barred | Readable | Unreadable

    @property
    def limits(self) -> QualityPolicy:
        """The policy's data."""
        return self.policy.quality


@dataclass(frozen=True, slots=True)
class Gathered:
    """A batch's submissions by offset, and the secrets they need.

    `intake` holds the intake keys by id, among them those of every session that was opened;
    `subjects` holds living secrets; `erased` the (subject, generation) pairs of known lines whose
    secret is destroyed; `days` secrets of delivery days; `periods` those and others by opaque id:
    of every line that a submission names and, where it returns or corrects something, of every
    line of its patient.
    """

    prepared: Mapping[int, Prepared]
    intake: Mapping[str, IntakeKey]
    subjects: Mapping[str, SubjectSecret]
    erased: frozenset[tuple[str, int]]
    days: Mapping[date, Period]
    periods: Mapping[str, Period]

    def is_erased(self, line: LineState | None) -> bool:
        """Whether the subject generation that a line belongs to is destroyed."""
        if line is None:
            return False
        living = self.subjects.get(line.subject)
        outlived = living is not None and living.generation > line.generation
        return outlived or (line.subject, line.generation) in self.erased


@dataclass(frozen=True, slots=True)
class Visit:
    """What all lines of one submission share; `active` are the codes that its policy knows."""

    pharmacy: str
    prepared: Prepared
    inspection: Inspection
    gathered: Gathered
    subject: SubjectSecret
    active: frozenset[str]
    _keys: dict[tuple[str, int], FactKeys] = field(default_factory=dict, repr=False)
    _sealers: dict[tuple[str, str, int], RecordSealer] = field(default_factory=dict, repr=False)

    def keys(self, period: PeriodSecret, version: int) -> FactKeys:
        """The keys of a version delivered in that period; lines of a visit mostly share them."""
        wanted = (period.period, version)
        if wanted not in self._keys:
            keys = facts.record_keys(self.subject.secret, period.secret, version)
            self._keys[wanted] = keys
        return self._keys[wanted]

    def sealer(self, type_: str, period: PeriodSecret, version: int) -> RecordSealer:
        """What seals facts of that type and version for that period."""
        wanted = (type_, period.period, version)
        if wanted not in self._sealers:
            self._sealers[wanted] = RecordSealer(
                self.keys(period, version),
                type_=type_,
                pharmacy=self.pharmacy,
                version=version,
                subject=self.subject.subject,
                generation=self.subject.generation,
                period=period.period,
            )
        return self._sealers[wanted]

    def warnings(self, issues: Iterable[Issue]) -> tuple[str, ...]:
        """Codes that lower a line's score: of the message as a whole, then of the line."""
        return tuple(dict.fromkeys([one.code for one in (*self.inspection.issues, *issues)]))
