"""A log whose key was handed over: what auditors and holders of proofs see, and thieves get."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.audit.follow import Demands, Following
from consumers.audit.kept import Kept
from consumers.audit.prove import by_id, check_within, prove
from consumers.audit.verify import Memory, memory_from, saved_memory, verify
from streams.notary import proofs
from streams.notary.directory import CHECKPOINT, LogDirectory
from streams.notary.handover import HANDOVERS, RetiredKeySigned
from streams.notary.notes import Checkpoint, NoteInvalid, Verifier
from streams.notary.opening import Demand
from streams.notary.tree import ProofInvalid
from tests.support.audit_log import (
    KEY,
    LOG,
    NEXT,
    NEXT_KEY,
    ORIGIN,
    entry,
    grow,
    hand_over,
    signed,
)

HANDED, SIZE = 300, 700


class Log:
    """A log on disk whose key changes at 300 leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read = LogDirectory(folder).read
        self.last: Checkpoint | None = None

    def grow(self, upto: int, *more: Ed25519PrivateKey, key: Ed25519PrivateKey = KEY) -> None:
        start = self.last.size if self.last else 0
        leaves = [entry(number) for number in range(start, upto)]
        self.last = grow(self.folder, leaves, self.last, *more, key=key)

    def hand_over(self) -> None:
        self.grow(HANDED, NEXT_KEY)
        assert self.last is not None
        hand_over(self.folder, self.last)

    def fault(self, pinned: Verifier, memory: Memory | None = None) -> str | None:
        found = verify(self.read, pinned, memory or Memory())
        return None if found.fault is None else found.fault.kind


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path / "log")
    made.grow(200)
    return made


@pytest.fixture
def handed(log: Log) -> Log:
    log.hand_over()
    log.grow(SIZE, key=NEXT_KEY)
    return log


@pytest.mark.parametrize("pinned", [LOG, NEXT])
def test_whoever_pins_either_key_goes_on_through_a_rotation(log: Log, pinned: Verifier) -> None:
    memory = Memory()
    log.grow(250, NEXT_KEY)
    assert log.fault(pinned, memory) is None
    log.hand_over()
    assert log.fault(pinned, memory) is None
    log.grow(SIZE, key=NEXT_KEY)
    memory = memory_from(saved_memory(memory))
    assert log.fault(pinned, memory) is None
    assert log.fault(pinned) is None
    assert [one.last.size for one in memory.handovers] == [HANDED]


def test_a_follower_goes_on_and_remembers_the_handover(log: Log, tmp_path: Path) -> None:
    following = Following(log.read, Demands(LOG), Kept(tmp_path / "mine"))
    assert following.look().fault is None
    log.hand_over()
    assert following.look().fault is None
    log.grow(SIZE, key=NEXT_KEY)
    assert following.look().fault is None
    log.grow(SIZE + 1, key=KEY)
    look = following.look()
    assert look.fault is not None
    assert look.fault.kind == "retired"


def test_memories_from_before_there_were_handovers_are_read(log: Log) -> None:
    memory = Memory()
    log.fault(LOG, memory)
    saved = saved_memory(memory)
    del saved["handovers"]
    assert memory_from(saved).kept == memory.kept


