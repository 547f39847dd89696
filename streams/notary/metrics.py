"""What operators see of the notary; no label names a person."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LEAVES: Final = Counter("dpp_notary_leaves", "Leaves appended, by topic", ("topic",))
SIZE: Final = Gauge("dpp_notary_size", "Leaves under the last published checkpoint")
CHECKPOINT_TIME: Final = Gauge(
    "dpp_notary_checkpoint_timestamp_seconds", "When the last checkpoint was published"
)
LAG: Final = Gauge("dpp_notary_lag", "Records that the broker has and the log has not", ("topic",))
PHASE_SECONDS: Final = Histogram(
    "dpp_notary_phase_seconds",
    "Seconds of a batch by phase: append (files written and checked), decide (Kafka),"
    " cosign (witnesses), publish",
    ("phase",),
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
BATCH_LEAVES: Final = Histogram(
    "dpp_notary_batch_leaves",
    "Leaves between two checkpoints",
    buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000, 40_000),
)
COSIGNED_SIZE: Final = Gauge(
    "dpp_notary_cosigned_size",
    "Leaves under the last checkpoint that a witness cosigned",
    ("witness",),
)
WITNESS_FAILURES: Final = Counter(
    "dpp_notary_witness_failures", "Requests that a witness did not cosign", ("witness",)
)
