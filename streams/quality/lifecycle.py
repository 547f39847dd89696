"""The life of one line: registered, corrected, revoked. Decide and evolve, exhaustive and pure.

A line's identity is (pharmacy number, DGUID), so another pharmacy that names it meets an unknown
line and learns nothing. A correction or revocation must name the version that it replaces.
Source: DESIGN section 6; domain reference, section 7.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

from schemas.model import Model

Status = Literal["registered", "corrected", "revoked"]
RefusalCode = Literal[
    "DGUID_CONFLICT",
    "LINE_UNKNOWN",
    "VERSION_STALE",
    "LINE_REVOKED",
    "LINE_ERASED",
    "PATIENT_MISMATCH",
]


@dataclass(frozen=True, slots=True)
class LineState:
    """Where a line stands: its current version, and what a next one is compared with."""

    version: int
    status: Status
    subject: str
    generation: int
    period: str
    digest: str
    score: int | None = None


class LineFact(Model):
    """The members of a fact that its line's state is made of: reading the rest costs more."""

    pharmacy: str
    dguid: str
    version: int
    status: Status
    subject: str
    generation: int
    period: str
    digest: str
    score: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a submission says about a line; `digest` is keyed by the subject's living secret."""

    subject: str
    generation: int
    digest: str


@dataclass(frozen=True, slots=True)
class Record:
    """The line enters the record as `version`, in place of `replaced` if there was one."""

    version: int
    replaced: LineState | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The line stands as claimed already."""

    current: LineState


@dataclass(frozen=True, slots=True)
class Refused:
    """The line is not taken over; `version` is the current one where the pharmacy may know it."""

    code: RefusalCode
    version: int | None = None


Decision = Record | Duplicate | Refused


def decide_register(current: LineState | None, claim: Claim, *, erased: bool) -> Decision:
    """A first version; `erased` says that the subject generation of `current` is destroyed."""
    if current is None:
        return Record(version=1)
    if erased:
        return Refused("LINE_ERASED")
    if current.status == "revoked":
        return Refused("LINE_REVOKED", current.version)
    if current.status == "registered" and _same(current, claim):
        return Duplicate(current)
    return Refused("DGUID_CONFLICT", current.version)


def decide_correct(
    current: LineState | None, claim: Claim, replaces: int, *, erased: bool
) -> Decision:
    """A full replacement of version `replaces`; patient and day may differ from it."""
    if current is None:
        return Refused("LINE_UNKNOWN")
    if erased:
        return Refused("LINE_ERASED")
    if current.status == "revoked":
        return Refused("LINE_REVOKED", current.version)
    if current.version == replaces:
        return Record(current.version + 1, current)
    if current.version == replaces + 1 and _same(current, claim):
        return Duplicate(current)
    return Refused("VERSION_STALE", current.version)


def decide_revoke(
    current: LineState | None, subject: str, replaces: int, *, erased: bool
) -> Decision:
    """The withdrawal of version `replaces`; it must name the patient of that version."""
    if current is None:
        return Refused("LINE_UNKNOWN")
    if erased:
        return Refused("LINE_ERASED")
    if current.subject != subject:
        return Refused("PATIENT_MISMATCH", current.version)
    if current.status == "revoked":
        repeats = current.version == replaces + 1
        return Duplicate(current) if repeats else Refused("LINE_REVOKED", current.version)
    if current.version != replaces:
        return Refused("VERSION_STALE", current.version)
    return Record(current.version + 1, current)


def may_return(named: LineState | None, subject: str, *, erased: bool) -> bool:
    """Whether a return of that subject may name this line of the same pharmacy."""
    if named is None or erased:
        return False
    return named.status != "revoked" and named.subject == subject


def evolve(current: LineState | None, fact: LineFact) -> LineState:
    """Where the line stands after a fact; facts of the record are taken as they are."""
    match fact.status:
        case "registered" | "corrected":
            score = fact.score
        case "revoked":
            score = current.score if current else None
        case _:
            assert_never(fact.status)
    return LineState(
        version=fact.version,
        status=fact.status,
        subject=fact.subject,
        generation=fact.generation,
        period=fact.period,
        digest=fact.digest,
        score=score,
    )


def _same(current: LineState, claim: Claim) -> bool:
    claimed = (claim.subject, claim.generation, claim.digest)
    return claimed == (current.subject, current.generation, current.digest)
