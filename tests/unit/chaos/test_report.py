"""Campaigns add up, survive the file, and the page shows the file."""

from pathlib import Path
from typing import Final

from tests.support.chaos import report
from tests.support.chaos.checker import Violation
from tests.support.chaos.outcome import Outcome

DOCS: Final = Path(__file__).parents[3] / "docs" / "operating"
FIRST: Final = Outcome("zombie", "small", 7, 1_200, (), (1.0, 2.0, 6.0))
SECOND: Final = Outcome("zombie", "small", 8, 800, (Violation("lost", "here"),), (3.0, 4.0))
OTHER: Final = Outcome("zombie", "quality", 7, 10, (), (0.5,))


def test_campaigns_of_a_fault_on_a_stage_are_one_row() -> None:
    first, second = report.rows([FIRST, OTHER, SECOND])
    assert first == report.Row("zombie", "small", 5, 2_000, 1, 3.0, 6.0)
    assert second == report.Row("zombie", "quality", 1, 10, 0, 0.5, 0.5)


def test_what_was_written_is_read_back() -> None:
    outcomes = [FIRST, SECOND, OTHER]
    assert report.read(report.write(outcomes)) == outcomes


def test_the_table_ends_with_a_line_for_all() -> None:
    lines = report.table(report.rows([FIRST, OTHER, SECOND])).splitlines()
    assert lines[2] == "| zombie | small | 5 | 2,000 | 1 | 3.0 s | 6.0 s |"
    assert lines[-1] == "| all | | 6 | 2,010 | 1 | | |"


def test_the_page_shows_the_kept_campaigns() -> None:
    kept = report.read((DOCS / "chaos.json").read_text("utf-8"))
    page = (DOCS / "chaos.md").read_text("utf-8")
    assert report.page(page, kept) == page
    assert report.table(report.rows(kept)) in page
