"""What the peers share: the same scan as curfewd's, over what their frameworks give. Runs in the peers' environment."""

import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from benchmarks.live_job import Job
from benchmarks.live_load import key_of, known
from detector.ingest.kafka import RecordAssembler
from detector.ingest.kafka_records import Contents
from detector.patterns.pattern import load_bundled
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.stages.scan import find_leaks


class Record(NamedTuple):
    """A record as curfewd's decoding takes it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: tuple[()] = ()


def job() -> Job:
    """The job of this process."""
    return msgspec.json.decode(sys.argv[1], type=Job)


class Scan:
    """Decodes and scans as the scan stage does; findings are JSON with the fingerprint for key."""

    def __init__(self, given: Job) -> None:
        key = key_of(given.seed)
        identifiers = [each for issue in known(given.known, given.seed, 0) for each in issue.identifiers]
        self._finder = LeakFinder(
            PatternScanner(load_bundled()), KnownIndex(identifiers, (key,)), (key,), None
        )
        self._holds: dict[int, RecordAssembler] = {}

    def __call__(self, topic: str, partition: int, records: Sequence[Any]) -> list[tuple[bytes, bytes]]:
        """The findings in records of one partition."""
        hold = self._holds.setdefault(partition, RecordAssembler())
        segments = hold.read(records, time.time_ns(), Contents())
        return [
            (
                leak.fingerprint.encode(),
                orjson.dumps(
                    {
                        "fingerprint": leak.fingerprint,
                        "rule": leak.pattern,
                        "source": leak.source,
                        "id": leak.id,
                        "excerpt": leak.excerpt,
                    }
                ),
            )
            for leak in find_leaks(self._finder, topic, partition, segments)
        ]
