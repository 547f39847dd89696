"""Registrations: what is submitted for whom, and what is answered when."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.api import registrations
from consumers.api.outcomes import OutcomeBook
from consumers.api.ports import Appended, RegistrationOutcome
from schemas import registrations as r
from schemas.receipts import Issue, Original, Outcome, Receipt, SubmissionRef
from tests.unit.consumers.api.cast import ANN, BOB, DOCTOR, NOW, OTHER_PHARMACY, PHARMACIST
from tests.unit.consumers.api.world import World

FACT = "subject/0/0/0"


def _receipt(id_: str | None, outcome: Outcome = "accepted", *codes: str) -> bytes:
    issues = tuple(
        Issue(code=code, severity="reject", scope="message", fault_class="FUNCTIONAL", path="/x")
        for code in codes
    )
    place = SubmissionRef(partition=0, offset=0, appended_at=NOW, id=id_)
    facts = (FACT,) if outcome == "accepted" else ()
    return Receipt(outcome=outcome, submission=place, issues=issues, facts=facts).write()


class Stage:
    """Answers what the registrar submits, as the follower would return it."""

    def __init__(
        self, world: World, outcome: Outcome = "accepted", *codes: str, named: bool = True
    ) -> None:
        self._world = world
        self._outcome: Outcome = outcome
        self._codes = codes
        self._named = named

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        registrar = self._world.registrar
        await registrar.arrived.wait()
        id_ = registrar.submitted[0][2] if self._named else None
        book = self._world.outcomes
        book.put_receipt(_receipt(id_, self._outcome, *self._codes))
        if self._outcome == "accepted":
            await asyncio.sleep(0.01)
            book.put_fact(FACT, 0, 41)


async def test_a_registration_is_answered_once_its_fact_is_committed() -> None:
    world = World(registration_timeout=30.0)
    async with Stage(world):
        answer = await world.ask("/v1/registrations", world.patient(), {"kind": "give_consent"})
    assert answer.status_code == 201
    body = answer.json()
    assert body["state"] == "committed"
    assert body["facts"] == [{"fact": FACT, "partition": 0, "offset": 41}]
    assert answer.headers["location"] == f"/v1/registrations/{body['id']}"
    ((subject, type_, id_, raw),) = world.registrar.submitted
    assert subject == await world.subject(ANN)
    assert (type_, id_) == (r.GIVE_CONSENT, body["id"])
    written = r.GiveConsent.read(raw)
    assert written.author.role == "patient"
    assert written.author.token_id == "token-1"


async def test_a_refused_registration_is_a_422_with_codes_bad() -> None:
    world = World(registration_timeout=30.0)
    async with Stage(world, "rejected", "CONSENT_ALREADY_GIVEN"):
        answer = await world.ask("/v1/registrations", world.patient(), {"kind": "give_consent"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [{"path": "/x", "code": "CONSENT_ALREADY_GIVEN"}]


async def test_a_session_that_the_stage_does_not_accept_is_ours_to_mend() -> None:
    world = World(registration_timeout=30.0)
    async with Stage(world, "rejected", "SESSION_EXPIRED", named=False):
        answer = await world.ask("/v1/registrations", world.patient(), {"kind": "give_consent"})
    assert answer.status_code == 503
    assert world.registrar.forgotten == 1


async def test_a_registration_without_an_answer_in_time_can_be_asked_for(world: World) -> None:
    answer = await world.ask("/v1/registrations", world.patient(), {"kind": "give_consent"})
    assert answer.status_code == 202
    path = answer.headers["location"]
    pending = await world.ask(path, world.patient(), method="GET")
    assert pending.json()["state"] == "pending"
    world.outcomes.put_receipt(_receipt(answer.json()["id"]))
    world.outcomes.put_fact(FACT, 0, 41)
    known = await world.ask(path, world.patient(), method="GET")
    assert known.json()["state"] == "committed"


KEY = [("Idempotency-Key", "portal-click-0001")]
BODY = {"kind": "give_consent"}


async def test_a_repeated_request_with_its_key_is_the_same_registration(world: World) -> None:
    for _ in range(2):
        await world.ask("/v1/registrations", world.patient(), BODY, headers=KEY)
    first, second = world.registrar.submitted
    assert first == second


async def test_a_key_is_of_one_caller_and_one_patient(world: World) -> None:
    about_bob = {**BODY, "patient": BOB}
    await world.ask("/v1/registrations", world.patient(), BODY, headers=KEY)
    await world.ask("/v1/registrations", world.patient(BOB), BODY, headers=KEY)
    await world.ask("/v1/registrations", world.patient(), about_bob, headers=KEY)
    await world.ask("/v1/registrations", world.patient(), BODY)
    assert len({id_ for _, _, id_, _ in world.registrar.submitted}) == 4


@pytest.mark.parametrize("key", ["short", "x" * 65, "with a space"])
async def test_a_malformed_key_is_a_400_bad(world: World, key: str) -> None:
    headers = [("Idempotency-Key", key)]
    answer = await world.ask("/v1/registrations", world.patient(), BODY, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert key not in answer.text


def test_a_repeated_registration_has_the_outcome_of_the_first() -> None:
    refusal = Receipt.read(_receipt("x", "rejected", "CONSENT_ALREADY_GIVEN"))
    place = SubmissionRef(partition=0, offset=9, appended_at=NOW, id="x")
    for first, state in ((Receipt.read(_receipt("x")), "committed"), (refusal, "refused")):
        original = Original(offset=0, outcome=first.outcome, issues=first.issues)
        repeated = Receipt(outcome="duplicate", submission=place, original=original)
        told = registrations.describe("x", RegistrationOutcome(repeated, ()))
        assert (told.state, told.outcome) == (state, first.outcome)
        assert [error.code for error in told.errors] == [issue.code for issue in first.issues]


async def test_nobody_else_can_ask_for_a_registration_bad(world: World) -> None:
    answer = await world.ask("/v1/registrations", world.patient(), {"kind": "give_consent"})
    path = answer.headers["location"]
    for token in (world.patient(BOB), world.caregiver()):
        assert (await world.ask(path, token, method="GET")).status_code == 404
    assert (await world.ask(path, None, method="GET")).status_code == 401


@pytest.mark.parametrize(
    "id_", ["x", "0" * 36, "6e0f8a1c-27d1-4c9e-9d43-5a0f0b6d2c71", "0" * 4000, "%00"]
)
async def test_an_id_that_was_never_given_out_is_a_404_bad(world: World, id_: str) -> None:
    answer = await world.ask(f"/v1/registrations/{id_}", world.patient(), method="GET")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


PARTY = {"party_kind": "professional", "number": DOCTOR}
KINDS: dict[str, dict[str, Any]] = {
    "give_consent": {"evidence": {"proof": "eidreading", "reference": "592"}},
    "withdraw_consent": {},
    "declare_link": {
        "party": PARTY,
        "link_type": "consultation",
        "starts_at": "2026-03-01T00:00:00+01:00",
    },
    "revoke_link": {"link": "abcdefgh"},
    "put_exclusion": {"party": {"party_kind": "organisation", "number": OTHER_PHARMACY}},
    "lift_exclusion": {"exclusion": "abcdefgh"},
    "grant_mandate": {
        "holder": {"party_kind": "citizen", "number": BOB},
        "valid_until": "2027-01-01T00:00:00Z",
    },
    "accept_mandate": {"mandate": "abcdefgh"},
    "refuse_mandate": {"mandate": "abcdefgh"},
    "end_mandate": {"mandate": "abcdefgh"},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_becomes_its_registration(world: World, kind: str) -> None:
    answer = await world.ask("/v1/registrations", world.patient(), {"kind": kind, **KINDS[kind]})
    assert answer.status_code == 202
    _, type_, _, raw = world.registrar.submitted[0]
    assert type_ == f"be.dpp.subject.{kind.replace('_', '-')}.v1"
    written = r.REGISTRATIONS[type_].read(raw)
    if isinstance(written, r.DeclareLink):
        assert written.starts_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
        assert written.party.number == DOCTOR
    if isinstance(written, r.GrantMandate):
        assert written.holder.number == BOB


@pytest.mark.parametrize(
    ("role", "author", "organisation"),
    [("caregiver", DOCTOR, None), ("pharmacist", PHARMACIST, OTHER_PHARMACY)],
)
async def test_professionals_register_for_the_patient_they_name(
    world: World, role: str, author: str, organisation: str | None
) -> None:
    form = {"kind": "give_consent", "patient": ANN}
    await world.ask("/v1/registrations", getattr(world, role)(), form)
    subject, _, _, raw = world.registrar.submitted[0]
    assert subject == await world.subject(ANN)
    written = r.GiveConsent.read(raw).author
    assert (written.role, written.person.number) == (role, author)
    assert (written.organisation.number if written.organisation else None) == organisation


async def test_a_patient_who_names_another_acts_as_mandate_holder(world: World) -> None:
    form = {"kind": "accept_mandate", "mandate": "abcdefgh", "patient": ANN}
    await world.ask("/v1/registrations", world.patient(BOB), form)
    subject, _, _, raw = world.registrar.submitted[0]
    assert subject == await world.subject(ANN)
    assert r.AcceptMandate.read(raw).author.role == "mandate_holder"


async def test_writing_ones_own_number_with_punctuation_changes_nothing(world: World) -> None:
    form = {"kind": "give_consent", "patient": "85.00.00-001.38"}
    await world.ask("/v1/registrations", world.patient(), form)
    assert r.GiveConsent.read(world.registrar.submitted[0][3]).author.role == "patient"


FORMS_BAD: dict[str, dict[str, Any]] = {
    "no kind": {},
    "unknown kind": {"kind": "burn"},
    "link without party": {"kind": "declare_link", "link_type": "gmd"},
    "wrong professional": {
        "kind": "put_exclusion",
        "party": {"party_kind": "professional", "number": "10000107001"},
    },
    "wrong organisation": {
        "kind": "put_exclusion",
        "party": {"party_kind": "organisation", "number": "1"},
    },
    "wrong citizen": {
        "kind": "grant_mandate",
        "holder": {"party_kind": "citizen", "number": "85000000139"},
    },
    "a number as time": {
        "kind": "declare_link",
        "party": PARTY,
        "link_type": "gmd",
        "starts_at": 1,
    },
    "a time without offset": {
        "kind": "declare_link",
        "party": PARTY,
        "link_type": "gmd",
        "starts_at": "2026-01-01T00:00:00",
    },
    "short id": {"kind": "revoke_link", "link": "a"},
    "a stranger's member": {"kind": "give_consent", "link": "abcdefgh"},
    "wrong patient": {"kind": "give_consent", "patient": "1"},
}


@pytest.mark.parametrize("kind", FORMS_BAD)
async def test_malformed_registrations_are_a_400_bad(world: World, kind: str) -> None:
    answer = await world.ask("/v1/registrations", world.patient(), FORMS_BAD[kind])
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert not world.registrar.submitted


async def test_a_caregiver_must_name_the_patient_bad(world: World) -> None:
    answer = await world.ask("/v1/registrations", world.caregiver(), {"kind": "give_consent"})
    assert answer.json()["errors"] == [{"path": "/patient", "code": "missing"}]


async def test_a_pharmacy_token_registers_nothing_bad(world: World) -> None:
    form = {"kind": "give_consent", "patient": ANN}
    assert (await world.ask("/v1/registrations", world.pharmacy(), form)).status_code == 403


def test_ids_are_unique_and_belong_to_one_owner() -> None:
    key = b"k" * 32
    ids = {registrations.new_id(key, "ann", uuid.uuid4().bytes) for _ in range(100)}
    assert len(ids) == 100
    assert all(registrations.belongs(key, "ann", one) for one in ids)
    assert not any(registrations.belongs(key, "bob", one) for one in ids)
    assert not any(registrations.belongs(b"x" * 32, "ann", one) for one in ids)


async def test_an_outcome_waits_for_the_fact_and_not_only_for_the_receipt() -> None:
    book, place = OutcomeBook(), Appended(0, 0)
    book.put_receipt(_receipt("registration-1"))
    assert await book.wait("registration-1", place, 0.01) is None
    found = book.find("registration-1")
    assert found is not None
    assert not found.committed
    book.put_fact(FACT, 0, 3)
    outcome = await book.wait("registration-1", place, 1)
    assert outcome is not None
    assert outcome.committed


async def test_a_fact_may_arrive_before_its_receipt() -> None:
    book = OutcomeBook()
    book.put_fact(FACT, 0, 3)
    book.put_receipt(_receipt("registration-1"))
    assert await book.wait("registration-1", Appended(0, 0), 1) is not None


async def test_a_receipt_that_names_no_id_is_found_by_its_place() -> None:
    book = OutcomeBook()
    book.put_receipt(_receipt(None, "rejected", "SESSION_UNKNOWN"))
    assert await book.wait("registration-1", Appended(0, 0), 1) is not None
    waiting = asyncio.create_task(book.wait("registration-2", Appended(0, 1), 1))
    await asyncio.sleep(0)
    place = SubmissionRef(partition=0, offset=1, appended_at=NOW)
    book.put_receipt(Receipt(outcome="rejected", submission=place).write())
    assert await waiting is not None


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff"])
def test_a_receipt_that_cannot_be_read_is_passed_over_bad(value: bytes | None) -> None:
    book = OutcomeBook()
    book.put_receipt(value)
    assert book.find("registration-1") is None


def test_the_book_forgets_the_oldest() -> None:
    book = OutcomeBook(max_kept=2)
    for number in range(3):
        book.put_receipt(_receipt(f"registration-{number}"))
    assert book.find("registration-0") is None
    assert book.find("registration-2") is not None
