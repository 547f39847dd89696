"""The stages under test: a small one of the tests' own, and quality control with its vault."""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from infra.keys.opening import opened_vault
from infra.settings import Settings
from schemas import topics
from schemas.dispensation import (
    CORRECT,
    RECORD_FACTS,
    REGISTER,
    REVOKE,
    LineContent,
    RevokedFact,
)
from schemas.identifiers import niss
from schemas.keyvault import PeriodSecret, SubjectSecret
from schemas.partitioning import partition_for
from schemas.receipts import RECEIPT, Receipt
from schemas.sealing.facts import record_associated_data, record_keys, unseal
from streams.engine.outputs import source_position
from streams.engine.stage import Output
from streams.intake.session import Attributes, seal_submission
from tests.support.chaos import counting, dispensing
from tests.support.chaos.checker import Acknowledged, Answer, History, Place, Submitted, Written
from tests.support.chaos.dispensing import Correcting, Intent, Line, Registering, Revoking, Unusable
from tests.support.chaos.ground import Ground
from tests.support.chaos.load import Outgoing
from tests.support.engine_stage import CountingStage, good
from tests.support.engine_world import LARGEST, incompressible, new_stage, read_to_end
from tests.support.quality_bench import line as line_body
from tests.support.quality_bench import revocation, visit

PARTITIONS: Final = topics.EMBEDDED_PARTITIONS
OVERSIZE: Final = 5_000_000
HOSTILE: Final[tuple[bytes | None, ...]] = (
    None,
    b"",
    b"\xff\xfe",
    b"[" * 40_000,
    incompressible(100_000),
    incompressible(OVERSIZE),
)
"""What no stage accepts: a tombstone, nothing, no text, too deep, too large, far too large."""
assert LARGEST > OVERSIZE


class Counting:
    """The small stage on topics of its own; what it answers is known to the byte."""

    kind: Final = "small"
    publishers: Final = tuple(f"publisher-{number}" for number in range(6))
    partitions: Final = PARTITIONS

    def __init__(self, settings: Settings, stage: CountingStage) -> None:
        self._settings = settings
        self._stage = stage
        self._sent: dict[str, int] = dict.fromkeys(self.publishers, 0)
        self.name = stage.name
        self.submitted = stage.submitted
        self.receipts = stage.receipts

    @classmethod
    async def new(cls, ground: Ground) -> "Counting":
        """On empty topics."""
        return cls(ground.settings, await new_stage(ground.settings, PARTITIONS))

    def draft(self, publisher: str, draw: random.Random) -> Sequence[Outgoing]:
        """A good submission mostly; sometimes one that cannot be decided, or a tombstone."""
        number = self._sent[publisher]
        self._sent[publisher] += 1
        value = draw.choices((good(number), b"{", None), (20, 1, 1))[0]
        key = publisher.encode()
        partition = partition_for(key, PARTITIONS)
        return (Outgoing(key, counting.signed(publisher, number), value, partition, number),)

    def hostile(self, partition: int, draw: random.Random) -> Outgoing:
        """A record of nobody."""
        key = draw.choice((None, b"", b"k", b"\xff" * 200_000))
        return Outgoing(key, (), _unusable(key, draw), partition)

    def refused(self, sent: Outgoing, place: Place) -> None:
        """The model answers for hostile records too."""

    async def history(self, told: Sequence[Acknowledged]) -> tuple[History, dict[Place, Answer]]:
        """To the byte."""
        log = await read_to_end(self._settings, self.submitted)
        outputs: defaultdict[int, list[Output]] = defaultdict(list)
        for topic in (self._stage.facts, self._stage.letters, self._stage.receipts):
            for number, records in (await read_to_end(self._settings, topic)).items():
                outputs[number] += [Output(topic, r.key, r.headers, r.value) for r in records]
        history = counting.history(self._stage, told, log, outputs)
        return history, counting.model(self._stage, log)


