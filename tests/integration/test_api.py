"""The API against everything real: broker, database, stages and projections as processes."""

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from consumers.audit.report import Window
from consumers.cli.main import app
from consumers.cli.rederive import Stage, audited
from consumers.cli.registrations import stood
from consumers.stack.office import office_signing_key
from consumers.stack.stack import Stack
from infra.kafka import Partition, producer, reader
from infra.keys.opening import opened_vault
from infra.postgres import connect
from infra.settings import Settings, load_settings
from schemas import topics
from schemas.audit import (
    ACCESS_DECIDED,
    EMERGENCY_DECIDED,
    OPERATIONS_READ,
    AccessDecided,
    EmergencyDecided,
    OperationsRead,
)
from schemas.dispensation import (
    REGISTER,
    MedicinalProduct,
    Posology,
    RegisterBody,
    SubmittedLine,
    SubmittedPatient,
)
from schemas.envelope import Envelope
from schemas.publisher import Contract, Enrolled
from schemas.receipts import Receipt
from schemas.sealing.office import OfficeKeys
from schemas.sealing.pseudonym import subject_pseudonym
from schemas.subject import Notice
from streams.intake.http_transport import HttpTransport
from streams.intake.keys import SigningKey
from streams.intake.office import publisher_record
from streams.intake.session import Attributes, open_session, seal_submission

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ANN, BOB = "85000000138", "70000000114"
DOCTOR, NIGHT_DOCTOR, PHARMACY = "10000106001", "10000205001", "80000551"
CNK, WRONG_CNK, POSOLOGY = "0041020", "1439562", "1 tablet at noon"
EVIDENCE = {"proof": "eidreading", "reference": "592000000000"}
DOCTOR_PARTY = {"party_kind": "professional", "number": DOCTOR}


class Backbone:
    """A running stack, asked as portals and pharmacies ask it."""

    def __init__(self, stack: Stack, client: httpx.AsyncClient) -> None:
        self.stack = stack
        self.client = client
        self.pharmacy_key = SigningKey.generate("pharmacy-1")

    async def token(self, **person: str) -> str:
        answer = await self.client.post("/dev/token", json=person)
        return str(answer.raise_for_status().json()["access_token"])

    async def ask(self, path: str, token: str, body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post(path, json=body or {}, headers=headers)

    async def search(self, resource: str, token: str, **form: str) -> dict[str, Any]:
        """A search on the FHIR face."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.post(f"/fhir/{resource}/_search", data=form, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def register(self, token: str, **form: Any) -> dict[str, Any]:
        answer = await self.ask("/v1/registrations", token, form)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def enrol(self) -> None:
        """The pharmacy becomes a publisher."""
        settings, now = self.stack.settings, datetime.now(UTC)
        fact = Enrolled(
            publisher=PHARMACY,
            publisher_kind="pharmacy",
            key=self.pharmacy_key.enrolment(PHARMACY),
            contract=Contract(event_types=(REGISTER,), valid_from=now - timedelta(days=1)),
        )
        record = publisher_record(office_signing_key(settings), fact, now)
        async with producer(settings) as sender:
            await sender.send(
                topics.PUBLISHER_REGISTERED.name,
                record.value,
                key=record.key,
                headers=record.headers,
            )

    def transport(self) -> HttpTransport:
        """The publisher SDK's way through the API."""
        key = office_signing_key(self.stack.settings)
        return HttpTransport(
            httpx.AsyncClient(base_url=self.stack.api_url),
            publisher=PHARMACY,
            signing_key=self.pharmacy_key,
            office=OfficeKeys(key.public_bytes),
        )

    async def dispense(self, number: str, cnk: str = CNK) -> str:
        """A line goes in over HTTP; answers its DGUID once its receipt is there."""
        transport, now, dguid = self.transport(), datetime.now(UTC), str(uuid.uuid4())
        body = RegisterBody(
            sguid=str(uuid.uuid4()),
            patient=SubmittedPatient(niss=number),
            delivered_at=now - timedelta(days=3),
            lines=(
                SubmittedLine(
                    dguid=dguid,
                    product=MedicinalProduct(cnk=cnk),
                    units=1,
                    posology=Posology(text=POSOLOGY),
                ),
            ),
        )
        intake = await transport.intake_key()
        session, opened = open_session(PHARMACY, self.pharmacy_key, intake, now)
        await transport.open_session(opened)
        attributes = Attributes(
            id=str(uuid.uuid4()), type=REGISTER, time=now, sequence=1, epoch=uuid.uuid4().hex
        )
        record = seal_submission(session, PHARMACY, attributes, body.write())
        place = await transport.submit(record)

        async def receipt() -> bool:
            answers = [letter.answer for letter in (await transport.receipts(None)).letters]
            places = [
                (one.submission.partition, one.submission.offset)
                for one in answers
                if isinstance(one, Receipt)
            ]
            return place in places

        await until(receipt)
        followed = transport.follow(None)
        assert (await anext(followed)).answer is not None
        await followed.aclose()
        await transport.close()
        return dguid


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 180) -> None:
    """Asks again until it holds; the API itself has nothing to wait on for this."""
    async with asyncio.timeout(seconds):
        async for _ in _ticks():
            if await holds():
                return


