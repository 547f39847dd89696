"""Values that look wrong and are right, or look right and are wrong: as whole submissions."""

from typing import Any

import pytest

from schemas.identifiers import nihdi, niss
from tests.support.quality_bench import Bench, line, visit

SHA_GUID = "F3B0C442-98FC-1C14-9AFB-F4C8996FB924"
"""Half of a digest, as the original SDK makes them: no version bits of RFC 4122."""
NURSE = "400001" + nihdi.check_digits("400001", modulus=89) + "001"
DOCTOR = "100001" + nihdi.check_digits("100001") + "003"


def product(code: str) -> dict[str, Any]:
    return visit(line(product={"kind": "cnk", "cnk": code}))


def person(number: str) -> dict[str, Any]:
    return visit(patient={"niss": number})


def prescriber(number: str) -> dict[str, Any]:
    return visit(line(prescription={"prescriber": number}))


PASSES = [
    product("5521950"),
    product("0525337"),
    person("64110219106"),
    person(niss.with_check_digits("000001001", True)),
    person(niss.with_check_digits("854000001", False)),
    person(niss.with_check_digits("852000001", False)),
    prescriber(NURSE),
    prescriber(DOCTOR),
    visit(line(dguid=SHA_GUID), sguid=SHA_GUID.lower()),
]
FAILS = [
    (product("1439562"), "CNK_INVALID"),
    (product("0000000"), "CNK_INVALID"),
    (person("79121137740"), "NISS_INVALID"),
    (prescriber("10000107001"), "PRESCRIBER_INVALID"),
    (visit(line(dguid=SHA_GUID.replace("-", ""))), "GUID_INVALID"),
]


@pytest.mark.parametrize("body", PASSES)
def test_what_only_looks_wrong_passes(body: dict[str, Any]) -> None:
    assert Bench().submit(body).codes == []


@pytest.mark.parametrize(("body", "code"), FAILS)
def test_what_only_looks_right_is_found_bad(body: dict[str, Any], code: str) -> None:
    assert Bench().submit(body).codes == [code]


@pytest.mark.parametrize("number", ["80000551", "27457532", "62599147"])
def test_pharmacies_of_these_numbers_may_submit(number: str) -> None:
    bench = Bench()
    bench.enrol(number)
    assert bench.submit(visit(), pharmacy=number).receipt.outcome == "accepted"


def test_a_dguid_is_the_same_in_any_case() -> None:
    bench = Bench()
    bench.submit(visit(line(dguid=SHA_GUID)))
    again = bench.submit(visit(line(dguid=SHA_GUID.lower())))
    assert again.receipt.outcome == "duplicate"


def test_a_caregiver_is_known_by_eight_digits_whatever_the_qualification() -> None:
    assert nihdi.identity(DOCTOR) == nihdi.identity(DOCTOR[:8] + "001") == DOCTOR[:8]
