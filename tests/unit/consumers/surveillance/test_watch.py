"""Surveillance of use as metrics."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import REGISTRY

from consumers.stack.watching import Watch
from consumers.surveillance.watch import show
from infra.errors import InfrastructureError
from projections.surveillance import Finding, Kind, Party
from schemas.keyvault import VaultUnavailable

NOW = datetime(2026, 11, 26, tzinfo=UTC)
GUIDE = Path(__file__).parents[4] / "docs" / "security" / "surveillance.md"


def one(kind: Kind, reads: int) -> Finding:
    return Finding(kind, Party("r" * 26, "caregiver", None), reads, 1, NOW, NOW)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_totals_are_shown_per_kind_and_name_no_reader() -> None:
    show([one("emergency", 2), one("emergency", 3), one("volume", 40)], NOW)
    assert value("dpp_surveillance_findings", kind="emergency") == 2
    assert value("dpp_surveillance_reads", kind="emergency") == 5
    assert value("dpp_surveillance_reads", kind="volume") == 40
    assert value("dpp_surveillance_findings", kind="repeated") == 0
    assert value("dpp_surveillance_watched_timestamp_seconds") == NOW.timestamp()


def test_what_is_found_no_more_leaves_the_metrics() -> None:
    show([one("no_contact", 9)], NOW)
    show([], NOW)
    assert [value("dpp_surveillance_findings", kind=kind) for kind in get_args(Kind)] == [0.0] * 4


def test_who_was_never_met_is_shown_as_before_where_nobody_looked() -> None:
    show([one("no_contact", 9)], NOW)
    show([one("volume", 40)], NOW, contacts=False)
    assert value("dpp_surveillance_findings", kind="no_contact") == 1
    assert value("dpp_surveillance_findings", kind="volume") == 1


def test_the_guide_has_a_line_for_each_kind_and_an_alarm_on_each_metric() -> None:
    text = GUIDE.read_text()
    for kind in get_args(Kind):
        assert f"| `{kind}` |" in text
    for metric in ("findings", "reads", "watched_timestamp_seconds"):
        assert f"dpp_surveillance_{metric}" in text


async def looked(fails: Exception | None = None) -> Watch:
    """A watch that looked once and was told to stop meanwhile."""
    stop = asyncio.Event()

    async def look(at: datetime) -> None:
        assert at == NOW
        stop.set()
        if fails is not None:
            raise fails

    watch = Watch("use", look, clock=lambda: NOW, seconds=3600)
    assert not watch.ready
    await watch.run(stop)
    return watch


async def test_a_watch_is_ready_once_it_has_looked() -> None:
    watch = await looked()
    assert watch.ready
    assert watch.snapshot() == {"use_watch": {"looked_at": NOW.isoformat(), "reason": None}}


@pytest.mark.parametrize("error", [InfrastructureError("down"), VaultUnavailable("down")])
async def test_what_cannot_be_asked_leaves_the_watch_running_and_not_ready_bad(
    error: Exception,
) -> None:
    watch = await looked(error)
    assert not watch.ready
    assert watch.snapshot() == {"use_watch": {"looked_at": None, "reason": type(error).__name__}}
