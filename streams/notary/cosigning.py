"""Asks witnesses to cosign the log's checkpoints, and never waits for them longer than told.

Only decided checkpoints are shown to a witness: one that it cosigned can never be taken back. A
witness that is slow or away is asked again later, about the checkpoint of that moment.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import httpx
import structlog

from infra.settings import SettingsError
from streams.notary import metrics, notes, reading, tree, witnessing
from streams.notary.directory import LogUnavailable, Read
from streams.notary.notes import Checkpoint, Note, NoteInvalid, Signature, Verifier
from streams.notary.witnessing import AddCheckpoint

REQUEST_SECONDS: Final = 10.0
REST_SECONDS: Final = 5.0
"""How long a witness that failed is left alone."""
_TRIES: Final = 3
_MAX_ANSWER: Final = 65_536
_log = structlog.get_logger(__name__)


class _NotCosigned(Exception):
    """A witness did not cosign; the text says why."""


class Witness:
    """One witness as the log sees it: where it is asked, its key, and what it cosigned last."""

    def __init__(self, url: str, verifier: Verifier) -> None:
        self.verifier = verifier
        self._url = url.rstrip("/") + "/add-checkpoint"
        self._size = 0
        self._signed: tuple[str, Signature] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._rests_until = 0.0

    def signature(self, text: str) -> Signature | None:
        """Its cosignature of this checkpoint, once it has come."""
        return self._signed[1] if self._signed is not None and self._signed[0] == text else None

    def begin(
        self, client: httpx.AsyncClient, read: Read, note: Note, now: float
    ) -> asyncio.Task[None] | None:
        """Asks about a checkpoint, unless it has cosigned it, is being asked, or rests."""
        busy = self._asking is not None and not self._asking.done()
        if self.signature(note.text) is None and not busy and now >= self._rests_until:
            self._asking = asyncio.create_task(self._ask(client, read, note))
        return self._asking

    async def stop(self) -> None:
        """Gives up what is under way."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking

    async def _ask(self, client: httpx.AsyncClient, read: Read, note: Note) -> None:
        try:
            checkpoint = notes.parse_checkpoint(note)
            signature = await self._cosigned(client, read, note, checkpoint)
        except (_NotCosigned, LogUnavailable, NoteInvalid, httpx.HTTPError, OSError) as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            metrics.WITNESS_FAILURES.labels(self.verifier.name).inc()
            why = str(error) or type(error).__name__
            _log.warning("witness did not cosign", witness=self.verifier.name, why=why)
        else:
            self._size, self._signed = checkpoint.size, (note.text, signature)
            metrics.COSIGNED_SIZE.labels(self.verifier.name).set(checkpoint.size)

    async def _cosigned(
        self, client: httpx.AsyncClient, read: Read, note: Note, checkpoint: Checkpoint
    ) -> Signature:
        for _ in range(_TRIES):
            self._check_not_ahead(checkpoint)
            proof = await asyncio.to_thread(_proof, read, self._size, checkpoint.size)
            request = AddCheckpoint(self._size, proof, str(note).encode())
            answer = await client.post(self._url, content=witnessing.write_request(request))
            if answer.status_code == httpx.codes.OK:
                return self._signature_in(answer.content[:_MAX_ANSWER], note.text)
            if answer.status_code != witnessing.CONFLICT:
                raise _NotCosigned(f"it answered {answer.status_code}")
            told = answer.text.strip()
            if not (told.isascii() and told.isdigit() and len(told) < 19):  # noqa: PLR2004 - 63 bits
                raise _NotCosigned("its conflict names no size")
            if int(told) == self._size:
                raise _NotCosigned("it cosigned ANOTHER TREE of this size: the log has forked")
            self._size = int(told)
        raise _NotCosigned("what it keeps changes each time")

    def _check_not_ahead(self, checkpoint: Checkpoint) -> None:
        if self._size > checkpoint.size:
            ahead, self._size = self._size, 0
            raise _NotCosigned(
                f"it has cosigned {ahead} leaves and the log has {checkpoint.size}: the log was "
                "put back or has forked"
            )

    def _signature_in(self, answer: bytes, text: str) -> Signature:
        """Its one signature in the answer, checked; signatures of unknown keys are ignored."""
        note = notes.parse_note(text.encode() + b"\n" + answer)
        if note.text != text or self.verifier not in note.signed_by([self.verifier]):
            raise _NotCosigned("its answer has no signature of its key")
        mine = (self.verifier.name, self.verifier.key_id)
        return next(one for one in note.signatures if (one.name, one.key_id) == mine)


class Cosigners:
    """All witnesses of one log, whose files `read` gives."""

    def __init__(
        self,
        read: Read,
        witnesses: Sequence[Witness] = (),
        *,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._witnesses = witnesses
        self._clock = clock
        self._client = client or httpx.AsyncClient(timeout=REQUEST_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for witness in self._witnesses:
            await witness.stop()
        await self._client.aclose()

    async def cosigned(self, note: Note, seconds: float) -> Note:
        """The note with every cosignature that is there after at most `seconds`.

        The log's own signatures stay: there are two while one key takes over from another.
        """
        now = self._clock()
        asked = [one.begin(self._client, self._read, note, now) for one in self._witnesses]
        running = [task for task in asked if task is not None and not task.done()]
        if running and seconds > 0:
            await asyncio.wait(running, timeout=seconds)
        found = [one.signature(note.text) for one in self._witnesses]
        asked_of = {(one.verifier.name, one.verifier.key_id) for one in self._witnesses}
        own = [one for one in note.signatures if (one.name, one.key_id) not in asked_of]
        return Note(note.text, (*own, *(one for one in found if one is not None)))


def witnesses_from(text: str | None) -> list[Witness]:
    """The witnesses of `DPP_LOG_WITNESSES`: an address, a space, a key; several with commas.

    Raises:
        SettingsError: it has another form.
    """
    found: list[Witness] = []
    for part in (text or "").split(","):
        url, _, vkey = part.strip().partition(" ")
        if not part.strip():
            continue
        try:
            verifier = notes.parse_verifier(vkey.strip())
        except NoteInvalid as error:
            raise SettingsError(f"A key in DPP_LOG_WITNESSES is wrong: {error}.") from None
        if verifier.kind != notes.COSIGNATURE or not url.startswith(("http://", "https://")):
            raise SettingsError(
                "DPP_LOG_WITNESSES names each witness by address, a space and the key that dpp "
                "witness vkey prints."
            )
        found.append(Witness(url, verifier))
    return found


def _proof(read: Read, old: int, new: int) -> tuple[bytes, ...]:
    return tree.consistency_proof(old, new, reading.nodes(read, new)) if old else ()
