"""The transparency log for whoever asks: its public files, its entries for auditors, and proofs.

Checkpoint and tiles are public. Who is given entries is recorded before they are answered. A proof
goes to whom the record belongs: the pharmacy of a receipt, the patient of an access.
"""

import asyncio
import gzip
from typing import Final

from fastapi import Response
from pydantic import BaseModel

from consumers.api import audit, metrics, operators
from consumers.api.audit import Decision, recording
from consumers.api.callers import Caller
from consumers.api.operators import Operator
from consumers.api.ports import Dependencies
from consumers.api.problems import Problem, unavailable
from consumers.api.receipts import pharmacy_of
from consumers.api.settling import access_policy, settle
from consumers.api.tokens import Principal
from consumers.audit.prove import Proven
from projections.access import Permit, window_end, window_start
from schemas.audit import LOG_READ, LogRead, RequestParameters, Window
from schemas.envelope import Envelope
from schemas.keyvault import SubjectSecret
from schemas.sealing import b64encode
from schemas.sealing.facts import access_associated_data, access_keys, seal
from schemas.topics import ACCESS_AUDITED, DISPENSATION_RECEIPTS
from streams.notary import notes, tiles
from streams.notary.directory import CHECKPOINT, LogFileMissing
from streams.notary.handover import HANDOVERS
from streams.notary.tiles import HEIGHT, WIDTH, Tile

_CHECKPOINT_TYPE: Final = "text/plain; charset=utf-8"
_FILE_TYPE: Final = "application/octet-stream"
_FRESH: Final = "no-cache"
_FOR_EVER: Final = "max-age=31536000, immutable"


class ProofAnswer(BaseModel):
    """A C2SP tlog-proof and the leaf that it proves: `dpp audit check` needs both, and the key."""

    index: int
    proof: str
    leaf: str
    """The leaf's bytes in base64url."""


async def checkpoint(deps: Dependencies) -> Response:
    """The last checkpoint.

    Raises:
        Problem: 404, the log has none yet.
    """
    data = await _file(deps, CHECKPOINT)
    return Response(data, media_type=_CHECKPOINT_TYPE, headers={"Cache-Control": _FRESH})


async def handovers(deps: Dependencies) -> Response:
    """The handovers of the log's key.

    Raises:
        Problem: 404, it has had one key so far.
    """
    data = await _file(deps, HANDOVERS)
    return Response(data, media_type=_CHECKPOINT_TYPE, headers={"Cache-Control": _FRESH})


async def tile(deps: Dependencies, path: str) -> Response:
    """A tile.

    Raises:
        Problem: 404, the published tree has none there.
    """
    wanted = await _place(deps, f"tile/{path}", of_bundle=False)
    data = await _file(deps, wanted.path)
    return Response(data, media_type=_FILE_TYPE, headers={"Cache-Control": f"public, {_FOR_EVER}"})


