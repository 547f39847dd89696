"""Entries of the medicines catalogue as of a day."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import CatalogueEntry, as_of

OLD = CatalogueEntry("5521950", date(2020, 1, 1), date(2022, 12, 31), names={"fr": "ancien"})
NEW = CatalogueEntry("5521950", date(2023, 1, 1), names={"nl": "nieuw"})


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2019, 12, 31), None),
        (date(2020, 1, 1), OLD),
        (date(2022, 12, 31), OLD),
        (date(2023, 1, 1), NEW),
        (date(9999, 12, 31), NEW),
    ],
)
def test_both_ends_of_a_period_belong_to_it(day: date, expected: CatalogueEntry | None) -> None:
    assert as_of((OLD, NEW), day) == expected


def test_of_overlapping_periods_the_one_that_began_last_holds() -> None:
    late = CatalogueEntry("5521950", date(2022, 6, 1))
    assert as_of((late, OLD), date(2022, 7, 1)) == late
    assert as_of((OLD, late), date(2022, 7, 1)) == late


def test_of_no_entries_none_holds() -> None:
    assert as_of((), date(2024, 1, 1)) is None


@given(st.dates(), st.permutations([OLD, NEW]))
def test_the_order_of_the_entries_does_not_matter(day: date, entries: list[CatalogueEntry]) -> None:
    assert as_of(entries, day) == as_of((OLD, NEW), day)


def test_a_missing_name_is_stood_in_for_by_another_language() -> None:
    entry = CatalogueEntry("5521950", date(2020, 1, 1), names={"nl": "naam", "en": "name"})
    assert entry.name("en") == "name"
    assert entry.name("fr") == "naam"
    assert entry.name("pt") == "naam"
    assert CatalogueEntry("5521950", date(2020, 1, 1)).name("fr") == ""
