"""The log's files, exactly as they are served: `checkpoint`, `tile/L/N`, `tile/entries/N`.

Files appear whole: written beside their place, made durable, renamed. Entry bundles and the
checkpoint are primary data; tiles follow from the bundles. Partial tiles go once their full one
exists, as C2SP tlog-tiles allows.
"""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from infra import files
from infra.errors import InfrastructureError
from streams.notary.tiles import WIDTH, Tile, bundle_path

CHECKPOINT: Final = "checkpoint"
_NO_FILE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_WRITERS: Final = 8
"""Files made durable at a time: the disk then flushes several in one go."""


class LogUnavailable(InfrastructureError):
    """A file of the log is missing, or cannot be read or written."""


class LogFileMissing(LogUnavailable):
    """The log has no such file; everything else about it may be in order."""


Read = Callable[[str], bytes]
"""Gives a file of a log by its path below the log's prefix; raises `LogFileMissing`, or
another `LogUnavailable` if the log cannot be asked."""


class LogDirectory:
    """The log below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            LogFileMissing: it is not there.
            LogUnavailable: it cannot be read.
        """
        try:
            return self._bytes(path)
        except _NO_FILE:
            raise LogFileMissing(f"The log in {self.folder} has no file {path}.") from None

    def checkpoint(self) -> bytes | None:
        """The last checkpoint that was published here; None before the first."""
        with suppress(*_NO_FILE):
            return self._bytes(CHECKPOINT)
        return None

    def write(self, named: Mapping[str, bytes]) -> None:
        """Makes all files durable under their paths.

        Raises:
            LogUnavailable: one could not be written; others may be there.
        """
        folders = {(self.folder / path).parent for path in named}
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(min(_WRITERS, len(named) or 1)) as writers:
                list(writers.map(self._write, named.items()))
            for folder in _with_parents(folders, self.folder):
                files.sync_folder(folder)
        except OSError as error:
            raise LogUnavailable(
                f"The log in {self.folder} cannot be written: {error.strerror}."
            ) from error

    def drop_partials(self, tile: Tile) -> None:
        """Removes the partial forms of a tile, and of its bundle, whose full one is durable."""
        if tile.width == WIDTH:
            shutil.rmtree(self.folder / f"{tile.path}.p", ignore_errors=True)
            if tile.level == 0:
                shutil.rmtree(self.folder / f"{bundle_path(tile.index)}.p", ignore_errors=True)

    def _bytes(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except _NO_FILE:
            raise
        except OSError as error:
            raise LogUnavailable(
                f"The log's file {self.folder / path} cannot be read: {error.strerror}."
            ) from error

    def _write(self, file: tuple[str, bytes]) -> None:
        files.replace(self.folder / file[0], file[1])


def _with_parents(folders: set[Path], top: Path) -> set[Path]:
    found = {top}
    for folder in folders:
        found |= {one for one in (folder, *folder.parents) if one.is_relative_to(top)}
    return found
