r"""Lets a record pass whose header names are no UTF-8.

Kafka takes any bytes as a header's name, and some clients send them. aiokafka's decoder raises on
such a record each time it is fetched, so a single one would stop its partition for everybody. Here
the bytes that are no text become escapes (`\xff`); nothing else is read differently.
"""

import struct
from collections.abc import Iterator
from typing import Any, SupportsIndex, overload

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT = 8
_OVERHEAD = 12


class TolerantRecords:
    """Fetched batches, as aiokafka's `MemoryRecords` hands them out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        """Bytes that were fetched, an incomplete last batch included."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is another complete batch."""
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        """The next batch; None after the last."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        start = self._at
        length: int = struct.unpack_from(">i", self._data, start + _LENGTH_AT)[0]
        self._at = start + _OVERHEAD + length
        return _Batch(batch, memoryview(self._data)[start : self._at])


class _Batch:
    """A batch of aiokafka's, decoded anew and more slowly where its header names are no text."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_escaped(self._data))


def _escaped(data: memoryview) -> list[Any]:
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()  # noqa: SLF001 - the buffer is changed before its records are read
    batch._buffer = _Escaping(batch._buffer)  # noqa: SLF001 - see above
    return list(batch)


class _Escaping(bytearray):
    """Bytes whose text, and that of their slices, escapes what is no UTF-8."""

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, place: slice, /) -> bytearray: ...
    def __getitem__(self, place: Any, /) -> Any:
        found = super().__getitem__(place)
        return _Escaping(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def accept_any_header_name() -> None:
    """Makes every consumer of this process read such records."""
    fetcher.MemoryRecords = TolerantRecords
