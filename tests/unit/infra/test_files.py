"""A file is replaced as a whole, or stays as it was."""

from pathlib import Path

import pytest

from infra import files


def test_a_file_is_made_and_then_replaced(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    for data in (b"first", b"second"):
        files.replace(file, data)
        files.sync_folder(tmp_path)
        assert file.read_bytes() == data
    assert list(tmp_path.iterdir()) == [file]


def test_a_half_written_file_beside_it_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".kept.json.new").write_bytes(b"half of something lon")
    files.replace(tmp_path / "kept.json", b"whole")
    assert (tmp_path / "kept.json").read_bytes() == b"whole"


def test_what_cannot_be_written_leaves_the_old_file_bad(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    files.replace(file, b"old")
    (tmp_path / ".kept.json.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(file, b"new")
    assert file.read_bytes() == b"old"
