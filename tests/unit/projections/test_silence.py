"""Who is silent: under contract, and nothing of theirs for whole days."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.publishers import PublisherEntry, evolve
from projections.silence import DAYS, Heard, Silent, expected, per_threshold, silent
from schemas.dispensation import REGISTER, REVOKE
from schemas.publisher import (
    Contract,
    ContractEnded,
    Enrolled,
    PublisherFact,
    PublisherKey,
    PublisherKind,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PHARMACY, OTHER, THIRD = "80000551", "27457532", "62599147"


def enrolled(
    start: int, until: int | None = None, type_: str = REGISTER, kind: PublisherKind = "pharmacy"
) -> Enrolled:
    """A contract from so many days before now until so many."""
    return Enrolled(
        publisher=PHARMACY,
        publisher_kind=kind,
        key=PublisherKey(key_id="1", public_key="A" * 43, proof="A"),
        contract=Contract(
            event_types=(type_,),
            valid_from=NOW - start * DAY,
            valid_until=None if until is None else NOW - until * DAY,
        ),
    )


def ended(days: int) -> ContractEnded:
    return ContractEnded(publisher=PHARMACY, ends_at=NOW - days * DAY, reason="closed")


def entry(*facts: tuple[int, PublisherFact]) -> PublisherEntry:
    """After facts, each appended so many days before now."""
    known: PublisherEntry | None = None
    for days, fact in facts:
        known = evolve(known, fact, NOW - days * DAY)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        pytest.param([(30, enrolled(30))], 30, id="enrolled"),
        pytest.param([(30, enrolled(90))], 30, id="known later than it began"),
        pytest.param([(90, enrolled(30))], 30, id="begun later than it was known"),
        pytest.param([(90, enrolled(90, 5)), (10, enrolled(5))], 90, id="renewed without a gap"),
        pytest.param([(90, enrolled(90, 5)), (10, enrolled(8))], 90, id="renewed before its end"),
        pytest.param([(90, enrolled(90, 20)), (10, enrolled(8))], 8, id="renewed after a gap"),
        pytest.param([(90, enrolled(90)), (40, ended(40)), (3, enrolled(3))], 3, id="came back"),
        pytest.param([(90, enrolled(90)), (1, ended(-5))], 90, id="ends in five days"),
    ],
)
def test_a_pharmacy_is_expected_as_long_as_a_contract_covers_registrations(
    facts: list[tuple[int, PublisherFact]], since: int
) -> None:
    assert expected({PHARMACY: entry(*facts)}, NOW) == {PHARMACY: NOW - since * DAY}


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([(30, enrolled(30, 1))], id="contract over"),
        pytest.param([(30, enrolled(-3))], id="contract not begun"),
        pytest.param([(30, enrolled(30)), (5, ended(5))], id="contract ended"),
        pytest.param([(30, enrolled(30, type_=REVOKE))], id="no registrations"),
        pytest.param([(30, enrolled(30, kind="registrar"))], id="no pharmacy"),
    ],
)
def test_nobody_else_is_expected_bad(facts: list[tuple[int, PublisherFact]]) -> None:
    assert expected({PHARMACY: entry(*facts)}, NOW) == {}


def test_silence_is_counted_in_whole_days_since_the_last_proven_submission() -> None:
    since = {PHARMACY: NOW - 90 * DAY, OTHER: NOW - 90 * DAY, THIRD: NOW - 8 * DAY}
    heard = {
        PHARMACY: Heard(NOW - 7 * DAY, NOW - 7 * DAY),
        OTHER: Heard(NOW - 22 * DAY, NOW - DAY),
    }
    found = silent(since, heard, days=7, at=NOW)
    assert found == (
        Silent(OTHER, 22, since[OTHER], NOW - 22 * DAY, NOW - DAY),
        Silent(THIRD, 8, since[THIRD], None, None),
        Silent(PHARMACY, 7, since[PHARMACY], NOW - 7 * DAY, None),
    )
    assert per_threshold(found, DAYS) == {7: 3, 21: 1}


def test_a_moment_less_than_the_threshold_is_no_silence_bad() -> None:
    almost = NOW - 7 * DAY + timedelta(seconds=1)
    assert silent({PHARMACY: NOW - 90 * DAY}, {PHARMACY: Heard(almost)}, days=7, at=NOW) == ()


def test_one_that_was_enrolled_lately_is_not_silent_although_never_heard_bad() -> None:
    assert silent({PHARMACY: NOW - 6 * DAY}, {}, days=7, at=NOW) == ()


def test_what_only_claims_to_be_a_pharmacys_does_not_end_its_silence() -> None:
    (found,) = silent({PHARMACY: NOW - 30 * DAY}, {PHARMACY: Heard(None, NOW)}, days=21, at=NOW)
    assert (found.last_seen, found.last_unproven, found.days) == (None, NOW, 30)


SINCE = st.dictionaries(
    st.sampled_from([PHARMACY, OTHER, THIRD]),
    st.timedeltas(timedelta(0), 60 * DAY).map(lambda ago: NOW - ago),
)
HEARD = st.dictionaries(
    st.sampled_from([PHARMACY, OTHER, THIRD]),
    st.timedeltas(timedelta(0), 60 * DAY).map(lambda ago: Heard(NOW - ago, NOW - ago)),
)


@given(SINCE, HEARD, st.integers(1, 59))
def test_a_submission_never_makes_a_pharmacy_more_silent_and_time_never_less(
    since: dict[str, datetime], heard: dict[str, Heard], days: int
) -> None:
    names = {one.pharmacy for one in silent(since, heard, days=days, at=NOW)}
    assert names <= {one.pharmacy for one in silent(since, {}, days=days, at=NOW)}
    assert names <= {one.pharmacy for one in silent(since, heard, days=days, at=NOW + DAY)}
    assert names >= {one.pharmacy for one in silent(since, heard, days=days + 1, at=NOW)}
    assert names <= since.keys()