async def _ticks() -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(0.05)


@pytest.fixture
async def backbone(tmp_path: Path) -> AsyncIterator[Backbone]:
    settings = load_settings(data=tmp_path, api_port=0, dev_issuer=True, log_format="json")
    async with (
        Stack(settings) as stack,
        httpx.AsyncClient(base_url=stack.api_url, timeout=120) as client,
    ):
        made = Backbone(stack, client)
        await made.enrol()
        yield made


async def _audited(backbone: Backbone, type_: str) -> list[bytes]:
    found: list[bytes] = []
    async with reader(backbone.stack.settings) as broker:
        partitions = await broker.assign_all(topics.ACCESS_AUDITED.name)
        ends = await broker.end_offsets(partitions)
        while not _passed(await broker.positions(), ends):
            for records in (await broker.poll(timeout=0.2)).values():
                found += [
                    record.value or b""
                    for record in records
                    if dict(record.headers)["ce_type"] == type_.encode()
                ]
    return found


def _passed(positions: dict[Partition, int], ends: dict[Partition, int]) -> bool:
    return all(positions[one] >= end for one, end in ends.items())


async def _found_on_the_fhir_face(backbone: Backbone, patient: str, dguid: str) -> None:
    found = await backbone.search("MedicationDispense", patient, status="completed", _count="1")
    (entry,) = found["entry"]
    assert entry["resource"]["identifier"][0]["value"] == dguid
    assert entry["resource"]["performer"][0]["actor"]["identifier"]["value"] == PHARMACY
    form = {"whenhandedover": "gt2020", "identifier": dguid, "_sort": "whenhandedover"}
    assert dguid in str(await backbone.search("MedicationDispense", patient, **form))
    nothing = await backbone.search("MedicationDispense", patient, whenhandedover="lt2020")
    assert "entry" not in nothing


async def _accesses_and_consents_on_the_fhir_face(backbone: Backbone, patient: str) -> None:
    (consent,) = (await backbone.search("Consent", patient))["entry"]
    assert consent["resource"]["status"] == "inactive"
    events = await backbone.search("AuditEvent", patient, _count="2")
    (following,) = [link["url"] for link in events["link"] if link["relation"] == "next"]
    page = await backbone.client.get(following, headers={"Authorization": f"Bearer {patient}"})
    assert page.json()["entry"][0]["resource"]["resourceType"] == "AuditEvent"


async def _caregivers_decisions(backbone: Backbone) -> list[tuple[str, str | None]]:
    events = [AccessDecided.read(one) for one in await _audited(backbone, ACCESS_DECIDED)]
    return [(event.decision, event.reason) for event in events if event.role == "caregiver"]


async def _notices(backbone: Backbone) -> list[tuple[str, str]]:
    """What patients are told: kind and id of each notice, in order within a partition."""
    found: list[tuple[str, str]] = []
    async with reader(backbone.stack.settings) as broker:
        partitions = await broker.assign_all(topics.SUBJECT_NOTICES.name)
        ends = await broker.end_offsets(partitions)
        while not _passed(await broker.positions(), ends):
            for records in (await broker.poll(timeout=0.2)).values():
                found += [
                    (Notice.read(one.value or b"").notice, dict(one.headers)["ce_id"].decode())
                    for one in records
                ]
    return found


async def _everything_was_told_once(backbone: Backbone) -> None:
    """Although the part that tells it was killed on the way."""
    expected = [
        "consent_given",
        "consent_withdrawn",
        "emergency_access",
        "emergency_access",
        "first_access",
        "first_access",
        "mandate_waiting",
    ]

    async def told() -> bool:
        return len(await _notices(backbone)) >= len(expected)

    await until(told, 120)
    notices = await _notices(backbone)
    assert sorted(kind for kind, _ in notices) == expected
    assert len({id_ for _, id_ in notices}) == len(notices)


async def _read_in_an_emergency(backbone: Backbone) -> None:
    """On an emergency link, twice; a declared one is closed, since no policy has opened it."""
    night = await backbone.token(role="caregiver", nihdi=NIGHT_DOCTOR, profession="physician")
    party = {"party_kind": "professional", "number": NIGHT_DOCTOR}
    form = {"patient": ANN, "motivation_type": "vital_interest", "motivation": "a fall"}
    closed = await backbone.ask("/v1/patients/emergency", night, form)
    assert (closed.status_code, closed.json()["code"]) == (403, "emergency-not-open")
    await backbone.register(
        night,
        kind="declare_link",
        patient=ANN,
        party=party,
        link_type="emergency",
        evidence=EVIDENCE,
    )
    for _ in range(2):
        answer = await backbone.ask("/v1/patients/history", night, {"patient": ANN})
        assert answer.status_code == 200


