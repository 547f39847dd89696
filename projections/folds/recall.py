"""Recalls and who acknowledged them: one row per recall, one per recall and pharmacy."""

from typing import Final, assert_never

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Close, Upsert
from schemas.recall import RecallAcknowledged, RecallClosed, RecallEvent, RecallOpened

SCHEMA: Final = "recall_v1"
PRIMARY_KEYS: Final = {"notice": ("recall",), "acknowledgement": ("recall", "pharmacy")}


def fold(event: RecallEvent, recorded: Recorded) -> tuple[Change, ...]:
    """The row of a recall or of an acknowledgement; closing ends a recall's row."""
    place: dict[str, object] = {
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
    }
    match event:
        case RecallOpened():
            return (Upsert("notice", {**_notice(event), **place}),)
        case RecallAcknowledged():
            row: dict[str, object] = {
                "recall": event.recall,
                "pharmacy": event.pharmacy,
                "lines": event.lines,
                "acknowledged_at": event.at,
            }
            return (Upsert("acknowledgement", {**row, **place}),)
        case RecallClosed():
            key = {"recall": event.recall, "authority": event.authority}
            return (Close("notice", key, recorded.offset, {"closed_at": event.at}),)
        case _:
            assert_never(event)


def _notice(event: RecallOpened) -> dict[str, object]:
    return {
        "recall": event.recall,
        "authority": event.authority,
        "cnk": event.cnk,
        "batch": event.batch,
        "delivered_from": event.delivered_from,
        "delivered_until": event.delivered_until,
        "reference": event.reference,
        "reason": event.reason,
        "opened_at": event.at,
    }
