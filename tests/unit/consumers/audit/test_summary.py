"""A report is read as it was signed, and nothing of it is left out or unescaped on its page."""

from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from consumers.audit import summary
from consumers.audit.page import page
from consumers.audit.replayed import Replay, Replayed
from consumers.audit.report import Report, Window
from consumers.audit.reporting import LOG, Audit, gather
from consumers.audit.summary import AuditReport, Period, Section
from consumers.audit.verify import Fault, Verification
from projections.hashing import Difference
from projections.store import Failure
from schemas.keyvault import VaultUnavailable
from streams.notary import notes
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import NoteInvalid

ORIGIN = "dpp.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SIGNER = summary.signer(ORIGIN, KEY.public_key().public_bytes_raw())
AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
DIFFERS = Section(
    name="replay history",
    outcome="differs",
    figures={"rows": 7},
    details={"content": "ab"},
    findings=("subject <b>&amp;</b>: dispensation: columns score",),
)
MADE = AuditReport(
    origin=ORIGIN,
    size=20,
    root="AA",
    period=Period(start=AT, end=AT),
    auditor="<script>alert(1)</script>",
    code="1",
    sections=(
        Section(name="log", outcome="holds", figures={"leaves": 20}),
        DIFFERS,
        summary.not_done("kafka", "The broker does not answer."),
    ),
    issued_at=AT,
)
NOTE = summary.sign(MADE, KEY).encode()


def test_a_report_is_read_as_it_was_signed() -> None:
    assert summary.check(NOTE, SIGNER) == MADE
    assert not MADE.holds
    assert [one.name for one in MADE.not_done] == ["kafka"]


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 7))
def test_one_flipped_bit_is_refused(at: int, bit: int) -> None:
    data = bytearray(NOTE)
    data[at] ^= 1 << bit
    with pytest.raises(NoteInvalid):
        summary.check(bytes(data), SIGNER)


def _note(text: str, name: str = f"{ORIGIN}/audit-reports") -> bytes:
    return str(notes.Note(text, (notes.sign(text, name, KEY),))).encode()


@pytest.mark.parametrize(
    "note",
    [
        _note(NOTE.decode().rpartition("\n\n")[0] + "\n", f"{ORIGIN}/erasures"),
        _note("dpp audit report v2\n{}\n"),
        _note("dpp audit report v1\n{}\n"),
        summary.sign(MADE, Ed25519PrivateKey.generate()).encode(),
        b"",
    ],
    ids=["another name", "another heading", "no content", "another key", "nothing"],
)
def test_what_was_not_signed_as_a_report_is_refused_bad(note: bytes) -> None:
    with pytest.raises(NoteInvalid):
        summary.check(note, SIGNER)


class Reading(HTMLParser):
    """What a browser finds: tags and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.told: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser calls it so
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.told.append(data)


def test_the_page_tells_everything_escaped_and_fetches_nothing() -> None:
    text = page(MADE, "f" * 64)
    read = Reading()
    read.feed(text)
    told = " ".join(read.told)
    for section in MADE.sections:
        for one in (section.name, section.reason or "", *section.findings, *section.details):
            assert one in told
    assert "not done" in told
    assert "f" * 64 in told
    assert read.tags.isdisjoint({"script", "img", "link", "b", "iframe"})
    assert "http" not in text
    assert "@media print" in text


def test_what_verification_replay_and_derivation_found_becomes_sections() -> None:
    fault = Fault("entry", "Leaf 3 is not what was logged.", 3)
    broken = summary.log_section(Verification(None, b"", 0, fault))
    assert (broken.outcome, broken.findings) == (
        "differs",
        ("entry: Leaf 3 is not what was logged.",),
    )
    difference = Difference("consent", {"subject": "a", "id": "c"}, "a", (), "live")
    found = Replay(
        ORIGIN,
        20,
        b"",
        "the end",
        (
            Replayed("access_state", 1, differing=1, differences=[difference]),
            Replayed("history", 1, failure=Failure("period_unknown", "t", 0, 4)),
            Replayed("quality", 1),
        ),
        {"recall": "its topic is not logged"},
    )
    sections = {one.name: one for one in summary.replay_sections(found)}
    assert {name: one.outcome for name, one in sections.items()} == {
        "replay access_state": "differs",
        "replay history": "not_done",
        "replay quality": "holds",
        "replay recall": "not_done",
    }
    assert sections["replay access_state"].findings == (
        "subject a: consent (subject a, id c): missing in live",
    )
    window = Window(AT, AT)
    unknown = Report("quality", "1", window, not_derivable=Counter({"key_unknown": 1}))
    assert summary.rederive_section(unknown).outcome == "not_done"
    assert summary.rederive_section(Report("quality", "1", window)).outcome == "holds"


@pytest.mark.parametrize(
    ("cosigned", "asked", "needed", "outcome"),
    [
        ([], [], 0, "not_done"),
        (["w"], ["w", "v"], 1, "holds"),
        (["w"], ["w", "v"], 2, "differs"),
    ],
)
def test_cosignatures_are_those_demanded(
    cosigned: list[str], asked: list[str], needed: int, outcome: str
) -> None:
    found = summary.cosignatures_section(cosigned, asked, needed)
    assert found.outcome == outcome


async def test_what_cannot_be_done_is_put_down_with_its_reason_and_what_rests_on_it_too() -> None:
    async def fails() -> list[Section]:
        raise VaultUnavailable("The vault does not answer.")

    async def damaged() -> list[Section]:
        raise LeafInvalid("a leaf ends inside a part")

    async def holds() -> list[Section]:
        return [Section(name="fine", outcome="holds")]

    done = [Section(name=LOG, outcome="holds")]
    found = await gather(
        done,
        {
            "first": Audit(fails, LOG),
            "second": Audit(holds, "first"),
            "third": Audit(damaged),
            "fine": Audit(holds, "nobody"),
        },
    )
    assert [(one.name, one.outcome) for one in found] == [
        (LOG, "holds"),
        ("first", "not_done"),
        ("second", "not_done"),
        ("third", "not_done"),
        ("fine", "holds"),
    ]
    assert found[1].reason == found[2].reason == "The vault does not answer."
    broken = await gather([Section(name=LOG, outcome="differs")], {"first": Audit(holds, LOG)})
    assert broken[1].reason == "The log does not hold."
