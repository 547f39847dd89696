"""Frozen models whose writers forbid unknown members and whose readers ignore them.

One class serves both sides: constructing or `write` is strict, `read` passes over members that a
newer writer added. The bytes as written are what is hashed, sealed and logged; a model is never
serialised a second time to stand for bytes that already exist.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=2000)]
ShortText = Annotated[str, Field(min_length=1, max_length=128)]
PSEUDONYM_PATTERN: Final = r"^[a-z2-7]{26}$"
Pseudonym = Annotated[str, Field(pattern=PSEUDONYM_PATTERN)]
"""A subject or a party: 128 bits of a keyed hash in lower-case base32."""
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")]
"""Bytes in JSON: base64url without padding."""
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the moment lies outside the years 1 to 9999 in UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""A moment with an offset when read; in UTC from then on."""


class Model(BaseModel):
    """Base of every value in the contract: immutable, strict, silent about the input in errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        ser_json_bytes="base64",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @classmethod
    def read(cls, data: bytes) -> Self:
        """The value in `data`, passing over members that this version does not know.

        Raises:
            pydantic.ValidationError: a member is missing or has the wrong shape.
        """
        # As `model_validate_json` does, which by itself takes a tenth of the time of a small value.
        found: Self = cls.__pydantic_validator__.validate_json(data, extra="ignore")
        return found

    def write(self) -> bytes:
        """The bytes that stand for this value from now on."""
        return self.model_dump_json(exclude_none=True).encode()
