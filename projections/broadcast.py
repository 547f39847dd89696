"""Publishers, sessions and policies, followed by every process that has to trust somebody.

Every record is checked before it counts: the office's signature against the pinned key, a session's
against the key that its publisher had then. What fails is passed over, counted and logged by place.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import Counter
from pydantic import ValidationError

from infra.errors import InfrastructureError
from infra.kafka import BrokerUnavailable, Partition, PartitionReader, Record, reader
from infra.settings import Settings
from projections.folds import policies, publishers
from projections.folds.policies import Policies
from projections.folds.publishers import BackboneKey, PublisherEntry, SessionEntry
from schemas import topics
from schemas.envelope import Envelope, EnvelopeFault, Headers, from_millis, parse
from schemas.policy import POLICY_REGISTERED, PolicyName, PolicyVersion
from schemas.publisher import (
    BACKBONE,
    PUBLISHER_FACTS,
    SESSION_OPENED,
    BackboneKeyPublished,
    KeyPurpose,
    SessionOpened,
)
from schemas.sealing import SealBroken
from schemas.sealing.office import OfficeKeys, verify
from schemas.sealing.session import verify_session

log = logging.getLogger(__name__)
PASSED_OVER = Counter(
    "dpp_broadcast_passed_over_total",
    "Records that no reader trusts, by reason",
    ["topic", "reason"],
)
_TOPICS: Final = (
    topics.PUBLISHER_REGISTERED.name,
    topics.POLICY_REGISTERED.name,
    topics.PUBLISHER_SESSIONS.name,
)
_CATCH_UP_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.5
_MAX_EARLY: Final = 10_000
"""Sessions kept that name a publisher not yet read; beyond it the oldest count for nothing."""


@dataclass(frozen=True, slots=True)
class SignedKey:
    """A published backbone key as the record that the office signed."""

    fact: BackboneKeyPublished
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


class _Untrusted(Exception):
    """A record that counts for nothing; the text is a reason, never content."""


class BroadcastTables:
    """Follows the trusted topics from their beginning; `start` returns once all of it is read."""

    def __init__(self, settings: Settings, office: OfficeKeys) -> None:
        self._settings = settings
        self._office = office
        self._publishers: dict[str, PublisherEntry] = {}
        self._sessions: dict[str, SessionEntry] = {}
        self._signed: dict[str, SignedKey] = {}
        self._counted: set[str] = set()
        self._early: list[tuple[SessionOpened, datetime]] = []
        self._policies: Policies = policies.initial()
        self._closing = AsyncExitStack()
        self._reader: PartitionReader | None = None
        self._positions: dict[Partition, int] = {}
        self._moved = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None
        self._sampling: asyncio.Task[dict[Partition, int]] | None = None

    async def start(self) -> None:
        """Begins to follow, and returns once everything appended before the call is applied.

        Raises:
            BrokerUnavailable: the broker does not answer.
        """
        await self._connect()
        self._following = asyncio.create_task(self._follow(), name="broadcast tables")
        await self.catch_up()

    async def stop(self) -> None:
        """Stops following; what was read stays readable."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
            self._following = None
        await self._closing.aclose()
        self._reader = None

    async def catch_up(self) -> None:
        """Returns once everything appended before the call is applied.

        Raises:
            BrokerUnavailable: that took too long.
        """
        try:
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                ends = await self._ends()
                async with self._moved:
                    await self._moved.wait_for(lambda: self._reached(ends))
        except TimeoutError:
            raise BrokerUnavailable(
                "Publishers and policies could not be read up to now: check the broker."
            ) from None

    def publisher(self, publisher: str) -> PublisherEntry | None:
        """A publisher by id."""
        return self._publishers.get(publisher)

    def publishers(self) -> dict[str, PublisherEntry]:
        """Every publisher by id, as of now."""
        return dict(self._publishers)

    def session(self, session: str) -> SessionEntry | None:
        """The first use of a session id."""
        return self._sessions.get(session)

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force at a time.

        Raises:
            LookupError: none is in force yet.
        """
        return self._policies.at(name, at)

    @property
    def policies(self) -> Policies:
        """Every version of every policy."""
        return self._policies

    def active_key(self, publisher: str, key_id: str, at: datetime) -> bytes | None:
        """The Ed25519 public key that the publisher may use at that time."""
        entry = self._publishers.get(publisher)
        return None if entry is None else publishers.active_key(entry, key_id, at)

    def backbone_keys(self, purpose: KeyPurpose) -> list[BackboneKeyPublished]:
        """Published keys of the backbone that are not retired, newest last."""
        known = self.backbone_key_lives(purpose)
        return [key.fact for key in known if key.retired_at is None]

    def backbone_key_lives(self, purpose: KeyPurpose) -> list[BackboneKey]:
        """Published keys of the backbone with their times, the retired ones too."""
        entry = self._publishers.get(BACKBONE)
        known = [] if entry is None else entry.backbone_keys.values()
        return [key for key in known if key.fact.purpose == purpose]

    def sessions(self) -> list[SessionEntry]:
        """Every session that the topic still holds."""
        return list(self._sessions.values())

    def intake_keys(self) -> tuple[SignedKey, ...]:
        """The intake keys as the office signed them, newest last."""
        return tuple(self._signed[key.key_id] for key in self.backbone_keys("intake"))

    def _reached(self, ends: dict[Partition, int]) -> bool:
        return all(self._positions.get(one, 0) >= end for one, end in ends.items())

    async def _ends(self) -> dict[Partition, int]:
        """End offsets sampled after the call; calls that wait for the same sample share it."""
        running = self._sampling
        if running is not None:
            # That sample may have begun before this call, so it does not count for it.
            await asyncio.wait([running])
        if self._sampling is running or self._sampling is None:
            self._sampling = asyncio.create_task(self._sample())
        return await asyncio.shield(self._sampling)

    async def _sample(self) -> dict[Partition, int]:
        if self._reader is None:
            raise BrokerUnavailable("The broker is being connected again.")
        return await self._reader.end_offsets(self._reader.assigned)

    async def _connect(self) -> None:
        self._reader = await self._closing.enter_async_context(reader(self._settings))
        await self._reader.assign_all(*_TOPICS, start=self._positions)

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except InfrastructureError as error:
                log.warning("publishers and policies cannot be read, trying again: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                await self._reconnect()

    async def _reconnect(self) -> None:
        self._reader = None
        with suppress(InfrastructureError):
            await self._closing.aclose()
        self._closing = AsyncExitStack()
        with suppress(InfrastructureError):
            await self._connect()

    async def _read(self) -> None:
        if self._reader is None:
            raise BrokerUnavailable("The broker does not answer.")
        found = await self._reader.poll(timeout=1.0)
        # Enrolments before the sessions that need them, within what was read together.
        for topic in _TOPICS:
            for one, records in found.items():
                if one.topic == topic:
                    for record in records:
                        self._apply(record)
        self._retry_early()
        self._positions = await self._reader.positions()
        async with self._moved:
            self._moved.notify_all()

    def _apply(self, record: Record) -> None:
        try:
            self._appliers()[record.topic](record)
        except (_Untrusted, SealBroken, ValidationError, ValueError) as error:
            reason = str(error) if isinstance(error, _Untrusted) else type(error).__name__
            PASSED_OVER.labels(record.topic, reason).inc()
            log.warning(
                "a record counts for nothing: %s at %s/%d/%d",
                reason,
                record.topic,
                record.partition,
                record.offset,
            )

    def _appliers(self) -> dict[str, Callable[[Record], None]]:
        return {
            topics.PUBLISHER_REGISTERED.name: self._apply_publisher,
            topics.POLICY_REGISTERED.name: self._apply_policy,
            topics.PUBLISHER_SESSIONS.name: self._apply_session,
        }

    def _apply_publisher(self, record: Record) -> None:
        envelope, key, value = self._signed_by_office(record)
        model = PUBLISHER_FACTS.get(envelope.type)
        if model is None:
            raise _Untrusted("unknown_type")
        fact = model.read(value)
        publisher = getattr(fact, "publisher", BACKBONE)
        if key.decode() != publisher:
            raise _Untrusted("key_mismatch")
        at = from_millis(record.timestamp_ms)
        self._publishers[publisher] = publishers.evolve(self._publishers.get(publisher), fact, at)
        if isinstance(fact, BackboneKeyPublished):
            self._signed[fact.key_id] = SignedKey(fact, key, record.headers, value)

    def _apply_policy(self, record: Record) -> None:
        envelope, key, value = self._signed_by_office(record)
        if envelope.type != POLICY_REGISTERED:
            raise _Untrusted("unknown_type")
        version = PolicyVersion.read(value)
        at = from_millis(record.timestamp_ms)
        reason = policies.refusal(self._policies, version, at)
        if key.decode() != version.name or reason is not None:
            raise _Untrusted(reason or "key_mismatch")
        self._policies = policies.evolve(self._policies, version, at)

    def _apply_session(self, record: Record) -> None:
        envelope, key, value = _event(record)
        opened = SessionOpened.read(value)
        if envelope.type != SESSION_OPENED or key.decode() != opened.session:
            raise _Untrusted("key_mismatch")
        at = from_millis(record.timestamp_ms)
        if not self._take_session(opened, at):
            # Another partition may still hold the enrolment that came before.
            self._early = [*self._early[-_MAX_EARLY:], (opened, at)]

    def _take_session(self, opened: SessionOpened, at: datetime) -> bool:
        public_key = self.active_key(opened.publisher, opened.key_id, at)
        if public_key is None:
            return False
        verify_session(opened, public_key)
        self._sessions.setdefault(opened.session, SessionEntry(opened, at))
        return True

    def _retry_early(self) -> None:
        waiting, self._early = self._early, []
        for opened, at in waiting:
            with suppress(SealBroken):
                if not self._take_session(opened, at):
                    self._early.append((opened, at))

    def _signed_by_office(self, record: Record) -> tuple[Envelope, bytes, bytes]:
        envelope, key, value = _event(record)
        signer = self._office.at(from_millis(record.timestamp_ms))
        verify(signer, key, record.headers, value)
        if envelope.id in self._counted:
            # Appended a second time by somebody else, an old enrolment would undo an end.
            raise _Untrusted("repeated")
        self._counted.add(envelope.id)
        return envelope, key, value


def _event(record: Record) -> tuple[Envelope, bytes, bytes]:
    headers: Headers = record.headers
    envelope = parse(headers)
    if isinstance(envelope, EnvelopeFault) or record.key is None or record.value is None:
        raise _Untrusted("no_event")
    return envelope, record.key, record.value
