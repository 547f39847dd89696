"""Whole submissions: given what was submitted before, when one arrives, then these outputs."""

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas import topics
from schemas.dispensation import (
    CORRECT,
    REGISTERED,
    REVOKE,
    REVOKED,
    CorrectedFact,
    LineContent,
    RegisteredFact,
    RevocationContent,
    RevokedFact,
)
from schemas.identifiers import cnk
from schemas.keyvault import IntakeKey, PeriodSecret
from schemas.policy import PolicyVersion, baseline
from schemas.publisher import BackboneKeyPublished
from schemas.receipts import GapClosed, GapNoticed, Receipt
from schemas.sealing import b64encode
from schemas.sealing import facts as sealing
from schemas.sealing.session import intake_public_bytes
from streams.engine.outputs import MAX_OUTPUT_BYTES, encoded_size
from tests.support.quality_bench import (
    NOW,
    OTHER_PATIENT,
    OTHER_PHARMACY,
    PHARMACY,
    Bench,
    finish,
    given_back,
    guid,
    line,
    revocation,
    visit,
)
from tests.support.state import content, entries


def opened(bench: Bench, type_: str, fact: RegisteredFact | RevokedFact, ce_id: str) -> bytes:
    """The sealed content of a fact, checked against everything that its seal binds."""
    subject = finish(bench.vault.subject_secrets([fact.subject]))[fact.subject]
    period = finish(bench.vault.find_periods([fact.period]))[fact.period]
    assert isinstance(period, PeriodSecret)
    keys = sealing.record_keys(subject.secret, period.secret, fact.version)
    associated = sealing.record_associated_data(
        type_=type_,
        pharmacy=fact.pharmacy,
        dguid=fact.dguid,
        version=fact.version,
        subject=fact.subject,
        generation=fact.generation,
        period=fact.period,
    )
    content = sealing.unseal(keys, ce_id, associated, fact.sealed)
    assert sealing.seal(keys, ce_id, associated, content) == fact.sealed
    return content


def test_a_registration_becomes_a_sealed_fact_under_the_keys_of_patient_and_day() -> None:
    bench = Bench()
    late = visit(line(dguid=guid(0xA).upper(), units=2), delivered_at="2026-03-09T23:30:00Z")
    answer = bench.submit(late)
    (fact,) = answer.facts
    assert isinstance(fact, RegisteredFact)
    content = LineContent.read(opened(bench, REGISTERED, fact, "quality/0/0/0"))
    assert (fact.pharmacy, fact.dguid, fact.version, fact.score) == (PHARMACY, guid(0xA), 1, 100)
    assert (content.pharmacy, content.units, content.sguid) == (PHARMACY, 2, guid(2**64))
    day = finish(bench.vault.find_periods([fact.period]))[fact.period].day
    assert day.isoformat() == "2026-03-10"
    assert answer.outputs[0].key == PHARMACY.encode()


def test_the_digest_of_a_line_ignores_how_identifiers_are_punctuated() -> None:
    bench = Bench()
    bench.submit(visit(line(0xA)))
    written = cnk.format(line(0xA)["product"]["cnk"])
    spaced = line(dguid=guid(0xA).upper(), product={"kind": "cnk", "cnk": written})
    answer = bench.submit(visit(spaced, sguid=guid(2**64).upper()))
    assert [one.outcome for one in answer.receipt.lines] == ["duplicate"]


def test_good_lines_of_a_submission_are_recorded_and_bad_ones_refused() -> None:
    answer = Bench().submit(visit(line(1), line(2, units=0), line(3)))
    assert answer.receipt.outcome == "partial"
    assert [one.outcome for one in answer.receipt.lines] == ["recorded", "rejected", "recorded"]
    assert [fact.dguid for fact in answer.facts] == [guid(1), guid(3)]
    assert answer.receipt.facts == ("quality/0/0/0", "quality/0/0/1")


def test_a_fault_of_the_message_refuses_every_line_and_all_faults_are_told_at_once() -> None:
    bad = visit(
        line(1, units=0, prescription={"prescriber": "10000106001", "rid": "x"}),
        line(2),
        patient={"niss": "1"},
        delivered_at="2026-03-11T00:00:00Z",
        sguid="x",
    )
    answer = Bench().submit(bad)
    assert answer.receipt.outcome == "rejected"
    assert [one.outcome for one in answer.receipt.lines] == ["rejected", "rejected"]
    assert answer.facts == []
    assert answer.findings == [
        ("GUID_INVALID", "/sguid"),
        ("NISS_INVALID", "/patient/niss"),
        ("DELIVERY_IN_FUTURE", "/delivered_at"),
        ("UNITS_ZERO", "/lines/0/units"),
        ("RID_INVALID", "/lines/0/prescription/rid"),
    ]


