"""The life of one line: registered, corrected, revoked. Decide and evolve, exhaustive and pure.

A return is a line of its own, with the same life; what it asks of the line that it names is in
`returns`.

A line's identity is (pharmacy number, DGUID), so another pharmacy that names it meets an unknown
line and learns nothing. A correction or revocation must name the version that it replaces.
Source: DESIGN section 6; domain reference, section 7.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

from pydantic import Field

from schemas.model import Model

Status = Literal["registered", "corrected", "revoked"]
RefusalCode = Literal[
    "DGUID_CONFLICT",
    "LINE_UNKNOWN",
    "VERSION_STALE",
    "LINE_REVOKED",
    "LINE_ERASED",
    "PATIENT_MISMATCH",
    "VISIT_MISMATCH",
]


class LineState(NamedTuple):
    """Where a line stands: its current version, and what a next one is compared with.

    `sealed` and `ce_id` are those of the current version's fact, for rules that compare content;
    a revoked line has none.
    """

    version: int
    status: Status
    subject: str
    generation: int
    period: str
    digest: str
    score: int | None = None
    sealed: str = ""
    ce_id: str = ""


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
    sealed: str = Field(repr=False)
    score: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a submission says about a line; `digest` is keyed by the subject's living secret."""

    subject: str
    generation: int
    digest: str


@dataclass(frozen=True, slots=True)
class Register:
    """A first version of a line, be it a delivery or a return."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Correct:
    """A full replacement of version `replaces`; patient and day may differ from it."""

    claim: Claim
    replaces: int


@dataclass(frozen=True, slots=True)
class Revoke:
    """The withdrawal of version `replaces`; it must name the patient of that version."""

    subject: str
    replaces: int


Command = Register | Correct | Revoke


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


def decide(current: LineState | None, command: Command, *, erased: bool) -> Decision:
    """What a command makes of a line; `erased`: the generation that it belongs to is destroyed."""
    match command:
        case Register(claim):
            return Record(version=1) if current is None else _register(current, claim, erased)
        case Correct() | Revoke():
            if current is None:
                return Refused("LINE_UNKNOWN")
            if erased:
                return Refused("LINE_ERASED")
            if isinstance(command, Revoke):
                return _revoke(current, command)
            return _correct(current, command)
        case _:
            assert_never(command)


def _register(current: LineState, claim: Claim, erased: bool) -> Decision:
    if erased:
        return Refused("LINE_ERASED")
    match current.status:
        case "registered":
            if _same(current, claim):
                return Duplicate(current)
            return Refused("DGUID_CONFLICT", current.version)
        case "corrected":
            return Refused("DGUID_CONFLICT", current.version)
        case "revoked":
            return Refused("LINE_REVOKED", current.version)
        case _:
            assert_never(current.status)


def _correct(current: LineState, command: Correct) -> Decision:
    match current.status:
        case "registered" | "corrected":
            if current.version == command.replaces:
                return Record(current.version + 1, current)
            if current.version == command.replaces + 1 and _same(current, command.claim):
                return Duplicate(current)
            return Refused("VERSION_STALE", current.version)
        case "revoked":
            return Refused("LINE_REVOKED", current.version)
        case _:
            assert_never(current.status)


def _revoke(current: LineState, command: Revoke) -> Decision:
    if current.subject != command.subject:
        return Refused("PATIENT_MISMATCH", current.version)
    match current.status:
        case "registered" | "corrected":
            if current.version == command.replaces:
                return Record(current.version + 1, current)
            return Refused("VERSION_STALE", current.version)
        case "revoked":
            repeats = current.version == command.replaces + 1
            return Duplicate(current) if repeats else Refused("LINE_REVOKED", current.version)
        case _:
            assert_never(current.status)


def evolve(current: LineState | None, fact: LineFact, ce_id: str) -> LineState:
    """Where the line stands after a fact of this id; facts of the record are taken as they are."""
    match fact.status:
        case "registered" | "corrected":
            score, sealed, named = fact.score, fact.sealed, ce_id
        case "revoked":
            score, sealed, named = current.score if current else None, "", ""
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
        sealed=sealed,
        ce_id=named,
    )


def _same(current: LineState, claim: Claim) -> bool:
    claimed = (claim.subject, claim.generation, claim.digest)
    return claimed == (current.subject, current.generation, current.digest)
