"""When a retired intake key may be destroyed: once nothing that it opens is kept any more.

Submissions are kept 30 days and must stay readable as long, for stages that start again and for
audits. Pure. Source: DESIGN sections 3 and 4.1.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from projections.folds.publishers import BackboneKey, SessionEntry
from schemas.publisher import MAX_SESSION_HOURS

KEPT: Final = timedelta(days=40)
"""After the last session under a retired key has closed."""
GRACE: Final = timedelta(hours=MAX_SESSION_HOURS)
"""For publishers that had the key at hand when it was retired; a session opened later is theirs to
open again, and holds nothing up."""


def destroyed_at(key: BackboneKey, sessions: Iterable[SessionEntry]) -> datetime | None:
    """When a key is to be destroyed; None while it is in use."""
    if key.retired_at is None:
        return None
    latest = key.retired_at + GRACE
    ends = (
        one.opened.not_after
        for one in sessions
        if one.opened.intake_key == key.fact.key_id and one.appended_at <= latest
    )
    return max(ends, default=key.retired_at) + KEPT