def test_a_line_with_several_faults_is_told_its_life_cycle_fault_too() -> None:
    answer = Bench().correct(line(1, units=0, replaces=1))
    assert answer.findings == [
        ("UNITS_ZERO", "/lines/0/units"),
        ("LINE_UNKNOWN", "/lines/0/dguid"),
    ]


def test_warnings_lower_the_score_of_the_line_and_stand_in_its_fact() -> None:
    answer = Bench().submit(visit(line(1, units=500), line(2), delivered_at="2025-12-01T09:00:00Z"))
    assert answer.receipt.outcome == "accepted"
    assert [one.score for one in answer.receipt.lines] == [60, 90]
    first, second = answer.facts
    assert isinstance(first, RegisteredFact)
    assert isinstance(second, RegisteredFact)
    assert (first.score, first.warnings) == (60, ("LATE_ARRIVAL", "UNITS_IMPLAUSIBLE"))
    assert (second.score, second.warnings) == (90, ("LATE_ARRIVAL",))


def test_a_correction_names_what_it_replaces_even_of_another_day_and_patient() -> None:
    bench = Bench()
    first = bench.submit(visit(line(1), delivered_at="2026-02-27T10:00:00Z")).facts[0]
    answer = bench.submit(
        visit(line(1, units=3, replaces=1), patient={"niss": OTHER_PATIENT}), CORRECT
    )
    (fact,) = answer.facts
    assert isinstance(fact, CorrectedFact)
    assert fact.version == 2
    assert (fact.supersedes.version, fact.supersedes.month) == (1, "2026-02")
    assert fact.supersedes.subject == first.subject != fact.subject


def test_a_revocation_is_sealed_for_the_day_of_the_version_it_withdraws() -> None:
    bench = Bench()
    first = bench.submit(visit(line(1), delivered_at="2026-02-27T10:00:00Z")).facts[0]
    (fact,) = bench.revoke(1, 1, reason="wrong button").facts
    assert isinstance(fact, RevokedFact)
    content = RevocationContent.read(opened(bench, REVOKED, fact, "quality/0/1/0"))
    assert content.reason == "wrong button"
    assert (fact.version, fact.period, fact.subject) == (2, first.period, first.subject)
    assert (fact.supersedes.version, fact.supersedes.month) == (1, "2026-02")


def test_submissions_of_one_batch_see_each_other() -> None:
    bench = Bench()
    batch = [
        bench.received(bench.wire(visit(line(1)))),
        bench.received(bench.wire(visit(line(1, units=2, replaces=1)), CORRECT)),
        bench.received(bench.wire(revocation(1, 2), REVOKE)),
        bench.received(bench.wire(visit(given_back(2, 1)))),
    ]
    answers = bench.run(batch)
    assert [one.receipt.outcome for one in answers] == ["accepted"] * 3 + ["rejected"]
    assert answers[3].codes == ["RETURN_INVALID"]


def test_the_same_submission_again_is_answered_with_the_original_outcome() -> None:
    bench = Bench()
    record = bench.wire(visit(line(1), line(2, units=0)))
    first = bench.run([bench.received(record)])[0]
    again = bench.run([bench.received(record)])[0]
    assert again.receipt.outcome == "duplicate"
    assert len(again.outputs) == 1
    original = again.receipt.original
    assert original is not None
    assert (original.offset, original.outcome) == (0, "partial")
    assert (original.issues, original.lines) == (first.receipt.issues, first.receipt.lines)
    third = bench.run([bench.received(record)])[0]
    assert third.receipt.original == original


def test_the_same_content_sealed_anew_in_another_session_is_a_duplicate() -> None:
    bench = Bench()
    bench.submit(visit(), id_=guid(7))
    again = bench.submit(visit(), id_=guid(7), sequence=1, session=bench.session())
    assert again.receipt.outcome == "duplicate"


def test_a_replay_of_a_refused_submission_is_answered_with_the_refusal() -> None:
    bench = Bench()
    record = bench.wire(b"{")
    bench.run([bench.received(record)])
    again = bench.run([bench.received(record)])[0]
    assert again.receipt.outcome == "duplicate"
    assert again.receipt.original is not None
    assert again.receipt.original.outcome == "rejected"


NO_PATIENT: dict[str, dict[str, Any] | bytes] = {
    "a number that is none": visit(patient={"niss": "1"}),
    "no patient": visit(patient=None),
    "another form": visit(delivered_at=5),
    "no JSON": b"{",
}
"""Bodies from which nobody can tell whom they are about."""


