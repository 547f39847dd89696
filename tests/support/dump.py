"""Everything that a broker and a database hold, as bytes, and what may not be in it."""

import re
from collections.abc import AsyncGenerator, Collection
from typing import Final

from infra.kafka import reader
from infra.postgres import connect
from infra.settings import Settings
from schemas.topics import ALL_TOPICS

_PUBLIC: Final = ("pg_catalog", "information_schema", "catalogue_v1")
"""Schemas that hold nothing of a person; the catalogue is the list of all products there are."""
_TABLES: Final = """
SELECT format('%%I.%%I', table_schema, table_name) FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND NOT table_schema = ANY(%s)
"""
_NUMBERS: Final = re.compile(rb"(?<![\w-])\d{6,11}(?![\w-])")


async def topic_dump(settings: Settings) -> AsyncGenerator[bytes, None]:
    """Key, headers and value of every record of every topic, aborted ones included."""
    async with reader(settings, isolation="read_uncommitted") as log:
        assigned = await log.assign_all(*(topic.name for topic in ALL_TOPICS))
        ends = await log.end_offsets(assigned)
        while any(place < ends[one] for one, place in (await log.positions()).items()):
            for records in (await log.poll()).values():
                for record in records:
                    headers = b"|".join(name.encode() + value for name, value in record.headers)
                    yield b"|".join((record.key or b"", headers, record.value or b""))


async def table_dump(dsn: str) -> AsyncGenerator[bytes, None]:
    """Every row of every table as text, the public catalogue of products apart."""
    async with connect(dsn, autocommit=True) as connection:
        names = [
            row[0] for row in await (await connection.execute(_TABLES, [list(_PUBLIC)])).fetchall()
        ]
        for name in names:
            rows = await connection.execute(f"SELECT t::text FROM {name} AS t")
            for row in await rows.fetchall():
                yield str(row[0]).encode()


class Forbidden:
    """Numbers (6 to 11 digits, as words) and names that must not stand anywhere."""

    def __init__(self, numbers: Collection[str], names: Collection[str]) -> None:
        self._numbers = {number.encode() for number in numbers}
        self._names = re.compile(b"|".join(re.escape(name.encode()) for name in sorted(names)))

    def found(self, content: bytes) -> list[bytes]:
        """What of it stands in `content`."""
        return [
            *self._numbers.intersection(_NUMBERS.findall(content)),
            *self._names.findall(content),
        ]
