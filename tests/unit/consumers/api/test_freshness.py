"""Every answer says on what it rests, as of when, and how far that is behind the log."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from consumers.api import freshness
from consumers.api.freshness import behind, behind_if_told
from schemas.audit import PositionUsed
from tests.unit.consumers.api.fakes import Down
from tests.unit.consumers.api.world import World

DOCUMENT = Path(__file__).parents[4] / "docs" / "api" / "openapi.json"
OTHERWISE = {
    "MandatesAnswer": "each person's history says it",
    "Bundle": "in the extension read-basis, see fhir/test_rules.py",
    "CapabilityStatement": "it is of the software",
    "HealthAnswer": "it is of now",
    "IntakeKeysAnswer": "keys are followed, and signed by the office",
    "ProofAnswer": "a proof names the checkpoint that it holds under",
    "RecallView": "it acknowledges an event that is durable",
    "RegistrationAnswer": "it acknowledges a fact, or names where to ask for it",
    "AppendedAnswer": "it acknowledges a record by its place",
}
"""Answers without `positions`, `as_of` and `behind`, and why."""


def answers() -> set[str]:
    """Models of all answers in the committed document."""
    document = json.loads(DOCUMENT.read_text())
    return {
        content["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        if status.startswith("2") and "$ref" in content.get("schema", {})
    }


def test_every_answer_says_on_what_it_rests_or_has_a_reason_not_to() -> None:
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    without = {
        name
        for name in answers()
        if not {"positions", "as_of", "behind"} <= set(schemas[name]["properties"])
    }
    assert without == set(OTHERWISE) & answers()
    assert set(OTHERWISE) <= answers()


def used(partition: int, position: int, topic: str = "dpp.dispensation.recorded") -> PositionUsed:
    return PositionUsed(projection="p", topic=topic, partition=partition, position=position)


async def test_what_the_log_has_beyond_the_positions_is_counted(world: World) -> None:
    world.log.end = 7
    assert await behind(world.deps, [used(0, 7), used(1, 5), used(2, 0)]) == 9
    assert await behind(world.deps, [used(0, 9)]) == 0
    assert await behind(world.deps, []) == 0


async def test_a_log_that_does_not_say_is_no_reason_to_keep_receipts_back_bad(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(topic: str) -> Mapping[int, int]:
        raise Down

    async def silent(topic: str) -> Mapping[int, int]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(freshness, "SECONDS", 0.01)
    for recent_ends in (down, silent):
        monkeypatch.setattr(world.log, "recent_ends", recent_ends)
        assert await behind_if_told(world.deps, [used(0, 7)]) is None
        answer = await world.ask("/v1/receipts/search", world.pharmacy())
        told: dict[str, Any] = answer.json()
        assert (answer.status_code, "behind" in told) == (200, False)
        assert told["positions"][0]["projection"] == "quality"