@pytest.mark.parametrize("body", NO_PATIENT.values(), ids=NO_PATIENT)
def test_what_names_no_patient_and_is_sealed_anew_in_another_session_is_a_duplicate(
    body: dict[str, Any] | bytes,
) -> None:
    bench = Bench()
    first = bench.submit(body, id_=guid(7))
    again = bench.submit(body, id_=guid(7), sequence=1, session=bench.session())
    assert (first.receipt.outcome, again.receipt.outcome) == ("rejected", "duplicate")
    assert again.receipt.original is not None
    assert again.receipt.original.issues == first.receipt.issues
    assert again.receipt.submission.digest == first.receipt.submission.digest


@pytest.mark.parametrize("body", NO_PATIENT.values(), ids=NO_PATIENT)
def test_what_names_no_patient_and_is_not_the_same_is_refused_bad(
    body: dict[str, Any] | bytes,
) -> None:
    bench = Bench()
    bench.submit(body, id_=guid(7))
    for other in (b"[]", visit(sguid="x", patient={"niss": "1"}), visit()):
        assert bench.submit(other, id_=guid(7), sequence=1).codes == ["SEQUENCE_REUSED"]


def test_what_names_no_patient_is_not_compared_across_intake_keys() -> None:
    bench = Bench()
    bench.submit(b"{", id_=guid(7))
    raw = bytes(range(96, 192))
    bench.intake = BackboneKeyPublished(
        key_id="intake-2", purpose="intake", public_key=b64encode(intake_public_bytes(raw))
    )
    finish(bench.vault.put_intake_key(IntakeKey("intake-2", raw)))
    again = bench.submit(b"{", id_=guid(7), sequence=1, session=bench.session())
    assert again.codes == ["SEQUENCE_REUSED"]


def test_a_line_replayed_in_a_new_submission_is_a_duplicate_line() -> None:
    bench = Bench()
    bench.submit(visit(line(1), line(3, units=900)))
    alone = bench.submit(visit(line(1)))
    mixed = bench.submit(visit(line(1), line(2), line(3, units=900)))
    assert (alone.receipt.outcome, alone.receipt.original) == ("duplicate", None)
    assert mixed.receipt.outcome == "accepted"
    assert [one.outcome for one in mixed.receipt.lines] == ["duplicate", "recorded", "duplicate"]
    assert [one.score for one in mixed.receipt.lines] == [100, 100, 70]
    assert len(mixed.facts) == 1


def test_a_correction_or_revocation_replayed_in_a_new_submission_is_a_duplicate_line() -> None:
    bench = Bench()
    bench.submit(visit(line(1)))
    bench.correct(line(1, units=2, replaces=1))
    again = bench.correct(line(1, units=2, replaces=1))
    assert [(one.outcome, one.version) for one in again.receipt.lines] == [("duplicate", 2)]
    bench.revoke(1, 2)
    once_more = bench.revoke(1, 2)
    assert [(one.outcome, one.version) for one in once_more.receipt.lines] == [("duplicate", 3)]
    assert again.facts == once_more.facts == []


def test_a_stale_version_is_refused_with_the_current_one_in_the_receipt() -> None:
    bench = Bench()
    bench.submit(visit(line(1)))
    bench.correct(line(1, units=2, replaces=1))
    (stale,) = bench.correct(line(1, units=3, replaces=1)).receipt.lines
    assert (stale.outcome, stale.version) == ("rejected", 2)


def test_anothers_line_is_unknown_and_its_version_is_not_told() -> None:
    bench = Bench()
    bench.submit(visit(line(1)))
    body = visit(line(1, replaces=1))
    (one,) = bench.submit(body, CORRECT, pharmacy=OTHER_PHARMACY).receipt.lines
    assert one.version is None


def test_an_erased_line_is_answered_erased_and_its_patient_starts_a_new_generation() -> None:
    bench = Bench()
    first = bench.submit(visit(line(1))).facts[0]
    finish(bench.vault.destroy_subject(first.subject, 1, NOW))
    answer = bench.submit(visit(line(1), line(2)))
    assert [one.outcome for one in answer.receipt.lines] == ["erased", "recorded"]
    assert answer.receipt.outcome == "partial"
    (fact,) = answer.facts
    assert (fact.subject, fact.generation) == (first.subject, 2)


def test_another_content_under_a_used_number_is_refused_even_after_an_erasure() -> None:
    bench = Bench()
    first = bench.submit(visit(line(1)), id_=guid(7)).facts[0]
    finish(bench.vault.destroy_subject(first.subject, 1, NOW))
    answer = bench.submit(visit(line(2)), id_=guid(7), sequence=1)
    assert answer.codes == ["SEQUENCE_REUSED"]


