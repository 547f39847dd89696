"""Answers and refusals of the FHIR face against their rules; revoked lines as entered in error."""

import pytest

from schemas.audit import ACCESS_DECIDED, RequestParameters
from schemas.keyvault import SubjectSecret
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from tests.unit.consumers.api.cast import ANN, BOB
from tests.unit.consumers.api.fhir.profiles import (
    BASIS,
    BUNDLE,
    CAPABILITY,
    DISPENSE,
    OUTCOME,
    Rule,
    faults,
)
from tests.unit.consumers.api.fhir.test_searches import (
    ACCESSES,
    CONSENTS,
    DISPENSES,
    add_access,
    follow,
    matches,
    search,
)
from tests.unit.consumers.api.world import World


async def revoked(world: World) -> None:
    """A line that was revoked beside one that stands, as the store gives them."""
    first, _ = await world.add_line(days_ago=5), await world.add_line(days_ago=6)
    place = world.store.lines.index(first)
    world.store.lines[place] = first._replace(superseded_position=2)
    withdrawn = first._replace(version=2, status="revoked", offset=2, sealed_version=1, score=None)
    world.store.lines.append(withdrawn)
    world.positions.reached = 7


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ["completed"]),
        ("completed", ["completed"]),
        ("entered-in-error", ["entered-in-error"]),
        ("completed,entered-in-error", ["entered-in-error", "completed"]),
    ],
)
async def test_revoked_lines_are_shown_as_entered_in_error_where_they_are_asked_for(
    world: World, status: str | None, expected: list[str]
) -> None:
    await revoked(world)
    asked = [] if status is None else [("status", status)]
    found = matches((await search(world, DISPENSES, world.patient(), *asked)).json())
    assert [one["status"] for one in found] == expected
    assert [fault for one in found for fault in faults(one, DISPENSE)] == []
    versions = [one["meta"]["versionId"] for one in found if one["status"] != "completed"]
    assert versions == ["2"] * ("entered-in-error" in expected)


async def test_pages_of_revoked_lines_hold_nothing_else_and_their_record_says_so(
    world: World,
) -> None:
    await revoked(world)
    await revoked(world)
    asked = (("status", "entered-in-error"), ("_count", "1"))
    first = await search(world, DISPENSES, world.patient(), *asked)
    second = await follow(world, world.patient(), first.json())
    assert second is not None
    statuses = [one["status"] for page in (first, second) for one in matches(page.json())]
    assert statuses == ["entered-in-error"] * 2
    assert await follow(world, world.patient(), second.json()) is None
    subject = await world.subject(ANN)
    secret = (await world.vault.find_subject_secrets([(subject, 1)]))[subject, 1]
    assert isinstance(secret, SubjectSecret)
    bound = access_associated_data(type_=ACCESS_DECIDED, subject=subject, generation=1)
    for event, (_, _, headers, _) in zip(world.log.audited(), world.log.appended, strict=True):
        assert event.sealed_parameters is not None
        name = dict(headers)["ce_id"].decode()
        opened = unseal(access_keys(secret.secret, "access"), name, bound, event.sealed_parameters)
        recorded = RequestParameters.read(opened)
        assert (recorded.versions, recorded.revoked_only) == ("latest", True)


async def test_every_answer_and_every_refusal_obeys_its_rules_and_says_on_what_it_rests(
    world: World,
) -> None:
    await world.add_line(days_ago=5)
    await world.add_line(days_ago=6)
    await add_access(world, "access-1", 5)
    for path in (DISPENSES, ACCESSES, CONSENTS):
        count = [] if path == CONSENTS else [("_count", "1")]
        answer = (await search(world, path, world.patient(), *count)).json()
        assert faults(answer, BUNDLE) == []
        assert faults(answer["meta"]["extension"][0], BASIS) == []
        told = {one["url"] for one in answer["meta"]["extension"][0]["extension"]}
        assert told == {"asOf", "policyVersion", "behind", "position"}
    assert faults((await world.ask("/fhir/metadata", method="GET")).json(), CAPABILITY) == []
    for refusal in (
        await search(world, DISPENSES, world.patient(BOB), ("patient", ANN)),
        await search(world, DISPENSES, world.patient(), ("status", "done"), ("nonsense", "1")),
        await search(world, "/fhir/Patient/_search", world.patient()),
        await world.ask(DISPENSES),
    ):
        assert refusal.status_code >= 400
        assert faults(refusal.json(), OUTCOME) == []


@pytest.mark.parametrize(
    ("rules", "whole", "path", "value"),
    [
        (OUTCOME, "outcome", "issue", []),
        (OUTCOME, "outcome", "issue", [{"severity": "bad", "code": "forbidden"}]),
        (CAPABILITY, "capability", "kind", None),
        (CAPABILITY, "capability", "fhirVersion", "5.0.0"),
        (CAPABILITY, "capability", "implementation", {}),
        (BUNDLE, "bundle", "total", 3),
        (BUNDLE, "bundle", "link", []),
        (BUNDLE, "bundle", "meta", {}),
    ],
)
async def test_what_breaks_a_rule_is_named_bad(
    world: World, rules: tuple[Rule, ...], whole: str, path: str, value: object
) -> None:
    answers = {
        "outcome": await world.ask(DISPENSES),
        "capability": await world.ask("/fhir/metadata", method="GET"),
        "bundle": await search(world, DISPENSES, world.patient()),
    }
    broken = answers[whole].json() | {path: value}
    assert any(fault.startswith(path) for fault in faults(broken, rules))
