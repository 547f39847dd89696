"""Finding and ending what a killed run left behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded.processes import command_line, end_leftover, free_ports, tail
from infra.migrations import Migration, compare
from infra.postgres import place

STOP = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), "end"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        # Its command line is not there yet at the moment at which it is made.
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        yield process
        process.kill()


def test_a_process_with_all_marks_is_ended(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert end_leftover(tmp_path / "pid", (f"{tmp_path} ",), STOP)
    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_of_somebody_else_under_that_number_is_left_alone(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert not end_leftover(tmp_path / "pid", (f"{tmp_path} ", "kafka.Kafka"), STOP)
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "no number\n", None])
def test_no_usable_pid_file_is_no_leftover(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "pid").write_text(content)
    assert not end_leftover(tmp_path / "pid", ("",), STOP)


def test_an_ended_process_has_no_command_line() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert command_line(process.pid) == ""
    assert command_line(os.getpid()) != ""


def test_free_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    with socket.socket() as one:
        one.bind(("127.0.0.1", ports[0]))


def test_the_tail_of_a_log_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\nb\nc\nd\n")
    assert tail(tmp_path / "log") == "b / c / d"
    assert tail(tmp_path / "none") == "no log"


def test_a_place_names_no_user_and_no_password() -> None:
    assert place("postgresql://me:s3cret@db:5433/dpp") == "dpp on db:5433"
    assert place("dbname=dpp") == "dpp on the local socket:5432"


def test_files_and_database_are_compared_by_name_and_sum() -> None:
    one, two, three = (Migration(f"000{n}_x.sql", b"") for n in (1, 2, 3))
    status = compare("d", [one, two, three], {two.name: "other", "0009_new.sql": "x"})
    assert status.late == (one.name, three.name)
    assert status.changed == (two.name,)
    assert status.unknown == ("0009_new.sql",)
    assert not status.current
    assert compare("d", [one], {one.name: one.sha256}).current
