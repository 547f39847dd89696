"""The short form of `dpp bench quality` and `restore`: all runs once; how fast is not asserted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.bench.benches import Run
from consumers.bench.quality.contender import CONTENDERS, OF_TRANSPORT
from consumers.bench.quality.measure import Size, measure_in
from consumers.bench.quality.world import opened
from consumers.bench.restore import measure_restore
from consumers.bench.result import Findings, Machine, Result

pytestmark = pytest.mark.integration
SHORT = Size(count=150, rates=((20, 1.0), (1_000, 0.2)), warm_ups=0)


@pytest.mark.timeout(600)
async def test_every_contender_answers_the_same_bytes_and_all_of_it_is_restored(
    tmp_path: Path,
) -> None:
    steps: list[str] = []
    run = Run(1, lambda step, _done, _total: steps.append(step), tmp_path)
    quality, restored = Findings(), Findings()
    async with opened(tmp_path, SHORT.count, SHORT.spare, run.progress) as world:
        # Measuring fails unless all of them write equally many records with equal bytes.
        await measure_in(world, run, SHORT, quality)
        # It also fails unless as much is folded as is read.
        rest = replace(world, count=world.count + len(world.spare), spare=world.spare[:20])
        await measure_restore(rest, run, restored)
    assert len(set(steps)) > 5
    _require_quality(quality.result("quality", "0" * 12, Machine(cores=2, memory=1), 1))
    figures = restored.result("restore", "0" * 12, Machine(cores=2, memory=1), 1).results
    assert 0 < figures["tail"].min < 200
    assert all(figure.min > 0 for figure in figures.values())


def _require_quality(result: Result) -> None:
    """The result has the form of the design, with every figure."""
    assert Result.model_validate(json.loads(result.model_dump_json())) == result
    for contender in CONTENDERS:
        assert result.results[contender].unit == "submissions/s"
        assert result.results[contender].min > 0
        for what in ("cpu", "peak_memory"):
            assert result.results[f"{contender}_{what}"].min > 0
    for rate in (20, 1_000):
        ordered = [result.results[f"latency_{rate}_{p}"].max for p in ("p50", "p95", "p99", "max")]
        assert ordered == sorted(ordered)
        assert ordered[0] > 0
    assert set(result.ratios) == {
        "engine_vs_stock_faust",
        "engine_vs_quix_exactly_once",
        "engine_vs_quix_at_least_once",
        "engine_vs_raw_aiokafka",
        "transport_engine_vs_stock_faust",
        "transport_engine_vs_raw_aiokafka",
    }
    for contender in OF_TRANSPORT:
        assert result.results[f"transport_{contender}"].min > 0
    assert {name: goal.goal for name, goal in result.goals.items()} == {
        "engine_vs_stock_faust": 8.0,
        "engine_vs_quix_exactly_once": 1.0,
        "engine_vs_raw_aiokafka": 0.75,
        "latency_1000_p99": 100.0,
    }
