"""How long work tells how far it is, whoever shows it."""

from typing import Protocol


class Progress(Protocol):
    """Told how far a step is; a `total` of 0 means that it cannot be counted."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Called at the start of a step, during it, and at its end (`done` equals `total`)."""
