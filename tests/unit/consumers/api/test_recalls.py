"""Recalls: an authority opens one, each pharmacy sees its own lines, the authority sees counts."""

from datetime import datetime
from typing import Any

import pytest

from schemas.policy import baseline
from tests.unit.consumers.api.cast import ANN, CNK, OTHER_PHARMACY, PHARMACY
from tests.unit.consumers.api.world import World

OPEN = "/v1/authorities/recalls/open"
SEARCH = "/v1/authorities/recalls/search"
PROGRESS = "/v1/authorities/recalls/progress"
MINE = "/v1/pharmacy/recalls"
LINES = "/v1/pharmacy/recalls/lines"
ACKNOWLEDGE = "/v1/pharmacy/recalls/acknowledge"
CLOSE = "/v1/authorities/recalls/close"
FORM = {"cnk": CNK, "batch": "Lot 7", "reference": "R-2026-1", "reason": "particles in the vial"}


def dguid(number: int) -> str:
    return f"00000000-0000-4000-9000-{number:012d}"


async def ask(world: World, path: str, token: str, **form: Any) -> tuple[int, dict[str, Any]]:
    answer = await world.ask(path, token, form)
    world.project_recalls()
    return answer.status_code, answer.json()


async def opened(world: World, **changes: Any) -> str:
    """One line of the batch at each pharmacy, one whose batch is not known, one of another."""
    await world.carry(dguid(1), PHARMACY, CNK, "LOT7")
    await world.carry(dguid(2), PHARMACY, CNK)
    await world.carry(dguid(3), OTHER_PHARMACY, CNK, "lot 7")
    await world.carry(dguid(4), OTHER_PHARMACY, CNK, "lot 8")
    status, body = await ask(world, OPEN, world.authority(), **FORM, **changes)
    assert status == 201
    return str(body["recall"])


async def counts(world: World, recall: str) -> dict[str, Any]:
    status, body = await ask(world, PROGRESS, world.authority(), recall=recall)
    assert status == 200
    return body


async def test_each_pharmacy_is_handed_its_own_lines_and_no_others(world: World) -> None:
    recall = await opened(world)
    for token, expected in (
        (world.pharmacy(), [(dguid(1), True), (dguid(2), False)]),
        (world.pharmacy(OTHER_PHARMACY), [(dguid(3), True)]),
    ):
        _, mine = await ask(world, MINE, token)
        assert [one["recall"] for one in mine["recalls"]] == [recall]
        _, body = await ask(world, LINES, token, recall=recall)
        assert [(one["dguid"], one["certain"]) for one in body["lines"]] == expected
        assert body["acknowledged"] is False


async def test_progress_is_told_in_counts_and_names_no_pharmacy_and_no_line(world: World) -> None:
    recall = await opened(world)
    body = await counts(world, recall)
    assert (body["pharmacies"], body["pharmacies_acknowledged"]) == (2, 0)
    assert (body["lines"], body["lines_of_unknown_batch"]) == (3, 1)
    await ask(world, ACKNOWLEDGE, world.pharmacy(), recall=recall)
    answer = await world.ask(PROGRESS, world.authority(), {"recall": recall})
    told = answer.json()
    assert (told["pharmacies_acknowledged"], told["lines_acknowledged"]) == (1, 2)
    assert not any(hidden in answer.text for hidden in (PHARMACY, OTHER_PHARMACY, dguid(1), ANN))


async def test_lines_that_come_in_late_have_to_be_acknowledged_again(world: World) -> None:
    recall = await opened(world)
    await ask(world, ACKNOWLEDGE, world.pharmacy(), recall=recall)
    await world.carry(dguid(5), PHARMACY, CNK, "Lot7")
    assert (await counts(world, recall))["pharmacies_acknowledged"] == 0
    await ask(world, ACKNOWLEDGE, world.pharmacy(), recall=recall)
    assert (await counts(world, recall))["pharmacies_acknowledged"] == 1


