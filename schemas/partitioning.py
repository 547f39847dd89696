"""Which partition a key belongs to: murmur2, as every Kafka client chooses it by default.

Written out here because quality control checks the partition of a submission, and a check that
decides must not depend on a client library. Source: `org.apache.kafka.common.utils.Utils.murmur2`.

>>> partition_for(b'80000551', 4)
0
"""

from functools import lru_cache
from typing import Final

_KEYS: Final = 16_384
"""More than the publishers there are, whose keys come again and again."""
_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_SHIFT: Final = 24
_MASK: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash of a record key, unsigned."""
    value = _SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = (int.from_bytes(data[at : at + 4], "little") * _MIX) & _MASK
        word = ((word ^ (word >> _SHIFT)) * _MIX) & _MASK
        value = ((value * _MIX) & _MASK) ^ word
    rest = data[whole:]
    if rest:
        value = ((value ^ int.from_bytes(rest, "little")) * _MIX) & _MASK
    value = ((value ^ (value >> 13)) * _MIX) & _MASK
    return value ^ (value >> 15)


@lru_cache(maxsize=_KEYS)
def partition_for(key: bytes, count: int) -> int:
    """The partition of `key` among `count`."""
    return (murmur2(key) & _POSITIVE) % count
