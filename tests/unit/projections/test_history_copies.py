"""What a reader of stage outputs lets through, and how the runner's health is told."""

from hypothesis import given
from hypothesis import strategies as st

from projections.copies import KEPT, Copies, source_place
from projections.health import ProjectionHealth
from projections.store import SourcePlace
from schemas.envelope import Envelope
from tests.unit.projections.test_access_log_fold import NOW


def test_an_output_that_was_passed_is_a_copy_and_its_bytes_are_compared() -> None:
    copies = Copies()
    assert copies.judge(SourcePlace(4, 0), b"k", b"v") == "new"
    assert copies.judge(SourcePlace(4, 1), b"k", b"w") == "new"
    assert copies.judge(SourcePlace(4, 0), b"k", b"v") == "copy_same"
    assert copies.judge(SourcePlace(4, 1), b"k", b"v") == "copy_differs"


def test_after_a_restart_a_copy_is_known_by_its_place_alone() -> None:
    copies = Copies(SourcePlace(4, 1))
    assert copies.judge(SourcePlace(4, 1), None, None) == "copy_unknown"
    assert copies.judge(SourcePlace(5, 0), None, None) == "new"


def test_only_the_latest_digests_are_kept() -> None:
    copies = Copies()
    for number in range(KEPT + 1):
        copies.judge(SourcePlace(number, 0), None, b"")
    assert copies.judge(SourcePlace(0, 0), None, b"") == "copy_unknown"
    assert copies.judge(SourcePlace(1, 0), None, b"") == "copy_same"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3))))
def test_what_is_let_through_rises_strictly(places: list[tuple[int, int]]) -> None:
    copies = Copies()
    passed = [one for one in places if copies.judge(SourcePlace(*one), None, b"") == "new"]
    assert passed == sorted(set(passed))


def test_a_source_place_is_two_plain_decimal_numbers() -> None:
    def place(**extensions: str) -> SourcePlace | None:
        type_ = "be.dpp.dispensation.registered.v1"
        return source_place(Envelope("i", "/quality", type_, NOW, extensions=extensions))

    assert place(sourceoffset="12", sourceordinal="0") == SourcePlace(12, 0)
    assert place(sourceoffset="12") is None
    assert place(sourceoffset="-1", sourceordinal="0") is None
    assert place(sourceoffset="\u0661", sourceordinal="0") is None


def test_nothing_is_ready_before_every_projection_runs() -> None:
    health = ProjectionHealth()
    seen = [health.ready]
    health.enter("history", "running")
    health.enter("quality", "retrying", "No connection")
    seen.append(health.ready)
    health.enter("quality", "running")
    assert [*seen, health.ready] == [False, False, True]


def test_a_lag_is_trouble_only_if_it_stands_still() -> None:
    now = [0.0]
    health = ProjectionHealth(max_lag=10, max_still=5, clock=lambda: now[0])
    health.enter("history", "running")
    health.moved("history", 0, 1)
    health.ends("history", 0, 100)
    seen = [health.ready]
    now[0] = 6
    health.ends("history", 0, 100)
    seen.append(health.ready)
    health.moved("history", 0, 20)
    seen.append(health.ready)
    health.moved("history", 0, 95)
    now[0] = 60
    health.ends("history", 0, 100)
    assert [*seen, health.ready] == [True, False, True, True]


def test_a_projection_that_was_idle_is_not_stuck_when_a_burst_arrives() -> None:
    now = [0.0]
    health = ProjectionHealth(max_lag=10, max_still=5, clock=lambda: now[0])
    health.enter("history", "running")
    health.moved("history", 0, 1)
    health.ends("history", 0, 1)
    now[0] = 1000
    health.ends("history", 0, 5000)
    assert health.ready


def test_an_end_that_stands_still_while_the_log_grows_is_trouble_without_any_lag() -> None:
    now = [0.0]
    health = ProjectionHealth(max_lag=10, max_still=5, clock=lambda: now[0])
    health.enter("history", "running")
    seen = []
    for moment, end, top in [(0, 5, 5), (60, 5, 7), (64, 5, 9), (66, 5, 9), (67, 9, 9)]:
        now[0] = moment
        health.ends("history", 0, end, top)
        health.moved("history", 0, end)
        seen.append(health.ready)
    assert seen == [True, True, True, False, True]


def test_an_end_that_nobody_could_ask_for_is_trouble() -> None:
    now = [0.0]
    health = ProjectionHealth(max_still=5, clock=lambda: now[0])
    health.enter("history", "running")
    health.ends("history", 0, 5, 5)
    now[0] = 6
    assert not health.ready


def test_a_runner_that_stands_by_is_ready() -> None:
    health = ProjectionHealth()
    health.enter("history", "running")
    health.moved("history", 0, 1)
    health.holds("history", [])
    health.enter("history", "standby")
    assert health.ready
    assert health.snapshot()["history"] == {
        "state": "standby",
        "reason": None,
        "set_aside": 0,
        "partitions": {},
    }
