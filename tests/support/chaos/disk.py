"""A disk that holds one database and can be filled: real refusals of the file system."""

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from psycopg import sql

from infra.postgres import connect

DISK_BYTES: Final = 48 * 2**20
"""Of a disk that holds one database alone: an empty one takes 8 MB."""
PIECE: Final = 65_536
LOOK_SECONDS: Final = 0.05


@asynccontextmanager
async def small_disk(owner: str, database: str) -> AsyncIterator[Path | None]:
    """Moves a database to a disk in memory, and drops it at the end; None if nobody may mount one.

    `owner` is the connection string of a superuser of the server, to another database.
    """
    async with connect(owner, autocommit=True) as connection:
        row = await (await connection.execute("SHOW data_directory")).fetchone()
    if row is None:
        raise AssertionError("a server that does not know its folder")
    # Not below the server's own folder: who runs it may not pass through ours on the way there.
    folder = Path(tempfile.mkdtemp(prefix="dpp-disk-"))
    server = await asyncio.to_thread(os.stat, row[0])
    options = f"size={DISK_BYTES},uid={server.st_uid},gid={server.st_gid},mode=0700"
    if not await _ran("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
        await asyncio.to_thread(folder.rmdir)
        yield None
        return
    name = sql.Identifier(database)
    try:
        async with connect(owner, autocommit=True, statement_ms=0) as connection:
            await connection.execute(
                sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, sql.Literal(str(folder)))
            )
            await connection.execute(
                sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(name, name)
            )
        yield folder
    finally:
        async with connect(owner, autocommit=True, statement_ms=0) as connection:
            await connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
            )
            await connection.execute(sql.SQL("DROP TABLESPACE IF EXISTS {}").format(name))
        if await _ran("umount", str(folder)):
            await asyncio.to_thread(folder.rmdir)


@asynccontextmanager
async def filled(disk: Path) -> AsyncIterator[None]:
    """Leaves no byte free on a disk, whatever its server takes or gives back meanwhile."""
    ballast = disk / "ballast"
    _grow(ballast)
    filling = asyncio.create_task(_fill(ballast))
    try:
        yield
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
        await asyncio.to_thread(ballast.unlink)


async def _fill(ballast: Path) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        _grow(ballast)


def _grow(ballast: Path) -> None:
    """Writes until there is no room; a piece that does not fit is written as far as it does."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PIECE))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


async def _ran(*command: str) -> bool:
    """Whether a command is there and ends well."""
    try:
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return await process.wait() == 0
