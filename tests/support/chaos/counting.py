"""Histories of the counting stage (`tests.support.engine_stage`) for the checker; pure.

A submission names its publisher and number in headers of its own; the stage looks at neither.
Content is compared to the byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from infra.kafka import Record
from streams.engine.outputs import source_position
from streams.engine.stage import Output
from tests.support.chaos.checker import Acknowledged, Answer, History, Place, Submitted, Written
from tests.support.engine_stage import CountingStage, answers

PUBLISHER: Final = "publisher"
NUMBER: Final = "number"


def signed(publisher: str, number: int) -> tuple[tuple[str, bytes], ...]:
    """Headers that say whose submission it is."""
    return ((PUBLISHER, publisher.encode()), (NUMBER, str(number).encode()))


def submitted(record: Record) -> Submitted:
    """The submission in a record; of nobody if it does not say."""
    headers = dict(record.headers)
    place = Place(record.partition, record.offset)
    if PUBLISHER not in headers or NUMBER not in headers:
        return Submitted(place)
    return Submitted(place, headers[PUBLISHER].decode(), int(headers[NUMBER]))


def written(stage: CountingStage, number: int, output: Output) -> Written:
    """An output of partition `number`."""
    return Written(
        output.topic,
        number,
        source_position(output.headers),
        _content(output),
        receipt=output.topic == stage.receipts,
    )


def model(stage: CountingStage, log: Mapping[int, Sequence[Record]]) -> dict[Place, Answer]:
    """What a plain fold, without any engine, makes of each partition's submissions."""
    found: dict[Place, list[Output]] = {}
    for number, records in log.items():
        for output in answers(stage, records):
            source = source_position(output.headers)
            assert source is not None
            found.setdefault(Place(number, source.offset), []).append(output)
    return {place: tuple(map(_content, outputs)) for place, outputs in found.items()}


def history(
    stage: CountingStage,
    told: Sequence[Acknowledged],
    log: Mapping[int, Sequence[Record]],
    outputs: Mapping[int, Iterable[Output]],
) -> History:
    """What the checker judges; `outputs` of a partition in the order of each topic."""
    return History(
        told,
        [submitted(record) for records in log.values() for record in records],
        [written(stage, number, one) for number, found in outputs.items() for one in found],
    )


def _content(output: Output) -> tuple[str, bytes | None, object, bytes | None]:
    return (output.topic, output.key, output.headers, output.value)
