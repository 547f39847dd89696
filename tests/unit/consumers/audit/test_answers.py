"""Answers are derived again from the record, those that hold only what was revoked too."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from consumers.audit.access import rederive_access
from consumers.audit.answers import HistoryAnswers
from consumers.audit.report import Report
from infra.postgres import Pool
from projections import queries
from projections.history_statements import Asked
from projections.queries import HistoryRow
from schemas.audit import AccessDecided
from schemas.topics import ACCESS_AUDITED
from tests.unit.consumers.api.cast import NOW
from tests.unit.consumers.api.fhir.test_rules import revoked
from tests.unit.consumers.api.fhir.test_searches import DISPENSES, matches, search
from tests.unit.consumers.api.world import World
from tests.unit.consumers.audit.test_rederive_access import EVERYTHING, Log, Policies, named

HISTORY = "/v1/me/history"


class NoPool:
    """Connections that nothing is asked of: the rows come from the world's store."""

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[None]:
        yield


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    await revoked(made)

    async def rows(connection: None, person: Sequence[str], asked: Asked) -> list[HistoryRow]:
        del connection
        return await made.store.history(
            subject=person[0],
            also=person[1:],
            start=asked.start,
            end=asked.end,
            limit=asked.limit,
            after=None,
            as_of=asked.as_of or {},
            dguid=asked.dguid,
            oldest_first=asked.oldest_first,
            versions=asked.versions,
        )

    monkeypatch.setattr(queries, "history", rows)
    return made


async def audit(world: World, **changes: Any) -> Report:
    """Derives what the API recorded, the first record changed as said."""
    log = Log()
    for topic, _, headers, value in world.log.appended:
        if topic == ACCESS_AUDITED.name:
            event = AccessDecided.read(value).model_copy(update=changes)
            log.put(topic, 0, headers, event.write())
            changes = {}
    answers = HistoryAnswers(cast("Pool", NoPool()), world.vault, NOW)
    return await rederive_access(log, Policies(), answers, EVERYTHING, lambda *_: None)


@pytest.mark.parametrize(
    ("asked", "statuses"),
    [
        ({"versions": "revoked"}, ["revoked"]),
        ({"versions": "latest", "limit": 1}, ["revoked"]),
        ({"versions": "latest"}, ["revoked", "registered"]),
        ({"versions": "all"}, ["registered", "revoked", "registered"]),
        ({}, ["registered"]),
    ],
)
async def test_an_answer_that_holds_what_was_revoked_is_derived_again(
    world: World, asked: dict[str, Any], statuses: list[str]
) -> None:
    told = (await world.ask(HISTORY, world.patient(), asked)).json()
    assert [one["status"] for one in told["lines"]] == statuses
    report = await audit(world)
    assert (report.rederived, named(report), report.answers) == (1, [], {"derived": 1})


@pytest.mark.parametrize("count", [(), (("_count", "1"),)])
async def test_a_bundle_of_dispenses_entered_in_error_is_derived_again(
    world: World, count: tuple[tuple[str, str], ...]
) -> None:
    status = ("status", "entered-in-error")
    found = matches((await search(world, DISPENSES, world.patient(), status, *count)).json())
    assert [one["status"] for one in found] == ["entered-in-error"]
    report = await audit(world)
    assert (report.rederived, named(report), report.answers) == (1, [], {"derived": 1})


async def test_pages_behind_the_first_are_counted_as_such(world: World) -> None:
    first = await world.ask(HISTORY, world.patient(), {"versions": "latest", "limit": 1})
    cursor = first.json()["next"]
    await world.ask(HISTORY, world.patient(), {"versions": "latest", "limit": 1, "cursor": cursor})
    report = await audit(world)
    assert (named(report), report.answers) == ([], {"derived": 1, "later_page": 1})


@pytest.mark.parametrize("asked", [{"versions": "revoked"}, {"versions": "latest", "limit": 1}])
async def test_a_revoked_line_that_the_record_hides_or_invents_is_named_bad(
    world: World, asked: dict[str, Any]
) -> None:
    await world.ask(HISTORY, world.patient(), asked)
    for changes in ({"rows": 0}, {"rows": 2}, {"digest": "AAAA"}):
        assert named(await audit(world, **changes)) == [(0, "other_decision", ("digest",))]


async def test_a_revoked_line_that_left_the_record_since_is_missed_bad(world: World) -> None:
    await world.ask(HISTORY, world.patient(), {"versions": "revoked"})
    world.store.lines = [one for one in world.store.lines if one.status != "revoked"]
    assert named(await audit(world)) == [(0, "other_decision", ("digest",))]


async def test_lines_of_the_pharmacy_itself_are_not_derived_from_one_person(world: World) -> None:
    await world.ask("/v1/pharmacy/dispensations", world.pharmacy())
    report = await audit(world)
    assert report.answers == {"own_lines": report.rederived}
