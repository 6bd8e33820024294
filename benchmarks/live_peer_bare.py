"""Bare consumers in the peers' environment: `aiokafka` or `confluent`, reading one topic from its start to its end.

Prints one line of JSON: the records, wall and CPU seconds of what came after the first tenth.
"""

import asyncio
import resource
import sys
import time
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from benchmarks.live_job import Job
from benchmarks.live_peer_scan import job


class Clock:
    """Starts when a tenth is read."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._began: tuple[int, float, float] | None = None
        self.seen = 0

    def saw(self, records: int) -> bool:
        """Counts; whether it is not the end yet."""
        self.seen += records
        if self._began is None and self.seen >= self._records // 10:
            self._began = self.seen, time.perf_counter(), time.process_time()
        return self.seen < self._records

    def told(self) -> dict[str, Any]:
        """What to print."""
        assert self._began is not None
        seen, wall, cpu = self._began
        return {
            "records": self.seen - seen,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


async def with_aiokafka(given: Job) -> Clock:
    """`getmany`, read_committed, as curfewd's scan stage is set."""
    consumer = AIOKafkaConsumer(
        given.source,
        bootstrap_servers=given.bootstrap,
        group_id=given.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=2 << 20,
    )
    await consumer.start()
    clock, more = Clock(given.records), True
    while more:
        got = await consumer.getmany(timeout_ms=500, max_records=given.batch)
        more = clock.saw(sum(map(len, got.values())))
    print(orjson.dumps(clock.told()).decode(), flush=True)
    await consumer.stop()
    return clock


def with_confluent(given: Job) -> None:
    """`consume`, read_committed; every value is taken into Python, as a scan needs it."""
    from confluent_kafka import Consumer  # noqa: PLC0415 - aiokafka's reader runs where it is not installed

    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap,
            "group.id": given.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([given.source])
    clock, more = Clock(given.records), True
    while more:
        more = clock.saw(
            sum(m.error() is None and m.value() is not None for m in consumer.consume(given.batch, 0.5))
        )
    print(orjson.dumps(clock.told()).decode(), flush=True)
    consumer.close()


if __name__ == "__main__":
    if sys.argv[2] == "aiokafka":
        asyncio.run(with_aiokafka(job()))
    else:
        with_confluent(job())
