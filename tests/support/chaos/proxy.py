"""A way to the database that can be cut just when a transaction is committed."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The message by which psycopg commits."""
_CHUNK: Final = 65_536


class Proxy:
    """Passes connections on to a server; entered, it listens on `port`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._target = port
        self._arrives: bool | None = None
        self._cut = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        """Listens on a free port."""
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cut_at_commit(self, *, arrives: bool) -> None:
        """Returns once a connection was cut at its COMMIT; whether that `arrives` at the server."""
        self._cut.clear()
        self._arrives = arrives
        await self._cut.wait()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # The server looks into how a connection ended, and takes a cancelled one for a fault.
        with suppress(asyncio.CancelledError):
            await self._between(near, back)

    async def _between(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, forth = await asyncio.open_connection(self._host, self._target)
        except OSError:
            back.close()
            return
        ways = [
            asyncio.create_task(self._pass(near, forth, watched=True)),
            asyncio.create_task(self._pass(far, back, watched=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()
            forth.close()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, watched: bool
    ) -> None:
        while data := await source.read(_CHUNK):
            if watched and self._arrives is not None and data.endswith(_COMMIT):
                arrives, self._arrives = self._arrives, None
                if arrives:
                    sink.write(data)
                    await sink.drain()
                self._cut.set()
                return
            sink.write(data)
            await sink.drain()
