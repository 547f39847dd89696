"""Visits of three lines, each with a posology and a prescription, as the broker hands them out."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from schemas import brussels, topics
from schemas.catalogue import CatalogueEntry
from schemas.dispensation import REGISTER, SubmissionBody
from schemas.envelope import SEALED, Envelope
from schemas.identifiers import cnk, guid, nihdi, niss
from schemas.keyvault import IntakeKey, PeriodSecret, SubjectSecret
from schemas.policy import PolicyVersion
from schemas.sealing import submission as sealing
from schemas.sealing.pseudonym import subject_pseudonym
from streams.engine.stage import Submission
from streams.quality import admission, inspection
from streams.quality.admission import Barred, Opened
from streams.quality.gathered import Gathered, Prepared
from streams.quality.inspection import Inspection
from streams.sessions import SessionView

LINES: Final = 3
PHARMACY: Final = "80000551"
PSEUDONYM_KEY: Final = bytes(range(32))
SESSION_KEY: Final = bytes(range(32, 64))
_NOW: Final = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
_ENTRY: Final = CatalogueEntry(
    "1000007", date(2013, 1, 1), atc="C09CA08", status="authorized", environments=("P",)
)
"""What the catalogue is taken to say of every product."""
INTAKE_KEY: Final = IntakeKey("intake", bytes(96))
_SESSION: Final = SessionView(PHARMACY, valid=True, intake_key=INTAKE_KEY.key_id, key=SESSION_KEY)


@dataclass(frozen=True, slots=True)
class Visit:
    """One submission, and what its seal shows when it is opened."""

    submission: Submission
    opened: Opened


class _World:
    """`admission.World` with one pharmacy, whose one session is open."""

    def is_pharmacy(self, number: str) -> bool:
        return number == PHARMACY

    def may_submit(self, number: str, event_type: str) -> bool:
        del event_type
        return number == PHARMACY

    def session(self, session: str) -> SessionView | None:
        return _SESSION if session == "session" else None


_WORLD: Final = _World()


def visit(number: int) -> Visit:
    """The submission of that number: other persons, products and prescribers each time."""
    body = {
        "sguid": _guid("visit", number),
        "patient": {"niss": _niss(number)},
        "delivered_at": "2026-03-10T08:55:00Z",
        "lines": [_line(number, place) for place in range(LINES)],
    }
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    envelope = Envelope(
        id=_guid("message", number),
        source=f"/pharmacies/{PHARMACY}",
        type=REGISTER,
        time=_NOW,
        content_type=SEALED,
        extensions={
            "sessionid": "session",
            "sequence": str(number + 1),
            "publisherepoch": "epoch",
        },
    )
    key, headers = PHARMACY.encode(), tuple(envelope.headers())
    sealed = sealing.seal(SESSION_KEY, number.to_bytes(12, "big"), key, headers, data)
    submitted = topics.DISPENSATION_SUBMITTED.name
    submission = Submission(submitted, 0, number, _NOW, key, headers, sealed)
    return Visit(submission, opened(submission))


def opened(submission: Submission) -> Opened:
    """What the seal of a submission shows.

    Raises:
        TypeError: a submission of the benchmark is not as it must be.
    """
    found = admission.admit(submission, _WORLD, lambda _key: 0)
    if isinstance(found, Barred):
        raise TypeError("a submission of the benchmark is refused")
    return found


def read(one: Opened, policy: PolicyVersion) -> SubmissionBody:
    """The body of an opened submission.

    Raises:
        TypeError: a visit of the benchmark is malformed.
    """
    body = inspection.read(one.attributes.type, one.body, policy)
    if isinstance(body, Inspection):
        raise TypeError("a visit of the benchmark is malformed")
    return body


def inspect(body: SubmissionBody, appended_at: datetime, policy: PolicyVersion) -> Inspection:
    """Everything that rules find in a body."""
    return inspection.inspect(
        body,
        policy=policy,
        appended_at=appended_at,
        pseudonym_key=PSEUDONYM_KEY,
        known=dict.fromkeys(inspection.product_codes(body), (_ENTRY,)),
    )


def gathered(visits: Sequence[Visit], prepared: Mapping[int, Prepared]) -> Gathered:
    """The secrets that deciding these visits needs; `prepared` may be filled later."""
    day = brussels.day_of(_NOW)
    period = PeriodSecret("period", day, bytes(32))
    persons = {subject_pseudonym(PSEUDONYM_KEY, _niss(one.submission.offset)) for one in visits}
    return Gathered(
        prepared=prepared,
        intake={INTAKE_KEY.key_id: INTAKE_KEY},
        subjects={one: SubjectSecret(one, 1, one.encode().ljust(32)) for one in persons},
        erased=frozenset(),
        days={day: period},
        periods={period.period: period},
    )


def _line(number: int, place: int) -> dict[str, object]:
    first6 = f"{100_000 + (number * LINES + place) * 37 % 5_000:06d}"
    prescriber = f"1{number % 300:05d}"
    return {
        "dguid": _guid("line", number, place),
        "product": {"kind": "cnk", "cnk": first6 + cnk.check_digit(first6)},
        "units": place + 1,
        "posology": {"text": "1 comprimé le matin et 1 le soir, pendant les repas"},
        "prescription": {
            "prescriber": f"{prescriber}{nihdi.check_digits(prescriber)}001",
            "rid": f"BEP0{number:05d}{place:03d}",
            "on_substance_name": False,
        },
    }


def _niss(number: int) -> str:
    return niss.with_check_digits(f"{number % 90:02d}0000{number % 997 + 1:03d}", False)


def _guid(*parts: object) -> str:
    return guid.from_hex(hashlib.sha256(repr(parts).encode()).hexdigest()[-32:])
