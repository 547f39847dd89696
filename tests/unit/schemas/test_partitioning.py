"""Quality control and every Kafka client agree on the partition of a key."""

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas import partitioning

VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]
"""From Kafka's own `UtilsTest.testMurmur2`, signed."""


@pytest.mark.parametrize(("key", "signed"), VECTORS)
def test_the_hash_is_that_of_kafka(key: bytes, signed: int) -> None:
    assert partitioning.murmur2(key) == signed % 2**32


@given(key=st.binary(max_size=64), count=st.integers(1, 100))
def test_the_partition_is_that_of_the_client_library(key: bytes, count: int) -> None:
    assert partitioning.partition_for(key, count) == (murmur2(key) & 0x7FFFFFFF) % count
