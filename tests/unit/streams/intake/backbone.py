"""A backbone in memory: opens sessions and seals as the real one does, and answers with receipts.

It judges only what a publisher can get wrong: sessions, seals, numbers and replays. Everything in a
readable submission is accepted, unless a test says otherwise.
"""

import json
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx

from consumers.api.tokens import TokenVerifier, Unauthenticated
from schemas.dispensation import RegisterBody, SubmittedLine, SubmittedPatient
from schemas.envelope import Envelope, EnvelopeFault, parse
from schemas.model import Model
from schemas.publisher import BackboneKeyPublished, SessionOpened
from schemas.receipts import Issue, LineOutcome, Original, Outcome, Receipt, SubmissionRef
from schemas.sealing import SealBroken, b64encode
from schemas.sealing.session import intake_public_bytes, unseal_session_key, verify_session
from schemas.sealing.submission import unseal
from streams.intake import Letter, MedicinalProduct, Page, Place, Posology, SigningKey, WireRecord
from streams.intake.office import publisher_record
from streams.intake.tokens import AUDIENCE
from streams.intake.transports import TransportUnavailable, read_letter

PHARMACY = "80000551"
NISS = "85000000138"
CNK = "1234582"
INTAKE_PRIVATE = bytes(range(96))
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
Fault = Literal["down", "ack_lost"]


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def visit(dguid: str = "0" * 8, lines: int = 1, text: str = "1 x daags") -> RegisterBody:
    """A visit with invented identifiers."""
    return RegisterBody(
        sguid=f"{dguid}-0000-4000-8000-000000000000",
        patient=SubmittedPatient(niss=NISS),
        delivered_at=START,
        lines=tuple(
            SubmittedLine(
                dguid=f"{dguid}-0000-4000-8000-{number:012d}",
                product=MedicinalProduct(cnk=CNK),
                units=1,
                posology=Posology(text=text),
            )
            for number in range(1, lines + 1)
        ),
    )


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record in the log, and what its seal showed."""

    record: WireRecord
    envelope: Envelope
    body: bytes | None

    @property
    def sequence(self) -> int:
        return int(self.envelope.extensions["sequence"])


@dataclass
class FakeBackbone:
    """One pharmacy's partition: log, sessions and letters."""

    key: SigningKey
    office: SigningKey = field(default_factory=lambda: SigningKey.generate("office-1"))
    clock: Clock = field(default_factory=Clock)
    log: list[Arrived] = field(default_factory=list)
    sessions: dict[str, tuple[SessionOpened, bytes]] = field(default_factory=dict)
    letters: list[tuple[str, bytes]] = field(default_factory=list)
    refusals: deque[str] = field(default_factory=deque)
    """Codes that refuse the next submissions before their seal is looked at."""
    rejections: deque[str] = field(default_factory=deque)
    """Codes that refuse the next submissions for their content."""
    used: dict[tuple[str, int], tuple[str, bytes, Receipt]] = field(default_factory=dict)

    def intake_record(self) -> WireRecord:
        published = BackboneKeyPublished(
            key_id="intake-1",
            purpose="intake",
            public_key=b64encode(intake_public_bytes(INTAKE_PRIVATE)),
        )
        return publisher_record(self.office, published, START)

    def active_key(self, publisher: str, key_id: str, at: datetime) -> bytes | None:  # noqa: ARG002 - a port
        known = (publisher, key_id) == (PHARMACY, self.key.key_id)
        return self.key.public_bytes if known else None

    def open_session(self, record: WireRecord) -> Place:
        opened = SessionOpened.read(record.value)
        verify_session(opened, self.key.public_bytes)
        assert record.key.decode() == opened.session
        key = unseal_session_key(opened, INTAKE_PRIVATE)
        self.sessions.setdefault(opened.session, (opened, key))
        return Place(0, len(self.sessions) - 1)

    def append(self, record: WireRecord) -> Place:
        envelope = parse(record.headers)
        assert not isinstance(envelope, EnvelopeFault)
        assert envelope.source == f"/pharmacies/{PHARMACY}"
        place = Place(2, len(self.log))
        body = self._unsealed(record, envelope)
        self.log.append(Arrived(record, envelope, body))
        self.tell("receipt", self._receipt(envelope, body, place))
        return place

    def tell(self, kind: str, letter: Model) -> None:
        self.letters.append((kind, letter.write()))

    def _unsealed(self, record: WireRecord, envelope: Envelope) -> bytes | None:
        opened, key = self.sessions.get(envelope.extensions["sessionid"], (None, b""))
        if self.refusals or opened is None or opened.not_after < self.clock():
            return None
        try:
            return unseal(key, record.key, record.headers, record.value)
        except SealBroken:
            return None

    def _receipt(self, envelope: Envelope, body: bytes | None, place: Place) -> Receipt:
        ref = SubmissionRef(
            partition=place.partition, offset=place.offset, appended_at=self.clock()
        )
        if body is None:
            code = self.refusals.popleft() if self.refusals else "SESSION_EXPIRED"
            return Receipt(outcome="rejected", submission=ref, issues=(_issue(code),))
        sequence = int(envelope.extensions["sequence"])
        epoch = envelope.extensions["publisherepoch"]
        ref = ref.model_copy(
            update={"id": envelope.id, "sequence": sequence, "epoch": epoch, "digest": "AA"}
        )
        earlier = self.used.get((epoch, sequence))
        if earlier is not None:
            return _replayed(ref, earlier, (envelope.id, body))
        receipt = self._judged(ref, envelope, body)
        self.used[(epoch, sequence)] = (envelope.id, body, receipt)
        return receipt

    def _judged(self, ref: SubmissionRef, envelope: Envelope, body: bytes) -> Receipt:
        issues = (_issue(self.rejections.popleft()),) if self.rejections else ()
        outcome: Outcome = "rejected" if issues else "accepted"
        return Receipt(outcome=outcome, submission=ref, issues=issues, lines=_lines(envelope, body))

    def after(self, cursor: str | None) -> list[tuple[str, str, bytes]]:
        start = -1 if cursor is None else int(cursor)
        return [
            (kind, str(offset), body)
            for offset, (kind, body) in enumerate(self.letters)
            if offset > start
        ]

    def answer(self, request: httpx.Request) -> httpx.Response:  # noqa: PLR0911 - one per address
        """The API's answer to a request, as `httpx.MockTransport` asks for it."""
        verifier = TokenVerifier(
            issuers=(), publishers=self, audience=AUDIENCE, clock=lambda: datetime.now(UTC)
        )
        try:
            verifier.verify(request.headers["authorization"].removeprefix("Bearer "))
        except Unauthenticated:
            return httpx.Response(401, json={"code": "unauthenticated"})
        match request.url.path:
            case "/v1/keys/intake":
                return httpx.Response(200, json={"keys": [_view(self.intake_record())]})
            case "/v1/publisher/sessions":
                return _place(self.open_session(_record(request, None)))
            case "/v1/submissions":
                return _place(self.append(_record(request, PHARMACY)))
            case "/v1/receipts/search":
                return self._search(json.loads(request.content))
            case "/v1/receipts/stream":
                return self._stream(request.headers.get("last-event-id"))
            case _:
                return httpx.Response(404, json={"code": "not-found"})

    def _search(self, form: dict[str, object]) -> httpx.Response:
        after, limit = form.get("after"), form["limit"]
        assert isinstance(limit, int)
        found = self.after(after if isinstance(after, str) else None)
        shown = [
            {"kind": kind, "cursor": cursor, "body": json.loads(body)}
            for kind, cursor, body in found[:limit]
        ]
        answer = {"receipts": shown, "next": "0", "more": len(found) > limit}
        return httpx.Response(200, json=answer)

    def _stream(self, last: str | None) -> httpx.Response:
        events = [
            f"id: {cursor}\nevent: {kind}\ndata: ".encode() + body + b"\n\n"
            for kind, cursor, body in self.after(last)
        ]
        content = b": connected\n\n" + b"".join(events)
        return httpx.Response(200, content=content, headers={"content-type": "text/event-stream"})


