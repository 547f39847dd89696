"""FHIR R4 data types, as far as they are spoken here; members that do not apply are absent."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from consumers.api.fhir import systems

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Code = Annotated[str, Field(pattern=r"^[^\s]+(\s[^\s]+)*$")]
DateTimeText = Annotated[
    str, Field(pattern=r"^\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?$")
]
"""A dateTime of any precision."""


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[Decimal, PlainSerializer(_number, return_type=int | float, when_used="json")]


class Element(BaseModel):
    """Base of everything here: frozen, closed, and named in FHIR's camel case when written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    def write(self) -> str:
        """Its JSON."""
        return self.model_dump_json(exclude_none=True)


class Extension(Element):
    """A further member, named by `url`, with one value or with extensions of its own."""

    url: str
    extension: tuple["Extension", ...] | None = None
    value_code: Code | None = None
    value_string: str | None = None
    value_integer: int | None = None
    value_boolean: bool | None = None
    value_instant: AwareDatetime | None = None
    value_identifier: "Identifier | None" = None


class Absent(Element):
    """The extensions of a primitive that has no value, or more than its value."""

    extension: tuple[Extension, ...]


class Period(Element):
    """Both ends included."""

    start: DateTimeText | AwareDatetime | None = None
    end: DateTimeText | AwareDatetime | None = None


class Identifier(Element):
    """A value within a system."""

    system: str | None = None
    value: str | None = None


class Coding(Element):
    """A code within a system."""

    system: str | None = None
    code: Code | None = None
    display: str | None = None
    display_element: Annotated[Absent | None, Field(alias="_display")] = None


class CodeableConcept(Element):
    """A concept by code, in words, or both."""

    extension: tuple[Extension, ...] | None = None
    coding: tuple[Coding, ...] | None = None
    text: str | None = None


class Reference(Element):
    """Another resource: one that is contained, or a logical one by identifier."""

    extension: tuple[Extension, ...] | None = None
    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class Quantity(Element):
    """An amount in a unit."""

    value: Number | None = None
    unit: str | None = None
    system: str | None = None
    code: Code | None = None


class Annotation(Element):
    """A remark."""

    text: str


class Meta(Element):
    """What is known of a resource as a resource."""

    extension: tuple[Extension, ...] | None = None
    version_id: Id | None = None
    last_updated: AwareDatetime | None = None
    profile: tuple[str, ...] | None = None


def masked() -> tuple[Extension, ...]:
    """That there is a value, which is not this reader's to know."""
    return (Extension(url=systems.DATA_ABSENT, value_code="masked"),)


def absent() -> tuple[Extension, ...]:
    """That the value is not known."""
    return (Extension(url=systems.DATA_ABSENT, value_code="unknown"),)


def coded(system: str, code: str, display: str | None = None) -> CodeableConcept:
    """One code."""
    return CodeableConcept(coding=(Coding(system=system, code=code, display=display),))


def as_id(text: str) -> str:
    """A name of the log as an id, which has no slashes in FHIR."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", text)[:64]


def instant(moment: datetime) -> str:
    """A moment as text."""
    return moment.isoformat().replace("+00:00", "Z")
