"""The witness over HTTP: `POST add-checkpoint`, as C2SP tlog-witness says."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consumers.witness.known import KnownLogs
from consumers.witness.store import WitnessStore, WitnessStoreBroken
from streams.notary import notes, witnessing
from streams.notary.notes import NoteInvalid, Verifier
from streams.notary.witnessing import Accepted, Refused, RequestInvalid

MAX_BODY_BYTES: Final = 65_536
REQUESTS: Final = Counter("dpp_witness_requests", "Requests to cosign, by answer", ("status",))
MISBEHAVIOUR: Final = Counter(
    "dpp_witness_misbehaviour", "Signed checkpoints that do not continue what was cosigned"
)
_UNAVAILABLE: Final = 503
_TOO_LARGE: Final = 413
_log = structlog.get_logger("witness")


@dataclass(frozen=True)
class WitnessService:
    """A witness of the logs that it knows; `clock`: seconds since 1970."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    store: WitnessStore
    logs: KnownLogs
    clock: Callable[[], float]

    def add_checkpoint(self, body: bytes) -> Response:
        """The answer to one request; it cosigns only what is durable in the store.

        Raises:
            WitnessStoreBroken: nothing was signed.
        """
        try:
            request = witnessing.parse_request(body)
            origin = witnessing.origin_of(request)
        except (RequestInvalid, NoteInvalid) as error:
            return _refused(Refused(witnessing.BAD_REQUEST, str(error)))
        while True:
            kept, latest, known = self.store.kept(origin), self.store.signer(origin), self.logs.keys
            verdict = witnessing.decide(request, kept, known, latest)
            if self._is_unexplained(verdict, known.get(origin, ()), latest):
                if self.logs.learn(origin, known[origin]):
                    continue
                if not isinstance(verdict, Refused):
                    why = "since then a key of the log has signed that is not known here yet"
                    verdict = Refused(witnessing.UNTRUSTED, why)
            if isinstance(verdict, Refused):
                if verdict.misbehaviour and kept is not None:
                    self.store.keep_misbehaviour(request.note, kept)
                    MISBEHAVIOUR.inc()
                    _log.error("log misbehaves", origin=origin, kept=kept.size, why=verdict.why)
                return _refused(verdict)
            # Somebody who was quicker has changed what is kept: then it is decided anew.
            if self.store.swap(kept, verdict.checkpoint, verdict.signer):
                _log.info("cosigned", origin=origin, size=verdict.checkpoint.size)
                return self._cosignature(verdict.text)

    def _is_unexplained(
        self, verdict: Accepted | Refused, known: Sequence[Verifier], latest: Verifier | None
    ) -> bool:
        """Whether the log may have handed over to a key that is not known yet."""
        if not self.logs.follows or not known:
            return False
        if isinstance(verdict, Refused):
            return verdict.status == witnessing.UNTRUSTED
        return latest is not None and latest not in known

    def _cosignature(self, text: str) -> Response:
        line = notes.cosign(text, self.name, self.key, int(self.clock()))
        return PlainTextResponse(f"{line}\n")


def witness_app(service: WitnessService) -> Starlette:
    """The app; its one address is the protocol's."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            answer: Response = PlainTextResponse("the body is too large\n", _TOO_LARGE)
        else:
            try:
                answer = await asyncio.to_thread(service.add_checkpoint, body)
            except WitnessStoreBroken as error:
                _log.error("store broken", why=str(error))
                answer = PlainTextResponse("the witness's store is broken\n", _UNAVAILABLE)
        REQUESTS.labels(str(answer.status_code)).inc()
        return answer

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """The body; None if it is larger than any request needs to be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _refused(refused: Refused) -> Response:
    if refused.status == witnessing.CONFLICT:
        # Given as a header, since a text type would get a charset that the protocol has not.
        headers = {"Content-Type": witnessing.SIZE_TYPE}
        return Response(f"{refused.size}\n", refused.status, headers=headers)
    return PlainTextResponse(f"{refused.why}\n", refused.status)
