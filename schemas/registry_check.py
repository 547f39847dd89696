"""Compares the committed registry with what the models say now.

A committed schema of the current revision must be byte for byte what the models generate, and every
committed revision of a type must be compatible with the current one, in both directions.
"""

import json
from collections.abc import Mapping

from schemas import asyncapi, jsonschemas
from schemas.compatibility import Node, incompatibilities


def expected() -> dict[str, bytes]:
    """Path below the registry -> content, for everything that is generated."""
    return {**jsonschemas.files(), asyncapi.PATH: jsonschemas.encode(asyncapi.document())}


def problems(committed: Mapping[str, bytes]) -> list[str]:
    """One sentence for each way in which the committed registry and the models disagree."""
    generated = expected()
    stale = [
        _stale(path, committed) for path in generated if committed.get(path) != generated[path]
    ]
    return [*stale, *_incompatible(committed, generated)]


def _stale(path: str, committed: Mapping[str, bytes]) -> str:
    if path not in committed:
        return f"{path} is missing: run `dpp schemas generate` and commit it"
    if path == asyncapi.PATH:
        return f"{path} is not what the models say: run `dpp schemas generate` and commit it"
    return f"{path} is published and would change: bump the revision in schemas/revisions.py"


def _incompatible(committed: Mapping[str, bytes], generated: Mapping[str, bytes]) -> list[str]:
    found = []
    for path, content in sorted(committed.items()):
        type_, _, name = path.partition("/")
        if not name.endswith(".writer.json"):
            continue
        old_reader = committed.get(path.replace(".writer.", ".reader."))
        writer, reader = (_current(type_, side, generated) for side in ("writer", "reader"))
        if old_reader is None or writer is None or reader is None:
            found.append(
                f"{path}: the type has no current or no reader schema; types never go away"
            )
            continue
        pairs = (("old events", _load(content), reader), ("old readers", writer, _load(old_reader)))
        for who, wrote, reads in pairs:
            found += [
                f"{type_}: {who} break at {fault.path or '/'}: {fault.why}"
                for fault in incompatibilities(wrote, reads)
            ]
    return found


def _current(type_: str, side: str, generated: Mapping[str, bytes]) -> Node | None:
    for path, content in generated.items():
        if path.startswith(f"{type_}/") and path.endswith(f".{side}.json"):
            return _load(content)
    return None


def _load(content: bytes) -> Node:
    loaded = json.loads(content)
    if not isinstance(loaded, dict):
        raise TypeError("a schema is an object")
    return loaded
