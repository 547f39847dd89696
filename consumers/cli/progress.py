"""Progress of long work: bars on a terminal, one line per step anywhere else, nothing in JSON."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from consumers.progress import Progress as Told


@contextmanager
def shown(screen: Console, *, silent: bool) -> Iterator[Told]:
    """What the work calls with each step; steps follow one another."""
    if silent:
        yield _nothing
    elif screen.is_terminal:
        with _bars(screen) as told:
            yield told
    else:
        yield _lines(screen)


@contextmanager
def _bars(screen: Console) -> Iterator[Told]:
    tasks: dict[str, TaskID] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen) as bars:

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                for earlier in tasks.values():
                    _finish(bars, earlier)
                tasks[step] = bars.add_task(step, total=None)
            bars.update(tasks[step], completed=done, total=total or None)

        yield told
        for task in tasks.values():
            _finish(bars, task)


def _nothing(step: str, done: int, total: int) -> None:
    """Says nothing: the answer is one JSON object."""


def _finish(bars: Progress, task: TaskID) -> None:
    """Fills the bar of a step that is over; one that was not counted counts as one."""
    known = next(one for one in bars.tasks if one.id == task)
    total = known.total or 1
    bars.update(task, completed=total, total=total)


def _lines(screen: Console) -> Told:
    last: list[str] = []

    def told(step: str, done: int, total: int) -> None:
        if last[-1:] != [step]:
            last.append(step)
            screen.print(f"{step} ...")
        elif total > 0 and done == total:
            screen.print(f"{step}: {done}")

    return told
