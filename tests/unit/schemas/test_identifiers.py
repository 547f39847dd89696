"""CNK, pharmacy, NIHDI, CBE, RID and GUID, and the documentation of every contract module."""

import doctest
import importlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.exceptions import (
    InvalidChecksum,
    InvalidComponent,
    InvalidFormat,
    InvalidLength,
    ValidationError,
)

from schemas.identifiers import cbe, cnk, guid, nihdi, niss, pharmacy, rid

MODULES = [cbe, cnk, guid, nihdi, niss, pharmacy, rid]
GUID = "0f8fad5b-d9cb-069f-0165-70867728950e"

GOOD = [
    (cnk, "5521950", "5521950"),
    (cnk, "0525337", "0525337"),
    (cnk, "0589028", "0589028"),
    (cnk, " 5521-950 ", "5521950"),
    (cnk, "0000174", "0000174"),
    (pharmacy, "80000551", "80000551"),
    (pharmacy, "27457532", "27457532"),
    (pharmacy, "62599147", "62599147"),
    (pharmacy, "800005-51", "80000551"),
    (nihdi, "10000106001", "10000106001"),
    (nihdi, "10000135001", "10000135001"),
    (nihdi, "10000106", "10000106"),
    (nihdi, "1/00001/06/001", "10000106001"),
    (cbe, "0428759497", "0428759497"),
    (cbe, "428.759.497", "0428759497"),
    (cbe, "BE 0428.759.497", "0428759497"),
    (cbe, "1000000021", "1000000021"),
    (cbe, "0100007097", "0100007097"),
    (rid, "BEP012AB34CD", "BEP012AB34CD"),
    (rid, "BEKP12AB34CD", "BEKP12AB34CD"),
    (rid, "ben9 zzzz 0000", "BEN9ZZZZ0000"),
    (guid, GUID, GUID),
    (guid, GUID.upper(), GUID),
    (guid, "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
    (guid, f" {GUID}\n", GUID),
]
BAD = [
    (cnk, "1439562", InvalidChecksum),
    (cnk, "5521951", InvalidChecksum),
    (cnk, "0000000", InvalidComponent),
    (cnk, "552195", InvalidLength),
    (cnk, "05521950", InvalidLength),
    (cnk, "552195O", InvalidFormat),
    (cnk, "", InvalidFormat),
    (cnk, "5" * 5_000, InvalidLength),
    (pharmacy, "80000552", InvalidChecksum),
    (pharmacy, "80000500", InvalidChecksum),
    (pharmacy, "00000097", InvalidComponent),
    (pharmacy, "8000055", InvalidLength),
    (pharmacy, "8000055A", InvalidFormat),
    (nihdi, "10000107001", InvalidChecksum),
    (nihdi, "10000107", InvalidChecksum),
    (nihdi, "00000097001", InvalidComponent),
    (nihdi, "00000089001", InvalidComponent),
    (nihdi, "100001", InvalidLength),
    (nihdi, "1000010600", InvalidLength),
    (nihdi, "1000010600X", InvalidFormat),
    (cbe, "0428759498", InvalidChecksum),
    (cbe, "0100007000", InvalidChecksum),
    (cbe, "0100006998", InvalidChecksum),
    (cbe, "2428759497", InvalidComponent),
    (cbe, "0000000000", InvalidFormat),
    (cbe, "04287594970", InvalidLength),
    (cbe, "04287594A7", InvalidFormat),
    (cbe, "1" * 5_000, InvalidLength),
    (rid, "BEP012AB34CI", InvalidFormat),
    (rid, "BEP012AB34CO", InvalidFormat),
    (rid, "BEP012AB34CU", InvalidFormat),
    (rid, "BEP012AB34C|", InvalidFormat),
    (rid, "BEP012AB34C(", InvalidFormat),
    (rid, "BEX012AB34CD", InvalidFormat),
    (rid, "BEPA12AB34CD", InvalidFormat),
    (rid, "NLP012AB34CD", InvalidFormat),
    (rid, "BEP012AB34C", InvalidLength),
    (rid, "BEP012AB34CDE", InvalidLength),
    (rid, "BEP012AB34C\u0664", InvalidFormat),
    (rid, "BEP" * 5_000, InvalidLength),
    (guid, GUID.replace("-", ""), InvalidLength),
    (guid, f"{{{GUID}}}", InvalidLength),
    (guid, f"g{GUID[1:]}", InvalidFormat),
    (guid, GUID.replace("-", "_"), InvalidFormat),
    (guid, "0f8fad5bd-9cb-069f-0165-70867728950e", InvalidFormat),
    (guid, f"{GUID[:-1]}\uff10", InvalidFormat),
    (guid, "", InvalidLength),
]


@pytest.mark.parametrize(("module", "written", "compact"), GOOD)
def test_identifier_is_valid(module: Any, written: str, compact: str) -> None:
    assert module.validate(written) == compact
    assert module.compact(written) == compact
    assert module.is_valid(written)


@pytest.mark.parametrize(("module", "written", "error"), BAD)
def test_identifier_is_valid_bad(module: Any, written: str, error: type[ValidationError]) -> None:
    with pytest.raises(error) as raised:
        module.validate(written)
    assert type(raised.value) is error
    assert not module.is_valid(written)


@pytest.mark.parametrize(
    ("module", "compact", "printed"),
    [
        (cnk, "5521950", "5521-950"),
        (pharmacy, "80000551", "80000551"),
        (nihdi, "10000106001", "1-00001-06-001"),
        (nihdi, "10000106", "1-00001-06"),
        (cbe, "0428759497", "0428.759.497"),
        (rid, "bep012ab34cd", "BEP012AB34CD"),
        (guid, GUID.upper(), GUID),
    ],
)
def test_identifier_is_printed_and_read_back(module: Any, compact: str, printed: str) -> None:
    assert module.format(compact) == printed
    assert module.validate(printed) == module.compact(compact)


@pytest.mark.parametrize("module", MODULES)
def test_every_identifier_has_the_functions_of_stdnum(module: Any) -> None:
    assert all(
        callable(getattr(module, name)) for name in ("compact", "validate", "is_valid", "format")
    )


@pytest.mark.parametrize("module", MODULES)
@settings(deadline=None, max_examples=50)
@given(text=st.text(max_size=60))
def test_any_text_is_answered_with_a_verdict(module: Any, text: str) -> None:
    if module.is_valid(text):
        assert module.validate(module.validate(text)) == module.validate(text)


SIX = st.integers(1, 999_999).map("{:06d}".format)


@settings(deadline=None)
@given(first6=SIX)
def test_made_check_digits_are_valid(first6: str) -> None:
    assert cnk.is_valid(first6 + cnk.check_digit(first6))
    assert pharmacy.is_valid(first6 + pharmacy.check_digits(first6))
    assert nihdi.is_valid(first6 + nihdi.check_digits(first6))
    assert nihdi.is_valid(first6 + nihdi.check_digits(first6, modulus=89) + "001")
    assert cbe.is_valid(f"01{first6}" + cbe.check_digits(f"01{first6}"))


@pytest.mark.parametrize(
    "check",
    [cnk.check_digit, pharmacy.check_digits, nihdi.check_digits, cbe.check_digits],
)
@pytest.mark.parametrize(
    ("digits", "error"), [("12345", InvalidLength), ("12345A", InvalidFormat), ("", InvalidFormat)]
)
def test_made_check_digits_are_valid_bad(
    check: Callable[[str], str], digits: str, error: type[ValidationError]
) -> None:
    with pytest.raises(error):
        check(digits)


@settings(deadline=None)
@given(first6=SIX, place=st.integers(0, 6), other=st.integers(1, 9))
def test_one_wrong_digit_of_a_cnk_is_always_found(first6: str, place: int, other: int) -> None:
    number = first6 + cnk.check_digit(first6)
    wrong = str((int(number[place]) + other) % 10)
    assert not cnk.is_valid(number[:place] + wrong + number[place + 1 :])


def test_nihdi_identity_has_eight_digits_because_two_moduli_share_the_first_six() -> None:
    assert nihdi.identity("10000106001") != nihdi.identity("10000135001")
    assert nihdi.identity("10000106001") == nihdi.identity("10000106003") == "10000106"


def test_nihdi_getters_read_profession_and_qualification() -> None:
    assert nihdi.profession("1-00001-06-003") == "1"
    assert nihdi.qualification("1-00001-06-003") == "003"
    assert nihdi.qualification("1-00001-06") is None


def test_pharmacy_apb_number_and_rid_kind_are_read_from_valid_numbers() -> None:
    assert pharmacy.apb_number("80000551") == "800005"
    assert rid.kind("BEK012AB34CD") == "K"


@pytest.mark.parametrize(
    "getter",
    [nihdi.identity, nihdi.profession, nihdi.qualification, pharmacy.apb_number, rid.kind],
)
def test_getters_refuse_an_invalid_number(getter: Callable[[str], object]) -> None:
    with pytest.raises(ValidationError):
        getter("10000107")


def test_guid_is_made_of_the_end_of_a_digest() -> None:
    assert guid.from_hex(GUID.replace("-", "").upper()) == GUID


@pytest.mark.parametrize("digits", ["", "0f", "g" * 32, "0" * 33, "0" * 32 + "\n"])
def test_guid_is_made_of_the_end_of_a_digest_bad(digits: str) -> None:
    with pytest.raises(InvalidFormat):
        guid.from_hex(digits)


@pytest.mark.parametrize(
    "name",
    [*(module.__name__ for module in MODULES), "schemas.strictjson", "schemas.canonical"],
)
def test_examples_in_the_documentation_hold(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0
