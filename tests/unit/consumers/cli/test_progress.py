"""Progress and tables: for a person at a terminal, for a file, for a program."""

import io
import json

import pytest
from rich.console import Console

from consumers.cli.output import table
from consumers.cli.progress import shown
from consumers.cli.simulate import as_object, show_counts
from consumers.simulation.simulate import Row, Simulated

ROWS = (
    Row("receipts", "accepted", 3, 3),
    Row("receipts", "rejected", 2, 1),
    Row("gaps", "x", 1, 1),
)


def screen(*, terminal: bool) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, force_terminal=terminal, width=100), written


def work(console: Console, *, silent: bool) -> None:
    with shown(console, silent=silent) as progress:
        progress("start", 0, 0)
        for done in range(0, 301, 100):
            progress("publish", done, 300)
        progress("end", 0, 0)


def test_a_file_gets_one_line_per_step_and_its_count() -> None:
    console, written = screen(terminal=False)
    work(console, silent=False)
    assert written.getvalue().splitlines() == [
        "start ...",
        "publish ...",
        "publish: 300",
        "end ...",
    ]


def test_a_terminal_gets_bars_that_are_full_at_the_end() -> None:
    console, written = screen(terminal=True)
    work(console, silent=False)
    assert "300/300" in written.getvalue()
    assert written.getvalue().count("1/1") >= 2


@pytest.mark.parametrize("terminal", [True, False])
def test_a_program_gets_nothing_but_its_answer(terminal: bool) -> None:
    console, written = screen(terminal=terminal)
    work(console, silent=True)
    assert written.getvalue() == ""


def test_counts_are_grouped_and_what_differs_is_marked() -> None:
    console, written = screen(terminal=False)
    show_counts(console, Simulated(ROWS, ("submission 0/3 has 2 receipts",), {}))
    text = written.getvalue()
    assert text.count("│ receipts ") == 1
    assert [line for line in text.splitlines() if "differs" in line and "rejected" in line]
    assert "submission 0/3 has 2 receipts" in text


def test_very_many_differences_are_counted() -> None:
    console, written = screen(terminal=False)
    show_counts(console, Simulated((), tuple(f"difference {n}" for n in range(30)), {}))
    assert "difference 19" in written.getvalue()
    assert "difference 20" not in written.getvalue()
    assert "and 10 differences more" in written.getvalue()


def test_counts_for_programs_are_named_by_group() -> None:
    told = as_object(Simulated(ROWS, (), {"published": 1.5}))
    assert json.loads(json.dumps(told)) == {
        "agrees": False,
        "counts": {
            "receipts": {
                "accepted": {"injected": 3, "observed": 3},
                "rejected": {"injected": 2, "observed": 1},
            },
            "gaps": {"x": {"injected": 1, "observed": 1}},
        },
        "differences": [],
        "seconds": {"published": 1.5},
    }


def test_numbers_stand_right_in_a_table() -> None:
    made = table("t", ("what", "count"), [("a", 1), ("b", 22)])
    assert [column.justify for column in made.columns] == ["left", "right"]
