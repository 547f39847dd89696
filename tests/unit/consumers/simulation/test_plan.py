"""The plan: every kind planted, shares as stated, numbers and counts consistent."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from consumers.simulation.defects import KINDS, make_plan
from consumers.simulation.plan import (
    WARNINGS,
    Plan,
    PlannedSubmission,
    expected_counts,
    expected_history,
    kinds,
)
from consumers.simulation.population import SimulationSize
from consumers.simulation.publish import interleaved
from schemas import strictjson
from schemas.dispensation import MAX_SUBMISSION_BYTES, SUBMISSION_BODIES
from schemas.identifiers import niss
from schemas.policy import baseline
from streams.quality.codes import CODES

NOW = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)
SIZE = SimulationSize(6, 60, 400)
NEVER_PLANTED = {"LINE_ERASED", "PERIOD_CLOSED", "RETURN_NOT_COMPARED", "UNDECIDABLE"} | {
    "CNK_NOT_VALID_THEN",
    "CNK_SUSPENDED",
    "CNK_REVOKED",
    "CNK_NOT_PUBLIC",
}
"""They need an erasure, a shredded day, a failure, or codes that are not in order in the sample."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(7, SIZE, NOW)


def of_kind(plan: Plan, *names: str) -> list[PlannedSubmission]:
    return [one for one in plan.submissions() if one.kind in names]


def test_the_same_seed_and_moment_give_the_same_plan(plan: Plan) -> None:
    assert make_plan(7, SIZE, NOW) == plan


def test_another_moment_has_the_same_people_and_other_messages(plan: Plan) -> None:
    later = make_plan(7, SIZE, NOW + timedelta(days=1))
    assert later.population == plan.population
    ids = {one.id for one in plan.submissions()}
    repeated = {one.id for one in later.submissions()} & ids
    assert repeated <= {"submission-1"}


def test_every_code_of_the_catalogue_is_planted_at_the_smallest_size(plan: Plan) -> None:
    counts = expected_counts(plan)
    assert {*counts.rejects, *counts.warnings} == set(CODES) - NEVER_PLANTED


def test_what_the_plan_calls_a_warning_is_one_under_the_policy(plan: Plan) -> None:
    policy = baseline("quality").quality
    for code, entry in CODES.items():
        assert (policy.severities.get(code, entry.severity) == "warn") == (code in WARNINGS)


def test_every_dead_letter_reason_and_every_outcome_occurs(plan: Plan) -> None:
    counts = expected_counts(plan)
    reasons = {"no_key", "unknown_publisher", "unknown_session", "no_session"}
    assert set(counts.dead_letters) == reasons
    assert set(counts.outcomes) == {"accepted", "partial", "rejected", "duplicate"}
    assert set(counts.facts) == {"registered", "corrected", "revoked"}


def test_each_kind_has_its_stated_share() -> None:
    plan = make_plan(3, SimulationSize(12, 400, 4000), NOW)
    found = kinds(plan)
    ordinary = sum(1 for one in plan.submissions() if one.id and one.kind == "ordinary")
    shares = {kind.name: kind.share for kind in KINDS}
    for name, kind in (
        ("NISS checksum", "niss_checksum"),
        ("message replay", "message_replay"),
        ("number late", "number_late"),
        ("return", "return"),
        ("units zero", "units_zero"),
    ):
        assert found[kind] == pytest.approx(shares[name] * ordinary * 1.05, rel=0.2)


def test_shares_leave_most_visits_ordinary() -> None:
    assert sum(kind.share for kind in KINDS) < 0.25


def test_gaps_are_noticed_and_those_of_late_numbers_are_closed(plan: Plan) -> None:
    counts = expected_counts(plan)
    lost = len(of_kind(plan, "number_lost"))
    late = len(of_kind(plan, "number_late"))
    assert counts.gaps_closed <= late
    assert lost <= counts.gaps_noticed <= lost + late
    assert counts.gaps_closed > 0


def test_numbers_that_a_seal_proves_are_used_once_in_an_epoch(plan: Plan) -> None:
    for stream in plan.streams:
        proven = [
            one.sequence
            for one in stream.submissions
            if one.expected.dead_letter is None
            and (one.expected.lines or one.effects or one.kind.startswith("body_"))
        ]
        assert max(Counter(proven).values(), default=1) == 1


