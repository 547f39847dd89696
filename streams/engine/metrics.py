"""What operators see of the stages; labels are stage, partition, topic and phase, never content."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SUBMISSIONS: Final = Counter(
    "dpp_stage_submissions",
    "Submissions by outcome: decided, or undecidable because deciding failed on its content",
    ("stage", "outcome"),
)
SKIPPED: Final = Counter(
    "dpp_stage_skipped", "Submissions that were fetched again and passed over", ("stage",)
)
REREAD: Final = Counter(
    "dpp_stage_reread",
    "Submissions between position and first fetched offset, read by the engine itself",
    ("stage",),
)
OUTPUTS: Final = Counter("dpp_stage_outputs", "Outputs committed, by topic", ("stage", "topic"))
PHASE_SECONDS: Final = Histogram(
    "dpp_stage_phase_seconds",
    "Seconds of a batch by phase: gather, decide, wait (for the commit before), keep",
    ("stage", "phase"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
TRANSACTION_SECONDS: Final = Histogram(
    "dpp_stage_transaction_seconds",
    "Seconds from the start of a transaction until the broker has committed it",
    ("stage",),
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
)
BATCH_RECORDS: Final = Histogram(
    "dpp_stage_batch_records",
    "Submissions in one transaction",
    ("stage",),
    buckets=(1, 2, 5, 10, 25, 50, 100, 200),
)
IN_FLIGHT_BATCHES: Final = Gauge(
    "dpp_stage_in_flight_batches", "Fetched batches that are not answered yet", ("stage",)
)
IN_FLIGHT_BYTES: Final = Gauge(
    "dpp_stage_in_flight_bytes", "Keys, headers and values of those batches", ("stage",)
)
HELD_BACK: Final = Counter(
    "dpp_stage_held_back", "Batches that had to wait because too much was in flight", ("stage",)
)
LAG: Final = Gauge(
    "dpp_stage_lag", "Offsets from the position to the broker's end", ("stage", "partition")
)
RESTORES: Final = Counter("dpp_stage_restores", "Partitions restored", ("stage",))
RESTORED_OUTPUTS: Final = Counter("dpp_stage_restored_outputs", "Outputs folded", ("stage",))
RESTORE_SECONDS: Final = Histogram(
    "dpp_stage_restore_seconds",
    "Seconds from the start of an initialisation until the partition runs",
    ("stage",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0),
)
PASSED_OUTPUTS: Final = Counter(
    "dpp_stage_passed_outputs",
    "Outputs left out at restore: doubled, differing (doubled with other bytes), foreign (no "
    "source position), torn (no receipt)",
    ("stage", "reason"),
)
FENCES: Final = Counter("dpp_stage_fences", "Writes refused by a newer writer", ("stage",))
FAILURES: Final = Counter(
    "dpp_stage_failures", "Failures that are tried again, by type of error", ("stage", "error")
)
PARTITIONS: Final = Gauge(
    "dpp_stage_partitions", "Assigned partitions by state", ("stage", "state")
)
PAUSED_SINCE: Final = Gauge(
    "dpp_stage_paused_since_seconds",
    "When a partition was paused, in seconds since 1970, by the type of error it waits out",
    ("stage", "partition", "error"),
)
RETENTION_LOSSES: Final = Counter(
    "dpp_stage_retention_losses",
    "Offsets that retention removed before they were answered",
    ("stage",),
)
STORES_ASIDE: Final = Counter(
    "dpp_stage_stores_aside",
    "Local states set aside and rebuilt: ahead, corrupt, foreign, newer, outdated",
    ("stage", "reason"),
)
STATE_LOOKUPS: Final = Counter(
    "dpp_stage_state_lookups",
    "Reads of settled state, by where it was found: memory, disk",
    ("stage", "source"),
)
