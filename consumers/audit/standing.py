"""Registrations from the log alone: what stood about whom at which positions.

The facts of `dpp.subject.registered` are folded as the projection folds them, for the subjects that
are asked for and for everybody whom a merge ties to them. Copies that a fenced writer left are
passed over, as every reader does.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from consumers.audit.log import Log
from infra.kafka import Record
from projections import registered
from projections.access import AccessFacts
from projections.copies import Copies
from projections.events import Event, Unfoldable, open_record, read
from projections.folds import access_state
from projections.memory import Tables
from projections.registered import Kind, RegistrationRow
from schemas.subject import SUBJECT_FACTS, IdentityMerged, MergeRevoked, SubjectFact
from schemas.topics import SUBJECT_REGISTERED

TOPIC: Final = SUBJECT_REGISTERED.name
_COLUMNS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "consent": {},
    "link": {"variety": "link_type"},
    "exclusion": {},
    "mandate": {"party": "holder", "party_kind": "holder_kind", "variety": "mandate_type"},
    "parent": {},
    "death": {},
    "merge": {"party": "other", "variety": "side"},
}
"""Tables, and where their own columns have other names than a row's members."""


_KEYS: Final = dict.fromkeys(access_state.TABLES, access_state.PRIMARY_KEY)


@dataclass(slots=True)
class Standing:
    """Rows by subject, ended ones included; `unreadable` counts facts that are none."""

    partitions: int
    rows: dict[str, list[RegistrationRow]] = field(default_factory=dict)
    unreadable: int = 0

    def facts(self, subject: str, at: datetime, positions: Mapping[int, int]) -> AccessFacts:
        """What a decision about the subject rested on, as of positions of some partitions.

        Of a partition that is not named nothing was looked at.
        """
        as_of = {one: positions.get(one, 0) for one in range(self.partitions)}
        rows: dict[str, list[RegistrationRow]] = {}
        wanted = {subject}
        while wanted:
            rows |= {one: registered.standing(self.rows.get(one, ()), as_of) for one in wanted}
            wanted = set(registered.concerned(subject, rows)) - rows.keys()
        return registered.access_facts(subject, rows, at, as_of)

    def mandates(self, subject: str, positions: Mapping[int, int]) -> list[RegistrationRow]:
        """The subject's mandates that were not ended, waiting ones included."""
        as_of = {one: positions.get(one, 0) for one in range(self.partitions)}
        found = registered.standing(self.rows.get(subject, ()), as_of)
        return [row for row in found if row.kind == "mandate" and row.subject == subject]


async def standing(log: Log, subjects: Collection[str]) -> Standing:
    """Reads every partition, again if a merge names somebody who was not asked for.

    Raises:
        InfrastructureError: the broker does not answer.
    """
    wanted = set(subjects)
    while True:
        found = await _read(log, wanted)
        tied = {one for subject in wanted for one in registered.concerned(subject, found.rows)}
        if tied <= wanted:
            return found
        wanted |= tied


async def _read(log: Log, wanted: Collection[str]) -> Standing:
    count = await log.partitions(TOPIC)
    found = Standing(count)
    tables: dict[str, Tables] = {}
    for partition in range(count):
        copies = Copies()
        async for batch in log.read(TOPIC, partition):
            for record in batch:
                event, fact = _fact(record)
                if event is None or fact is None:
                    found.unreadable += 1
                elif _is_new(copies, event) and _is_wanted(fact, wanted):
                    own = tables.setdefault(fact.subject, Tables(_KEYS))
                    own.apply(access_state.fold(fact, event.recorded))
    found.rows = _by_subject(tables)
    return found


def _fact(record: Record) -> tuple[Event | None, SubjectFact | None]:
    try:
        event = open_record(record, from_stage=True)
        return event, read(event, SUBJECT_FACTS)
    except (Unfoldable, ValidationError):
        return None, None


def _is_new(copies: Copies, event: Event) -> bool:
    if event.source is None:
        return True
    return copies.judge(event.source, event.record.key, event.record.value) == "new"


def _is_wanted(fact: SubjectFact, wanted: Collection[str]) -> bool:
    """Merges of everybody are kept: they tell who else is concerned."""
    return fact.subject in wanted or isinstance(fact, IdentityMerged | MergeRevoked)


def _by_subject(tables: Mapping[str, Tables]) -> dict[str, list[RegistrationRow]]:
    found: defaultdict[str, list[RegistrationRow]] = defaultdict(list)
    rows_of = ((kind, own.rows.get(kind, {})) for own in tables.values() for kind in _COLUMNS)
    for kind, rows in rows_of:
        for columns in rows.values():
            row = _row(kind, _COLUMNS[kind], columns)
            found[row.subject].append(row)
            if kind == "merge" and row.party is not None:
                found[row.party].append(row)
    for named in found.values():
        named.sort(key=lambda row: (row.position, row.id))
    return dict(found)


def _row(kind: Kind, names: Mapping[str, str], columns: Mapping[str, Any]) -> RegistrationRow:
    def of(member: str) -> Any:
        return columns.get(names.get(member, member))

    return RegistrationRow(
        kind=kind,
        id=columns["id"],
        subject=columns["subject"],
        generation=columns["generation"],
        ce_id=columns["ce_id"],
        event_type=columns["event_type"],
        recorded_at=columns["recorded_at"],
        author_role=columns["author_role"],
        author=columns["author"],
        sealed=columns["sealed"],
        party=of("party"),
        party_kind=of("party_kind"),
        variety=of("variety"),
        valid_from=of("valid_from"),
        valid_until=of("valid_until"),
        accepted_at=columns.get("accepted_at"),
        ended_at=columns.get("superseded_at"),
        partition=columns["recorded_partition"],
        position=columns["recorded_position"],
        accepted_position=columns.get("accepted_position"),
        ended_position=columns.get("superseded_position"),
    )
