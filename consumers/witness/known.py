"""The keys by which a witness knows logs: those that it was told, and those that these give way to.

A log publishes who takes over from whom (`streams.notary.handover`). It is looked at only when a
checkpoint comes that the known keys do not explain, and no more often than once a second, so
nobody can make a witness ask a log at will.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import structlog

from consumers.audit import remote
from infra.settings import Settings
from streams.notary import handover
from streams.notary.directory import LogFileMissing, LogUnavailable
from streams.notary.handover import HANDOVERS, HandoverInvalid
from streams.notary.notes import Verifier

EVERY_SECONDS: Final = 1.0
Published = Callable[[], bytes]
"""Gives the handovers that a log publishes; raises `LogUnavailable` if it cannot be asked."""
_log = structlog.get_logger("witness")


def published_at(place: str, settings: Settings) -> Published:
    """The handovers of the log at an address or in a folder, which need not be there yet."""

    def read() -> bytes:
        with ExitStack() as stack:
            try:
                return remote.opened(place, settings, stack)(HANDOVERS)
            except LogFileMissing:
                return b""

    return read


class KnownLogs:
    """The logs of a witness, to be asked from any thread.

    Args:
        told: keys of logs, those of one log oldest first.
        published: the handovers of these logs, if they are to be followed.
        clock: seconds, from any beginning.
    """

    def __init__(
        self,
        told: Iterable[Verifier],
        published: Sequence[Published] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys: dict[str, tuple[Verifier, ...]] = {}
        for one in told:
            self._keys[one.name] = (*self._keys.get(one.name, ()), one)
        self._published = published
        self._clock = clock
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def keys(self) -> Mapping[str, tuple[Verifier, ...]]:
        """The keys known now by origin, oldest first."""
        return dict(self._keys)

    @property
    def follows(self) -> bool:
        """Whether it is known where handovers are published."""
        return bool(self._published)

    def learn(self, origin: str, known: Sequence[Verifier]) -> bool:
        """Looks for handovers of a log; whether more keys of it are known now than `known`."""
        with self._lock:
            if self._published and self._clock() >= self._next.get(origin, 0.0):
                for read in self._published:
                    self._follow(origin, read)
                self._next[origin] = self._clock() + EVERY_SECONDS
            return len(self._keys[origin]) > len(known)

    def _follow(self, origin: str, read: Published) -> None:
        try:
            handovers = handover.parse(read(), origin)
        except (HandoverInvalid, LogUnavailable) as error:
            _log.warning("handovers not followed", origin=origin, why=str(error))
            return
        known = self._keys[origin]
        for one in handover.successors(known[-1], handovers):
            if one not in known:
                self._keys[origin] = (*self._keys[origin], one)
                _log.info("handover followed", origin=origin, key=str(one))
