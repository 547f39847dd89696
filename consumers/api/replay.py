"""What may be used once: DPoP proofs, and tokens of issuers that make them for one request.

Each process remembers by itself. A proof names one request and is good for a minute, so at most
the same request can be repeated, at another process; why that is accepted stands in
docs/decisions/0030.
"""

from collections.abc import Callable
from typing import Final

MAX_KEPT: Final = 200_000
"""Entries of one process. Beyond it nobody with something new is let in until some expire."""


class ReplayFull(Exception):
    """More is in use than can be remembered: new ones are refused, for a moment."""


class ReplayMemory:
    """Names that were used, until they expire by themselves."""

    def __init__(self, clock: Callable[[], float], max_kept: int = MAX_KEPT) -> None:
        self._clock = clock
        self._max = max_kept
        self._until: dict[tuple[str, ...], float] = {}
        self._sweep_at = 0.0

    def first_use(self, name: tuple[str, ...], until: float) -> bool:
        """Whether the name was not used before; from now on it is, until `until` (seconds).

        Raises:
            ReplayFull: it cannot be remembered, so it must not be let in.
        """
        now = self._clock()
        if now >= self._sweep_at or len(self._until) >= self._max:
            self._until = {one: end for one, end in self._until.items() if end > now}
            self._sweep_at = now + 60
        if self._until.get(name, 0.0) > now:
            return False
        if len(self._until) >= self._max:
            raise ReplayFull
        self._until[name] = until
        return True
