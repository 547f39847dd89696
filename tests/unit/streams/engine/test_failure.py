"""What is waited for, how a process ends, and what an error may say."""

import random

import pytest

from infra.errors import InfrastructureError
from streams.engine.failure import (
    EXIT_CODE,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    FatalStageError,
    OrderBroken,
    pause_seconds,
    place_of,
)


@pytest.mark.parametrize("extreme", [0.5, 1.0])
def test_pauses_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch, extreme: float) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, _high: extreme)
    pauses = [pause_seconds(failures) / extreme for failures in (1, 2, 3, 4, 50, 10_000)]
    assert pauses == [FIRST_PAUSE_SECONDS, 0.4, 0.8, 1.6, LONGEST_PAUSE_SECONDS, 10.0]


def test_pauses_are_spread_so_that_processes_do_not_come_back_together() -> None:
    pauses = [pause_seconds(5) for _ in range(200)]
    assert all(1.6 <= pause <= 3.2 for pause in pauses)
    assert len(set(pauses)) > 100


def test_the_place_of_an_error_names_type_function_and_line_but_not_its_text() -> None:
    try:
        int("SECRET")
    except ValueError as error:
        found = place_of(error)
    assert found.startswith("ValueError at test_the_place_of_an_error")
    assert "SECRET" not in found


def test_the_place_of_an_error_that_was_never_raised_is_its_type() -> None:
    assert place_of(KeyError("SECRET")) == "KeyError"


def test_errors_that_end_the_process_say_so_by_their_exit_code() -> None:
    assert issubclass(OrderBroken, FatalStageError)
    assert issubclass(FatalStageError, InfrastructureError)
    assert OrderBroken("x").exit_code == EXIT_CODE == 70
