"""The ladder from a raw record to a body that its publisher surely wrote.

Each rung reports everything that it finds, and a record that fails one goes no further. Until the
seal has opened nothing in a record is trusted, and nothing of it is repeated in the receipt.
Publishers, contracts and sessions are taken as of the record's append time. Source: DESIGN
sections 3 and 4.1.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from schemas import envelope
from schemas.deadletter import DeadLetterReason
from schemas.dispensation import MAX_SUBMISSION_BYTES, SUBMISSION_BODIES
from schemas.envelope import Envelope, EnvelopeFault
from schemas.identifiers import guid
from schemas.receipts import Issue
from schemas.sealing import SealBroken
from schemas.sealing import submission as sealing
from streams.engine.stage import Submission
from streams.quality import codes
from streams.quality.state import PHARMACY_SOURCE
from streams.sessions import SessionView

_SEQUENCE: Final = re.compile(r"[1-9][0-9]{0,11}\Z")
_EPOCH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NAMED_HEADERS: Final = frozenset(
    {
        "content-type",
        "count",
        *(
            f"ce_{name}"
            for name in (
                "specversion",
                "id",
                "source",
                "type",
                "time",
                "dataschema",
                "sessionid",
                "sequence",
                "publisherepoch",
                "traceparent",
            )
        ),
    }
)
_MAX_KEY_BYTES: Final = 1024


class World(Protocol):
    """What is known about publishers as of one submission's append time."""

    def is_pharmacy(self, number: str) -> bool:
        """Whether a pharmacy is enrolled under this number."""
        ...

    def may_submit(self, number: str, event_type: str) -> bool:
        """Whether the pharmacy's contract covers this type of submission."""
        ...

    def session(self, session: str) -> SessionView | None:
        """The session of this id; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the seal has shown of a submission."""

    id: str
    type: str
    session: str
    pharmacy: str
    sequence: int
    epoch: str

    @property
    def source(self) -> str:
        """The CloudEvents source."""
        return PHARMACY_SOURCE + self.pharmacy


@dataclass(frozen=True, slots=True)
class Barred:
    """A record that nobody is trusted to have written; `dead_letter` where nobody can be told."""

    issues: tuple[Issue, ...]
    dead_letter: DeadLetterReason | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A submission whose seal holds: its attributes and its body as the publisher wrote it.

    `intake_key` is the id of the intake key that its session is for.
    """

    attributes: Attributes
    body: bytes
    intake_key: str


@dataclass(frozen=True, slots=True)
class _Envelope:
    pharmacy: str
    attributes: Envelope
    session: str


def admit(
    submission: Submission, world: World, partition_for: Callable[[bytes], int]
) -> Barred | Opened:
    """Climb the ladder; `partition_for` answers where a key belongs."""
    sender = _sender(submission, world)
    if isinstance(sender, Barred):
        return sender
    found = _envelope(submission, sender)
    if isinstance(found, Barred):
        return found
    session = world.session(found.session)
    issues = tuple(_attribute_faults(submission, found, session, world, partition_for))
    if issues or session is None:
        return Barred(_ordered(issues), None if session else "unknown_session")
    return _open(submission, found, session)


def receipt_key(submission: Submission) -> bytes | None:
    """The key of a submission's receipt: its own, unless it is far too long to be anybody's."""
    key = submission.key
    return key if key is None or len(key) <= _MAX_KEY_BYTES else None


def _sender(submission: Submission, world: World) -> str | Barred:
    empty = () if submission.value else (codes.issue("EMPTY_SUBMISSION"),)
    if not submission.key:
        return Barred((codes.issue("KEY_MISSING"), *empty), "no_key")
    number = submission.key.decode("ascii", "replace")
    if not world.is_pharmacy(number):
        return Barred((*empty, codes.issue("PUBLISHER_UNKNOWN")), "unknown_publisher")
    return Barred(empty) if empty else number


def _envelope(submission: Submission, pharmacy: str) -> _Envelope | Barred:
    issues: list[Issue] = []
    if len(submission.value or b"") > MAX_SUBMISSION_BYTES:
        issues.append(codes.issue("SUBMISSION_TOO_LARGE"))
    parsed = envelope.parse(submission.headers)
    if isinstance(parsed, EnvelopeFault):
        return Barred((*issues, _header_issue(parsed.reason, parsed.header)))
    session = parsed.extensions.get("sessionid")
    if session is None:
        issues.append(_header_issue("header_missing", "ce_sessionid"))
        return Barred(tuple(issues), "no_session")
    return Barred(tuple(issues)) if issues else _Envelope(pharmacy, parsed, session)


def _attribute_faults(
    submission: Submission,
    found: _Envelope,
    session: SessionView | None,
    world: World,
    partition_for: Callable[[bytes], int],
) -> Iterator[Issue]:
    attributes = found.attributes
    if attributes.content_type != envelope.SEALED:
        yield _header_issue("header_invalid", "content-type")
    if not guid.is_valid(attributes.id):
        yield _header_issue("header_invalid", "ce_id")
    if attributes.type not in SUBMISSION_BODIES:
        yield codes.issue("EVENT_TYPE_UNKNOWN")
    elif not world.may_submit(found.pharmacy, attributes.type):
        yield codes.issue("CONTRACT_NOT_VALID")
    if not _is_numbered(attributes):
        yield codes.issue("SEQUENCE_INVALID")
    if partition_for(submission.key or b"") != submission.partition:
        yield codes.issue("PARTITION_WRONG")
    if session is None:
        yield codes.issue("SESSION_UNKNOWN")
    elif not session.valid:
        yield codes.issue("SESSION_EXPIRED")
    stranger = session is not None and session.publisher != found.pharmacy
    if stranger or attributes.source != PHARMACY_SOURCE + found.pharmacy:
        yield codes.issue("PUBLISHER_MISMATCH")


def _is_numbered(attributes: Envelope) -> bool:
    sequence = attributes.extensions.get("sequence", "")
    epoch = attributes.extensions.get("publisherepoch", "")
    return _SEQUENCE.match(sequence) is not None and _EPOCH.match(epoch) is not None


def _open(submission: Submission, found: _Envelope, session: SessionView) -> Barred | Opened:
    key, value = submission.key or b"", submission.value or b""
    if session.key is None:
        return Barred((codes.issue("SEAL_BROKEN"),))
    try:
        body = sealing.unseal(session.key, key, submission.headers, value)
    except SealBroken:
        return Barred((codes.issue("SEAL_BROKEN"),))
    attributes = found.attributes
    trusted = Attributes(
        id=attributes.id,
        type=attributes.type,
        session=found.session,
        pharmacy=found.pharmacy,
        sequence=int(attributes.extensions["sequence"]),
        epoch=attributes.extensions["publisherepoch"],
    )
    return Opened(trusted, body, session.intake_key)


def _header_issue(reason: str, header: str) -> Issue:
    # A sender chooses the names of other attributes, so they are not repeated.
    name = header if header in _NAMED_HEADERS else "another attribute"
    return codes.issue("HEADER_INVALID", hint=f"{reason}: {name}")


def _ordered(issues: tuple[Issue, ...]) -> tuple[Issue, ...]:
    order = list(codes.CODES)
    return tuple(sorted(issues, key=lambda found: order.index(found.code)))
