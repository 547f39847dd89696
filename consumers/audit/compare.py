"""Compares outputs as they were written with those that were derived again; pure.

Members are named only as the derived output has them: a name that was planted could hold anything.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

from consumers.audit.report import Difference
from schemas.canonical import lp
from streams.engine.outputs import source_position
from streams.engine.stage import Output, Recorded

ANOTHER = "(another)"
"""Stands for a member or header that the derived output does not have."""
FORM = "(form)"
"""Stands for order, spaces or doubled members: the same content in other bytes."""


def fingerprint(record: Recorded) -> bytes:
    """SHA-256 over key, headers and value."""
    headers = [part for name, value in record.headers for part in (name, value)]
    missing = bytes((record.key is None, record.value is None))
    return hashlib.sha256(
        lp(missing, record.key or b"", lp(*headers), record.value or b"")
    ).digest()


def differences(
    place: tuple[int, int], derived: Sequence[Output], recorded: Sequence[Recorded]
) -> Iterator[Difference]:
    """What is missing, extra or other in the outputs of the submission at (partition, offset)."""
    partition, offset = place
    left = list(recorded)
    for ordinal, output in enumerate(derived):
        found = next((one for one in left if _ordinal(one) == ordinal), None)
        if found is None:
            yield Difference(partition, offset, ordinal, "missing", output.topic)
            continue
        left.remove(found)
        members = tuple(_members(output, found))
        if members:
            yield Difference(
                partition, offset, ordinal, "other_bytes", output.topic, members, found.offset
            )
    for one in left:
        yield unasked(partition, one)


def unasked(partition: int, record: Recorded) -> Difference:
    """A record that no submission becomes."""
    found = source_position(record.headers)
    offset, ordinal = found or (-1, -1)
    return Difference(partition, offset, ordinal, "extra", record.topic, (), record.offset)


def _ordinal(record: Recorded) -> int:
    found = source_position(record.headers)
    return -1 if found is None else found.ordinal


def _members(derived: Output, recorded: Recorded) -> Iterator[str]:
    if derived.topic != recorded.topic:
        yield "topic"
    if derived.key != recorded.key:
        yield "key"
    if derived.headers != recorded.headers:
        yield from _headers(derived, recorded)
    if derived.value != recorded.value:
        yield from _value(derived.value, recorded.value)


def _headers(derived: Output, recorded: Recorded) -> Iterator[str]:
    ours, theirs = dict(derived.headers), dict(recorded.headers)
    if ours == theirs:
        yield f"headers/{FORM}"
    for name, value in ours.items():
        if theirs.get(name) != value:
            yield f"headers/{name}"
    if theirs.keys() - ours.keys():
        yield f"headers/{ANOTHER}"


def _value(derived: bytes | None, recorded: bytes | None) -> Iterator[str]:
    try:
        ours, theirs = json.loads(derived or b""), json.loads(recorded or b"")
    except (ValueError, RecursionError):
        yield "value"
        return
    yield from ["value" + path for path in _paths(ours, theirs)] or [f"value/{FORM}"]


def _paths(derived: object, recorded: object, path: str = "") -> Iterator[str]:
    if isinstance(derived, dict) and isinstance(recorded, dict):
        for name, value in derived.items():
            if name not in recorded:
                yield f"{path}/{name}"
            else:
                yield from _paths(value, recorded[name], f"{path}/{name}")
        if recorded.keys() - derived.keys():
            yield f"{path}/{ANOTHER}"
    elif isinstance(derived, list) and isinstance(recorded, list) and len(derived) == len(recorded):
        for index, (one, other) in enumerate(zip(derived, recorded, strict=True)):
            yield from _paths(one, other, f"{path}/{index}")
    elif derived != recorded or type(derived) is not type(recorded):
        yield path
