"""Processes that share a rebuild begin with what they need, whatever program asked for them."""

import sys
from multiprocessing.spawn import get_preparation_data

import pytest

from projections.workers import _main_left_out


def test_a_worker_does_not_import_the_program_that_was_started() -> None:
    main = sys.modules["__main__"]
    with _main_left_out():
        prepared = get_preparation_data("worker")
    assert not {"init_main_from_name", "init_main_from_path"} & prepared.keys()
    assert sys.modules["__main__"] is main


def test_the_program_is_itself_again_after_a_failure_bad() -> None:
    main = sys.modules["__main__"]
    with pytest.raises(RuntimeError), _main_left_out():
        raise RuntimeError
    assert sys.modules["__main__"] is main
