"""What an auditor keeps in an own folder: how far a log was verified, and its checkpoints."""

import json
import os
from pathlib import Path
from typing import Final

from consumers.audit.verify import Memory, memory_from, saved_memory
from infra import files

_MEMORY: Final = "memory.json"
_CHECKPOINTS: Final = "checkpoints.txt"
_LAST: Final = 16


class MemoryDamaged(Exception):
    """What was kept cannot be read; the text says what to do."""


class Kept:
    """The folder; it is made when something is first kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Memory:
        """What was kept; a new memory in a new folder.

        Raises:
            MemoryDamaged: without it no rollback or fork would be noticed.
        """
        file = self._folder / _MEMORY
        if not file.exists():
            return Memory()
        try:
            return memory_from(json.loads(file.read_bytes()))
        except (ValueError, KeyError, TypeError):
            raise MemoryDamaged(
                f"{file} is damaged: without it no rollback or fork would be noticed. Put it back "
                "from a copy, or begin in a new folder."
            ) from None

    def save(self, memory: Memory) -> None:
        """Keeps it durably, without checkpoints that later ones are known to continue."""
        done = [one for one in memory.kept if one.size <= memory.recount.size]
        memory.kept = [*done[-_LAST:], *(one for one in memory.kept if one not in done)]
        self._folder.mkdir(parents=True, exist_ok=True)
        files.replace(self._folder / _MEMORY, json.dumps(saved_memory(memory)).encode())
        files.sync_folder(self._folder)

    def note(self, checkpoint: bytes) -> None:
        """Adds a signed checkpoint, as it was published, to all that were seen."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _CHECKPOINTS).open("ab") as output:
            output.write(checkpoint + b"\n")
            output.flush()
            os.fsync(output.fileno())

    def evidence(self, checkpoint: bytes) -> Path:
        """Keeps a checkpoint that contradicts what was kept; answers its file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self._folder.glob("evidence-*.txt"))) + 1
        file = self._folder / f"evidence-{number}.txt"
        files.replace(file, checkpoint)
        return file
