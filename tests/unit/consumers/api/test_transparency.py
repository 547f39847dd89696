"""The log over HTTP: what is public, what is recorded before it is given, and who gets proofs."""

import gzip
import shutil
from pathlib import Path

import httpx
import pytest

from consumers.api.adapters import LoggedFiles
from consumers.audit.prove import Proven
from projections.quality_queries import ReceiptRow
from projections.queries import AccessLogRow
from schemas.audit import ACCESS_DECIDED, ReaderIdentity
from schemas.receipts import RECEIPT
from schemas.sealing import b64encode
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from schemas.topics import ACCESS_AUDITED, DISPENSATION_RECEIPTS
from streams.notary import leaf, proofs
from tests.support.audit_log import LOG, ORIGIN, entry, grow
from tests.unit.consumers.api.cast import ANN, BOB, NOW, PHARMACY
from tests.unit.consumers.api.world import World

SIZE = 300
PUBLIC = ("/log/checkpoint", "/log/tile/0/000", "/log/tile/0/001.p/44", "/log/tile/1/000.p/1")
BUNDLES = ("/log/tile/entries/000", "/log/tile/entries/001.p/44")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("log")
    grow(made, [entry(number) for number in range(SIZE)])
    return made


@pytest.fixture
def world(world: World, folder: Path) -> World:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    world.logged.files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    return world


async def get(
    world: World, path: str, token: str | None = None, *headers: tuple[str, str]
) -> httpx.Response:
    return await world.ask(path, token, method="GET", headers=headers)


@pytest.mark.parametrize("path", PUBLIC)
async def test_checkpoint_and_tiles_are_public_and_exactly_the_files(
    world: World, path: str
) -> None:
    answer = await get(world, path)
    assert answer.status_code == 200
    assert answer.content == world.logged.files[path.removeprefix("/log/")]
    assert world.log.appended == []


async def test_the_checkpoint_is_asked_anew_and_tiles_are_kept_for_ever(world: World) -> None:
    first = (await get(world, PUBLIC[0])).headers
    assert first["cache-control"] == "no-cache"
    assert first["content-type"] == "text/plain; charset=utf-8"
    for path in PUBLIC[1:]:
        headers = (await get(world, path)).headers
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert headers["content-type"] == "application/octet-stream"


async def test_the_handovers_of_its_key_are_public_once_there_are_any(world: World) -> None:
    assert (await get(world, "/log/handovers")).status_code == 404
    world.logged.files["handovers"] = b"as the notary wrote them"
    answer = await get(world, "/log/handovers")
    assert (answer.status_code, answer.content) == (200, b"as the notary wrote them")
    assert answer.headers["cache-control"] == "no-cache"
    assert world.log.appended == []


async def test_what_no_checkpoint_covers_is_not_given_out_bad(world: World) -> None:
    """After a crash it may be written again with other leaves, and caches keep it for ever."""
    for path in ("tile/0/001.p/45", "tile/0/001", "tile/entries/001.p/45", "tile/1/000.p/2"):
        world.logged.files[path] = b"written, and never signed for"
        assert (await get(world, f"/log/{path}", world.auditor())).status_code == 404
    assert world.log.appended == []


@pytest.mark.parametrize(
    "path",
    ["tile/0/7", "tile/0/000.p/256", "tile/0/../../keys/log.key", "tile/0/%2e%2e/x", "tile/9/000"],
)
async def test_another_path_is_a_404_bad(world: World, path: str) -> None:
    assert (await get(world, f"/log/{path}", world.auditor())).status_code == 404


async def test_a_log_without_a_checkpoint_is_a_404_bad(world: World) -> None:
    world.logged.files.clear()
    for path in (*PUBLIC, *BUNDLES):
        assert (await get(world, path, world.auditor())).status_code == 404


@pytest.mark.parametrize("path", BUNDLES)
async def test_entries_go_to_auditors_and_each_reading_is_recorded_first(
    world: World, path: str
) -> None:
    answer = await get(world, path, world.auditor(), ("Accept-Encoding", "identity"))
    assert answer.content == world.logged.files[path.removeprefix("/log/")]
    assert answer.headers["cache-control"].startswith("private, ")
    [event] = world.log.log_reads()
    assert (event.first_leaf, event.leaves) == ((0, 256) if path == BUNDLES[0] else (256, 44))
    [(_, key, headers, _)] = world.log.appended
    assert key == event.reader.encode()
    secret = (await world.vault.reader_secrets({event.reader}))[event.reader]
    type_, ce_id = dict(headers)["ce_type"].decode(), dict(headers)["ce_id"].decode()
    bound = access_associated_data(type_=type_, subject=secret.subject, generation=1)
    opened = unseal(access_keys(secret.secret, "reader"), ce_id, bound, event.sealed_reader)
    assert isinstance(opened, bytes)
    assert ReaderIdentity.read(opened).person == "auditor-7"


async def test_entries_are_compressed_for_who_takes_it(world: World) -> None:
    token = world.auditor()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=world.app), base_url="http://api.test"
    ) as client:
        request = client.build_request(
            "GET", BUNDLES[0], headers={"Authorization": f"Bearer {token}"}
        )
        raw = await client.send(request, stream=True)
        assert raw.headers["content-encoding"] == "gzip"
        packed = b"".join([chunk async for chunk in raw.aiter_raw()])
    assert gzip.decompress(packed) == world.logged.files["tile/entries/000"]


