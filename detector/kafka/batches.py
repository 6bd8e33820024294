"""Outputs become batches: which partition each goes to, and how much fits into one."""

import random
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from detector.kafka.handlers import Output

SMALLEST_BATCH: Final = 1024
_HEADER: Final = 10  # bytes of two lengths, at most
REMEMBERED_KEYS: Final = 1 << 16


@lru_cache(REMEMBERED_KEYS)
def partition_of(key: bytes, count: int) -> int:
    """The partition of a key, as Kafka's own clients choose it; murmur2 here is plain Python, so keys are remembered."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)


def size_of(output: Output) -> int:
    """The bytes of a batch that holds only this output, uncompressed: what a broker's limit is for."""
    headers = list(output.headers)
    # magic 2, no compression, not transactional, no producer yet: none of it changes the size
    batch = DefaultRecordBatchBuilder(
        2,
        0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=SMALLEST_BATCH,
    )
    batch.append(0, output.timestamp_ms, output.key, output.value, headers)
    return int(batch.size())


class Limits:
    """How large records and batches may be: what the settings say, and what brokers refused."""

    def __init__(self, batch_bytes: int, record_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        self._record_bytes = record_bytes
        self._batches: dict[str, int] = {}
        self._records: dict[str, int] = {}

    def batch(self, topic: str) -> int:
        """The most bytes in a batch of several records."""
        return self._batches.get(topic, self._batch_bytes)

    def record(self, topic: str) -> int:
        """The most bytes of one record, as `size_of` counts."""
        return self._records.get(topic, self._record_bytes)

    def too_large(self, output: Output) -> bool:
        """Whether the output cannot be written. Most are far too small for their exact size to matter."""
        size = len(output.key or b"") + len(output.value or b"")
        if output.headers:
            size += sum(_HEADER + 4 * len(name) + len(value or b"") for name, value in output.headers)
        if 2 * size < self.record(output.topic):
            return False
        return size_of(output) > self.record(output.topic)

    def refuse(self, topic: str, size: int, records: int) -> None:
        """A broker found a batch too large: the next will be smaller, down to single records."""
        if records > 1:
            self._batches[topic] = max(min(size, self.batch(topic)) // 2, SMALLEST_BATCH)
        else:
            self._records[topic] = min(size, self.record(topic)) - 1


def batches_of(
    outputs: Iterable[Output], counts: Mapping[str, int], limits: Limits, new_batch: Callable[[], Any]
) -> dict[tuple[str, int], list[Any]]:
    """Batches by topic and partition, in the order of the outputs. `counts`: how many partitions each topic has."""
    # Outputs without a key all go to one partition a transaction: one batch instead of many.
    spread = random.randrange(1 << 30)  # noqa: S311 - no secret, only spreading
    batches: dict[tuple[str, int], list[Any]] = {}
    for output in outputs:
        count = counts[output.topic]
        number = output.partition
        if number is not None:
            number %= count
        else:
            number = spread % count if output.key is None else partition_of(output.key, count)
        made = batches.setdefault((output.topic, number), [])
        if not made or not _append(made[-1], output, limits):
            made.append(new_batch())
            _append(made[-1], output, limits)
    return batches


def _append(batch: Any, output: Output, limits: Limits) -> bool:
    if batch.record_count() and batch.size() >= limits.batch(output.topic):
        return False
    done = batch.append(
        timestamp=output.timestamp_ms, key=output.key, value=output.value, headers=list(output.headers)
    )
    return done is not None
