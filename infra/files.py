"""Files that appear whole or not at all: written beside their place, made durable, renamed."""

import os
from pathlib import Path


def replace(file: Path, data: bytes) -> None:
    """Puts `data` in the place of whatever `file` was; whoever looks sees the old or the new.

    The content is durable afterwards; that the name leads to it, once `sync_folder` returned.

    Raises:
        OSError: it could not be written; the old file is as it was.
    """
    beside = file.with_name(f".{file.name}.new")
    with beside.open("wb") as output:
        output.write(data)
        output.flush()
        os.fsync(output.fileno())
    beside.rename(file)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable.

    Raises:
        OSError: there is no such folder, or the disk fails.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
