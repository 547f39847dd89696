"""Who registers for whom, and merges of two numbers, which are two registrations."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from consumers.api.ports import Appended
from projections.access import AccessFacts, Parent
from schemas import registrations as r
from schemas.receipts import Issue, Receipt, SubmissionRef
from tests.unit.consumers.api.cast import ANN, BOB, DOCTOR, NOBODY, NOW, OTHER_PHARMACY
from tests.unit.consumers.api.mandates import mandate_row
from tests.unit.consumers.api.world import World

PATH = "/v1/registrations"
INSURER = "0999000129"
PROOF = {"proof": "authenticsource", "reference": "register"}
MERGE = {"kind": "merge_identity", "patient": ANN, "replaced": BOB, "evidence": PROOF}


@dataclass
class AnsweringRegistrar:
    """Every submission is answered at once: accepted, or refused if its turn is in `refused`."""

    world: World
    refused: dict[int, str] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    submitted: list[tuple[str, r.Registration, str]] = field(default_factory=list)

    async def submit(self, *, subject: str, type_: str, id_: str, body: bytes) -> Appended:
        turn = len(self.submitted)
        self.submitted.append((subject, r.REGISTRATIONS[type_].read(body), id_))
        if turn not in self.silent:
            self.answer(turn, id_, type_)
        return Appended(0, turn)

    def answer(self, turn: int, id_: str, type_: str) -> None:
        place = SubmissionRef(partition=0, offset=turn, appended_at=NOW, id=id_, type=type_)
        code, fact = self.refused.get(turn), f"subject/0/{turn}/0"
        issues = (
            ()
            if code is None
            else (
                Issue(
                    code=code,
                    severity="reject",
                    scope="message",
                    fault_class="FUNCTIONAL",
                    path="/other",
                ),
            )
        )
        receipt = Receipt(
            outcome="accepted" if code is None else "rejected",
            submission=place,
            issues=issues,
            facts=(fact,) if code is None else (),
        )
        self.world.outcomes.put_receipt(receipt.write())
        if code is None:
            self.world.outcomes.put_fact(fact, 0, turn)

    def forget_session(self) -> None:
        raise AssertionError("no session is at fault here")


@pytest.fixture
def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> AnsweringRegistrar:
    registrar = AnsweringRegistrar(world)
    for name in ("submit", "forget_session"):
        monkeypatch.setattr(world.registrar, name, getattr(registrar, name))
    return registrar


def insurer(world: World) -> str:
    return world.token("insurer", niss=NOBODY, organisation=INSURER)


AUTHORS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a parent": ("patient", {"kind": "give_consent", "acting_as": "parent"}, "parent"),
    "a holder who declares a link": (
        "patient",
        {"kind": "revoke_link", "link": "abcdefgh"},
        "mandate_holder",
    ),
    "somebody whose number was replaced": (
        "patient",
        {"kind": "lift_exclusion", "exclusion": "abcdefgh", "acting_as": "self"},
        "patient",
    ),
    "an insurer": ("insurer", {"kind": "declare_death"}, "insurer"),
    "an admission desk": ("admission_desk", {"kind": "give_consent"}, "admission_desk"),
    "a doctor who accepts for an institution": (
        "caregiver",
        {"kind": "accept_mandate", "mandate": "abcdefgh"},
        "mandate_holder",
    ),
    "a doctor": ("caregiver", {"kind": "give_consent"}, "caregiver"),
}


@pytest.mark.parametrize("case", AUTHORS.values(), ids=AUTHORS.keys())
async def test_an_author_has_the_role_in_which_they_act(
    world: World, desk: AnsweringRegistrar, case: tuple[str, dict[str, Any], str]
) -> None:
    role, form, expected = case
    claims = {
        "patient": {"niss": BOB},
        "insurer": {"niss": BOB, "organisation": INSURER},
        "admission_desk": {"niss": BOB, "organisation": OTHER_PHARMACY},
        "caregiver": {"nihdi": DOCTOR, "profession": "physician"},
    }[role]
    body = {**form, "patient": ANN, "basis": "as it is", "evidence": PROOF}
    answer = await world.ask(PATH, world.token(role, **claims), body)
    assert answer.status_code == 201
    ((subject, written, _),) = desk.submitted
    assert subject == await world.subject(ANN)
    assert (written.author.role, written.author.basis) == (expected, "as it is")
    assert written.author.profession == claims.get("profession")
    work = claims.get("organisation")
    assert (written.author.organisation.number if written.author.organisation else None) == work


@pytest.mark.parametrize("role", ["insurer", "admission_desk"])
async def test_who_registers_for_others_names_the_patient_bad(world: World, role: str) -> None:
    token = world.token(role, niss=BOB, organisation=INSURER)
    answer = await world.ask(PATH, token, {"kind": "give_consent"})
    assert answer.json()["errors"] == [{"path": "/patient", "code": "missing"}]


@pytest.mark.parametrize("role", ["insurer", "admission_desk"])
async def test_who_registers_for_others_reads_nothing_bad(world: World, role: str) -> None:
    token = world.token(role, niss=BOB, organisation=INSURER)
    answer = await world.ask("/v1/patients/history", token, {"patient": ANN})
    assert answer.status_code == 403
    assert (await world.ask("/v1/me/history", token)).status_code == 403


async def test_a_parent_is_declared_with_the_day_of_birth(
    world: World, desk: AnsweringRegistrar
) -> None:
    form = {
        "kind": "declare_parent",
        "patient": ANN,
        "parent": {"party_kind": "citizen", "number": BOB},
        "child_born": "2020-05-17",
        "evidence": PROOF,
    }
    assert (await world.ask(PATH, insurer(world), form)).status_code == 201
    written = desk.submitted[0][1]
    assert isinstance(written, r.DeclareParent)
    assert (written.parent.number, written.child_born.isoformat()) == (BOB, "2020-05-17")


async def test_a_merge_is_one_answer_of_two_halves_with_one_id(
    world: World, desk: AnsweringRegistrar
) -> None:
    answer = await world.ask(PATH, insurer(world), MERGE)
    assert answer.status_code == 201
    assert [one["offset"] for one in answer.json()["facts"]] == [0, 1]
    halves = [(subject, body) for subject, body, _ in desk.submitted]
    assert [subject for subject, _ in halves] == [
        await world.subject(BOB),
        await world.subject(ANN),
    ]
    first, second = (body for _, body in halves)
    assert isinstance(first, r.MergeIdentity)
    assert isinstance(second, r.MergeIdentity)
    assert (first.side, first.other.number) == ("replaced", ANN)
    assert (second.side, second.other.number) == ("surviving", BOB)
    assert first.merge == second.merge == answer.json()["id"]


async def test_a_merge_is_acknowledged_only_when_both_halves_are_committed(
    world: World, desk: AnsweringRegistrar
) -> None:
    desk.silent = {1}
    answer = await world.ask(PATH, insurer(world), MERGE)
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    path = answer.headers["location"]
    asked = await world.ask(path, insurer(world), method="GET")
    assert asked.json()["state"] == "pending"
    desk.answer(1, desk.submitted[1][2], r.MERGE_IDENTITY)
    asked = await world.ask(path, insurer(world), method="GET")
    assert asked.json()["state"] == "committed"
    assert len(asked.json()["facts"]) == 2


async def test_a_first_half_that_is_refused_is_all_there_is_bad(
    world: World, desk: AnsweringRegistrar
) -> None:
    desk.refused = {0: "SUBJECT_MERGED"}
    answer = await world.ask(PATH, insurer(world), MERGE)
    assert answer.status_code == 422
    assert len(desk.submitted) == 1


async def test_a_first_half_is_taken_back_when_the_second_is_refused_bad(
    world: World, desk: AnsweringRegistrar
) -> None:
    desk.refused = {1: "SUBJECT_MERGED"}
    answer = await world.ask(PATH, insurer(world), MERGE)
    assert answer.json()["errors"] == [{"path": "/other", "code": "SUBJECT_MERGED"}]
    subject, back, _ = desk.submitted[2]
    assert subject == await world.subject(BOB)
    assert isinstance(back, r.RevokeMerge)


async def test_a_merge_is_revoked_on_both_sides(world: World, desk: AnsweringRegistrar) -> None:
    form = {**MERGE, "kind": "revoke_merge", "merge": "merge-0001"}
    assert (await world.ask(PATH, insurer(world), form)).status_code == 201
    assert [type(body) for _, body, _ in desk.submitted] == [r.RevokeMerge, r.RevokeMerge]


MERGES_BAD = {
    "the same number": {**MERGE, "replaced": ANN},
    "the same number otherwise written": {**MERGE, "replaced": "85.00.00-001.38"},
    "a number that is none": {**MERGE, "replaced": "1"},
    "no number to give up": {"kind": "merge_identity", "patient": ANN},
}


@pytest.mark.parametrize("form", MERGES_BAD.values(), ids=MERGES_BAD.keys())
async def test_merges_that_cannot_be_are_a_400_bad(
    world: World, desk: AnsweringRegistrar, form: dict[str, Any]
) -> None:
    assert (await world.ask(PATH, insurer(world), form)).status_code == 400
    assert not desk.submitted


async def test_the_history_follows_from_the_number_that_was_given_up(world: World) -> None:
    ann, bob = await world.subject(ANN), await world.subject(BOB)
    lines = [await world.add_line(BOB), await world.add_line(ANN)]
    merged = AccessFacts(person=(ann, bob))
    world.store.facts = {ann: merged, bob: merged}
    for token in (world.patient(ANN), world.patient(BOB)):
        answer = (await world.ask("/v1/me/history", token)).json()
        assert {one["dguid"] for one in answer["lines"]} == {one.dguid for one in lines}
    assert [event.subject for event in world.log.audited()] == [ann, ann]
    used = {one.partition for one in world.log.audited()[0].positions if one.topic.endswith("ed")}
    assert {world.log.partition_of("", one.encode()) for one in (ann, bob)} <= used


async def test_between_two_numbers_nobody_reads_and_the_record_says_why_bad(world: World) -> None:
    ann = await world.subject(ANN)
    await world.add_line(ANN)
    world.store.facts[ann] = AccessFacts(merge_pending=True, person=(ann,))
    assert (await world.ask("/v1/me/history", world.patient())).status_code == 403
    (event,) = world.log.audited()
    assert (event.decision, event.reason, event.detail) == ("deny", "no_consent", "merge_pending")


async def test_a_parent_reads_for_a_child(world: World) -> None:
    ann, bob = await world.subject(ANN), await world.subject(BOB)
    await world.add_line(ANN)
    world.store.facts[ann] = AccessFacts(parents=(Parent("parent-1", bob, NOW.replace(year=2030)),))
    asked = {"patient": ANN}
    answer = await world.ask("/v1/patients/history", world.patient(BOB), asked)
    assert answer.status_code == 200
    (event,) = world.log.audited()
    assert (event.basis, event.detail, event.basis_refs) == ("mandate", "parent", ("parent-1",))


async def test_what_was_registered_is_shown_as_it_stood_at_a_moment(world: World) -> None:
    row = mandate_row(await world.subject(ANN), await world.subject(BOB))
    granted = NOW - timedelta(days=5)
    world.store.registered = [
        replace(row, recorded_at=granted, ended_at=NOW - timedelta(days=1), valid_until=None)
    ]

    async def states(**form: str) -> list[str]:
        answer = await world.ask("/v1/me/registrations", world.patient(), form)
        return [one["state"] for one in answer.json()["registrations"]]

    asked = [granted - timedelta(days=1), granted, NOW - timedelta(days=2)]
    assert await states() == ["ended"]
    told = [await states(stood_at=moment.isoformat()) for moment in asked]
    assert told == [[], ["waiting"], ["active"]]
    recorded = world.log.audited()[-1]
    assert (recorded.purpose, recorded.decision) == ("registrations", "permit")
