"""A log is followed: it may only grow, and whatever else it does raises the alarm."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from consumers.audit.follow import Demands, Following
from consumers.audit.kept import Kept, MemoryDamaged
from consumers.audit.verify import Memory
from streams.notary import tiles
from streams.notary.directory import CHECKPOINT, LogDirectory, LogUnavailable
from streams.notary.notes import Checkpoint
from streams.notary.tiles import Tile
from tests.support.audit_log import LOG, ORIGIN, entry, grow, signed
from tests.unit.consumers.witness.test_app import WITNESS


class Followed:
    """A log that grows, its follower, what that asked for, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.keep = folder / "mine"
        self.checkpoint: Checkpoint | None = None
        self.asked: list[str] = []
        self.away = False
        self.now = 0.0

    def grow(self, count: int, *, value: bytes = b"sealed") -> None:
        start = self.checkpoint.size if self.checkpoint else 0
        leaves = [entry(number, value=value) for number in range(start, start + count)]
        self.checkpoint = grow(self.log, leaves, self.checkpoint)

    def begin_anew(self) -> None:
        shutil.rmtree(self.log)
        self.checkpoint = None

    def read(self, path: str) -> bytes:
        self.asked.append(path)
        if self.away:
            raise LogUnavailable("as if it did not answer")
        return LogDirectory(self.log).read(path)

    def following(self, quorum: int = 0) -> Following:
        demands = Demands(LOG, [WITNESS], quorum, entries_seconds=60.0)
        return Following(self.read, demands, Kept(self.keep), clock=lambda: self.now)

    def entries_asked(self) -> list[str]:
        asked, self.asked = self.asked, []
        return [path for path in asked if path.startswith("tile/entries/")]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    made = Followed(tmp_path)
    made.grow(300)
    return made


def test_a_log_that_grows_is_followed_and_remembered(followed: Followed) -> None:
    following = followed.following()
    for count in (1, 700, 5):
        assert following.look().fault is None
        followed.grow(count)
        followed.now += 100
    look = following.look()
    assert (look.checkpoint, look.verified) == (followed.checkpoint, 1_006)
    assert Kept(followed.keep).load().kept[-1] == followed.checkpoint
    seen = (followed.keep / "checkpoints.txt").read_text().count(ORIGIN + "\n")
    assert seen == 4
    assert followed.following().look().verified == 1_006


def test_entries_are_read_when_a_bundle_is_full_or_it_is_time(followed: Followed) -> None:
    following = followed.following()
    following.look()
    assert followed.entries_asked() == ["tile/entries/000", "tile/entries/001.p/44"]
    followed.grow(10)
    following.look()
    assert followed.entries_asked() == []
    followed.grow(250)
    following.look()
    assert followed.entries_asked() == ["tile/entries/001", "tile/entries/002.p/48"]
    followed.grow(1)
    followed.now = 59.0
    following.look()
    assert followed.entries_asked() == []
    followed.now = 60.0
    following.look()
    assert followed.entries_asked() == ["tile/entries/002.p/49"]
    followed.now = 500.0
    following.look()
    assert followed.entries_asked() == []


def test_a_log_that_does_not_answer_is_no_alarm(followed: Followed) -> None:
    following = followed.following()
    followed.away = True
    look = following.look()
    assert (look.fault, look.reached) == (None, False)
    followed.away = False
    assert following.look().reached


def test_a_log_that_has_not_begun_is_no_alarm(tmp_path: Path) -> None:
    nothing = Followed(tmp_path)
    look = nothing.following().look()
    assert (look.fault, look.reached) == (None, False)


def forked(followed: Followed) -> None:
    followed.begin_anew()
    followed.grow(400, value=b"forged")


def forked_in_the_last_leaf(followed: Followed) -> None:
    followed.begin_anew()
    followed.grow(299)
    followed.grow(1, value=b"forged")


def put_back(followed: Followed) -> None:
    followed.begin_anew()
    followed.grow(200)


def taken_away(followed: Followed) -> None:
    (followed.log / CHECKPOINT).unlink()


def unsigned(followed: Followed) -> None:
    (followed.log / CHECKPOINT).write_bytes(b"no checkpoint\n")


def root_of_nothing(followed: Followed) -> None:
    (followed.log / CHECKPOINT).write_bytes(signed(300, bytes(32)))


def longer_than_its_tiles(followed: Followed) -> None:
    (followed.log / CHECKPOINT).write_bytes(signed(301, bytes(32)))


def entry_altered(followed: Followed) -> None:
    followed.grow(256)
    file = followed.log / tiles.bundle_path(1)
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def tile_altered(followed: Followed) -> None:
    file = followed.log / Tile(1, 0, 1).path
    file.write_bytes(bytes(32))


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (forked, "fork"),
        (forked_in_the_last_leaf, "fork"),
        (put_back, "rollback"),
        (taken_away, "missing"),
        (unsigned, "checkpoint"),
        (root_of_nothing, "fork"),
        (longer_than_its_tiles, "missing"),
        (entry_altered, "entry"),
        (tile_altered, "fork"),
    ],
)
def test_whatever_else_it_does_is_an_alarm_with_evidence_bad(
    followed: Followed, tamper: Callable[[Followed], None], kind: str
) -> None:
    following = followed.following()
    following.look()
    before = (followed.keep / "memory.json").read_bytes()
    tamper(followed)
    look = following.look()
    assert look.fault is not None
    assert look.fault.kind == kind
    assert (followed.keep / "memory.json").read_bytes() == before
    if tamper is not taken_away:
        note = (followed.log / CHECKPOINT).read_bytes()
        assert (followed.keep / "evidence-1.txt").read_bytes() == note


def test_a_fork_is_noticed_after_a_restart_too_bad(followed: Followed) -> None:
    followed.following().look()
    forked(followed)
    look = followed.following().look()
    assert look.fault is not None
    assert look.fault.kind == "fork"


def test_a_checkpoint_without_the_cosignatures_demanded_is_an_alarm_bad(
    followed: Followed,
) -> None:
    look = followed.following(quorum=1).look()
    assert look.fault is not None
    assert look.fault.kind == "checkpoint"


def test_a_memory_that_is_damaged_is_not_begun_anew_bad(followed: Followed) -> None:
    followed.following().look()
    (followed.keep / "memory.json").write_text("{}")
    with pytest.raises(MemoryDamaged, match="is damaged"):
        followed.following()


def test_what_later_checkpoints_continue_is_not_kept_for_ever(tmp_path: Path) -> None:
    memory = Memory([Checkpoint(ORIGIN, size, bytes(32)) for size in range(1, 101)])
    memory.recount.size = 64
    Kept(tmp_path).save(memory)
    sizes = [one.size for one in memory.kept]
    assert sizes == list(range(49, 101))
    assert json.loads((tmp_path / "memory.json").read_bytes())["checkpoints"]
