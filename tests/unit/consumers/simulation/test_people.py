"""The invented people, and the year that they live through."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.simulation.population import CAST, Population, SimulationSize, populate
from consumers.simulation.year import MAX_VISIT_LINES, Visit, late_limit, visits
from schemas import brussels
from schemas.identifiers import cnk, guid, nihdi, niss, pharmacy, rid
from schemas.policy import QualityPolicy, baseline

NOW = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)
SIZE = SimulationSize(6, 60, 400)


def quality_policy() -> QualityPolicy:
    policy = baseline("quality").data
    assert isinstance(policy, QualityPolicy)
    return policy


@pytest.fixture(scope="module")
def people() -> Population:
    return populate(7, SIZE)


@pytest.fixture(scope="module")
def year(people: Population) -> tuple[Visit, ...]:
    return visits(7, SIZE, people, NOW, quality_policy())


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert populate(7, SIZE) == populate(7, SIZE)
    assert populate(7, SIZE) != populate(8, SIZE)


def test_every_number_is_valid_and_nobody_shares_one(people: Population) -> None:
    caregivers = (*people.physicians, *people.nurses, *people.pharmacists)
    pharmacies = [*(one.number for one in people.pharmacies), *people.strangers]
    pharmacies.append(people.lapsed.number)
    persons = [one.niss for one in people.persons] + [one.niss for one in caregivers]
    assert all(niss.is_valid(one, on=NOW.date()) for one in persons)
    assert all(nihdi.is_valid(one.nihdi) for one in caregivers)
    assert all(pharmacy.is_valid(one) for one in pharmacies)
    assert len(set(persons)) == len(persons)
    assert len({one.nihdi for one in caregivers}) == len(caregivers)
    assert len(set(pharmacies)) == len(pharmacies)


def test_no_number_gives_a_date_of_birth(people: Population) -> None:
    numbers = [one.niss for one in people.persons]
    numbers += [one.niss for one in (*people.physicians, *people.pharmacists)]
    assert all(niss.birth_date(number) is None for number in numbers)
    assert all(number[2:6] in ("0000", "4000") for number in numbers)


def test_some_persons_have_a_bis_number() -> None:
    many = populate(1, SimulationSize(6, 400, 400)).persons
    assert 0 < sum(niss.is_bis(one.niss) for one in many) < 60


def test_physicians_have_numbers_of_both_checks() -> None:
    numbers = [one.nihdi for one in populate(1, SimulationSize(60, 60, 400)).physicians]
    classic = {number[6:8] == nihdi.check_digits(number[:6]) for number in numbers}
    assert classic == {True, False}


def test_the_cast_has_the_habits_that_the_demo_counts_on(people: Population) -> None:
    assert tuple(one.habit for one in people.persons[: len(CAST)]) == CAST
    assert len(set(people.persons[0].pharmacies)) >= 2


@pytest.mark.parametrize("size", [SimulationSize(2, 60, 400), SimulationSize(6, 29, 400)])
def test_too_few_for_the_cast_are_refused_bad(size: SimulationSize) -> None:
    with pytest.raises(ValueError, match="at least 3 pharmacies and 30 persons"):
        populate(1, size)


def test_a_year_has_about_as_many_lines_as_asked_for(year: tuple[Visit, ...]) -> None:
    lines = sum(len(visit.lines) for visit in year)
    assert SIZE.lines * 0.9 < lines < SIZE.lines * 1.1
    assert all(1 <= len(visit.lines) <= MAX_VISIT_LINES for visit in year)


def test_visits_keep_away_from_every_limit_that_depends_on_the_time(
    year: tuple[Visit, ...],
) -> None:
    policy = quality_policy()
    late, horizon = late_limit(NOW, policy), brussels.months_back(NOW, policy.retention_months)
    for visit in year:
        assert horizon + timedelta(days=2) < visit.delivered_at < NOW - timedelta(minutes=10)
        assert not late - timedelta(hours=1) < visit.delivered_at < late + timedelta(hours=12)


def test_visits_fall_into_opening_hours_and_never_on_a_sunday(year: tuple[Visit, ...]) -> None:
    for visit in year:
        local = visit.delivered_at.astimezone(brussels.BRUSSELS)
        assert local.weekday() != 6
        assert 8 <= local.hour < 19


def test_every_line_of_an_ordinary_visit_is_valid(year: tuple[Visit, ...]) -> None:
    for visit in year:
        assert guid.is_valid(visit.sguid)
        for line in visit.lines:
            assert guid.is_valid(line.dguid)
            assert line.units > 0
            if line.product.kind == "cnk":
                assert cnk.is_valid(line.product.cnk)
            if line.prescription:
                assert nihdi.is_valid(line.prescription.prescriber or "")
                assert rid.is_valid(line.prescription.rid or "")


def test_all_kinds_of_product_occur() -> None:
    size = SimulationSize(6, 100, 2000)
    year = visits(3, size, populate(3, size), NOW, quality_policy())
    assert {line.product.kind for visit in year for line in visit.lines} == {
        "cnk",
        "magistral",
        "unregistered",
    }


@pytest.mark.parametrize(
    "now",
    [
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
    ],
)
def test_a_year_can_end_at_any_moment(now: datetime) -> None:
    found = visits(1, SIZE, populate(1, SIZE), now, quality_policy())
    assert found[-1].delivered_at < now
