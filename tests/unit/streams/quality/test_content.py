"""The normal form of a line is the contract's `LineContent`, member by member and byte by byte."""

import json
from typing import Any

import pytest

from schemas.canonical import jcs
from schemas.dispensation import (
    Compound,
    LineContent,
    MagistralPreparation,
    Posology,
    Prescription,
    Regimen,
    RegisterBody,
    RevocationContent,
    RevokeBody,
)
from streams.quality import content
from streams.quality.content import NormalLine, same_product
from tests.support.quality_bench import CNK, PHARMACY, guid, line, revocation, visit

WHOLE: dict[str, Any] = {
    "units": -2,
    "posology": {"text": "1 comprimé « le matin »\n\u0007"},
    "prescription": {"prescriber": "10000304001", "rid": "BEP012AB34CD"},
    "returns": guid(7),
    "batch": "AB12",
    "expiry": "2027-02",
    "motivation": "é",
    "regimen": {
        "quantity": "0.5",
        "unit": "tablet",
        "times_per_day": 2,
        "moments": ["morning", "evening"],
        "every_days": 2,
        "as_needed": False,
        "begin": "2026-03-10",
        "end": "2026-03-20",
        "route": "oral",
    },
    "gtin": "5412345000013",
}
MAGISTRAL: dict[str, Any] = {
    "kind": "magistral",
    "compounds": [
        {"order": 1, "cnk": "5521-950", "name": "x", "prefix": "q.s.", "quantity": "5 g"}
    ],
    "formula_cnk": "5521-950",
    "text": "mix",
    "galenic_form": "cream",
    "quantity": "30 g",
}


def normal(changes: dict[str, Any] | None = None, **of_visit: Any) -> NormalLine:
    body = RegisterBody.read(json.dumps(visit(line(**(changes or {})), **of_visit)).encode())
    return content.normal_line(PHARMACY, body, body.lines[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        WHOLE,
        {"product": MAGISTRAL},
        {"product": {"kind": "magistral", "compounds": []}},
        {"product": {"kind": "unregistered", "description": "words: with a colon"}},
        {"product": {"kind": "cnk", "cnk": "14-39562 "}},
        {"product": {"kind": "cnk", "cnk": "no code"}},
        {"prescription": {}},
        {"prescription": {"prescriber": "nobody", "rid": "none", "on_substance_name": True}},
        {"gtin": "123"},
        {"scan": "]d201054123450000131728110010AB12\x1d21XYZ9"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "moment", ["2026-03-10T08:55:00Z", "2026-03-10T08:55:00.120000+01:00", "0900-01-01T00:00:00Z"]
)
def test_a_normal_form_is_what_the_model_of_the_content_writes(
    changes: dict[str, Any], moment: str
) -> None:
    made = normal(changes, delivered_at=moment)
    assert LineContent.model_validate_json(made.written).write() == made.written
    assert made.document == json.loads(made.written)


def test_every_member_of_the_content_has_its_place() -> None:
    made = normal(WHOLE)
    assert list(made.document) == list(LineContent.model_fields)
    for name, model in (
        ("posology", Posology),
        ("prescription", Prescription),
        ("regimen", Regimen),
    ):
        assert list(members(made.document[name])) == list(model.model_fields)
    product = members(normal({"product": MAGISTRAL}).document["product"])
    assert list(product) == list(MagistralPreparation.model_fields)
    assert list(product["compounds"][0]) == list(Compound.model_fields)


def members(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("member", "written", "compact"),
    [
        ("product", {"kind": "cnk", "cnk": "5521-950"}, {"kind": "cnk", "cnk": "5521950"}),
        ("returns", guid(7).upper(), guid(7)),
        ("gtin", "5412345000013", "05412345000013"),
        (
            "prescription",
            {"prescriber": "1-00003-04-001", "rid": "bep0 12ab 34cd"},
            {"prescriber": "10000304001", "rid": "BEP012AB34CD", "on_substance_name": False},
        ),
    ],
)
def test_identifiers_are_written_compactly(member: str, written: object, compact: object) -> None:
    assert normal({member: written}).document[member] == compact


def test_the_visit_is_written_compactly_and_in_utc() -> None:
    made = normal(sguid=guid(2**64).upper(), delivered_at="2026-03-10T10:55:00+02:00")
    assert made.document["sguid"] == made.sguid == guid(2**64)
    assert made.document["delivered_at"] == "2026-03-10T08:55:00Z"


def test_what_a_barcode_says_is_taken_where_the_line_does_not_say_it() -> None:
    scan = "]d201054123450000131728110010AB12\x1d21XYZ9"
    read = normal({"scan": scan}).document
    assert (read["batch"], read["expiry"], read["gtin"]) == (
        "AB12",
        "2028-11-30",
        "05412345000013",
    )
    said = normal({"scan": scan, "batch": "Z9", "expiry": "2027-01"}).document
    assert (said["batch"], said["expiry"]) == ("Z9", "2027-01")
    assert "batch" not in normal({"scan": "no barcode"}).document


@pytest.mark.parametrize("reason", [None, "wrong « button »"])
def test_the_form_of_a_revocation_is_that_of_its_model(reason: str | None) -> None:
    given = {name: value for name, value in revocation(reason=reason).items() if value is not None}
    made = content.normal_revocation(RevokeBody.read(json.dumps(given).encode()))
    assert RevocationContent.model_validate_json(made.written).write() == made.written
    assert jcs(made.document) == jcs(json.loads(made.written))


PRODUCTS: tuple[dict[str, Any], ...] = (
    {"kind": "cnk", "cnk": CNK},
    {"kind": "cnk", "cnk": "5521950 "},
    {"kind": "cnk", "cnk": "1439562"},
    {"kind": "magistral", "text": "mix"},
    {"kind": "magistral", "text": "another"},
    {"kind": "unregistered", "description": "mix"},
)


@pytest.mark.parametrize("one", PRODUCTS, ids=str)
@pytest.mark.parametrize("other", PRODUCTS, ids=str)
def test_products_are_the_same_when_all_that_is_said_of_them_is(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = normal({"product": one}), normal({"product": other})
    expected = first.document["product"] == second.document["product"]
    assert same_product(first.product, second.product) is expected