async def test_showing_the_lines_is_recorded_for_each_patient_before_it_is_answered(
    world: World,
) -> None:
    recall = await opened(world)
    await ask(world, LINES, world.pharmacy(), recall=recall)
    whole, patient = world.log.audited()
    assert (whole.subject, whole.rows) == (None, 2)
    assert (patient.subject, patient.rows) == (await world.subject(ANN), 2)
    assert patient.purpose == "own_lines"
    world.log.down.add("dpp.access.audited")
    status, body = await ask(world, LINES, world.pharmacy(), recall=recall)
    assert (status, body["code"]) == (503, "audit-unavailable")


async def test_the_lines_are_paged(world: World) -> None:
    recall = await opened(world)
    seen: list[str] = []
    form: dict[str, Any] = {"recall": recall, "limit": 1}
    while True:
        _, body = await ask(world, LINES, world.pharmacy(), **form)
        seen += [one["dguid"] for one in body["lines"]]
        if "next" not in body:
            break
        form["after"] = body["next"]
    assert seen == [dguid(1), dguid(2)]


async def test_a_recall_of_a_product_finds_every_batch(world: World) -> None:
    await opened(world)
    form = {name: value for name, value in FORM.items() if name != "batch"}
    _, body = await ask(world, OPEN, world.authority(), **form)
    assert (await counts(world, body["recall"]))["lines"] == 4


async def test_a_recall_that_is_closed_concerns_no_pharmacy_any_more(world: World) -> None:
    recall = await opened(world)
    status, body = await ask(world, CLOSE, world.authority(), recall=recall)
    assert (status, bool(body["closed_at"])) == (200, True)
    assert (await ask(world, MINE, world.pharmacy()))[1]["recalls"] == []
    for path in (LINES, ACKNOWLEDGE):
        assert (await ask(world, path, world.pharmacy(), recall=recall))[0] == 404
    assert (await counts(world, recall))["recall"]["closed_at"]
    assert (await ask(world, CLOSE, world.authority(), recall=recall))[0] == 404


async def test_a_pharmacy_that_has_no_line_of_it_learns_nothing_bad(world: World) -> None:
    recall = await opened(world)
    stranger = world.pharmacy("81000047")
    assert (await ask(world, MINE, stranger))[1]["recalls"] == []
    for path in (LINES, ACKNOWLEDGE):
        assert (await ask(world, path, stranger, recall=recall))[0] == 404
        assert (await ask(world, path, stranger, recall="no-such-recall"))[0] == 404
    told = [(one.decision, one.rows, one.subject) for one in world.log.audited()]
    assert told == [("permit", 0, None)] * 5


@pytest.mark.parametrize("authority", ["0000000196", "0123456749"])
async def test_an_authority_without_the_mandate_is_refused_and_that_is_recorded_bad(
    world: World, authority: str
) -> None:
    recall = await opened(world)
    token = world.authority(authority)
    forms = {OPEN: FORM, SEARCH: {}, PROGRESS: {"recall": recall}, CLOSE: {"recall": recall}}
    for path, form in forms.items():
        status, body = await ask(world, path, token, **form)
        assert (status, body["code"]) == (403, "access-refused")
    told = [(one.role, one.purpose, one.rows) for one in world.log.operations()]
    assert told == [("authority", "recall_refused", 0)] * len(forms)
    world.log.down.add("dpp.access.audited")
    for path, form in forms.items():
        status, body = await ask(world, path, token, **form)
        assert (status, body["code"]) == (503, "audit-unavailable")


async def test_what_an_authority_reads_is_recorded_before_it_is_answered(world: World) -> None:
    recall = await opened(world)
    _, listed = await ask(world, SEARCH, world.authority())
    assert [one["recall"] for one in listed["recalls"]] == [recall]
    await counts(world, recall)
    status, _ = await ask(world, PROGRESS, world.authority(), recall="no-such-recall")
    assert status == 404
    told = [(one.role, one.purpose, one.rows) for one in world.log.operations()]
    assert told == [("authority", "recall", rows) for rows in (1, 1, 0)]
    assert {one.projection for one in world.log.operations()[0].positions} == {
        "product_recall",
        "recall",
    }
    world.log.down.add("dpp.access.audited")
    for path, form in ((SEARCH, {}), (PROGRESS, {"recall": recall})):
        status, body = await ask(world, path, world.authority(), **form)
        assert (status, body["code"]) == (503, "audit-unavailable")


