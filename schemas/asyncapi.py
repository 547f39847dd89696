"""The AsyncAPI 3 document of the topics: who may write what where, under which key."""

from typing import Final

from schemas.envelope import JSON, SEALED
from schemas.events import by_topic
from schemas.jsonschemas import JsonSchema, path
from schemas.topics import ALL_TOPICS, Topic

PATH: Final = "asyncapi.json"
_PUBLISHERS_WRITE: Final = frozenset({"dpp.dispensation.submitted", "dpp.publisher.sessions"})
_SEALED: Final = frozenset({"dpp.dispensation.submitted", "dpp.subject.submitted"})


def document() -> JsonSchema:
    """The whole document; payload schemas are references into the registry beside it."""
    events = by_topic()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Shared Pharmaceutical Record",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in Kafka binary mode; see the registry for payloads.",
        },
        "defaultContentType": JSON,
        "channels": {
            topic.name: _channel(topic, list(events.get(topic.name, {}))) for topic in ALL_TOPICS
        },
        "operations": {
            operation: body for topic in ALL_TOPICS for operation, body in _operations(topic)
        },
        "components": {
            "messages": {
                type_: _message(type_, sealed=topic in _SEALED)
                for topic, models in events.items()
                for type_ in models
            }
        },
    }


def _channel(topic: Topic, types: list[str]) -> JsonSchema:
    return {
        "address": topic.name,
        "description": f"{topic.content} Key: {topic.key}.",
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in types},
    }


def _message(type_: str, *, sealed: bool) -> JsonSchema:
    described = "The value is this content sealed under the session key." if sealed else ""
    return {
        "name": type_,
        "contentType": SEALED if sealed else JSON,
        "description": described,
        "payload": {"$ref": f"./{path(type_, 'writer')}"},
    }


def _operations(topic: Topic) -> list[tuple[str, JsonSchema]]:
    channel = {"$ref": f"#/channels/{topic.name}"}
    action = "receive" if topic.name in _PUBLISHERS_WRITE else "send"
    who = "publishers write" if action == "receive" else "the backbone writes"
    return [(f"{action}.{topic.name}", {"action": action, "channel": channel, "summary": who})]
