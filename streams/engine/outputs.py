"""Builds what a stage writes: the same submission always becomes the same bytes.

`ce_id` is `<stage>/<partition>/<sourceoffset>/<sourceordinal>`, `ce_time` the submission's append
time; ordinals are dense from 0. Source: DESIGN sections 4 and 5.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final, NamedTuple

from schemas import deadletter
from schemas.deadletter import DeadLetterReason
from schemas.envelope import JSON, dataschema, format_time
from schemas.model import Model
from streams.engine.stage import Headers, Output, Submission

Header = tuple[str, bytes]
MAX_OUTPUT_BYTES: Final = 60 * 1024
"""Key, headers and value of any output but a dead letter. Source: DESIGN section 4.1."""
_TRACEPARENT: Final = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_CONTENT_TYPE: Final[Header] = ("content-type", JSON.encode())
_SPECVERSION: Final[Header] = ("ce_specversion", b"1.0")
_EVENT_HEADERS: Final = ("ce_sourceoffset", "ce_sourceordinal")
_LETTER_HEADERS: Final = (deadletter.SOURCE_OFFSET, deadletter.SOURCE_ORDINAL)
_MAX_OWN_HEADERS: Final = 1024
"""More than the headers of an event take, all of which are of our own making."""
_DIGITS: Final = 19
_ZERO: Final = ord("0")


class OutputTooLarge(Exception):
    """An output would exceed `MAX_OUTPUT_BYTES`; the text gives sizes, never content."""


class SourcePosition(NamedTuple):
    """Where an output comes from: the submission's offset, and its place among the outputs."""

    offset: int
    ordinal: int


def source_position(headers: Headers) -> SourcePosition | None:
    """The source position in an output's headers; None where there is none or it is malformed.

    A dead letter keeps the headers of its sender, who may have named any position: ours decide.
    """
    named = dict(headers)
    letter = deadletter.SOURCE_OFFSET in named
    offset_header, ordinal_header = _LETTER_HEADERS if letter else _EVENT_HEADERS
    if len(named) < len(headers) and _repeated(headers, offset_header, ordinal_header):
        return None
    offset = _number(named.get(offset_header))
    ordinal = _number(named.get(ordinal_header))
    if offset is None or ordinal is None:
        return None
    return SourcePosition(offset, ordinal)


def _number(value: bytes | None) -> int | None:
    """A decimal number of at most 19 digits as we write it: ASCII digits, no leading zero."""
    if value is None or not value.isdigit() or len(value) > _DIGITS:
        return None
    return int(value) if value[0] != _ZERO or len(value) == 1 else None


def _repeated(headers: Headers, *names: str) -> bool:
    given = [name for name, _ in headers]
    return any(given.count(name) > 1 for name in names)


