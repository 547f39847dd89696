"""What a witness cosigns: only what continues what it has cosigned, of a log that it knows."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from streams.notary import tiles, tree, witnessing
from streams.notary.notes import Checkpoint
from streams.notary.witnessing import Accepted, AddCheckpoint, Refused, RequestInvalid
from tests.support.audit_log import KEY, LOG, ORIGIN, signed

LOGS = {ORIGIN: [LOG]}
HASHES = [tree.leaf_hash(b"%d" % number) for number in range(64)]
FORKED = [*HASHES[:20], tree.leaf_hash(b"another"), *HASHES[21:]]


def nodes(hashes: list[bytes]) -> tree.Nodes:
    return lambda height, at: tiles.subtree(b"".join(hashes[at << height : (at + 1) << height]))


def root(size: int, hashes: list[bytes] = HASHES) -> bytes:
    return tree.root_of(size, nodes(hashes))


def request(
    old: int, size: int, hashes: list[bytes] = HASHES, key: Ed25519PrivateKey = KEY
) -> AddCheckpoint:
    proof = tree.consistency_proof(old, size, nodes(hashes)) if 0 < old <= size else ()
    return AddCheckpoint(old, proof, signed(size, root(size, hashes), key=key))


def kept(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root(size))


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        (request(0, 30), None),
        (request(0, 0), None),
        (request(30, 50), kept(30)),
        (request(30, 30), kept(30)),
        (request(32, 64), kept(32)),
        (request(0, 30), kept(0)),
    ],
)
def test_what_continues_is_accepted(asked: AddCheckpoint, before: Checkpoint | None) -> None:
    verdict = witnessing.decide(asked, before, LOGS)
    assert isinstance(verdict, Accepted)
    assert verdict.checkpoint.size == int(verdict.text.split("\n")[1])


OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.mark.parametrize(
    ("asked", "before", "status", "size", "misbehaviour"),
    [
        (AddCheckpoint(0, (), b"no note"), None, 400, None, False),
        (request(40, 30), kept(40), 400, None, False),
        (request(0, 30, key=OTHER_KEY), None, 403, None, False),
        (request(0, 50), kept(30), 409, 30, False),
        (request(20, 50), kept(30), 409, 30, False),
        (request(5, 30), None, 409, 0, False),
        (request(30, 30, FORKED), kept(30), 409, 30, True),
        (request(30, 50, FORKED), kept(30), 422, None, True),
        (AddCheckpoint(30, (), signed(50, root(50))), kept(30), 422, None, True),
        (AddCheckpoint(0, (bytes(32),), signed(50, root(50))), None, 422, None, False),
        (AddCheckpoint(0, (), signed(0, bytes(32))), None, 422, None, False),
        (AddCheckpoint(30, (b"short",), signed(50, root(50))), kept(30), 422, None, True),
    ],
)
def test_what_does_not_is_refused_with_the_protocols_status_bad(
    asked: AddCheckpoint,
    before: Checkpoint | None,
    status: int,
    size: int | None,
    misbehaviour: bool,
) -> None:
    verdict = witnessing.decide(asked, before, LOGS)
    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.size, verdict.misbehaviour) == (status, size, misbehaviour)


def test_a_log_that_it_does_not_know_is_a_404_bad() -> None:
    verdict = witnessing.decide(request(0, 30), None, {"another.example/log": [LOG]})
    assert isinstance(verdict, Refused)
    assert verdict.status == 404


@given(st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_no_checkpoint_of_another_history_follows_one_that_was_cosigned(
    old: int, size: int, forked: bool
) -> None:
    verdict = witnessing.decide(request(old, size, FORKED if forked else HASHES), kept(old), LOGS)
    same = size >= old and root(old, FORKED if forked else HASHES) == root(old)
    assert isinstance(verdict, Accepted) is same


@given(st.integers(0, 10**18), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes]) -> None:
    one = AddCheckpoint(old, tuple(proof), signed(30, root(30)))
    assert witnessing.parse_request(witnessing.write_request(one)) == one
    assert witnessing.origin_of(one) == ORIGIN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 07\n\nx",
        b"old -1\n\nx",
        b"old 1\nnot base64\n\nx",
        b"old 1\n" + b"AAAA\n" * 64 + b"\nx",
        b"old 1",
        b"OLD 1\n\nx",
        b"old 1 \n\nx",
        b"old \xb2\n\nx",
        b"old 99999999999999999999\n\nx",
    ],
)
def test_a_request_of_another_form_is_refused_bad(body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        witnessing.parse_request(body)


@given(st.binary(max_size=300))
def test_no_body_breaks_it(body: bytes) -> None:
    try:
        asked = witnessing.parse_request(body)
    except RequestInvalid:
        return
    assert isinstance(witnessing.decide(asked, kept(30), LOGS), Refused)
