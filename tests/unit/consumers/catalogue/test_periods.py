"""Periods of validity are cut where something changes and joined where nothing does."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.catalogue.periods import ENDLESS, Period, cuts, day_of, in_force, joined

DAYS = st.dates(date(2020, 1, 1), date(2020, 3, 1))


@st.composite
def periods(draw: st.DrawFn) -> Period[str]:
    first, last = sorted((draw(DAYS), draw(DAYS | st.just(ENDLESS))))
    return Period(first, last, draw(st.sampled_from("abc")))


def period(first: str, last: str | None, value: str = "a") -> Period[str]:
    return Period(day_of(first), day_of(last) if last else ENDLESS, value)


@pytest.mark.parametrize(
    "text", ["2020-02-29", " 2020-02-29 ", "2020-02-29+01:00", "2020-02-29T00:00:00"]
)
def test_a_day_may_carry_a_time_or_zone(text: str) -> None:
    assert day_of(text) == date(2020, 2, 29)


@pytest.mark.parametrize("text", ["", "2021-02-29", "29/02/2020", "20", "-2020-01-01"])
def test_a_day_may_carry_a_time_or_zone_bad(text: str) -> None:
    with pytest.raises(ValueError, match=r"month|day|format"):
        day_of(text)


def test_a_change_inside_cuts_and_one_outside_does_not() -> None:
    span = period("2020-01-01", "2020-12-31")
    inside, outside = period("2020-03-01", "2020-06-30"), period("2018-01-01", "2019-01-01")
    assert [first for first, _ in cuts([span], [inside, outside])] == [
        date(2020, 1, 1),
        date(2020, 3, 1),
        date(2020, 7, 1),
    ]


@given(st.lists(periods(), max_size=4), st.lists(periods(), max_size=4), DAYS)
def test_stretches_cover_what_the_spans_cover_once(
    spans: list[Period[str]], within: list[Period[str]], day: date
) -> None:
    stretches = cuts(spans, within)
    covering = [one for one in stretches if one[0] <= day <= one[1]]
    assert len(covering) == any(span.holds_on(day) for span in spans)
    for first, last in covering:
        for one in (*spans, *within):
            assert one.holds_on(first) == one.holds_on(last) == one.holds_on(day)


def test_in_a_gap_what_held_last_stands_in_and_before_the_first_the_first() -> None:
    early, late = period("2020-01-01", "2020-01-31", "early"), period("2020-03-01", None, "late")
    assert in_force([late, early], date(2020, 1, 15)) == "early"
    assert in_force([late, early], date(2020, 2, 15)) == "early"
    assert in_force([early, late], date(2020, 3, 1)) == "late"
    assert in_force([late, early], date(2019, 1, 1)) == "early"
    assert in_force([], date(2020, 1, 1)) is None


def test_of_periods_that_overlap_the_one_that_began_last_is_in_force() -> None:
    assert in_force([period("2020-01-01", None, "a"), period("2020-02-01", None, "b")],
                    date(2020, 3, 1)) == "b"  # fmt: skip


def test_neighbours_that_say_the_same_become_one() -> None:
    first, second = period("2020-01-01", "2020-01-31"), period("2020-02-01", None)
    assert joined([first, second]) == [period("2020-01-01", None)]
    other = period("2020-02-01", None, "b")
    assert joined([first, other]) == [first, other]
    apart = period("2020-02-02", None)
    assert joined([first, apart]) == [first, apart]


@given(st.lists(periods(), max_size=4), DAYS)
def test_joining_stretches_changes_nothing_that_holds(spans: list[Period[str]], day: date) -> None:
    stretches = [Period(first, last, in_force(spans, first)) for first, last in cuts(spans, spans)]
    after = [one.value for one in joined(stretches) if one.holds_on(day)]
    assert after == [one.value for one in stretches if one.holds_on(day)]
    neighbours = pairwise(stretches)
    assert all(earlier.last < later.first for earlier, later in neighbours)
