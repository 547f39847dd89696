"""Which decisions are reads that are watched, and what they are counted as."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from projections.cutting import as_of
from projections.folds.access_log import Event
from projections.folds.access_state import Recorded
from projections.folds.surveillance import (
    IN_EMERGENCY,
    PRIMARY_KEYS,
    REFUSED,
    Read,
    fold,
)
from projections.memory import Tables
from projections.surveillance import whole_days
from schemas.audit import AccessDecided, EmergencyDecided, PharmacyRevealed

ANN, BOB, DOCTOR, PLACE = ("a" * 26, "b" * 26, "d" * 26, "p" * 26)
NIGHT = datetime(2026, 3, 10, 23, tzinfo=UTC)
"""Midnight in Brussels."""
HOUR = timedelta(hours=1)


def decided(model: type[AccessDecided | EmergencyDecided] = AccessDecided, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "decision": "permit",
        "subject": ANN,
        "generation": 1,
        "reader": DOCTOR,
        "role": "caregiver",
        "purpose": "emergency" if model is EmergencyDecided else "history",
        "decided_at": NIGHT,
        "policy_version": "access/1",
        "sealed_reader": "AAAA",
    }
    return model.model_validate({**values, **changes})


def reads(*events: Event, start: int = 0) -> list[Read]:
    return [
        read
        for number, event in enumerate(events, start)
        for read in fold(event, Recorded(1, number, NIGHT, f"id-{number}"))
    ]


def tables(*found: Read, kept_from: date | None = None) -> Tables:
    made = Tables(PRIMARY_KEYS, kept_from=kept_from)
    made.apply(found)
    return made


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (decided(), 0),
        (decided(role="pharmacist", organisation=PLACE), 0),
        (decided(decision="deny", reason="no_link"), REFUSED),
        (decided(detail="emergency"), IN_EMERGENCY),
        (decided(EmergencyDecided), IN_EMERGENCY),
        (decided(EmergencyDecided, decision="deny"), IN_EMERGENCY | REFUSED),
    ],
)
def test_a_read_is_told_by_its_moment_and_kind(event: Event, kind: int) -> None:
    (read,) = reads(event)
    assert (read.reader, read.subject, read.kind) == (DOCTOR, ANN, kind)
    assert (read.partition, read.position, read.at) == (1, 0, NIGHT)
    assert read.moment == round(NIGHT.timestamp() * 1_000_000)
    assert read.day == date(2026, 3, 11)


@pytest.mark.parametrize(
    "event",
    [
        decided(role="patient", purpose="own_history"),
        decided(role="pharmacy", purpose="own_lines"),
        decided(role="patient", purpose="access_log"),
        decided(subject=None, generation=None),
        PharmacyRevealed.model_validate({"access": decided(role="pharmacist")}),
    ],
)
def test_what_is_no_read_of_anothers_history_is_not_counted_bad(event: Event) -> None:
    assert reads(event) == []


def test_rows_tell_how_much_a_reader_read_on_a_day_and_whom() -> None:
    found = tables(
        *reads(
            decided(decided_at=NIGHT - HOUR),
            decided(decided_at=NIGHT + HOUR),
            decided(decided_at=NIGHT),
            decided(subject=BOB, decision="deny"),
            decided(subject=BOB, detail="emergency", decided_at=NIGHT + 2 * HOUR),
        )
    )
    before, after = found.rows["day"].values()
    assert (before["day"], before["reads"], before["subjects"]) == (date(2026, 3, 10), 1, 1)
    assert (after["reads"], after["refused"], after["subjects"]) == (4, 1, 2)
    assert (after["first"], after["last"]) == (NIGHT, NIGHT + 2 * HOUR)
    ann, bob = found.rows["pair"].values()
    assert (ann["days"], ann["emergencies"], ann["last_permitted"]) == (2, 0, NIGHT + HOUR)
    assert ann["moments"] == sorted(ann["moments"])
    assert ann["positions"] == [0, 2, 1]
    assert (bob["days"], bob["emergencies"], bob["kinds"]) == (1, 1, [REFUSED, IN_EMERGENCY])


def test_a_decision_that_is_written_again_counts_once() -> None:
    once = reads(decided())
    again = reads(decided(), start=7)
    assert tables(*once, *again, *once).rows == tables(*once).rows


def test_days_that_have_left_do_not_come_back() -> None:
    early, late = reads(decided(decided_at=NIGHT - HOUR), decided())
    assert tables(early, late, kept_from=late.day).rows == tables(late).rows


def test_a_day_of_all_partitions_can_be_compared_only_where_nothing_has_gone_on() -> None:
    found = tables(*reads(decided()))
    (day,), (pair,) = found.rows["day"].values(), found.rows["pair"].values()
    assert as_of(day, {0: 5, 1: 1}, {0: 5, 1: 1}) == day
    assert as_of(day, {0: 4, 1: 1}, {0: 5, 1: 1}) is None
    assert as_of(pair, {0: 4, 1: 1}, {0: 5, 1: 1}) == pair
    assert as_of(pair, {0: 5, 1: 0}, {0: 5, 1: 1}) is None


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (NIGHT, NIGHT + HOUR, 1),
        (NIGHT - HOUR, NIGHT, 1),
        (NIGHT - HOUR, NIGHT + HOUR, 2),
        (NIGHT, NIGHT + 24 * HOUR, 1),
    ],
)
def test_a_period_is_the_belgian_days_that_it_touches(
    start: datetime, end: datetime, days: int
) -> None:
    begins, ends = whole_days(start, end)
    assert begins <= start < end <= ends
    assert ends - begins == timedelta(days=days)
