"""The log asks witnesses, takes what comes in time, and is never held up or misled by one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.witness.app import WitnessService, witness_app
from consumers.witness.known import KnownLogs
from consumers.witness.store import WitnessStore
from infra.settings import SettingsError
from streams.notary import notes
from streams.notary.cosigning import Cosigners, Witness, witnesses_from
from streams.notary.directory import LogDirectory
from streams.notary.notes import Checkpoint, Note
from tests.support.audit_log import LOG, NEXT, NEXT_KEY, ORIGIN, entry, grow, signed
from tests.unit.consumers.witness.test_app import KEY, NAME, SECONDS, WITNESS

PATIENCE = 20.0


class Log:
    """A log on disk that grows, and one witness of it behind HTTP."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.checkpoint: Checkpoint | None = None
        self.service = WitnessService(
            NAME, KEY, WitnessStore(folder / "w.sqlite"), KnownLogs([LOG]), lambda: SECONDS
        )
        self.app = witness_app(self.service)

    def grow(self, count: int, value: bytes = b"sealed") -> Note:
        start = self.checkpoint.size if self.checkpoint else 0
        leaves = [entry(number, value=value) for number in range(start, start + count)]
        self.checkpoint = grow(self.folder / "log", leaves, self.checkpoint)
        return notes.parse_note(signed(self.checkpoint.size, self.checkpoint.root))

    def cosigners(
        self, *, app: Starlette | None = None, now: list[float] | None = None
    ) -> Cosigners:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app or self.app))
        witness = Witness("http://witness.test/", WITNESS)
        clock = (lambda: now[0]) if now else (lambda: 0.0)
        read = LogDirectory(self.folder / "log").read
        return Cosigners(read, [witness], client=client, clock=clock)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.fixture
async def cosigners(log: Log) -> AsyncIterator[Cosigners]:
    async with log.cosigners() as made:
        yield made


def demanded(note: Note) -> Checkpoint:
    return notes.open_checkpoint(str(note).encode(), LOG, [WITNESS], needed=1)


async def test_a_growing_log_is_cosigned_at_every_checkpoint(
    log: Log, cosigners: Cosigners
) -> None:
    for count in (1, 299, 700, 20):
        note = await cosigners.cosigned(log.grow(count), PATIENCE)
        assert log.checkpoint is not None
        assert demanded(note) == log.checkpoint


async def test_a_log_that_was_restarted_learns_what_the_witness_keeps(log: Log) -> None:
    for count in (300, 40):
        async with log.cosigners() as begun_anew:
            note = await begun_anew.cosigned(log.grow(count), PATIENCE)
        assert demanded(note) == log.checkpoint


async def test_a_proof_is_made_although_the_log_has_grown_meanwhile(
    log: Log, cosigners: Cosigners
) -> None:
    demanded(await cosigners.cosigned(log.grow(100), PATIENCE))
    earlier = log.grow(100)
    log.grow(400)
    assert demanded(await cosigners.cosigned(earlier, PATIENCE)).size == 200


async def test_a_forked_log_is_not_cosigned_bad(log: Log, tmp_path: Path) -> None:
    async with log.cosigners() as honest:
        demanded(await honest.cosigned(log.grow(300), PATIENCE))
    fork = Log(tmp_path / "fork")
    for count in (300, 50):
        async with fork.cosigners(app=log.app) as thief:
            note = await thief.cosigned(fork.grow(count, b"forged"), PATIENCE)
        assert len(note.signatures) == 1
    assert len(log.service.store.misbehaviour(ORIGIN)) == 2


async def test_a_log_that_was_put_back_is_not_cosigned_bad(log: Log, tmp_path: Path) -> None:
    async with log.cosigners() as honest:
        demanded(await honest.cosigned(log.grow(300), PATIENCE))
    old = Log(tmp_path / "old")
    async with old.cosigners(app=log.app) as restored:
        note = await restored.cosigned(old.grow(200), PATIENCE)
    assert len(note.signatures) == 1


