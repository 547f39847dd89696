"""Submissions and sessions over HTTP, for publishers that do not speak Kafka.

The body is the record's value as sealed; the `ce-*` headers are its attributes, in the CloudEvents
HTTP binary mode (`ce-id` becomes `ce_id`). Nothing is opened or judged here: that is the stage's.
"""

from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel, ValidationError

from consumers.api.ports import Appended, Dependencies, Header
from consumers.api.problems import FieldIssue, Problem
from consumers.api.tokens import Principal
from schemas import envelope
from schemas.dispensation import MAX_SUBMISSION_BYTES
from schemas.publisher import SESSION_OPENED, SessionOpened
from schemas.sealing import b64encode
from schemas.topics import DISPENSATION_SUBMITTED, PUBLISHER_SESSIONS

_SOURCE: Final = "/pharmacies/"


class AppendedAnswer(BaseModel):
    """Where the record stands; its receipt names the same partition and offset."""

    partition: int
    offset: int


def record_headers(raw: Iterable[tuple[bytes, bytes]]) -> list[Header]:
    """The record's headers from those of the HTTP request, content type first, then by name."""
    found: list[Header] = []
    for name, value in raw:
        text = name.decode("latin-1").lower()
        if text == "content-type":
            found.append((text, value))
        elif text.startswith("ce-"):
            found.append((f"ce_{text[3:]}", value))
    return sorted(found, key=lambda header: (header[0] != "content-type", header[0]))


async def submit(
    deps: Dependencies, principal: Principal, raw: Iterable[tuple[bytes, bytes]], body: bytes
) -> Appended:
    """Appends a sealed submission under the key that its source names.

    Raises:
        Problem: 400 no envelope, 403 another publisher's, 413 larger than a submission may be.
    """
    headers, read = _envelope(raw, envelope.SEALED)
    publisher = _publisher(principal, read)
    if len(body) > MAX_SUBMISSION_BYTES:
        raise Problem(413, "body-too-large")
    return await deps.log.append(
        DISPENSATION_SUBMITTED.name, key=publisher.encode(), headers=headers, value=body
    )


async def open_session(
    deps: Dependencies, principal: Principal, raw: Iterable[tuple[bytes, bytes]], body: bytes
) -> Appended:
    """Appends the record of an opened session under its session id.

    Raises:
        Problem: 400 not a session, 403 another publisher's.
    """
    headers, read = _envelope(raw, envelope.JSON)
    publisher = _publisher(principal, read)
    try:
        opened = SessionOpened.read(body)
    except ValidationError:
        raise Problem(400, "malformed-request") from None
    if read.type != SESSION_OPENED:
        raise _fault("ce-type", "header_invalid")
    if opened.publisher != publisher:
        raise Problem(403, "not-your-record")
    return await deps.log.append(
        PUBLISHER_SESSIONS.name, key=opened.session.encode(), headers=headers, value=body
    )


def _envelope(
    raw: Iterable[tuple[bytes, bytes]], content_type: str
) -> tuple[list[Header], envelope.Envelope]:
    headers = record_headers(raw)
    read = envelope.parse(headers)
    if isinstance(read, envelope.EnvelopeFault):
        raise _fault(read.header.replace("ce_", "ce-"), read.reason)
    if read.content_type != content_type:
        raise Problem(415, "unsupported-media-type")
    return headers, read


def _fault(header: str, reason: str) -> Problem:
    return Problem(400, "malformed-envelope", [FieldIssue(path=f"/{header}", code=reason)])


def _publisher(principal: Principal, read: envelope.Envelope) -> str:
    if principal.publisher is None:
        raise Problem(403, "role-not-allowed")
    if read.source != f"{_SOURCE}{principal.publisher}":
        raise Problem(403, "not-your-record")
    return principal.publisher


class SignedRecordView(BaseModel):
    """One record as in `dpp.publisher.registered`; value and key are base64url."""

    key: str
    headers: dict[str, str]
    value: str


class IntakeKeysAnswer(BaseModel):
    """Published intake keys that are not retired, newest last."""

    keys: tuple[SignedRecordView, ...]


def answer(appended: Appended) -> AppendedAnswer:
    """The answer to an appended record."""
    return AppendedAnswer(partition=appended.partition, offset=appended.offset)


def intake_keys(deps: Dependencies) -> IntakeKeysAnswer:
    """The intake keys as signed records."""
    return IntakeKeysAnswer(
        keys=tuple(
            SignedRecordView(
                key=b64encode(one.key),
                headers={name: value.decode() for name, value in one.headers},
                value=b64encode(one.value),
            )
            for one in deps.tables.intake_keys()
        )
    )
