"""Accesses that the API decided are derived again, and whatever was planted is named."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.audit.access import Audited, rederive_access
from consumers.audit.report import AnswerCheck, Report, Window
from infra.kafka import Record
from projections.access import AccessFacts, Exclusion, Link, Mandate, Parent
from schemas import subject as s
from schemas.audit import AccessDecided, EmergencyDecided
from schemas.audit import Window as Period
from schemas.envelope import Envelope
from schemas.policy import PolicyName, PolicyVersion, baseline
from schemas.topics import ACCESS_AUDITED, SUBJECT_REGISTERED
from tests.unit.consumers.api.cast import ANN, BOB, CNK, NOW, OTHER_PHARMACY, PARTITIONS, PHARMACY
from tests.unit.consumers.api.world import World

REGISTERED, AUDITED = SUBJECT_REGISTERED.name, ACCESS_AUDITED.name
EVERYTHING = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
UNTIL = NOW + timedelta(days=90)


@dataclass
class Log:
    """Implements `consumers.audit.log.Log` over lists of records by topic and partition."""

    records: dict[tuple[str, int], list[Record]] = field(default_factory=dict)

    async def partitions(self, topic: str) -> int:
        del topic
        return PARTITIONS

    async def beginning(self, topic: str, partition: int) -> int:
        del topic, partition
        return 0

    async def read(self, topic: str, partition: int) -> AsyncGenerator[Sequence[Record]]:
        kept = self.records.get((topic, partition), [])
        for start in range(0, len(kept), 2):
            yield kept[start : start + 2]

    def put(
        self, topic: str, partition: int, headers: Sequence[tuple[str, bytes]], value: bytes
    ) -> Record:
        records = self.records.setdefault((topic, partition), [])
        stamp = round(NOW.timestamp() * 1000)
        made = Record(topic, partition, len(records), stamp, b"k", tuple(headers), value)
        records.append(made)
        return made


@dataclass
class Policies:
    caught_up: bool = False
    version: PolicyVersion | None = None

    async def catch_up(self) -> None:
        self.caught_up = True

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        assert self.caught_up
        assert at == NOW
        return self.version or baseline(name)


@dataclass
class Answers:
    found: AnswerCheck | None = "derived"
    asked: list[Audited] = field(default_factory=list)

    async def check(self, audited: Audited, facts: AccessFacts) -> AnswerCheck | None:
        del facts
        self.asked.append(audited)
        return self.found


class Lived:
    """What was registered about Ann and Bob, and who then read what."""

    def __init__(self, world: World) -> None:
        self.world, self.log, self.answers = world, Log(), Answers()
        self.facts: dict[str, Record] = {}

    def registered(self, model: type[s.SubjectFact], subject: str, **members: Any) -> str:
        type_ = s.SUBJECT_FACT_TYPES[model]
        fact = model.model_validate(
            {
                "subject": subject,
                "generation": 1,
                "author_role": "patient",
                "author": subject,
                "sealed": "",
                **members,
            }
        )
        partition = self.world.log.partition_of(REGISTERED, subject.encode())
        offset = len(self.log.records.get((REGISTERED, partition), []))
        ce_id = f"subject/{partition}/{offset}/0"
        head = Envelope(
            id=ce_id,
            source="/subject",
            type=type_,
            time=NOW,
            extensions={"sourceoffset": str(offset), "sourceordinal": "0"},
        )
        name = f"{type_.split('.')[3]} {members.get('link', '')}".strip()
        self.facts[name] = self.log.put(REGISTERED, partition, head.headers(), fact.write())
        return ce_id

    async def live(self) -> None:
        world = self.world
        ann, bob = await world.subject(ANN), await world.subject(BOB)
        doctor = await world.professional()
        consent = self.registered(s.ConsentGiven, ann)
        self.registered(
            s.LinkDeclared, ann, link="link-0001", party=doctor, party_kind="professional",
            link_type="consultation", valid_from=NOW, valid_until=UNTIL,
        )  # fmt: skip
        self.registered(
            s.MandateGranted, ann, mandate="mandate-1", holder=bob, holder_kind="citizen",
            mandate_type="prescription",
        )  # fmt: skip
        self.registered(s.MandateAccepted, ann, mandate="mandate-1")
        world.store.facts[ann] = AccessFacts(
            consent=consent,
            links=(Link("link-0001", doctor, "consultation", NOW, UNTIL),),
            mandates=(Mandate("mandate-1", bob, "prescription"),),
        )
        await world.add_line(ANN)
        asked = {"patient": ANN}
        await world.ask("/v1/me/history", world.patient())
        await world.ask("/v1/patients/history", world.caregiver(), asked)
        await world.ask("/v1/patients/history", world.patient(BOB), asked)
        await world.ask("/v1/patients/history", world.pharmacist(), asked)
        await world.ask("/v1/me/access-log", world.patient())
        await world.ask("/v1/me/registrations", world.patient())
        await world.ask("/v1/pharmacy/dispensations", world.pharmacy())
        for topic, _, headers, value in world.log.appended:
            if topic == AUDITED:
                self.log.put(AUDITED, 0, headers, value)

    @property
    def accesses(self) -> list[Record]:
        return self.log.records[AUDITED, 0]

    def change(self, place: int, **members: Any) -> None:
        record = self.accesses[place]
        event = AccessDecided.read(record.value or b"").model_copy(update=members)
        self.accesses[place] = record._replace(value=event.write())

    def spoil(self, name: str) -> Record:
        """Takes a fact out of the log."""
        record = self.facts[name]
        self.log.records[record.topic, record.partition].remove(record)
        return record

    async def audit(self, window: Window = EVERYTHING) -> Report:
        policies = Policies(version=self.world.tables.versions.get("access"))
        return await rederive_access(self.log, policies, self.answers, window, lambda *_: None)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def lived(world: World) -> Lived:
    made = Lived(world)
    await made.live()
    return made


OWN, DOCTORS, HOLDERS, PHARMACISTS, LOG, OVERVIEW, LINES, ANNS_LINE = range(8)


def named(report: Report) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(one.offset, one.kind, one.members) for one in report.differences]


async def test_what_the_api_decided_is_derived_again_to_the_same_outcome(lived: Lived) -> None:
    report = await lived.audit()
    assert named(report) == []
    assert (report.submissions, report.rederived, report.differing) == (8, 8, 0)
    assert report.answers == {"derived": 5}
    assert [one.event.purpose for one in lived.answers.asked] == [
        "own_history",
        "history",
        "history",
        "own_lines",
        "own_lines",
    ]


CHANGES: dict[str, tuple[int, dict[str, Any], tuple[str, ...]]] = {
    "a refusal made a permit": (
        PHARMACISTS, {"decision": "permit", "reason": None, "basis": "consent_and_link"},
        ("decision", "reason", "basis")),
    "a permit made a refusal": (
        DOCTORS, {"decision": "deny", "reason": "no_link", "basis": None},
        ("decision", "reason", "basis")),
    "another reason": (PHARMACISTS, {"reason": "excluded"}, ("reason",)),
    "another basis": (HOLDERS, {"basis": "consent_and_link"}, ("basis",)),
    "a finer word": (HOLDERS, {"detail": "parent"}, ("detail",)),
    "another link": (DOCTORS, {"basis_refs": ("subject/0/0/0", "link-0002")}, ("basis_refs",)),
    "a longer window": (
        DOCTORS, {"window": Period(start=NOW - timedelta(days=900), end=NOW)}, ("window",)),
    "another policy": (DOCTORS, {"policy_version": "access/1"}, ("policy_version",)),
    "another reader": (
        DOCTORS, {"reader": "z" * 26},
        ("decision", "reason", "basis", "basis_refs", "window", "rows", "digest")),
    "another generation": (OWN, {"generation": 2}, ("generation",)),
    "rows in a refusal": (PHARMACISTS, {"rows": 3}, ("rows",)),
    "a digest in a refusal": (PHARMACISTS, {"digest": "AAAA"}, ("digest",)),
    "an auditor who read a history": (
        OWN, {"role": "auditor"},
        ("decision", "reason", "basis", "window", "rows", "digest")),
    "a log read by somebody else": (
        LOG, {"reader": "z" * 26},
        ("decision", "reason", "basis", "window", "digest")),
    "registrations read by somebody else": (
        OVERVIEW, {"reader": "z" * 26},
        ("decision", "reason", "basis", "window", "digest")),
    "another pharmacy's lines": (
        LINES, {"role": "patient"},
        ("decision", "reason", "basis", "window", "rows", "digest")),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES.keys())
async def test_a_changed_record_is_named_with_the_members_that_differ_bad(
    lived: Lived, case: tuple[int, dict[str, Any], tuple[str, ...]]
) -> None:
    place, members, expected = case
    lived.change(place, **members)
    report = await lived.audit()
    assert named(report) == [(place, "other_decision", expected)]
    assert (report.rederived, report.differing) == (7, 1)


async def test_another_answer_than_the_record_gives_is_named_bad(lived: Lived) -> None:
    lived.answers.found = None
    report = await lived.audit()
    assert {members for _, _, members in named(report)} == {("digest",)}
    assert len(report.differences) == 5


async def test_a_registration_that_is_missing_from_the_log_is_felt_bad(lived: Lived) -> None:
    lived.spoil("consent-given")
    report = await lived.audit()
    assert (DOCTORS, "other_decision", ("decision", "reason", "basis", "basis_refs", "window",
                                        "rows", "digest")) in named(report)  # fmt: skip


async def test_a_registration_that_was_planted_is_felt_bad(lived: Lived) -> None:
    ann, doctor = await lived.world.subject(ANN), await lived.world.professional()
    lived.registered(
        s.ExclusionPut, ann, exclusion="exclusion-1", party=doctor, party_kind="professional"
    )
    assert [offset for offset, _, _ in named(await lived.audit())] == [DOCTORS]


async def test_what_was_registered_after_the_positions_of_a_read_changes_nothing(
    lived: Lived,
) -> None:
    ann = await lived.world.subject(ANN)
    partition = lived.world.log.partition_of(REGISTERED, ann.encode())
    records = lived.log.records[REGISTERED, partition]
    withdrawn = lived.registered(s.ConsentWithdrawn, ann)
    records[-1] = records[-1]._replace(offset=lived.world.positions.reached)
    assert withdrawn
    assert named(await lived.audit()) == []


async def test_a_copy_that_a_fenced_writer_left_counts_once(lived: Lived) -> None:
    record = lived.facts["consent-given"]
    records = lived.log.records[record.topic, record.partition]
    records.append(record._replace(offset=6))
    assert named(await lived.audit()) == []


async def test_a_record_twice_is_a_copy_and_with_other_content_a_difference_bad(
    lived: Lived,
) -> None:
    lived.accesses.append(lived.accesses[OWN]._replace(offset=8))
    report = await lived.audit()
    assert (report.copies, report.holds) == (1, True)
    lived.change(8, rows=9)
    assert named(await lived.audit()) == [(8, "extra", ("headers/ce_id",))]


@pytest.mark.parametrize("value", [None, b"", b"{}"])
async def test_a_record_that_is_none_is_named_bad(lived: Lived, value: bytes | None) -> None:
    lived.accesses[OWN] = lived.accesses[OWN]._replace(value=value)
    assert named(await lived.audit()) == [(OWN, "other_bytes", ("value",))]
    lived.accesses[OWN] = lived.accesses[OWN]._replace(headers=())
    assert named(await lived.audit()) == [(OWN, "other_bytes", ("headers",))]


async def test_only_the_window_is_judged(lived: Lived) -> None:
    later = Window(NOW + timedelta(minutes=1), EVERYTHING.end)
    assert (await lived.audit(later)).submissions == 0
    until = Window(EVERYTHING.start, NOW + timedelta(seconds=1))
    assert (await lived.audit(until)).submissions == 8


async def test_another_version_of_the_code_is_counted_and_not_judged(lived: Lived) -> None:
    lived.change(DOCTORS, decider_version="reading/0", decision="deny")
    report = await lived.audit()
    assert (report.holds, report.other_decider) == (True, {"reading/0": 1})


async def test_an_event_from_before_versions_were_named_is_judged(lived: Lived) -> None:
    lived.change(DOCTORS, decider_version=None)
    assert (await lived.audit()).rederived == 8


async def test_a_merged_person_is_followed_to_the_other_partition(world: World) -> None:
    made = Lived(world)
    ann, bob = await world.subject(ANN), await world.subject(BOB)
    doctor = await world.professional()
    made.registered(s.IdentityMerged, bob, merge="merge-0001", other=ann, side="replaced")
    made.registered(
        s.ExclusionPut, bob, exclusion="exclusion-1", party=doctor, party_kind="professional"
    )
    made.registered(s.IdentityMerged, ann, merge="merge-0001", other=bob, side="surviving")
    merged = AccessFacts(exclusions=(Exclusion("exclusion-1", doctor),), person=(ann, bob))
    world.store.facts = {ann: merged, bob: merged}
    await world.ask("/v1/patients/history", world.caregiver(), {"patient": BOB})
    await world.ask("/v1/me/history", world.patient(BOB))
    for _, _, headers, value in world.log.appended:
        made.log.put(AUDITED, 0, headers, value)
    report = await made.audit()
    assert (report.rederived, named(report)) == (2, [])
    assert AccessDecided.read(made.accesses[0].value or b"").reason == "excluded"
    made.spoil("identity-merged")
    assert {offset for offset, _, _ in named(await made.audit())} == {0, 1}


async def test_parents_the_dead_and_halves_of_merges_are_derived_too(world: World) -> None:
    made = Lived(world)
    ann, bob = await world.subject(ANN), await world.subject(BOB)
    made.registered(
        s.ParentDeclared, ann, parent="parent-1", party=bob, consent_until=UNTIL,
        valid_until=UNTIL,
    )  # fmt: skip
    made.registered(s.DeathDeclared, bob, death="death-01")
    world.store.facts = {
        ann: AccessFacts(parents=(Parent("parent-1", bob, UNTIL),)),
        bob: AccessFacts(death="death-01"),
    }
    await world.ask("/v1/patients/history", world.patient(BOB), {"patient": ANN})
    await world.ask("/v1/me/history", world.patient(BOB))
    for _, _, headers, value in world.log.appended:
        made.log.put(AUDITED, 0, headers, value)
    report = await made.audit()
    assert (report.rederived, named(report)) == (2, [])
    told = [AccessDecided.read(one.value or b"").detail for one in made.accesses]
    assert told == ["parent", "deceased"]


async def test_a_pharmacy_that_was_revealed_is_derived_by_its_own_rule(world: World) -> None:
    made = Lived(world)
    ann, party = await world.subject(ANN), await world.organisation(OTHER_PHARMACY)
    consent = made.registered(s.ConsentGiven, ann)
    made.registered(
        s.LinkDeclared, ann, link="link-0001", party=party, party_kind="organisation",
        link_type="pharmacy", valid_from=NOW, valid_until=UNTIL,
    )  # fmt: skip
    link = Link("link-0001", party, "pharmacy", NOW, UNTIL)
    world.store.facts[ann] = AccessFacts(consent=consent, links=(link,))
    line = await world.add_line(ANN)
    form = {
        "patient": ANN,
        "dguid": line.dguid,
        "motivation_type": "patient_request",
        "motivation": "asks where it was bought",
        "evidence": {"proof": "eidsigning"},
    }
    assert (await world.ask("/v1/patients/pharmacy", world.pharmacist(), form)).status_code == 200
    [(_, _, headers, value)] = world.log.appended
    made.log.put(AUDITED, 0, headers, value)
    report = await made.audit()
    assert (report.rederived, named(report)) == (1, [])
    made.spoil("link-declared link-0001")
    assert [offset for offset, _, _ in named(await made.audit())] == [0]


async def emergencies(world: World) -> Lived:
    """One that a caregiver declared, and a read on a link that was declared in one."""
    world.open_emergencies()
    made = Lived(world)
    ann, doctor = await world.subject(ANN), await world.professional()
    consent = made.registered(s.ConsentGiven, ann)
    await world.add_line(ANN)
    form = {"patient": ANN, "motivation_type": "vital_interest", "motivation": "a fall"}
    world.store.facts[ann] = AccessFacts(consent=consent)
    await world.ask("/v1/patients/emergency", world.caregiver(), form)
    made.registered(
        s.LinkDeclared, ann, link="link-0001", party=doctor, party_kind="professional",
        link_type="emergency", valid_from=NOW, valid_until=UNTIL,
    )  # fmt: skip
    link = Link("link-0001", doctor, "emergency", NOW, UNTIL)
    world.store.facts[ann] = AccessFacts(consent=consent, links=(link,))
    await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
    for _, _, headers, value in world.log.appended:
        made.log.put(AUDITED, 0, headers, value)
    return made


async def test_emergencies_are_derived_again_with_basis_window_and_answer(world: World) -> None:
    made = await emergencies(world)
    report = await made.audit()
    assert (report.rederived, named(report), report.answers) == (2, [], {"derived": 2})
    assert [one.event.purpose for one in made.answers.asked] == ["emergency", "history"]
    assert [one.event.detail for one in made.answers.asked] == [None, "emergency"]


EMERGENCY_CHANGES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a refusal": ({"decision": "deny", "reason": "excluded", "basis": None},
                  ("decision", "reason", "basis")),
    "no basis": ({"basis": None}, ("basis",)),
    "a longer window": ({"window": Period(start=NOW - timedelta(days=900), end=NOW)}, ("window",)),
    "another profession": (
        {"profession": "nurse"},
        ("decision", "reason", "basis", "basis_refs", "window", "rows", "digest")),
}  # fmt: skip


@pytest.mark.parametrize("case", EMERGENCY_CHANGES.values(), ids=EMERGENCY_CHANGES.keys())
async def test_a_changed_record_of_an_emergency_is_named_bad(
    world: World, case: tuple[dict[str, Any], tuple[str, ...]]
) -> None:
    members, expected = case
    made = await emergencies(world)
    record = made.accesses[0]
    event = EmergencyDecided.read(record.value or b"").model_copy(update=members)
    made.accesses[0] = record._replace(value=event.write())
    assert named(await made.audit()) == [(0, "other_decision", expected)]


async def test_an_emergency_that_policy_had_not_opened_is_named_bad(world: World) -> None:
    made = await emergencies(world)
    world.tables.versions.clear()
    differing = named(await made.audit())
    assert [(offset, "decision" in members) for offset, _, members in differing] == [
        (0, True),
        (1, False),
    ]


async def test_an_emergency_without_the_consent_that_it_names_is_named_bad(world: World) -> None:
    made = await emergencies(world)
    made.spoil("consent-given")
    assert [offset for offset, _, _ in named(await made.audit())] == [0, 1]


async def test_what_a_pharmacy_read_of_recalls_is_derived_as_its_own_lines_are(
    world: World,
) -> None:
    made = Lived(world)
    await world.carry("00000000-0000-4000-9000-000000000001", PHARMACY, CNK)
    form = {"cnk": CNK, "reference": "R-1", "reason": "particles"}
    opened = await world.ask("/v1/authorities/recalls/open", world.authority(), form)
    world.project_recalls()
    recall = {"recall": opened.json()["recall"]}
    await world.ask("/v1/pharmacy/recalls", world.pharmacy())
    await world.ask("/v1/pharmacy/recalls/lines", world.pharmacy(), recall)
    for topic, _, headers, value in world.log.appended:
        if topic == AUDITED:
            made.log.put(AUDITED, 0, headers, value)
    report = await made.audit()
    assert (report.rederived, named(report)) == (3, [])