async def test_nobody_else_is_given_entries_bad(world: World) -> None:
    assert (await get(world, BUNDLES[0])).status_code == 401
    for token in (world.patient(), world.caregiver(), world.pharmacy(), world.token("operator")):
        assert (await get(world, BUNDLES[0], token)).status_code == 403
    assert world.log.appended == []


async def test_a_reading_that_cannot_be_recorded_is_not_answered_bad(world: World) -> None:
    world.log.down.add(ACCESS_AUDITED.name)
    answer = await get(world, BUNDLES[0], world.auditor())
    assert answer.status_code == 503
    assert answer.json()["code"] == "audit-unavailable"


def own_receipt(world: World, offset: int) -> None:
    world.store.letters = [
        ReceiptRow(type=RECEIPT, partition=0, offset=offset, ce_id="quality/0/1/0", body=b"{}")
    ]


async def test_a_pharmacy_gets_the_proof_of_its_receipt(world: World) -> None:
    own_receipt(world, 41)
    topic = DISPENSATION_RECEIPTS.name
    place = (topic, world.log.partition_of(topic, PHARMACY.encode()), 41)
    world.logged.proven[place] = Proven(7, b"the leaf", b"the proof")
    answer = await world.ask("/v1/receipts/proof", world.pharmacy(), {"receipt": "41"})
    assert answer.json() == {"index": 7, "proof": "the proof", "leaf": b64encode(b"the leaf")}


async def test_a_receipt_that_is_not_ones_own_is_a_404_bad(world: World) -> None:
    own_receipt(world, 41)
    for number in ("40", "42"):
        answer = await world.ask("/v1/receipts/proof", world.pharmacy(), {"receipt": number})
        assert answer.status_code == 404
    for token in (world.patient(), world.auditor(), world.pharmacist()):
        answer = await world.ask("/v1/receipts/proof", token, {"receipt": "41"})
        assert answer.status_code == 403
    assert "prove" not in world.trace


async def test_a_record_that_the_notary_has_not_reached_is_to_be_asked_again_bad(
    world: World,
) -> None:
    own_receipt(world, 41)
    answer = await world.ask("/v1/receipts/proof", world.pharmacy(), {"receipt": "41"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not-logged-yet")
    assert answer.headers["retry-after"]


async def add_access(world: World, ce_id: str) -> None:
    row = AccessLogRow(
        ce_id=ce_id,
        event_type=ACCESS_DECIDED,
        subject=await world.subject(ANN),
        generation=1,
        decision="deny",
        reason="no_link",
        basis=None,
        basis_refs=[],
        reader=await world.professional(),
        role="caregiver",
        profession="physician",
        organisation=None,
        on_behalf_of=None,
        purpose="history",
        decided_at=NOW,
        window_start=None,
        window_end=None,
        policy_version="access/1",
        rows=0,
        sealed_parameters=None,
        sealed_reader="",
    )
    world.store.accesses.append(row)


async def test_a_patient_gets_the_proof_of_an_access_and_the_asking_is_recorded(
    world: World,
) -> None:
    await add_access(world, "audit-1")
    world.logged.proven[ACCESS_AUDITED.name, 2, 0] = Proven(9, b"the leaf", b"the proof")
    body = {"access": "audit-1"}
    answer = await world.ask("/v1/me/access-log/proof", world.patient(), body)
    assert (answer.status_code, answer.json()["index"]) == (200, 9)
    [event] = world.log.audited()
    assert (event.purpose, event.rows, event.decision) == ("access_log", 1, "permit")
    assert world.trace.index("prove") < world.trace.index(f"append:{ACCESS_AUDITED.name}")


async def test_an_access_to_somebody_else_is_a_404_and_recorded_bad(world: World) -> None:
    await add_access(world, "audit-1")
    body = {"access": "audit-1"}
    answer = await world.ask("/v1/me/access-log/proof", world.patient(BOB), body)
    assert answer.status_code == 404
    assert [event.rows for event in world.log.audited()] == [0]
    answer = await world.ask("/v1/me/access-log/proof", world.pharmacy(), body)
    assert answer.status_code == 403


async def test_an_access_proof_that_cannot_be_recorded_is_not_given_bad(world: World) -> None:
    await add_access(world, "audit-1")
    world.log.down.add(ACCESS_AUDITED.name)
    body = {"access": "audit-1"}
    answer = await world.ask("/v1/me/access-log/proof", world.patient(), body)
    assert answer.status_code == 503


async def test_the_files_behind_it_prove_any_record_by_its_place(
    folder: Path, tmp_path: Path
) -> None:
    logged = LoggedFiles(folder, tmp_path / "places")
    for number in (0, 255, 299):
        found = await logged.prove("dpp.access.audited", number % 2, number // 2 * 3)
        assert found is not None
        assert leaf.decode(found.entry).value == b"sealed %d" % number
        read = proofs.read(found.proof)
        assert proofs.check(read, found.entry, LOG).size == SIZE
    assert await logged.prove("dpp.access.audited", 0, 1) is None
    assert (await logged.read("checkpoint")).startswith(ORIGIN.encode())


async def test_the_files_behind_it_are_read_before_the_notary_has_begun(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "log", ignore_errors=True)
    logged = LoggedFiles(tmp_path / "log", tmp_path / "places")
    assert await logged.prove("dpp.access.audited", 0, 0) is None
