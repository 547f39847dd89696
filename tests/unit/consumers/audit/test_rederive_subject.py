"""Registrations are derived again to the same bytes, and whatever was planted is named."""

import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.audit.rederive import rederive
from consumers.audit.report import Report, Window
from consumers.audit.subject import SubjectAudit
from infra.kafka import Record
from infra.keys.memory import MemoryVault
from schemas.keyvault import IntakeKey
from schemas.registrations import DECLARE_LINK, GIVE_CONSENT, PUT_EXCLUSION, WITHDRAW_CONSENT
from schemas.sealing.pseudonym import subject_pseudonym
from schemas.topics import SUBJECT_RECEIPTS, SUBJECT_REGISTERED, SUBJECT_SUBMITTED
from streams.subject.outcome import DECIDER_VERSION
from tests.support.stage_log import MemoryLog
from tests.unit.streams.subject.test_stage import Backbone
from tests.unit.streams.subject.world import PARTITIONS, PATIENT

EVERYTHING = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
FACTS, RECEIPTS = SUBJECT_REGISTERED.name, SUBJECT_RECEIPTS.name


class Log(MemoryLog):
    """All partitions of the topics; only that of the patient holds anything."""

    partition: int = 0

    async def partitions(self, topic: str) -> int:
        del topic
        return PARTITIONS

    async def read(self, topic: str, partition: int) -> AsyncGenerator[Sequence[Record]]:
        if partition == self.partition:
            async for batch in super().read(topic, partition):
                yield batch


class Lived:
    """A partition in which one person registered this and that."""

    def __init__(self) -> None:
        self.backbone, self.log = Backbone(), Log()

    async def live(self) -> None:
        subject = await self.backbone.start()
        types = (
            GIVE_CONSENT, GIVE_CONSENT, DECLARE_LINK, PUT_EXCLUSION, WITHDRAW_CONSENT,
        )  # fmt: skip
        for offset, type_ in enumerate(types):
            record = self.backbone.record(subject, offset, type_)
            self.log.partition = record.partition
            self.log.submit(record)
            [outputs] = await self.backbone.run([record])
            for output in outputs:
                self.log.write(output)

    async def audit(self) -> Report:
        audited = SubjectAudit(self.backbone.tables, self.backbone.vault, PARTITIONS)
        return await rederive(audited, self.log, EVERYTHING, lambda *_: None)


@pytest.fixture
async def lived() -> Lived:
    made = Lived()
    await made.live()
    return made


def named(report: Report) -> list[tuple[int, int, str, str, tuple[str, ...]]]:
    return [
        (one.offset, one.ordinal, one.kind, one.topic, one.members) for one in report.differences
    ]


async def test_what_the_stage_wrote_is_derived_again_to_the_same_bytes(lived: Lived) -> None:
    report = await lived.audit()
    assert named(report) == []
    assert (report.submissions, report.rederived) == (5, 5)
    assert (report.stage, report.decider_version) == ("subject", DECIDER_VERSION)


async def test_a_fact_that_is_missing_is_named(lived: Lived) -> None:
    lived.log.drop((0, 0))
    assert named(await lived.audit()) == [(0, 0, "missing", FACTS, ())]


async def test_a_fact_that_was_planted_is_named_and_what_follows_is_not_blamed(
    lived: Lived,
) -> None:
    """The second consent was refused; a fact of it would have given what nobody may give."""
    planted = lived.log.find((0, 0))
    headers = tuple(
        (name, value.replace(b"/0/0", b"/1/0") if name == "ce_id" else value)
        for name, value in planted.headers
    )
    headers = tuple((name, b"1" if name == "ce_sourceoffset" else value) for name, value in headers)
    records = lived.log.records[FACTS]
    records.insert(1, planted._replace(headers=headers, offset=9))
    found = named(await lived.audit())
    assert [one[:3] for one in found] == [(1, 0, "other_bytes"), (1, 0, "extra")]


CHANGES: dict[str, tuple[tuple[int, int], dict[str, Any], str, tuple[str, ...]]] = {
    "another party in a link": ((2, 0), {"value": ("party", "z" * 26)}, FACTS, ("value/party",)),
    "a longer link": (
        (2, 0), {"value": ("valid_until", "2030-01-01T00:00:00Z")}, FACTS, ("value/valid_until",)),
    "an author who was another": ((3, 0), {"value": ("author", "z" * 26)}, FACTS,
                                  ("value/author",)),
    "a receipt that accepts": ((1, 0), {"value": ("outcome", "accepted")}, RECEIPTS,
                               ("value/outcome",)),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES.keys())
async def test_other_bytes_are_named_by_member(
    lived: Lived, case: tuple[tuple[int, int], dict[str, Any], str, tuple[str, ...]]
) -> None:
    place, changes, topic, members = case
    name, value = changes["value"]
    body = json.loads(lived.log.find(place).value or b"")
    body[name] = value
    lived.log.alter(place, value=json.dumps(body, separators=(",", ":")).encode())
    assert named(await lived.audit()) == [(*place, "other_bytes", topic, members)]


async def test_what_an_erasure_made_underivable_is_counted_and_not_blamed(lived: Lived) -> None:
    vault = lived.backbone.vault
    subject = subject_pseudonym(await vault.root_key("pseudonym"), PATIENT)
    await vault.destroy_subject(subject, 1, datetime(2026, 11, 25, tzinfo=UTC))
    report = await lived.audit()
    assert report.holds
    assert report.not_derivable == {"subject_erased": 5}


async def test_registrations_that_no_intake_key_opens_any_more_are_counted(lived: Lived) -> None:
    await lived.backbone.vault.destroy_intake_key("intake-1", datetime(2026, 11, 25, tzinfo=UTC))
    await lived.backbone.vault.put_intake_key(IntakeKey("intake-2", bytes(range(1, 97))))
    report = await lived.audit()
    assert report.holds
    assert report.not_derivable == {"intake_key_destroyed": 5}


async def test_another_backbones_vault_is_told_from_this_ones(lived: Lived) -> None:
    lived.backbone.vault = MemoryVault()
    await lived.backbone.start()
    report = await lived.audit()
    assert report.not_derivable == {"key_unknown": 5}


def test_the_topics_are_those_of_the_contract() -> None:
    assert SubjectAudit.submitted == SUBJECT_SUBMITTED.name
