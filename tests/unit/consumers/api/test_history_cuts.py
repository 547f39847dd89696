"""As of which positions and in which versions a history is read, and what its answer says of it."""

from typing import Any

import pytest

from projections.queries import HistoryRow
from schemas.audit import RequestParameters
from schemas.keyvault import SubjectSecret
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from tests.unit.consumers.api.cast import ANN, PARTITIONS
from tests.unit.consumers.api.world import World

YESTERDAY = "2026-03-09T12:00:00Z"
FRESH = {"seconds": 0.5, "otherwise": "error"}
STALE = {"seconds": 0.5, "otherwise": "stale"}


async def history(world: World, **form: Any) -> Any:
    return await world.ask("/v1/me/history", world.patient(), form)


async def lines(world: World, **form: Any) -> list[dict[str, Any]]:
    answer = await history(world, **form)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["lines"]
    return found


def supersede(world: World, row: HistoryRow, position: int) -> None:
    world.store.lines[world.store.lines.index(row)] = row._replace(superseded_position=position)


async def corrected(world: World) -> None:
    """A line, its correction, and a revocation of that, as the store gives them."""
    first = await world.add_line()
    supersede(world, first, 1)
    second = first._replace(version=2, status="corrected", offset=1, sealed_version=1)
    third = first._replace(version=3, status="revoked", offset=2, sealed_version=1, score=None)
    world.store.lines += [second._replace(superseded_position=2), third]


async def test_versions_show_what_superseded_what(world: World) -> None:
    await corrected(world)
    shown = [
        (one["version"], one["status"], one.get("replaces"), one.get("replaced_by"))
        for one in await lines(world, versions="all")
    ]
    assert shown == [
        (1, "registered", None, 2),
        (2, "corrected", 1, 3),
        (3, "revoked", 2, None),
    ]


async def test_revoked_lines_are_left_out_or_shown_as_such_with_what_was_revoked(
    world: World,
) -> None:
    await corrected(world)
    assert await lines(world) == []
    (revoked,) = await lines(world, versions="latest")
    assert (revoked["status"], revoked["version"], revoked["units"]) == ("revoked", 3, 2)
    assert "left" not in revoked


async def test_what_came_back_is_told_with_the_line_wherever_the_return_stands(
    world: World,
) -> None:
    line = await world.add_line(days_ago=100, units=3)
    await world.add_line(days_ago=2, units=-1, returns=line)
    newest, oldest = await lines(world)
    assert (newest["returns"], newest["units"]) == (line.dguid, -1)
    assert "left" not in newest
    assert (oldest["units"], oldest["returned"], oldest["left"]) == (3, 1, 2)
    page = (await history(world, limit=1)).json()
    (oldest,) = await lines(world, limit=1, cursor=page["next"])
    assert oldest["left"] == 2


async def test_a_line_that_came_back_as_a_whole_has_nothing_left(world: World) -> None:
    line = await world.add_line(units=2)
    await world.add_line(days_ago=1, units=-2, returns=line)
    assert [one.get("left") for one in await lines(world)] == [None, 0]


async def test_a_return_whose_line_is_not_shown_stands_alone(world: World) -> None:
    line = await world.add_line(days_ago=250)
    await world.add_line(days_ago=3, units=-1, returns=line)
    (shown,) = await lines(world)
    assert shown["returns"] == line.dguid


async def test_returns_are_netted_as_of_the_pages_own_cut(world: World) -> None:
    line = await world.add_line(units=2)
    await world.add_line(days_ago=1, units=-1, returns=line)
    positions = [_place(partition, 1) for partition in range(PARTITIONS)]
    (then,) = await lines(world, as_of={"positions": positions})
    assert (then["returned"], then["left"]) == (0, 2)


async def test_returns_are_not_asked_for_where_nothing_ever_came_back(world: World) -> None:
    line = await world.add_line(units=2)
    (shown,) = await lines(world)
    assert (shown["returned"], world.store.trace.count("returns")) == (0, 1)
    world.store.lines = [line._replace(may_return=False)]
    assert await lines(world) == [shown]
    assert world.store.trace.count("returns") == 1


async def test_a_pharmacys_own_lines_are_netted_too(world: World) -> None:
    line = await world.add_line(units=2)
    await world.add_line(days_ago=1, units=-1, returns=line)
    answer = await world.ask("/v1/pharmacy/dispensations", world.pharmacy())
    assert [one.get("left") for one in answer.json()["lines"]] == [None, 1]


def _place(partition: int, position: int, projection: str = "history") -> dict[str, Any]:
    topic = "dpp.dispensation.recorded"
    return {
        "projection": projection,
        "topic": topic,
        "partition": partition,
        "position": position,
    }


async def test_a_history_is_asked_as_of_a_moment_of_the_past(world: World) -> None:
    await world.add_line(days_ago=5)
    await world.add_line(days_ago=4)
    world.log.end_then = 1
    answer = (await history(world, as_of={"time": YESTERDAY})).json()
    assert len(answer["lines"]) == 1
    assert "ends_at:2026-03-09T12:00:00+00:00" in world.trace
    cut = [one["position"] for one in answer["positions"] if one["projection"] == "history"]
    assert cut == [1] * PARTITIONS


