"""The built wheel holds everything: unit tests pass against it, away from the sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(800)]
ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "streams", "projections", "consumers", "infra")


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_unit_tests_pass_against_the_wheel_in_a_clean_environment(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(
        ROOT / "tests", elsewhere / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("docs", "Makefile", "README.md", "pyproject.toml", "requirements.lock"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, elsewhere / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "clean" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "clean", cwd=tmp_path)
    install = (python, "-m", "pip", "install", "--quiet")
    run(
        *install,
        "--no-deps",
        "--require-hashes",
        "-r",
        ROOT / "requirements-dev.lock",
        cwd=tmp_path,
    )
    run(*install, "--no-deps", wheel, cwd=tmp_path)

    where = run(
        python, "-c", f"import {', '.join(PACKAGES)}\nprint(schemas.__file__)", cwd=elsewhere
    )
    told = run(
        python,
        "-m",
        "pytest",
        "tests/unit",
        "--ignore=tests/unit/test_docs.py",  # holds documents against the sources of a checkout
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        cwd=elsewhere,
    )

    assert str(tmp_path / "clean") in where
    assert " passed" in told
    assert " failed" not in told
