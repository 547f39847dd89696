"""The witness over HTTP: statuses and bodies of the protocol, and never two histories."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.witness.app import WitnessService, witness_app
from consumers.witness.known import KnownLogs
from consumers.witness.store import WitnessStore, WitnessStoreBroken
from streams.notary import notes, tree, witnessing
from streams.notary.notes import Checkpoint, Note
from streams.notary.witnessing import AddCheckpoint
from tests.support.audit_log import KEY as KEY_OF_LOG
from tests.support.audit_log import LOG, NEXT, NEXT_KEY, ORIGIN, signed
from tests.unit.streams.notary.test_witnessing import FORKED, HASHES, nodes, request, root

NAME = "witness.example/w1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = notes.verifier(NAME, KEY, notes.COSIGNATURE)
SECONDS = 1_795_000_000


@pytest.fixture
def service(tmp_path: Path) -> WitnessService:
    store = WitnessStore(tmp_path / "witness.sqlite")
    return WitnessService(NAME, KEY, store, KnownLogs([LOG]), lambda: SECONDS)


async def post(service: WitnessService, body: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(app=witness_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://witness.test") as client:
        return await client.post("/add-checkpoint", content=body)


async def ask(
    service: WitnessService, old: int, size: int, hashes: list[bytes] = HASHES
) -> httpx.Response:
    return await post(service, witnessing.write_request(request(old, size, hashes)))


def cosigners(answer: httpx.Response, size: int, hashes: list[bytes] = HASHES) -> Sequence[object]:
    note = signed(size, root(size, hashes)) + answer.content
    return notes.parse_note(note).signed_by([LOG, WITNESS])


async def test_a_checkpoint_that_continues_is_cosigned_with_the_time(
    service: WitnessService,
) -> None:
    for old, size in ((0, 20), (20, 20), (20, 50)):
        answer = await ask(service, old, size)
        assert answer.status_code == 200
        assert cosigners(answer, size) == (LOG, WITNESS)
    [line] = answer.text.splitlines()
    [signature] = notes.parse_note(b"text\n\n" + line.encode() + b"\n").signatures
    assert int.from_bytes(signature.value[:8]) == SECONDS


async def test_what_auditors_demand_is_there_once_the_witness_has_cosigned(
    service: WitnessService,
) -> None:
    answer = await ask(service, 0, 20)
    note = signed(20, root(20)) + answer.content
    assert notes.open_checkpoint(note, LOG, [WITNESS], needed=1).size == 20


async def test_a_conflict_tells_the_size_that_is_kept_bad(service: WitnessService) -> None:
    await ask(service, 0, 20)
    answer = await ask(service, 0, 50)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "text/x.tlog.size"
    assert answer.content == b"20\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nonsense", 400),
        (b"old 0\n\nno note", 400),
        (witnessing.write_request(request(30, 20)), 400),
        (b"x" * 70_000, 413),
        (
            witnessing.write_request(
                AddCheckpoint(0, (), signed(9, root(9)).replace(b"dpp.", b"app."))
            ),
            404,
        ),
        (
            witnessing.write_request(
                AddCheckpoint(
                    0,
                    (),
                    str(
                        Note(
                            Checkpoint(ORIGIN, 9, root(9)).text,
                            (notes.sign("another text\n", ORIGIN, Ed25519PrivateKey.generate()),),
                        )
                    ).encode(),
                )
            ),
            403,
        ),
        (witnessing.write_request(AddCheckpoint(0, (bytes(32),), signed(9, root(9)))), 422),
    ],
)
async def test_other_requests_get_the_protocols_status_bad(
    service: WitnessService, body: bytes, status: int
) -> None:
    answer = await post(service, body)
    assert answer.status_code == status
    assert service.store.kept(ORIGIN) is None


async def test_only_post_is_taken_bad(service: WitnessService) -> None:
    transport = httpx.ASGITransport(app=witness_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://witness.test") as client:
        assert (await client.get("/add-checkpoint")).status_code == 405
        assert (await client.post("/other")).status_code == 404


@pytest.mark.parametrize(("old", "size"), [(30, 30), (30, 50)])
async def test_a_forked_history_gets_no_cosignature_and_is_kept_as_proof_bad(
    service: WitnessService, old: int, size: int
) -> None:
    """Signed with the log's own key: whoever stole it cannot show two histories."""
    await ask(service, 0, 30)
    answer = await ask(service, old, size, FORKED)
    assert answer.status_code in (409, 422)
    assert "\u2014" not in answer.text
    assert service.store.kept(ORIGIN) == Checkpoint(ORIGIN, 30, root(30))
    assert service.store.misbehaviour(ORIGIN) == [signed(size, root(size, FORKED))]
    assert (await ask(service, 30, 50)).status_code == 200


