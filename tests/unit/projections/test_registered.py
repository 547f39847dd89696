"""What stands about a person as of a position, one number or several."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.access import AccessFacts, Exclusion, Link, Mandate, Parent
from projections.registered import (
    RegistrationRow,
    access_facts,
    concerned,
    standing,
    stood_at,
    stood_before,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
OLD, NEW, THIRD, DOCTOR = (letter * 26 for letter in "abcd")


def row(kind: str, subject: str = NEW, **members: Any) -> RegistrationRow:
    plain: dict[str, Any] = {
        "kind": kind,
        "id": f"{kind}-0001",
        "subject": subject,
        "generation": 1,
        "ce_id": f"subject/0/{kind}",
        "event_type": "t",
        "recorded_at": NOON,
        "author_role": "patient",
        "author": subject,
        "sealed": "",
        "party": DOCTOR,
        "party_kind": "professional",
        "variety": None,
        "valid_from": None,
        "valid_until": None,
        "accepted_at": None,
        "ended_at": None,
    }
    return RegistrationRow(**{**plain, **members})


def half(subject: str, other: str, side: str, merge: str = "merge-0001") -> RegistrationRow:
    return row("merge", subject, id=merge, party=other, party_kind="citizen", variety=side)


def facts_of(subject: str, *rows: RegistrationRow) -> AccessFacts:
    """As a store answers: of each subject its own rows, and halves of merges that name it."""
    subjects = {one.subject for one in rows} | {one.party or "" for one in rows}
    by_subject = {
        one: [r for r in rows if r.subject == one or (r.kind == "merge" and r.party == one)]
        for one in subjects
    }
    return access_facts(subject, by_subject, NOON)


REPLACED, SURVIVING = half(OLD, NEW, "replaced"), half(NEW, OLD, "surviving")
LINK = row("link", valid_from=NOON, valid_until=LATER, variety="consultation")


def test_each_kind_of_row_is_its_fact() -> None:
    rows = (
        row("consent"),
        LINK,
        row("exclusion"),
        row("mandate", variety="prescription", accepted_at=NOON),
        row("mandate", id="mandate-0002", variety="prescription"),
        row("parent", valid_until=LATER),
    )
    assert facts_of(NEW, *rows) == AccessFacts(
        consent="subject/0/consent",
        links=(Link("link-0001", DOCTOR, "consultation", NOON, LATER),),
        exclusions=(Exclusion("exclusion-0001", DOCTOR),),
        mandates=(Mandate("mandate-0001", DOCTOR, "prescription"),),
        parents=(Parent("parent-0001", DOCTOR, LATER),),
    )
    assert facts_of(NEW, row("death")).death == "death-0001"
    assert facts_of(NEW) == AccessFacts()


def test_what_is_over_by_then_is_no_fact() -> None:
    over = (
        row("link", valid_from=NOON, valid_until=NOON),
        row("parent", valid_until=NOON),
        row("mandate", accepted_at=NOON, valid_until=NOON),
    )
    assert facts_of(NEW, *over) == AccessFacts()


@pytest.mark.parametrize("subject", [OLD, NEW])
@pytest.mark.parametrize("rows", [[REPLACED], [SURVIVING]])
def test_while_one_half_stands_alone_it_is_not_known_whose_record_it_is_bad(
    subject: str, rows: list[RegistrationRow]
) -> None:
    found = facts_of(subject, *rows, row("consent"))
    assert found.merge_pending
    assert set(found.person) == {OLD, NEW}


PAIRS_THAT_DO_NOT_FIT = {
    "two merges": (REPLACED, half(NEW, OLD, "surviving", "merge-0002")),
    "both given up": (REPLACED, half(NEW, OLD, "replaced")),
    "both in use": (SURVIVING, half(OLD, NEW, "surviving")),
    "a third person": (REPLACED, half(NEW, THIRD, "surviving")),
    "a second merge with one half": (REPLACED, SURVIVING, half(NEW, THIRD, "surviving", "m-2")),
}


@pytest.mark.parametrize("rows", PAIRS_THAT_DO_NOT_FIT.values(), ids=PAIRS_THAT_DO_NOT_FIT.keys())
def test_halves_that_do_not_fit_leave_it_open_bad(rows: tuple[RegistrationRow, ...]) -> None:
    assert facts_of(OLD, *rows).merge_pending
    assert facts_of(NEW, *rows).merge_pending


@pytest.mark.parametrize("subject", [OLD, NEW])
def test_one_person_has_the_rights_of_the_number_in_use_and_the_exclusions_of_both(
    subject: str,
) -> None:
    rows = (
        REPLACED,
        SURVIVING,
        row("consent", OLD),
        row("link", OLD, valid_from=NOON, valid_until=LATER),
        row("exclusion", OLD, id="exclusion-old"),
        row("exclusion", id="exclusion-new"),
        LINK,
    )
    found = facts_of(subject, *rows)
    assert not found.merge_pending
    assert found.person == (NEW, OLD)
    assert found.consent is None
    assert [one.link for one in found.links] == ["link-0001"]
    assert {one.exclusion for one in found.exclusions} == {"exclusion-old", "exclusion-new"}


def test_a_death_under_either_number_is_the_persons() -> None:
    assert facts_of(NEW, REPLACED, SURVIVING, row("death", OLD)).death == "death-0001"


@pytest.mark.parametrize("subject", [OLD, NEW, THIRD])
def test_a_number_that_replaced_one_may_be_replaced_itself(subject: str) -> None:
    again = (
        half(NEW, THIRD, "replaced", "merge-0002"),
        half(THIRD, NEW, "surviving", "merge-0002"),
    )
    found = facts_of(subject, REPLACED, SURVIVING, *again, row("consent", THIRD))
    assert (found.person[0], set(found.person)) == (THIRD, {OLD, NEW, THIRD})
    assert not found.merge_pending
    assert found.consent is not None


def test_merges_in_a_ring_have_an_answer_all_the_same() -> None:
    ring = [
        one
        for number, (old, new) in enumerate([(OLD, NEW), (NEW, THIRD), (THIRD, OLD)])
        for one in (
            half(old, new, "replaced", f"merge-{number}"),
            half(new, old, "surviving", f"merge-{number}"),
        )
    ]
    assert set(facts_of(OLD, *ring).person) == {OLD, NEW, THIRD}


def test_an_earlier_generation_is_nobodys_any_more() -> None:
    rows = (row("consent"), row("exclusion", generation=2))
    found = facts_of(NEW, *rows)
    assert (found.consent, found.generation, len(found.exclusions)) == (None, 2, 1)


@given(st.integers(0, 9), st.none() | st.integers(0, 9), st.integers(0, 10))
def test_a_row_stands_from_its_fact_to_the_one_that_ends_it(
    begun: int, ended: int | None, cut: int
) -> None:
    one = row(
        "consent", position=begun, ended_position=ended, ended_at=None if ended is None else LATER
    )
    found = standing([one], {0: cut})
    assert bool(found) is (begun < cut and (ended is None or ended >= cut))
    assert bool(standing([one], None)) is (ended is None)
    assert bool(standing([one], {3: cut})) is (ended is None)


def test_what_stood_at_a_moment_knows_nothing_of_what_came_later() -> None:
    """A mandate granted at noon, accepted an hour later, ended after two."""
    hours = [NOON + timedelta(hours=number) for number in range(4)]
    one = row("mandate", accepted_at=hours[1], ended_at=hours[2], recorded_at=hours[0])
    before = stood_at([one], NOON - timedelta(seconds=1))
    told = [stood_at([one], hour)[0] for hour in hours]
    assert before == []
    assert [(known.accepted_at, known.ended_at) for known in told] == [
        (None, None),
        (hours[1], None),
        (hours[1], hours[2]),
        (hours[1], hours[2]),
    ]


def test_what_stood_before_a_position_knows_nothing_of_what_came_later() -> None:
    one = row(
        "mandate", position=3, accepted_at=NOON, accepted_position=5, ended_at=LATER,
        ended_position=7,
    )  # fmt: skip
    told = {cut: stood_before([one], cut) for cut in (3, 4, 5, 6, 7, 8)}
    assert told[3] == []
    assert [(told[cut][0].accepted_at, told[cut][0].ended_at) for cut in (4, 5, 6, 7, 8)] == [
        (None, None),
        (None, None),
        (NOON, None),
        (NOON, None),
        (NOON, LATER),
    ]


def test_a_mandate_is_a_fact_only_once_its_acceptance_lies_before_the_cut() -> None:
    one = row("mandate", accepted_at=NOON, position=2, accepted_position=5)
    held = [bool(access_facts(NEW, {NEW: [one]}, NOON, {0: cut}).mandates) for cut in (5, 6)]
    assert held == [False, True]


def test_concerned_are_all_that_merges_tie_together_whoever_names_whom() -> None:
    rows: dict[str, Iterable[RegistrationRow]] = {OLD: [REPLACED], NEW: [REPLACED]}
    assert concerned(NEW, {name: list(some) for name, some in rows.items()}) == (NEW, OLD)
    assert concerned(DOCTOR, {}) == (DOCTOR,)
