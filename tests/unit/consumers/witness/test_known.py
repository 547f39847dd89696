"""A witness follows a log to its next key by what the log publishes, and believes nobody else."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.witness.app import WitnessService
from consumers.witness.known import KnownLogs, published_at
from consumers.witness.store import WitnessStore
from infra.settings import Settings
from streams.notary import handover, notes, witnessing
from streams.notary.directory import LogUnavailable
from streams.notary.handover import Handover
from streams.notary.notes import Checkpoint
from streams.notary.witnessing import AddCheckpoint
from tests.support.audit_log import KEY, LOG, NEXT, NEXT_KEY, ORIGIN, hand_over, signed
from tests.unit.consumers.witness.test_app import KEY as WITNESS_KEY
from tests.unit.consumers.witness.test_app import NAME, SECONDS
from tests.unit.streams.notary.test_witnessing import request, root

THIRD_KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (3, 7))
THIRD = notes.verifier(ORIGIN, THIRD_KEY)
LAST = Checkpoint(ORIGIN, 20, root(20))
HANDED = handover.joined(b"", handover.signed(LAST, KEY, NEXT_KEY))
AGAIN = handover.joined(
    HANDED, handover.signed(Checkpoint(ORIGIN, 50, root(50)), NEXT_KEY, THIRD_KEY)
)


class Log:
    """What a log publishes, how often that was asked, and a witness of it."""

    def __init__(self, folder: Path) -> None:
        self.published: bytes | None = b""
        self.asked = 0
        self.now = 0.0
        self.folder = folder
        self.start()

    def start(self, *told: notes.Verifier) -> None:
        """A witness that starts, on the store that it has."""
        self.known = KnownLogs(told or (LOG,), [self.read], lambda: self.now)
        store = WitnessStore(self.folder / "w.sqlite")
        self.service = WitnessService(NAME, WITNESS_KEY, store, self.known, lambda: SECONDS)

    def read(self) -> bytes:
        self.asked += 1
        if self.published is None:
            raise LogUnavailable("The log does not answer.")
        return self.published

    def ask(self, old: int, size: int, *keys: Ed25519PrivateKey) -> int:
        note = signed(size, root(size), *keys[1:], key=keys[0])
        body = witnessing.write_request(AddCheckpoint(old, request(old, size).proof, note))
        return self.service.add_checkpoint(body).status_code


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_nothing_is_read_as_long_as_the_known_key_signs(log: Log) -> None:
    assert [log.ask(0, 20, KEY), log.ask(20, 30, KEY, NEXT_KEY), log.asked] == [200, 200, 0]


def test_after_a_handover_what_the_next_key_signs_is_cosigned(log: Log) -> None:
    log.ask(0, 20, KEY)
    log.published = HANDED
    assert log.ask(20, 50, NEXT_KEY) == 200
    assert log.known.keys == {ORIGIN: (LOG, NEXT)}
    assert log.ask(50, 60, KEY) == witnessing.UNTRUSTED


def test_several_handovers_are_followed_one_after_the_other(log: Log) -> None:
    log.published = AGAIN
    assert log.ask(0, 60, THIRD_KEY) == 200
    assert log.known.keys == {ORIGIN: (LOG, NEXT, THIRD)}


def test_a_witness_that_starts_with_the_first_key_does_not_go_back_to_it(log: Log) -> None:
    log.published = HANDED
    log.ask(0, 20, NEXT_KEY)
    for published in (HANDED, None):
        log.published = published
        log.start()
        assert log.ask(20, 50, KEY) == witnessing.UNTRUSTED
    log.published, log.now = HANDED, 2.0
    assert log.ask(20, 50, NEXT_KEY) == 200


def _by(*keys: Ed25519PrivateKey) -> bytes:
    text = Handover(LAST, LOG, NEXT).text
    return str(notes.Note(text, tuple(notes.sign(text, ORIGIN, one) for one in keys))).encode()


@pytest.mark.parametrize(
    "published",
    {
        "none": b"",
        "unreachable": None,
        "signed by the successor alone": _by(NEXT_KEY),
        "signed by the former key alone": _by(KEY),
        "signed by a stranger": _by(STRANGER, NEXT_KEY),
        "of a key that is not known": handover.joined(
            b"", handover.signed(LAST, STRANGER, NEXT_KEY)
        ),
        "altered": HANDED.replace(b"\n20\n", b"\n21\n"),
        "of another log": handover.joined(
            b"", handover.signed(Checkpoint("other.example/log", 20, root(20)), KEY, NEXT_KEY)
        ),
        "no handovers": b"text",
    }.items(),
    ids=lambda one: one[0],
)
def test_a_handover_that_is_not_rightly_signed_is_not_followed_bad(
    log: Log, published: tuple[str, bytes | None]
) -> None:
    log.ask(0, 20, KEY)
    log.published = published[1]
    assert log.ask(20, 50, NEXT_KEY) == witnessing.UNTRUSTED
    assert log.known.keys == {ORIGIN: (LOG,)}
    assert log.ask(20, 50, KEY) == 200


def test_strangers_do_not_make_a_witness_ask_more_than_once_a_second(log: Log) -> None:
    assert [log.ask(0, 20, STRANGER) for _ in range(5)] == [witnessing.UNTRUSTED] * 5
    assert log.asked == 1
    log.now += 1.0
    log.ask(0, 20, STRANGER)
    assert log.asked == 2


def test_a_witness_that_was_told_no_place_follows_nobody(tmp_path: Path) -> None:
    store, known = WitnessStore(tmp_path / "w.sqlite"), KnownLogs([LOG])
    service = WitnessService(NAME, WITNESS_KEY, store, known, lambda: SECONDS)
    body = witnessing.write_request(AddCheckpoint(0, (), signed(20, root(20), key=NEXT_KEY)))
    assert service.add_checkpoint(body).status_code == witnessing.UNTRUSTED


def test_keys_of_several_logs_keep_apart_and_in_order() -> None:
    other = notes.verifier("other.example/log", KEY)
    told: Sequence[notes.Verifier] = (LOG, other, NEXT)
    assert KnownLogs(told).keys == {ORIGIN: (LOG, NEXT), "other.example/log": (other,)}


def test_a_folder_is_read_as_it_fills(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    published = published_at(str(folder), Settings())
    with pytest.raises(LogUnavailable):
        published()
    folder.mkdir()
    assert published() == b""
    hand_over(folder, LAST)
    assert published() == HANDED
