"""The scan stage says the same of records and of columns."""

import gzip
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.kafka.columns_check import batch
from detector.kafka.raw_batches import both_ways
from detector.records.record_columns import (
    joined_values,
    newest_of,
    offsets_of,
    size_of,
    timestamps_of,
)
from detector.registry.finders import Finders
from detector.scan.known_credentials import KeyRing
from detector.scan.sightings import NoPatterns
from detector.stages.scan import PartitionScanner
from detector.values.secrets import DeploymentKey, Secret
from tests.fake_records import NOW

KEY = DeploymentKey.of(b"k" * 32)
SECRET = "corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
STARTED = {
    "specversion": "1.0",
    "id": "1",
    "source": "ci",
    "type": "task.started",
    "time": "2026-05-31T00:00:00Z",
    "data": {"task_id": "t1", "kind": "job"},
}
BINARY: list[tuple[str, bytes | None]] = [
    (f"ce_{name}", str(STARTED[name]).encode()) for name in ("specversion", "id", "source", "type", "time")
]
KEY_LINES = ["-----BEGIN PRIVATE KEY-----", "A" * 64, SECRET, "-----END PRIVATE KEY-----"]
RECORDS: dict[str, list[tuple[bytes | None, list[tuple[str, bytes | None]]]]] = {
    "log": [(json.dumps({"time": "2026-05-31T00:00:00Z", "message": f"log {SECRET}"}).encode(), [])],
    "text": [(b"a line", []), (f"token={SECRET}".encode(), [])],
    "event": [(json.dumps(STARTED).encode(), [])],
    "binary": [(json.dumps(STARTED["data"]).encode(), BINARY)],
    "headers": [(f"line {SECRET}".encode(), [("trace", b"1"), ("none", None)])],
    "tombstone": [(None, [])],
    "empty": [(b"", [])],
    "lines": [(f"one\n{SECRET}\n".encode(), [])],
    "key": [(line.encode(), []) for line in KEY_LINES],
    "gzip": [(gzip.compress(SECRET.encode(), mtime=0), [])],
    "broken": [(b'{"specversion": "1.0"', []), (b"\xff\xfe", [])],
}


def mixed(seed: int) -> list[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]]:
    """Runs of records of each kind, in any order."""
    rng = random.Random(seed)
    kinds = rng.choices(list(RECORDS), k=12)
    return [
        (b"key", value, headers)
        for kind in kinds
        for value, headers in RECORDS[kind] * rng.choice((1, 1, 30))
    ]


def polled(seed: int) -> tuple[Any, list[Any]]:
    """The same poll as columns and as aiokafka's records."""
    (columns,), records = both_ways(batch(0, mixed(seed)), (), 0, 10_000, 1 << 20)
    return columns, list(records)


@pytest.mark.parametrize("seed", range(6))
def test_the_facts_are_the_same(seed: int) -> None:
    finders = Finders(NoPatterns(), (KEY,))
    finders.renew(KeyRing((KEY,)).identifiers(Secret(SECRET.encode())))
    facts = []
    for poll in polled(seed):
        scanner = PartitionScanner("logs", 0, BUNDLED)
        facts.append(
            [
                scanner.scan(poll[:100], finders.finder, NOW, with_clean=True),
                scanner.scan(poll[100:], finders.finder, NOW),
                scanner.flush(finders.finder),
            ]
        )
    assert facts[0] == facts[1]
    assert any(each.leaks for each in facts[0])


def test_what_is_asked_of_all_records_at_once() -> None:
    columns, records = polled(1)
    for some in (slice(None), slice(3, 9), slice(0, 1)):
        for ask in (size_of, joined_values, newest_of):
            assert ask(columns[some]) == ask(records[some])
        for ask_each in (offsets_of, timestamps_of):
            assert list(ask_each(columns[some])) == ask_each(records[some])
