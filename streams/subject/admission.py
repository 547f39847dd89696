"""The ladder from a raw record to a registration that the registrar surely wrote.

Until the seal has opened nothing in a record is trusted, and nothing of it is repeated in the
receipt. Publisher and session are taken as of the record's append time. Source: DESIGN 3 and 4.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from schemas import envelope, strictjson
from schemas.dispensation import MAX_SUBMISSION_BYTES
from schemas.envelope import Envelope, EnvelopeFault
from schemas.partitioning import partition_for
from schemas.publisher import REGISTRAR
from schemas.registrations import REGISTRATIONS, Registration
from schemas.sealing import SealBroken
from schemas.sealing import submission as sealing
from streams.engine.stage import Submission
from streams.sessions import SessionView
from streams.subject.codes import Finding

SOURCE: Final = "/registrar"
MAX_KEY_BYTES: Final = 1024
_PSEUDONYM: Final = re.compile(rb"[a-z2-7]{26}\Z")
_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}\Z")
_NAMED: Final = frozenset(
    {
        "content-type",
        "count",
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_dataschema",
        "ce_sessionid",
        "ce_traceparent",
    }
)


@dataclass(frozen=True, slots=True)
class Sender:
    """What is known of the registrar and of the session that a submission names."""

    enrolled: bool
    may_submit: bool
    session: SessionView | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A submission whose seal holds; `id` is unique for the registrar."""

    id: str
    type: str
    session: str
    subject: str
    body: bytes = field(repr=False)


def session_id(submission: Submission) -> str | None:
    """The session that a submission names, if its headers can be read."""
    parsed = envelope.parse(submission.headers)
    return None if isinstance(parsed, EnvelopeFault) else parsed.extensions.get("sessionid")


def event_type(submission: Submission) -> str | None:
    """The type that a submission claims, if its headers can be read."""
    parsed = envelope.parse(submission.headers)
    return None if isinstance(parsed, EnvelopeFault) else parsed.type


def subject_of(submission: Submission) -> str | None:
    """The pseudonym in the key, if it is one."""
    key = submission.key or b""
    return key.decode() if _PSEUDONYM.match(key) else None


def admit(submission: Submission, sender: Sender, partitions: int) -> Opened | tuple[Finding, ...]:
    """The submission as its publisher wrote it, or everything that is wrong with it."""
    faults = tuple(_record_faults(submission, partitions))
    parsed = envelope.parse(submission.headers)
    if isinstance(parsed, EnvelopeFault):
        return (*faults, _header(parsed.reason, parsed.header))
    faults = (*faults, *_attribute_faults(parsed, sender))
    if faults or sender.session is None:
        return faults
    return _open(submission, parsed, sender.session)


def parse(opened: Opened) -> Registration | tuple[Finding, ...]:
    """The registration in a body, or why it is not one; no part of the body is repeated."""
    try:
        strictjson.parse(opened.body, max_bytes=MAX_SUBMISSION_BYTES)
        return REGISTRATIONS[opened.type].read(opened.body)
    except strictjson.MalformedJson as error:
        return (Finding("REGISTRATION_MALFORMED", hint=error.reason),)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
    paths = dict.fromkeys(_pointer(one["loc"]) for one in found)
    return tuple(Finding("REGISTRATION_MALFORMED", path) for path in paths)


def _record_faults(submission: Submission, partitions: int) -> Iterator[Finding]:
    if not submission.key:
        yield Finding("KEY_MISSING")
    elif subject_of(submission) is None:
        yield Finding("KEY_INVALID")
    elif partition_for(submission.key, partitions) != submission.partition:
        yield Finding("PARTITION_WRONG")
    if not submission.value:
        yield Finding("EMPTY_SUBMISSION")
    elif len(submission.value) > MAX_SUBMISSION_BYTES:
        yield Finding("SUBMISSION_TOO_LARGE")


def _attribute_faults(attributes: Envelope, sender: Sender) -> Iterator[Finding]:
    if attributes.content_type != envelope.SEALED:
        yield _header("header_invalid", "content-type")
    if _ID.match(attributes.id) is None:
        yield _header("header_invalid", "ce_id")
    if not sender.enrolled:
        yield Finding("PUBLISHER_UNKNOWN")
    if attributes.type not in REGISTRATIONS:
        yield Finding("EVENT_TYPE_UNKNOWN")
    elif sender.enrolled and not sender.may_submit:
        yield Finding("CONTRACT_NOT_VALID")
    yield from _session_faults(attributes, sender.session)


def _session_faults(attributes: Envelope, session: SessionView | None) -> Iterator[Finding]:
    if "sessionid" not in attributes.extensions:
        yield _header("header_missing", "ce_sessionid")
    elif session is None:
        yield Finding("SESSION_UNKNOWN")
    elif not session.valid:
        yield Finding("SESSION_EXPIRED")
    stranger = session is not None and session.publisher != REGISTRAR
    if stranger or attributes.source != SOURCE:
        yield Finding("PUBLISHER_MISMATCH")


def _open(
    submission: Submission, attributes: Envelope, session: SessionView
) -> Opened | tuple[Finding, ...]:
    key, value = submission.key or b"", submission.value or b""
    if session.key is None:
        return (Finding("SEAL_BROKEN"),)
    try:
        body = sealing.unseal(session.key, key, submission.headers, value)
    except SealBroken:
        return (Finding("SEAL_BROKEN"),)
    session_name = attributes.extensions["sessionid"]
    return Opened(attributes.id, attributes.type, session_name, key.decode(), body)


def _header(reason: str, header: str) -> Finding:
    # A sender chooses the names of other attributes, so they are not repeated.
    name = header if header in _NAMED else "another attribute"
    return Finding("HEADER_INVALID", hint=f"{reason}: {name}")


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{part}" for part in location)
