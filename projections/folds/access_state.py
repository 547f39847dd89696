"""Everything registered about each subject, as rows that know when they held.

A row appears with the fact that began it (`recorded_*`) and stays when another ends it
(`superseded_*`, `end_*`), so any question can be asked as of a position: a row holds at position p
of its partition if `recorded_position <= p` and `superseded_position` is null or `> p`. A mandate
is active once `accepted_position` is not null; before that it waits.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, assert_never

from projections.folds.changes import Change, Close, Fill, Upsert
from schemas.subject import (
    SUBJECT_FACT_TYPES,
    ConsentGiven,
    ConsentWithdrawn,
    DeathAnnulled,
    DeathDeclared,
    ErasureApproved,
    ErasureExecuted,
    ErasureRejected,
    ErasureRequested,
    ExclusionLifted,
    ExclusionPut,
    HoldLifted,
    HoldPlaced,
    IdentityMerged,
    LinkDeclared,
    LinkRevoked,
    MandateAccepted,
    MandateEnded,
    MandateGranted,
    MandateRefused,
    MergeRevoked,
    ParentDeclared,
    ParentRevoked,
    SubjectFact,
)

SCHEMA: Final = "access_state_v1"
PRIMARY_KEY: Final = ("subject", "generation", "id")
"""Primary key of every table.

`id` names the registration, or the merge that it is a half of; that of a consent is the `ce_id` of
the fact that gave it.
"""
_LINK: Final = ("party", "party_kind", "link_type", "valid_from", "valid_until")
_MANDATE: Final = ("holder", "holder_kind", "mandate_type", "valid_until")
_UNTIL_DEATH: Final = ("consent", "link", "mandate")
"""What a death ends."""

_BEGUN: Final = {
    "subject": "text",
    "generation": "integer",
    "id": "text",
    "recorded_partition": "integer",
    "recorded_position": "bigint",
    "recorded_at": "timestamptz",
    "ce_id": "text",
    "event_type": "text",
    "author_role": "text",
    "author": "text",
    "sealed": "text",
}
_ENDED: Final = {
    "superseded_position": "bigint",
    "superseded_at": "timestamptz",
    "end_ce_id": "text",
    "end_event_type": "text",
    "end_author_role": "text",
    "end_author": "text",
    "end_sealed": "text",
}
_ACCEPTED: Final = {
    "accepted_position": "bigint",
    "accepted_at": "timestamptz",
    "accepted_ce_id": "text",
}
TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "consent": {**_BEGUN, **_ENDED},
    "link": {
        **_BEGUN,
        "party": "text",
        "party_kind": "text",
        "link_type": "text",
        "valid_from": "timestamptz",
        "valid_until": "timestamptz",
        **_ENDED,
    },
    "exclusion": {**_BEGUN, "party": "text", "party_kind": "text", **_ENDED},
    "mandate": {
        **_BEGUN,
        "holder": "text",
        "holder_kind": "text",
        "mandate_type": "text",
        "valid_until": "timestamptz",
        **_ACCEPTED,
        **_ENDED,
    },
    "parent": {
        **_BEGUN,
        "party": "text",
        "consent_until": "timestamptz",
        "valid_until": "timestamptz",
        **_ENDED,
    },
    "death": {**_BEGUN, **_ENDED},
    "merge": {**_BEGUN, "other": "text", "side": "text", **_ENDED},
}
"""Tables and the types of their columns in PostgreSQL."""
NULLABLE: Final = frozenset({*_ENDED, *_ACCEPTED})
"""Columns that may be null everywhere; `valid_until` may be null in `mandate` only."""


class Recorded(NamedTuple):
    """Where and when a fact stands in `dpp.subject.registered`."""

    partition: int
    offset: int
    at: datetime
    """Append time of the registration that the fact came from (`ce_time`)."""
    ce_id: str


def fold(fact: SubjectFact, recorded: Recorded) -> tuple[Change, ...]:
    """The row changes that a fact asks for; each is applied once, in the partition's order."""
    match fact:
        case (
            ConsentGiven()
            | LinkDeclared()
            | ExclusionPut()
            | MandateGranted()
            | ParentDeclared()
            | IdentityMerged()
        ):
            return (_declared(fact, recorded),)
        case DeathDeclared():
            ended = (_close(table, fact, None, recorded) for table in _UNTIL_DEATH)
            return (Upsert("death", _begun(fact, fact.death, recorded)), *ended)
        case MandateAccepted():
            return (_accepted(fact, recorded),)
        case ErasureExecuted():
            # Rights end with the fact; the rows go when the keeper carries the erasure out.
            return tuple(_close(table, fact, None, recorded) for table in _UNTIL_DEATH)
        case (
            ErasureRequested() | ErasureApproved() | ErasureRejected() | HoldPlaced() | HoldLifted()
        ):
            return ()
        case _:
            table, row_id = _ended(fact)
            return (_close(table, fact, row_id, recorded),)


