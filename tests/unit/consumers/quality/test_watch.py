"""Silence and gaps as metrics."""

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY

from consumers.quality.silence import Silence
from consumers.quality.watch import show
from projections.quality_overview import GapTotals
from projections.silence import DAYS, Silent

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def one(number: str, days: int, *, heard: bool = True) -> Silent:
    seen = NOW - timedelta(days=days) if heard else None
    return Silent(number, days, NOW - timedelta(days=300), seen, None)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_totals_are_shown_per_threshold_and_name_no_pharmacy() -> None:
    silent = (one("1", 30, heard=False), one("2", 21), one("3", 7), one("4", 0))
    show(Silence(NOW, 9, silent), GapTotals(2, 5, 1, 40), DAYS)
    assert value("dpp_quality_expected_pharmacies") == 9
    assert value("dpp_quality_silent_pharmacies", days="7") == 3
    assert value("dpp_quality_silent_pharmacies", days="21") == 2
    assert value("dpp_quality_never_heard_pharmacies") == 1
    assert value("dpp_quality_open_gaps", epoch="current") == 2
    assert value("dpp_quality_missing_numbers", epoch="current") == 5
    assert value("dpp_quality_open_gaps", epoch="former") == 1
    assert value("dpp_quality_missing_numbers", epoch="former") == 40
    assert value("dpp_quality_watched_timestamp_seconds") == NOW.timestamp()


def test_a_silence_that_ended_leaves_the_metrics() -> None:
    show(Silence(NOW, 1, (one("1", 30),)), GapTotals(1, 1, 0, 0), DAYS)
    show(Silence(NOW, 1, ()), GapTotals(0, 0, 0, 0), DAYS)
    assert value("dpp_quality_silent_pharmacies", days="7") == 0
    assert value("dpp_quality_silent_pharmacies", days="21") == 0
    assert value("dpp_quality_open_gaps", epoch="current") == 0
