"""A period of a log in counts: events by time, gaps and erasures as they stand at its end."""

from datetime import UTC, datetime, timedelta

from consumers.audit.report import Window
from consumers.audit.tally import Tally
from infra.kafka import Record
from schemas import subject, topics
from schemas.audit import ACCESS_DECIDED, AccessDecided
from schemas.envelope import Envelope
from schemas.model import Model
from schemas.receipts import (
    GAP_CLOSED,
    GAP_NOTICED,
    RECEIPT,
    SUBJECT_RECEIPT,
    GapClosed,
    GapNoticed,
    Receipt,
    SubmissionRef,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
ANN, OFFICER = "a" * 26, "b" * 26
RECEIPTS, SUBJECTS = topics.DISPENSATION_RECEIPTS.name, topics.SUBJECT_REGISTERED.name


class Log:
    """Hands out records whose places rise."""

    def __init__(self) -> None:
        self.offset = -1

    def record(
        self,
        topic: str,
        kind: str,
        body: Model,
        hours: float = 1,
        source: int | None = None,
        *,
        staged: bool = True,
    ) -> Record:
        self.offset += 1
        place = self.offset if source is None else source
        extensions = {"sourceoffset": str(place), "sourceordinal": "0"} if staged else {}
        envelope = Envelope(f"id-{place}", "/quality", kind, START, extensions=extensions)
        at = round((START + timedelta(hours=hours)).timestamp() * 1000)
        return Record(topic, 0, self.offset, at, b"k", tuple(envelope.headers()), body.write())


def tallied(*records: Record) -> Tally:
    tally = Tally(WINDOW)
    for one in records:
        tally.add(one)
    return tally


def receipt(outcome: str = "accepted") -> Receipt:
    where = SubmissionRef(partition=0, offset=1, appended_at=START)
    return Receipt.model_validate({"outcome": outcome, "submission": where})


def test_what_lies_before_or_behind_the_period_is_not_counted() -> None:
    log = Log()
    found = tallied(
        log.record(RECEIPTS, RECEIPT, receipt(), -1),
        log.record(RECEIPTS, RECEIPT, receipt(), 0),
        log.record(RECEIPTS, RECEIPT, receipt("rejected"), 23),
        log.record(RECEIPTS, RECEIPT, receipt(), 24),
        log.record(topics.SUBJECT_RECEIPTS.name, SUBJECT_RECEIPT, receipt("duplicate"), 2),
    )
    assert (found.records, found.unreadable) == (3, 0)
    assert found.receipts["accepted"] == found.receipts["rejected"] == 1
    assert found.registrations["duplicate"] == 1
    assert found.by_type[RECEIPT] == 2


def test_a_copy_of_a_fenced_writer_counts_once_and_what_is_no_event_is_told() -> None:
    log = Log()
    found = tallied(
        log.record(RECEIPTS, RECEIPT, receipt(), source=5),
        log.record(RECEIPTS, RECEIPT, receipt(), source=5),
        log.record(RECEIPTS, "be.dpp.unknown.v1", receipt()),
        Record(RECEIPTS, 0, 99, round(START.timestamp() * 1000), None, (), None),
    )
    assert (found.records, found.copies, found.unreadable) == (3, 1, 2)
    assert found.receipts["accepted"] == 1


def test_numbers_still_missing_at_the_end_are_told_by_pharmacy() -> None:
    log = Log()

    def noticed(publisher: str, first: int, last: int, hours: float = 1) -> Record:
        body = GapNoticed(publisher=publisher, epoch="e", first=first, last=last)
        return log.record(RECEIPTS, GAP_NOTICED, body, hours)

    def closed(publisher: str, number: int, hours: float = 2) -> Record:
        body = GapClosed(publisher=publisher, epoch="e", number=number)
        return log.record(RECEIPTS, GAP_CLOSED, body, hours)

    found = tallied(
        noticed("80000551", 2, 4, -5),
        noticed("80000551", 9, 9),
        noticed("70000001", 1, 2),
        closed("80000551", 3),
        closed("80000551", 9),
        closed("80000551", 77),
        closed("70000001", 1),
        closed("70000001", 2),
        closed("80000551", 4, 30),
    )
    assert found.open_gaps() == {"80000551": 2}
    assert (found.gaps_noticed, found.numbers_missing, found.numbers_arrived) == (2, 3, 4)


def test_accesses_are_counted_by_basis_and_reason() -> None:
    log = Log()

    def access(**members: object) -> Record:
        common = {"reader": OFFICER, "role": "caregiver", "purpose": "history"}
        common |= {"policy_version": "access/1", "sealed_reader": "AAAA"}
        body = AccessDecided.model_validate({**common, "decided_at": START, **members})
        return log.record(topics.ACCESS_AUDITED.name, ACCESS_DECIDED, body, staged=False)

    found = tallied(
        access(decision="permit", basis="own_data"),
        access(decision="deny", reason="no_consent"),
        access(decision="deny", reason="no_consent"),
    )
    assert found.decisions == {"permit: own_data": 1, "deny: no_consent": 2}


def test_erasures_are_followed_to_the_end_of_the_period() -> None:
    log = Log()
    common = {"subject": ANN, "generation": 1, "author": OFFICER, "sealed": "AAAA"}
    common |= {"author_role": "privacy_officer"}

    def step(model: type[subject.SubjectFact], erasure: str, hours: float, **own: str) -> Record:
        body = model.model_validate({**common, "erasure": erasure, **own})
        return log.record(SUBJECTS, subject.SUBJECT_FACT_TYPES[model], body, hours)

    found = tallied(
        step(subject.ErasureRequested, "erasure-one", -2, ground="objection"),
        step(subject.ErasureApproved, "erasure-one", -1),
        step(subject.ErasureApproved, "erasure-one", 1),
        step(subject.ErasureExecuted, "erasure-one", 2),
        step(subject.ErasureRequested, "erasure-two", 3, ground="objection"),
        step(subject.ErasureExecuted, "erasure-two", 25),
    )
    one, two = found.erasures.values()
    assert (one.phase, one.approvals, one.executed_in_period) == ("executed", 2, True)
    assert (two.phase, two.executed_in_period) == ("requested", False)
