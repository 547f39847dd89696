"""Random histories of two pharmacies against a plain dictionary, and against their own replay."""

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas.dispensation import CORRECT, REVOKE
from streams.intake.session import WireRecord
from tests.support.quality_bench import (
    OTHER_PATIENT,
    OTHER_PHARMACY,
    PATIENT,
    PHARMACY,
    Answer,
    Bench,
    guid,
    line,
    revocation,
    visit,
)

PHARMACIES = st.sampled_from([PHARMACY, OTHER_PHARMACY])
PATIENTS = st.sampled_from([PATIENT, OTHER_PATIENT])
DGUIDS = st.integers(1, 3)
UNITS = st.integers(1, 2)
VERSIONS = st.integers(1, 4)


@dataclass
class Known:
    """What a plain model remembers of a line."""

    version: int
    status: str
    patient: str
    units: int


class Histories(RuleBasedStateMachine):
    """Registers, corrects and revokes at random, sometimes twice, sometimes out of order."""

    @initialize()
    def start(self) -> None:
        self.bench = Bench()
        self.model: dict[tuple[str, int], Known] = {}
        self.sent: list[tuple[WireRecord, Answer]] = []

    def _submit(self, body: dict[str, Any], pharmacy: str, type_: str) -> Answer:
        record = self.bench.wire(body, type_, pharmacy=pharmacy)
        answer = self.bench.run([self.bench.received(record)])[0]
        self.sent.append((record, answer))
        return answer

    def _expect(self, answer: Answer, outcome: str, code: str | None = None) -> None:
        assert [one.outcome for one in answer.receipt.lines] == [outcome]
        assert answer.codes == ([code] if code else [])
        assert len(answer.facts) == (outcome == "recorded")

    @rule(pharmacy=PHARMACIES, dguid=DGUIDS, patient=PATIENTS, units=UNITS)
    def register(self, pharmacy: str, dguid: int, patient: str, units: int) -> None:
        body = visit(line(dguid, units=units), patient={"niss": patient})
        known = self.model.get((pharmacy, dguid))
        answer = self._submit(body, pharmacy, "be.dpp.dispensation.register.v1")
        if known is None:
            self.model[(pharmacy, dguid)] = Known(1, "registered", patient, units)
            self._expect(answer, "recorded")
        elif known.status == "revoked":
            self._expect(answer, "rejected", "LINE_REVOKED")
        elif known == Known(1, "registered", patient, units):
            self._expect(answer, "duplicate")
        else:
            self._expect(answer, "rejected", "DGUID_CONFLICT")

    @rule(pharmacy=PHARMACIES, dguid=DGUIDS, patient=PATIENTS, units=UNITS, replaces=VERSIONS)
    def correct(self, pharmacy: str, dguid: int, patient: str, units: int, replaces: int) -> None:
        body = visit(line(dguid, units=units, replaces=replaces), patient={"niss": patient})
        known = self.model.get((pharmacy, dguid))
        answer = self._submit(body, pharmacy, CORRECT)
        if known is None:
            self._expect(answer, "rejected", "LINE_UNKNOWN")
        elif known.status == "revoked":
            self._expect(answer, "rejected", "LINE_REVOKED")
        elif known.version == replaces:
            self.model[(pharmacy, dguid)] = Known(replaces + 1, "corrected", patient, units)
            self._expect(answer, "recorded")
        elif known == Known(replaces + 1, "corrected", patient, units):
            self._expect(answer, "duplicate")
        else:
            self._expect(answer, "rejected", "VERSION_STALE")

    @rule(pharmacy=PHARMACIES, dguid=DGUIDS, patient=PATIENTS, replaces=VERSIONS)
    def revoke(self, pharmacy: str, dguid: int, patient: str, replaces: int) -> None:
        body = revocation(dguid, replaces, patient={"niss": patient})
        known = self.model.get((pharmacy, dguid))
        answer = self._submit(body, pharmacy, REVOKE)
        if known is None:
            self._expect(answer, "rejected", "LINE_UNKNOWN")
        elif known.patient != patient:
            self._expect(answer, "rejected", "PATIENT_MISMATCH")
        elif known.status == "revoked" and known.version == replaces + 1:
            self._expect(answer, "duplicate")
        elif known.status == "revoked":
            self._expect(answer, "rejected", "LINE_REVOKED")
        elif known.version != replaces:
            self._expect(answer, "rejected", "VERSION_STALE")
        else:
            known.version, known.status = replaces + 1, "revoked"
            self._expect(answer, "recorded")

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        if not self.sent:
            return
        record, first = data.draw(st.sampled_from(self.sent))
        again = self.bench.run([self.bench.received(record)])[0]
        assert again.receipt.outcome == "duplicate"
        assert again.receipt.original is not None
        assert again.receipt.original.offset == first.receipt.submission.offset
        assert again.receipt.original.outcome == first.receipt.outcome
        assert again.facts == []

    @invariant()
    def memory_is_what_the_model_says(self) -> None:
        stands = {key: (one.version, one.status) for key, one in self.bench.state.lines.items()}
        expected = {
            (pharmacy, guid(dguid)): (one.version, one.status)
            for (pharmacy, dguid), one in self.model.items()
        }
        assert stands == expected

    def teardown(self) -> None:
        """A stage that starts anew on the same outputs remembers the same."""
        if hasattr(self, "bench"):
            assert self.bench.restored() == self.bench.state


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
