"""How long each step of a read took, from the API's own metrics before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

METRIC: Final = "dpp_api_read_step_seconds"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of observations up to each bound (seconds), cumulated, by rising bound."""

    buckets: tuple[tuple[float, float], ...]

    def since(self, before: "Histogram | None") -> "Histogram":
        """What came after `before`."""
        earlier = dict(before.buckets) if before else {}
        return Histogram(tuple((le, n - earlier.get(le, 0.0)) for le, n in self.buckets))

    def quantile(self, share: float) -> float:
        """Milliseconds, by a straight line inside the bucket; beyond the last bound, that bound."""
        wanted, lower, below = share * self.buckets[-1][1], 0.0, 0.0
        for bound, count in self.buckets:
            if count >= wanted:
                inside = count - below
                part = (wanted - below) / inside if inside else 1.0
                upper = lower if bound == float("inf") else bound
                return 1000 * (lower + (upper - lower) * part)
            lower, below = bound, count
        return 1000 * lower


def parse(text: str) -> Mapping[str, Histogram]:
    """The steps in a metrics page."""
    found: dict[str, list[tuple[float, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{METRIC}_bucket":
                bound = float(sample.labels["le"])
                found.setdefault(sample.labels["step"], []).append((bound, sample.value))
    return {step: Histogram(tuple(sorted(buckets))) for step, buckets in found.items()}