async def _withdrawn_while_the_notices_fall(backbone: Backbone, patient: str) -> None:
    await _read_in_an_emergency(backbone)
    backbone.stack.parts["notices"].send(signal.SIGKILL)
    await backbone.register(patient, kind="withdraw_consent")


async def _consent_stood_for_a_while(backbone: Backbone, patient: str) -> None:
    """Asked by the patient as of a moment, and by an auditor as of a position."""
    now = (await backbone.ask("/v1/me/registrations", patient)).json()["registrations"]
    (consent,) = [one for one in now if one["kind"] == "consent"]
    assert consent["state"] == "ended"
    then = {"stood_at": consent["registered_at"]}
    answer = (await backbone.ask("/v1/me/registrations", patient, then)).json()
    assert [(one["kind"], one["state"]) for one in answer["registrations"]] == [
        ("consent", "active")
    ]
    settings = backbone.stack.settings
    vault_key = await _pseudonym_key(settings)
    subject = subject_pseudonym(vault_key, ANN)
    rows = await stood(settings, subject, at=None, position=None, auditor="an auditor")
    (given,) = [row for row in rows if row.kind == "consent"]
    assert given.ended_at is not None
    before = await stood(
        settings, subject, at=None, position=given.position + 1, auditor="an auditor"
    )
    assert [(row.kind, row.ended_at) for row in before] == [("consent", None)]


async def _pseudonym_key(settings: Settings) -> bytes:
    async with opened_vault(settings) as keys:
        return await keys.root_key("pseudonym")


async def _told_and_derived_again(backbone: Backbone, patient: str) -> None:
    await _consent_stood_for_a_while(backbone, patient)
    await _everything_was_told_once(backbone)
    await _use_is_looked_at(backbone)
    await _everything_is_derived_again(backbone)
    await _a_declared_emergency_is_told_once(backbone)


async def _use_is_looked_at(backbone: Backbone) -> None:
    """On the command line, by an operator: the emergencies, and a record of the look."""

    async def counted() -> bool:
        async with connect(backbone.stack.settings.dsn) as connection:
            rows = await connection.execute("SELECT sum(emergencies) FROM surveillance_v1.pair")
            return await rows.fetchone() == (3,)

    await until(counted, 120)
    done = await asyncio.to_thread(
        CliRunner().invoke,
        app,
        ["surveillance", "--json", "--operator", "clerk"],
        env=backbone.stack.settings.environment(),
    )
    (finding,) = json.loads(done.output)["findings"]
    told = [finding[name] for name in ("kind", "reads", "refused", "subjects")]
    assert (done.exit_code, told) == (1, ["emergency", 3, 1, 1])
    looks = [OperationsRead.read(one) for one in await _audited(backbone, OPERATIONS_READ)]
    assert [one.rows for one in looks if one.purpose == "surveillance"] == [1]


async def _a_declared_emergency_is_told_once(backbone: Backbone) -> None:
    """By records as the API writes them under a policy that opens it, refused and permitted."""
    settings = backbone.stack.settings
    subject = subject_pseudonym(await _pseudonym_key(settings), ANN)
    at = datetime.now(UTC)
    permitted = EmergencyDecided(
        decision="permit",
        basis="emergency",
        subject=subject,
        generation=1,
        reader="r" * 26,
        role="caregiver",
        decided_at=at,
        policy_version="access/9",
        sealed_reader="",
    )
    refused = permitted.model_copy(update={"decision": "deny", "basis": None})
    async with producer(settings) as sender:
        for name, event in (("refused", refused), ("declared", permitted)):
            headers = Envelope(name, "/api", EMERGENCY_DECIDED, at).headers()
            topic = topics.ACCESS_AUDITED.name
            await sender.send(topic, event.write(), key=subject.encode(), headers=headers)

    async def told() -> bool:
        return "notice/declared" in {name for _, name in await _notices(backbone)}

    await until(told, 120)
    names = ("notice/declared", "notice/refused")
    found = [one for one in await _notices(backbone) if one[1] in names]
    assert found == [("emergency_access", "notice/declared")]


async def _everything_is_derived_again(backbone: Backbone) -> None:
    """Accesses, answers and registrations, by an auditor with the log and the keys."""
    window = Window(datetime.fromtimestamp(0, UTC), datetime.now(UTC) + timedelta(minutes=1))
    for stage in (Stage.ACCESS, Stage.SUBJECT):
        report = await audited(
            backbone.stack.settings, stage, window, "an auditor", lambda *_: None
        )
        assert report.differences == []
        assert report.rederived == report.submissions >= 5
        if stage is Stage.ACCESS:
            assert report.answers["derived"] > 5


