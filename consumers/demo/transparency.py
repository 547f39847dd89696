"""What an auditor does with the demo's log: verify it, prove an access, notice an altered byte."""

import asyncio
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from consumers.audit.prove import Proven, at_place, prove
from consumers.audit.remote import HttpLog
from consumers.audit.verify import Memory, verify
from consumers.demo.checks import Checks
from consumers.stack.office import log_verifier
from consumers.witness.keeping import witness_verifier
from infra.kafka import Partition, partition_for, reader
from infra.keys.opening import opened_vault
from infra.settings import Settings
from schemas.sealing import b64decode
from schemas.sealing.pseudonym import subject_pseudonym
from schemas.topics import ACCESS_AUDITED
from streams.notary import leaf, notes, proofs, tiles
from streams.notary.directory import CHECKPOINT, LogDirectory, Read
from streams.notary.notes import NoteInvalid, Verifier
from streams.notary.opening import Demand, open_log

WAIT_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.2


async def transparency(settings: Settings, api_url: str, patient: str, checks: Checks) -> None:
    """Verifies the log, proves the newest access to a patient, and flips one byte of a copy.

    `api_url` is of an API with the development issuer on: over it an auditor verifies once more,
    and the patient is given a proof.
    """
    async with opened_vault(settings, maximum=1, listening=False) as vault:
        subject = subject_pseudonym(await vault.root_key("pseudonym"), patient)
    log = log_verifier(settings)
    proven = await _newest_access(settings, subject, log)
    opened = proofs.check(proofs.read(proven.proof), proven.entry, log)
    checks.expect("the newest access is proven in the log", True, opened.size > proven.index)
    record = leaf.decode(proven.entry)
    checks.expect("and it is of this patient", subject.encode(), record.key)
    witness = witness_verifier(settings)
    read = await _cosigned(LogDirectory(settings.log_folder).read, Demand(log, [witness], 1))
    found = await asyncio.to_thread(verify, read, log, Memory(), witnesses=[witness], needed=1)
    checks.expect("the whole log holds", None, found.fault and found.fault.sentence)
    signers = notes.parse_note(read(CHECKPOINT)).signed_by([witness])
    checks.expect("a witness has cosigned it", [witness.name], [one.name for one in signers])
    async with httpx.AsyncClient(base_url=api_url, timeout=60.0) as api:
        token = await _token(api, role="auditor")
        served = await asyncio.to_thread(_verified_over_http, f"{api_url}/log", token, log)
        checks.expect("it holds over HTTP too, for an auditor", None, served)
        index = await _given_to_the_patient(api, patient, log)
        checks.expect("the patient is given a proof that holds", True, index >= 0)
    altered = await asyncio.to_thread(_altered, settings.log_folder, log, proven.index)
    checks.expect("one altered byte is noticed, at its leaf", ("entry", proven.index), altered)


async def _cosigned(read: Read, demand: Demand) -> Read:
    """The log under a checkpoint of now with the cosignatures demanded, once they have come."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with suppress(NoteInvalid):
                note = (await asyncio.to_thread(open_log, read, demand)).note
                return lambda path: note if path == CHECKPOINT else read(path)
            await asyncio.sleep(_LOOK_SECONDS)


async def _token(api: httpx.AsyncClient, **claims: str) -> str:
    answer = await api.post("/dev/token", json=claims)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _verified_over_http(url: str, token: str, log: Verifier) -> str | None:
    with HttpLog(url, token) as remote:
        fault = verify(remote.read, log, Memory()).fault
    return None if fault is None else fault.sentence


async def _given_to_the_patient(api: httpx.AsyncClient, patient: str, log: Verifier) -> int:
    """The leaf of the newest entry of the patient's access log, by the proof that the API gives."""
    token = await _token(api, role="patient", niss=patient)
    headers = {"Authorization": f"Bearer {token}"}
    listed = await api.post("/v1/me/access-log", json={}, headers=headers)
    listed.raise_for_status()
    asked = {"access": listed.json()["accesses"][0]["id"]}
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            answer = await api.post("/v1/me/access-log/proof", json=asked, headers=headers)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(_LOOK_SECONDS)
    answer.raise_for_status()
    found = answer.json()
    proof, entry = proofs.read(found["proof"].encode()), b64decode(found["leaf"])
    proofs.check(proof, entry, log)
    return proof.index


async def _newest_access(settings: Settings, subject: str, log: Verifier) -> Proven:
    """Waits until the log has the last access decision of the subject's partition."""
    async with reader(settings) as reading:
        count = len(await reading.partitions(ACCESS_AUDITED.name))
        one = Partition(ACCESS_AUDITED.name, partition_for(subject.encode(), count))
        last = (await reading.end_offsets([one]))[one] - 1
    read = LogDirectory(settings.log_folder).read
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            found = await asyncio.to_thread(prove, read, log, at_place(*one, last))
            if found is not None:
                return found
            await asyncio.sleep(_LOOK_SECONDS)


def _altered(log_folder: Path, log: Verifier, index: int) -> tuple[str, int | None] | None:
    """What an auditor says of a copy in which one byte of that leaf's entry is another."""
    with tempfile.TemporaryDirectory(prefix="dpp-log-") as folder:
        copy = shutil.copytree(log_folder, Path(folder) / "log")
        size = notes.open_checkpoint((copy / "checkpoint").read_bytes(), log).size
        bundle, at = divmod(index, tiles.WIDTH)
        width = tiles.width_at(size, 0, bundle)
        file = copy / tiles.bundle_path(bundle, width)
        entries = tiles.unpack(file.read_bytes(), width)
        entries[at] = entries[at][:-1] + bytes([entries[at][-1] ^ 1])
        file.write_bytes(tiles.pack(entries))
        fault = verify(LogDirectory(copy).read, log, Memory()).fault
    return None if fault is None else (fault.kind, fault.leaf)
