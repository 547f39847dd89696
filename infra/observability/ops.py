"""The operator's endpoints of a process without an API of its own: /livez, /readyz, /metrics.

`/livez` touches nothing, so an orchestrator restarts only what hangs. `/readyz` says which part is
not ready, why, and since when.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.http1 import StrictProtocol

Readiness = Callable[[], tuple[bool, Mapping[str, object]]]


class QuietServer(uvicorn.Server):
    """uvicorn that leaves signals to the process it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def ops_app(ready: Readiness) -> Starlette:
    """The three endpoints."""

    async def livez(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        ok, detail = ready()
        return JSONResponse({"ready": ok, **detail}, status_code=200 if ok else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
    )


async def serve_ops(host: str, port: int, ready: Readiness, stop: asyncio.Event) -> None:
    """Serves the three endpoints until `stop` is set.

    Raises:
        OSError: the port is taken.
    """
    await serve_app(ops_app(ready), host, port, stop)


async def serve_app(app: Starlette, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves a small app until `stop` is set.

    Raises:
        OSError: the port is taken.
    """
    server = QuietServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=StrictProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
        )
    )
    serving = asyncio.create_task(server.serve())
    await asyncio.wait(
        {serving, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    server.should_exit = True
    await serving
