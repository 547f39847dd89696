"""A diff names the event, the row and the columns of every change, and shows nothing clinical."""

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumers.audit import exported
from consumers.audit.changed import Changed, is_clear
from consumers.audit.cuts import EVERYTHING, Cut
from consumers.audit.diff import Asked, Difference, diff
from consumers.audit.exported import ExportInvalid, FileExport, Unlike
from consumers.audit.replayed import Replayed
from infra.keys.memory import MemoryVault
from projections.comparing import SubjectContent
from projections.shells import History, Projection, access_state_projection, registered
from schemas import subject, topics
from schemas.dispensation import CORRECTED, Supersedes
from streams.notary.directory import LogDirectory
from streams.notary.notes import Checkpoint
from tests.integration.projections_world import NOON, Facts, Output, subject_of
from tests.integration.test_projections_others import COMMON, decision
from tests.support.replay_log import Broker

ANN, BOB = subject_of("ann"), subject_of("bob")
FACTS, SUBJECTS = topics.DISPENSATION_RECORDED.name, topics.SUBJECT_REGISTERED.name
FORMER = Supersedes(version=1, month="2026-03", subject=ANN)
START = 5
"""Leaves before what is asked about."""
BEFORE = Cut(size=START)


class Story:
    """A log: two persons' consents and lines; then a withdrawal and a correction."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = MemoryVault()
        self.facts = Facts(self.vault)
        self.broker = Broker()

    def fact(self, model: type[subject.SubjectFact], **members: object) -> Output:
        fact = model.model_validate({**COMMON, **members})
        return self.facts.output(subject.SUBJECT_FACT_TYPES[model], fact)

    async def tell(self) -> None:
        broker, facts = self.broker, self.facts
        broker.append(SUBJECTS, self.fact(subject.ConsentGiven))
        broker.append(SUBJECTS, self.fact(subject.ConsentGiven, subject=BOB, author=BOB))
        broker.append(FACTS, await facts.registered("line 1", batch="lot"))
        broker.append(FACTS, await facts.registered("line 2"))
        broker.append(FACTS, await facts.registered("other", "bob"))
        assert len(broker.records) == START
        broker.append(SUBJECTS, self.fact(subject.ConsentWithdrawn))
        broker.append(FACTS, await facts.corrected("line 1", 2, "ann", NOON, FORMER))

    async def diff(
        self,
        *projections: Projection,
        start: Cut = BEFORE,
        end: Cut = EVERYTHING,
        of: str | None = None,
    ) -> Difference:
        size = self.broker.log(self.folder).size
        read = LogDirectory(self.folder).read
        chosen: Sequence[Projection] = projections or [
            one for one in registered(self.vault) if one.name != "recall"
        ]
        return await diff(read, size, chosen, Asked(start, end, of), lambda *_: None)


@pytest.fixture
async def story(tmp_path: Path) -> Story:
    made = Story(tmp_path / "log")
    await made.tell()
    return made


def named(found: Sequence[Changed]) -> list[tuple[int, str, str, bool]]:
    return [(one.event.leaf, one.projection, one.table, one.put) for one in found]


async def test_every_row_that_an_event_changed_is_named_with_the_event_and_columns(
    story: Story,
) -> None:
    found = await story.diff()
    assert named(found.changes) == [
        (5, "access_state", "consent", False),
        (6, "consumption", "line", True),
        (6, "consumption", "line", False),
        (6, "history", "dispensation", True),
        (6, "history", "dispensation", False),
        (6, "product_recall", "line", True),
        (6, "product_recall", "line", False),
    ]
    withdrawn = found.changes[0]
    assert withdrawn.event.type == subject.CONSENT_WITHDRAWN
    assert (withdrawn.event.topic, withdrawn.event.offset) == (SUBJECTS, 4)
    assert withdrawn.subject == ANN
    assert {"superseded_position", "superseded_at", "end_event_type", "end_sealed"} == {
        one for one in withdrawn.columns if one.startswith(("superseded", "end_e", "end_s"))
    }
    assert withdrawn.after["superseded_position"] == 4
    replaced = found.changes[4]
    assert replaced.event.type == CORRECTED
    assert replaced.columns == ("superseded_position",)
    assert replaced.after == {"superseded_position": found.changes[3].event.offset}


async def test_nothing_sealed_or_clinical_is_shown_though_it_is_named(story: Story) -> None:
    found = await story.diff(start=Cut(size=0))
    history = next(one for one in found.changes if one.projection == "history")
    assert {"sealed", "delivered_at", "product_index"} <= set(history.columns)
    secret = History.key_derived | {"sealed"}
    for one in found.changes:
        shown = {*one.before, *one.after, *one.key}
        if one.projection == "history":
            assert not shown & secret
        assert not any("sealed" in name for name in shown)
    assert "0000000" not in json.dumps(
        [dataclasses.asdict(one) for one in found.changes], default=str
    )


async def test_a_subject_is_asked_about_alone_and_a_time_ends_as_well_as_a_number(
    story: Story,
) -> None:
    found = await story.diff(start=Cut(size=0), of=BOB)
    assert {one.subject for one in found.changes} == {BOB}
    assert named(found.changes) == [
        (1, "access_state", "consent", True),
        (4, "history", "dispensation", True),
        (4, "product_recall", "line", True),
    ]
    assert (await story.diff(start=Cut(size=5), end=Cut(size=5))).changes == []
    until = await story.diff(access_state_projection(), start=Cut(size=0), end=Cut(size=1))
    assert named(until.changes) == [(0, "access_state", "consent", True)]


async def test_what_an_erased_person_had_is_counted_and_not_told(story: Story) -> None:
    executed = story.fact(
        subject.ErasureExecuted, erasure="erasure-one", author_role="privacy_officer"
    )
    story.broker.append(topics.ACCESS_AUDITED.name, decision(1))
    story.broker.append(SUBJECTS, executed)
    await story.vault.destroy_subject(ANN, 1, NOON)
    found = await story.diff(start=Cut(size=0))
    told = {one.projection for one in found.changes if one.subject == ANN}
    assert told == {"access_log", "surveillance"}, "which outlive an erasure"
    assert found.erased == 2, "the consent is given and withdrawn"


async def test_events_that_cannot_be_folded_are_named_and_another_vault_ends_the_projection(
    story: Story,
) -> None:
    found = await story.diff(History(MemoryVault()))
    assert found.changes == []
    assert not found.left_out, "subject secrets that the vault does not know count as erased"
    story.broker.append(SUBJECTS, Output(0, "be.dpp.subject.unknown.v1", b"{}", (90, 0)))
    story.broker.append(SUBJECTS, story.fact(subject.ConsentGiven, author_role="caregiver"))
    found = await story.diff(access_state_projection(), start=Cut(size=7))
    assert [one.category for one in found.left_out] == ["unknown_type"]


@pytest.mark.parametrize(
    ("name", "clear"),
    [("score", True), ("sealed", False), ("end_sealed", False), ("sealed_reader", False)],
)
def test_columns_that_hold_something_sealed_are_known_by_name(name: str, clear: bool) -> None:
    assert is_clear(name, {"delivered_at"}, {}) is clear
    assert not is_clear("delivered_at", {"delivered_at"}, {})
    assert not is_clear("body", set(), {"body": b"bytes"})


def export(*contents: SubjectContent, size: int = 3) -> io.StringIO:
    file = io.StringIO()
    made = FileExport(file, "1", Checkpoint("log", size, bytes(32)), b"k" * 32)
    made.begin([Replayed("access_state", 1, positions={0: 4})])
    for one in contents:
        made.add(access_state_projection(), one)
    file.seek(0)
    return file


def content(who: str | None, rows: int = 1, **columns: str) -> SubjectContent:
    return SubjectContent("consent", who, rows, columns)


def compared(one: io.StringIO, other: io.StringIO) -> list[Unlike]:
    exported.check_same(exported.head_of(one), exported.head_of(other))
    return list(exported.compare(one, other))


def test_two_exports_name_the_subjects_and_columns_that_differ() -> None:
    one = export(content(None, x="1"), content("a", x="1", y="2"), content("b", x="1"))
    other = export(content(None, x="1"), content("a", x="1", y="3", z="4"), content("c", x="1"))
    assert compared(one, other) == [
        Unlike("access_state", "consent", "a", ("y", "z"), (1, 1)),
        Unlike("access_state", "consent", "b", ("x",), (1, 0)),
        Unlike("access_state", "consent", "c", ("x",), (0, 1)),
    ]
    assert compared(export(content("a", x="1")), export(content("a", x="1"))) == []


@pytest.mark.parametrize(
    "other",
    [
        export(size=4),
        io.StringIO("{}\n"),
        io.StringIO(""),
        io.StringIO("[]\n"),
        export(content("b", x="1"), content("a", x="1")),
    ],
    ids=["another size", "no head", "nothing", "another form", "out of order"],
)
def test_exports_that_cannot_be_compared_are_refused_bad(other: io.StringIO) -> None:
    with pytest.raises(ExportInvalid):
        compared(export(), other)


def test_what_only_key_holders_know_is_hashed_under_a_key() -> None:
    file = io.StringIO()
    made = FileExport(file, "1", Checkpoint("log", 3, bytes(32)), b"k" * 32)
    made.add(
        History(MemoryVault()),
        SubjectContent("dispensation", "a", 1, {"delivered_at": "d", "score": "s"}),
    )
    columns = json.loads(file.getvalue())[4]
    assert columns["score"] == "s"
    assert columns["delivered_at"] != "d"
