"""From a planned submission to the record on the wire, with the damage that the plan asks for."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from consumers.simulation.plan import Mutation
from schemas.sealing.session import SESSION_KEY_BYTES
from streams.intake.session import Attributes, Header, Session, WireRecord, seal_submission

OVERSIZE_BYTES: Final = 5 * 1024 * 1024
_RANDOM_BYTES: Final = 300
_CUT: Final = 9


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record as it goes to the broker; `elsewhere` asks for another partition than the key's.

    A record without a key goes where `sender`'s records go.
    """

    sender: str
    key: bytes | None
    headers: tuple[Header, ...]
    value: bytes | None = field(repr=False)
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of the simulated pharmacies, by number."""

    living: Mapping[str, Session]
    expired: Mapping[str, Session]

    def of(self, sender: str, mutation: str) -> Session:
        """The session that a pharmacy seals under, as if it were its own."""
        if mutation == "expired_session":
            return self.expired[sender]
        own = self.living[sender]
        if mutation == "other_session":
            other = next(one for number, one in self.living.items() if number != sender)
            return replace(other, publisher=sender)
        if mutation == "unknown_session":
            return replace(own, id=secrets.token_urlsafe(24))
        if mutation == "wrong_key":
            return replace(own, key=secrets.token_bytes(SESSION_KEY_BYTES))
        return own


class Sendable(Protocol):
    """What a record is made of; see `PlannedSubmission`."""

    @property
    def sender(self) -> str:
        """The pharmacy that sends it."""
        ...

    @property
    def key(self) -> str | None:
        """Key of the record; None for a record without."""
        ...

    @property
    def id(self) -> str:
        """The CloudEvents id."""
        ...

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        ...

    @property
    def sequence(self) -> int:
        """Number of the submission in its epoch."""
        ...

    @property
    def epoch(self) -> str:
        """The publisher's epoch."""
        ...

    @property
    def body(self) -> bytes:
        """What is sealed."""
        ...

    @property
    def mutation(self) -> Mutation:
        """The damage that is done to the record."""
        ...


def outgoing(planned: Sendable, sessions: Sessions, now: datetime) -> Outgoing:
    """The record that is published for a submission; `copy` is the publisher's to do."""
    session = sessions.of(planned.sender, planned.mutation)
    body = os.urandom(OVERSIZE_BYTES) if planned.mutation == "oversize" else planned.body
    sealed = seal_submission(
        session,
        planned.key or planned.sender,
        Attributes(
            id=planned.id,
            type=planned.type,
            time=now,
            sequence=planned.sequence,
            epoch=planned.epoch,
        ),
        body,
    )
    return Outgoing(
        sender=planned.sender,
        key=planned.key.encode() if planned.key is not None else None,
        headers=_headers(planned, sealed),
        value=_value(planned, sealed),
        elsewhere=planned.mutation == "wrong_partition",
    )


def _headers(planned: Sendable, sealed: WireRecord) -> tuple[Header, ...]:
    headers = sealed.headers
    match planned.mutation:
        case "no_headers":
            return ()
        case "no_session_header":
            return tuple(one for one in headers if one[0] != "ce_sessionid")
        case "time_missing":
            return tuple(one for one in headers if one[0] != "ce_time")
        case "header_doubled":
            return (*headers, next(one for one in headers if one[0] == "ce_id"))
        case "sequence_text":
            others = tuple(one for one in headers if one[0] != "ce_sequence")
            return (*others, ("ce_sequence", b"one"))
        case _:
            return headers


def _value(planned: Sendable, sealed: WireRecord) -> bytes | None:
    value = sealed.value
    match planned.mutation:
        case "tombstone":
            return None
        case "random_bytes":
            return os.urandom(_RANDOM_BYTES)
        case "cut_short":
            return value[:-_CUT]
        case "flipped_bit":
            return value[:-1] + bytes([value[-1] ^ 1])
        case _:
            return value