class FakeTransport:
    """A `Transport` to a backbone in memory, with faults that a test puts in."""

    def __init__(self, backbone: FakeBackbone) -> None:
        self.backbone = backbone
        self.down = False
        self.faults: deque[Fault | None] = deque()
        """What happens to the next submissions."""
        self.closed = False

    def _reach(self) -> None:
        if self.down:
            raise TransportUnavailable("The backbone does not answer (test).")

    async def intake_key(self) -> BackboneKeyPublished:
        self._reach()
        return BackboneKeyPublished.read(self.backbone.intake_record().value)

    async def open_session(self, record: WireRecord) -> Place:
        self._reach()
        return self.backbone.open_session(record)

    async def submit(self, record: WireRecord) -> Place:
        self._reach()
        fault = self.faults.popleft() if self.faults else None
        if fault == "down":
            raise TransportUnavailable("The backbone does not answer (test).")
        place = self.backbone.append(record)
        if fault == "ack_lost":
            raise TransportUnavailable("The acknowledgement is lost (test).")
        return place

    async def receipts(self, after: str | None) -> Page:
        self._reach()
        found = self.backbone.after(after)
        letters = tuple(read_letter(kind, cursor, body) for kind, cursor, body in found[:3])
        return Page(letters, more=len(found) > 3)

    async def follow(self, after: str | None) -> AsyncGenerator[Letter, None]:
        self._reach()
        for kind, cursor, body in self.backbone.after(after):
            yield read_letter(kind, cursor, body)

    async def close(self) -> None:
        self.closed = True


def _issue(code: str) -> Issue:
    return Issue(code=code, severity="reject", scope="message", fault_class="FUNCTIONAL", path="")


def _lines(envelope: Envelope, body: bytes) -> tuple[LineOutcome, ...]:
    found = json.loads(body)
    lines = found.get("lines", [found])
    version = 1 if "register" in envelope.type else lines[0]["replaces"] + 1
    return tuple(
        LineOutcome(path="", dguid=line["dguid"], outcome="recorded", version=version)
        for line in lines
    )


def _replayed(
    ref: SubmissionRef, earlier: tuple[str, bytes, Receipt], claim: tuple[str, bytes]
) -> Receipt:
    *same, first = earlier
    if tuple(same) != claim:
        return Receipt(outcome="rejected", submission=ref, issues=(_issue("SEQUENCE_REUSED"),))
    original = Original(offset=first.submission.offset, outcome=first.outcome, lines=first.lines)
    return Receipt(outcome="duplicate", submission=ref, original=original)


def _view(record: WireRecord) -> dict[str, object]:
    return {
        "key": b64encode(record.key),
        "headers": {name: value.decode() for name, value in record.headers},
        "value": b64encode(record.value),
    }


def _record(request: httpx.Request, key: str | None) -> WireRecord:
    headers = tuple(
        (name.replace("ce-", "ce_", 1), value.encode())
        for name, value in request.headers.items()
        if name == "content-type" or name.startswith("ce-")
    )
    found = key or json.loads(request.content)["session"]
    return WireRecord(found.encode(), headers, request.content)


def _place(place: Place) -> httpx.Response:
    return httpx.Response(202, json={"partition": place.partition, "offset": place.offset})
