"""One record has one form as a leaf, and one form is of one record."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.notary import leaf
from streams.notary.leaf import Leaf, LeafInvalid

RECORD = Leaf(
    topic="dpp.access.audited",
    partition=3,
    offset=1_234_567,
    timestamp_ms=1_795_000_000_123,
    key=b"subject",
    headers=(("ce_id", b"1"), ("empty", b""), ("none", None)),
    value=b'{"a":1}',
)
LEAVES = st.builds(
    Leaf,
    topic=st.text(max_size=20),
    partition=st.integers(0, 2**32 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(0, 2**63 - 1),
    key=st.none() | st.binary(max_size=20),
    headers=st.lists(
        st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=4
    ).map(tuple),
    value=st.none() | st.binary(max_size=50),
)


def test_the_known_answer() -> None:
    small = Leaf("t", 1, 2, 3, None, (("h", b"v"),), b"")
    assert leaf.encode(small) == bytes.fromhex(
        "0000000b 6470702d6c6561662d7631 00000001 74 00000004 00000001"
        "00000008 0000000000000002 00000008 0000000000000003"
        "ffffffff 00000000 00000001 68 00000001 76"
    )


@given(LEAVES)
def test_a_record_comes_back_as_it_was(record: Leaf) -> None:
    assert leaf.decode(leaf.encode(record)) == record


@given(LEAVES, LEAVES)
def test_two_records_never_share_their_bytes(one: Leaf, other: Leaf) -> None:
    assert (leaf.encode(one) == leaf.encode(other)) == (one == other)


@given(st.binary(max_size=120), st.integers(0, 200))
def test_any_bytes_are_one_leaf_or_refused_bad(noise: bytes, cut: int) -> None:
    for data in (noise, leaf.encode(RECORD)[:cut] + noise):
        try:
            record = leaf.decode(data)
        except LeafInvalid:
            continue
        assert leaf.encode(record) == data


def test_absent_and_empty_differ() -> None:
    absent = Leaf("t", 0, 0, 0, None, (), None)
    empty = Leaf("t", 0, 0, 0, b"", (), b"")
    assert leaf.encode(absent) != leaf.encode(empty)


def test_a_record_that_no_bundle_can_hold_is_refused_bad() -> None:
    with pytest.raises(LeafInvalid, match="at most 65535 bytes"):
        leaf.encode(Leaf("t", 0, 0, 0, None, (), bytes(65_500)))


def test_a_leaf_cut_short_is_refused_or_has_fewer_headers_bad() -> None:
    data = leaf.encode(RECORD)
    fewer = {leaf.encode(replace(RECORD, headers=RECORD.headers[:count])) for count in range(3)}
    for cut in range(len(data)):
        if data[:cut] in fewer:
            continue
        with pytest.raises(LeafInvalid):
            leaf.decode(data[:cut])
