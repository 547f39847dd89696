"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, the payload in the value.

Headers arrive from strangers. `parse` refuses a doubled, missing, undecodable or over-long header
with a stable reason instead of guessing, because the same bytes are bound by signatures and seals.
Source: CloudEvents Kafka protocol binding, and DESIGN section 4.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from schemas.revisions import revision

JSON: Final = "application/json"
SEALED: Final = "application/vnd.dpp.sealed"
SCHEMA_BASE: Final = "https://schemas.dpp.be/registry/"
MAX_HEADERS: Final = 32
MAX_HEADER_BYTES: Final = 1024

Headers = Sequence[tuple[str, bytes]]
FaultReason = Literal[
    "header_missing", "header_doubled", "header_undecodable", "header_invalid", "header_too_large"
]

_REQUIRED: Final = (
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema"
)  # fmt: skip
_REQUIRED_SET: Final = frozenset(_REQUIRED)
_TYPE: Final = re.compile(r"be\.dpp\.[a-z]+\.[a-z][a-z-]*\.v[1-9][0-9]*\Z")
_ATTRIBUTE: Final = re.compile(r"ce_[a-z0-9]{1,40}\Z")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z\Z")
_BETWEEN: Final = b"|"
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Envelope(NamedTuple):
    """The attributes of one event; `extensions` holds every attribute that CloudEvents has not."""

    id: str
    source: str
    type: str
    time: datetime
    content_type: str = JSON
    extensions: Mapping[str, str] = MappingProxyType({})

    @property
    def dataschema(self) -> str:
        """Address of the immutable JSON Schema that the writer obeyed."""
        return dataschema(self.type)

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers, `content-type` first and attributes by name."""
        attributes = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": format_time(self.time),
            "dataschema": self.dataschema,
            **self.extensions,
        }
        return [
            ("content-type", self.content_type.encode()),
            *((f"ce_{name}", attributes[name].encode()) for name in sorted(attributes)),
        ]


@dataclass(frozen=True, slots=True)
class EnvelopeFault:
    """Why headers are not an envelope; `header` names the culprit and never holds its value."""

    reason: FaultReason
    header: str


class _Places(NamedTuple):
    """What picks the required attributes, but the schema's address; indexes of the extensions."""

    required: Callable[[Sequence[str]], tuple[str, ...]]
    extensions: tuple[tuple[str, int], ...]


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, the precision of Kafka's timestamps."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=128)
def dataschema(type_: str) -> str:
    """Address of the JSON Schema that a writer of this event type obeys now."""
    return f"{SCHEMA_BASE}{type_}/{revision(type_)}.writer.json"


def from_millis(timestamp_ms: int) -> datetime:
    """The moment of a Kafka timestamp (milliseconds since 1970, UTC)."""
    seconds, millis = divmod(timestamp_ms, 1000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=millis * 1000)


def parse(headers: Headers) -> Envelope | EnvelopeFault:
    """The envelope in `headers`, or the first reason why there is none."""
    return _plain(headers) or _careful(headers)


def _plain(headers: Headers) -> Envelope | None:
    """The envelope of headers that give no occasion for a doubt, looked at all at once.

    They are few, of names seen before, and short, printable ASCII. None for any others: what they
    are is for `_careful` to say, which gives the same envelope for these.
    """
    if not headers:
        return None
    names, values = zip(*headers, strict=True)
    places = _places(names)
    if places is None:
        return None
    try:
        written = _BETWEEN.join(values)
        if len(written) > MAX_HEADER_BYTES or written.translate(None, _PRINTABLE):
            return None
        texts = written.decode("ascii").split("|")
        content_type, version, id_, source, type_, time = places.required(texts)
        doubtful = len(texts) != len(names) or "" in texts
        if doubtful or version != "1.0" or not _is_type(type_):
            return None
        extensions = {name: texts[at] for name, at in places.extensions}
        return Envelope(id_, source, type_, _moment(time), content_type, extensions)
    except (IndexError, TypeError, ValueError):
        return None


def _careful(headers: Headers) -> Envelope | EnvelopeFault:
    """As `parse`, header by header."""
    decoded = _decode(headers)
    if isinstance(decoded, EnvelopeFault):
        return decoded
    content_type = decoded.pop("content-type", None)
    if content_type is None:
        return EnvelopeFault("header_missing", "content-type")
    if not content_type:
        # Kafka lets a header be null, which nothing that is signed or sealed can hold.
        return EnvelopeFault("header_invalid", "content-type")
    for name in _REQUIRED:
        if name not in decoded:
            return EnvelopeFault("header_missing", name)
    invalid = _first_invalid(decoded)
    if invalid is not None:
        return EnvelopeFault("header_invalid", invalid)
    return Envelope(
        decoded["ce_id"],
        decoded["ce_source"],
        decoded["ce_type"],
        _moment(decoded["ce_time"]),
        content_type,
        {name[3:]: value for name, value in decoded.items() if name not in _REQUIRED_SET},
    )


def _decode(headers: Headers) -> dict[str, str] | EnvelopeFault:
    if len(headers) > MAX_HEADERS:
        return EnvelopeFault("header_too_large", "count")
    decoded: dict[str, str] = {}
    for name, value in headers:
        if name[:3] != "ce_" and name != "content-type":
            continue
        if name in decoded:
            return EnvelopeFault("header_doubled", _label(name))
        if value and len(value) > MAX_HEADER_BYTES:
            return EnvelopeFault("header_too_large", _label(name))
        try:
            decoded[name] = value.decode() if value else ""
        except UnicodeDecodeError:
            return EnvelopeFault("header_undecodable", _label(name))
    return decoded


def _label(name: str) -> str:
    return name if _is_attribute(name) else "content-type"


def _first_invalid(decoded: Mapping[str, str]) -> str | None:
    for name, value in decoded.items():
        if not _is_attribute(name):
            return "ce_name"
        # What can be printed holds no control character, which is quickly told.
        if not value or not (value.isprintable() or _CONTROL.search(value) is None):
            return name
    if decoded["ce_specversion"] != "1.0":
        return "ce_specversion"
    if not _is_type(decoded["ce_type"]):
        return "ce_type"
    try:
        _moment(decoded["ce_time"])
    except ValueError:
        return "ce_time"
    return None


# Few names, types and moments are in a batch of events, each many times.
@lru_cache(maxsize=64)
def _places(names: tuple[str, ...]) -> _Places | None:
    """Where the attributes are among headers with these names; None if they are not plain."""
    wanted = ("content-type", *_REQUIRED)
    known = all(name in wanted or _is_attribute(name) for name in names)
    if (
        not known
        or len(set(names)) < len(names)
        or len(names) > MAX_HEADERS
        or not {*names} >= {*wanted}
    ):
        return None
    extensions = [(name[3:], at) for at, name in enumerate(names) if name not in wanted]
    required = [names.index(name) for name in wanted if name != "ce_dataschema"]
    return _Places(itemgetter(*required), tuple(extensions))


@lru_cache(maxsize=256)
def _is_attribute(name: str) -> bool:
    return _ATTRIBUTE.match(name) is not None


@lru_cache(maxsize=256)
def _is_type(text: str) -> bool:
    return _TYPE.match(text) is not None


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime:
    if _TIME.match(text) is None:
        raise ValueError("no RFC 3339 moment in UTC")
    return datetime.fromisoformat(text)
