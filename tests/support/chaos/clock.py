"""A wall clock that is wrong, for one process; elapsed time stays right.

Import and call it before anything that imports `datetime` by name.
"""

import datetime as dt
import time
from typing import Any


def set_wrong_by(seconds: float) -> None:
    """Moves everything that tells the time of day in this process."""
    right: Any = dt.datetime
    offset = dt.timedelta(seconds=seconds)
    wall, wall_ns = time.time, time.time_ns

    class Kind(type):
        # What C code makes stays the true class, and has to pass for the same.
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, right)

        def __subclasscheck__(cls, one: type) -> bool:
            return issubclass(one, right)

    class Wrong(right, metaclass=Kind):  # type: ignore[misc] # whatever the class is now
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return right.now(tz) + offset

        @classmethod
        def utcnow(cls) -> Any:
            return right.now(dt.UTC).replace(tzinfo=None) + offset

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    time.time = lambda: wall() + seconds
    time.time_ns = lambda: wall_ns() + int(seconds * 1e9)
    dt.datetime = Wrong  # type: ignore[misc] # the point of it
