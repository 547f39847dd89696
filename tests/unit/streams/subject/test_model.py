"""A machine that registers at random, against a dictionary that knows what should hold."""

from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.model import Model
from schemas.registrations import (
    ACCEPT_MANDATE,
    ANNUL_DEATH,
    DECLARE_DEATH,
    DECLARE_LINK,
    DECLARE_PARENT,
    END_MANDATE,
    GIVE_CONSENT,
    GRANT_MANDATE,
    LIFT_EXCLUSION,
    MERGE_IDENTITY,
    PUT_EXCLUSION,
    REFUSE_MANDATE,
    REVOKE_LINK,
    REVOKE_MERGE,
    REVOKE_PARENT,
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
NOBODY = "nothing-0000"
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
        self.parent: str | None = None
        self.death: str | None = None
        self.replaced: str | None = None

    @property
    def open(self) -> bool:
        """Whether rights may begin: the person lives, and uses this number."""
        return self.death is None and self.replaced is None

    @property
    def alive(self) -> bool:
        return self.death is None

    def send(self, registration: Model, *, allowed: bool) -> str:
        name = f"reg-{self.desk.offset:08d}"
        accepted = receipt_in(self.desk.register(registration)).outcome == "accepted"
        assert accepted is allowed
        return name

    @rule()
    def give(self) -> None:
        allowed = not self.consent and self.open
        self.send(make(GIVE_CONSENT), allowed=allowed)
        self.consent |= allowed

    @rule()
    def withdraw(self) -> None:
        self.send(make(WITHDRAW_CONSENT), allowed=self.consent and self.alive)
        self.consent = False

    @rule(doctor=DOCTORS)
    def declare(self, doctor: str) -> None:
        free = doctor not in self.links.values() and self.open
        name = self.send(make(DECLARE_LINK, party=professional(doctor)), allowed=free)
        if free:
            self.links[name] = doctor

    @rule(name=IDS)
    def revoke(self, name: str) -> None:
        held = self.links.get(name) is not None and self.alive
        self.send(make(REVOKE_LINK, link=name), allowed=held)
        if held:
            self.links[name] = None

    @rule(doctor=DOCTORS)
    def exclude(self, doctor: str) -> None:
        free = doctor not in self.exclusions.values() and self.open
        name = self.send(make(PUT_EXCLUSION, party=professional(doctor)), allowed=free)
        if free:
            self.exclusions[name] = doctor

    @rule(name=IDS)
    def lift(self, name: str) -> None:
        self.send(make(LIFT_EXCLUSION, exclusion=name), allowed=name in self.exclusions)
        self.exclusions.pop(name, None)

    @rule()
    def grant(self) -> None:
        name = self.send(make(GRANT_MANDATE), allowed=self.open)
        if self.open:
            self.mandates[name] = "waiting"

    @rule(name=IDS, accept=st.booleans())
    def answer(self, name: str, *, accept: bool) -> None:
        may = self.open if accept else self.alive
        waiting = self.mandates.get(name) == "waiting" and may
        type_ = ACCEPT_MANDATE if accept else REFUSE_MANDATE
        self.send(make(type_, "mandate_holder", mandate=name), allowed=waiting)
        if waiting:
            self.mandates[name] = "active" if accept else "over"

    @rule(name=IDS, role=st.sampled_from(["patient", "mandate_holder"]))
    def end(self, name: str, role: Literal["patient", "mandate_holder"]) -> None:
        running = self.mandates.get(name) in ("waiting", "active") and self.alive
        self.send(make(END_MANDATE, role, mandate=name), allowed=running)
        if running:
            self.mandates[name] = "over"

    @rule()
    def declare_parent(self) -> None:
        free = self.parent is None and self.open
        name = self.send(make(DECLARE_PARENT, "insurer"), allowed=free)
        self.parent = name if free else self.parent

    @rule()
    def revoke_parent(self) -> None:
        held = self.parent is not None
        self.send(make(REVOKE_PARENT, "insurer", parent=self.parent or NOBODY), allowed=held)
        self.parent = None

    @rule()
    def parent_consents(self) -> None:
        allowed = self.parent is not None and not self.consent and self.open
        self.send(make(GIVE_CONSENT, "parent"), allowed=allowed)
        self.consent |= allowed

    @precondition(lambda self: self.desk.offset > 3)
    @rule()
    def die(self) -> None:
        allowed = self.open
        name = self.send(make(DECLARE_DEATH, "insurer"), allowed=allowed)
        if allowed:
            self.death, self.consent = name, False
            self.links = dict.fromkeys(self.links)
            self.mandates = dict.fromkeys(self.mandates, "over")

    @rule()
    def live_again(self) -> None:
        annul = make(ANNUL_DEATH, "insurer", death=self.death or NOBODY)
        self.send(annul, allowed=self.death is not None)
        self.death = None

    @precondition(lambda self: self.desk.offset > 3)
    @rule()
    def give_the_number_up(self) -> None:
        name = f"merge-{self.desk.offset:04d}"
        half = make(MERGE_IDENTITY, "insurer", merge=name, side="replaced")
        allowed = self.replaced is None
        self.send(half, allowed=allowed)
        self.replaced = name if allowed else self.replaced

    @rule()
    def take_the_number_back(self) -> None:
        back = make(REVOKE_MERGE, "insurer", merge=self.replaced or NOBODY)
        self.send(back, allowed=self.replaced is not None)
        self.replaced = None

    @invariant()
    def the_state_says_the_same(self) -> None:
        state = self.desk.state.of(SUBJECT, 1)
        assert state.consent is self.consent
        assert {name: link.revoked for name, link in state.links.items()} == {
            name: doctor is None for name, doctor in self.links.items()
        }
        assert set(state.exclusions) == set(self.exclusions)
        assert {name: one.phase for name, one in state.mandates.items()} == self.mandates
        assert list(state.parents) == ([] if self.parent is None else [self.parent])
        assert state.death == self.death
        assert list(state.merges) == ([] if self.replaced is None else [self.replaced])

    def teardown(self) -> None:
        """What is restored from the outputs equals what was folded live."""
        restored = PartitionState(in_memory())
        for output in self.desk.log:
            restored.apply(output.headers, output.value)
        assert content(restored) == content(self.desk.state)


TestRegistrations = Registrations.TestCase
TestRegistrations.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
