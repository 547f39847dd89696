"""Random histories of two pharmacies against a plain dictionary, and against their own replay."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas.dispensation import CORRECT, REGISTER, REVOKE
from schemas.policy import baseline
from streams.engine.stage import Submission
from streams.engine.tables import in_memory
from streams.quality import rules, scans
from streams.quality.codes import CODES
from tests.support.quality_bench import (
    CNKS,
    OTHER_PATIENT,
    OTHER_PHARMACY,
    PATIENT,
    PHARMACY,
    Answer,
    Bench,
    finish,
    guid,
    line,
    revocation,
    visit,
)
from tests.support.state import content, entries

PHARMACIES = st.sampled_from([PHARMACY, PHARMACY, OTHER_PHARMACY])
PATIENTS = st.sampled_from([PATIENT, PATIENT, OTHER_PATIENT])
DGUIDS = st.integers(1, 4)
VERSIONS = st.integers(1, 4)
DAYS = st.sampled_from(["2026-03-10", "2026-03-09"])
WARNS = {name for name, code in CODES.items() if code.severity == "warn"}


@dataclass(frozen=True)
class Said:
    """What a submission says of a line: all that the plain model compares."""

    patient: str
    day: str
    product: int
    units: int
    returns: int | None = None

    @property
    def visit(self) -> str:
        return guid(2**64 + int(self.day[-2:]))

    def body(self, dguid: int, **more: Any) -> dict[str, Any]:
        returns = None if self.returns is None else guid(self.returns)
        product = {"kind": "cnk", "cnk": CNKS[self.product]}
        one = line(dguid, product=product, units=self.units, returns=returns, **more)
        moment = f"{self.day}T08:55:00Z"
        patient = {"niss": self.patient}
        return visit(one, patient=patient, delivered_at=moment, sguid=self.visit)


DELIVERIES = st.builds(Said, PATIENTS, DAYS, st.integers(0, 1), st.integers(1, 3))
RETURNS = st.builds(
    Said, PATIENTS, DAYS, st.integers(0, 1), st.sampled_from([-1, -1, -2, 1]), st.none() | DGUIDS
)
SAYINGS = DELIVERIES | RETURNS


@dataclass
class Known:
    """What a plain model remembers of a line."""

    version: int
    status: str
    said: Said


class Histories(RuleBasedStateMachine):
    """Registers, corrects, returns and revokes at random, sometimes twice, sometimes too late."""

    @initialize()
    def start(self) -> None:
        self.bench = Bench()
        self.model: dict[tuple[str, int], Known] = {}
        self.sent: list[tuple[Submission, Answer]] = []

    def _submit(self, body: dict[str, Any], pharmacy: str, type_: str) -> Answer:
        submission = self.bench.received(self.bench.wire(body, type_, pharmacy=pharmacy))
        answer = self.bench.run([submission])[0]
        self.sent.append((submission, answer))
        return answer

    def _expect(self, answer: Answer, outcome: str, *codes: str) -> None:
        assert [one.outcome for one in answer.receipt.lines] == [outcome]
        assert sorted(answer.codes) == sorted(codes)
        assert len(answer.facts) == (outcome == "recorded")

    def _others(self, pharmacy: str, dguid: int, patient: str) -> list[Said]:
        """What stands of the patient's other lines."""
        return [
            one.said
            for (owner, number), one in self.model.items()
            if owner == pharmacy and number != dguid
            if one.status != "revoked" and one.said.patient == patient
        ]

    def _brought_back(self, others: list[Said], dguid: int) -> int:
        return -sum(one.units for one in others if one.returns == dguid)

    def _faults_of_return(self, pharmacy: str, dguid: int, said: Said) -> list[str]:
        named = self.model.get((pharmacy, said.returns or 0))
        if named is None or named.status == "revoked" or named.said.patient != said.patient:
            return ["RETURN_INVALID"]
        if named.said.units < 0:
            return ["RETURN_INVALID"]
        others = self._others(pharmacy, dguid, said.patient)
        found = [] if named.said.product == said.product else ["RETURN_PRODUCT_DIFFERS"]
        if self._brought_back(others, said.returns or 0) - said.units > named.said.units:
            found.append("RETURN_TOO_MANY")
        return found

    def _faults(self, pharmacy: str, dguid: int, said: Said, corrects: bool) -> list[str]:
        others = self._others(pharmacy, dguid, said.patient)
        if (said.units < 0) != (said.returns is not None) or said.returns == dguid:
            return ["RETURN_INVALID"]
        if said.returns is not None:
            return self._faults_of_return(pharmacy, dguid, said)
        too_few = corrects and self._brought_back(others, dguid) > said.units
        return ["RETURN_TOO_MANY"] if too_few else []

    def _warnings(self, pharmacy: str, dguid: int, said: Said) -> list[str]:
        again = any(
            (one.day, one.product) == (said.day, said.product) and one.units > 0 < said.units
            for one in self._others(pharmacy, dguid, said.patient)
        )
        return ["PRODUCT_REPEATED"] if again else []

    def _settle(
        self, answer: Answer, key: tuple[str, int], said: Said, after: Known | str, corrects: bool
    ) -> None:
        """Expect the line to enter as `after`, or the refusal that it names, and its own faults."""
        faults = self._faults(*key, said, corrects)
        well_formed = (said.units < 0) == (said.returns is not None) and said.returns != key[1]
        if isinstance(after, str):
            self._expect(answer, "rejected", after, *faults)
            return
        # The content is not looked at in a line whose own form is wrong.
        warnings = self._warnings(*key, said) if well_formed else []
        if faults:
            self._expect(answer, "rejected", *faults, *warnings)
        else:
            self.model[key] = after
            self._expect(answer, "recorded", *warnings)

    @rule(pharmacy=PHARMACIES, dguid=DGUIDS, said=SAYINGS)
    def register(self, pharmacy: str, dguid: int, said: Said) -> None:
        key, known = (pharmacy, dguid), self.model.get((pharmacy, dguid))
        answer = self._submit(said.body(dguid), pharmacy, REGISTER)
        if known == Known(1, "registered", said):
            self._expect(answer, "duplicate")
            return
        after: Known | str = Known(1, "registered", said)
        if known is not None:
            after = "LINE_REVOKED" if known.status == "revoked" else "DGUID_CONFLICT"
        self._settle(answer, key, said, after, corrects=False)

    @rule(dguid=st.integers(1, 2), said=DELIVERIES)
    def deliver(self, dguid: int, said: Said) -> None:
        self.register(PHARMACY, dguid, replace(said, patient=PATIENT, product=0))

    @rule(dguid=st.integers(3, 4), named=st.integers(1, 2), units=st.integers(-2, -1), day=DAYS)
    def bring_back(self, dguid: int, named: int, units: int, day: str) -> None:
        self.register(PHARMACY, dguid, Said(PATIENT, day, 0, units, named))

    @rule(pharmacy=PHARMACIES, dguid=DGUIDS, said=SAYINGS, replaces=VERSIONS)
    def correct(self, pharmacy: str, dguid: int, said: Said, replaces: int) -> None:
        key, known = (pharmacy, dguid), self.model.get((pharmacy, dguid))
        answer = self._submit(said.body(dguid, replaces=replaces), pharmacy, CORRECT)
        after: Known | str = Known(replaces + 1, "corrected", said)
        if known is None:
            after = "LINE_UNKNOWN"
        elif known == after:
            self._expect(answer, "duplicate")
            return
        elif known.status == "revoked":
            after = "LINE_REVOKED"
        elif known.version != replaces:
            after = "VERSION_STALE"
        self._settle(answer, key, said, after, corrects=True)

    @rule(dguid=DGUIDS, units=st.sampled_from([-2, -1, 1, 2, 3]))
    def correct_the_units(self, dguid: int, units: int) -> None:
        known = self.model.get((PHARMACY, dguid))
        if known is not None:
            self.correct(PHARMACY, dguid, replace(known.said, units=units), known.version)

    @rule(pharmacy=PHARMACIES, dguid=DGUIDS, patient=PATIENTS, day=DAYS, replaces=VERSIONS)
    def revoke(self, pharmacy: str, dguid: int, patient: str, day: str, replaces: int) -> None:
        said = Said(patient, day, 0, 1)
        body = revocation(dguid, replaces, patient={"niss": patient}, sguid=said.visit)
        known = self.model.get((pharmacy, dguid))
        answer = self._submit(body, pharmacy, REVOKE)
        if known is None:
            self._expect(answer, "rejected", "LINE_UNKNOWN")
        elif known.said.patient != patient:
            self._expect(answer, "rejected", "PATIENT_MISMATCH")
        elif known.status == "revoked" and known.version == replaces + 1:
            self._expect(answer, "duplicate")
        elif known.status == "revoked":
            self._expect(answer, "rejected", "LINE_REVOKED")
        elif known.version != replaces:
            self._expect(answer, "rejected", "VERSION_STALE")
        elif known.said.day != day:
            self._expect(answer, "rejected", "VISIT_MISMATCH")
        else:
            known.version, known.status = replaces + 1, "revoked"
            self._expect(answer, "recorded")

    @rule(dguid=DGUIDS)
    def revoke_as_it_stands(self, dguid: int) -> None:
        known = self.model.get((PHARMACY, dguid))
        if known is not None:
            self.revoke(PHARMACY, dguid, known.said.patient, known.said.day, known.version)

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        if not self.sent:
            return
        before, first = data.draw(st.sampled_from(self.sent))
        submission = replace(before, offset=self.bench.offset)
        self.bench.offset += 1
        again = self.bench.run([submission])[0]
        self.sent.append((submission, again))
        original = again.receipt.original
        assert again.receipt.outcome == "duplicate"
        assert original is not None
        earlier = first.receipt.original or first.receipt
        assert (original.outcome, original.lines) == (earlier.outcome, earlier.lines)
        assert again.facts == []

    @invariant()
    def memory_is_what_the_model_says(self) -> None:
        stands = {
            key: (one.version, one.status) for key, one in entries(self.bench.state.lines).items()
        }
        expected = {
            (pharmacy, guid(dguid)): (one.version, one.status)
            for (pharmacy, dguid), one in self.model.items()
        }
        assert stands == expected

    @invariant()
    def a_line_is_listed_with_its_patient_as_long_as_it_stands(self) -> None:
        listed = [
            (pharmacy, held.dguid, held.period, subject)
            for (pharmacy, subject), several in entries(self.bench.state.held).items()
            for held in several
        ]
        standing = [
            (pharmacy, dguid, one.period, one.subject)
            for (pharmacy, dguid), one in entries(self.bench.state.lines).items()
            if one.status != "revoked"
        ]
        assert sorted(listed) == sorted(standing)

    def teardown(self) -> None:
        """A stage that starts anew remembers the same, and one batch of all decides the same."""
        if hasattr(self, "bench"):
            assert content(self.bench.restored()) == content(self.bench.state)
            assert self._as_one_batch() == self.bench.log

    def _as_one_batch(self) -> list[object]:
        stage, state = self.bench.stage, self.bench.stage.initial(in_memory())
        batch = [submission for submission, _ in self.sent]
        gathered = finish(stage.gather(state, batch))
        written: list[object] = []
        for submission in batch:
            outputs = stage.decide(state, submission, gathered)
            for one in outputs:
                stage.evolve(state, one.topic, one.key, one.headers, one.value)
            written.extend(outputs)
        return written


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(
    st.sets(st.sampled_from(sorted(WARNS))),
    st.sampled_from(sorted(WARNS)),
    st.dictionaries(st.sampled_from(sorted(WARNS)), st.integers(0, 100)),
    st.integers(0, 100),
)
def test_one_more_warning_never_raises_the_score(
    warnings: set[str], one_more: str, penalties: dict[str, int], default: int
) -> None:
    changes = {"penalties": penalties, "default_penalty": default}
    policy = baseline("quality").quality.model_copy(update=changes)
    before, after = (rules.score(found, policy) for found in (warnings, {*warnings, one_more}))
    assert 0 <= after <= before <= 100


@given(st.text(max_size=256) | st.text("0123456789\x1d]d2()ABC", max_size=60))
def test_any_text_can_be_tried_as_a_barcode(text: str) -> None:
    scanned = scans.read(text)
    if scanned is not None:
        assert scanned.gtin is None or len(scanned.gtin) == 14
