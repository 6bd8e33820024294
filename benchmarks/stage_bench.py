"""What exactly-once costs, and what records do: the stage's runner beside bare getmany, one broker, one run.

`python -m benchmarks.stage_bench [--records N] [--partitions N]` starts a real Apache Kafka, fills a topic with
300-byte JSON records and reads it again and again. CPU is that of the client process alone; the broker has its own.
"""

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from detector.kafka.assignor import StickyAssignor
from detector.kafka.clients import StageSettings, stage_consumer
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Output, Partition, StatelessHandler
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Fact, TransactionCommitted
from tests.broker import Cluster

SOURCE: Final = "bench.in"
TARGET: Final = "bench.out"
RECORD_BYTES: Final = 300
FETCH_BYTES: Final = 1 << 20


class Row(msgspec.Struct, frozen=True):
    """One way to read the topic, from its first record to its last."""

    name: str
    records: int
    wall: float
    cpu: float
    transactions: int = 0
    milliseconds: tuple[float, ...] = ()

    def text(self) -> str:
        """A row of the table."""
        rates = f"| {self.name} | {self.records / self.cpu:,.0f} | {self.records / self.wall:,.0f} | {self.transactions} |"
        if not self.milliseconds:
            return f"{rates} | |"
        ordered = sorted(self.milliseconds)
        return f"{rates} {ordered[len(ordered) // 2]:.0f} | {ordered[int(len(ordered) * 0.99)]:.0f} |"


class Sink(StatelessHandler):
    """Reads and writes nothing: what the offsets alone cost."""

    def __init__(self, share: float) -> None:
        self._every = int(1 / share) if share else 0

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """Every n-th record, as it is."""
        del partition
        if not self._every:
            return []
        return [Output(TARGET, r.key, r.value) for r in records[:: self._every]]


def value(number: int) -> bytes:
    """A JSON log record of 300 bytes."""
    record = {"time": "2026-11-02T08:15:00.000Z", "task_id": f"run-{number % 5000}", "stream": "stdout"}
    message = f"step {number}: compiled module in 12 ms, nothing to see here, "
    bare = len(json.dumps({**record, "message": message}).encode())
    return json.dumps({**record, "message": message + "x" * (RECORD_BYTES - bare)}).encode()


async def fill(bootstrap: str, records: int, partitions: int) -> None:
    """The source topic, in batches of 256 KiB."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1) for topic in (SOURCE, TARGET)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=256 << 10) as producer:
        for partition in range(partitions):
            batch = producer.create_batch()
            for number in range(partition, records, partitions):
                key, text = b"run-%d" % (number % 5000), value(number)
                if batch.append(timestamp=None, key=key, value=text) is None:
                    await producer.send_batch(batch, SOURCE, partition=partition)
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=text)
            await producer.send_batch(batch, SOURCE, partition=partition)
        await producer.flush()


async def bare(bootstrap: str, records: int, poll: int) -> Row:
    """The client alone: getmany, and nothing done with the records."""
    consumer = AIOKafkaConsumer(
        SOURCE,
        bootstrap_servers=bootstrap,
        group_id=f"bare-{poll}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    seen, began, cpu = 0, time.perf_counter(), time.process_time()
    while seen < records:
        got = await consumer.getmany(timeout_ms=500, max_records=poll)
        seen += sum(len(some) for some in got.values())
    row = Row(f"bare getmany, {poll}", seen, time.perf_counter() - began, time.process_time() - cpu)
    await consumer.stop()
    return row


async def columns(bootstrap: str, records: int, partitions: int, poll: int) -> Row:
    """The same with columns: no Python object for a record."""
    settings = StageSettings(group="columns", columns=True, partition_fetch_bytes=FETCH_BYTES)
    consumer = stage_consumer(ConnectionSettings(bootstrap), settings, StickyAssignor())
    await consumer.start()
    sources = [TopicPartition(SOURCE, number) for number in range(partitions)]
    consumer.assign(sources)
    seen, began, cpu = 0, time.perf_counter(), time.process_time()
    while seen < records:
        for source in sources:
            got = await consumer.getmany(source, timeout_ms=5, max_records=poll)
            seen += sum(len(some) for some in got.values())
    row = Row(f"columns, {poll}", seen, time.perf_counter() - began, time.process_time() - cpu)
    await consumer.stop()
    return row


async def staged(bootstrap: str, records: int, poll: int, share: float, *, in_columns: bool) -> Row:
    """The runner; `share` of the records is copied to the target."""
    commits: list[TransactionCommitted] = []
    done = asyncio.Event()

    def observe(fact: Fact) -> None:
        if isinstance(fact, TransactionCommitted):
            commits.append(fact)
            if sum(commit.records for commit in commits) >= records:
                done.set()

    settings = StageSettings(
        group=f"stage-{poll}-{share}-{in_columns}",
        topics=(SOURCE,),
        poll_records=poll,
        partition_fetch_bytes=FETCH_BYTES,
        columns=in_columns,
    )
    stage = Stage(ConnectionSettings(bootstrap), settings, Sink(share), observe)
    began, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(stage.run())
    await done.wait()
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    stage.stop()
    await running
    name = f"stage, {poll} a poll, {share:.0%} copied{', columns' if in_columns else ''}"
    latencies = tuple(commit.seconds * 1000 for commit in commits)
    return Row(name, records, wall, used, len(commits), latencies)


async def measure(bootstrap: str, records: int, partitions: int) -> list[Row]:
    """Every way, one after another."""
    await fill(bootstrap, records, partitions)
    ways = itertools.product((500, 1000, 2000, 4000), (0.0, 0.01, 1.0), (False, True))
    rows = [await bare(bootstrap, records, 2000), await columns(bootstrap, records, partitions, 2000)]
    for row in rows:
        print(row.text(), flush=True)
    for poll, share, in_columns in ways:
        rows.append(await staged(bootstrap, records, poll, share, in_columns=in_columns))
        print(rows[-1].text(), flush=True)
    return rows


def main() -> None:
    """The table, to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    print("| | records per CPU-second | records per second | transactions | p50 ms | p99 ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder)) as cluster:
        asyncio.run(measure(cluster.bootstrap, options.records, options.partitions))


if __name__ == "__main__":
    main()
