"""What can go wrong in a stage besides content, and what then happens.

| what | then |
|---|---|
| content on which `decide` fails | `undecidable` gives a rejection receipt |
| broker, vault, disk, anything unforeseen | state and producer dropped, back off, restore, go on |
| local state that is no fold of the log | set aside, then the same: restored from the log alone |
| fenced while the partition is ours, position ahead of the log, order broken | process stops |
| the client inside broke, a partition that stands still and says nothing | process stops |
"""

import random
import traceback
from typing import Final

from infra.errors import InfrastructureError
from streams.engine.tables import Distrust, StateUnreadable

EXIT_CODE: Final = 70
"""Exit code of a process that ends with `FatalStageError` (EX_SOFTWARE of sysexits)."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0


class FatalStageError(InfrastructureError):
    """The process must end and be started anew; nothing is lost by that."""

    exit_code = EXIT_CODE


class OrderBroken(FatalStageError):
    """A stage's outputs are not in the order that readers rely on."""


class StoreUnavailable(InfrastructureError, StateUnreadable):
    """The disk does not take or give what the state needs; nothing is lost, try again."""


class StoreStalled(StoreUnavailable):
    """The store has to catch up with its own writes first; try the same again soon."""


class StoreDistrusted(InfrastructureError, StateUnreadable):
    """What the store holds is not a fold of the log, so it has to be set aside."""

    def __init__(self, reason: Distrust) -> None:
        super().__init__(f"The local state is {reason}: it is set aside and rebuilt from the log.")
        self.reason: Distrust = reason


def pause_seconds(failures: int) -> float:
    """How long to wait after this many failures in a row: doubling, with jitter, bounded."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret


def place_of(error: BaseException) -> str:
    """Type and innermost place of an error, for logs: its text may hold content, this does not."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