def test_missing_numbers_are_noticed_as_one_range_and_closed_when_they_arrive() -> None:
    bench = Bench()
    jumped = bench.submit(visit(line(1)), sequence=4)
    assert jumped.notices == [GapNoticed(publisher=PHARMACY, epoch="epoch-1", first=1, last=3)]
    filled = bench.submit(visit(line(2)), sequence=2)
    assert filled.notices == [GapClosed(publisher=PHARMACY, epoch="epoch-1", number=2)]
    assert entries(bench.state.numbers.epochs)[PHARMACY, "epoch-1"].missing == ((1, 1), (3, 3))


def test_a_number_is_used_once_its_seal_opened_even_when_the_body_is_malformed() -> None:
    bench = Bench()
    assert bench.submit(b"{", sequence=2).notices
    assert bench.submit(visit(), sequence=2).codes == ["SEQUENCE_REUSED"]


def test_a_number_under_a_broken_seal_stays_free() -> None:
    bench = Bench()
    record = bench.wire(visit(), sequence=2)
    broken = bench.run([bench.received(record, value=record.value[:-1])])[0]
    assert broken.notices == []
    assert bench.submit(visit(), sequence=1).receipt.outcome == "accepted"


def test_pharmacies_number_independently() -> None:
    bench = Bench()
    bench.submit(visit(line(1)))
    assert bench.submit(visit(line(1)), pharmacy=OTHER_PHARMACY, sequence=1).notices == []


def test_a_submission_is_decided_by_the_policy_in_force_when_it_was_appended() -> None:
    bench = Bench()
    stern = baseline("quality").quality.model_copy(
        update={"severities": {"UNITS_IMPLAUSIBLE": "reject"}}
    )
    effect = NOW + timedelta(minutes=10)
    bench.tables.policies.append(
        PolicyVersion(name="quality", version="quality/3", valid_from=effect, data=stern)
    )
    before = bench.submit(visit(line(1, units=500)))
    bench.now = effect
    after = bench.submit(visit(line(2, units=500)))
    assert (before.receipt.outcome, after.receipt.outcome) == ("accepted", "rejected")
    versions = [dict(one.outputs[-1].headers)["ce_policyversion"] for one in (before, after)]
    assert versions == [b"quality/2", b"quality/3"]


def test_the_receipt_is_keyed_as_the_submission_was() -> None:
    bench = Bench()
    assert bench.submit(visit()).outputs[-1].key == PHARMACY.encode()
    assert bench.run([bench.received(bench.wire(visit()), key=None)])[0].outputs[-1].key is None


def faulty_lines(count: int, ingredients: int) -> dict[str, object]:
    product = {
        "kind": "magistral",
        "compounds": [{"order": 1, "cnk": "1"} for _ in range(ingredients)],
    }
    prescription = {"prescriber": "1", "rid": "1"}
    return visit(
        *(line(n, units=0, product=product, prescription=prescription) for n in range(1, count + 1))
    )


@pytest.mark.parametrize(("count", "ingredients"), [(100, 5), (1, 1500), (20, 80)])
def test_a_receipt_of_very_many_faults_and_its_replay_stay_below_the_limit(
    count: int, ingredients: int
) -> None:
    bench = Bench()
    record = bench.wire(faulty_lines(count, ingredients))
    first, again = bench.run([bench.received(record), bench.received(record)])
    assert len(first.receipt.lines) == count
    for one in first.receipt.lines:
        assert "UNITS_ZERO" in {issue.code for issue in one.issues}
    assert again.receipt.outcome == "duplicate"
    for output in (*first.outputs, *again.outputs):
        assert encoded_size(output) <= MAX_OUTPUT_BYTES


def test_the_longest_lines_that_are_taken_make_outputs_below_the_limit() -> None:
    product = {
        "kind": "magistral",
        "compounds": [
            {"order": order, "name": "é" * 100, "quantity": "5 g"} for order in range(1, 168)
        ],
    }
    bench = Bench()
    body = json.dumps(visit(line(product=product)), ensure_ascii=False).encode()
    answer = bench.submit(body)
    assert answer.receipt.outcome == "accepted"
    assert 50_000 < encoded_size(answer.outputs[0]) <= MAX_OUTPUT_BYTES


def test_a_dead_letter_changes_no_memory() -> None:
    bench = Bench()
    bench.run([bench.received(bench.wire(visit()), key=None)])
    assert content(bench.state) == {}


def test_other_topics_and_tombstones_are_not_folded() -> None:
    stage, state = Bench().stage, Bench().state
    stage.evolve(state, topics.DISPENSATION_DEADLETTER.name, None, (), b"bytes")
    stage.evolve(state, stage.receipts, None, (), None)
    assert content(state) == {}


def test_a_receipt_reads_back_as_it_was_written() -> None:
    answer = Bench().submit(visit())
    assert Receipt.read(answer.outputs[-1].value or b"").write() == answer.outputs[-1].value
