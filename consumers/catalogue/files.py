"""The XML documents in the files of an export: plain, gzip-compressed, or in zip archives."""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from consumers.catalogue.xmlrecords import NotReadable
from infra.catalogue.loading import Origin
from infra.errors import InfrastructureError

_DAMAGED: Final = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError)
_ENCRYPTED: Final = 1
"""Flag of a zip archive's member."""
_GZIP: Final = b"\x1f\x8b"


class Document:
    """One XML document while it is read.

    `done` of `total` is how far: bytes of the document, or of the file if it is compressed alone.
    """

    def __init__(self, name: str, stream: BinaryIO, counted: BinaryIO, total: int) -> None:
        self.name = name
        self.total = total
        self._stream = stream
        self._counted = counted

    @property
    def done(self) -> int:
        """How far it was read."""
        return self._counted.tell()

    def read(self, size: int, /) -> bytes:
        """At most so many of its next bytes.

        Raises:
            NotReadable: what it is packed in is damaged.
        """
        try:
            return self._stream.read(size)
        except _DAMAGED:
            raise NotReadable(f"{self.name} is damaged: fetch the export again.") from None


def documents(paths: Sequence[Path]) -> Iterator[Document]:
    """The documents of these files in order, each open until the next is asked for.

    Raises:
        NotReadable: an archive is damaged, encrypted, or holds no XML.
        OSError: a file cannot be read.
    """
    for path in paths:
        with path.open("rb") as raw:
            if zipfile.is_zipfile(raw):
                yield from _members(path.name, raw)
                continue
            raw.seek(0)
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            if packed:
                with gzip.open(raw) as unpacked:
                    yield Document(path.name, unpacked, raw, path.stat().st_size)  # type: ignore[arg-type]  # a GzipFile reads like any binary file
            else:
                yield Document(path.name, raw, raw, path.stat().st_size)


def _members(name: str, raw: BinaryIO) -> Iterator[Document]:
    with _archive(name, raw) as archive:
        found = [one for one in archive.infolist() if one.filename.lower().endswith(".xml")]
        if not found:
            raise NotReadable(f"{name} holds no XML file.")
        for member in found:
            if member.flag_bits & _ENCRYPTED:
                raise NotReadable(f"{member.filename} in {name} is encrypted.")
            with archive.open(member) as stream:
                yield Document(f"{name}/{member.filename}", stream, stream, member.file_size)  # type: ignore[arg-type]  # a member reads like any binary file


@contextmanager
def _archive(name: str, raw: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(raw) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError):
        raise NotReadable(
            f"{name} is damaged, or packed in a way that is not known: fetch the export again."
        ) from None


def origin(paths: Sequence[Path]) -> Origin:
    """What the files are: their names, and the SHA-256 of their bytes one after the other.

    Raises:
        InfrastructureError: none was given, or one is no file.
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise InfrastructureError(f"{path} is not a file: give the XML, gzip or zip files.")
        with path.open("rb") as opened:
            while chunk := opened.read(1 << 20):
                digest.update(chunk)
    return Origin(", ".join(path.name for path in paths), digest.hexdigest())