def test_each_stream_has_one_epoch_of_its_own(plan: Plan) -> None:
    epochs = [{one.epoch for one in stream.submissions} for stream in plan.streams]
    assert all(len(found) == 1 for found in epochs)
    assert len(set().union(*epochs)) == len(epochs)


def test_a_line_enters_the_record_one_version_after_the_other(plan: Plan) -> None:
    versions: dict[tuple[str, str], int] = {}
    for one in plan.submissions():
        for effect in one.effects:
            key = (one.sender, effect.dguid)
            assert effect.version == versions.get(key, 0) + 1
            versions[key] = effect.version


def test_recorded_lines_and_facts_are_the_same_number(plan: Plan) -> None:
    counts = expected_counts(plan)
    assert counts.lines["recorded"] == sum(counts.facts.values())
    assert counts.submissions == sum(counts.outcomes.values())


def test_only_planted_numbers_of_patients_are_wrong(plan: Plan) -> None:
    for one in plan.submissions():
        if one.kind.startswith(("body_", "depth_")) or one.type not in SUBMISSION_BODIES:
            continue
        body = SUBMISSION_BODIES[one.type].read(one.body)
        assert niss.is_valid(body.patient.niss) == (one.kind != "niss_checksum")


def test_malformed_bodies_fit_into_a_submission_and_no_reader_takes_them(plan: Plan) -> None:
    malformed = [one for one in plan.submissions() if one.kind.startswith("body_")]
    assert len({one.kind for one in malformed}) == 11
    for one in malformed:
        assert len(one.body) + 28 <= MAX_SUBMISSION_BYTES
        with pytest.raises(ValueError, match=r"."):
            _read(one)


def _read(one: PlannedSubmission) -> None:
    strictjson.parse(one.body, max_bytes=MAX_SUBMISSION_BYTES)
    SUBMISSION_BODIES[one.type].read(one.body)


def test_the_patient_of_the_demo_has_a_long_recent_history(plan: Plan) -> None:
    patient = plan.population.persons[0].niss
    lines = expected_history(plan, patient, NOW - timedelta(days=180))
    assert len(lines) >= 8
    assert len({line.pharmacy for line in lines}) >= 2
    assert {"corrected", "revoked"} <= {line.status for line in lines}
    assert all(a.delivered_at >= b.delivered_at for a, b in pairwise(lines))


def test_a_line_corrected_onto_another_person_is_that_persons(plan: Plan) -> None:
    (moved,) = of_kind(plan, "correction_other_patient")
    (effect,) = moved.effects
    beginning = NOW - timedelta(days=400)
    found = expected_history(plan, effect.niss, beginning)
    assert effect.dguid in {line.dguid for line in found}


def test_a_copy_follows_the_record_that_it_repeats(plan: Plan) -> None:
    sent: set[str] = set()
    copies = 0
    for one in interleaved(plan):
        if one.mutation == "copy":
            copies += 1
            assert one.id in sent
        elif one.mutation == "none":
            sent.add(one.id)
    assert copies == len(of_kind(plan, "message_replay"))


def test_interleaving_keeps_each_stream_in_order(plan: Plan) -> None:
    streams: dict[str, list[PlannedSubmission]] = {}
    for one in interleaved(plan):
        streams.setdefault(one.sender, []).append(one)
    for stream in plan.streams:
        assert tuple(streams[stream.pharmacy.number]) == stream.submissions


def test_people_and_bodies_stay_out_of_a_representation(plan: Plan) -> None:
    one = next(iter(plan.submissions()))
    assert one.effects[0].niss not in repr(one)
    assert b"niss" in one.body
    assert "niss" not in repr(replace(one, effects=()))


@pytest.mark.parametrize("lines", [40, 100])
def test_a_year_too_small_for_every_kind_is_refused_bad(lines: int) -> None:
    with pytest.raises(ValueError, match="simulate more lines"):
        make_plan(1, SimulationSize(3, 30, lines), NOW)


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_size_works_with_any_seed(seed: int) -> None:
    counts = expected_counts(make_plan(seed, SIZE, NOW))
    assert len(counts.rejects) + len(counts.warnings) == len(CODES) - len(NEVER_PLANTED)
    assert counts.gaps_closed > 0
