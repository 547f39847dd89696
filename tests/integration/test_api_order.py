"""The order of a read on real servers: under load, with projections stalled, with servers failing.

One backbone serves all of it. A patient gives and withdraws consent while a doctor reads all the
time; whatever the doctor is answered must fit what had been acknowledged when the read began.
"""

import asyncio
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from consumers.stack.stack import Stack
from infra.kafka import Partition, reader
from infra.settings import Settings, load_settings
from schemas.audit import ACCESS_DECIDED, AccessDecided
from schemas.topics import ACCESS_AUDITED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ANN, DOCTOR = "85000000138", "10000106001"
READERS, TURNS = 6, 8
WITHIN = 60.0
DOCTOR_PARTY = {"party_kind": "professional", "number": DOCTOR}
EVIDENCE = {"proof": "eidreading", "reference": "592000000000"}


@dataclass(frozen=True)
class Done:
    """Something asked, and when; `what` is a status of a read, or the kind of a registration."""

    what: int | str
    began: float
    ended: float


@dataclass
class Watched:
    """A patient and a doctor at one API, and everything that they were answered."""

    client: httpx.AsyncClient
    patient: str
    doctor: str
    reads: list[Done] = field(default_factory=list)
    turns: list[Done] = field(default_factory=list)

    async def ask(self, path: str, token: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post(path, json=body, headers=headers)

    async def read(self) -> httpx.Response:
        began = time.monotonic()
        answer = await self.ask("/v1/patients/history", self.doctor, {"patient": ANN})
        self.reads.append(Done(answer.status_code, began, time.monotonic()))
        return answer

    async def turn(self, kind: str) -> None:
        """Registers; asked again under one key until it is acknowledged."""
        began, key = time.monotonic(), uuid.uuid4().hex
        headers = {"Authorization": f"Bearer {self.patient}", "Idempotency-Key": key}
        async with asyncio.timeout(WITHIN):
            while True:
                answer = await self.client.post(
                    "/v1/registrations", json={"kind": kind}, headers=headers
                )
                if answer.status_code == 201:
                    break
                assert answer.status_code in (202, 503), answer.text
        self.turns.append(Done(kind, began, time.monotonic()))

    async def until_read(self, status: int) -> None:
        """Reads until it is answered so; what comes before may only be a 503."""
        async with asyncio.timeout(WITHIN):
            while (found := (await self.read()).status_code) != status:
                assert found == 503


@asynccontextmanager
async def watched(stack: Stack) -> AsyncIterator[Watched]:
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=120) as client:

        async def token(**person: str) -> str:
            answer = await client.post("/dev/token", json=person)
            return str(answer.raise_for_status().json()["access_token"])

        made = Watched(
            client,
            await token(role="patient", niss=ANN),
            await token(role="caregiver", nihdi=DOCTOR, profession="physician"),
        )
        link = {"kind": "declare_link", "patient": ANN, "party": DOCTOR_PARTY}
        link |= {"link_type": "consultation", "evidence": EVIDENCE}
        assert (await made.ask("/v1/registrations", made.doctor, link)).status_code == 201
        yield made


def forbidden(reads: list[Done], turns: list[Done]) -> list[Done]:
    """Reads whose answer does not fit what was acknowledged before they began.

    Between the acknowledgement of one turn and the request of the next, only one answer is right;
    a read that lies across a turn may have either.
    """
    found = []
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        right = 200 if turn.what == "give_consent" else 403
        for one in reads:
            inside = one.began >= turn.ended and (following is None or one.ended < following.began)
            # Nothing at all is never wrong.
            if inside and one.what not in (right, 503):
                found.append(one)
    return found


def test_the_checker_finds_a_read_that_was_too_late() -> None:
    turns = [Done("give_consent", 0, 1), Done("withdraw_consent", 4, 5)]
    fine = [Done(200, 2, 3), Done(403, 6, 7), Done(200, 3.5, 4.5), Done(200, 4.9, 6)]
    assert forbidden(fine, turns) == []
    for wrong in (Done(200, 5, 6), Done(403, 1, 2)):
        assert forbidden([*fine, wrong], turns) == [wrong]


