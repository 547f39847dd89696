"""What operators see: labels never hold content, and what is declared is counted somewhere."""

from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from streams.engine import metrics

DECLARED = {
    name: found for name, found in vars(metrics).items() if isinstance(found, MetricWrapperBase)
}
LABELS = {"stage", "partition", "topic", "phase", "outcome", "reason", "error", "state", "source"}
ENGINE = Path(metrics.__file__).parent
PAGE = Path(__file__).parents[4] / "docs" / "operating" / "stages.md"


@pytest.mark.parametrize("metric", DECLARED.values(), ids=DECLARED.keys())
def test_labels_are_of_the_fixed_set_and_start_with_the_stage(metric: MetricWrapperBase) -> None:
    assert metric._labelnames[0] == "stage"
    assert set(metric._labelnames) <= LABELS
    assert metric._name.startswith("dpp_stage_")


@pytest.mark.parametrize("metric", DECLARED.values(), ids=DECLARED.keys())
def test_every_metric_is_explained_to_operators(metric: MetricWrapperBase) -> None:
    shown = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name
    assert f"| `{shown}` |" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", DECLARED)
def test_every_declared_metric_is_set_by_the_engine(name: str) -> None:
    code = "".join(
        path.read_text("utf-8") for path in ENGINE.glob("*.py") if path.name != "metrics.py"
    )
    assert f"metrics.{name}" in code
