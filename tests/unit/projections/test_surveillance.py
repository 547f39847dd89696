"""What is worth a look, and what is not."""

import statistics
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.surveillance import (
    NO_CONTACT_SUBJECTS,
    REPEATED_DAYS,
    VOLUME_FLOOR,
    Day,
    Emergency,
    Pair,
    Party,
    Uses,
    Usual,
    findings,
    judged,
    median,
)
from schemas.sealing.pseudonym import party_pseudonym

AT = datetime(2026, 3, 10, 9, tzinfo=UTC)
DOCTOR = Party("doctor", "caregiver", None)
PHARMACIST = Party("pharmacist", "pharmacist", "place")
NOTHING = Uses((), (), (), Usual({}, {}))
PAIR = Pair(PHARMACIST, 1, 1, AT, AT, linked=False, pharmacies=(), settled=True)


def day(subjects: int) -> Day:
    return Day(DOCTOR, subjects, 0, subjects, AT, AT + timedelta(hours=8))


@pytest.mark.parametrize(
    ("subjects", "own", "role", "shown"),
    [
        (VOLUME_FLOOR, 0, 0, True),
        (VOLUME_FLOOR - 1, 0, 0, False),
        (60, 20, 0, True),
        (59, 20, 0, False),
        (60, 1, 21, False),
        (63, 1, 21, True),
    ],
)
def test_a_day_is_unusual_against_the_reader_and_the_role(
    subjects: int, own: float, role: float, shown: bool
) -> None:
    usual = Usual({"doctor": own}, {"caregiver": role})
    found = findings(replace(NOTHING, days=(day(subjects),), usual=usual), {})
    assert [(one.kind, one.subjects, one.usual) for one in found] == (
        [("volume", subjects, max(own, role))] if shown else []
    )


@given(st.lists(st.integers(0, 9), min_size=1))
def test_the_median_is_that_of_all_days(patients: list[int]) -> None:
    assert median(Counter(patients)) == statistics.median(patients)


def test_there_is_no_median_of_no_day_bad() -> None:
    with pytest.raises(ValueError, match="fewer days"):
        median({})


def test_one_person_on_many_days_is_shown_and_on_few_is_not() -> None:
    often = replace(PAIR, days=REPEATED_DAYS, reads=9)
    seldom = replace(PAIR, days=REPEATED_DAYS - 1)
    (found,) = findings(replace(NOTHING, pairs=(often, seldom)), {})
    assert (found.kind, found.reads, found.subjects, found.days) == ("repeated", 9, 1, 5)


def _many(pair: Pair) -> Uses:
    return replace(NOTHING, pairs=(pair,) * NO_CONTACT_SUBJECTS)


def test_patients_who_are_read_and_never_met_are_shown_together() -> None:
    (found,) = findings(_many(PAIR), {})
    assert (found.kind, found.subjects) == ("no_contact", NO_CONTACT_SUBJECTS)
    one_less = replace(NOTHING, pairs=(PAIR,) * (NO_CONTACT_SUBJECTS - 1))
    assert findings(one_less, {}) == []


def test_a_link_or_a_delivery_by_ones_own_pharmacy_is_a_contact() -> None:
    assert findings(_many(replace(PAIR, linked=True)), {}) == []
    delivered = _many(replace(PAIR, pharmacies=("1", "2")))
    assert findings(delivered, {"1": "elsewhere", "2": "place"}) == []
    assert len(findings(delivered, {"1": "elsewhere", "2": "another"})) == 1


def test_what_may_still_become_a_contact_is_waited_for() -> None:
    assert findings(_many(replace(PAIR, settled=False)), {}) == []


def test_every_use_in_an_emergency_is_shown_with_what_was_refused() -> None:
    used = Emergency(DOCTOR, 3, 1, 2, AT, AT)
    (found,) = findings(replace(NOTHING, emergencies=(used,)), {})
    assert (found.kind, found.reads, found.refused, found.subjects) == ("emergency", 3, 1, 2)


def test_pharmacies_are_compared_by_their_pseudonyms() -> None:
    key = bytes(32)
    place = party_pseudonym(key, "organisation", "80000551")
    there = replace(PAIR, party=replace(PHARMACIST, organisation=place), pharmacies=("80000551",))
    assert judged(_many(there), key) == []
    assert len(judged(_many(replace(there, party=PHARMACIST)), key)) == 1


def test_the_order_does_not_hang_on_that_of_rows() -> None:
    uses = replace(
        NOTHING,
        days=(day(40), replace(day(50), party=PHARMACIST)),
        emergencies=(Emergency(DOCTOR, 40, 0, 1, AT, AT),),
    )
    turned = replace(uses, days=tuple(reversed(uses.days)))
    assert findings(uses, {}) == findings(turned, {})
    assert [one.reads for one in findings(uses, {})] == [50, 40, 40]
