"""Reads large XML files record by record in bounded memory, and trusts none of them.

A record is a child of the root. A file with a document type is refused before the parser that
builds elements sees its first byte, so there are no entities to expand and nothing to fetch; a
record, or what stands before the root, that is larger than any real one is refused as well.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser
from xml.parsers import expat

from infra.errors import InfrastructureError

CHUNK_BYTES: Final = 1 << 16
MAX_RECORD_BYTES: Final = 1 << 24
"""Most bytes between the ends of two records; the largest of a SAM export has about a tenth."""
MAX_RECORD_ELEMENTS: Final = 200_000
"""Most elements of a record, for one takes many times the bytes that it has in the file."""
MAX_PROLOG_BYTES: Final = 1 << 20


class NotReadable(InfrastructureError):
    """A file is not the XML it should be; the text names it and the place."""


class Opened(Protocol):
    """A file that is being read: what `records` and `root_of` need of it."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def read(self, size: int, /) -> bytes:
        """At most so many of its next bytes; none at its end."""
        ...


@lru_cache(maxsize=1024)
def local(name: str) -> str:
    """The name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def _too_large(name: str) -> NotReadable:
    """The refusal of a file with a record that is larger than any real one."""
    return NotReadable(f"{name} has a record without end: it is no SAM v2 export.")


class _Elements:
    """Makes elements, and takes the records out of the root as they are complete."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._root: Element | None = None
        self._since = 0

    def make(self, tag: str, attributes: dict[str, str]) -> Element:
        """An element with its local name.

        Raises:
            NotReadable: the record has too many.
        """
        self._since += 1
        if self._since > MAX_RECORD_ELEMENTS:
            raise _too_large(self._name)
        made = Element(local(tag), attributes)
        if self._root is None:
            self._root = made
        return made

    def take(self, *, ended: bool) -> list[Element]:
        """The records that are complete; the last one is only known to be when the file ended."""
        if self._root is None:
            return []
        last = None if ended else -1
        complete = self._root[:last]
        if complete:
            self._since = 0
        del self._root[:last]
        return complete


class Records:
    """The records of one file; `root` is the local name of its root element.

    Raises:
        NotReadable: what stands before the root is not well-formed, too long, or a document type.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._seen: list[bytes] = []
        self.root = self._find_root()

    def __iter__(self) -> Iterator[Element]:
        """Every record, complete, its elements named without their namespaces.

        Raises:
            NotReadable: the file is not well-formed, ends early, or has a record that is too large.
        """
        elements = _Elements(self._opened.name)
        builder = TreeBuilder(element_factory=elements.make)
        parser = XMLParser(target=builder)  # noqa: S314 - document types were refused before
        since = 0
        for chunk in self._chunks():
            self._feed(parser, chunk)
            complete = elements.take(ended=not chunk)
            yield from complete
            since = 0 if complete else since + len(chunk)
            if since > MAX_RECORD_BYTES:
                raise _too_large(self._opened.name)

    def _chunks(self) -> Iterator[bytes]:
        """The bytes of the file; empty at its end, once."""
        yield from filter(None, self._seen)
        self._seen.clear()
        while chunk := self._opened.read(CHUNK_BYTES):
            yield chunk
        yield b""

    def _feed(self, parser: "XMLParser[Element]", chunk: bytes) -> None:
        try:
            if chunk:
                parser.feed(chunk)
            else:
                parser.close()
        except (ParseError, ValueError, LookupError) as error:
            raise self._malformed(error) from None

    def _find_root(self) -> str:
        found: list[str] = []
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartElementHandler = lambda name, _attributes: found.append(name)
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        size = 0
        while not found:
            chunk = self._opened.read(CHUNK_BYTES)
            self._seen.append(chunk)
            size += len(chunk)
            if size > MAX_PROLOG_BYTES:
                raise NotReadable(f"{self._opened.name} has no element in its first megabyte.")
            try:
                parser.Parse(chunk, not chunk)
            except (expat.ExpatError, ValueError, LookupError) as error:
                # What comes after the root is told by the parser that reads the records.
                if not found:
                    raise self._malformed(error) from None
        return local(found[0])

    def _refuse_doctype(self, *_declared: object) -> None:
        raise NotReadable(f"{self._opened.name} declares a document type, which is not accepted.")

    def _malformed(self, error: Exception) -> NotReadable:
        where = ""
        if isinstance(error, expat.ExpatError):
            where = f", line {error.lineno}, column {error.offset}"
        elif isinstance(error, ParseError):
            where = ", line {}, column {}".format(*error.position)
        return NotReadable(f"{self._opened.name} is not well-formed XML{where}.")
