"""What commands print: tables for people, one JSON value for programs, one sentence on failure."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum

import typer
from rich.console import Console
from rich.table import Table

from infra.errors import InfrastructureError
from schemas.catalogue import CatalogueUnavailable
from schemas.keyvault import VaultUnavailable
from streams.intake.keys import KeyFileError
from streams.intake.office import EnrolmentRefused
from streams.intake.transports import TransportRefused, TransportUnavailable


class Exit(IntEnum):
    """What an exit code of `dpp` means."""

    OK = 0
    UNEXPECTED = 1
    """The command ran, and what it found is not as it must be."""
    USAGE = 2
    UNAVAILABLE = 3
    """A server, file or port that the command needs is missing or taken."""


_KNOWN = (
    InfrastructureError,
    KeyFileError,
    EnrolmentRefused,
    CatalogueUnavailable,
    VaultUnavailable,
    TransportRefused,
    TransportUnavailable,
)


_WIDTH = 110
"""Columns of what is not shown on a terminal."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turns a known failure into one sentence on standard error and its exit code."""
    try:
        yield
    except _KNOWN as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.strerror or error}.")


def fail(sentence: str, code: Exit = Exit.UNAVAILABLE) -> None:
    """Prints the sentence and ends the command.

    Raises:
        typer.Exit: always.
    """
    sys.stderr.write(f"dpp: {sentence}\n")
    raise typer.Exit(code)


def console(*, plain: bool = False) -> Console:
    """Where a person reads; colours only on a terminal and unless `plain`."""
    width = None if sys.stdout.isatty() else _WIDTH
    terminal = False if plain else None
    return Console(no_color=plain, highlight=False, force_terminal=terminal, width=width)


def print_json(value: Mapping[str, object] | Sequence[Mapping[str, object]]) -> None:
    """One JSON value on standard output, at once: a program may be waiting for it."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A small table; numbers stand right."""
    made = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made
