"""The committed registry is what the models say, and an incompatible change cannot pass."""

import json
from pathlib import Path
from typing import Annotated

import jsonschema
import pytest
from pydantic import Field

from schemas import asyncapi, events, jsonschemas, registry_check, topics
from schemas.compatibility import incompatibilities
from schemas.model import Model

REGISTRY = Path(jsonschemas.__file__).parent / "registry"
TYPE = "be.dpp.test.happened.v1"


def committed() -> dict[str, bytes]:
    return {
        path.relative_to(REGISTRY).as_posix(): path.read_bytes()
        for path in REGISTRY.rglob("*.json")
    }


def test_the_committed_registry_is_what_the_models_generate() -> None:
    assert registry_check.problems(committed()) == []


def test_every_event_type_is_in_the_asyncapi_document() -> None:
    document = asyncapi.document()

    assert document["asyncapi"] == "3.0.0"
    channels = document["channels"]
    assert isinstance(channels, dict)
    assert set(channels) == {topic.name for topic in topics.ALL_TOPICS}
    named = {name for channel in channels.values() for name in channel["messages"]}
    assert named == {name for models in events.by_topic().values() for name in models}


@pytest.mark.parametrize("path", sorted(jsonschemas.files()))
def test_every_schema_is_valid_json_schema(path: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(committed()[path]))


class Old(Model):
    name: str
    count: Annotated[int, Field(ge=0, le=10)]
    note: str | None = None


class WithOptional(Model):
    name: str
    count: Annotated[int, Field(ge=0, le=10)]
    note: str | None = None
    more: str | None = None


class WithoutOptional(Model):
    name: str
    count: Annotated[int, Field(ge=0, le=10)]


class WithRequired(Model):
    name: str
    count: Annotated[int, Field(ge=0, le=10)]
    note: str | None = None
    more: str


class Renamed(Model):
    title: str
    count: Annotated[int, Field(ge=0, le=10)]
    note: str | None = None


class Tighter(Model):
    name: str
    count: Annotated[int, Field(ge=1, le=10)]
    note: str | None = None


class Retyped(Model):
    name: str
    count: str
    note: str | None = None


def faults(old: type[Model], new: type[Model]) -> list[str]:
    def schema(model: type[Model], side: jsonschemas.Side) -> jsonschemas.JsonSchema:
        return jsonschemas.schema(TYPE, model, side)

    both = (
        incompatibilities(schema(old, "writer"), schema(new, "reader")),
        incompatibilities(schema(new, "writer"), schema(old, "reader")),
    )
    return [fault.path for found in both for fault in found]


@pytest.mark.parametrize("new", [Old, WithOptional, WithoutOptional])
def test_optional_members_may_come_and_go(new: type[Model]) -> None:
    assert faults(Old, new) == []


@pytest.mark.parametrize(
    ("new", "path"),
    [(WithRequired, "/more"), (Renamed, "/title"), (Tighter, "/count"), (Retyped, "/count")],
)
def test_optional_members_may_come_and_go_bad(new: type[Model], path: str) -> None:
    assert path in faults(Old, new)


def test_a_change_of_a_published_revision_is_named_with_what_to_do() -> None:
    files = committed()
    path = jsonschemas.path("be.dpp.dispensation.register.v1", "writer")
    document = json.loads(files[path])
    document["required"].remove("sguid")

    found = registry_check.problems({**files, path: json.dumps(document).encode()})

    assert any("bump the revision" in problem for problem in found)
    assert any("old events break at /sguid" in problem for problem in found)


def test_a_type_that_vanished_is_a_problem() -> None:
    extra = {"be.dpp.test.gone.v1/1.writer.json": b"{}", "be.dpp.test.gone.v1/1.reader.json": b"{}"}

    assert any(
        "types never go away" in p for p in registry_check.problems({**committed(), **extra})
    )


def test_a_reader_passes_over_what_a_newer_writer_added_and_a_writer_may_not_add_it() -> None:
    data = b'{"name":"a","count":1,"future":true}'

    assert Old.read(data) == Old(name="a", count=1)
    with pytest.raises(ValueError, match="Extra inputs"):
        Old.model_validate_json(data)
