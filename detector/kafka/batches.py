"""Makes batches of outputs: which partition each goes to, and how much fits into a batch."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from detector.kafka.handlers import Output, PassedOn, ToWrite
from detector.kafka.key_hash import LONGEST, murmur2, murmur2_of
from detector.kafka.written_batches import Compression, largest, written
from detector.records.made_columns import columns_of_parts

SMALLEST_BATCH: Final = 1024
_POSITIVE: Final = 0x7FFFFFFF
_HEADER: Final = 10  # bytes of two lengths, at most
_FRAME: Final = 100  # bytes of a batch and of its only record without key, value and headers, at most
REMEMBERED_KEYS: Final = 1 << 16
MANY_KEYS: Final = 100  # that are hashed together
FEW: Final = 12  # outputs of a partition for which making columns costs more than aiokafka's builder


@lru_cache(REMEMBERED_KEYS)
def partition_of(key: bytes, count: int) -> int:
    """The partition of a key, as Kafka's own clients choose it. The hash is plain Python, so results are cached."""
    return int((murmur2(key) & _POSITIVE) % count)


def size_of(output: Output) -> int:
    """The bytes of an uncompressed batch with only this output: a broker's limit is about these."""
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
    """How large records and batches may be, by the settings and by what brokers have refused."""

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

    def too_large(self, output: ToWrite) -> bool:
        """Whether (one of) the output cannot be written. It computes the exact size only of outputs near the limit."""
        if isinstance(output, PassedOn):
            near = largest(output.records) >= self._surely(self.record(output.topic))
            return near and any(map(self.too_large, output.outputs()))
        size = len(output.key or b"") + len(output.value or b"")
        if output.headers:
            size += sum(_HEADER + 4 * len(name) + len(value or b"") for name, value in output.headers)
        if size < self._surely(self.record(output.topic)):
            return False
        return size_of(output) > self.record(output.topic)

    def some_too_large(self, outputs: Iterable[ToWrite]) -> bool:
        """Whether some output cannot be written."""
        small = self._surely(min((self._record_bytes, *self._records.values())))
        for output in outputs:
            if type(output) is Output and not output.headers:  # nearly all, so this must be quick
                value, key = output.value, output.key
                if (len(value) if value else 0) + (len(key) if key else 0) < small:
                    continue
            if self.too_large(output):
                return True
        return False

    @staticmethod
    def _surely(limit: int) -> int:
        """So many bytes of key, value and headers are far within a limit."""
        return limit // 2 - _FRAME

    def refuse(self, topic: str, size: int, records: int) -> None:
        """A broker found a batch too large. The next will be smaller, down to single records."""
        if records > 1:
            half = min(size, self.batch(topic)) // 2
            self._batches[topic] = half if half >= SMALLEST_BATCH else 1
        else:
            self._records[topic] = min(size, self.record(topic)) - 1


def batches_of(
    outputs: Sequence[ToWrite],
    counts: Mapping[str, int],
    limits: Limits,
    new_batch: Callable[[], Any],
    compression: Compression = None,
) -> dict[tuple[str, int], list[Any]]:
    """Batches of a transaction by topic and partition, in the order of the outputs.

    `counts` has the partitions of each topic.
    """
    # All outputs without a key go to one partition in each transaction: one batch instead of many.
    spread = random.randrange(1 << 30)  # noqa: S311 - no secret, only spreading
    batches: dict[tuple[str, int], list[Any]] = {}
    waiting: dict[tuple[str, int], list[Output]] = {}
    hashes = _hashes(outputs)

    def write(place: tuple[str, int]) -> list[Any]:
        made = batches.setdefault(place, [])
        some = waiting.pop(place, None)
        if some:
            made += _batches(some, place[1], limits.batch(place[0]), new_batch, compression)
        return made

    for output in outputs:
        topic = output.topic
        count = counts[topic]
        if type(output) is PassedOn:
            made = write((topic, output.records.partition % count))
            made += written(output.records, limits.batch(topic), compression)
            continue
        number = output.partition
        if number is not None:
            number %= count
        else:
            hashed = hashes.get(output.key)
            if hashed is not None:
                number = (hashed & _POSITIVE) % count
            else:
                number = spread % count if output.key is None else partition_of(output.key, count)
        place = topic, number
        some = waiting.get(place)
        if some is None:
            batches.setdefault(place, [])
            waiting[place] = [output]
        else:
            some.append(output)
    for place in [*waiting]:
        write(place)
    return batches


def _hashes(outputs: Sequence[ToWrite]) -> dict[bytes | None, int]:
    """The hashes of the keys that choose a partition, if there are many."""
    if len(outputs) < MANY_KEYS:
        return {}
    keys = {output.key for output in outputs if type(output) is Output and output.partition is None}
    some = [key for key in keys if key is not None and len(key) <= LONGEST]
    return dict(zip(some, murmur2_of(some), strict=True)) if len(some) >= MANY_KEYS else {}


def _batches(
    outputs: Sequence[Output], number: int, most: int, new_batch: Callable[[], Any], compression: Compression
) -> Iterable[Any]:
    """Batches of outputs of one partition."""
    if len(outputs) >= FEW:
        now = int(time.time() * 1000)
        records = columns_of_parts(
            number,
            [output.key for output in outputs],
            [output.value for output in outputs],
            [now if output.timestamp_ms is None else output.timestamp_ms for output in outputs],
            [output.headers for output in outputs],
        )
        return written(records, most, compression)
    made: list[Any] = []
    for output in outputs:
        if not made or not _append(made[-1], output, most):
            made.append(new_batch())
            _append(made[-1], output, most)
    return made


def _append(batch: Any, output: Output, most: int) -> bool:
    if batch.record_count() and batch.size() >= most:
        return False
    done = batch.append(
        timestamp=output.timestamp_ms, key=output.key, value=output.value, headers=list(output.headers)
    )
    return done is not None
