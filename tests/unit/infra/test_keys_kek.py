"""The key-encryption key comes from a private file or the environment, and from nowhere else."""

import os
from pathlib import Path

import pytest

from infra.keys.kek import KEK_BYTES, KekError, create_kek_file, load_kek
from infra.settings import load_settings
from schemas.sealing import b64encode

KEY = bytes(range(200, 232))


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_may_hold_the_key() -> None:
    assert load_kek(load_settings(kek=b64encode(KEY))) == KEY


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_may_hold_the_key(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "kek", b64encode(KEY) + "\n", mode)
    assert load_kek(load_settings(kek_file=path)) == KEY


def test_a_file_made_here_is_private_and_holds_a_new_key(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        create_kek_file(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        keys.add(load_kek(load_settings(kek_file=tmp_path / name)))
    assert {len(key) for key in keys} == {KEK_BYTES}
    assert len(keys) == 2


def test_a_file_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_kek_file(tmp_path / "kek")
    finally:
        os.umask(before)
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "kek", b64encode(KEY))
    with pytest.raises(KekError, match="exists already"):
        create_kek_file(path)
    assert load_kek(load_settings(kek_file=path)) == KEY


def test_a_key_file_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(KekError, match="cannot be made"):
        create_kek_file(tmp_path / "missing" / "kek")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "kek", b64encode(KEY), mode)
    with pytest.raises(KekError, match=f"{mode:04o}"):
        load_kek(load_settings(kek_file=path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KekError, match="nowhere"):
        load_kek(load_settings(kek_file=tmp_path / "nowhere"))


def test_no_key_at_all_is_told_with_what_to_set() -> None:
    with pytest.raises(KekError, match="DPP_KEK_FILE"):
        load_kek(load_settings())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret-but-short",
        b64encode(KEY[:31]),
        b64encode(KEY + b"x"),
        b64encode(KEY) + "=",
        b64encode(KEY)[:-1] + "é",
        KEY.hex(),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "kek", text)
    for settings in (load_settings(kek=text), load_settings(kek_file=path)):
        with pytest.raises(KekError, match="32 bytes") as refused:
            load_kek(settings)
        assert not text or text not in str(refused.value)
