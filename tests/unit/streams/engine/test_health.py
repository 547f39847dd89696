"""Readiness of a stage, as `/readyz` and the metrics show it."""

import json

from prometheus_client import REGISTRY

from streams.engine.health import Health


def _assigned(**states: str) -> Health:
    health = Health("h")
    health.starting()
    health.assigned()
    for number, state in states.items():
        health.report(int(number[1:]), state)  # type: ignore[arg-type]  # states of the test
    return health


def test_a_stage_is_not_ready_before_the_group_answers() -> None:
    health = Health("h")
    assert not health.ready
    health.starting()
    assert not health.ready
    health.assigned()
    assert health.ready


def test_a_stage_without_partitions_is_ready_because_others_hold_them() -> None:
    assert _assigned().ready


def test_a_stage_is_ready_only_when_every_partition_runs() -> None:
    assert _assigned(p0="running", p1="running").ready
    assert not _assigned(p0="running", p1="initialising").ready
    assert not _assigned(p0="failing", p1="running").ready


def test_a_failing_partition_that_goes_elsewhere_does_not_keep_the_stage_unready() -> None:
    health = _assigned(p0="running", p1="failing")
    assert health.failing(1)
    health.remove(1)
    assert health.ready
    assert not health.failing(1)
    health.remove(1)


def test_a_stopped_stage_is_not_ready_and_says_why_until_it_starts_again() -> None:
    health = _assigned(p0="running")
    health.stopped("stopping")
    assert not health.ready
    assert health.snapshot()["stopped"] == "stopping"
    health.starting()
    assert not health.ready
    health.assigned()
    assert health.ready


def test_the_time_of_a_state_stays_while_state_and_reason_do() -> None:
    health = _assigned(p0="failing")
    since = health._partitions[0].since
    health.report(0, "failing")
    assert health._partitions[0].since is since
    health.report(0, "failing", "VaultUnavailable")
    assert health._partitions[0].since is not since
    assert health._partitions[0].reason == "VaultUnavailable"


def test_the_snapshot_is_json_with_every_partition_in_order() -> None:
    health = _assigned(p10="running", p2="failing")
    health.report(2, "failing", "Fenced")
    found = json.loads(json.dumps(health.snapshot()))
    assert (found["stage"], found["ready"], found["stopped"]) == ("h", False, None)
    assert list(found["partitions"]) == ["2", "10"]
    assert found["partitions"]["2"]["state"] == "failing"
    assert found["partitions"]["2"]["reason"] == "Fenced"
    assert found["partitions"]["2"]["since"].endswith("Z")


def _gauge(stage: str, state: str) -> float | None:
    return REGISTRY.get_sample_value("dpp_stage_partitions", {"stage": stage, "state": state})


def test_the_metrics_count_partitions_by_state() -> None:
    health = Health("counted")
    health.report(0, "initialising")
    health.report(1, "running")
    health.report(0, "running")
    assert [_gauge("counted", one) for one in ("initialising", "running", "failing")] == [0, 2, 0]
    health.remove(0)
    assert _gauge("counted", "running") == 1


def _paused_since(partition: str, error: str) -> float | None:
    labels = {"stage": "h", "partition": partition, "error": error}
    return REGISTRY.get_sample_value("dpp_stage_paused_since_seconds", labels)


def test_a_paused_partition_shows_since_when_and_why_until_it_goes_on() -> None:
    health = _assigned()
    health.report(7, "failing", "VaultUnavailable")
    since = _paused_since("7", "VaultUnavailable")
    assert since is not None
    health.report(7, "failing", "VaultUnavailable")
    assert _paused_since("7", "VaultUnavailable") == since
    health.report(7, "failing", "OSError")
    assert _paused_since("7", "VaultUnavailable") is None
    assert _paused_since("7", "OSError") is not None
    health.report(7, "running")
    assert _paused_since("7", "OSError") is None
    health.report(8, "failing")
    health.remove(8)
    assert _paused_since("8", "") is None
