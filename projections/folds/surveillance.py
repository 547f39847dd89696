"""Who read whose history, and when: what the surveillance of use counts, per pair and per day.

Only reads of histories by others than the patient count. A read is known by its moment, and by
whether it was refused and in an emergency: the same decision delivered or written again changes
nothing, and in whatever order reads come in, the rows are the same.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple, assert_never

from projections.folds.access_log import Event
from projections.folds.access_state import Recorded
from schemas.audit import (
    EMERGENCY,
    AccessDecided,
    AuditRead,
    Decided,
    EmergencyDecided,
    LogAudited,
    LogRead,
    OperationsRead,
    PharmacyRevealed,
    RegistrationsRead,
)
from schemas.brussels import day_of

SCHEMA: Final = "surveillance_v1"
PAIR: Final = "pair"
DAY: Final = "day"
PRIMARY_KEYS: Final = {
    PAIR: ("reader", "role", "organisation", "subject"),
    DAY: ("reader", "role", "organisation", "day"),
}
REFUSED: Final = 1
IN_EMERGENCY: Final = 2
"""Bits of a read's kind."""
WATCHED_ROLES: Final = frozenset({"caregiver", "pharmacist"})
WATCHED_PURPOSES: Final = frozenset({"history", EMERGENCY})
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
Row = Mapping[str, Any]


class Read(NamedTuple):
    """One read of a history, or the refusal of one; who read and who is read are pseudonyms."""

    reader: str
    role: str
    organisation: str
    """Empty if there is none."""
    subject: str
    day: date
    """On a Belgian calendar."""
    at: datetime
    moment: int
    """The same as `at`, in microseconds since 1970."""
    kind: int
    partition: int
    position: int

    @property
    def pair(self) -> tuple[str, str, str, str]:
        """Key of its row of pairs."""
        return (self.reader, self.role, self.organisation, self.subject)

    @property
    def reader_day(self) -> tuple[str, str, str, date]:
        """Key of its row of days."""
        return (self.reader, self.role, self.organisation, self.day)


class Counted(NamedTuple):
    """Rows that a read made or changed."""

    pair: dict[str, Any]
    day: dict[str, Any]


def fold(event: Event, recorded: Recorded) -> tuple[Read, ...]:
    """The read that a decision is about, if it is one that is watched."""
    match event:
        case AccessDecided() | EmergencyDecided():
            return _read(event, recorded)
        case PharmacyRevealed():
            # It asks about one line of a history that a read has shown before.
            return ()
        case AuditRead() | LogAudited() | LogRead() | OperationsRead() | RegistrationsRead():
            return ()
        case _:
            assert_never(event)


def _read(event: Decided, recorded: Recorded) -> tuple[Read, ...]:
    watched = event.role in WATCHED_ROLES and event.purpose in WATCHED_PURPOSES
    if not watched or event.subject is None:
        return ()
    emergency = EMERGENCY in (event.purpose, event.detail)
    read = Read(
        reader=event.reader,
        role=event.role,
        organisation=event.organisation or "",
        subject=event.subject,
        day=day_of(event.decided_at),
        at=event.decided_at,
        moment=moment_of(event.decided_at),
        kind=REFUSED * (event.decision == "deny") + IN_EMERGENCY * emergency,
        partition=recorded.partition,
        position=recorded.offset,
    )
    return (read,)


def counted(pair: Row | None, day: Row | None, read: Read) -> Counted | None:
    """The rows of a read, from those that are there; None if it is counted already."""
    held = [] if pair is None else list(zip(*(pair[name] for name in _ARRAYS), strict=True))
    if (read.moment, read.kind) in {(moment, kind) for moment, kind, _ in held}:
        return None
    met = any(day_of(_at(moment)) == read.day for moment, _, _ in held)
    return Counted(_pair(pair, held, read), _day(day, read, met=met))


_ARRAYS: Final = ("moments", "kinds", "positions")


def _pair(pair: Row | None, held: list[tuple[int, int, int]], read: Read) -> dict[str, Any]:
    reads = sorted([*held, (read.moment, read.kind, read.position)])
    moments, kinds, positions = (list(one) for one in zip(*reads, strict=True))
    permitted = [_at(moment) for moment, kind, _ in reads if not kind & REFUSED]
    return {
        **dict(zip(PRIMARY_KEYS[PAIR], read.pair, strict=True)),
        "moments": moments,
        "kinds": kinds,
        "positions": positions,
        "days": len({day_of(at) for at in permitted}),
        "emergencies": sum(kind & IN_EMERGENCY != 0 for kind in kinds),
        "last_permitted": max(permitted, default=None),
        "recorded_partition": read.partition if pair is None else pair["recorded_partition"],
        "recorded_position": max(positions),
    }


def _day(day: Row | None, read: Read, *, met: bool) -> dict[str, Any]:
    former = day or {"reads": 0, "refused": 0, "subjects": 0, "first": read.at, "last": read.at}
    return {
        **dict(zip(PRIMARY_KEYS[DAY], read.reader_day, strict=True)),
        "reads": former["reads"] + 1,
        "refused": former["refused"] + (read.kind & REFUSED),
        "subjects": former["subjects"] + (not met),
        "first": min(former["first"], read.at),
        "last": max(former["last"], read.at),
    }


def moment_of(at: datetime) -> int:
    """A time in microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def _at(moment: int) -> datetime:
    return _EPOCH + timedelta(microseconds=moment)
