"""Makes our records of fetched batches, where a consumer asks for them.

aiokafka decodes a batch natively and then makes an object of its own of each record, of which ours
would be made once more: a quarter of the time of reading a log. Which batches count, what was
aborted, markers, checksums and positions stay aiokafka's to decide.
"""

from typing import Any

from aiokafka.consumer import fetcher

from infra.kafka_records import Record


def our_records(value: bytes | None) -> bytes | None:
    """As a consumer's `value_deserializer`, makes it hand out our records; values stay as they are.

    aiokafka hands nothing else of a consumer's options on to where its records are made.
    """
    return value


class FetchedRecords(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """The records of a fetched partition, ours where the consumer asked for them."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        if self._value_deserializer is not our_records:
            return super()._consumer_record(tp, record)
        return Record(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp,
            record.key,
            tuple(record.headers),
            record.value,
        )


def let_consumers_choose() -> None:
    """Makes the consumers of this process heed `our_records`."""
    fetcher.PartitionRecords = FetchedRecords
