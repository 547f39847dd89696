"""`dpp quality` for operators, against the real broker and database."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from consumers.cli.main import app
from consumers.cli.parts import run_keeper
from consumers.quality import silence
from consumers.quality.silence import Stale
from consumers.stack.stack import migration_sources
from infra.embedded.processes import free_ports
from infra.kafka import producer, reader
from infra.migrations import migrate
from infra.postgres import connect, pool
from infra.settings import Settings
from projections.health import ProjectionHealth
from projections.positions import PositionWaiter
from projections.runner import run_projections
from projections.shells import quality_projection
from schemas.dispensation import REGISTER
from schemas.envelope import Envelope
from schemas.model import Model
from schemas.partitioning import partition_for
from schemas.publisher import Contract, ContractEnded, Enrolled, PublisherFact
from schemas.receipts import (
    GAP_NOTICED,
    RECEIPT,
    GapNoticed,
    Issue,
    LineOutcome,
    Receipt,
    SubmissionRef,
)
from schemas.sealing import b64encode
from schemas.topics import DISPENSATION_RECEIPTS, PUBLISHER_REGISTERED
from streams.intake.keys import SigningKey
from streams.intake.office import publisher_record

pytestmark = pytest.mark.integration

HEARD, NEVER, ENDED, BEHIND = "31400086", "31400185", "31400284", "31400383"
DGUID = "0f8fad5b-d9cb-069f-0165-70867728950e"
TOPIC = DISPENSATION_RECEIPTS.name
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Office:
    """Settings with a database and an office key of the test's own."""

    settings: Settings
    key: SigningKey

    async def state(self, fact: PublisherFact) -> None:
        record = publisher_record(self.key, fact, datetime.now(UTC))
        async with producer(self.settings) as sender:
            await sender.send(
                PUBLISHER_REGISTERED.name, record.value, key=record.key, headers=record.headers
            )

    async def enrol(self, *numbers: str) -> None:
        contract = Contract(event_types=(REGISTER,), valid_from=datetime.now(UTC) - 90 * DAY)
        for number in numbers:
            key = SigningKey.generate("1").enrolment(number)
            await self.state(
                Enrolled(publisher=number, publisher_kind="pharmacy", key=key, contract=contract)
            )

    async def write(self, *events: tuple[str, Model]) -> None:
        """Appends outputs of the quality stage, as if to submissions behind all others."""
        partition = partition_for(HEARD.encode(), await self.partitions())
        base = await self.end(partition)
        async with producer(self.settings) as sender:
            for ordinal, (type_, body) in enumerate(events):
                extensions = {"sourceoffset": str(base), "sourceordinal": str(ordinal)}
                headers = Envelope(
                    f"quality/{partition}/{base}/{ordinal}",
                    "/quality",
                    type_,
                    datetime.now(UTC),
                    extensions=extensions,
                ).headers()
                await sender.send(
                    TOPIC, body.write(), key=HEARD.encode(), headers=headers, partition=partition
                )

    async def partitions(self) -> int:
        async with reader(self.settings) as log:
            return len(await log.partitions(TOPIC))

    async def end(self, partition: int) -> int:
        async with reader(self.settings) as log:
            ends = await log.end_offsets(await log.partitions(TOPIC))
        return next(end for one, end in ends.items() if one.partition == partition)

    async def project(self) -> None:
        stop, dsn = asyncio.Event(), self.settings.dsn
        running = asyncio.create_task(
            run_projections(
                self.settings,
                stop=stop,
                health=ProjectionHealth(),
                projections=[quality_projection()],
            )
        )
        async with reader(self.settings) as log, pool(dsn) as connections:
            waiter = PositionWaiter(dsn, connections)
            await waiter.start()
            for one, end in (await log.end_offsets(await log.partitions(TOPIC))).items():
                await waiter.wait("quality", TOPIC, one.partition, end, 20)
            await waiter.stop()
        stop.set()
        await asyncio.wait({running})

    async def dpp(self, *command: str) -> tuple[int, str]:
        done = await asyncio.to_thread(
            CliRunner().invoke, app, ["quality", *command], env=self.settings.environment()
        )
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.output

    async def asked(self, *command: str) -> tuple[int, dict[str, Any]]:
        code, text = await self.dpp(*command, "--json")
        return code, json.loads(text)


@pytest.fixture
async def office(topics_applied: Settings, fresh_database: str) -> Office:
    key = SigningKey.generate("office")
    settings = topics_applied.model_copy(
        update={
            "postgres_dsn": SecretStr(fresh_database),
            "office_public_key": b64encode(key.public_bytes),
        }
    )
    await migrate(migration_sources(settings)[:1])
    return Office(settings, key)


