"""Publishers and their sessions as of a time: folds of the facts that office and publishers sign.

Everything is asked with the append time of what is decided, so a replay years later decides the
same. Source: DESIGN sections 2.3, 3 and 4.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, assert_never

from schemas.publisher import (
    MAX_SESSION_HOURS,
    BackboneKeyPublished,
    BackboneKeyRetired,
    Contract,
    ContractEnded,
    Enrolled,
    KeyAdded,
    KeyWithdrawn,
    PublisherFact,
    PublisherKey,
    PublisherKind,
    SessionOpened,
)
from schemas.sealing import b64decode

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a publisher's clock may run ahead when it names the end of a session."""

SessionFault = Literal[
    "unknown_session",
    "publisher_unknown",
    "key_unknown",
    "key_withdrawn",
    "session_too_long",
    "session_expired",
]


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One signing key and the time in which it may be used."""

    public_key: bytes
    added_at: datetime
    withdrawn_at: datetime | None = None

    def active(self, at: datetime) -> bool:
        """Whether it may be used at that time."""
        return self.added_at <= at and (self.withdrawn_at is None or at < self.withdrawn_at)


@dataclass(frozen=True, slots=True)
class BackboneKey:
    """One published key of the backbone, and since when nothing new may use it."""

    fact: BackboneKeyPublished
    published_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PublisherEntry:
    """One publisher; for `backbone`, the published keys by id."""

    kind: PublisherKind | Literal["backbone"]
    enrolled_at: datetime
    keys: Mapping[str, KeyEntry] = field(default_factory=lambda: MappingProxyType({}))
    contracts: tuple[tuple[datetime, Contract], ...] = ()
    """Each contract with the time at which it became known."""
    ended: tuple[tuple[datetime, datetime], ...] = ()
    """When an end became known, and when it takes effect."""
    backbone_keys: Mapping[str, BackboneKey] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """The first use of a session id, and when the broker appended it."""

    opened: SessionOpened
    appended_at: datetime


def evolve(entry: PublisherEntry | None, fact: PublisherFact, at: datetime) -> PublisherEntry:
    """The publisher after a fact appended at `at`; a fact about nobody makes an entry of its own.

    Raises:
        ValueError: the fact is about a publisher that was never enrolled.
    """
    match fact:
        case Enrolled():
            return _enrolled(entry, fact, at)
        case BackboneKeyPublished():
            known = entry or PublisherEntry("backbone", at)
            return replace(known, backbone_keys=_published(known.backbone_keys, fact, at))
        case BackboneKeyRetired():
            known = _known(entry)
            return replace(known, backbone_keys=_retired(known.backbone_keys, fact, at))
        case KeyAdded():
            known = _known(entry)
            return replace(known, keys=_added(known.keys, fact.key, at))
        case KeyWithdrawn():
            known = _known(entry)
            return replace(known, keys=_withdrawn(known.keys, fact.key_id, at))
        case ContractEnded():
            known = _known(entry)
            return replace(known, ended=(*known.ended, (at, fact.ends_at)))
        case _:
            assert_never(fact)


def _known(entry: PublisherEntry | None) -> PublisherEntry:
    if entry is None:
        raise ValueError("a fact about a publisher that was never enrolled")
    return entry


def _enrolled(entry: PublisherEntry | None, fact: Enrolled, at: datetime) -> PublisherEntry:
    """Enrolling again adds key and contract; kind and first enrolment stay."""
    known = entry or PublisherEntry(fact.publisher_kind, at)
    return replace(
        known,
        keys=_added(known.keys, fact.key, at),
        contracts=(*known.contracts, (at, fact.contract)),
    )


def _published(
    keys: Mapping[str, BackboneKey], fact: BackboneKeyPublished, at: datetime
) -> Mapping[str, BackboneKey]:
    return MappingProxyType({**keys, fact.key_id: BackboneKey(fact, at)})


def _retired(
    keys: Mapping[str, BackboneKey], fact: BackboneKeyRetired, at: datetime
) -> Mapping[str, BackboneKey]:
    known = keys.get(fact.key_id)
    if known is None or known.retired_at is not None:
        return keys
    return MappingProxyType({**keys, fact.key_id: replace(known, retired_at=at)})


def _added(keys: Mapping[str, KeyEntry], key: PublisherKey, at: datetime) -> Mapping[str, KeyEntry]:
    """The first key under an id stays: an id is never given to another key."""
    if key.key_id in keys:
        return keys
    return MappingProxyType({**keys, key.key_id: KeyEntry(b64decode(key.public_key), at)})


def _withdrawn(keys: Mapping[str, KeyEntry], key_id: str, at: datetime) -> Mapping[str, KeyEntry]:
    known = keys.get(key_id)
    if known is None or known.withdrawn_at is not None:
        return keys
    return MappingProxyType({**keys, key_id: replace(known, withdrawn_at=at)})


def active_key(entry: PublisherEntry, key_id: str, at: datetime) -> bytes | None:
    """The public key (32 bytes) under that id, if it may be used at that time."""
    known = entry.keys.get(key_id)
    return known.public_key if known is not None and known.active(at) else None


def may_submit(entry: PublisherEntry, event_type: str, at: datetime) -> bool:
    """Whether a contract known and in force at that time covers the event type."""
    if any(known <= at and ends <= at for known, ends in entry.ended):
        return _renewed(entry, event_type, at)
    return any(known <= at and _covers(one, event_type, at) for known, one in entry.contracts)


def _renewed(entry: PublisherEntry, event_type: str, at: datetime) -> bool:
    """After an end, only a contract that became known later counts."""
    last_end = max(known for known, ends in entry.ended if known <= at and ends <= at)
    return any(
        last_end < known <= at and _covers(one, event_type, at) for known, one in entry.contracts
    )


def _covers(contract: Contract, event_type: str, at: datetime) -> bool:
    in_force = contract.valid_from <= at + CLOCK_TOLERANCE and (
        contract.valid_until is None or at < contract.valid_until
    )
    return in_force and event_type in contract.event_types


def session_fault(
    session: SessionEntry | None, publisher: PublisherEntry | None, at: datetime
) -> SessionFault | None:
    """Why a session may not be used at that time; None if it may."""
    if session is None or session.appended_at > at:
        return "unknown_session"
    if publisher is None:
        return "publisher_unknown"
    opened = session.opened
    key = publisher.keys.get(opened.key_id)
    if key is None or key.added_at > session.appended_at:
        return "key_unknown"
    if not key.active(at):
        return "key_withdrawn"
    longest = timedelta(hours=MAX_SESSION_HOURS) + CLOCK_TOLERANCE
    if opened.not_after - session.appended_at > longest:
        return "session_too_long"
    return "session_expired" if at > opened.not_after else None
