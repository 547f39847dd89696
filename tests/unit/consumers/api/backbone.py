"""What stands behind an API, over memory: keys, log, projections, tables."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from consumers.api.outcomes import OutcomeBook
from infra.keys.memory import MemoryVault
from projections.folds import access_log, recall
from projections.folds.access_state import Recorded
from projections.folds.changes import Close, Upsert
from projections.folds.history import returns_index
from projections.folds.product_recall import batch_index, product_index
from projections.notice_queries import ConcernedLine, Notice
from projections.queries import AccessLogRow, HistoryRow
from projections.registered import RegistrationRow
from schemas.audit import RequestParameters
from schemas.brussels import day_of
from schemas.dispensation import REGISTERED, LineContent, MedicinalProduct, Posology
from schemas.envelope import Envelope
from schemas.keyvault import PeriodSecret, SubjectSecret
from schemas.model import Model
from schemas.policy import EmergencyRule, baseline
from schemas.publisher import BACKBONE_KEY_PUBLISHED, BackboneKeyPublished
from schemas.recall import RECALL_EVENTS
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
from tests.unit.consumers.api.cast import ANN, CNK, DOCTOR, NOW, PHARMACY, POSOLOGY
from tests.unit.consumers.api.fake_log import FakeLog, FakePositions
from tests.unit.consumers.api.fake_store import FakeStore
from tests.unit.consumers.api.fakes import (
    FakeHealth,
    FakeLogged,
    FakeRegistrar,
    FakeTables,
    RecordingVault,
    Signed,
)


class Backbone:
    """Fakes that record the order in which they are asked, and what is put into them."""

    def __init__(self) -> None:
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
        self.publisher_key = SigningKey.generate("pharmacy-1")
        self.tables.keys[PHARMACY, "pharmacy-1"] = self.publisher_key.public_bytes
        self.office = SigningKey.generate("office-1")

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