def refused_submission(at: datetime, sequence: int, pharmacy: str = HEARD) -> Receipt:
    issue = Issue(
        code="CNK_INVALID",
        severity="reject",
        scope="line",
        fault_class="FUNCTIONAL",
        path="/lines/0/product/cnk",
    )
    return Receipt(
        outcome="partial",
        submission=SubmissionRef(
            partition=0,
            offset=1_000_000 + sequence,
            appended_at=at,
            id=f"id-{sequence}",
            source=f"/pharmacies/{pharmacy}",
            epoch="e",
            sequence=sequence,
        ),
        lines=(
            LineOutcome(path="/lines/0", dguid=DGUID, outcome="rejected", issues=(issue,)),
            LineOutcome(path="/lines/1", dguid=DGUID, outcome="recorded", score=100),
        ),
    )


async def test_the_operators_commands_tell_of_silence_gaps_counts_and_refusals(
    office: Office,
) -> None:
    await office.enrol(HEARD, NEVER, ENDED)
    await office.state(ContractEnded(publisher=ENDED, ends_at=datetime.now(UTC), reason="closed"))
    now = datetime.now(UTC)
    await office.write(
        (GAP_NOTICED, GapNoticed(publisher=HEARD, epoch="e", first=1, last=2)),
        (RECEIPT, refused_submission(now - timedelta(minutes=2), 3)),
        (RECEIPT, refused_submission(now, 4)),
    )
    await office.project()

    found = await silence.ask(office.settings, days=7, at=now + 8 * DAY)
    assert {one.pharmacy: one.last_seen is None for one in found.silent} == {
        HEARD: False,
        NEVER: True,
    }
    assert found.expected == 2
    never = next(one for one in found.silent if one.last_seen is None)
    at = never.expected_since + 8 * DAY
    (only,) = (await silence.ask(office.settings, days=8, at=at)).silent
    assert only.pharmacy == NEVER, "it was enrolled before the other one submitted"

    code, told = await office.asked("silent", "--days", "21,7")
    assert (code, told["expected"], told["thresholds"], told["silent"]) == (
        0,
        2,
        {"7": 0, "21": 0},
        [],
    )
    code, told = await office.asked("gaps")
    assert code == 1
    assert [(one["first"], one["last"], one["current"]) for one in told["gaps"]] == [(1, 2, True)]
    code, told = await office.asked("stats", "--pharmacy", HEARD)
    assert (code, told["overview"]["refused"]) == (0, {"CNK_INVALID": 2})
    assert told["overview"]["scores"] == {"100": 2}
    assert told["gaps"]["numbers"] == 2
    paged = ("refused", "--pharmacy", HEARD, "--limit", "1")
    code, first = await office.asked(*paged, "--code", "cnk_invalid")
    _, second = await office.asked(*paged, "--after", first["next"])
    assert [page["refused"][0]["sequence"] for page in (first, second)] == [4, 3]
    assert (code, second["next"]) == (0, None)
    assert first["refused"][0]["dguid"] == "*950e"
    assert DGUID not in json.dumps([first, second])
    await a_keeper_shows_it(office)
    for command in ("stats", "gaps", "refused"):
        _, text = await office.dpp(command)
        assert HEARD in text


async def a_keeper_shows_it(office: Office) -> None:
    (port,) = free_ports(1)
    settings = office.settings.model_copy(update={"metrics_port": port})
    stop = asyncio.Event()
    running = asyncio.create_task(run_keeper(settings, stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        async with asyncio.timeout(120):
            while not await is_ready(client):  # noqa: ASYNC110 - asked over HTTP, as operators do
                await asyncio.sleep(0.05)
        shown = (await client.get("/metrics")).text
    stop.set()
    await running
    assert "dpp_quality_expected_pharmacies 2.0" in shown
    assert 'dpp_quality_silent_pharmacies{days="7"} 0.0' in shown
    assert "dpp_quality_never_heard_pharmacies 1.0" in shown
    assert 'dpp_quality_open_gaps{epoch="current"} 1.0' in shown
    assert 'dpp_quality_missing_numbers{epoch="current"} 2.0' in shown


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def test_silence_is_not_told_from_a_projection_that_is_behind_or_stands_still_bad(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "CATCH_UP_SECONDS", 0.1)
    now = datetime.now(UTC)
    await office.write((RECEIPT, refused_submission(now, 5, BEHIND)))
    with pytest.raises(Stale, match="is behind the log"):
        await silence.ask(office.settings, days=7, at=now)
    async with connect(office.settings.dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO projection_failure (projection, category, topic)"
            " VALUES ('quality', 'unknown_type', %s)",
            (TOPIC,),
        )
    with pytest.raises(Stale, match=r"stands still \(unknown_type\)"):
        await silence.ask(office.settings, days=7, at=now)
