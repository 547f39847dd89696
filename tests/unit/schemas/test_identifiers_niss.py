"""NISS and BIS numbers: invented ones, or births of years to come, so that they are nobody's."""

import datetime as dt
from types import SimpleNamespace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdnum.be import nn, ssn
from stdnum.exceptions import (
    InvalidChecksum,
    InvalidComponent,
    InvalidFormat,
    InvalidLength,
    ValidationError,
)

from schemas.identifiers import niss

FIRST_NINE = st.integers(0, 999_999_999).map("{:09d}".format)

GOOD = [
    pytest.param("00000000097", id="the federal developers' fictitious number, counter 000"),
    pytest.param("64110219106", id="published specimen"),
    pytest.param("85000000138", id="month and day unknown, born before 2000"),
    pytest.param("05000000136", id="month and day unknown, born from 2000 on"),
    pytest.param("00000100195", id="wholly unknown date, 1900-00-01"),
    pytest.param("00200100141", id="BIS, wholly unknown date"),
    pytest.param("95073003373", id="whole date, second century"),
    pytest.param("95472899731", id="BIS, sex known"),
    pytest.param("95272899785", id="BIS, sex unknown"),
]
BAD = [
    pytest.param("79121137740", InvalidChecksum, id="published specimen that was never valid"),
    pytest.param("85000000139", InvalidChecksum, id="check digits one too high"),
    pytest.param("85000000200", InvalidChecksum, id="check digits 00"),
    pytest.param("00000000000", InvalidChecksum, id="zeros"),
    pytest.param("8500000013", InvalidLength, id="ten digits"),
    pytest.param("850000001380", InvalidLength, id="twelve digits"),
    pytest.param("", InvalidFormat, id="empty"),
    pytest.param("8500000013A", InvalidFormat, id="a letter"),
    pytest.param("85/000000138", InvalidFormat, id="a separator of other numbers"),
    pytest.param("8500000\n0138x", InvalidFormat, id="a line end inside"),
    pytest.param("85000000\u0661\u0663\u0668", InvalidFormat, id="Arabic-Indic digits"),
    pytest.param("\ud800" * 11, InvalidFormat, id="lone surrogates"),
    pytest.param(" " * 5_000_000, InvalidLength, id="five million spaces"),
    pytest.param("1" * 5_000, InvalidLength, id="more digits than int accepts"),
]
BAD_MONTHS = ["13", "19", "33", "39", "53", "60", "72", "99"]


@pytest.mark.parametrize("number", GOOD)
def test_niss_is_valid(number: str) -> None:
    assert niss.validate(number) == number
    assert niss.is_valid(number)


@pytest.mark.parametrize(("number", "error"), BAD)
def test_niss_is_valid_bad(number: str, error: type[ValidationError]) -> None:
    with pytest.raises(error) as raised:
        niss.validate(number)
    assert type(raised.value) is error
    assert not niss.is_valid(number)


@pytest.mark.parametrize("month", ["00", "01", "12", "20", "21", "32", "40", "41", "52"])
def test_niss_month_is_possible(month: str) -> None:
    assert niss.is_valid(niss.with_check_digits(f"95{month}00001", born_from_2000=True))


@pytest.mark.parametrize("month", BAD_MONTHS)
def test_niss_month_is_possible_bad(month: str) -> None:
    with pytest.raises(InvalidComponent):
        niss.validate(niss.with_check_digits(f"95{month}00001", born_from_2000=True))


@pytest.mark.parametrize(
    "written",
    ["85.00.00-001.38", " 85 00 00 001 38 ", "85\u201300\u201300\u201300138", "85000000138"],
)
def test_niss_is_the_same_number_however_it_is_written(written: str) -> None:
    assert niss.validate(written) == "85000000138"


def test_niss_is_formatted_as_on_cards() -> None:
    assert niss.format("85000000138") == "85.00.00-001.38"


@pytest.mark.parametrize(
    ("number", "born"),
    [
        ("95073003373", dt.date(2095, 7, 30)),
        ("95472899731", dt.date(2095, 7, 28)),
        ("95272899785", dt.date(2095, 7, 28)),
        ("85000000138", None),
        ("00000000097", None),
        ("00000100195", None),
        ("00200100141", None),
        (niss.with_check_digits("950000001", born_from_2000=True), None),
        (niss.with_check_digits("950003001", born_from_2000=True), None),
        (niss.with_check_digits("950700001", born_from_2000=True), None),
        (niss.with_check_digits("950231001", born_from_2000=True), None),
        (niss.with_check_digits("960229001", born_from_2000=True), dt.date(2096, 2, 29)),
        (niss.with_check_digits("000229001", born_from_2000=False), None),
    ],
)
def test_birth_date_is_read_only_when_the_number_names_a_whole_one(
    number: str, born: dt.date | None
) -> None:
    assert niss.birth_date(number) == born


