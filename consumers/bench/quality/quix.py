"""Rival: Quix Streams, at least once or exactly once, with its state store switched off.

Keeping the state in memory spares Quix its changelog, which only makes it faster. Checkpoints are
taken every few thousand submissions, and exactly at the last one, so that it never waits for its
commit interval.
"""

import warnings
from collections.abc import Callable
from typing import Any, Final, Literal

from consumers.bench.quality.stage import BenchStage, Decider
from infra.errors import InfrastructureError
from infra.kafka import Record
from infra.settings import Settings
from streams.engine.order import to_submission
from streams.engine.stage import Output

COMMIT_EVERY: Final = 2_500
"""At most; the input's count is divisible by it."""
Guarantee = Literal["at-least-once", "exactly-once"]


class RivalMissing(InfrastructureError):
    """A rival is not installed."""


def load() -> Any:
    """Quix Streams.

    Raises:
        RivalMissing: it is not installed.
    """
    try:
        with warnings.catch_warnings(record=True):
            # Its dependency Authlib announces a change of its own at import, whatever is ignored.
            import quixstreams  # noqa: PLC0415 - development only
    except ImportError:
        raise RivalMissing(
            "Quix Streams is not installed: make setup brings it, as it is for development only."
        ) from None
    return quixstreams


def run_at_least_once(settings: Settings, stage: BenchStage, count: int) -> None:
    """Answers until SIGTERM, at least once."""
    _run(settings, stage, count, "at-least-once")


def run_exactly_once(settings: Settings, stage: BenchStage, count: int) -> None:
    """Answers until SIGTERM, exactly once."""
    _run(settings, stage, count, "exactly-once")


def _run(settings: Settings, stage: BenchStage, count: int, guarantee: Guarantee) -> None:
    quixstreams = load()
    app = quixstreams.Application(
        broker_address=settings.bootstrap,
        consumer_group=stage.name,
        auto_offset_reset="earliest",
        processing_guarantee=guarantee,
        commit_every=min(COMMIT_EVERY, count),
        state_dir=settings.data / "quix",
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel="WARNING",
        producer_extra_config={"compression.type": "zstd"},
    )
    submitted = app.topic(stage.submitted, key_deserializer="bytes", value_deserializer="bytes")
    sinks = {
        name: app.topic(name, key_serializer="bytes", value_serializer=_value_of(quixstreams))
        for name in stage.topics
    }
    answers = app.dataframe(submitted).apply(
        _answering(stage, quixstreams.message_context), expand=True, metadata=True
    )
    answers = answers.set_headers(lambda one, _key, _timestamp, _headers: list(one.headers))
    answers.to_topic(
        lambda one, _key, _timestamp, _headers: sinks[one.topic], key=lambda one: one.key
    )
    app.run()


def _value_of(quixstreams: Any) -> Any:
    """Takes the value out of an output; the output itself travels along to name its topic."""

    class ValueOf(quixstreams.models.Serializer):  # type: ignore[misc]
        def __call__(self, one: Output, ctx: Any) -> bytes | None:
            del ctx
            return one.value

    return ValueOf()


def _answering(
    stage: BenchStage, context: Callable[[], Any]
) -> Callable[[Any, Any, int, Any], list[Output]]:
    decider = Decider(stage)

    def answer(value: Any, key: Any, timestamp: int, headers: Any) -> list[Output]:
        at = context()
        record = Record(
            topic=at.topic,
            partition=at.partition,
            offset=at.offset,
            timestamp_ms=timestamp,
            key=key,
            headers=tuple(headers or ()),
            value=value,
        )
        return decider.answer(at.partition, [to_submission(record)])

    return answer
