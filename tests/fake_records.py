"""Kafka records without Kafka, and what is read from them."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents
from detector.kafka.handlers import Partition
from detector.values.times import MILLISECOND, format_rfc3339, parse_rfc3339

NOW = parse_rfc3339("2026-06-01T00:00:00Z")
TOPIC = "logs"


class FakeRecord(msgspec.Struct):
    """The fields of aiokafka's ConsumerRecord that are looked at."""

    value: bytes | None
    offset: int = 0
    partition: int = 0
    topic: str = TOPIC
    key: bytes | None = None
    timestamp: int = NOW // MILLISECOND - 60_000
    headers: Sequence[tuple[str, bytes | None]] = ()


def records(values: Iterable[bytes | None], **fields: Any) -> list[FakeRecord]:
    """Records one after another in a partition."""
    return [FakeRecord(value, offset, **fields) for offset, value in enumerate(values)]


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a marker was found."""

    id: str
    time: str
    task_id: str
    stream: str


class Reading:
    """Reads polls of one partition and finds the markers in the text that would be scanned."""

    def __init__(self) -> None:
        self.contents = Contents()
        self.hold = RecordAssembler()
        self.places: list[Place] = []

    def poll(self, some: Sequence[Any]) -> None:
        self._mark(self.hold.read(some, NOW, self.contents))

    def end(self) -> "Reading":
        self._mark(self.hold.flush())
        return self

    def _mark(self, segments: Any) -> None:
        batch = batch_of(TOPIC, 0, segments)
        at = batch.data.find(b"MARK")
        while at >= 0:
            found = batch.locate(at)
            assert found.start <= at < found.end
            assert found.time is not None
            place = Place(found.id, format_rfc3339(found.time), found.task_id or "", found.stream or "")
            self.places.append(place)
            at = batch.data.find(b"MARK", at + 1)


def read_all(some: Sequence[Any]) -> Reading:
    """One poll of all."""
    reading = Reading()
    if some:
        reading.poll(some)
    return reading.end()


def read_in_polls(some: Sequence[Any], rng: random.Random) -> Reading:
    """The same in polls cut anywhere."""
    reading, at = Reading(), 0
    while at < len(some):
        size = rng.randint(1, max(1, len(some) // 2))
        reading.poll(some[at : at + size])
        at += size
    return reading.end()


PARTITION = Partition(TOPIC, 0)
