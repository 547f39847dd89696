"""How often a caller may ask, and about how many patients: a brake on looking people up in bulk.

Every process counts for itself, in memory: the projections' database is only read by the API, and
what somebody does at all processes together is seen by the surveillance of use, which counts the
audit events of all of them (docs/decisions/0031).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import ceil
from typing import Final

import structlog

from consumers.api import metrics
from consumers.api.problems import Problem
from consumers.api.tokens import Principal

MAX_CALLERS: Final = 50_000
_HOUR: Final = 3600.0
_MINUTE: Final = 60.0
_log = structlog.get_logger("security")


@dataclass(slots=True)
class _Use:
    """What one caller did lately."""

    tokens: float
    at: float
    patients: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When each was last asked about, the longest ago first."""
    told: float = -_HOUR
    """When it was last logged that this caller is held back."""


class Throttle:
    """Counts by caller; `clock` is seconds that only grow."""

    def __init__(
        self, *, requests_per_minute: int, patients_per_hour: int, clock: Callable[[], float]
    ) -> None:
        self._requests = requests_per_minute
        self._patients = patients_per_hour
        self._clock = clock
        self._uses: OrderedDict[Hashable, _Use] = OrderedDict()

    def request(self, principal: Principal) -> None:
        """Counts a request.

        Raises:
            Problem: 429, there were too many; `Retry-After` says when the next is taken.
        """
        now, use = self._clock(), self._use(principal)
        rate = self._requests / _MINUTE
        use.tokens = min(self._requests, use.tokens + (now - use.at) * rate)
        use.at = now
        if use.tokens < 1:
            self._refuse(principal, use, "requests", (1 - use.tokens) / rate)
        use.tokens -= 1

    def patient(self, principal: Principal, subject: str) -> None:
        """Counts a patient that somebody asks about; the same one within an hour counts once.

        Raises:
            Problem: 429, there were too many different ones.
        """
        now, use = self._clock(), self._use(principal)
        while use.patients and next(iter(use.patients.values())) <= now - _HOUR:
            use.patients.popitem(last=False)
        if subject not in use.patients and len(use.patients) >= self._patients:
            oldest = next(iter(use.patients.values()))
            self._refuse(principal, use, "patients", oldest + _HOUR - now)
        use.patients[subject] = now
        use.patients.move_to_end(subject)

    def _use(self, principal: Principal) -> _Use:
        name = _name(principal)
        use = self._uses.get(name)
        if use is None:
            use = self._uses[name] = _Use(self._requests, self._clock())
            while len(self._uses) > MAX_CALLERS:
                self._uses.popitem(last=False)
        self._uses.move_to_end(name)
        return use

    def _refuse(self, principal: Principal, use: _Use, what: str, seconds: float) -> None:
        metrics.THROTTLED.labels(what, principal.role).inc()
        now = self._clock()
        if now - use.told >= _MINUTE:
            use.told = now
            # Who it is stands in the audit events and the surveillance of use, not in a log line.
            _log.warning("caller_held_back", limit=what, role=principal.role)
        raise Problem(429, "too-many-requests", headers={"Retry-After": str(max(1, ceil(seconds)))})


def _name(principal: Principal) -> Hashable:
    """Whom the count belongs to; a new token does not begin a new one."""
    who = principal.niss or principal.nihdi or principal.organisation or principal.subject
    return principal.issuer, principal.role, who or principal.token_id
