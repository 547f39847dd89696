"""What the access log tells a patient: everything about each decision, in words and facts."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.api.texts import BASES, LANGUAGES, REASONS, Told, purpose_text, role_text, sentence
from schemas.brussels import months_back
from schemas.policy import AccessPolicy, shipped
from tests.unit.consumers.api.cast import ANN, BOB, NOW, PHARMACY
from tests.unit.consumers.api.fhir.test_searches import REFUSED, add_access
from tests.unit.consumers.api.world import World

AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def told(**changes: object) -> Told:
    members: dict[str, object] = {
        "at": AT,
        "name": "Dr Who",
        "number": "10000106001",
        "organisation": "80000551",
        "role": role_text("caregiver", "physician"),
        "purpose": purpose_text("history"),
        "reason": BASES["consent_and_link"],
        "on_your_behalf": False,
        "window": (datetime(2025, 9, 9, 22, tzinfo=UTC), datetime(2026, 3, 10, 23, tzinfo=UTC)),
        "rows": 3,
        "granted": True,
        **changes,
    }
    return Told(**members)  # type: ignore[arg-type]


def test_a_sentence_tells_who_where_when_why_and_how_much_in_belgian_time() -> None:
    assert sentence(told())["en"] == (
        "Dr Who 10000106001, 80000551 (physician) had access on 10/03/2026 13:00, to see the "
        "medicines dispensed to you: 3 line(s) between 10/09/2025 and 10/03/2026. Your informed "
        "consent and a therapeutic relationship with you."
    )


def test_a_refusal_tells_why_and_no_figures() -> None:
    text = sentence(told(granted=False, reason=REASONS["excluded"], rows=0))
    assert text["nl"].endswith("Geweigerd: u hebt deze persoon of organisatie uitgesloten.")
    assert "0" not in text["fr"].partition("pour")[2]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_that_somebody_acted_for_one(language: str) -> None:
    plain = sentence(told(number=None, name=None))[language]
    behalf = sentence(told(number=None, name=None, on_your_behalf=True))[language]
    assert plain != behalf
    assert "{" not in plain + behalf


async def test_accesses_of_three_years_are_there_and_older_ones_are_not(world: World) -> None:
    minutes = [
        int((NOW - months_back(NOW, months)).total_seconds() // 60) for months in (1, 35, 36, 37)
    ]
    for number, ago in enumerate(minutes):
        await add_access(world, f"id-{number}", ago)
    body = (await world.ask("/v1/me/access-log", world.patient())).json()
    assert [one["id"] for one in body["accesses"]] == ["id-0", "id-1", "id-2"]


def test_no_version_of_the_policy_shows_less_than_three_years() -> None:
    for version in shipped("access"):
        assert isinstance(version.data, AccessPolicy)
        assert version.data.access_log_months >= 36


async def test_a_mandate_holder_is_told_as_acting_for_one_and_by_name_only(world: World) -> None:
    subject = await world.subject(ANN)
    changes = {"role": "patient", "profession": None, "basis": "mandate", "on_behalf_of": subject}
    await add_access(world, "a-1", 5, **changes)
    (entry,) = (await world.ask("/v1/me/access-log", world.patient())).json()["accesses"]
    assert entry["on_your_behalf"] is True
    assert "acting for you" in entry["sentence"]["en"]
    assert entry["reader"] == {"kind": "citizen", "name": "Dr Who"}
    assert entry["role_words"]["nl"] == "burger"


async def test_where_somebody_works_and_what_they_asked_is_told(world: World) -> None:
    await add_access(world, "a-1", 5)
    await add_access(world, "a-2", 4, **REFUSED)
    refused, given = (await world.ask("/v1/me/access-log", world.patient())).json()["accesses"]
    assert given["organisation"] == PHARMACY
    assert given["endpoint"] == "/fhir/MedicationDispense/_search"
    assert given["role_words"]["fr"] == "médecin"
    assert refused["decision"] == "deny"
    assert "excluded" in refused["sentence"]["en"]


async def test_after_an_erasure_it_tells_when_and_in_what_role_and_no_more(world: World) -> None:
    await add_access(world, "a-1", 5, sealed_reader="AAAA", sealed_parameters="AAAA")
    (entry,) = (await world.ask("/v1/me/access-log", world.patient())).json()["accesses"]
    assert "reader" not in entry
    assert "endpoint" not in entry
    assert entry["role"] == "caregiver"
    assert "can no longer be read" in entry["sentence"]["en"]


async def test_nobody_sees_anothers_log(world: World) -> None:
    await add_access(world, "a-1", 5)
    body = (await world.ask("/v1/me/access-log", world.patient(BOB))).json()
    assert body["accesses"] == []
    assert body["window"]["start"] == "2023-03-09T23:00:00Z"
    assert timedelta(days=3 * 365) < NOW - datetime(2023, 3, 9, 23, tzinfo=UTC)
