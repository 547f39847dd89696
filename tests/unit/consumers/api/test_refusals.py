"""Refused lines: masked and recorded for operators, in full for the pharmacy itself."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from consumers.api.operators import digest
from infra.keys.memory import MemoryVault
from projections.folds.quality import WHOLE_MESSAGE
from projections.quality_refusals import Refusal, RefusalKey
from schemas.audit import OPERATIONS_READ, OperationsContent
from schemas.receipts import Issue, LineOutcome, Receipt, SubmissionRef
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from schemas.sealing.pseudonym import operator_pseudonym
from schemas.topics import ACCESS_AUDITED
from tests.unit.consumers.api.cast import ISSUER, NOW, OTHER_PHARMACY, PHARMACY
from tests.unit.consumers.api.world import World

OPERATORS, OWN = "/v1/quality/refused", "/v1/receipts/refused"
DGUID = "0f8fad5b-d9cb-069f-0165-70867728950e"


def issue(code: str) -> Issue:
    return Issue(
        code=code,
        severity="reject",
        scope="line",
        fault_class="FUNCTIONAL",
        path="/lines/0/units",
        hint="as submitted: 12345",
    )


def add(
    world: World, offset: int, *, pharmacy: str = PHARMACY, code: str = "UNITS_ZERO", line: int = 0
) -> Refusal:
    at = NOW - timedelta(hours=offset + 1)
    found = (issue(code),)
    receipt = Receipt(
        outcome="rejected",
        submission=SubmissionRef(
            partition=1,
            offset=offset,
            appended_at=at,
            id="their-own-id",
            source=f"/pharmacies/{pharmacy}",
            epoch="their-epoch",
            sequence=offset + 1,
        ),
        issues=found if line == WHOLE_MESSAGE else (),
        lines=(LineOutcome(path="/lines/0", dguid=DGUID, outcome="rejected", issues=found),),
    )
    refusal = Refusal(RefusalKey(at, 1, offset, line), pharmacy, receipt)
    world.store.refused.append(refusal)
    return refusal


def operator(world: World, name: str = "somebody") -> str:
    return world.token("operator", name="Office Clerk", sub=name)


async def test_an_operator_sees_refused_lines_of_all_with_contents_masked(world: World) -> None:
    add(world, 0)
    add(world, 1, pharmacy=OTHER_PHARMACY, code="BODY_MALFORMED", line=WHOLE_MESSAGE)
    answer = await world.ask(OPERATORS, operator(world))
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["refused"]
    assert first == {
        "appended_at": "2026-03-10T11:00:00Z",
        "partition": 1,
        "offset": 0,
        "pharmacy": PHARMACY,
        "sequence": 1,
        "path": "/lines/0",
        "dguid": "*950e",
        "lines": 1,
        "issues": [{"code": "UNITS_ZERO", "class": "FUNCTIONAL", "path": "/lines/0/units"}],
    }
    assert (second["pharmacy"], "path" in second, second["lines"]) == (OTHER_PHARMACY, False, 1)
    for hidden in (DGUID, "their-own-id", "their-epoch", "12345"):
        assert hidden not in answer.text


async def test_what_an_operator_reads_is_recorded_under_the_operator_before_it_is_answered(
    world: World,
) -> None:
    shown = [add(world, offset) for offset in range(2)]
    form = {"pharmacy": PHARMACY, "code": "UNITS_ZERO", "limit": 10}
    await world.ask(OPERATORS, operator(world), form)
    assert world.trace.index("refusals") < world.trace.index(f"append:{ACCESS_AUDITED.name}")
    (event,) = world.log.operations()
    pseudonym = operator_pseudonym(
        await MemoryVault.root_key(world.vault, "pseudonym"), ISSUER, "somebody"
    )
    assert (event.reader, event.role, event.purpose) == (pseudonym, "operator", "quality_refused")
    assert (event.read_at, event.rows) == (NOW, 2)
    assert event.digest == digest(one.key for one in reversed(shown))
    assert {one.projection for one in event.positions} == {"quality"}
    topic, key, headers, _ = world.log.appended[-1]
    assert (topic, key) == (ACCESS_AUDITED.name, pseudonym.encode())
    secret = (await world.vault.reader_secrets([pseudonym]))[pseudonym]
    opened = unseal(
        access_keys(secret.secret, "reader"),
        dict(headers)["ce_id"].decode(),
        access_associated_data(type_=OPERATIONS_READ, subject=pseudonym, generation=1),
        event.sealed,
    )
    content = OperationsContent.read(opened)
    assert (content.reader.person, content.reader.name) == ("somebody", "Office Clerk")
    asked = content.parameters
    assert (asked.pharmacy, asked.code, asked.limit) == (PHARMACY, "UNITS_ZERO", 10)
    assert "somebody" not in event.write().decode()


async def test_what_cannot_be_recorded_is_not_shown_bad(world: World) -> None:
    add(world, 0)
    world.log.down.add(ACCESS_AUDITED.name)
    answer = await world.ask(OPERATORS, operator(world))
    assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable")
    assert PHARMACY not in answer.text


@pytest.mark.parametrize("role", ["patient", "caregiver", "pharmacist", "pharmacy", "auditor"])
async def test_nobody_else_sees_everybodys_refusals_bad(world: World, role: str) -> None:
    add(world, 0)
    tokens = {
        "patient": world.patient(),
        "caregiver": world.caregiver(),
        "pharmacist": world.pharmacist(),
        "pharmacy": world.pharmacy(),
        "auditor": world.token("auditor"),
    }
    answer = await world.ask(OPERATORS, tokens[role])
    assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed")
    assert "refusals" not in world.trace


@pytest.mark.parametrize("path", ["/v1/me/history", "/v1/patients/history", OWN])
async def test_an_operator_reads_nothing_else_bad(world: World, path: str) -> None:
    body = {"patient": "85000000138"} if path == "/v1/patients/history" else {}
    answer = await world.ask(path, operator(world), body)
    assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed")


async def pages(world: World, path: str, token: str, form: dict[str, Any]) -> list[list[int]]:
    found: list[list[int]] = []
    cursor: dict[str, str] = {}
    for _ in range(9):
        answer = (await world.ask(path, token, {**form, **cursor})).json()
        found.append([one["offset"] for one in answer["refused"]])
        if "next" not in answer:
            break
        cursor = {"cursor": answer["next"]}
    return found


async def test_pages_follow_one_another_while_submissions_arrive(world: World) -> None:
    for offset in range(5):
        add(world, offset)
    assert await pages(world, OPERATORS, operator(world), {"limit": 2}) == [[0, 1], [2, 3], [4]]
    first = (await world.ask(OPERATORS, operator(world), {"limit": 2})).json()
    world.now = NOW + timedelta(minutes=30)
    newer = add(world, 9)
    world.store.refused[-1] = replace(newer, key=newer.key._replace(appended_at=world.now))
    second = (await world.ask(OPERATORS, operator(world), {"cursor": first["next"]})).json()
    assert [one["offset"] for one in second["refused"]] == [2, 3, 4]
    assert (second["start"], second["end"]) == (first["start"], first["end"])


async def test_a_cursor_is_bound_to_its_reader_and_its_question_bad(world: World) -> None:
    for offset in range(3):
        add(world, offset)
    cursor = (await world.ask(OPERATORS, operator(world), {"limit": 1})).json()["next"]
    for token, form in (
        (operator(world, "another"), {}),
        (operator(world), {"code": "UNITS_ZERO"}),
        (operator(world), {"pharmacy": PHARMACY}),
    ):
        answer = await world.ask(OPERATORS, token, {**form, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-cursor")
    answer = await world.ask(OWN, world.pharmacy(), {"cursor": cursor})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("form", "offsets"),
    [
        ({}, [0, 1, 2]),
        ({"pharmacy": PHARMACY}, [0, 2]),
        ({"code": "OTHER"}, [2]),
        ({"pharmacy": OTHER_PHARMACY, "code": "OTHER"}, []),
        ({"since": "2026-03-10T09:30:00Z"}, [0, 1]),
        ({"until": "2026-03-10T10:30:00Z"}, [1, 2]),
        ({"since": "2026-01-01T00:00:00Z"}, [0, 1, 2, 400]),
    ],
)
async def test_filters(world: World, form: dict[str, str], offsets: list[int]) -> None:
    add(world, 0)
    add(world, 1, pharmacy=OTHER_PHARMACY)
    add(world, 2, code="OTHER")
    add(world, 400)
    answer = await world.ask(OPERATORS, operator(world), form)
    assert [one["offset"] for one in answer.json()["refused"]] == offsets


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ({"pharmacy": "80000552"}, "/pharmacy"),
        ({"code": "lower case"}, "/code"),
        ({"since": 5}, "/since"),
        ({"since": "2026-03-10T09:00:00Z", "until": "2026-03-10T09:00:00Z"}, "/since"),
        ({"limit": 0}, "/limit"),
    ],
)
async def test_a_filter_that_cannot_be_meant_so_bad(
    world: World, form: dict[str, Any], path: str
) -> None:
    answer = await world.ask(OPERATORS, operator(world), form)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == path
    assert "refusals" not in world.trace


async def test_a_pharmacy_sees_its_own_refused_lines_in_full_and_no_others(world: World) -> None:
    add(world, 0)
    add(world, 1, pharmacy=OTHER_PHARMACY)
    answer = await world.ask(OWN, world.pharmacy())
    (own,) = answer.json()["refused"]
    assert (own["offset"], own["id"], own["epoch"], own["dguid"]) == (
        0,
        "their-own-id",
        "their-epoch",
        DGUID,
    )
    assert own["issues"][0]["hint"] == "as submitted: 12345"
    assert own["issues"][0]["class"] == "FUNCTIONAL"
    pharmacist = await world.ask(OWN, world.pharmacist())
    assert pharmacist.status_code == 403
    named = await world.ask(OWN, world.pharmacy(), {"pharmacy": OTHER_PHARMACY})
    assert named.status_code == 400


def test_the_digest_depends_on_every_place_and_not_on_their_order() -> None:
    at = datetime(2026, 3, 10, tzinfo=NOW.tzinfo)
    keys = [RefusalKey(at, 1, 2, 3), RefusalKey(at, 1, 23, -1)]
    assert digest(keys) == digest(reversed(keys))
    assert digest(keys) != digest(keys[:1])
    assert digest([RefusalKey(at, 12, 3, 3)]) != digest([RefusalKey(at, 1, 23, 3)])
    assert json.dumps(digest([])) == '"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"'