async def _under_load(world: Watched) -> None:
    over = asyncio.Event()

    async def keep_reading() -> None:
        while not over.is_set():
            await world.read()

    async def keep_turning() -> None:
        for _ in range(TURNS):
            for kind in ("give_consent", "withdraw_consent"):
                await world.turn(kind)
                # At least one read lies wholly between two turns.
                await world.read()
        over.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(keep_turning())
        for _ in range(READERS):
            group.create_task(keep_reading())
    assert forbidden(world.reads, world.turns) == []
    assert {200, 403} <= {one.what for one in world.reads}


async def _with_projections_stalled(world: Watched, stack: Stack) -> None:
    await world.turn("give_consent")
    assert (await world.read()).status_code == 200
    stack.parts["projections"].send(signal.SIGSTOP)
    try:
        await world.turn("withdraw_consent")
        answers = await asyncio.gather(*(world.read() for _ in range(3)))
        assert {one.status_code for one in answers} == {503}
        assert {one.json()["code"] for one in answers} == {"position-timeout"}
    finally:
        stack.parts["projections"].send(signal.SIGCONT)
    await world.until_read(403)


async def _with_the_broker_stalled(world: Watched, broker: int) -> None:
    """A read that is under way when the broker stops is given up without an answer."""
    await world.turn("give_consent")
    assert (await world.read()).status_code == 200
    os.kill(broker, signal.SIGSTOP)
    try:
        answers = await asyncio.gather(*(world.read() for _ in range(3)))
        assert {one.status_code for one in answers} == {503}
    finally:
        os.kill(broker, signal.SIGCONT)
    await world.until_read(200)


async def _with_the_database_crashing(world: Watched, settings: Settings) -> None:
    """One backend is killed, so the server drops every connection and recovers, under reads."""
    over = asyncio.Event()

    async def keep_reading() -> None:
        while not over.is_set():
            assert (await world.read()).status_code in (200, 503)

    async with asyncio.TaskGroup() as group:
        for _ in range(READERS):
            group.create_task(keep_reading())
        async with await psycopg.AsyncConnection.connect(settings.dsn) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("SELECT 1")
        over.set()
    await world.until_read(200)
    await world.turn("withdraw_consent")
    await world.until_read(403)


async def _audited(settings: Settings) -> Counter[str]:
    """How often the doctor was decided about, by outcome, from the log."""
    found: Counter[str] = Counter()
    async with reader(settings) as broker:
        ends = await broker.end_offsets(await broker.assign_all(ACCESS_AUDITED.name))
        while _behind(await broker.positions(), ends):
            for records in (await broker.poll(timeout=0.2)).values():
                for record in records:
                    if dict(record.headers)["ce_type"] == ACCESS_DECIDED.encode():
                        event = AccessDecided.read(record.value or b"")
                        found[event.decision] += event.role == "caregiver"
    return found


def _behind(positions: dict[Partition, int], ends: dict[Partition, int]) -> bool:
    return any(positions[one] < end for one, end in ends.items())


def _answered(world: Watched) -> Counter[str]:
    words = {200: "permit", 403: "deny"}
    return Counter(words[int(one.what)] for one in world.reads if one.what in words)


async def test_what_was_acknowledged_before_a_read_is_respected_whatever_fails(
    tmp_path: Path,
) -> None:
    settings = load_settings(
        data=tmp_path, api_port=0, dev_issuer=True, log_format="json", api_position_seconds=1.5
    )
    async with Stack(settings) as stack, watched(stack) as world:
        await _under_load(world)
        given_up = sum(one.what == 503 for one in world.reads)
        recorded, answered = await _audited(stack.settings), _answered(world)
        assert recorded == answered or given_up

        await _with_projections_stalled(world, stack)
        broker = int((stack.settings.data / "kafka" / "broker.pid").read_text())
        await _with_the_broker_stalled(world, broker)
        await _with_the_database_crashing(world, stack.settings)

        # No answer without its event; what was given up may have left one behind.
        recorded, answered = await _audited(stack.settings), _answered(world)
        assert all(recorded[word] >= count for word, count in answered.items())
