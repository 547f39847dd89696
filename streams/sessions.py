"""Sessions of publishers as both stages see them: as of the append time of a submission."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from projections.folds.publishers import PublisherEntry, SessionEntry, session_fault
from schemas.keyvault import IntakeKey
from schemas.policy import PolicyName, PolicyVersion
from schemas.publisher import SessionOpened
from schemas.sealing import SealBroken
from schemas.sealing.session import unseal_session_key

MAX_CACHED: Final = 20_000


class Tables(Protocol):
    """The broadcast tables: publishers, sessions and policies as this process has read them."""

    async def catch_up(self) -> None:
        """Returns once everything appended before the call is applied."""
        ...

    def publisher(self, publisher: str) -> PublisherEntry | None:
        """A publisher by id."""
        ...

    def session(self, session: str) -> SessionEntry | None:
        """A session by id."""
        ...

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force at a time."""
        ...


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as of a submission's append time; `key` is None where it could not be opened.

    `intake_key` is the id of the intake key that it is for.
    """

    publisher: str
    valid: bool
    intake_key: str
    key: bytes | None = field(repr=False)


class Sessions:
    """Session keys by session id, so that the costly opening happens once; None: does not open."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, bytes | None] = OrderedDict()

    def view(
        self, tables: Tables, session: str, intake: Mapping[str, IntakeKey], at: datetime
    ) -> SessionView | None:
        """The session of this id as it was at that time; None if there was none."""
        entry = tables.session(session)
        if entry is None or entry.appended_at > at:
            return None
        publisher = entry.opened.publisher
        valid = session_fault(entry, tables.publisher(publisher), at) is None
        key = self._key(entry.opened, intake) if valid else None
        return SessionView(publisher, valid, entry.opened.intake_key, key)

    def _key(self, opened: SessionOpened, intake: Mapping[str, IntakeKey]) -> bytes | None:
        """The key of a session, as long as the intake key it is for exists."""
        private = intake.get(opened.intake_key)
        if private is None:
            return None
        if opened.session not in self._keys:
            self._keys[opened.session] = _unseal(opened, private)
            if len(self._keys) > MAX_CACHED:
                self._keys.popitem(last=False)
        return self._keys[opened.session]


def _unseal(opened: SessionOpened, private: IntakeKey) -> bytes | None:
    try:
        return unseal_session_key(opened, private.private_key)
    except SealBroken:
        return None
