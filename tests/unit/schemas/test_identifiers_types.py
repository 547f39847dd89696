"""The pydantic types that facts are made of."""

import re
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.identifiers import (
    Cbe,
    Cnk,
    Guid,
    Nihdi,
    NihdiIdentity,
    Niss,
    PharmacyNumber,
    Rid,
)

GUID = "0f8fad5b-d9cb-069f-0165-70867728950e"
GOOD = [
    (Niss, "85.00.00-001.38", "85000000138"),
    (Cnk, "5521-950", "5521950"),
    (PharmacyNumber, "80000551", "80000551"),
    (Nihdi, "1-00001-06-001", "10000106001"),
    (Nihdi, "10000106", "10000106"),
    (NihdiIdentity, "1-00001-06", "10000106"),
    (Cbe, "428759497", "0428759497"),
    (Rid, "bep012ab34cd", "BEP012AB34CD"),
    (Guid, GUID.upper(), GUID),
]
BAD = [
    (Niss, "85000000139", "niss_checksum"),
    (Niss, "95130000177", "niss_component"),
    (Niss, "8500000013", "niss_length"),
    (Niss, "8500000013A", "niss_format"),
    (Cnk, "0000000", "cnk_component"),
    (PharmacyNumber, "80000552", "pharmacy_number_checksum"),
    (Nihdi, "10000107001", "nihdi_checksum"),
    (NihdiIdentity, "10000106001", "nihdi_identity_length"),
    (Cbe, "2428759497", "cbe_component"),
    (Rid, "BEP012AB34CO", "rid_format"),
    (Guid, GUID[:-1], "guid_length"),
]


class _Person(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    niss: Niss


@pytest.mark.parametrize(("kind", "written", "held"), GOOD)
def test_value_is_held_in_its_compact_form(kind: Any, written: str, held: str) -> None:
    assert TypeAdapter(kind).validate_python(written) == held


@pytest.mark.parametrize(("kind", "written", "code"), BAD)
def test_value_is_held_in_its_compact_form_bad(kind: Any, written: str, code: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(written)
    errors = raised.value.errors(include_input=False, include_url=False)
    assert [str(error["ctx"]["error"]) for error in errors] == [code]


@pytest.mark.parametrize("value", [85000000138, 1.5, None, True, ["85000000138"], b"85000000138x"])
def test_something_other_than_text_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Niss).validate_python(value, strict=True)


@pytest.mark.parametrize(("kind", "_written", "held"), GOOD)
def test_json_schema_describes_the_compact_form(kind: Any, _written: str, held: str) -> None:
    schema = TypeAdapter(kind).json_schema()
    assert schema["type"] == "string"
    assert re.search(schema["pattern"], held)
    assert not re.search(schema["pattern"], f"{held}0")


@pytest.mark.parametrize("number", ["85000000139", "95130000177", "850000001380", "8500000013A"])
def test_refusal_of_a_national_number_never_shows_it(number: str) -> None:
    with pytest.raises(ValidationError) as raised:
        _Person(niss=number)
    error = raised.value
    assert number not in str(error)
    assert number not in repr(error)
    assert number not in repr(error.errors(include_input=False))
    assert number not in error.json(include_input=False)