class Dispensing:
    """Quality control: sealed submissions of enrolled pharmacies; facts are opened and compared."""

    kind: Final = "quality"
    name: Final = "quality"
    submitted: Final = topics.DISPENSATION_SUBMITTED.name
    receipts: Final = topics.DISPENSATION_RECEIPTS.name
    partitions: Final = PARTITIONS

    def __init__(self, ground: Ground) -> None:
        self._settings = ground.settings
        self._sessions = ground.sessions
        self.publishers = tuple(ground.sessions)
        self._campaign = uuid.uuid4()
        self._epoch = self._campaign.hex
        self._numbers: dict[str, int] = dict.fromkeys(self.publishers, 0)
        self._meant: dict[str, Intent] = {}
        self._bodies: dict[str, dict[str, Any]] = {}
        self._own: dict[str, list[tuple[Line, int]]] = {one: [] for one in self.publishers}
        self._refused: dict[Place, Answer] = {}

    def draft(self, publisher: str, draw: random.Random) -> Sequence[Outgoing]:
        """A visit mostly; corrections, withdrawals, replays and mistakes between them."""
        own = self._own[publisher]
        kind = draw.choices(("visit", "correct", "revoke", "again", "unusable"), (12, 3, 2, 2, 1))[
            0
        ]
        if kind == "unusable":
            return self._sealed(publisher, REGISTER, b'{"sguid": 1}', Unusable(publisher))
        if kind == "visit" or not own:
            sent = self._visit(publisher, draw)
            # A message that comes again is its publisher's own doing, right after the first.
            return (*sent, *sent) if draw.random() < 0.05 else sent
        at = draw.randrange(len(own))
        known, version = own[at]
        replaces = version if draw.random() < 0.9 else version + 3
        if kind == "again":
            intent: Intent = Registering(publisher, (known,))
            return self._sealed(publisher, REGISTER, self._body(known), intent)
        if kind == "correct":
            line = Line(known.dguid, draw.randint(1, 9), known.visit)
            own[at] = (line, version + (replaces == version))
            body = self._body(line, replaces=replaces)
            return self._sealed(publisher, CORRECT, body, Correcting(publisher, line, replaces))
        stays = {name: self._bodies[known.visit][name] for name in ("sguid", "patient")}
        body = {**revocation(replaces=replaces), **stays, "dguid": known.dguid}
        return self._sealed(publisher, REVOKE, body, Revoking(publisher, known.dguid, replaces))

    def hostile(self, partition: int, draw: random.Random) -> Outgoing:
        """What no pharmacy has sealed, under any key."""
        key = draw.choice((None, b"12345", self.publishers[0].encode(), b"\xff" * 200_000))
        headers = draw.choice(((), (("ce_sourceoffset", b"7"), ("content-type", b"x"))))
        return Outgoing(key, headers, _unusable(key, draw), partition)

    def refused(self, sent: Outgoing, place: Place) -> None:
        """Without an envelope there is a dead letter unless a pharmacy can be told, and no fact."""
        told = sent.key in {one.encode() for one in self.publishers}
        letters = () if told else ("letter",)
        self._refused[place] = (*letters, dispensing.receipt("rejected", ()))

    async def history(self, told: Sequence[Acknowledged]) -> tuple[History, dict[Place, Answer]]:
        """Facts as their content, which only its keys open; receipts by their outcomes."""
        log = await read_to_end(self._settings, self.submitted)
        outputs: list[tuple[int, Output]] = []
        for topic in (topics.DISPENSATION_RECORDED, topics.DISPENSATION_DEADLETTER):
            outputs += await self._outputs(topic.name)
        outputs += await self._outputs(self.receipts)
        opened = await self._opened([output for _, output in outputs])
        written = [
            Written(
                output.topic,
                number,
                source_position(output.headers),
                content,
                receipt=_type(output) == RECEIPT,
            )
            for (number, output), content in zip(outputs, opened, strict=True)
        ]
        submitted = [self._submitted(record) for records in log.values() for record in records]
        answers = {**dispensing.model(self._meant, log), **self._refused}
        return History(told, submitted, written), answers

    def _visit(self, publisher: str, draw: random.Random) -> Sequence[Outgoing]:
        sguid = self._guid(draw)
        patient = niss.with_check_digits(f"850000{draw.randrange(1, 997):03}", False)
        now = datetime.now(UTC) - timedelta(minutes=draw.randint(1, 60))
        lines = tuple(
            Line(self._guid(draw), draw.randint(1, 9), sguid) for _ in range(draw.randint(1, 3))
        )
        self._own[publisher] += [(line, 1) for line in lines]
        body = visit(
            *(line_body(dguid=one.dguid, units=one.units) for one in lines),
            sguid=sguid,
            patient={"niss": patient},
            delivered_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self._bodies[sguid] = body
        return self._sealed(publisher, REGISTER, body, Registering(publisher, lines))

    def _guid(self, draw: random.Random) -> str:
        """Unlike those of other campaigns on the same topics, of a repeated seed too."""
        return str(uuid.uuid5(self._campaign, str(draw.getrandbits(64))))

    def _body(self, line: Line, **changes: Any) -> dict[str, Any]:
        lines = [line_body(dguid=line.dguid, units=line.units, **changes)]
        return {**self._bodies[line.visit], "lines": lines}

    def _sealed(
        self, publisher: str, type_: str, body: dict[str, Any] | bytes, intent: Intent
    ) -> Sequence[Outgoing]:
        self._numbers[publisher] += 1
        id_ = str(uuid.uuid4())
        number = self._numbers[publisher]
        attributes = Attributes(id_, type_, datetime.now(UTC), number, self._epoch)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        record = seal_submission(self._sessions[publisher], publisher, attributes, data)
        self._meant[id_] = intent
        partition = partition_for(record.key, PARTITIONS)
        return (Outgoing(record.key, record.headers, record.value, partition, number),)

    def _submitted(self, record: Any) -> Submitted:
        place = Place(record.partition, record.offset)
        headers = dict(record.headers)
        if headers.get("ce_id", b"").decode("utf-8", "replace") not in self._meant:
            return Submitted(place)
        return Submitted(place, record.key.decode(), int(headers["ce_sequence"]))

    async def _outputs(self, topic: str) -> list[tuple[int, Output]]:
        found = await read_to_end(self._settings, topic)
        return [
            (number, Output(topic, one.key, one.headers, one.value))
            for number, records in found.items()
            for one in records
        ]

    async def _opened(self, outputs: Sequence[Output]) -> list[Hashable]:
        facts = [
            RECORD_FACTS[_type(one)].read(one.value or b"")
            for one in outputs
            if _type(one) in RECORD_FACTS
        ]
        async with opened_vault(self._settings, maximum=1) as vault:
            wanted = {(fact.subject, fact.generation) for fact in facts}
            subjects = await vault.find_subject_secrets(wanted)
            periods = await vault.find_periods({fact.period for fact in facts})
        return [_content(one, subjects, periods) for one in outputs]


def _unusable(key: bytes | None, draw: random.Random) -> bytes | None:
    value = draw.choice(HOSTILE)
    # The client refuses to send neither.
    return b"" if key is None and value is None else value


def _content(
    output: Output, subjects: Mapping[tuple[str, int], object], periods: Mapping[str, object]
) -> Hashable:
    type_ = _type(output)
    if output.topic == topics.DISPENSATION_DEADLETTER.name:
        return "letter"
    if type_ == RECEIPT:
        receipt = Receipt.read(output.value or b"")
        return dispensing.receipt(receipt.outcome, [one.outcome for one in receipt.lines])
    if type_ not in RECORD_FACTS:
        return ("unforeseen", type_)
    fact = RECORD_FACTS[type_].read(output.value or b"")
    units = None
    if not isinstance(fact, RevokedFact):
        subject, period = subjects[(fact.subject, fact.generation)], periods[fact.period]
        assert isinstance(subject, SubjectSecret)
        assert isinstance(period, PeriodSecret)
        associated = record_associated_data(
            type_=type_,
            pharmacy=fact.pharmacy,
            dguid=fact.dguid,
            version=fact.version,
            subject=fact.subject,
            generation=fact.generation,
            period=fact.period,
        )
        keys = record_keys(subject.secret, period.secret, fact.version)
        ce_id = dict(output.headers)["ce_id"].decode()
        units = LineContent.read(unseal(keys, ce_id, associated, fact.sealed)).units
    return ("fact", fact.pharmacy, fact.dguid, fact.version, fact.status, units)


def _type(output: Output) -> str:
    found = dict(output.headers).get("ce_type", b"")
    return found.decode("utf-8", "replace")