async def test_what_a_pharmacy_reads_is_decided_and_recorded_before_it_is_answered(
    world: World,
) -> None:
    await opened(world)
    await ask(world, MINE, world.pharmacy())
    (event,) = world.log.audited()
    assert (event.decision, event.basis, event.rows) == ("permit", "own_registrations", 1)
    assert (event.purpose, event.subject, event.policy_version) == ("own_lines", None, "access/3")
    world.log.down.add("dpp.access.audited")
    status, body = await ask(world, MINE, world.pharmacy())
    assert (status, body["code"]) == (503, "audit-unavailable")


async def test_a_pharmacy_that_policy_lets_read_nothing_is_refused_and_recorded_bad(
    world: World,
) -> None:
    recall = await opened(world)
    known = baseline("access")
    kept = {name: rule for name, rule in known.access.readers.items() if name != "pharmacy"}
    data = known.access.model_copy(update={"readers": kept})
    world.tables.versions["access"] = known.model_copy(update={"data": data})
    forms = {MINE: {}, LINES: {"recall": recall}, ACKNOWLEDGE: {"recall": recall}}
    for path, form in forms.items():
        status, body = await ask(world, path, world.pharmacy(), **form)
        assert (status, body["code"]) == (403, "access-refused")
    told = [(one.decision, one.reason, one.rows) for one in world.log.audited()]
    assert told == [("deny", "role_not_allowed", 0)] * len(forms)


async def test_a_pharmacys_recalls_take_as_many_statements_however_many_are_open(
    world: World,
) -> None:
    first = await opened(world)
    world.trace.clear()
    await ask(world, MINE, world.pharmacy())
    of_one = sorted(step for step in world.trace if step.startswith("recall"))
    more = [(await ask(world, OPEN, world.authority(), **FORM))[1]["recall"] for _ in range(150)]
    world.trace.clear()
    _, mine = await ask(world, MINE, world.pharmacy())
    assert sorted(one["recall"] for one in mine["recalls"]) == sorted([first, *more])
    assert sorted(step for step in world.trace if step.startswith("recall")) == of_one
    assert of_one == ["recalls", "recalls_concerning"]


async def test_every_answer_says_on_what_it_rests(world: World) -> None:
    recall = await opened(world)
    asked = {
        SEARCH: (world.authority(), {}),
        PROGRESS: (world.authority(), {"recall": recall}),
        MINE: (world.pharmacy(), {}),
        LINES: (world.pharmacy(), {"recall": recall}),
    }
    for path, (token, form) in asked.items():
        _, body = await ask(world, path, token, **form)
        assert body["policy_version"] == "access/3"
        assert {one["projection"] for one in body["positions"]} == {"product_recall", "recall"}
        assert datetime.fromisoformat(body["as_of"]) == world.now


@pytest.mark.parametrize("role", ["patient", "caregiver", "pharmacist"])
@pytest.mark.parametrize("path", [OPEN, PROGRESS, CLOSE, MINE, LINES, ACKNOWLEDGE])
async def test_nobody_else_has_business_there_bad(world: World, path: str, role: str) -> None:
    form: dict[str, Any] = {"recall": "some-recall"}
    if path == OPEN:
        form = dict(FORM)
    if path == MINE:
        form = {}
    status, body = await ask(world, path, getattr(world, role)(), **form)
    assert (status, body["code"]) == (403, "role-not-allowed")


@pytest.mark.parametrize(
    "changes",
    [
        {"cnk": "1439562"},
        {"delivered_from": "2026-02-01T00:00:00Z", "delivered_until": "2026-02-01T00:00:00Z"},
        {"reason": ""},
    ],
)
async def test_a_malformed_recall_is_a_400_bad(world: World, changes: dict[str, str]) -> None:
    status, _ = await ask(world, OPEN, world.authority(), **FORM | changes)
    assert status == 400
    assert world.log.appended == []


async def test_a_recall_that_cannot_be_recorded_is_not_opened(world: World) -> None:
    world.log.down.add("dpp.recall.notices")
    status, body = await ask(world, OPEN, world.authority(), **FORM)
    assert (status, body["code"]) == (503, "audit-unavailable")
