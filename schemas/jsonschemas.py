"""Writer and reader JSON Schemas of every event type, made from the models.

A writer's schema is closed and a reader's is open: so optional members may come and go, and both
old readers and old events live on. Files: `schemas/registry/<type>/<revision>.<side>.json`.
"""

import json
from typing import Literal

from schemas.envelope import SCHEMA_BASE
from schemas.events import all_models
from schemas.model import Model
from schemas.revisions import revision

Side = Literal["writer", "reader"]
JsonSchema = dict[str, object]


def schema(type_: str, model: type[Model], side: Side) -> JsonSchema:
    """The JSON Schema (2020-12) that events of `type_` obey when written or read."""
    mode: Literal["validation", "serialization"] = "validation"
    body = model.model_json_schema(mode=mode, by_alias=True)
    if side == "reader":
        body = _opened(body)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_BASE}{path(type_, side)}",
        **body,
    }


def path(type_: str, side: Side) -> str:
    """Where the schema lies below the registry."""
    return f"{type_}/{revision(type_)}.{side}.json"


def files() -> dict[str, bytes]:
    """Path below the registry -> content, for the current revision of every type."""
    sides: tuple[Side, ...] = ("writer", "reader")
    return {
        path(type_, side): encode(schema(type_, model, side))
        for type_, model in all_models().items()
        for side in sides
    }


def encode(document: JsonSchema) -> bytes:
    """The committed form: indented, in the order of the models."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _opened(node: object) -> JsonSchema:
    opened = _walk(node)
    if not isinstance(opened, dict):
        raise TypeError("a schema is an object")
    return opened


def _walk(node: object) -> object:
    if isinstance(node, dict):
        closed = node.get("additionalProperties") is False
        return {
            key: _walk(value)
            for key, value in node.items()
            if not (closed and key == "additionalProperties")
        }
    if isinstance(node, list):
        return [_walk(item) for item in node]
    return node
