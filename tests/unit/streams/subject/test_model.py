"""A machine that registers at random, against a dictionary that knows what should hold."""

from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.model import Model
from schemas.subject import (
    ACCEPT_MANDATE,
    DECLARE_LINK,
    END_MANDATE,
    GIVE_CONSENT,
    GRANT_MANDATE,
    LIFT_EXCLUSION,
    PUT_EXCLUSION,
    REFUSE_MANDATE,
    REVOKE_LINK,
    WITHDRAW_CONSENT,
)
from streams.engine.tables import in_memory
from streams.subject.state import PartitionState
from tests.support.state import content
from tests.unit.streams.subject.world import (
    DOCTOR,
    OTHER_DOCTOR,
    SUBJECT,
    Desk,
    make,
    professional,
    receipt_in,
)

DOCTORS = st.sampled_from([DOCTOR, OTHER_DOCTOR])
IDS = st.integers(0, 12).map("reg-{:08d}".format)
Phase = Literal["waiting", "active", "over"]


class Registrations(RuleBasedStateMachine):
    """Each rule says whether a plain dictionary would let the registration pass."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.consent = False
        self.links: dict[str, str | None] = {}
        self.exclusions: dict[str, str] = {}
        self.mandates: dict[str, Phase] = {}

    def send(self, registration: Model, *, allowed: bool) -> str:
        name = f"reg-{self.desk.offset:08d}"
        accepted = receipt_in(self.desk.register(registration)).outcome == "accepted"
        assert accepted is allowed
        return name

    @rule()
    def give(self) -> None:
        self.send(make(GIVE_CONSENT), allowed=not self.consent)
        self.consent = True

    @rule()
    def withdraw(self) -> None:
        self.send(make(WITHDRAW_CONSENT), allowed=self.consent)
        self.consent = False

    @rule(doctor=DOCTORS)
    def declare(self, doctor: str) -> None:
        free = doctor not in self.links.values()
        name = self.send(make(DECLARE_LINK, party=professional(doctor)), allowed=free)
        if free:
            self.links[name] = doctor

    @rule(name=IDS)
    def revoke(self, name: str) -> None:
        held = self.links.get(name) is not None
        self.send(make(REVOKE_LINK, link=name), allowed=held)
        if held:
            self.links[name] = None

    @rule(doctor=DOCTORS)
    def exclude(self, doctor: str) -> None:
        free = doctor not in self.exclusions.values()
        name = self.send(make(PUT_EXCLUSION, party=professional(doctor)), allowed=free)
        if free:
            self.exclusions[name] = doctor

    @rule(name=IDS)
    def lift(self, name: str) -> None:
        self.send(make(LIFT_EXCLUSION, exclusion=name), allowed=name in self.exclusions)
        self.exclusions.pop(name, None)

    @rule()
    def grant(self) -> None:
        self.mandates[self.send(make(GRANT_MANDATE), allowed=True)] = "waiting"

    @rule(name=IDS, accept=st.booleans())
    def answer(self, name: str, *, accept: bool) -> None:
        waiting = self.mandates.get(name) == "waiting"
        type_ = ACCEPT_MANDATE if accept else REFUSE_MANDATE
        self.send(make(type_, "mandate_holder", mandate=name), allowed=waiting)
        if waiting:
            self.mandates[name] = "active" if accept else "over"

    @rule(name=IDS, role=st.sampled_from(["patient", "mandate_holder"]))
    def end(self, name: str, role: Literal["patient", "mandate_holder"]) -> None:
        running = self.mandates.get(name) in ("waiting", "active")
        self.send(make(END_MANDATE, role, mandate=name), allowed=running)
        if running:
            self.mandates[name] = "over"

    @invariant()
    def the_state_says_the_same(self) -> None:
        state = self.desk.state.of(SUBJECT, 1)
        assert state.consent is self.consent
        assert {name: link.revoked for name, link in state.links.items()} == {
            name: doctor is None for name, doctor in self.links.items()
        }
        assert set(state.exclusions) == set(self.exclusions)
        assert {name: one.phase for name, one in state.mandates.items()} == self.mandates

    def teardown(self) -> None:
        """What is restored from the outputs equals what was folded live."""
        restored = PartitionState(in_memory())
        for output in self.desk.log:
            restored.apply(output.headers, output.value)
        assert content(restored) == content(self.desk.state)


TestRegistrations = Registrations.TestCase
