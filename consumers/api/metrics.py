"""What the API counts and times; labels hold route patterns, roles and codes, never a person."""

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08),
    *(0.1, 0.15, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0),
)

REQUESTS: Final = Counter("dpp_api_requests_total", "Requests answered.", ["route", "status"])
REQUEST_SECONDS: Final = Histogram(
    "dpp_api_request_seconds", "Time from request to answer.", ["route"], buckets=_SECONDS
)
STEP_SECONDS: Final = Histogram(
    "dpp_api_read_step_seconds", "Time of one step of a read.", ["step"], buckets=_SECONDS
)
DECISIONS: Final = Counter(
    "dpp_api_decisions_total", "Access decisions.", ["role", "purpose", "decision"]
)
AUTHENTICATION_FAILURES: Final = Counter(
    "dpp_api_authentication_failures_total", "Tokens refused.", ["reason"]
)
KEY_SETS: Final = Counter(
    "dpp_api_issuer_key_readings_total", "Readings of issuers' key sets.", ["result"]
)
THROTTLED: Final = Counter(
    "dpp_api_throttled_total", "Requests held back by a limit of a caller.", ["limit", "role"]
)
REGISTRATIONS: Final = Counter(
    "dpp_api_registrations_total", "Registrations by kind and answer.", ["kind", "status"]
)
UNREADABLE_LINES: Final = Counter(
    "dpp_api_unreadable_lines_total", "Lines left out because their key is gone or fails.", ["why"]
)
FOLLOWER_POSITION: Final = Gauge(
    "dpp_api_follower_position", "Next offset to be read.", ["topic", "partition"]
)


# What every read counts is looked up once for each label: prometheus_client takes a lock and reads
# the labels anew each time, which is as much again as counting.


@cache
def step_seconds(step: str) -> Histogram:
    """`STEP_SECONDS` of one step."""
    return STEP_SECONDS.labels(step)


@cache
def request_seconds(route: str) -> Histogram:
    """`REQUEST_SECONDS` of one route."""
    return REQUEST_SECONDS.labels(route)


@cache
def requests(route: str, status: int) -> Counter:
    """`REQUESTS` of one route and status."""
    return REQUESTS.labels(route, str(status))


@cache
def decisions(role: str, purpose: str, decision: str) -> Counter:
    """`DECISIONS` of one kind."""
    return DECISIONS.labels(role, purpose, decision)