async def entries(deps: Dependencies, principal: Principal, path: str, accepted: str) -> Response:
    """An entry bundle, once it is recorded who is given it; `accepted` are content codings.

    Raises:
        Problem: 403 another role, 404 no such bundle, 503 the record of it could not be written.
    """
    auditor = await operators.identify(deps.vault, principal, "auditor")
    wanted = await _place(deps, f"tile/entries/{path}", of_bundle=True)
    data = await _file(deps, tiles.bundle_path(wanted.index, wanted.width))
    await _record(deps, auditor, wanted)
    headers = {"Cache-Control": f"private, {_FOR_EVER}", "Vary": "Accept-Encoding, Authorization"}
    if "gzip" in accepted:
        data = await asyncio.to_thread(gzip.compress, data, 1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(data, media_type=_FILE_TYPE, headers=headers)


async def prove_receipt(deps: Dependencies, principal: Principal, receipt: str) -> ProofAnswer:
    """The proof of one of the pharmacy's own receipts or notices, named by its cursor.

    Raises:
        Problem: 403 another role, 404 no such receipt of this pharmacy, 503 not logged yet.
    """
    pharmacy, offset = pharmacy_of(principal), int(receipt)
    rows = await deps.store.receipts(pharmacy=pharmacy, after=offset - 1, limit=1)
    if not rows or rows[0].offset != offset:
        raise Problem(404, "not-found")
    topic = DISPENSATION_RECEIPTS.name
    found = await deps.logged.prove(topic, deps.log.partition_of(topic, pharmacy.encode()), offset)
    return _answer(found)


async def prove_access(deps: Dependencies, caller: Caller, access: str) -> ProofAnswer:
    """The proof of an entry of the patient's own access log; asking is itself such an entry.

    Raises:
        Problem: 404 no such entry of this patient, 503 not logged yet, stale or not recorded.
    """
    subject = caller.pseudonym
    settled = await settle(deps, [subject])
    now = deps.clock()
    version, policy = access_policy(deps, now)
    window = Window(start=window_start(now, policy.access_log_months), end=window_end(now))
    facts = await deps.store.access_facts(subject=subject, at=now)
    place = await deps.store.access_place(subject=subject, ce_id=access)
    found = None if place is None else await deps.logged.prove(ACCESS_AUDITED.name, *place)
    decision = Decision(
        caller=caller,
        purpose="access_log",
        outcome=Permit("own_data", (), "patient", window.start, window.end, ()),
        parameters=RequestParameters(endpoint="/v1/me/access-log/proof", window=window),
        policy_version=version.version,
        decided_at=now,
        positions=settled,
        subject=subject,
        generation=facts.generation,
        rows=0 if found is None else 1,
    )
    await audit.record(deps, [decision])
    if place is None:
        raise Problem(404, "not-found")
    return _answer(found)


def _answer(found: Proven | None) -> ProofAnswer:
    if found is None:
        raise unavailable("not-logged-yet")
    return ProofAnswer(index=found.index, proof=found.proof.decode(), leaf=b64encode(found.entry))


async def _file(deps: Dependencies, path: str) -> bytes:
    try:
        return await deps.logged.read(path)
    except LogFileMissing:
        raise Problem(404, "not-found") from None


async def _place(deps: Dependencies, path: str, *, of_bundle: bool) -> Tile:
    """The tile, or the bundle's, at a path; nothing that no published checkpoint covers.

    What lies beyond the checkpoint may be written again with other leaves after a crash, and would
    be kept for ever by whoever was given it.
    """
    parsed = tiles.parse_path(path)
    if parsed is None or parsed[1] is not of_bundle:
        raise Problem(404, "not-found")
    note = notes.parse_note(await _file(deps, CHECKPOINT))
    size, wanted = notes.parse_checkpoint(note).size, parsed[0]
    if wanted.index * WIDTH + wanted.width > size >> HEIGHT * wanted.level:
        raise Problem(404, "not-found")
    return wanted


async def _record(deps: Dependencies, auditor: Operator, bundle: Tile) -> None:
    async with recording(deps):
        secrets = await deps.vault.reader_secrets({auditor.pseudonym})
        ce_id, now = deps.new_id(), deps.clock()
        envelope = Envelope(id=ce_id, source="/api", type=LOG_READ, time=now)
        event = LogRead(
            reader=auditor.pseudonym,
            read_at=now,
            first_leaf=bundle.index * WIDTH,
            leaves=bundle.width,
            sealed_reader=_sealed(secrets[auditor.pseudonym], ce_id, auditor.principal),
        )
        await deps.log.append(
            ACCESS_AUDITED.name,
            key=auditor.pseudonym.encode(),
            headers=envelope.headers(),
            value=event.write(),
        )
    metrics.DECISIONS.labels(auditor.principal.role, "log_entries", "permit").inc()


def _sealed(secret: SubjectSecret, ce_id: str, principal: Principal) -> str:
    associated = access_associated_data(
        type_=LOG_READ, subject=secret.subject, generation=secret.generation
    )
    keys = access_keys(secret.secret, "reader")
    return seal(keys, ce_id, associated, operators.identity(principal).write())
