"""Who fills a version: this process alone, or several processes that share its partitions."""

import asyncio
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event as ProcessEvent
from types import ModuleType
from typing import Final

from infra.keys.opening import opened_vault
from infra.settings import Settings
from projections.batch import strict
from projections.building import Pace, fill
from projections.runner import batches_spared
from projections.shells import Projection, registered
from projections.store import Failure, Target

LOOK_SECONDS: Final = 0.2
"""How often a worker looks whether it shall stop."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Fills one version up to limits; `stop` ends it between batches."""

    settings: Settings
    projection: Projection
    target: Target
    stop: asyncio.Event
    set_aside: bool

    async def fill(
        self, limits: Mapping[int, int], *, workers: int, cap: float | None
    ) -> Failure | None:
        """Applies everything up to the limits, at most `cap` events a second in all.

        Answers the first event that a worker could not take over. With one worker the work is done
        in this process; others are processes with a vault of their own.

        Raises:
            Superseded, InfrastructureError, psycopg.Error: what was committed stays.
        """
        count = min(workers, len(limits))
        if count <= 1:
            allow = (lambda *_: True) if self.set_aside else strict
            return await fill(
                self.settings,
                self.projection,
                self.target,
                limits,
                stop=self.stop,
                pace=Pace(cap),
                may_set_aside=allow,
            )
        shares = [
            {one: limit for one, limit in limits.items() if one % count == number}
            for number in range(count)
        ]
        return await self._together(shares, None if cap is None else cap / count)

    async def _together(self, shares: list[dict[int, int]], cap: float | None) -> Failure | None:
        context = multiprocessing.get_context("spawn")
        told = context.Event()
        telling = asyncio.create_task(self._tell(told))
        loop = asyncio.get_running_loop()
        try:
            with ProcessPoolExecutor(
                len(shares), mp_context=context, initializer=_enter, initargs=(told,)
            ) as pool:
                with _main_left_out():
                    work = [
                        loop.run_in_executor(
                            pool, _share, self.settings, self.target, share, cap, self.set_aside
                        )
                        for share in shares
                    ]
                try:
                    found = await asyncio.gather(*work)
                finally:
                    told.set()
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        return next((one for one in found if one is not None), None)

    async def _tell(self, told: ProcessEvent) -> None:
        await self.stop.wait()
        told.set()


@contextmanager
def _main_left_out() -> Iterator[None]:
    """Lets a process that is begun meanwhile not import what this one was started with.

    It would do so although it needs nothing of it, and for the command line that takes three times
    as long as all else that a worker imports.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_told: list[ProcessEvent] = []
"""In a worker: what says that it shall stop."""


def _enter(told: ProcessEvent) -> None:
    # Whoever asked for the rebuild decides what an interruption means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _told.append(told)


def _share(
    settings: Settings,
    target: Target,
    limits: dict[int, int],
    cap: float | None,
    set_aside: bool,
) -> Failure | None:
    """A worker's part."""
    with batches_spared():
        return asyncio.run(_fill_share(settings, target, limits, cap, set_aside))


async def _fill_share(
    settings: Settings,
    target: Target,
    limits: dict[int, int],
    cap: float | None,
    set_aside: bool,
) -> Failure | None:
    stop = asyncio.Event()
    watching = asyncio.create_task(_watch(stop))
    try:
        async with opened_vault(settings) as vault:
            projection = next(one for one in registered(vault) if one.name == target.projection)
            return await fill(
                settings,
                projection,
                target,
                limits,
                stop=stop,
                pace=Pace(cap),
                may_set_aside=(lambda *_: True) if set_aside else strict,
            )
    finally:
        watching.cancel()


async def _watch(stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(LOOK_SECONDS)
        if _told[0].is_set():
            stop.set()
