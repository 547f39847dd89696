"""Log and Kafka of one partition, compared both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.audit.crosscheck import Discrepancy, Kept, Logged, differences
from infra.kafka import Partition

PLACE = Partition("dpp.access.audited", 2)


def found(leaves: dict[int, bytes], records: dict[int, bytes]) -> list[tuple[str, int]]:
    logged = [Logged(offset, 1_000 + offset, leaves[offset]) for offset in sorted(leaves)]
    kept = [Kept(offset, records[offset]) for offset in sorted(records)]
    told = list(differences(PLACE, logged, kept))
    assert all((one.topic, one.partition) == PLACE for one in told)
    assert all(one.leaf in (None, 1_000 + one.offset) for one in told)
    return [(one.kind, one.offset) for one in told]


@pytest.mark.parametrize(
    ("leaves", "records", "told"),
    [
        ({}, {}, []),
        ({0: b"a", 3: b"b"}, {0: b"a", 3: b"b"}, []),
        ({0: b"a"}, {0: b"a", 3: b"b"}, [("missing", 3)]),
        ({3: b"b"}, {0: b"a", 3: b"b"}, [("missing", 0)]),
        ({0: b"a", 3: b"b"}, {0: b"a"}, [("added", 3)]),
        ({0: b"a", 3: b"b"}, {3: b"b"}, [("added", 0)]),
        ({0: b"a", 3: b"b"}, {0: b"a", 3: b"B"}, [("other_bytes", 3)]),
        ({1: b"a"}, {2: b"a"}, [("added", 1), ("missing", 2)]),
    ],
)
def test_what_disagrees_is_named(
    leaves: dict[int, bytes], records: dict[int, bytes], told: list[tuple[str, int]]
) -> None:
    assert found(leaves, records) == told


def test_a_leaf_names_its_index() -> None:
    assert list(differences(PLACE, [Logged(5, 77, b"")], [])) == [
        Discrepancy("added", *PLACE, 5, 77)
    ]


SIDES = st.dictionaries(st.integers(0, 12), st.sampled_from([b"a", b"b"]))


@given(SIDES, SIDES)
def test_it_finds_exactly_what_two_sets_would(
    leaves: dict[int, bytes], records: dict[int, bytes]
) -> None:
    both = leaves.keys() & records.keys()
    wanted = {
        *(("added", one) for one in leaves.keys() - records.keys()),
        *(("missing", one) for one in records.keys() - leaves.keys()),
        *(("other_bytes", one) for one in both if leaves[one] != records[one]),
    }
    told = found(leaves, records)
    assert set(told) == wanted
    assert len(told) == len(wanted)
