"""Readers at the API: each asks on as soon as it has an answer, or when its next read is due.

Plain HTTP/1.1 over a connection that stays, since a client library would use as much of the
processor as the API.
"""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field

from infra.errors import InfrastructureError

PATH: Final = "/v1/patients/history"
_OK: Final = 200


class Unanswered(InfrastructureError):
    """The API answered otherwise than it must while it is measured."""


class Answers(BaseModel):
    """Seconds of every answer, and how long it all took."""

    seconds: list[float] = []
    unasked: list[float] = []
    """How long reads had waited that were due and not asked when the time was over."""
    took: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.took

    def quantile(self, share: float) -> float:
        """Milliseconds within which so large a share was answered; what waited counts by that."""
        ordered = sorted(self.seconds + self.unasked)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Reader(BaseModel):
    """One reader: a token, and the patients to ask about."""

    token: str = Field(repr=False)
    patients: tuple[str, ...] = Field(repr=False)

    def request(self, host: str, patient: str) -> bytes:
        """A request as it goes over the wire."""
        body = json.dumps({"patient": patient}).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Load(BaseModel):
    """Who reads at the same time, for how long, and how often."""

    host: str
    port: int
    readers: tuple[Reader, ...]
    seconds: float
    per_second: float | None = None
    """Reads of all together that are due in a second; without it, each reads on at once."""


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


async def read_for(load: Load) -> Answers:
    """All readers at once, for so long.

    A read that is due counts from that moment, whatever became of the one before; if the time ends
    before it could be asked, it counts with what it has waited.

    Raises:
        Unanswered: a read was refused or broken off.
    """
    found = Answers()
    begin = time.perf_counter()
    every = len(load.readers) / load.per_second if load.per_second else None
    await asyncio.gather(
        *(
            _Reading(load, one, begin + at * (every or 0) / len(load.readers), found).run(
                every, begin + load.seconds
            )
            for at, one in enumerate(load.readers)
        )
    )
    found.took = time.perf_counter() - begin
    return found


@dataclass(slots=True)
class _Reading:
    """One reader at work; `due` is when the next read is."""

    load: Load
    reader: Reader
    due: float
    found: Answers

    async def run(self, every: float | None, until: float) -> None:
        rng = random.Random(self.reader.token)  # noqa: S311 - which patient is next is no secret
        host, port = self.load.host, self.load.port
        source, sink = await asyncio.open_connection(host, port)
        try:
            while (now := time.perf_counter()) < until and self.due < until:
                if every is not None and now < self.due:
                    await asyncio.sleep(self.due - now)
                started = now if every is None else self.due
                patient = rng.choice(self.reader.patients)
                sink.write(self.reader.request(f"{host}:{port}", patient))
                status, _, body = await answer(source)
                if status != _OK:
                    raise Unanswered(f"The API answered {status} while measured: {body[:200]!r}")
                self.found.seconds.append(time.perf_counter() - started)
                self.due += every or 0
            while every is not None and self.due < until:
                self.found.unasked.append(time.perf_counter() - self.due)
                self.due += every
        finally:
            sink.close()


async def read_elsewhere(load: Load) -> Answers:
    """As `read_for`, in a process of its own: what else is done here delays no answer.

    Raises:
        Unanswered: the process failed; the text is what it said.
    """
    command = (sys.executable, "-m", "consumers.bench.api.load")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    said, failed = await process.communicate(load.model_dump_json().encode())
    if process.returncode:
        raise Unanswered(failed.decode(errors="replace").strip().rpartition("\n")[2])
    return Answers.model_validate_json(said)


if __name__ == "__main__":
    answers = asyncio.run(read_for(Load.model_validate_json(sys.stdin.buffer.read())))
    sys.stdout.write(answers.model_dump_json())
