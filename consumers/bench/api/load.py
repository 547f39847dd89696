"""Readers at the API: each sends its next request when it has the answer of the one before.

Plain HTTP/1.1 over a connection that stays, since a client library would use as much of the
processor as the API.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.errors import InfrastructureError

PATH: Final = "/v1/patients/history"
_OK: Final = 200


class Unanswered(InfrastructureError):
    """The API answered otherwise than it must while it is measured."""


@dataclass(slots=True)
class Answers:
    """Seconds of every answer, and how long it all took."""

    seconds: list[float] = field(default_factory=list)
    took: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.took

    def quantile(self, share: float) -> float:
        """Milliseconds within which so large a share was answered."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader: a token, and the patients to ask about."""

    token: str = field(repr=False)
    patients: Sequence[str] = field(repr=False)

    def request(self, host: str, patient: str) -> bytes:
        """A request as it goes over the wire."""
        body = json.dumps({"patient": patient}).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def answer(source: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body of one answer.

    Raises:
        Unanswered: the connection ended, or the answer has no length.
    """
    try:
        head = await source.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        (length,) = (
            line.partition(b":")[2] for line in lines if line.startswith(b"content-length")
        )
        return int(head.split(b" ", 2)[1]), head, await source.readexactly(int(length))
    except (asyncio.IncompleteReadError, ValueError):
        raise Unanswered("The API ended a connection while it was measured.") from None


async def read_for(
    host: str, port: int, readers: Sequence[Reader], seconds: float, warm_up: float = 0.0
) -> Answers:
    """All readers at once, for so long; what is answered in the warm-up does not count.

    Raises:
        Unanswered: a read was refused or broken off.
    """
    found = Answers()
    begin = time.perf_counter() + warm_up
    until = begin + seconds

    def count(started: float, ended: float) -> None:
        if started >= begin:
            found.seconds.append(ended - started)

    await asyncio.gather(*(_read(host, port, one, until, count) for one in readers))
    found.took = time.perf_counter() - begin
    return found


async def _read(
    host: str, port: int, reader: Reader, until: float, count: Callable[[float, float], None]
) -> None:
    rng = random.Random(reader.token)  # noqa: S311 - which patient comes next is no secret
    source, sink = await asyncio.open_connection(host, port)
    try:
        while (started := time.perf_counter()) < until:
            sink.write(reader.request(f"{host}:{port}", rng.choice(reader.patients)))
            status, _, body = await answer(source)
            if status != _OK:
                raise Unanswered(f"The API answered {status} while it was measured: {body[:200]!r}")
            count(started, time.perf_counter())
    finally:
        sink.close()