@pytest.mark.parametrize(
    ("number", "sex", "is_bis"),
    [
        ("85000000138", "M", False),
        (niss.with_check_digits("850000002", born_from_2000=False), "F", False),
        ("95472899731", "M", True),
        ("95272899785", None, True),
        (niss.with_check_digits("952000001", born_from_2000=True), None, True),
        (niss.with_check_digits("954000002", born_from_2000=True), "F", True),
        ("00000000097", None, False),
        (niss.with_check_digits("850000999", born_from_2000=False), None, False),
    ],
)
def test_sex_is_read_only_when_it_was_known_at_issue(
    number: str, sex: str | None, is_bis: bool
) -> None:
    assert (niss.sex(number), niss.is_bis(number)) == (sex, is_bis)


@pytest.mark.parametrize(
    ("counter", "assigned"), [("000", False), ("001", True), ("998", True), ("999", False)]
)
def test_counters_that_nobody_gets_are_valid_but_told_apart(counter: str, assigned: bool) -> None:
    number = niss.with_check_digits(f"850000{counter}", born_from_2000=False)
    assert niss.has_assigned_counter(number) is assigned


@pytest.mark.parametrize(
    "getter", [niss.birth_date, niss.sex, niss.is_bis, niss.has_assigned_counter]
)
def test_getters_refuse_an_invalid_number(getter: object) -> None:
    assert callable(getter)
    with pytest.raises(InvalidChecksum):
        getter("85000000139")


@pytest.mark.parametrize(
    ("first9", "error"), [("85000000", InvalidLength), ("85000000A", InvalidFormat)]
)
def test_check_digits_are_made_only_for_nine_digits(
    first9: str, error: type[ValidationError]
) -> None:
    with pytest.raises(error):
        niss.with_check_digits(first9, born_from_2000=False)


@pytest.mark.parametrize(
    ("number", "on", "valid"),
    [
        ("95073003373", None, True),
        ("95073003373", dt.date(2094, 12, 31), False),
        ("95073003373", dt.date(2095, 1, 1), True),
        ("85000000138", dt.date(2025, 1, 1), True),
        (niss.with_check_digits("000001001", born_from_2000=True), dt.date(1999, 1, 1), True),
    ],
)
def test_a_birth_after_the_event_is_refused_when_the_event_date_is_given(
    number: str, on: dt.date | None, valid: bool
) -> None:
    assert niss.is_valid(number, on=on) is valid


def _stdnum_in(year: int, monkeypatch: pytest.MonkeyPatch) -> None:
    today = dt.date(year, 12, 31)
    clock = SimpleNamespace(today=lambda: today)
    monkeypatch.setattr(nn, "datetime", SimpleNamespace(date=clock))


def test_the_year_of_the_run_decides_nothing_here_although_it_does_in_stdnum() -> None:
    number = "95073003373"
    answers = []
    for year in (2025, 2095):
        with pytest.MonkeyPatch.context() as patch:
            _stdnum_in(year, patch)
            answers.append((ssn.is_valid(number), niss.is_valid(number)))
    assert answers == [(False, True), (True, True)]


@settings(deadline=None)
@given(first9=FIRST_NINE, born_from_2000=st.booleans(), error=st.sampled_from([0, 0, 0, 1, 50]))
def test_validation_agrees_with_stdnum_once_every_birth_year_has_come(
    first9: str, born_from_2000: bool, error: int
) -> None:
    number = str(int(niss.with_check_digits(first9, born_from_2000)) + error).zfill(11)
    with pytest.MonkeyPatch.context() as patch:
        _stdnum_in(2100, patch)
        expected = ssn.is_valid(number)
    assert niss.is_valid(number) is expected


@settings(deadline=None)
@given(first9=FIRST_NINE)
def test_no_number_fits_both_centuries(first9: str) -> None:
    assert niss.with_check_digits(first9, True) != niss.with_check_digits(first9, False)


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_answered_with_a_verdict(text: str) -> None:
    assert niss.is_valid(text) in {True, False}


@settings(deadline=None)
@given(number=st.from_regex(r"[0-9]{11}", fullmatch=True))
def test_no_error_text_holds_the_number(number: str) -> None:
    assume(not niss.is_valid(number))
    with pytest.raises(ValidationError) as raised:
        niss.validate(number)
    assert number not in f"{raised.value!s} {raised.value!r} {raised.value.args}"
