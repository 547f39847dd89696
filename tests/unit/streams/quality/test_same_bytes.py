"""What this decider makes of fixed submissions, byte by byte, is what it has always made of them.

An auditor derives outputs again years later and compares bytes. Whoever changes one of them, be it
in a hint, gives `DECIDER_VERSION` another number, and the digests here with it.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from consumers.bench.decide import visits
from schemas import topics
from schemas.dispensation import CORRECT, REGISTER, REVOKE
from schemas.envelope import SEALED, Envelope
from schemas.keyvault import PeriodSecret, SubjectSecret
from schemas.policy import PolicyVersion, shipped
from schemas.sealing import submission as sealing
from streams.engine.stage import Output, Submission
from streams.engine.tables import in_memory
from streams.quality import decide, inspection
from streams.quality import state as states
from streams.quality.gathered import Gathered, Prepared, Readable
from streams.quality.inspection import Inspection
from streams.quality.state import QualityState
from tests.support.quality_bench import (
    CNK,
    OTHER_PATIENT,
    PATIENT,
    given_back,
    guid,
    revocation,
    visit,
)
from tests.support.quality_bench import line as plain_line

NOW = datetime(2026, 3, 10, 9, 0, 0, 120_000, tzinfo=UTC)
DIGESTS = {
    "quality/1": "1f52a029d8a8c5dbba60d114524ac6ba22492329bfed76a4b45830355eac9bad",
    "quality/2": "b2cdada1839e8bba3fe15f9b9e844071bc8258f655dab1ac428c980298c589aa",
}
DOUBTFUL: dict[str, Any] = {
    "units": 5_000,
    "posology": {"text": "1 comprimé « le soir »\n"},
    "prescription": {"prescriber": "nobody", "rid": "bep0 12ab 34cd", "on_substance_name": True},
    "regimen": {"quantity": "0", "unit": "tablet", "moments": ["noon", "noon"], "end": "x"},
    "scan": "]d201054123450000131728110010AB12\x1d21XYZ9",
    "batch": "é",
    "motivation": "because",
}
MAGISTRAL: dict[str, Any] = {
    "kind": "magistral",
    "compounds": [
        {"order": 2, "cnk": "5521-950", "quantity": "5 g"},
        {"order": 1, "name": "aqua", "prefix": "q.s."},
    ],
    "text": "mix",
}


def line(number: int, **changes: Any) -> dict[str, Any]:
    return plain_line(number, **{"product": {"kind": "cnk", "cnk": CNK}, **changes})


def returned(number: int, returns: int, units: int) -> dict[str, Any]:
    return given_back(number, returns, units, product={"kind": "cnk", "cnk": CNK})


SUBMISSIONS: tuple[tuple[str, int, int, dict[str, Any]], ...] = (
    (REGISTER, 1, 1, visit(line(1, units=3), line(2), line(2))),
    (REGISTER, 2, 2, visit(line(3, **DOUBTFUL), line(4, product=MAGISTRAL))),
    (REGISTER, 2, 2, visit(line(3, **DOUBTFUL), line(4, product=MAGISTRAL))),
    (REGISTER, 2, 2, visit(line(3))),
    (REGISTER, 5, 5, visit(line(5, dguid="x"), line(6, units=0), delivered_at="x")),
    (REGISTER, 3, 3, visit(line(7), patient={"niss": "1"}, sguid="x")),
    (CORRECT, 6, 6, visit(line(1, units=2, replaces=1), line(2, replaces=4), line(9, replaces=1))),
    (CORRECT, 7, 7, visit(line(1, replaces=2), patient={"niss": OTHER_PATIENT})),
    (REGISTER, 8, 8, visit(returned(10, 2, -1), returned(11, 2, -5), returned(12, 99, -1))),
    (REVOKE, 9, 9, revocation(2, 1)),
    (REVOKE, 10, 10, revocation(2, 1, reason="twice")),
    (REVOKE, 11, 11, revocation(1, 2, patient={"niss": PATIENT})),
    (
        REGISTER,
        12,
        12,
        visit(
            line(13, product={"kind": "unregistered", "description": "bandage: 5 cm"}),
            line(14, product={"kind": "cnk", "cnk": "1439562"}),
            line(15, product={"kind": "cnk", "cnk": "0000018"}),
            patient={"niss": PATIENT, "birth_date": "1985-01-01", "sex": "female"},
            delivered_at="2026-01-02T23:30:00+01:00",
        ),
    ),
)
"""Type, sequence, number of the `ce_id`, body."""


def sealed(offset: int, type_: str, sequence: int, id_: int, body: dict[str, Any]) -> Submission:
    envelope = Envelope(
        id=guid(2**96 + id_),
        source=f"/pharmacies/{visits.PHARMACY}",
        type=type_,
        time=NOW,
        content_type=SEALED,
        extensions={"sessionid": "session", "sequence": str(sequence), "publisherepoch": "e"},
    )
    key, headers = visits.PHARMACY.encode(), tuple(envelope.headers())
    data = json.dumps(body).encode()
    value = sealing.seal(visits.SESSION_KEY, offset.to_bytes(12, "big"), key, headers, data)
    at = NOW + timedelta(milliseconds=offset)
    return Submission(topics.DISPENSATION_SUBMITTED.name, 0, offset, at, key, headers, value)


def secret(*what: object) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


def inspected(submission: Submission, policy: PolicyVersion) -> Readable:
    opened = visits.opened(submission)
    body = inspection.read(opened.attributes.type, opened.body, policy)
    if isinstance(body, Inspection):
        return Readable(opened, body)
    return Readable(opened, visits.inspect(body, submission.appended_at, policy))


def outputs_of(policy: PolicyVersion) -> Iterator[Output]:
    state = QualityState(in_memory())
    periods: dict[str, PeriodSecret] = {}
    for offset, given in enumerate(SUBMISSIONS):
        submission = sealed(offset, *given)
        readable = inspected(submission, policy)
        day, subject = readable.inspection.day, readable.inspection.subject
        days: dict[date, PeriodSecret] = {}
        if day is not None:
            days[day] = PeriodSecret(f"p{day}", day, secret(day))
            periods[days[day].period] = days[day]
        gathered = Gathered(
            prepared={offset: Prepared(policy, readable)},
            intake={visits.INTAKE_KEY.key_id: visits.INTAKE_KEY},
            subjects={subject: SubjectSecret(subject, 1, secret(subject))} if subject else {},
            erased=frozenset(),
            days=days,
            periods=periods,
        )
        for output in decide.decide(state, submission, gathered):
            states.evolve(state, output.headers, output.value)
            yield output


@pytest.mark.parametrize("policy", shipped("quality"), ids=lambda one: str(one.version))
def test_fixed_submissions_become_the_bytes_of_this_decider(policy: PolicyVersion) -> None:
    digest = hashlib.sha256()
    for one in outputs_of(policy):
        digest.update(repr((one.topic, one.key, one.headers, one.value)).encode())
    assert digest.hexdigest() == DIGESTS[policy.version], decide.DECIDER_VERSION