async def test_the_positions_of_an_answer_ask_for_the_same_again(world: World) -> None:
    world.log.end = world.positions.reached = 1
    await world.add_line(days_ago=5)
    first = (await history(world)).json()
    await world.add_line(days_ago=4)
    world.positions.reached = 99
    again = (await history(world, as_of={"positions": first["positions"]})).json()
    assert again["lines"] == first["lines"]
    assert [one for one in again["positions"] if one["projection"] == "history"] == [
        one for one in first["positions"] if one["projection"] == "history"
    ]


async def test_whether_something_may_be_seen_is_decided_as_of_now(world: World) -> None:
    await world.add_line()
    form = {"patient": ANN, "as_of": {"time": YESTERDAY}}
    answer = await world.ask("/v1/patients/history", world.caregiver(), form)
    assert (answer.status_code, answer.json()["code"]) == (403, "access-refused")
    assert "wait:access_state:7" in world.trace


WRONG_CUTS = [
    ({"time": "2026-03-11T00:00:00Z"}, "malformed-cut"),
    ({"positions": []}, "malformed-cut"),
    ({"positions": [_place(0, 1)]}, "malformed-cut"),
    ({"positions": [_place(one, 1) for one in range(PARTITIONS + 1)]}, "malformed-cut"),
    ({"positions": [_place(one, 1, "access_state") for one in range(4)]}, "malformed-cut"),
    ({"positions": [_place(0, -1)]}, "malformed-request"),
    ({"time": "2025-03-10T22:59:59Z"}, "cut-not-kept"),
    ({"time": "2024-01-01T00:00:00Z"}, "cut-not-kept"),
    ({}, "malformed-request"),
    ({"time": YESTERDAY, "positions": []}, "malformed-request"),
]


@pytest.mark.parametrize(("as_of", "code"), WRONG_CUTS)
async def test_a_cut_that_is_none_or_not_kept_is_refused_bad(
    world: World, as_of: object, code: str
) -> None:
    answer = await history(world, as_of=as_of)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not world.log.audited()


async def test_the_first_moment_that_is_kept_is_answered(world: World) -> None:
    assert await lines(world, as_of={"time": "2025-03-10T23:00:00Z"}) == []


async def test_a_cut_that_is_not_applied_in_time_is_a_503(world: World) -> None:
    places = [_place(one, 99) for one in range(PARTITIONS)]
    answer = await history(world, as_of={"positions": places})
    assert (answer.status_code, answer.json()["code"]) == (503, "history-behind")


async def test_a_reader_waits_for_what_the_log_holds_now(world: World) -> None:
    answer = (await history(world, fresh=FRESH)).json()
    assert "reach:history:7:0.5" in world.trace
    assert answer["behind"] == 0
    assert world.trace.index("reach:history:7:0.5") < world.trace.index("access_facts")


async def test_a_reader_chooses_an_error_or_a_stale_answer_that_says_so(world: World) -> None:
    world.positions.history_behind = 2
    refused = await history(world, fresh=FRESH)
    assert (refused.status_code, refused.json()["code"]) == (503, "history-behind")
    assert refused.headers["Retry-After"] == "1"
    stale = (await history(world, fresh=STALE)).json()
    assert stale["behind"] == 2 * PARTITIONS


async def test_registrations_are_never_stale_whatever_is_asked_of_deliveries(world: World) -> None:
    world.log.end = 99
    answer = await history(world, fresh=STALE)
    assert (answer.status_code, answer.json()["code"]) == (503, "position-timeout")


@pytest.mark.parametrize(
    "fresh", [{"seconds": -1}, {"seconds": 11}, {"seconds": 1, "otherwise": "whatever"}, {}]
)
async def test_a_wait_without_bounds_is_refused_bad(world: World, fresh: object) -> None:
    answer = await history(world, fresh=fresh)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


async def test_a_part_of_the_window_is_asked_for_and_never_more(world: World) -> None:
    for days in (1, 10, 100, 200):
        await world.add_line(days_ago=days)
    part = await lines(world, since="2026-02-01T00:00:00Z", until="2026-03-08T00:00:00Z")
    assert len(part) == 1
    assert len(await lines(world, since="2020-01-01T00:00:00Z")) == 3


async def test_a_cursor_serves_the_question_it_was_given_for(world: World) -> None:
    for days in range(1, 4):
        await world.add_line(days_ago=days)
    cursor = (await history(world, limit=1, versions="latest")).json()["next"]
    assert (await history(world, cursor=cursor, versions="latest")).status_code == 200
    for other in ({}, {"versions": "all"}, {"versions": "latest", "as_of": {"time": YESTERDAY}}):
        answer = await history(world, cursor=cursor, **other)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-cursor")


async def test_what_was_asked_is_in_the_sealed_part_of_the_record(world: World) -> None:
    await world.add_line()
    await history(world, versions="all", as_of={"time": YESTERDAY})
    _, _, headers, _ = world.log.appended[0]
    event, ce_id = world.log.audited()[0], dict(headers)["ce_id"].decode()
    assert event.subject is not None
    assert event.sealed_parameters is not None
    secret = (await world.vault.find_subject_secrets([(event.subject, 1)]))[event.subject, 1]
    assert isinstance(secret, SubjectSecret)
    bound = access_associated_data(
        type_="be.dpp.access.decided.v1", subject=event.subject, generation=1
    )
    opened = unseal(access_keys(secret.secret, "access"), ce_id, bound, event.sealed_parameters)
    asked = RequestParameters.read(opened)
    assert asked.versions == "all"
    assert str(asked.as_of) == "2026-03-09 12:00:00+00:00"
