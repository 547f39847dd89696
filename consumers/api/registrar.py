"""The publisher `registrar`: the API's own sessions, under which registrations are sealed.

A session is opened at start and again well before it ends; every API process has its own.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from consumers.api.ports import Appended, Log, Tables
from schemas.publisher import REGISTRAR, BackboneKeyPublished
from schemas.topics import PUBLISHER_SESSIONS, SUBJECT_SUBMITTED
from streams.intake.keys import SigningKey
from streams.intake.session import Attributes, Session, open_session, seal_submission

RENEW_BEFORE: Final = timedelta(hours=4)


class NoIntakeKey(Exception):
    """The office has published no intake key yet, so nothing can be sealed."""


class SessionRegistrar:
    """Seals registrations; implements `ports.Registrar`."""

    def __init__(
        self, *, key: SigningKey, log: Log, tables: Tables, clock: Callable[[], datetime]
    ) -> None:
        self._key = key
        self._log = log
        self._tables = tables
        self._clock = clock
        self._session: Session | None = None
        self._opening = asyncio.Lock()

    async def submit(self, *, subject: str, type_: str, id_: str, body: bytes) -> Appended:
        """Seals a registration and appends it, keyed by the subject.

        Raises:
            NoIntakeKey: no session can be opened.
        """
        session = await self.session()
        attributes = Attributes(id=id_, type=type_, time=self._clock())
        record = seal_submission(session, subject, attributes, body)
        return await self._log.append(
            SUBJECT_SUBMITTED.name, key=record.key, headers=record.headers, value=record.value
        )

    def forget_session(self) -> None:
        """Opens another session next time: the stage does not accept this one."""
        self._session = None

    async def session(self) -> Session:
        """The session in use; a new one is durable before it is used.

        Raises:
            NoIntakeKey: the office has published none.
        """
        async with self._opening:
            now = self._clock()
            if self._session is None or self._session.not_after - now < RENEW_BEFORE:
                self._session = await self._open(now)
            return self._session

    async def _open(self, now: datetime) -> Session:
        keys = self._tables.intake_keys()
        if not keys:
            raise NoIntakeKey("no intake key is published: run dpp office init")
        intake = BackboneKeyPublished.read(keys[-1].value)
        session, record = open_session(REGISTRAR, self._key, intake, now)
        await self._log.append(
            PUBLISHER_SESSIONS.name, key=record.key, headers=record.headers, value=record.value
        )
        return session
