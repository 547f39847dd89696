"""A whole API over memory: fakes that record the order in which they are asked."""
# ruff: noqa: ARG002, ASYNC109 - fakes take what their ports take

import asyncio
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from consumers.api.app import create_app
from consumers.api.cursors import SortKey
from consumers.api.gate import Gate
from consumers.api.issuers import Role, TrustedIssuer
from consumers.api.outcomes import OutcomeBook
from consumers.api.ports import ApiSettings, Appended, Dependencies, Header, PositionTimeout
from consumers.api.replay import ReplayMemory
from consumers.api.throttle import Throttle
from consumers.api.tokens import TokenVerifier
from consumers.audit.prove import Proven
from consumers.catalogue import catalogue
from infra.keys.memory import MemoryVault
from projections.access import AccessFacts
from projections.consumption_queries import Consumed
from projections.folds import access_log, recall
from projections.folds.access_state import Recorded
from projections.folds.changes import Close, Upsert
from projections.folds.history import returns_index
from projections.folds.product_recall import batch_index, product_index
from projections.history_statements import Versions
from projections.notice_queries import Concern, ConcernedLine, ConcernedPharmacy, Notice
from projections.positions import Otherwise
from projections.quality_overview import GapTotals, Overview, Quality
from projections.quality_queries import ReceiptRow
from projections.quality_refusals import Filter, Refusal, RefusalKey
from projections.queries import AccessLogRow, HistoryRow
from projections.registered import RegistrationRow
from projections.surveillance import Uses, Usual
from schemas.audit import (
    ACCESS_DECIDED,
    EMERGENCY_DECIDED,
    LOG_READ,
    OPERATIONS_READ,
    PHARMACY_REVEALED,
    AccessDecided,
    EmergencyDecided,
    LogRead,
    OperationsRead,
    PharmacyRevealed,
    RequestParameters,
)
from schemas.brussels import day_of
from schemas.dispensation import REGISTERED, LineContent, MedicinalProduct, Posology
from schemas.envelope import Envelope
from schemas.keyvault import PeriodSecret, Shredded, SubjectSecret
from schemas.model import Model
from schemas.partitioning import partition_for
from schemas.policy import EmergencyRule, PolicyName, PolicyVersion, baseline
from schemas.publisher import BACKBONE_KEY_PUBLISHED, BackboneKeyPublished
from schemas.recall import RECALL_EVENTS
from schemas.registrations import Author, Party
from schemas.sealing import b64decode, b64encode
from schemas.sealing.facts import (
    access_associated_data,
    access_keys,
    record_associated_data,
    record_keys,
    seal,
    unseal,
)
from schemas.sealing.office import sign
from schemas.sealing.pseudonym import party_pseudonym, subject_pseudonym
from schemas.sealing.session import intake_public_bytes
from schemas.subject import SubjectContent
from schemas.topics import ACCESS_AUDITED, RECALL_NOTICES
from streams.intake.keys import SigningKey
from streams.notary.directory import LogFileMissing

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
AUDIENCE = "https://api.dpp.be"
ISSUER = "https://issuer.test"
PARTITIONS = 4
ANN = "85000000138"
BOB = "70000000114"
NOBODY = "60000000195"
DOCTOR = "10000106001"
PHARMACIST = "20000113001"
PHARMACY = "80000551"
OTHER_PHARMACY = "27457532"
CNK = "0041020"
POSOLOGY = "1 tablet at noon"


TOLD = Quality(
    Overview({"accepted": 3}, 5, 1, 0, 0, {"NISS_INVALID": 1}, {"LATE": 2}, {100: 5}),
    GapTotals(1, 2, 0, 0),
)


class Down(Exception):
    """What an adapter raises when its server does not answer."""


class RecordingVault(MemoryVault):
    def __init__(self, trace: list[str]) -> None:
        super().__init__()
        self._trace = trace

    async def root_key(self, name: Any) -> bytes:
        self._trace.append(f"root_key:{name}")
        return await super().root_key(name)

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        self._trace.append("find_subject_secrets")
        return await super().find_subject_secrets(wanted)