def _ended(
    fact: ConsentWithdrawn
    | LinkRevoked
    | ExclusionLifted
    | MandateRefused
    | MandateEnded
    | ParentRevoked
    | DeathAnnulled
    | MergeRevoked,
) -> tuple[str, str | None]:
    """Which row a fact ends: its table and its id."""
    found: tuple[str, str | None]
    match fact:
        case ConsentWithdrawn():
            found = "consent", None
        case LinkRevoked():
            found = "link", fact.link
        case ExclusionLifted():
            found = "exclusion", fact.exclusion
        case MandateRefused() | MandateEnded():
            found = "mandate", fact.mandate
        case ParentRevoked():
            found = "parent", fact.parent
        case DeathAnnulled():
            found = "death", fact.death
        case MergeRevoked():
            found = "merge", fact.merge
        case _:
            assert_never(fact)
    return found


_Declaration = (
    ConsentGiven | LinkDeclared | ExclusionPut | MandateGranted | ParentDeclared | IdentityMerged
)


def _declared(fact: _Declaration, recorded: Recorded) -> Upsert:
    table, row_id, own = _content(fact, recorded)
    return Upsert(table, {**_begun(fact, row_id, recorded), **own})


def _content(fact: _Declaration, recorded: Recorded) -> tuple[str, str, dict[str, object]]:
    """Table, id and own columns of the row that a fact begins."""
    match fact:
        case ConsentGiven():
            return "consent", recorded.ce_id, {}
        case LinkDeclared():
            return "link", fact.link, _columns(fact, *_LINK)
        case ExclusionPut():
            return "exclusion", fact.exclusion, _columns(fact, "party", "party_kind")
        case MandateGranted():
            return "mandate", fact.mandate, _columns(fact, *_MANDATE)
        case ParentDeclared():
            return "parent", fact.parent, _columns(fact, "party", "consent_until", "valid_until")
        case IdentityMerged():
            return "merge", fact.merge, _columns(fact, "other", "side")
        case _:
            assert_never(fact)


def _columns(fact: SubjectFact, *names: str) -> dict[str, object]:
    return {name: getattr(fact, name) for name in names}


def _begun(fact: SubjectFact, row_id: str, recorded: Recorded) -> dict[str, object]:
    return {
        "subject": fact.subject,
        "generation": fact.generation,
        "id": row_id,
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
        "recorded_at": recorded.at,
        "ce_id": recorded.ce_id,
        "event_type": SUBJECT_FACT_TYPES[type(fact)],
        "author_role": fact.author_role,
        "author": fact.author,
        "sealed": fact.sealed,
    }


def _close(table: str, fact: SubjectFact, row_id: str | None, recorded: Recorded) -> Close:
    return Close(
        table,
        _key(fact, row_id),
        recorded.offset,
        {
            "superseded_at": recorded.at,
            "end_ce_id": recorded.ce_id,
            "end_event_type": SUBJECT_FACT_TYPES[type(fact)],
            "end_author_role": fact.author_role,
            "end_author": fact.author,
            "end_sealed": fact.sealed,
        },
    )


def _accepted(fact: MandateAccepted, recorded: Recorded) -> Fill:
    return Fill(
        "mandate",
        _key(fact, fact.mandate),
        recorded.offset,
        {
            "accepted_position": recorded.offset,
            "accepted_at": recorded.at,
            "accepted_ce_id": recorded.ce_id,
        },
    )


def _key(fact: SubjectFact, row_id: str | None) -> dict[str, object]:
    """`row_id` None means every row of the subject: there is at most one consent in force."""
    key: dict[str, object] = {"subject": fact.subject, "generation": fact.generation}
    return key if row_id is None else {**key, "id": row_id}
