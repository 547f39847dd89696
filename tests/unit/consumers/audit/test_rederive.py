"""An audit finds no difference in what the stage wrote, and every one that was planted."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.audit.keys import KeysMissing
from consumers.audit.quality import QualityAudit
from consumers.audit.rederive import rederive
from consumers.audit.report import Report, Window
from infra.keys.memory import MemoryVault
from schemas import topics
from schemas.keyvault import IntakeKey
from schemas.policy import PolicyVersion, QualityPolicy, baseline
from streams.engine.stage import Submission
from streams.quality import decide
from streams.quality.decide import DECIDER_VERSION
from tests.support.quality_bench import (
    INTAKE,
    NOW,
    OTHER_PATIENT,
    OTHER_PHARMACY,
    PATIENT,
    Answer,
    Bench,
    finish,
    guid,
    line,
    revocation,
    visit,
)
from tests.support.stage_log import MemoryLog
from tests.support.state import entries

RECORDED = topics.DISPENSATION_RECORDED.name
RECEIPTS = topics.DISPENSATION_RECEIPTS.name
LETTERS = topics.DISPENSATION_DEADLETTER.name
SUBMITTED = topics.DISPENSATION_SUBMITTED.name
EVERYTHING = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@dataclass
class World:
    """A partition that was lived through, and the log of it."""

    bench: Bench = field(default_factory=Bench)
    log: MemoryLog = field(default_factory=MemoryLog)

    def take(self, submission: Submission) -> Answer:
        self.log.submit(submission)
        answer = self.bench.run([submission])[0]
        for output in answer.outputs:
            self.log.write(output)
        self.bench.now += timedelta(minutes=1)
        return answer

    def submit(self, body: dict[str, Any] | bytes, **how: Any) -> Answer:
        return self.take(self.bench.received(self.bench.wire(body, **how)))

    def audit(self, window: Window = EVERYTHING) -> Report:
        audited = QualityAudit(self.bench.tables, self.bench.vault, self.bench.catalogue, 1)
        return finish(rederive(audited, self.log, window, lambda *_: None))


@pytest.fixture
def lived() -> World:
    """Good lines, a correction, a revocation, bad lines, gaps, a replay, a stranger."""
    world = World()
    world.submit(visit(line(1), line(2, product={"kind": "cnk", "cnk": "1439562"}), line(3)))
    world.submit(visit(line(4)), pharmacy=OTHER_PHARMACY)
    world.submit(visit(line(1, units=2, replaces=1)), type_=_CORRECT)
    world.submit(visit(line(5), patient={"niss": OTHER_PATIENT}))
    world.submit(revocation(3), type_=_REVOKE)
    world.submit(visit(line(6)), sequence=9)
    world.submit(b"{", sequence=7)
    again = world.bench.wire(visit(line(7)))
    world.take(world.bench.received(again))
    world.take(world.bench.received(again))
    world.take(world.bench.received(world.bench.wire(visit()), key=None))
    return world


_CORRECT = "be.dpp.dispensation.correct.v1"
_REVOKE = "be.dpp.dispensation.revoke.v1"


def found(report: Report) -> list[tuple[int, int, str, tuple[str, ...]]]:
    return [(one.offset, one.ordinal, one.kind, one.members) for one in report.differences]


def test_what_the_stage_wrote_is_derived_again_to_the_same_bytes(lived: World) -> None:
    report = lived.audit()
    assert (report.holds, report.differences) == (True, [])
    assert (report.submissions, report.rederived) == (10, 10)
    assert (report.waiting, report.gone, report.copies, report.torn) == (0, 0, 0, 0)
    assert (report.stage, report.decider_version) == ("quality", DECIDER_VERSION)


@pytest.mark.parametrize("first", range(11))
def test_a_window_that_begins_anywhere_is_judged_by_the_state_up_to_there(
    lived: World, first: int
) -> None:
    report = lived.audit(Window(NOW + timedelta(minutes=first), NOW + timedelta(minutes=9)))
    assert report.holds
    assert (report.submissions, report.rederived) == (max(0, 9 - first), max(0, 9 - first))


def _with_value(world: World, place: tuple[int, int], change: Callable[[Any], None]) -> bytes:
    value = json.loads(world.log.find(place).value or b"")
    change(value)
    return json.dumps(value, separators=(",", ":")).encode()


def _score(value: Any) -> None:
    value["score"] = 7


def _outcome(value: Any) -> None:
    value["lines"][1]["outcome"] = "recorded"


def _more(value: Any) -> None:
    value[PATIENT] = 1


def test_a_fact_with_other_bytes_is_found_once_and_what_follows_it_is_not_blamed(
    lived: World,
) -> None:
    lived.log.alter((0, 0), value=_with_value(lived, (0, 0), _score))
    report = lived.audit()
    assert not report.holds
    assert found(report) == [(0, 0, "other_bytes", ("value/score",))]
    assert (report.rederived, report.differing) == (9, 1)


@pytest.mark.parametrize(
    ("changes", "members"),
    [
        ({"key": b"27457532"}, ("key",)),
        ({"value": None}, ("value",)),
        ({"value": b"{"}, ("value",)),
    ],
)
def test_other_bytes_are_named_by_member(
    lived: World, changes: dict[str, object], members: tuple[str, ...]
) -> None:
    lived.log.alter((0, 1), **changes)
    assert found(lived.audit()) == [(0, 1, "other_bytes", members)]


def test_an_altered_receipt_is_found_by_the_path_of_its_member(lived: World) -> None:
    lived.log.alter((0, 2), value=_with_value(lived, (0, 2), _outcome))
    assert found(lived.audit()) == [(0, 2, "other_bytes", ("value/lines/1/outcome",))]


def test_the_same_content_in_another_form_is_other_bytes(lived: World) -> None:
    value = json.dumps(json.loads(lived.log.find((0, 2)).value or b""), indent=1).encode()
    lived.log.alter((0, 2), value=value)
    assert found(lived.audit()) == [(0, 2, "other_bytes", ("value/(form)",))]


def test_a_planted_member_or_header_is_found_and_its_name_is_not_told(lived: World) -> None:
    lived.log.alter((0, 2), value=_with_value(lived, (0, 2), _more))
    headers = lived.log.find((0, 1)).headers
    lived.log.alter((0, 1), headers=(*headers, (PATIENT, b"1")))
    report = lived.audit()
    assert found(report) == [
        (0, 1, "other_bytes", ("headers/(another)",)),
        (0, 2, "other_bytes", ("value/(another)",)),
    ]
    assert PATIENT not in repr(report)


def test_another_header_value_is_named(lived: World) -> None:
    record = lived.log.find((0, 1))
    headers = tuple(
        (name, b"quality/9" if name == "ce_policyversion" else value)
        for name, value in record.headers
    )
    lived.log.alter((0, 1), headers=headers)
    assert found(lived.audit()) == [(0, 1, "other_bytes", ("headers/ce_policyversion",))]
    lived.log.alter((0, 1), headers=record.headers[::-1])
    assert found(lived.audit()) == [(0, 1, "other_bytes", ("headers/(form)",))]


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (0, 2), (2, 0), (5, 1), (8, 0), (9, 0)])
def test_a_missing_output_is_found(lived: World, place: tuple[int, int]) -> None:
    topic = lived.log.find(place).topic
    lived.log.drop(place)
    report = lived.audit()
    assert found(report) == [(*place, "missing", ())]
    assert report.differences[0].topic == topic


def test_all_outputs_of_a_submission_may_be_missing(lived: World) -> None:
    for ordinal in range(3):
        lived.log.drop((0, ordinal))
    assert [one[:3] for one in found(lived.audit())] == [
        (0, 0, "missing"),
        (0, 1, "missing"),
        (0, 2, "missing"),
    ]


def test_an_output_that_stands_there_twice_is_a_copy(lived: World) -> None:
    lived.log.repeat((0, 0))
    lived.log.repeat((9, 1))
    report = lived.audit()
    assert (report.holds, report.copies) == (True, 2)


def test_a_second_output_of_other_bytes_is_extra(lived: World) -> None:
    lived.log.repeat((0, 0), value=b"{}")
    report = lived.audit()
    assert found(report) == [(0, 0, "extra", ())]
    assert report.differences[0].at == len(lived.log.records[RECORDED]) - 1


def test_a_record_that_names_no_submission_is_extra(lived: World) -> None:
    lived.log.repeat((0, 0), headers=())
    assert found(lived.audit()) == [(-1, -1, "extra", ())]


def _placed(headers: Any, offset: bytes, ordinal: bytes) -> Any:
    changed = {"ce_sourceoffset": offset, "ce_sourceordinal": ordinal}
    return tuple((name, changed.get(name, value)) for name, value in headers)


def test_outputs_beyond_the_receipt_or_of_no_submission_are_extra(lived: World) -> None:
    headers = lived.log.find((7, 0)).headers
    lived.log.repeat((7, 0), headers=_placed(headers, b"9", b"2"))
    lived.submit(visit(line(8)))
    report = lived.audit()
    assert found(report) == [(9, 2, "extra", ())]
    assert report.rederived == 10


def test_a_fact_about_a_line_that_nobody_submitted_is_extra(lived: World) -> None:
    receipt = lived.log.find((9, 1))
    headers = _placed(receipt.headers, b"12", b"0")
    lived.bench.offset += 5
    lived.log.repeat((9, 1), headers=headers)
    assert found(lived.audit()) == [(12, 0, "extra", ())]


def test_what_is_not_answered_yet_waits(lived: World) -> None:
    lived.log.submit(lived.bench.received(lived.bench.wire(visit(line(8)))))
    report = lived.audit()
    assert (report.holds, report.submissions, report.waiting) == (True, 11, 1)


def test_outputs_without_their_receipt_at_the_end_are_told(lived: World) -> None:
    lived.submit(visit(line(8)))
    lived.log.drop((10, 1))
    report = lived.audit()
    assert (report.holds, report.waiting, report.torn) == (True, 1, 1)


def test_what_retention_removed_is_counted_and_still_folded(lived: World) -> None:
    lived.log.begin[SUBMITTED] = 2
    lived.log.begin[LETTERS] = 1
    report = lived.audit()
    assert (report.holds, report.gone, report.submissions) == (True, 2, 8)


def test_a_dead_letter_that_retention_removed_is_no_difference(lived: World) -> None:
    lived.log.begin[LETTERS] = 1
    assert lived.audit().holds


def test_another_version_of_the_code_is_told_and_not_compared(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "DECIDER_VERSION", "0")
    lived.submit(visit(line(8)))
    monkeypatch.undo()
    lived.submit(visit(line(8, units=3, replaces=1)), type_=_CORRECT)
    report = lived.audit()
    assert report.holds
    assert dict(report.other_decider) == {"0": 1}
    assert report.rederived == 11


def test_each_submission_is_decided_by_the_policy_of_its_time(lived: World) -> None:
    data = baseline("quality").data
    assert isinstance(data, QualityPolicy)
    stricter = data.model_copy(update={"units_max": 1})
    lived.bench.tables.policies.append(
        PolicyVersion(
            name="quality", version="quality/90", valid_from=lived.bench.now, data=stricter
        )
    )
    answer = lived.submit(visit(line(8, units=5)))
    assert "UNITS_IMPLAUSIBLE" in answer.codes
    report = lived.audit()
    assert (report.holds, report.rederived) == (True, 11)


def test_an_erased_subjects_outputs_are_counted_apart(lived: World) -> None:
    subject = entries(lived.bench.state.lines)["80000551", guid(5)].subject
    finish(lived.bench.vault.destroy_subject(subject, 1, NOW))
    report = lived.audit()
    assert report.holds
    assert dict(report.not_derivable) == {"subject_erased": 1}
    assert report.rederived == 9


def test_a_subject_that_came_back_after_its_erasure_is_counted_apart_before_it(
    lived: World,
) -> None:
    subject = entries(lived.bench.state.lines)["80000551", guid(5)].subject
    finish(lived.bench.vault.destroy_subject(subject, 1, NOW))
    lived.submit(visit(line(8), patient={"niss": OTHER_PATIENT}))
    report = lived.audit()
    assert (report.holds, dict(report.not_derivable)) == (True, {"subject_erased": 1})
    assert report.rederived == 10


def test_a_fault_beside_an_erased_subject_is_found(lived: World) -> None:
    subject = entries(lived.bench.state.lines)["80000551", guid(5)].subject
    finish(lived.bench.vault.destroy_subject(subject, 1, NOW))
    lived.log.alter((0, 0), value=_with_value(lived, (0, 0), _score))
    assert found(lived.audit()) == [(0, 0, "other_bytes", ("value/score",))]


def test_a_destroyed_days_outputs_are_counted_apart(lived: World) -> None:
    for period in {one.period for one in entries(lived.bench.state.lines).values()}:
        finish(lived.bench.vault.destroy_period(period, NOW))
    report = lived.audit()
    assert report.holds
    assert set(report.not_derivable) == {"period_destroyed"}
    assert report.rederived + report.not_derivable["period_destroyed"] == 10


def test_a_submission_whose_intake_key_is_destroyed_is_counted_apart(lived: World) -> None:
    finish(lived.bench.vault.destroy_intake_key(INTAKE, NOW))
    with pytest.raises(KeysMissing, match="no intake key"):
        lived.audit()
    spare = lived.bench.vault
    finish(spare.put_intake_key(IntakeKey("intake-2", bytes(range(1, 97)))))
    report = lived.audit()
    assert report.holds
    assert set(report.not_derivable) == {"intake_key_destroyed"}


def test_a_vault_that_is_another_backbones_is_told_and_gains_nothing(lived: World) -> None:
    other = MemoryVault()
    intake = finish(lived.bench.vault.intake_keys())[INTAKE]
    finish(other.put_intake_key(intake))
    lived.bench.vault = other
    with pytest.raises(KeysMissing, match="pseudonym"):
        lived.audit()
    finish(other.root_key("pseudonym"))
    report = lived.audit()
    assert report.holds
    assert report.not_derivable["key_unknown"] > 0
    assert finish(other.look_up_days([NOW.date()])) == {}


def test_an_audit_makes_no_secret(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("root_key", "subject_secrets", "reader_secrets", "period_secrets"):
        monkeypatch.delattr(MemoryVault, name)
    assert lived.audit().holds
