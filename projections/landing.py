"""One commit under way while the next batch is read and folded; never two."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Landing:
    """Runs commits beside their caller, one after the other; leaving it ends what is under way.

    What a commit raises is raised by the next call.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Nothing is under way."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends a commit whose outcome nobody waits for; the stored position tells it later."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def begin(self, commit: Coroutine[Any, Any, None]) -> None:
        """Waits for the commit before, then lets this one run."""
        try:
            await self.done()
        except BaseException:
            commit.close()
            raise
        self._task = asyncio.create_task(commit)

    async def done(self) -> None:
        """Waits for the commit that is under way, if one is."""
        task = self._task
        if task is not None:
            try:
                await task
            finally:
                if task.done():
                    self._task = None
