"""The publisher in plain calls, for software without asyncio: a thread of its own runs the loop."""

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from schemas.dispensation import CorrectBody, RegisterBody, RevokeBody
from streams.intake.outbox import Entry
from streams.intake.publisher import Answered, Flushed, Publisher, Status

_T = TypeVar("_T")


class PlainPublisherClosed(Exception):
    """A call outside the `with` block, or cut short by its end: open another publisher."""


class PlainPublisher:
    """`Publisher` with ordinary methods; use it in a `with` block, from any thread.

    It takes a `Publisher`, or any asynchronous context manager that gives one, which is entered in
    the loop's thread (for a Kafka producer, which must be started there).
    """

    def __init__(self, publisher: AbstractAsyncContextManager[Publisher]) -> None:
        self._context = publisher
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._publisher: Publisher | None = None

    def __enter__(self) -> Self:
        """Starts the thread and enters the publisher; what that raises passes through."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="dpp-publisher", daemon=True
        )
        self._thread.start()
        try:
            self._publisher = self._run(self._context.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for a running flush, closes the publisher and ends the thread."""
        if self._publisher is None:
            return
        try:
            self._run(self._context.__aexit__(kind, error, trace))
        finally:
            self._stop()

    def close(self) -> None:
        """The same as leaving the `with` block; a second time does nothing."""
        self.__exit__(None, None, None)

    def register(self, body: RegisterBody) -> Entry:
        """See `Publisher.register`."""
        return self._run(self._open.register(body))

    def correct(self, body: CorrectBody) -> Entry:
        """See `Publisher.correct`."""
        return self._run(self._open.correct(body))

    def revoke(self, body: RevokeBody) -> Entry:
        """See `Publisher.revoke`."""
        return self._run(self._open.revoke(body))

    def flush(self) -> Flushed:
        """See `Publisher.flush`."""
        return self._run(self._open.flush())

    def release(self) -> int:
        """See `Publisher.release`."""
        return self._run(self._open.release())

    def status(self) -> Status:
        """See `Publisher.status`."""
        return self._run(self._open.status())

    def receipts(self, after: str | None = None, *, follow: bool = False) -> Iterator[Answered]:
        """See `Publisher.receipts`; here it ends at the newest letter unless told to follow."""
        letters = self._open.receipts(after, follow=follow)
        try:
            while True:
                found = self._run(_next(letters))
                if found is None:
                    return
                yield found
        finally:
            if self._publisher is not None:
                self._run(letters.aclose())

    @property
    def _open(self) -> Publisher:
        if self._publisher is None:
            raise PlainPublisherClosed("The publisher is not open: use it inside a with block.")
        return self._publisher

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None:
            work.close()
            raise PlainPublisherClosed("The publisher was closed: open another one.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise PlainPublisherClosed("The publisher was closed meanwhile.") from None
        except BaseException:
            # Ctrl-C while waiting: the work must not go on behind the caller's back.
            future.cancel()
            raise

    def _stop(self) -> None:
        loop, thread, self._publisher = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        self._run(_wind_up())
        self._loop = self._thread = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _next(letters: AsyncGenerator[Answered, None]) -> Answered | None:
    return await anext(letters, None)


async def _wind_up() -> None:
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
