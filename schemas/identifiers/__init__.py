"""Belgian identifiers: one module each in python-stdnum's manner, and their pydantic types.

Every module has `compact`, `validate`, `is_valid`, `format` and its getters, raises the error
classes of `stdnum.exceptions`, and reads neither clock nor network: the same text gets the same
answer in every year.

The types are for facts and other values that have passed the rules: a validated value is held in
its compact form. A refusal carries only a code such as `niss_checksum`. pydantic itself adds the
input to its errors, so a model with a `Niss` sets `hide_input_in_errors`, and whoever renders
`ValidationError.errors()` passes `include_input=False`. Bodies that pharmacies send are plain
bounded strings instead, because there the rules decide, line by line.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from stdnum.exceptions import (
    InvalidChecksum,
    InvalidComponent,
    InvalidFormat,
    InvalidLength,
    ValidationError,
)

from schemas.identifiers import cbe, cnk, guid, nihdi, niss, pharmacy, rid

__all__ = [
    "Cbe",
    "Cnk",
    "Guid",
    "Nihdi",
    "NihdiIdentity",
    "Niss",
    "PharmacyNumber",
    "Rid",
    "cbe",
    "cnk",
    "guid",
    "nihdi",
    "niss",
    "pharmacy",
    "rid",
]

_CODES: dict[type[ValidationError], str] = {
    InvalidLength: "length",
    InvalidFormat: "format",
    InvalidChecksum: "checksum",
    InvalidComponent: "component",
}


def _strict(name: str, validate: Callable[[str], str]) -> AfterValidator:
    def check(value: str) -> str:
        try:
            return validate(value)
        except ValidationError as error:
            code = _CODES[type(error)]
        raise ValueError(f"{name}_{code}")

    return AfterValidator(check)


def _pattern(compact_form: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{compact_form}$"})


Niss = Annotated[str, _strict("niss", niss.validate), _pattern("[0-9]{11}")]
"""A NISS or BIS number, eleven digits."""

Cnk = Annotated[str, _strict("cnk", cnk.validate), _pattern("[0-9]{7}")]
"""A product code, seven digits."""

PharmacyNumber = Annotated[str, _strict("pharmacy_number", pharmacy.validate), _pattern("[0-9]{8}")]
"""A pharmacy number, eight digits."""

Nihdi = Annotated[str, _strict("nihdi", nihdi.validate), _pattern("(?:[0-9]{11}|[0-9]{8})")]
"""A caregiver's NIHDI number, eleven digits, or eight in the deprecated form."""

NihdiIdentity = Annotated[
    str, _strict("nihdi_identity", nihdi.validate_identity), _pattern("[0-9]{8}")
]
"""The eight digits of a NIHDI number that name the caregiver."""

Cbe = Annotated[str, _strict("cbe", cbe.validate), _pattern("[01][0-9]{9}")]
"""An enterprise number, ten digits."""

Rid = Annotated[str, _strict("rid", rid.validate), _pattern(rid.PATTERN)]
"""A prescription identifier, twelve characters."""

Guid = Annotated[str, _strict("guid", guid.validate), _pattern(guid.PATTERN)]
"""A DGUID, SGUID or MGUID, held in lower case."""