class OutputBuilder:
    """The outputs of one submission in their order: facts, notices, dead letter, receipt last."""

    def __init__(
        self, stage: str, submission: Submission, policy_version: str, decider_version: str
    ) -> None:
        self._submission = submission
        self._ordinal = 0
        self._id = f"{stage}/{submission.partition}/{submission.offset}/"
        self._decider, self._policy, self._source = _deciding(
            stage, policy_version, decider_version
        )
        self._offset = ("ce_sourceoffset", b"%d" % submission.offset)
        time = ("ce_time", format_time(submission.appended_at).encode())
        self._time_and_trace = (time, *_trace(submission.headers))

    @property
    def next_id(self) -> str:
        """`ce_id` of the next output, which sealing needs before the value exists."""
        return f"{self._id}{self._ordinal}"

    def event(self, topic: str, key: bytes | None, type_: str, value: Model | bytes) -> Output:
        """The next output; `value` may be the bytes of a model that the caller has written.

        Raises:
            OutputTooLarge: its encoded size is above `MAX_OUTPUT_BYTES`; the ordinal stays free.
        """
        written = value if isinstance(value, bytes) else value.write()
        output = Output(topic, key, self._headers(type_), written)
        if len(written) + len(key or b"") > MAX_OUTPUT_BYTES - _MAX_OWN_HEADERS:
            _require_room(type_, encoded_size(output))
        self._ordinal += 1
        return output

    def _headers(self, type_: str) -> Headers:
        """What `Envelope.headers` writes, attributes by name, of parts that outputs share."""
        schema, typed = _typed(type_)
        return (
            _CONTENT_TYPE,
            schema,
            self._decider,
            ("ce_id", self.next_id.encode()),
            self._policy,
            self._source,
            self._offset,
            ("ce_sourceordinal", b"%d" % self._ordinal),
            _SPECVERSION,
            *self._time_and_trace,
            typed,
        )

    def dead_letter(self, topic: str, reason: DeadLetterReason) -> Output:
        """The submission as received, with why and from where; what is too long is cut."""
        submission = self._submission
        key, value = submission.key, submission.value
        source = f"{submission.topic}/{submission.partition}/{submission.offset}"
        added: list[tuple[str, bytes]] = [
            (deadletter.REASON, reason.encode()),
            (deadletter.SOURCE, source.encode()),
            (deadletter.SOURCE_OFFSET, str(submission.offset).encode()),
            (deadletter.SOURCE_ORDINAL, str(self._ordinal).encode()),
        ]
        if value is not None and len(value) > deadletter.MAX_KEPT_BYTES:
            added += [
                (deadletter.CUT_FROM, str(len(value)).encode()),
                (deadletter.SHA256, hashlib.sha256(value).hexdigest().encode()),
            ]
            value = value[: deadletter.MAX_KEPT_BYTES]
        if key is not None and len(key) > deadletter.MAX_KEPT_KEY_BYTES:
            added.append((deadletter.KEY_CUT_FROM, str(len(key)).encode()))
            key = key[: deadletter.MAX_KEPT_KEY_BYTES]
        kept = _kept(submission.headers)
        if len(kept) < len(submission.headers):
            dropped = len(submission.headers) - len(kept)
            added.append((deadletter.HEADERS_DROPPED, str(dropped).encode()))
        self._ordinal += 1
        return Output(topic, key, (*kept, *added), value)


def encoded_size(output: Output) -> int:
    """Bytes of key, headers and value: what an output takes in a batch, but for framing."""
    size = len(output.key or b"") + len(output.value or b"")
    if output.headers:
        names, values = zip(*output.headers, strict=True)
        size += len("".join(names).encode()) + len(b"".join(values))
    return size


def _require_room(type_: str, size: int) -> None:
    if size > MAX_OUTPUT_BYTES:
        raise OutputTooLarge(
            f"an output of type {type_} would take {size} bytes, "
            f"{MAX_OUTPUT_BYTES} are allowed: refuse the submission"
        )


@lru_cache(maxsize=64)
def _deciding(stage: str, policy_version: str, decider_version: str) -> tuple[Header, ...]:
    return (
        ("ce_deciderversion", decider_version.encode()),
        ("ce_policyversion", policy_version.encode()),
        ("ce_source", f"/{stage}".encode()),
    )


@lru_cache(maxsize=64)
def _typed(type_: str) -> tuple[Header, Header]:
    return ("ce_dataschema", dataschema(type_).encode()), ("ce_type", type_.encode())


def _trace(headers: Headers) -> Headers:
    found = [one for one in headers if one[0] == "ce_traceparent"]
    if len(found) != 1 or not _TRACEPARENT.match(found[0][1] or b""):
        return ()
    return (found[0],)


def _kept(headers: Headers) -> Headers:
    """Headers as received, as many of the first as fit; ours cannot be forged by a sender."""
    kept: list[tuple[str, bytes]] = []
    room = deadletter.MAX_KEPT_HEADER_BYTES
    for name, value in headers:
        room -= len(name.encode()) + len(value or b"")
        if room < 0:
            break
        if not name.startswith("dpp_"):
            kept.append((name, value))
    return tuple(kept)
