from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds.access_state import (
    NULLABLE,
    PRIMARY_KEY,
    TABLES,
    Recorded,
    fold,
)
from projections.folds.changes import SUPERSEDED, Change, Close, Fill, Upsert
from schemas.subject import (
    SUBJECT_FACTS,
    ConsentGiven,
    ConsentWithdrawn,
    DeathDeclared,
    ErasureExecuted,
    ErasureFact,
    ExclusionPut,
    LinkDeclared,
    LinkRevoked,
    MandateAccepted,
    MandateGranted,
    SubjectFact,
)

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
SUBJECT, PARTY = "a" * 26, "b" * 26
MEMBERS: dict[str, object] = {
    "subject": SUBJECT,
    "generation": 1,
    "author_role": "patient",
    "author": SUBJECT,
    "sealed": "c2VhbGVk",
    "link": "reg-00000001",
    "exclusion": "reg-00000001",
    "mandate": "reg-00000001",
    "party": PARTY,
    "party_kind": "professional",
    "link_type": "consultation",
    "valid_from": AT,
    "valid_until": AT + timedelta(days=9),
    "holder": PARTY,
    "holder_kind": "citizen",
    "mandate_type": "prescription",
    "parent": "parent-0001",
    "consent_until": AT + timedelta(days=5),
    "death": "death-0001",
    "erasure": "erasure-0001",
    "ground": "objection",
    "hold": "hold-0001",
    "merge": "merge-0001",
    "other": PARTY,
    "side": "replaced",
}
WITHOUT_ROWS = set(get_args(ErasureFact)) - {ErasureExecuted}
"""Steps of an erasure before it is carried out change no right."""
Row = dict[str, object]


def fact(model: type[SubjectFact], **members: object) -> SubjectFact:
    known = {**MEMBERS, **members}
    return model.model_validate({name: known[name] for name in model.model_fields})


def recorded(offset: int) -> Recorded:
    return Recorded(2, offset, AT + timedelta(seconds=offset), f"subject/2/{offset}/0")


def apply(tables: dict[str, list[Row]], changes: Iterable[Change]) -> None:
    """What the runner does in SQL, over plain rows."""
    for change in changes:
        rows = tables.setdefault(change.table, [])
        if isinstance(change, Upsert):
            same = [r for r in rows if all(r[c] == change.row[c] for c in PRIMARY_KEY)]
            assert not same
            rows.append(dict(change.row))
            continue
        hit = [
            r
            for r in rows
            if r.get(SUPERSEDED) is None and all(r[c] == v for c, v in change.key.items())
        ]
        for row in hit:
            row.update(change.values)
            if isinstance(change, Close):
                row[SUPERSEDED] = change.position


def holds_at(row: Row, position: int) -> bool:
    """The as-of question of the module's docstring."""
    begun, ended = row["recorded_position"], row.get(SUPERSEDED)
    assert isinstance(begun, int)
    return begun <= position and (ended is None or (isinstance(ended, int) and position < ended))


def test_with_an_erasure_consent_links_and_mandates_end_at_once() -> None:
    changes = fold(fact(ErasureExecuted), recorded(5))
    assert {"consent", "link", "mandate"} <= {one.table for one in changes}
    assert all(isinstance(one, Close) for one in changes)


@pytest.mark.parametrize("model", SUBJECT_FACTS.values())
def test_every_fact_changes_columns_that_its_table_has(model: type[SubjectFact]) -> None:
    changes = fold(fact(model), recorded(5))
    assert bool(changes) is (model not in WITHOUT_ROWS)
    for change in changes:
        columns = TABLES[change.table]
        if isinstance(change, Upsert):
            optional = NULLABLE | ({"valid_until"} if change.table == "mandate" else set())
            assert set(columns) - optional <= set(change.row) <= set(columns)
            assert change.row["recorded_position"] == 5
        else:
            assert {*change.key, *change.values} <= set(columns)
            assert change.key["subject"] == SUBJECT
            assert change.key["generation"] == 1


def test_a_consent_is_named_by_its_fact_and_closed_without_a_name() -> None:
    [given_] = fold(fact(ConsentGiven), recorded(3))
    [withdrawn] = fold(fact(ConsentWithdrawn), recorded(4))
    assert isinstance(given_, Upsert)
    assert given_.row["id"] == "subject/2/3/0"
    assert isinstance(withdrawn, Close)
    assert (dict(withdrawn.key), withdrawn.position) == ({"subject": SUBJECT, "generation": 1}, 4)


def test_a_link_can_be_asked_for_as_of_any_position() -> None:
    tables: dict[str, list[Row]] = {}
    apply(tables, fold(fact(LinkDeclared), recorded(3)))
    apply(tables, fold(fact(LinkRevoked), recorded(6)))
    [row] = tables["link"]
    assert [p for p in range(9) if holds_at(row, p)] == [3, 4, 5]
    assert (row["end_ce_id"], row["superseded_at"]) == ("subject/2/6/0", recorded(6).at)


def test_a_death_ends_consent_links_and_mandates_and_leaves_exclusions() -> None:
    tables: dict[str, list[Row]] = {}
    models: list[type[SubjectFact]] = [ConsentGiven, LinkDeclared, ExclusionPut, MandateGranted]
    for offset, model in enumerate(models):
        apply(tables, fold(fact(model), recorded(offset)))
    apply(tables, fold(fact(DeathDeclared), recorded(7)))
    ended = {name: rows[0].get(SUPERSEDED) for name, rows in tables.items()}
    assert ended == {"consent": 7, "link": 7, "exclusion": None, "mandate": 7, "death": None}


def test_a_mandate_waits_until_it_is_accepted() -> None:
    tables: dict[str, list[Row]] = {}
    apply(tables, fold(fact(MandateGranted, valid_until=None), recorded(3)))
    assert tables["mandate"][0].get("accepted_position") is None
    [accepted] = fold(fact(MandateAccepted), recorded(4))
    assert isinstance(accepted, Fill)
    apply(tables, [accepted])
    assert tables["mandate"][0]["accepted_position"] == 4
    assert tables["mandate"][0]["valid_until"] is None


@given(st.lists(st.booleans(), max_size=12))
def test_consent_as_of_a_position_is_the_last_fact_before_it(gives: list[bool]) -> None:
    tables: dict[str, list[Row]] = {}
    in_force = False
    expected = []
    for position, give in enumerate(gives):
        if give is not in_force:
            in_force = give
            kind = ConsentGiven if give else ConsentWithdrawn
            apply(tables, fold(fact(kind), recorded(position)))
        expected.append(in_force)
    rows = tables.get("consent", [])
    assert [any(holds_at(r, p) for r in rows) for p in range(len(gives))] == expected
