"""One summary of all audits of a period: what was looked at, what holds, what was not done; pure.

A signed note as an erasure certificate is: a heading, one line of JSON, a signature under the name
`<log origin>/audit-reports`, by the office or by the auditor. What could not be done stands in it
as not done, with the reason: nothing is left out in silence.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from consumers import documents
from consumers.audit.against_kafka import Comparison
from consumers.audit.replayed import Replay, Replayed
from consumers.audit.report import Report
from consumers.audit.tally import ErasureSeen, Tally
from consumers.audit.verify import Verification
from projections.hashing import Difference
from schemas.model import Base64Url, Instant, Model, ShortText, Text
from schemas.sealing import b64encode
from streams.notary.notes import ED25519, Verifier

HEADING: Final = "dpp audit report v1"
Outcome = Literal["holds", "differs", "not_done"]
ROWS_LEFT: Final = "rows of the erased"
_LONGEST: Final = 2_000
"""Characters of a reason or finding."""
_TOLD: Final = 50
"""Findings that stand in a section; the rest is counted."""


class Section(Model):
    """One audit: `figures` are counts, `details` names and hashes, `findings` what does not hold.

    `reason` says why it was not done.
    """

    name: ShortText
    outcome: Outcome
    reason: Text | None = None
    figures: dict[str, int] = Field(default_factory=dict)
    details: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Text, ...] = ()


class Period(Model):
    """Append times [start, end)."""

    start: Instant
    end: Instant

    def __str__(self) -> str:
        """For people, in UTC."""
        begun = self.start.timestamp() > 0
        first = f"{self.start:%Y-%m-%d %H:%M:%S}" if begun else "the beginning of the log"
        return f"{first} to {self.end:%Y-%m-%d %H:%M:%S} UTC"


class AuditReport(Model):
    """All audits of a period of one log, up to `size` leaves."""

    origin: ShortText
    size: Annotated[int, Field(ge=0)]
    root: Base64Url
    period: Period
    auditor: ShortText
    code: ShortText
    """Version of the software that audited."""
    sections: tuple[Section, ...]
    issued_at: Instant

    @property
    def holds(self) -> bool:
        """Whether nothing that was looked at differs."""
        return all(one.outcome != "differs" for one in self.sections)

    @property
    def not_done(self) -> tuple[Section, ...]:
        """The audits that could not be done."""
        return tuple(one for one in self.sections if one.outcome == "not_done")


def sign(report: AuditReport, key: Ed25519PrivateKey) -> str:
    """The report as a signed note."""
    return documents.sign(HEADING, report, signer_name(report.origin), key)


def check(note: bytes, key: Verifier) -> AuditReport:
    """The report in a note that was signed with this key.

    Raises:
        NoteInvalid: malformed, altered, of another log, or not signed with this key.
    """
    return documents.opened(note, HEADING, key, AuditReport)


def signer_name(origin: str) -> str:
    """Under what name reports of a log are signed."""
    return f"{origin}/audit-reports"


def signer(origin: str, public: bytes) -> Verifier:
    """The key that checks reports of a log."""
    return Verifier(signer_name(origin), ED25519, public)


def not_done(name: str, reason: str) -> Section:
    """An audit that could not be done."""
    return Section(name=name, outcome="not_done", reason=reason[:_LONGEST])


def log_section(found: Verification) -> Section:
    """The log recomputed from its bytes."""
    fault, checkpoint = found.fault, found.checkpoint
    return Section(
        name="log",
        outcome="holds" if fault is None else "differs",
        figures={
            "leaves": 0 if checkpoint is None else checkpoint.size,
            "verified_before": found.since,
        },
        findings=() if fault is None else (f"{fault.kind}: {fault.sentence}",),
    )


def cosignatures_section(cosigned: Iterable[str], asked: Iterable[str], needed: int) -> Section:
    """The witnesses whose keys were given, and those that have cosigned the checkpoint."""
    have, wanted = sorted(set(cosigned)), sorted(set(asked))
    if not wanted:
        return not_done("cosignatures", "No witness's key was given (--witness).")
    missing = [one for one in wanted if one not in have]
    return Section(
        name="cosignatures",
        outcome="holds" if len(have) >= needed else "differs",
        figures={"asked": len(wanted), "cosigned": len(have), "demanded": needed},
        findings=tuple(f"{one} has not cosigned the checkpoint." for one in missing),
    )


def kafka_section(found: Comparison) -> Section:
    """Log and Kafka held against each other."""
    return Section(
        name="kafka",
        outcome="holds" if found.holds else "differs",
        figures={
            "compared": found.compared,
            "gone_by_retention": found.gone,
            "behind": found.behind,
            **found.counts,
        },
        findings=tuple(
            f"{one.kind}: {one.topic}[{one.partition}]@{one.offset}" for one in found.told[:_TOLD]
        ),
    )


def replay_sections(found: Replay) -> list[Section]:
    """Each projection built anew, and each that was not."""
    done = [_replayed(one) for one in found.replayed]
    left = [not_done(f"replay {name}", reason) for name, reason in found.left_out.items()]
    return done + left


def _replayed(one: Replayed) -> Section:
    name = f"replay {one.projection}"
    if one.why is not None:
        return not_done(name, one.why)
    return Section(
        name=name,
        outcome="holds" if one.outcome == "same" else "differs",
        figures={
            "records": one.records,
            "rows": one.rows,
            "differing": one.differing,
            "behind": sum(one.behind.values()),
            "put_since": one.since,
            "not_comparable": one.later,
        },
        details={
            "content": one.content,
            "live": one.live,
            "positions": _listed({str(at): offset for at, offset in one.positions.items()}),
        },
        findings=tuple(_difference(other) for other in one.differences[:_TOLD]),
    )


def _difference(one: Difference) -> str:
    who = "" if one.subject is None else f"subject {one.subject}: "
    what = f"missing in {one.missing}" if one.missing else f"columns {', '.join(one.columns)}"
    return f"{who}{one.table} ({_listed(one.key)}): {what}"


def rederive_section(found: Report) -> Section:
    """Decisions derived again; not done if the vault lacks keys that it would need."""
    outcome: Outcome = "holds" if found.holds else "differs"
    reason = None
    if found.holds and found.not_derivable["key_unknown"]:
        outcome, reason = "not_done", "The key vault lacks keys that this log needs."
    return Section(
        name=f"rederive {found.stage}",
        outcome=outcome,
        reason=reason,
        figures={
            "in_period": found.submissions,
            "rederived": found.rederived,
            "differing": found.differing,
            "waiting": found.waiting,
            "gone_by_retention": found.gone,
            "copies": found.copies,
            "torn": found.torn,
            **{f"decided by {one}": n for one, n in found.other_decider.items()},
            **{f"not derivable: {one}": n for one, n in found.not_derivable.items()},
            **{f"answers: {one}": n for one, n in found.answers.items()},
        },
        findings=tuple(
            f"{one.kind}: {one.topic}, submission {one.partition}/{one.offset}/{one.ordinal}"
            f" {', '.join(one.members)}".rstrip()
            for one in found.differences[:_TOLD]
        ),
    )


def counts_section(tally: Tally) -> Section:
    """What the log holds of the period."""
    return Section(
        name="counts",
        outcome="holds",
        figures={
            "records": tally.records,
            "unreadable": tally.unreadable,
            "copies": tally.copies,
            **dict(sorted(tally.by_topic.items())),
            **dict(sorted(tally.by_type.items())),
            **{f"submissions {one}": n for one, n in sorted(tally.receipts.items())},
            **{f"registrations {one}": n for one, n in sorted(tally.registrations.items())},
            **{f"accesses {one}": n for one, n in sorted(tally.decisions.items())},
        },
    )


def gaps_section(tally: Tally) -> Section:
    """Numbers that pharmacies passed over, and those still missing at the end of the period."""
    missing = tally.open_gaps()
    return Section(
        name="gaps",
        outcome="holds",
        figures={
            "noticed": tally.gaps_noticed,
            "numbers_missing": tally.numbers_missing,
            "numbers_arrived": tally.numbers_arrived,
            "still_missing": sum(missing.values()),
            "pharmacies_with_gaps": len(missing),
        },
        details={pharmacy: str(number) for pharmacy, number in [*missing.items()][:_TOLD]},
    )


def erasures_section(tally: Tally) -> Section:
    """Erasures by how far they are at the end of the period."""
    phases = Counter(one.phase for one in tally.erasures.values())
    return Section(
        name="erasures",
        outcome="holds",
        figures={
            "known": phases.total(),
            "executed_in_period": sum(one.executed_in_period for one in tally.erasures.values()),
            **dict(sorted(phases.items())),
        },
    )


def erased_section(tally: Tally, rows_left: Mapping[str, int]) -> Section:
    """Rows that projections still hold of generations whose erasure was executed, by erasure."""
    still = {one: rows for one, rows in rows_left.items() if rows}
    return Section(
        name=ROWS_LEFT,
        outcome="differs" if still else "holds",
        figures={"executed": len(executed(tally)), "rows": sum(still.values())},
        findings=tuple(f"erasure {one}: {rows} rows" for one, rows in [*still.items()][:_TOLD]),
    )


def executed(tally: Tally) -> list[ErasureSeen]:
    """The erasures that were executed by the end of the period."""
    return [one for one in tally.erasures.values() if one.phase == "executed"]


def checkpoint_root(root: bytes) -> str:
    """A root as reports hold it."""
    return b64encode(root)


def _listed(named: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())
