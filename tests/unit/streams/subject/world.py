"""A small world for the subject stage: invented persons, one session, and a log of outputs."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from schemas import identifiers
from schemas.envelope import SEALED, Envelope
from schemas.keyvault import SubjectSecret
from schemas.model import Model
from schemas.partitioning import partition_for
from schemas.policy import baseline
from schemas.receipts import SUBJECT_RECEIPT, Receipt
from schemas.registrations import (
    ACCEPT_MANDATE,
    ANNUL_DEATH,
    APPROVE_ERASURE,
    DECLARE_DEATH,
    DECLARE_LINK,
    DECLARE_PARENT,
    END_MANDATE,
    EXECUTE_ERASURE,
    GRANT_MANDATE,
    LIFT_EXCLUSION,
    LIFT_HOLD,
    MERGE_IDENTITY,
    PLACE_HOLD,
    PUT_EXCLUSION,
    REFUSE_MANDATE,
    REGISTRATIONS,
    REJECT_ERASURE,
    REQUEST_ERASURE,
    REVOKE_LINK,
    REVOKE_MERGE,
    REVOKE_PARENT,
    Author,
    AuthorRole,
    DeclareLink,
    ErasureAuthor,
    ErasureRole,
    Evidence,
    GrantMandate,
    Party,
    PutExclusion,
    Registration,
)
from schemas.sealing import facts
from schemas.sealing.pseudonym import party_pseudonym, subject_pseudonym
from schemas.sealing.submission import seal
from schemas.subject import SUBJECT_FACTS, SubjectContent, SubjectFact
from streams.engine.stage import Output, Submission
from streams.engine.tables import in_memory
from streams.sessions import SessionView
from streams.subject import outcome
from streams.subject.admission import Sender
from streams.subject.outcome import Case
from streams.subject.state import PartitionState

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
PARTITIONS = 4
PSEUDONYM_KEY = b"p" * 32
SESSION_KEY = b"s" * 32
SESSION = "session-of-the-registrar"

NAMED = {
    REVOKE_LINK: "link",
    LIFT_EXCLUSION: "exclusion",
    ACCEPT_MANDATE: "mandate",
    REFUSE_MANDATE: "mandate",
    END_MANDATE: "mandate",
    REVOKE_PARENT: "parent",
    ANNUL_DEATH: "death",
    REVOKE_MERGE: "merge",
    APPROVE_ERASURE: "erasure",
    REJECT_ERASURE: "erasure",
    EXECUTE_ERASURE: "erasure",
    LIFT_HOLD: "hold",
}
"""The member by which a registration names an earlier one."""
OF_REGISTERS = frozenset(
    {DECLARE_PARENT, REVOKE_PARENT, DECLARE_DEATH, ANNUL_DEATH, MERGE_IDENTITY, REVOKE_MERGE}
)
"""What insurers tell from authentic sources, and patients never."""


OF_ERASURE = (
    *(REQUEST_ERASURE, APPROVE_ERASURE, REJECT_ERASURE),
    *(EXECUTE_ERASURE, PLACE_HOLD, LIFT_HOLD),
)


def person(serial: int) -> str:
    return identifiers.niss.with_check_digits(f"850000{serial:03d}", born_from_2000=False)


def caregiver(serial: int) -> str:
    first6 = f"1{serial:05d}"
    return f"{first6}{identifiers.nihdi.check_digits(first6)}001"


def pharmacy_number(serial: int) -> str:
    first6 = f"{serial:06d}"
    return f"{first6}{identifiers.pharmacy.check_digits(first6)}"


PATIENT, HOLDER, PARENT, STRANGER, REPLACED = (person(n) for n in (1, 2, 3, 4, 5))
CHILD_BORN = date(2020, 5, 17)
"""What the family register says; the national number of the patient tells another day."""
DOCTOR, OTHER_DOCTOR = caregiver(11), caregiver(12)
PHARMACY, HOSPITAL = pharmacy_number(270001), pharmacy_number(270002)
SUBJECT = subject_pseudonym(PSEUDONYM_KEY, PATIENT)
NUMBERS = (PATIENT, HOLDER, PARENT, STRANGER, REPLACED, DOCTOR, OTHER_DOCTOR, PHARMACY, HOSPITAL)


def citizen(number: str) -> Party:
    return Party(party_kind="citizen", number=number, name="Somebody Invented")


def professional(number: str) -> Party:
    return Party(party_kind="professional", number=number)


def organisation(number: str) -> Party:
    return Party(party_kind="organisation", number=number)


_PERSONS: dict[ErasureRole, Party] = {
    "patient": citizen(PATIENT),
    "parent": citizen(PARENT),
    "mandate_holder": citizen(HOLDER),
    "caregiver": professional(DOCTOR),
    "pharmacist": professional(DOCTOR),
    "admission_desk": citizen(STRANGER),
    "insurer": citizen(STRANGER),
    "privacy_officer": citizen(STRANGER),
}
_ERASURE: dict[str, dict[str, object]] = {
    REQUEST_ERASURE: {
        "erasure": "erasure-0001",
        "ground": "consent_withdrawn",
        "explanation": "asked by letter",
    },
    REJECT_ERASURE: {"explanation": "a duty to keep"},
    PLACE_HOLD: {"hold": "hold-0001", "explanation": "an inquiry"},
}
EVIDENCE = Evidence(proof="eidreading", reference="592-0000000-00")


def author(role: AuthorRole = "patient") -> Author:
    work = {"pharmacist": PHARMACY, "admission_desk": HOSPITAL, "insurer": HOSPITAL}.get(role)
    return Author(
        role=role,
        person=_PERSONS[role],
        organisation=None if work is None else organisation(work),
        basis="family register" if role == "parent" else None,
        profession={"caregiver": "physician", "pharmacist": "pharmacist"}.get(role),
        token_issuer="https://login.example",
        token_id="token-1",
    )


def officer(role: ErasureRole = "privacy_officer", number: str = STRANGER) -> ErasureAuthor:
    """Who takes a step of an erasure, in that role; officers have this number."""
    if role != "privacy_officer":
        return ErasureAuthor(**dict(author(role)))
    return ErasureAuthor(
        role=role,
        person=citizen(number),
        organisation=organisation(HOSPITAL),
        token_issuer="https://login.example",
        token_id="token-1",
    )


def make(type_: str, role: ErasureRole = "patient", **members: object) -> Registration:
    """A registration with its author and evidence, and whatever else it needs."""
    if type_ in OF_ERASURE:
        return REGISTRATIONS[type_].model_validate(
            {"author": officer(role), **_ERASURE.get(type_, {}), **members}
        )
    if role == "privacy_officer":
        return make(type_, "patient", **members).model_copy(update={"author": officer()})
    base: dict[str, object] = {"author": author(role), "evidence": EVIDENCE}
    if type_ == DECLARE_LINK:
        party = organisation(PHARMACY) if role == "pharmacist" else professional(DOCTOR)
        link_type = "pharmacy" if role == "pharmacist" else "consultation"
        base |= {"party": party, "link_type": link_type}
    elif type_ == PUT_EXCLUSION:
        base |= {"party": professional(DOCTOR)}
    elif type_ == GRANT_MANDATE:
        base |= {"holder": citizen(HOLDER)}
    elif type_ == DECLARE_PARENT:
        base |= {"parent": citizen(PARENT), "child_born": CHILD_BORN}
    elif type_ == MERGE_IDENTITY:
        base |= {"merge": "merge-0001", "other": citizen(REPLACED), "side": "surviving"}
    return REGISTRATIONS[type_].model_validate({**base, **members})


def link_with(party: Party, link_type: str = "consultation", **members: object) -> Registration:
    return DeclareLink.model_validate(
        {"author": author(), "party": party, "link_type": link_type, **members}
    )


def pseudonym(party: Party) -> str:
    return party_pseudonym(PSEUDONYM_KEY, party.party_kind, party.number)


def mandate_for(party: Party, until: datetime | None = None) -> Registration:
    return GrantMandate(author=author(), holder=party, valid_until=until)


def exclusion_of(party: Party) -> Registration:
    return PutExclusion(author=author(), party=party)


def secret_of(subject: str, generation: int = 1) -> SubjectSecret:
    return SubjectSecret(subject, generation, (subject.encode() * 2)[:32])


def sender(**changes: object) -> Sender:
    known = Sender(
        enrolled=True,
        may_submit=True,
        session=SessionView("registrar", valid=True, intake_key="intake", key=SESSION_KEY),
    )
    return replace(known, **changes)  # type: ignore[arg-type]  # a test's shorthand


def case(known: Sender | None = None, subject: str = SUBJECT, generation: int = 1) -> Case:
    return Case(known or sender(), baseline("access"), secret_of(subject, generation))


def envelope(type_: str, id_: str, **changes: object) -> Envelope:
    plain = Envelope(
        id=id_,
        source="/registrar",
        type=type_,
        time=START,
        content_type=SEALED,
        extensions={"sessionid": SESSION},
    )
    return plain._replace(**changes)  # type: ignore[arg-type]  # a test's shorthand


def submission(
    head: Envelope, body: bytes, *, offset: int = 0, subject: str = SUBJECT, at: datetime = START
) -> Submission:
    key = subject.encode()
    headers = tuple(head.headers())
    nonce = offset.to_bytes(12, "big")
    return Submission(
        topic="dpp.subject.submitted",
        partition=partition_for(key, PARTITIONS),
        offset=offset,
        appended_at=at,
        key=key,
        headers=headers,
        value=seal(SESSION_KEY, nonce, key, headers, body),
    )


def type_of(output: Output) -> str:
    return dict(output.headers)["ce_type"].decode()


def receipt_in(outputs: tuple[Output, ...]) -> Receipt:
    """The receipt, which must be the one and the last."""
    receipts = [one for one in outputs if type_of(one) == SUBJECT_RECEIPT]
    assert receipts == [outputs[-1]]
    return Receipt.read(outputs[-1].value or b"")


def fact_in(outputs: tuple[Output, ...]) -> SubjectFact:
    [found] = outputs[:-1]
    return SUBJECT_FACTS[type_of(found)].read(found.value or b"")


def content_of(outputs: tuple[Output, ...]) -> SubjectContent:
    """What the fact among these outputs seals."""
    fact, headers = fact_in(outputs), dict(outputs[0].headers)
    type_, ce_id = headers["ce_type"].decode(), headers["ce_id"].decode()
    keys = facts.access_keys(secret_of(fact.subject).secret, "access")
    associated = facts.access_associated_data(
        type_=type_, subject=fact.subject, generation=fact.generation
    )
    return SubjectContent.read(facts.unseal(keys, ce_id, associated, fact.sealed))


@dataclass
class Desk:
    """Submits one registration after the other and folds what comes out."""

    state: PartitionState = field(default_factory=lambda: PartitionState(in_memory()))
    log: list[Output] = field(default_factory=list)
    offset: int = 0
    now: datetime = START
    generation: int = 1

    @classmethod
    def after(cls, given: Iterable[Model]) -> "Desk":
        """A desk at which these registrations were accepted."""
        desk = cls()
        for one in given:
            assert desk.codes(one) == []
        return desk

    def send(self, record: Submission, known: Sender | None = None) -> tuple[Output, ...]:
        subject = (record.key or b"").decode("ascii", "replace")
        found = case(known, subject, self.generation)
        outputs = outcome.answer(self.state, record, found, PSEUDONYM_KEY, PARTITIONS)
        for output in outputs:
            self.state.apply(output.headers, output.value)
        self.log += outputs
        self.offset += 1
        return outputs

    def register(
        self, registration: Model, id_: str | None = None, subject: str = SUBJECT
    ) -> tuple[Output, ...]:
        type_ = next(
            name for name, model in REGISTRATIONS.items() if isinstance(registration, model)
        )
        head = envelope(type_, id_ or f"reg-{self.offset:08d}")
        body = registration.write()
        return self.send(submission(head, body, offset=self.offset, subject=subject, at=self.now))

    def codes(self, registration: Model, id_: str | None = None) -> list[tuple[str, str]]:
        """(code, path) of each finding about a registration; empty when it was accepted."""
        receipt = receipt_in(self.register(registration, id_))
        assert (receipt.outcome == "accepted") is not bool(receipt.issues)
        return [(found.code, found.path) for found in receipt.issues]

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)