@dataclass
class FakeLog:
    trace: list[str]
    appended: list[tuple[str, bytes, list[Header], bytes]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    end: int = 7
    end_then: int = 0
    """Where the log ended at any moment of the past."""

    async def append(
        self, topic: str, *, key: bytes, headers: Sequence[Header], value: bytes
    ) -> Appended:
        self.trace.append(f"append:{topic}")
        if topic in self.stuck:
            await asyncio.Event().wait()
        if topic in self.down:
            raise Down
        self.appended.append((topic, key, list(headers), value))
        return Appended(self.partition_of(topic, key), len(self.appended) - 1)

    async def stable_ends(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        self.trace.append(f"stable_ends:{','.join(map(str, sorted(partitions)))}")
        if "ends" in self.down:
            raise Down
        return dict.fromkeys(partitions, self.end)

    async def ends_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        self.trace.append(f"ends_at:{moment.isoformat()}")
        return dict.fromkeys(range(PARTITIONS), self.end_then)

    async def recent_ends(self, topic: str) -> Mapping[int, int]:
        return dict.fromkeys(range(PARTITIONS), self.end)

    def partition_of(self, topic: str, key: bytes) -> int:
        return partition_for(key, PARTITIONS)

    def partitions(self, topic: str) -> range:
        return range(PARTITIONS)

    def audited(self) -> list[AccessDecided]:
        return [AccessDecided.read(value) for value in self._audited(ACCESS_DECIDED)]

    def log_reads(self) -> list[LogRead]:
        return [LogRead.read(value) for value in self._audited(LOG_READ)]

    def revealed(self) -> list[AccessDecided]:
        return [PharmacyRevealed.read(one).access for one in self._audited(PHARMACY_REVEALED)]

    def emergencies(self) -> list[EmergencyDecided]:
        return [EmergencyDecided.read(one) for one in self._audited(EMERGENCY_DECIDED)]

    def operations(self) -> list[OperationsRead]:
        return [OperationsRead.read(value) for value in self._audited(OPERATIONS_READ)]

    def _audited(self, type_: str) -> list[bytes]:
        return [
            value
            for topic, _, headers, value in self.appended
            if topic == ACCESS_AUDITED.name and dict(headers)["ce_type"] == type_.encode()
        ]


@dataclass
class FakePositions:
    trace: list[str]
    reached: int = 7
    history_behind: int = 0

    async def wait(
        self, projection: str, topic: str, partition: int, position: int, timeout: float
    ) -> int:
        self.trace.append(f"wait:{projection}:{position}")
        if position > self.reached:
            raise PositionTimeout
        return self.reached

    async def reach(
        self,
        projection: str,
        topic: str,
        wanted: Mapping[int, int],
        timeout: float,
        otherwise: Otherwise,
    ) -> Mapping[int, int]:
        self.trace.append(f"reach:{projection}:{max(wanted.values())}:{timeout}")
        if max(wanted.values()) > self.applied(projection) and otherwise == "error":
            raise PositionTimeout
        return dict.fromkeys(wanted, self.applied(projection))

    def applied(self, projection: str) -> int:
        behind = self.history_behind if projection == "history" else 0
        return self.reached - behind

    def current(self, projection: str, topic: str, partition: int) -> int:
        return self.applied(projection)


@dataclass
class FakeStore:
    trace: list[str]
    lines: list[HistoryRow] = field(default_factory=list)
    facts: dict[str, AccessFacts] = field(default_factory=dict)
    registered: list[RegistrationRow] = field(default_factory=list)
    accesses: list[AccessLogRow] = field(default_factory=list)
    letters: list[ReceiptRow] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    consumed: list[Consumed] = field(default_factory=list)
    told: Quality = field(default_factory=lambda: TOLD)
    notices: dict[str, Notice] = field(default_factory=dict)
    acknowledged: dict[tuple[str, str], int] = field(default_factory=dict)
    carried: list[tuple[str, str, str | None, ConcernedLine]] = field(default_factory=list)
    """Pharmacy, product index, batch index and line."""
    asked: list[str] = field(default_factory=list)
    used: Uses = field(default_factory=lambda: Uses((), (), (), Usual({}, {})))
    returning: dict[str, str] = field(default_factory=dict)
    """The `returns_index` of each line that is a return."""

    async def history(
        self,
        *,
        subject: str,
        start: datetime,
        end: datetime,
        limit: int,
        after: SortKey | None,
        as_of: Mapping[int, int],
        dguid: str | None = None,
        oldest_first: bool = False,
        also: Sequence[str] = (),
        versions: Versions = "current",
    ) -> list[HistoryRow]:
        self.trace.append("history")
        self.asked.append(subject)
        rows = [
            r
            for r in self.lines
            if r.subject in (subject, *also)
            and start <= r.delivered_at < end
            and r.offset < as_of[r.partition]
            and dguid in (None, r.dguid)
            and _counts(r, versions)
        ]
        return _page(rows, after, limit, oldest_first=oldest_first)

    async def returns(
        self, *, subjects: Sequence[str], indexes: Sequence[str], as_of: Mapping[int, int]
    ) -> list[HistoryRow]:
        self.trace.append("returns")
        return [
            row
            for row in self.lines
            if row.subject in subjects
            and row.stands
            and self.returning.get(row.dguid) in indexes
            and row.offset < as_of[row.partition]
        ]

    async def own_lines(
        self,
        *,
        pharmacy: str,
        start: datetime,
        end: datetime,
        limit: int,
        after: SortKey | None,
        as_of: Mapping[int, int],
        versions: Versions = "current",
    ) -> list[HistoryRow]:
        self.trace.append("own_lines")
        rows = [
            r
            for r in self.lines
            if r.pharmacy == pharmacy and start <= r.delivered_at < end and _counts(r, versions)
        ]
        return _page(rows, after, limit)

    async def quality(self, *, pharmacy: str | None, start: datetime, end: datetime) -> Quality:
        self.trace.append(f"quality:{pharmacy}:{(end - start).days}")
        return self.told

    async def recalls(
        self,
        *,
        limit: int | None,
        recall: str | None = None,
        authority: str | None = None,
        open_only: bool = False,
    ) -> list[Notice]:
        self.trace.append("recalls")
        return [
            one
            for one in self.notices.values()
            if recall in (None, one.recall)
            and authority in (None, one.authority)
            and not (open_only and one.closed_at)
        ][:limit]

    async def recalls_concerning(
        self, concerns: Mapping[str, Concern], *, pharmacy: str
    ) -> set[str]:
        self.trace.append("recalls_concerning")
        return {name for name, one in concerns.items() if self._concerned(one, pharmacy)}

    def _concerned(self, concern: Concern, pharmacy: str | None) -> list[tuple[str, ConcernedLine]]:
        return [
            (where, replace(line, certain=concern.batch_index is None or batch is not None))
            for where, product, batch, line in self.carried
            if product == concern.product_index
            and (concern.batch_index is None or batch in (None, concern.batch_index))
            and pharmacy in (None, where)
            and (concern.start is None or line.delivered_at >= concern.start)
            and (concern.end is None or line.delivered_at < concern.end)
        ]

    async def recall_lines(
        self, concern: Concern, *, pharmacy: str, limit: int, after: str
    ) -> list[ConcernedLine]:
        self.trace.append("recall_lines")
        lines = [line for _, line in self._concerned(concern, pharmacy) if line.dguid > after]
        return sorted(lines, key=lambda line: line.dguid)[:limit]

    async def recall_pharmacies(
        self, concern: Concern, *, recall: str, pharmacy: str | None
    ) -> list[ConcernedPharmacy]:
        found: dict[str, list[ConcernedLine]] = {}
        for where, line in self._concerned(concern, pharmacy):
            found.setdefault(where, []).append(line)
        return [
            ConcernedPharmacy(
                where,
                len(lines),
                sum(not line.certain for line in lines),
                self.acknowledged.get((recall, where)),
            )
            for where, lines in sorted(found.items())
        ]

    async def consumption(
        self, *, products: Sequence[str], start: datetime, end: datetime
    ) -> list[Consumed]:
        self.trace.append("consumption")
        first, last = day_of(start), day_of(end)
        return [r for r in self.consumed if r.product_index in products and first <= r.month < last]

    async def access_facts(
        self, *, subject: str, at: datetime, as_of: Mapping[int, int] | None = None
    ) -> AccessFacts:
        self.trace.append("access_facts")
        return self.facts.get(subject, AccessFacts())

    async def mandates_held(self, *, holder: str) -> list[RegistrationRow]:
        return [r for r in self.registered if r.kind == "mandate" and r.party == holder]

    async def registrations_of(self, *, subject: str) -> list[RegistrationRow]:
        return [r for r in self.registered if r.subject == subject]

    async def access_log(
        self,
        *,
        subject: str,
        start: datetime,
        limit: int,
        after: SortKey | None,
        also: Sequence[str] = (),
    ) -> list[AccessLogRow]:
        rows = sorted(
            (r for r in self.accesses if r.subject in (subject, *also) and r.decided_at >= start),
            key=lambda r: (-r.decided_at.timestamp(), r.ce_id),
        )
        if after is not None:
            mark = (-after.at.timestamp(), after.parts[0])
            rows = [r for r in rows if (-r.decided_at.timestamp(), r.ce_id) > mark]
        return rows[:limit]

    async def access_place(self, *, subject: str, ce_id: str) -> tuple[int, int] | None:
        found = [r for r in self.accesses if (r.subject, r.ce_id) == (subject, ce_id)]
        return (2, self.accesses.index(found[0])) if found else None

    async def receipts(self, *, pharmacy: str, after: int, limit: int) -> list[ReceiptRow]:
        return [r for r in self.letters if r.offset > after][:limit]

    async def uses(self, *, start: datetime, end: datetime, now: datetime) -> Uses:
        self.trace.append("uses")
        return self.used

    async def refusals(
        self, wanted: Filter, *, limit: int, after: RefusalKey | None
    ) -> list[Refusal]:
        self.trace.append("refusals")
        rows = [
            r
            for r in sorted(self.refused, key=lambda r: r.key, reverse=True)
            if wanted.start <= r.key.appended_at < wanted.end
            and wanted.pharmacy in (None, r.pharmacy)
            and (wanted.code is None or wanted.code in {issue.code for issue in r.issues})
            and (after is None or r.key < after)
        ]
        return rows[:limit]


def _counts(row: HistoryRow, versions: Versions) -> bool:
    match versions:
        case "current":
            return row.stands
        case "latest":
            return row.superseded_position is None
        case "revoked":
            return row.superseded_position is None and row.status == "revoked"
        case "all":
            return True


def _page(
    rows: list[HistoryRow], after: SortKey | None, limit: int, *, oldest_first: bool = False
) -> list[HistoryRow]:
    def key(row: HistoryRow) -> tuple[float, str, str, int]:
        return (-row.delivered_at.timestamp(), row.pharmacy, row.dguid, row.version)

    ordered = sorted(rows, key=key, reverse=oldest_first)
    if after is not None:
        mark = (-after.at.timestamp(), *after.parts, after.number)
        ordered = [row for row in ordered if (key(row) < mark if oldest_first else key(row) > mark)]
    return ordered[:limit]


@dataclass
class FakeLogged:
    trace: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    proven: dict[tuple[str, int, int], Proven] = field(default_factory=dict)

    async def read(self, path: str) -> bytes:
        if path not in self.files:
            raise LogFileMissing(path)
        return self.files[path]

    async def prove(self, topic: str, partition: int, offset: int) -> Proven | None:
        self.trace.append("prove")
        return self.proven.get((topic, partition, offset))


@dataclass(frozen=True)
class Signed:
    key: bytes
    headers: tuple[Header, ...]
    value: bytes


@dataclass
class FakeTables:
    keys: dict[tuple[str, str], bytes] = field(default_factory=dict)
    intake: tuple[Signed, ...] = ()
    versions: dict[PolicyName, PolicyVersion] = field(default_factory=dict)
    """In place of those that ship with the code."""

    def active_key(self, publisher: str, key_id: str, at: datetime) -> bytes | None:
        return self.keys.get((publisher, key_id))

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        return self.versions.get(name) or baseline(name)

    def intake_keys(self) -> tuple[Signed, ...]:
        return self.intake


@dataclass
class FakeRegistrar:
    submitted: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    forgotten: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, *, subject: str, type_: str, id_: str, body: bytes) -> Appended:
        self.submitted.append((subject, type_, id_, body))
        self.arrived.set()
        return Appended(0, len(self.submitted) - 1)

    def forget_session(self) -> None:
        self.forgotten += 1


@dataclass
class FakeHealth:
    failing: list[str] = field(default_factory=list)

    async def failures(self) -> list[str]:
        return self.failing


class World:
    """Everything behind one app; change the fakes, then ask."""

    def __init__(self, **settings: Any) -> None:
        self.trace: list[str] = []
        self.vault = RecordingVault(self.trace)
        self.log = FakeLog(self.trace)
        self.positions = FakePositions(self.trace)
        self.store = FakeStore(self.trace)
        self.logged = FakeLogged(self.trace)
        self.tables = FakeTables()
        self.outcomes = OutcomeBook()
        self.registrar = FakeRegistrar()
        self.health = FakeHealth()
        self.now = NOW
        self.issuer_key = OKPKey.generate_key("Ed25519", {"kid": "issuer-1"})
        self.publisher_key = SigningKey.generate("pharmacy-1")
        self.tables.keys[PHARMACY, "pharmacy-1"] = self.publisher_key.public_bytes
        self.office = SigningKey.generate("office-1")
        numbers = itertools.count(1)
        limits = ApiSettings(registration_timeout=0.05, audit_timeout=30.0, stream_poll=0.01)
        self.limits = replace(limits, **settings)
        self.deps = Dependencies(
            vault=self.vault,
            tables=self.tables,
            log=self.log,
            positions=self.positions,
            store=self.store,
            logged=self.logged,
            outcomes=self.outcomes,
            registrar=self.registrar,
            gate=self.gate(),
            throttle=Throttle(
                requests_per_minute=self.limits.requests_per_minute,
                patients_per_hour=self.limits.patients_per_hour,
                clock=self.seconds,
            ),
            products=catalogue.by_cnk(),
            health=self.health,
            clock=lambda: self.now,
            new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
            settings=self.limits,
            unavailable_errors=(Down,),
        )
        self.app = create_app(self.deps)

    def trusted(self) -> TrustedIssuer:
        public = self.issuer_key.as_dict(private=False)
        return TrustedIssuer(
            issuer=ISSUER,
            audience=AUDIENCE,
            algorithms=("Ed25519",),
            roles=get_args(Role),
            keys=({name: str(value) for name, value in public.items()},),
        )

    def verifier(self) -> TokenVerifier:
        return TokenVerifier(
            issuers=(self.trusted(),),
            publishers=self.tables,
            audience=AUDIENCE,
            clock=lambda: self.now,
        )

    def seconds(self) -> float:
        return self.now.timestamp()

    def gate(self, **changes: Any) -> Gate:
        return Gate(
            **{
                "verifier": self.verifier(),
                "replay": ReplayMemory(self.seconds),
                "public_url": "http://api.test",
                "clock": lambda: self.now,
                **changes,
            }
        )

    def token(self, role: str, **claims: Any) -> str:
        body: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "somebody",
            "aud": AUDIENCE,
            "iat": int(NOW.timestamp()),
            "exp": int(NOW.timestamp()) + 3600,
            "jti": "token-1",
            "role": role,
            **claims,
        }
        header = {"alg": "Ed25519", "typ": "at+jwt", "kid": "issuer-1"}
        return jwt.encode(header, body, self.issuer_key, algorithms=["Ed25519"])

    def patient(self, number: str = ANN) -> str:
        return self.token("patient", niss=number)

    def caregiver(self, number: str = DOCTOR) -> str:
        return self.token("caregiver", nihdi=number, profession="physician")

    def pharmacist(self) -> str:
        return self.token(
            "pharmacist", nihdi=PHARMACIST, profession="pharmacist", organisation=OTHER_PHARMACY
        )

    def authority(self, number: str = "0000000394") -> str:
        return self.token("authority", organisation=number)

    def pharmacy(self, number: str = PHARMACY) -> str:
        return self.token("pharmacy", organisation=number)

    def open_emergencies(self) -> EmergencyRule:
        """Lets physicians read in an emergency, by policy data."""
        known = baseline("access")
        rule = EmergencyRule(
            window_months=3,
            fields=("delivered_at", "product"),
            professions=("physician",),
            motivation_types=("vital_interest",),
        )
        data = known.access.model_copy(update={"emergency": rule})
        self.tables.versions["access"] = known.model_copy(
            update={"version": "access/9", "data": data}
        )
        return rule

    def auditor(self) -> str:
        return self.token("auditor", sub="auditor-7")

    async def ask(
        self,
        path: str,
        token: str | None = None,
        body: object = None,
        *,
        method: str = "POST",
        content: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        given = list(headers)
        if token is not None:
            given.append(("Authorization", f"Bearer {token}"))
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            if content is None and method == "POST":
                return await client.post(path, json=body if body is not None else {}, headers=given)
            return await client.request(method, path, content=content, headers=given)

    async def subject(self, number: str) -> str:
        return subject_pseudonym(await MemoryVault.root_key(self.vault, "pseudonym"), number)

    async def asked(self, event: Any) -> RequestParameters:
        """What the first event of the log seals of its request; `event` is that one, as read."""
        _, key, headers, _ = self.log.appended[0]
        subject = key.decode()
        assert event.sealed_parameters is not None
        secret = (await self.vault.find_subject_secrets([(subject, 1)]))[subject, 1]
        assert isinstance(secret, SubjectSecret)
        bound = access_associated_data(
            type_="be.dpp.access.decided.v1", subject=subject, generation=1
        )
        ce_id = dict(headers)["ce_id"].decode()
        opened = unseal(access_keys(secret.secret, "access"), ce_id, bound, event.sealed_parameters)
        return RequestParameters.read(opened)

    async def professional(self, number: str = DOCTOR) -> str:
        key = await MemoryVault.root_key(self.vault, "pseudonym")
        return party_pseudonym(key, "professional", number)

    async def organisation(self, number: str) -> str:
        key = await MemoryVault.root_key(self.vault, "pseudonym")
        return party_pseudonym(key, "organisation", number)

    async def add_line(
        self,
        number: str = ANN,
        *,
        days_ago: int = 10,
        pharmacy: str = PHARMACY,
        cnk: str = CNK,
        units: int = 2,
        returns: HistoryRow | None = None,
    ) -> HistoryRow:
        """A sealed line in the record, as the quality stage writes it."""
        subject = await self.subject(number)
        at = NOW - timedelta(days=days_ago)
        secret = (await self.vault.subject_secrets([subject]))[subject]
        period = (await self.vault.period_secrets([day_of(at)]))[day_of(at)]
        assert isinstance(period, PeriodSecret)
        index = len(self.store.lines)
        dguid = f"00000000-0000-4000-9000-{index:012d}"
        content = LineContent(
            sguid="00000000-0000-4000-a000-000000000001",
            pharmacy=pharmacy,
            delivered_at=at,
            product=MedicinalProduct(cnk=cnk),
            units=units,
            returns=returns.dguid if returns else None,
            posology=Posology(text=POSOLOGY),
            motivation="asked by the patient",
        )
        associated = record_associated_data(
            type_=REGISTERED,
            pharmacy=pharmacy,
            dguid=dguid,
            version=1,
            subject=subject,
            generation=secret.generation,
            period=period.period,
        )
        keys = record_keys(secret.secret, period.secret, 1)
        row = HistoryRow(
            pharmacy=pharmacy,
            dguid=dguid,
            version=1,
            status="registered",
            event_type=REGISTERED,
            ce_id=f"quality/0/{index}/0",
            subject=subject,
            generation=secret.generation,
            period=period.period,
            delivered_at=at,
            sealed=b64decode(seal(keys, f"quality/0/{index}/0", associated, content.write())),
            score=100,
            warnings=(),
            partition=0,
            offset=index,
        )
        self.store.lines.append(row)
        if returns is not None:
            key = await MemoryVault.root_key(self.vault, "index")
            self.store.returning[dguid] = returns_index(key, returns.pharmacy, returns.dguid)
        self.positions.reached = max(self.positions.reached, index + 1)
        return row

    async def add_registration(self, row: RegistrationRow, content: SubjectContent) -> None:
        """A registration with its sealed content."""
        sealed = await self.sealed(row.subject, row.event_type, row.ce_id, content)
        self.store.registered.append(replace(row, sealed=sealed))

    async def carry(self, dguid: str, pharmacy: str, cnk: str, batch: str | None = None) -> None:
        """A line of Ann's in `product_recall`."""
        key = await MemoryVault.root_key(self.vault, "index")
        line = ConcernedLine(
            dguid, 1, await self.subject(ANN), 1, NOW - timedelta(days=5), certain=True
        )
        hashed = None if batch is None else batch_index(key, cnk, batch)
        self.store.carried.append((pharmacy, product_index(key, cnk), hashed, line))

    def project_recalls(self) -> None:
        """What was appended about recalls becomes rows, by the real fold."""
        for number, (topic, _, headers, value) in enumerate(self.log.appended):
            if topic != RECALL_NOTICES.name:
                continue
            event = RECALL_EVENTS[dict(headers)["ce_type"].decode()].read(value)
            for change in recall.fold(event, Recorded(0, number, self.now, "id")):
                if isinstance(change, Upsert):
                    self._put_recall(change)
                elif isinstance(change, Close):
                    former = self.store.notices[str(change.key["recall"])]
                    self.store.notices[former.recall] = replace(former, closed_at=self.now)

    def _put_recall(self, change: Upsert) -> None:
        row: dict[str, Any] = dict(change.row)
        if change.table == "acknowledgement":
            self.store.acknowledged[row["recall"], row["pharmacy"]] = row["lines"]
            return
        del row["recorded_partition"], row["recorded_position"]
        self.store.notices[row["recall"]] = Notice(**row, closed_at=None)

    async def project_accesses(self) -> None:
        """What was audited so far becomes rows of the access log, by the real fold."""
        for number, (topic, _, headers, value) in enumerate(self.log.appended):
            told = dict(headers)
            model = access_log.EVENTS.get(told["ce_type"].decode())
            if topic != ACCESS_AUDITED.name or model is None:
                continue
            place = Recorded(0, number, self.now, told["ce_id"].decode())
            for change in access_log.fold(model.read(value), place):
                assert isinstance(change, Upsert)
                row: dict[str, Any] = dict(change.row)
                row["rows"] = row.pop("row_count")
                del row["recorded_partition"], row["recorded_position"]
                self.store.accesses.append(AccessLogRow(**row))

    async def sealed(self, subject: str, type_: str, ce_id: str, content: Model) -> str:
        secret = (await self.vault.subject_secrets([subject]))[subject]
        associated = access_associated_data(type_=type_, subject=subject, generation=1)
        return seal(access_keys(secret.secret, "access"), ce_id, associated, content.write())

    def publish_intake_key(self) -> Signed:
        """An intake key as the office publishes it."""
        fact = BackboneKeyPublished(
            key_id="intake-1",
            purpose="intake",
            public_key=b64encode(intake_public_bytes(bytes(range(96)))),
        )
        headers = Envelope(
            id="1", source="/office", type=BACKBONE_KEY_PUBLISHED, time=NOW
        ).headers()
        value = fact.write()
        signed = sign(self.office.private, b"backbone", headers, value)
        record = Signed(b"backbone", tuple(signed), value)
        self.tables.intake = (*self.tables.intake, record)
        return record


def mandate_row(subject: str, holder: str, *, accepted: bool = True) -> RegistrationRow:
    """A mandate to `holder`, whose sealed content `add_registration` fills in."""
    return RegistrationRow(
        kind="mandate",
        id="mandate-0001",
        subject=subject,
        generation=1,
        ce_id="subject/0/5/0",
        event_type="be.dpp.subject.mandate-granted.v1",
        recorded_at=NOW - timedelta(days=3),
        author_role="patient",
        author=subject,
        sealed="",
        party=holder,
        party_kind="citizen",
        variety="prescription",
        valid_from=None,
        valid_until=None,
        accepted_at=NOW - timedelta(days=2) if accepted else None,
        ended_at=None,
    )


def granted_by(number: str, holder: str, name: str) -> SubjectContent:
    """What the fact of a mandate seals."""
    return SubjectContent(
        author=Author(
            role="patient",
            person=Party(party_kind="citizen", number=number, name=name),
            token_issuer=ISSUER,
            token_id="t",
        ),
        party=Party(party_kind="citizen", number=holder),
    )
