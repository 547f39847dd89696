"""The frame of the benchmarks: form of a result, keeping it, the generated page, the command."""

import json
import re
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from consumers.bench import benches, kept
from consumers.bench.benches import BENCHES, Bench, Run
from consumers.bench.result import Findings, Machine, Result
from consumers.cli.bench import _command
from consumers.cli.output import Exit

DOCS = Path(__file__).parents[4] / "docs"
FOLDER, PAGE = DOCS / "benchmarks", DOCS / "benchmarks.md"
COMMIT = re.compile(r"[0-9a-f]{12}(-changed)?\Z")


def measured(goal: float = 2.0) -> Findings:
    findings = Findings()
    for ours, theirs in ((200.0, 100.0), (300.0, 100.0), (330.0, 110.0)):
        findings.sample("ours", "lines/s", ours)
        findings.sample("theirs", "lines/s", theirs)
    findings.at_least("ours_vs_theirs", goal, findings.ratio("ours_vs_theirs", "ours", "theirs"))
    findings.at_most("latency", 100.0, 12.5)
    return findings


def result(findings: Findings | None = None) -> Result:
    found = findings or measured()
    return found.result("sample", "0123456789ab", Machine(cores=2, memory=8 * 2**30), 3)


def test_a_result_has_the_form_of_the_design() -> None:
    assert json.loads(result().model_dump_json()) == {
        "bench": "sample",
        "commit": "0123456789ab",
        "machine": {"cores": 2, "memory": 8 * 2**30},
        "rounds": 3,
        "results": {
            "ours": {"unit": "lines/s", "min": 200.0, "median": 300.0, "max": 330.0},
            "theirs": {"unit": "lines/s", "min": 100.0, "median": 100.0, "max": 110.0},
        },
        "ratios": {"ours_vs_theirs": {"median": 3.0, "min": 2.0, "max": 3.0}},
        "goals": {
            "ours_vs_theirs": {"goal": 2.0, "value": 3.0, "met": True},
            "latency": {"goal": 100.0, "value": 12.5, "met": True},
        },
    }


def test_a_goal_that_is_missed_is_named_and_keeps_its_direction() -> None:
    missed = result(measured(goal=8.0))
    assert missed.missed == ["ours_vs_theirs"]
    assert missed.goals["ours_vs_theirs"].at_least
    assert not missed.goals["latency"].at_least


def test_a_figure_has_one_unit() -> None:
    findings = measured()
    with pytest.raises(ValueError, match="measured in lines/s"):
        findings.sample("ours", "ms", 1.0)


def test_a_ratio_of_unequal_rounds_is_refused() -> None:
    findings = measured()
    findings.sample("ours", "lines/s", 1.0)
    with pytest.raises(ValueError, match="shorter"):
        findings.ratio("ours_vs_theirs", "ours", "theirs")


def test_a_kept_result_is_read_as_it_was_and_shown_on_the_page(tmp_path: Path) -> None:
    kept.keep(result(measured(goal=8.0)), "dpp bench sample --save", date(2026, 11, 26), tmp_path)
    (tmp_path / "sample.md").write_text("What it does.\n")
    found = kept.read_kept(tmp_path)
    assert [one.result for one in found] == [result(measured(goal=8.0))]
    page = kept.page(tmp_path)
    assert "What it does." in page
    assert "`dpp bench sample --save` at commit `0123456789ab`" in page
    assert "| ours_vs_theirs | ≥ 8 | 3 | **missed** |" in page
    assert "| latency | ≤ 100 | 12.5 | met |" in page
    assert "| ours | lines/s | 300 | 200 | 330 |" in page


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(kept.NotKept, match=r"broken.json .* dpp bench broken --save"):
        kept.read_kept(tmp_path)


def test_without_a_checkout_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(kept.NotKept, match="checkout"):
        kept.keep(result(), "dpp bench sample", date(2026, 11, 26), tmp_path / "none")


def test_the_page_is_current_and_every_kept_result_names_commit_and_script() -> None:
    assert PAGE.read_text("utf-8") == kept.page(FOLDER)
    names = {bench.name for bench in BENCHES}
    for one in kept.read_kept(FOLDER):
        assert COMMIT.match(one.result.commit), one.result.bench
        assert one.script.startswith(f"dpp bench {one.result.bench}")
        assert one.result.bench in names
        assert one.result.results


def test_names_of_benches_are_unique() -> None:
    names = [bench.name for bench in BENCHES]
    assert len(set(names)) == len(names)


def measure(run: Run) -> Findings:
    """The sample bench; its only figure is the number of its rounds."""
    findings = Findings()
    for number in range(run.rounds):
        run.progress("sample", number + 1, run.rounds)
        findings.sample("rounds", "rounds", run.rounds)
    findings.at_most("rounds", 2.0, run.rounds)
    return findings


@pytest.mark.parametrize(("rounds", "code"), [(2, Exit.OK), (3, Exit.UNEXPECTED)])
def test_the_command_prints_one_object_and_its_exit_code_tells_a_missed_goal(
    rounds: int, code: Exit
) -> None:
    app = _app()
    answer = CliRunner().invoke(app, ["--json", "--rounds", str(rounds)])
    assert answer.exit_code == code
    found = Result.model_validate_json(answer.stdout)
    assert found.rounds == rounds
    assert found.commit == benches.current_commit()
    assert found.results["rounds"].median == rounds


def test_the_command_keeps_its_result_and_renews_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    monkeypatch.setattr(kept, "PAGE", tmp_path / "page.md")
    assert CliRunner().invoke(_app(), ["--save", "--plain"]).exit_code == Exit.OK
    assert [one.result.bench for one in kept.read_kept(tmp_path)] == ["sample"]
    assert "## sample" in (tmp_path / "page.md").read_text("utf-8")


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command("sample")(_command(Bench("sample", "A sample.", 2, __name__)))
    return app