async def test_a_key_of_the_log_counts_alone_no_more_once_its_successor_has_signed_bad(
    service: WitnessService, tmp_path: Path
) -> None:
    """Whoever has stolen the former key gets no cosignature, not even for what would continue."""
    rotating = replace(service, logs=KnownLogs([LOG, NEXT]))

    async def asked(old: int, size: int, *keys: Ed25519PrivateKey) -> int:
        proof = request(old, size).proof
        note = signed(size, root(size), *keys[1:], key=keys[0])
        body = witnessing.write_request(AddCheckpoint(old, proof, note))
        return (await post(rotating, body)).status_code

    assert await asked(0, 20, KEY_OF_LOG) == 200
    assert await asked(20, 30, KEY_OF_LOG, NEXT_KEY) == 200
    assert await asked(30, 40, KEY_OF_LOG) == 403
    assert len(service.store.misbehaviour(ORIGIN)) == 1
    rotating = replace(rotating, store=WitnessStore(tmp_path / "witness.sqlite"))
    assert await asked(30, 40, KEY_OF_LOG) == 403
    # What was asked for before and comes late is no sign of a thief.
    assert await asked(20, 25, KEY_OF_LOG) == 403
    assert len(service.store.misbehaviour(ORIGIN)) == 1
    assert await asked(30, 40, NEXT_KEY) == 200


async def test_of_two_histories_that_race_one_is_cosigned(service: WitnessService) -> None:
    await ask(service, 0, 20)
    answers = await asyncio.gather(
        *(ask(service, 20, size, hashes) for size in range(21, 41) for hashes in (HASHES, FORKED))
    )
    assert {answer.status_code for answer in answers} <= {200, 409, 422}
    last = service.store.kept(ORIGIN)
    assert last is not None
    for size in range(21, 41):
        for hashes, answer in zip((HASHES, FORKED), answers[(size - 21) * 2 :], strict=False):
            if answer.status_code == 200:
                assert root(last.size, hashes) == last.root


async def test_a_broken_store_is_a_503_and_signs_nothing_bad(
    service: WitnessService, tmp_path: Path
) -> None:
    (tmp_path / "witness.sqlite").write_bytes(b"no database at all, but long enough to be read")
    answer = await ask(service, 0, 20)
    assert answer.status_code == 503
    assert "\u2014" not in answer.text


def test_another_file_is_no_store_bad(tmp_path: Path) -> None:
    file = tmp_path / "witness.sqlite"
    file.write_bytes(b"no database at all, but long enough to be read")
    with pytest.raises(WitnessStoreBroken, match="nothing is cosigned"):
        WitnessStore(file)


def test_swapping_is_one_step_between_many_who_try(tmp_path: Path) -> None:
    file = tmp_path / "witness.sqlite"
    first = Checkpoint(ORIGIN, 1, root(1))
    assert WitnessStore(file).swap(None, first, LOG)
    assert not WitnessStore(file).swap(None, Checkpoint(ORIGIN, 2, root(2)), LOG)
    won: list[int] = []

    def attempt(size: int) -> None:
        if WitnessStore(file).swap(first, Checkpoint(ORIGIN, size, root(size)), LOG):
            won.append(size)

    threads = [threading.Thread(target=attempt, args=(size,)) for size in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert WitnessStore(file).kept(ORIGIN) == Checkpoint(ORIGIN, won[0], root(won[0]))


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    kept = Checkpoint(ORIGIN, 30, root(30))
    WitnessStore(tmp_path / "w").swap(None, kept, LOG)
    assert WitnessStore(tmp_path / "w").kept(ORIGIN) == kept
    assert WitnessStore(tmp_path / "w").kept("another.example") is None


def test_the_trees_of_this_module_differ_where_they_should() -> None:
    assert tree.root_of(20, nodes(HASHES)) == tree.root_of(20, nodes(FORKED))
    assert root(21) != root(21, FORKED)
