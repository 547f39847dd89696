"""Publisher sessions from the publisher's side: open one, then seal submissions under it."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.envelope import SEALED, Envelope
from schemas.publisher import (
    MAX_SESSION_HOURS,
    REGISTRAR,
    SESSION_OPENED,
    BackboneKeyPublished,
    SessionOpened,
)
from schemas.sealing import b64decode, b64encode
from schemas.sealing.session import (
    SESSION_KEY_BYTES,
    SUITE,
    intake_public_key,
    session_info,
    signed_material,
)
from schemas.sealing.submission import NONCE_BYTES, seal
from streams.intake.keys import SigningKey

Header = tuple[str, bytes]
_LIFETIME = timedelta(hours=MAX_SESSION_HOURS) - timedelta(minutes=10)
"""Ten minutes short of the limit, so that a clock that runs ahead does not cost a session."""


@dataclass(frozen=True, slots=True)
class WireRecord:
    """What goes to a topic, by Kafka or by HTTP: key, headers and value."""

    key: bytes
    headers: tuple[Header, ...]
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session; `key` never leaves the process."""

    id: str
    publisher: str
    not_after: datetime
    key: bytes = field(repr=False)


def source_of(publisher: str) -> str:
    """The CloudEvents `source` of a publisher."""
    return "/registrar" if publisher == REGISTRAR else f"/pharmacies/{publisher}"


def open_session(
    publisher: str, signing_key: SigningKey, intake: BackboneKeyPublished, now: datetime
) -> tuple[Session, WireRecord]:
    """A new session and the record of `dpp.publisher.sessions` that makes it known."""
    session = Session(
        id=secrets.token_urlsafe(24),
        publisher=publisher,
        not_after=(now + _LIFETIME).replace(microsecond=0),
        key=secrets.token_bytes(SESSION_KEY_BYTES),
    )
    info = session_info(
        session=session.id,
        publisher=publisher,
        key_id=signing_key.key_id,
        not_after=session.not_after,
    )
    encapsulation = SUITE.encrypt(
        session.key, intake_public_key(b64decode(intake.public_key)), info=info
    )
    opened = SessionOpened(
        session=session.id,
        publisher=publisher,
        key_id=signing_key.key_id,
        not_after=session.not_after,
        intake_key=intake.key_id,
        encapsulation=b64encode(encapsulation),
        signature=b64encode(signing_key.private.sign(signed_material(info, encapsulation))),
    )
    envelope = Envelope(id=session.id, source=source_of(publisher), type=SESSION_OPENED, time=now)
    return session, WireRecord(session.id.encode(), tuple(envelope.headers()), opened.write())


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a submission says of itself outside the seal; sequence and epoch: pharmacies only."""

    id: str
    type: str
    time: datetime
    sequence: int | None = None
    epoch: str | None = None


def seal_submission(session: Session, key: str, attributes: Attributes, body: bytes) -> WireRecord:
    """The record of a submitted topic: `body` sealed and bound to its key and attributes."""
    extensions = {"sessionid": session.id}
    if attributes.sequence is not None:
        extensions["sequence"] = str(attributes.sequence)
    if attributes.epoch is not None:
        extensions["publisherepoch"] = attributes.epoch
    headers = tuple(
        Envelope(
            id=attributes.id,
            source=source_of(session.publisher),
            type=attributes.type,
            time=attributes.time,
            content_type=SEALED,
            extensions=extensions,
        ).headers()
    )
    nonce = secrets.token_bytes(NONCE_BYTES)
    return WireRecord(key.encode(), headers, seal(session.key, nonce, key.encode(), headers, body))
