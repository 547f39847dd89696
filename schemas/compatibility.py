"""Whether everything that one schema's writer may write is accepted by another schema's reader.

It judges the constructs that the models generate, and refuses what it does not know, so a doubt is
an incompatibility. Used both ways (old writer -> new reader, new writer -> old reader) it is the
FULL_TRANSITIVE rule of schema registries with closed writers and open readers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

Node = dict[str, object]

_KNOWN = frozenset(
    {
        *("$defs", "$id", "$ref", "$schema", "title", "description", "default"),
        *("type", "const", "enum", "pattern", "format", "anyOf", "oneOf", "discriminator"),
        *("properties", "required", "additionalProperties", "propertyNames", "items"),
        *("minLength", "minItems", "minimum", "exclusiveMinimum"),
        *("maxLength", "maxItems", "maximum", "exclusiveMaximum"),
    }
)
_LOWER = ("minLength", "minItems", "minimum", "exclusiveMinimum")
_UPPER = ("maxLength", "maxItems", "maximum", "exclusiveMaximum")


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """What a reader would refuse, and where in the document."""

    path: str
    why: str


def incompatibilities(writer: Node, reader: Node) -> list[Incompatibility]:
    """Every place where `reader` could refuse what `writer` allows."""
    return list(_compare(_Side(writer, writer), _Side(reader, reader), ""))


@dataclass(frozen=True, slots=True)
class _Side:
    root: Node
    node: Node

    def at(self, node: object) -> "_Side":
        if not isinstance(node, dict):
            return _Side(self.root, {})
        ref = node.get("$ref")
        if isinstance(ref, str):
            defs = self.root["$defs"]
            if not isinstance(defs, dict):
                raise TypeError("a reference without definitions")
            return self.at(defs[ref.removeprefix("#/$defs/")])
        return _Side(self.root, node)

    def branches(self) -> "list[_Side]":
        for key in ("anyOf", "oneOf"):
            options = self.node.get(key)
            if isinstance(options, list):
                return [self.at(option) for option in options]
        return [self]

    def member(self, key: str) -> Node:
        value = self.node.get(key, {})
        return value if isinstance(value, dict) else {}

    def required(self) -> set[str]:
        value = self.node.get("required", [])
        return {str(name) for name in value} if isinstance(value, list) else set()


def _compare(writer: _Side, reader: _Side, path: str) -> Iterator[Incompatibility]:
    readers = reader.branches()
    for option in writer.branches():
        verdicts = [list(_single(option, candidate, path)) for candidate in readers]
        if all(verdicts):
            yield from min(verdicts, key=len)


def _single(writer: _Side, reader: _Side, path: str) -> Iterator[Incompatibility]:
    unknown = (writer.node.keys() | reader.node.keys()) - _KNOWN
    if unknown:
        yield Incompatibility(path, f"unknown construct {min(unknown)}")
    yield from _types(writer.node, reader.node, path)
    yield from _values(writer.node, reader.node, path)
    yield from _bounds(writer.node, reader.node, path)
    yield from _members(writer, reader, path)
    if "items" in reader.node:
        pair = writer.at(writer.node.get("items")), reader.at(reader.node["items"])
        yield from _compare(*pair, f"{path}/*")


def _types(writer: Node, reader: Node, path: str) -> Iterator[Incompatibility]:
    if "type" not in reader:
        return
    wider = reader["type"] == "number" and writer.get("type") == "integer"
    if writer.get("type") != reader["type"] and not wider:
        yield Incompatibility(path, f"type {writer.get('type')} is not {reader['type']}")


def _values(writer: Node, reader: Node, path: str) -> Iterator[Incompatibility]:
    allowed = _choices(reader)
    if allowed is not None:
        written = _choices(writer)
        if written is None or not written <= allowed:
            yield Incompatibility(path, "a value outside of those the reader knows")
    for key in ("pattern", "format"):
        if key in reader and writer.get(key) != reader[key]:
            yield Incompatibility(path, f"{key} differs")


def _choices(node: Node) -> set[str] | None:
    if "const" in node:
        return {repr(node["const"])}
    options = node.get("enum")
    return {repr(option) for option in options} if isinstance(options, list) else None


def _bounds(writer: Node, reader: Node, path: str) -> Iterator[Incompatibility]:
    for keys, worse in ((_LOWER, -1), (_UPPER, 1)):
        for key in keys:
            limit, written = reader.get(key), writer.get(key)
            if not isinstance(limit, int | float):
                continue
            if not isinstance(written, int | float) or (written - limit) * worse > 0:
                yield Incompatibility(path, f"{key} is tighter in the reader")


def _members(writer: _Side, reader: _Side, path: str) -> Iterator[Incompatibility]:
    for name in sorted(reader.required() - writer.required()):
        yield Incompatibility(f"{path}/{name}", "the reader requires what a writer may leave out")
    written, read = writer.member("properties"), reader.member("properties")
    for name in sorted(written.keys() & read.keys()):
        yield from _compare(writer.at(written[name]), reader.at(read[name]), f"{path}/{name}")
    closed = reader.node.get("additionalProperties") is False
    for name in sorted(written.keys() - read.keys()):
        if closed:
            yield Incompatibility(f"{path}/{name}", "the reader forbids this member")
    free_writer = writer.node.get("additionalProperties")
    free_reader = reader.node.get("additionalProperties")
    if isinstance(free_reader, dict):
        yield from _compare(writer.at(free_writer), reader.at(free_reader), f"{path}/*")