def forged(log: Log, size: int, *more: Ed25519PrivateKey, key: Ed25519PrivateKey) -> None:
    """A thief serves another history of that size."""
    other = Log(log.folder.parent / f"forged-{size}")
    leaves = [entry(number, value=b"forged") for number in range(size)]
    grow(other.folder, leaves, None, *more, key=key)
    for path in (other.folder / "tile").rglob("*"):
        if path.is_file():
            target = log.folder / path.relative_to(other.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (log.folder / CHECKPOINT).write_bytes(other.read(CHECKPOINT))


def hide(log: Log) -> None:
    (log.folder / HANDOVERS).unlink()


def signed_on(log: Log) -> None:
    log.grow(SIZE + 9, key=KEY)


def signed_both(log: Log) -> None:
    log.grow(SIZE + 9, KEY, key=NEXT_KEY)


def forged_beyond(log: Log) -> None:
    forged(log, 800, key=KEY)


def forged_beyond_and_hidden(log: Log) -> None:
    forged_beyond(log)
    hide(log)


def forged_below(log: Log) -> None:
    forged(log, 250, key=KEY)


def another_handover(log: Log) -> None:
    """The thief lets the former key hand over to one of his own."""
    hide(log)
    mine = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
    forged(log, 800, key=mine)
    hand_over(log.folder, Checkpoint(ORIGIN, HANDED, bytes(32)), KEY, mine)


THEFTS: Final[dict[str, tuple[Callable[[Log], None], str, str]]] = {
    "it goes on alone": (signed_on, "retired", "retired"),
    "it signs beside its successor": (signed_both, "retired", "retired"),
    "a longer fork": (forged_beyond, "retired", "retired"),
    "a longer fork, the handover hidden": (forged_beyond_and_hidden, "retired", "checkpoint"),
    "a fork of fewer leaves than were handed over": (forged_below, "handover", "handover"),
    "a handover to a key of the thief's": (another_handover, "checkpoint", "checkpoint"),
}
PAGE: Final = Path(__file__).parents[4] / "docs" / "auditing" / "tampering.md"


@pytest.mark.parametrize(("theft", "remembered", "new"), THEFTS.values(), ids=THEFTS)
def test_the_former_key_is_of_no_use_to_a_thief_bad(
    handed: Log, theft: Callable[[Log], None], remembered: str, new: str
) -> None:
    """By an auditor who has seen the handover, whichever key is pinned, or who pins the new one."""
    seen, seen_by_new = Memory(), Memory()
    assert handed.fault(LOG, seen) is None
    assert handed.fault(NEXT, seen_by_new) is None
    theft(handed)
    assert handed.fault(LOG, seen) == remembered
    assert handed.fault(NEXT, seen_by_new) == remembered
    assert handed.fault(NEXT) == new


def test_the_page_lists_every_theft_with_what_is_said() -> None:
    text = PAGE.read_text()
    for what, (_, remembered, new) in THEFTS.items():
        assert f"| {what} | `{remembered}` | `{new}` |" in text


def test_a_handover_that_is_hidden_or_altered_is_told_bad(handed: Log) -> None:
    memory = Memory()
    handed.fault(LOG, memory)
    data = handed.read(HANDOVERS)
    for bit in range(0, len(data) * 8, 97):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        (handed.folder / HANDOVERS).write_bytes(altered)
        assert handed.fault(LOG, memory) in ("handover", "checkpoint")
    hide(handed)
    assert handed.fault(LOG, memory) == "handover"


def test_a_handover_of_another_history_is_told_bad(handed: Log) -> None:
    hide(handed)
    hand_over(handed.folder, Checkpoint(ORIGIN, HANDED, bytes(32)))
    for pinned in (LOG, NEXT):
        assert handed.fault(pinned) == "handover"


def test_a_checkpoint_that_grew_between_two_readings_is_read_again(handed: Log) -> None:
    older = signed(200, bytes(32))
    answers = [older]

    def read(path: str) -> bytes:
        return answers.pop() if path == CHECKPOINT and answers else handed.read(path)

    assert verify(read, LOG, Memory()).fault is None


def test_a_copy_that_shows_a_handover_before_the_checkpoint_it_follows_holds(log: Log) -> None:
    log.grow(250, NEXT_KEY)
    lagging = {path: log.read(path) for path in (CHECKPOINT,)}
    log.hand_over()

    def read(path: str) -> bytes:
        return lagging.get(path) or log.read(path)

    memory = Memory()
    assert verify(read, LOG, memory).fault is None
    assert {one.last.size for one in memory.handovers} == set()
    assert log.fault(NEXT, memory) is None
    assert [one.last.size for one in memory.handovers] == [HANDED]


def test_proofs_from_before_hold_for_ever_and_under_the_new_key_with_the_log(log: Log) -> None:
    before = prove(log.read, LOG, by_id("77"))
    log.hand_over()
    log.grow(SIZE, key=NEXT_KEY)
    after = prove(log.read, LOG, by_id("500"))
    assert before is not None
    assert after is not None
    old, new = proofs.read(before.proof), proofs.read(after.proof)
    assert proofs.check(old, before.entry, LOG).size == 200
    assert proofs.check(new, after.entry, NEXT).size == SIZE
    for pinned in (LOG, NEXT):
        assert check_within(log.read, old, before.entry, Demand(pinned)).size == 200
        assert check_within(log.read, new, after.entry, Demand(pinned)).size == SIZE


def test_a_proof_made_with_the_stolen_former_key_is_refused_with_the_log_bad(
    handed: Log, tmp_path: Path
) -> None:
    thief = Log(tmp_path / "thief")
    for size, refused in ((250, ProofInvalid), (800, RetiredKeySigned)):
        grow(thief.folder, [entry(number, value=b"forged") for number in range(size)])
        made = prove(thief.read, LOG, by_id("77"))
        assert made is not None
        for pinned in (LOG, NEXT):
            with pytest.raises(refused):
                check_within(handed.read, proofs.read(made.proof), made.entry, Demand(pinned))
        with pytest.raises(NoteInvalid):
            proofs.check(proofs.read(made.proof), made.entry, NEXT)
