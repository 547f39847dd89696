"""Search parameters: what they mean, under which names they are understood, and what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.api.fhir import systems
from consumers.api.fhir.parameters import (
    Pairs,
    dispense_search,
    patient_number,
    period,
    read_form,
    span,
)
from consumers.api.problems import Problem

ANN = "85000000138"
DGUID = "0f8fad5b-d9cb-069f-0165-70867728950e"
E = "https://www.ehealth.fgov.be/standards/fhir"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


ALIASES = [
    (f"{E}/core/NamingSystem/ssin", systems.SSIN),
    (f"{E}/NamingSystem/ssin", systems.SSIN),
    ("http://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin", systems.SSIN),
    (f"{E}/core/NamingSystem/ssin/", systems.SSIN),
    (f"{E}/NamingSystem/nihdi-practitioner", systems.NIHDI),
    (f"{E}/core/NamingSystem/nihdi-organization", systems.NIHDI),
    (f"{E}/core/NamingSystem/nihdi-professional", systems.NIHDI),
    (f"{E}/core/NamingSystem/cbe", systems.CBE),
    (f"{E}/medication/NamingSystem/be-ns-cnk-codes", systems.CNK),
    (f"{E}/NamingSystem/cnk-codes", systems.CNK),
    ("https://cnk.apb.be/codings/cnk_product_codes", systems.CNK),
    (f"{E}/NamingSystem/prescription-id", systems.PRESCRIPTION),
    (systems.PRESCRIPTION, systems.PRESCRIPTION),
    ("https://www.gfd-dpp.be/fhir/reference/dguid", systems.DGUID),
]


@pytest.mark.parametrize(("sent", "meant"), ALIASES)
def test_every_name_of_a_system_that_is_in_use_means_the_canonical_one(
    sent: str, meant: str
) -> None:
    assert systems.canonical(sent) == meant


def test_a_system_that_nobody_knows_stays_what_it_is() -> None:
    assert systems.canonical("http://example.org/ids") == "http://example.org/ids"


@pytest.mark.parametrize("system", [sent for sent, meant in ALIASES if meant == systems.SSIN])
def test_a_patient_is_named_under_any_name_of_the_system(system: str) -> None:
    assert patient_number(f"{system}|{ANN}") == ANN


@pytest.mark.parametrize("text", [ANN, f"|{ANN}", "85.00.00-001.38"])
def test_a_patient_is_named_without_a_system_too(text: str) -> None:
    assert patient_number(text) == ANN


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{systems.NIHDI}|{ANN}", "malformed-search"),
        ("Patient/1", "malformed-identifier"),
        ("85000000139", "malformed-identifier"),
        ("urn:be:fgov:ehealth:pseudo:v1:abc", "malformed-search"),
        (f"{systems.SSIN}|urn:be:fgov:ehealth:pseudo:v2:abc", "malformed-search"),
        ("", "malformed-identifier"),
    ],
)
def test_a_patient_that_is_not_named_by_number_is_refused_bad(text: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        patient_number(text)
    assert refused.value.code == code
    assert not text or text not in str(refused.value.errors)


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2026", utc(2025, 12, 31, 23), utc(2026, 12, 31, 23)),
        ("2026-03", utc(2026, 2, 28, 23), utc(2026, 3, 31, 22)),
        ("2026-12", utc(2026, 11, 30, 23), utc(2026, 12, 31, 23)),
        ("2026-03-29", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("2026-03-01T10:00", utc(2026, 3, 1, 9), utc(2026, 3, 1, 9, 1)),
        ("2026-03-01T10:00:30", utc(2026, 3, 1, 9, 0, 30), utc(2026, 3, 1, 9, 0, 31)),
        ("2026-03-01T10:00:30Z", utc(2026, 3, 1, 10, 0, 30), utc(2026, 3, 1, 10, 0, 31)),
        ("2026-03-01T10:00:30 02:00", utc(2026, 3, 1, 8, 0, 30), utc(2026, 3, 1, 8, 0, 31)),
    ],
)
def test_a_date_covers_all_of_its_precision_in_belgian_time(
    text: str, first: datetime, after: datetime
) -> None:
    assert span(text) == (first, after)


DAY = (utc(2026, 2, 28, 23), utc(2026, 3, 1, 23))


@pytest.mark.parametrize(
    ("values", "start", "end"),
    [
        ([], None, None),
        (["2026-03-01"], *DAY),
        (["eq2026-03-01"], *DAY),
        (["ge2026-03-01"], DAY[0], None),
        (["gt2026-03-01"], DAY[1], None),
        (["sa2026-03-01"], DAY[1], None),
        (["le2026-03-01"], None, DAY[1]),
        (["lt2026-03-01"], None, DAY[0]),
        (["eb2026-03-01"], None, DAY[0]),
        (["ge2026-03-01", "le2026-03-01"], *DAY),
        (["ge2026-02-01", "ge2026-03-01", "lt2027", "le2026-03-01"], *DAY),
    ],
)
def test_conditions_on_the_date_hold_together(
    values: list[str], start: datetime | None, end: datetime | None
) -> None:
    assert period(values) == (start, end)


@pytest.mark.parametrize(
    "value", ["ne2026", "ap2026", "xx2026", "2026-13", "2026-02-30", "26", "", "9999", "now", "ge"]
)
def test_a_date_that_is_none_is_refused_bad(value: str) -> None:
    with pytest.raises(Problem):
        period([value])


def _search(*pairs: tuple[str, str]) -> str:
    return urlencode(pairs)


def test_a_search_says_whom_when_which_line_in_which_order_and_how_many() -> None:
    body = _search(
        ("patient", f"{E}/NamingSystem/ssin|{ANN}"),
        ("whenhandedover", "ge2026-03-01"),
        ("status", "completed,cancelled"),
        ("identifier", f"{systems.DGUID}|{DGUID.upper()}"),
        ("_count", "25"),
        ("_sort", "whenhandedover"),
    )
    asked = dispense_search(read_form(body.encode()))
    assert asked.patient == ANN
    assert asked.narrow.start == DAY[0]
    assert asked.narrow.dguid == DGUID
    assert asked.narrow.oldest_first
    assert asked.count == 25


@pytest.mark.parametrize("status", ["in-progress", "cancelled,stopped"])
def test_dispenses_in_a_status_that_none_has_are_none(status: str) -> None:
    narrow = dispense_search([("status", status)]).narrow
    window = narrow.within(utc(2026, 1, 1), utc(2026, 2, 1))
    assert window.start == window.end


@pytest.mark.parametrize(
    ("status", "versions"),
    [
        (None, "current"),
        ("completed", "current"),
        ("completed,cancelled", "current"),
        ("entered-in-error", "revoked"),
        ("unknown,entered-in-error", "revoked"),
        ("entered-in-error,completed", "latest"),
    ],
)
def test_a_status_says_whether_revoked_lines_are_shown(status: str | None, versions: str) -> None:
    narrow = dispense_search([] if status is None else [("status", status)]).narrow
    assert (narrow.versions, narrow.start) == (versions, None)


@pytest.mark.parametrize(
    "pairs",
    [
        [("patient", ANN), ("patient", ANN)],
        [("patient", ANN), ("subject", ANN)],
        [("patient:Patient", ANN)],
        [("_include", "MedicationDispense:patient")],
        [("_count", "0")],
        [("_count", "-1")],
        [("_count", "many")],
        [("_sort", "identifier")],
        [("status", "done")],
        [("identifier", f"{systems.SGUID}|{DGUID}")],
        [("identifier", "x")],
        [("_format", "xml")],
    ],
)
def test_what_is_not_understood_is_refused_and_never_passed_over_bad(
    pairs: list[tuple[str, str]],
) -> None:
    with pytest.raises(Problem) as refused:
        dispense_search(pairs)
    assert refused.value.status == 400


def _count_or_status(pairs: Callable[[], Pairs]) -> int:
    """The status of a refusal, or how many entries are wanted (100 if nothing is said)."""
    try:
        return dispense_search(pairs()).count or 100
    except Problem as problem:
        return -problem.status


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    answer = _count_or_status(lambda: read_form(body))
    assert answer > 0 or answer == -400


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["patient", "whenhandedover", "status", "identifier", "_count"]),
            st.text(max_size=40),
        ),
        max_size=6,
    )
)
def test_any_values_are_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    answer = _count_or_status(lambda: pairs)
    assert answer > 0 or answer == -400
