"""What the keeper looks at again and again, to show it as metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import psycopg
import structlog

from infra.errors import InfrastructureError
from infra.waiting import pause
from schemas.keyvault import VaultUnavailable

_log = structlog.get_logger(__name__)
Look = Callable[[datetime], Awaitable[None]]
"""Takes all figures once, as of a moment."""


class Watch:
    """Looks every `seconds`; what cannot be asked keeps its last value."""

    def __init__(
        self, name: str, look: Look, *, clock: Callable[[], datetime], seconds: float
    ) -> None:
        self._name = name
        self._look_once = look
        self._clock = clock
        self._seconds = seconds
        self._failure: str | None = None
        self._looked_at: datetime | None = None

    @property
    def ready(self) -> bool:
        """Whether the last look succeeded."""
        return self._looked_at is not None and self._failure is None

    def snapshot(self) -> dict[str, object]:
        """How it stands, as JSON values."""
        looked_at = None if self._looked_at is None else self._looked_at.isoformat()
        return {f"{self._name}_watch": {"looked_at": looked_at, "reason": self._failure}}

    async def run(self, stop: asyncio.Event) -> None:
        """Looks again and again until told to stop."""
        while not stop.is_set():
            await self._look()
            await pause(stop, self._seconds)

    async def _look(self) -> None:
        at = self._clock()
        try:
            await self._look_once(at)
        except (InfrastructureError, VaultUnavailable, psycopg.Error) as error:
            self._failure = type(error).__name__
            _log.warning("the figures are not known", watch=self._name, error=self._failure)
        else:
            self._failure, self._looked_at = None, at