class Slow:
    """A witness that answers when it is let go."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.asked = 0
        self.go = asyncio.Event()
        self.app = Starlette(routes=[Route("/add-checkpoint", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        body = await request.body()
        await self.go.wait()
        return self._log.service.add_checkpoint(body)


async def test_a_slow_witness_holds_nothing_up_and_its_cosignature_comes_later(log: Log) -> None:
    slow = Slow(log)
    async with log.cosigners(app=slow.app) as cosigners:
        note = log.grow(10)
        assert len((await cosigners.cosigned(note, 0.01)).signatures) == 1
        assert len((await cosigners.cosigned(note, 0)).signatures) == 1
        assert slow.asked == 1
        slow.go.set()
        assert demanded(await cosigners.cosigned(note, PATIENCE)).size == 10


async def test_what_is_under_way_is_given_up_at_the_end(log: Log) -> None:
    slow = Slow(log)
    async with log.cosigners(app=slow.app) as cosigners:
        await cosigners.cosigned(log.grow(10), 0.01)
    assert not slow.go.is_set()


def line_of(signature: notes.Signature) -> bytes:
    return f"{signature}\n".encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"garbage\n"),
        (200, line_of(notes.sign("text\n", "other.example", KEY))),
        (200, line_of(notes.cosign("text\n", NAME, KEY, 1))),
        (200, b"\n\n\xe2\x80\x94 a b\n"),
        (409, b"no size\n"),
        (409, b"0\n"),
        (409, b"1\n"),
        (409, b"99999999999999999999999\n"),
        (500, b""),
        (302, b""),
    ],
)
async def test_an_answer_that_cosigns_nothing_is_left_aside_for_a_while_bad(
    log: Log, status: int, body: bytes
) -> None:
    asked: list[int] = []

    async def answer(_: Request) -> Response:
        asked.append(1)
        return Response(body, status)

    app = Starlette(routes=[Route("/add-checkpoint", answer, methods=["POST"])])
    now = [0.0]
    async with log.cosigners(app=app, now=now) as cosigners:
        note = log.grow(10)
        assert len((await cosigners.cosigned(note, PATIENCE)).signatures) == 1
        times = len(asked)
        await cosigners.cosigned(note, PATIENCE)
        assert len(asked) == times
        now[0] = float("inf")
        await cosigners.cosigned(note, PATIENCE)
        assert len(asked) > times


async def test_both_signatures_of_the_log_stay_while_its_key_changes(
    log: Log, cosigners: Cosigners
) -> None:
    one = log.grow(10)
    both = Note(one.text, (*one.signatures, notes.sign(one.text, ORIGIN, NEXT_KEY)))
    for _ in range(2):
        both = await cosigners.cosigned(both, PATIENCE)
        assert both.signed_by([LOG, NEXT, WITNESS]) == (LOG, NEXT, WITNESS)
        assert len(both.signatures) == 3


async def test_without_witnesses_a_checkpoint_is_what_it_was(log: Log) -> None:
    note = log.grow(3)
    async with Cosigners(LogDirectory(log.folder).read) as nobody:
        assert await nobody.cosigned(note, PATIENCE) == note


def test_the_setting_names_addresses_and_keys() -> None:
    text = f"https://a.example/x {WITNESS}, http://b.example {WITNESS}"
    assert [one.verifier for one in witnesses_from(text)] == [WITNESS, WITNESS]
    assert witnesses_from(None) == witnesses_from("") == []


@pytest.mark.parametrize(
    "text", ["https://a.example", f"a.example {WITNESS}", f"https://a.example {LOG}", "x y z"]
)
def test_a_setting_of_another_form_is_told_bad(text: str) -> None:
    with pytest.raises(SettingsError, match="DPP_LOG_WITNESSES"):
        witnesses_from(text)
