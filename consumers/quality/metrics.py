"""What the keeper shows of silence and gaps: totals only, for alerts; the commands name names."""

from typing import Final

from prometheus_client import Gauge

EXPECTED: Final = Gauge(
    "dpp_quality_expected_pharmacies", "Pharmacies whose contract covers registrations now."
)
SILENT: Final = Gauge(
    "dpp_quality_silent_pharmacies",
    "Pharmacies under contract of which nothing has come for so many days or longer.",
    ["days"],
)
NEVER_HEARD: Final = Gauge(
    "dpp_quality_never_heard_pharmacies", "Pharmacies under contract that never submitted anything."
)
OPEN_GAPS: Final = Gauge(
    "dpp_quality_open_gaps",
    "Ranges of sequence numbers that are missing, of epochs in use or left behind.",
    ["epoch"],
)
MISSING_NUMBERS: Final = Gauge(
    "dpp_quality_missing_numbers", "Sequence numbers that are missing.", ["epoch"]
)
WATCHED_AT: Final = Gauge(
    "dpp_quality_watched_timestamp_seconds", "When these figures were last taken (Unix time)."
)
