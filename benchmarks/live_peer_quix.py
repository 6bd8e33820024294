"""The scan written on Quix Streams, in the peers' environment: `record` by record exactly once, or in `batch`es.

Quix Streams hands records to a function one by one. What takes many at once is a sink, which is written at each
checkpoint: at least once, for what a sink writes is not in the transaction.
"""

import sys
import time
from typing import Any

import orjson
from quixstreams import Application, message_context
from quixstreams.sinks import BatchingSink, SinkBatch

from benchmarks.live_job import Job
from benchmarks.live_peer_scan import Record, Scan, job

_QUIET = "ERROR"


def application(given: Job, guarantee: Any) -> Application:
    """As its documents advise for throughput: a checkpoint every so many records, state not used."""
    return Application(
        broker_address=given.bootstrap,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        processing_guarantee=guarantee,
        commit_every=given.batch,
        state_dir=given.folder,
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel=_QUIET,
    )


def by_record(given: Job, scan: Scan) -> None:
    """Exactly once."""
    app = application(given, "exactly-once")
    source = app.topic(given.source, value_deserializer="bytes", key_deserializer="bytes")
    target = app.topic(given.target, value_serializer="bytes", key_serializer="bytes")

    def findings(value: bytes, _key: Any, timestamp: int, _headers: Any) -> list[bytes]:
        at = message_context()
        record = Record(given.source, at.partition, at.offset, timestamp, value)
        return [found for _, found in scan(given.source, at.partition, [record])]

    frame = app.dataframe(source).apply(findings, expand=True, metadata=True)
    frame = frame.to_topic(target, key=lambda found: orjson.loads(found)["fingerprint"].encode())
    app.run()


class ScanningSink(BatchingSink):  # type: ignore[misc]  # typed where it is installed, in the peers' environment
    """Scans what came since the last checkpoint, partition by partition."""

    def __init__(self, app: Application, given: Job, scan: Scan) -> None:
        super().__init__()
        self._given = given
        self._scan = scan
        self._producer = app.get_producer()

    def write(self, batch: SinkBatch) -> None:
        """As the protocol has it."""
        records = [
            Record(batch.topic, batch.partition, item.offset, item.timestamp, item.value) for item in batch
        ]
        for key, value in self._scan(batch.topic, batch.partition, records):
            self._producer.produce(self._given.target, value, key)
        self._producer.flush()


def by_batch(given: Job, scan: Scan) -> None:
    """At least once."""
    app = application(given, "at-least-once")
    source = app.topic(given.source, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(source).sink(ScanningSink(app, given, scan))
    app.run()


if __name__ == "__main__":
    asked = job()
    scanning = Scan(asked)
    print("ready", time.time(), flush=True)
    (by_record if sys.argv[2] == "record" else by_batch)(asked, scanning)