async def test_a_line_is_dispensed_shared_withdrawn_and_accounted_for(backbone: Backbone) -> None:
    patient = await backbone.token(role="patient", niss=ANN, name="Ann")
    holder = await backbone.token(role="patient", niss=BOB, name="Bob")
    doctor = await backbone.token(role="caregiver", nihdi=DOCTOR, profession="physician")
    pharmacy = await backbone.token(role="pharmacy", organisation=PHARMACY)
    dguid = await backbone.dispense(ANN)

    async def visible() -> bool:
        answer = await backbone.ask("/v1/me/history", patient)
        return bool(answer.raise_for_status().json()["lines"])

    await until(visible)
    line = (await backbone.ask("/v1/me/history", patient)).json()["lines"][0]
    assert (line["dguid"], line["pharmacy"]) == (dguid, PHARMACY)
    assert line["posology"] == {"text": POSOLOGY}
    own = (await backbone.ask("/v1/pharmacy/dispensations", pharmacy)).json()
    assert [one["dguid"] for one in own["lines"]] == [dguid]

    await _found_on_the_fhir_face(backbone, patient, dguid)

    asked = {"patient": ANN}
    refusal = await backbone.ask("/v1/patients/history", doctor, asked)
    assert refusal.status_code == 403
    await backbone.register(patient, kind="give_consent")
    await backbone.register(
        doctor,
        kind="declare_link",
        patient=ANN,
        party=DOCTOR_PARTY,
        link_type="consultation",
        evidence=EVIDENCE,
    )
    permitted = await backbone.ask("/v1/patients/history", doctor, asked)
    assert permitted.status_code == 200
    assert "pharmacy" not in permitted.json()["lines"][0]
    in_fhir = await backbone.search("MedicationDispense", doctor, **asked)
    assert dguid in str(in_fhir)
    assert PHARMACY not in str(in_fhir)

    # A withdrawal that was acknowledged is respected by the very next read.
    await _withdrawn_while_the_notices_fall(backbone, patient)
    withdrawn = await backbone.ask("/v1/patients/history", doctor, asked)
    assert (withdrawn.status_code, withdrawn.content) == (403, refusal.content)

    mandate = await backbone.register(
        patient, kind="grant_mandate", holder={"party_kind": "citizen", "number": BOB}
    )
    waiting = (await backbone.ask("/v1/me/registrations", holder)).json()["mandates_held"]
    assert [(one["id"], one["state"]) for one in waiting] == [(mandate["id"], "waiting")]
    assert waiting[0]["party"]["number"] == ANN
    await backbone.register(holder, kind="accept_mandate", patient=ANN, mandate=mandate["id"])
    people = (await backbone.ask("/v1/mandates/history", holder)).json()["people"]
    assert [one["person"]["number"] for one in people] == [BOB, ANN]
    assert people[1]["history"]["lines"][0]["dguid"] == dguid

    # What is refused shows to the pharmacy in full, to an operator masked, and disturbs no log.
    operator = await backbone.token(role="operator", name="Clerk")
    refused = await backbone.dispense(ANN, cnk=WRONG_CNK)
    (own_line,) = (await backbone.ask("/v1/receipts/refused", pharmacy)).json()["refused"]
    assert own_line["dguid"] == refused
    (masked,) = (await backbone.ask("/v1/quality/refused", operator)).json()["refused"]
    assert (masked["pharmacy"], masked["dguid"]) == (PHARMACY, f"*{refused[-4:]}")
    assert [one["code"] for one in masked["issues"]] == [one["code"] for one in own_line["issues"]]

    async def logged() -> bool:
        log = (await backbone.ask("/v1/me/access-log", patient)).raise_for_status().json()
        reasons = {entry["words"]["en"] for entry in log["accesses"]}
        return any("not given consent" in text for text in reasons) and any(
            entry.get("reader", {}).get("number") == DOCTOR and entry["decision"] == "permit"
            for entry in log["accesses"]
        )

    await until(logged)
    await _accesses_and_consents_on_the_fhir_face(backbone, patient)
    assert [reason for _, reason in await _caregivers_decisions(backbone)] == [
        "no_consent",
        None,
        None,
        None,
        None,
        "no_consent",
    ]
    await _told_and_derived_again(backbone, patient)


async def test_a_registration_that_the_stage_refuses_is_a_422(backbone: Backbone) -> None:
    patient = await backbone.token(role="patient", niss=ANN)
    answer = await backbone.ask(
        "/v1/registrations", patient, {"kind": "lift_exclusion", "exclusion": "no-such-thing"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"]
    tampered = await backbone.ask("/v1/me/history", patient + "x")
    assert tampered.status_code == 401
