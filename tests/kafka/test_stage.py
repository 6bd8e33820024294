"""The stage on a real broker: one poll, one transaction; what cannot be processed or written; an end in good order."""

import asyncio
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.produce import ProduceRequest

from detector.kafka.handlers import Output, Partition
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import (
    PartitionStarted,
    PartitionStopped,
    Rebalanced,
    RefusalHandled,
    TransactionCommitted,
    TransactionStep,
)
from detector.values.errors import RetryError, StopError
from tests.broker import Cluster
from tests.ingest.streams import (
    PATIENCE_SECONDS,
    Streams,
    admin,
    check_copies,
    committed_offsets,
    create,
    drained,
    ends,
    filled,
    filled_by_keys,
    made,
    read,
    until,
)
from tests.kafka import batch_parts
from tests.kafka.stage_handlers import Copy, FactRecorder, running
from tests.kafka.stage_processes import workers


async def copied(streams: Streams) -> list[bytes]:
    return [
        record.value
        for _, records in sorted((await read(streams, streams.target)).items())
        for record in records
    ]


async def all_copied(streams: Streams) -> list[bytes]:
    await until(lambda: drained(streams), "the end of the source")
    return await copied(streams)


async def test_every_poll_is_one_transaction_with_the_offsets_last(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    copy = Copy(streams.target)
    await filled(streams, 0, [b"%d" % n for n in range(95)])
    async with running(Stage(streams.clients, streams.stage(poll_records=10), copy, facts)):
        assert await all_copied(streams) == [b"%d" % n for n in range(95)]
    commits = facts.of(TransactionCommitted)
    assert [commit.records for commit in commits] == [10] * 9 + [5]
    assert [commit.offset for commit in commits] == [*range(10, 95, 10), 95]
    steps = [fact.step for fact in facts.of(TransactionStep)]
    assert steps == ["begun", "written", "offsets", "committed"] * 10
    assert copy.calls[0] == "assigned 0"
    assert copy.calls[1:5] == ["process 0", "committed 0 10", "process 0", "committed 0 20"]
    assert copy.calls[-1] == "revoked 0"
    # A marker of each transaction follows its records; a record more would be one written twice.
    assert sum((await ends(streams, streams.target)).values()) == 95 + 10


async def test_partitions_run_side_by_side(broker: Cluster) -> None:
    """Each partition's first poll waits for the other's: in turn, neither would ever come."""
    streams = await made(broker.bootstrap, 2)
    both = asyncio.Barrier(2)

    class Meeting(Copy):
        async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
            await asyncio.wait_for(both.wait(), PATIENCE_SECONDS)
            return await super().process(partition, records)

    for number in range(2):
        await filled(streams, number, [b"x"])
    async with running(Stage(streams.clients, streams.stage(), Meeting(streams.target))):
        assert await all_copied(streams) == [b"x", b"x"]


async def test_outputs_go_where_every_kafka_client_would_send_their_key(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 7)
    await filled_by_keys(streams, 300, 7, keys=50)
    async with running(Stage(streams.clients, streams.stage(), Copy(streams.target))):
        await all_copied(streams)
    choose = DefaultPartitioner()
    for number, records in (await read(streams, streams.target)).items():
        assert all(choose(record.key, list(range(7)), list(range(7))) == number for record in records)


async def test_what_is_due_is_written_without_a_record(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)

    class Timer(Copy):
        def __init__(self, target: str) -> None:
            super().__init__(target)
            self.ticks: list[int] = []

        async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> list[Output]:
            assert caught_up <= now
            self.ticks.append(now)
            due = len(self.ticks) == 3 and partition.number == 0
            headers = (("a", b"1"), ("b", None))
            return [Output(streams.target, b"k", b"due", headers, timestamp_ms=1234)] if due else []

    async with running(Stage(streams.clients, streams.stage(), Timer(streams.target))):
        await until(lambda: written(streams, 1), "what the third tick gave")
    (record,) = (await read(streams, streams.target))[0]
    assert (record.value, record.headers, record.timestamp) == (b"due", (("a", b"1"), ("b", None)), 1234)
    assert await committed_offsets(streams) == {Partition(streams.source, 0): 0}, "so that others are refused"


async def test_an_output_too_large_is_refused_and_the_rest_written(broker: Cluster) -> None:
    """By our own setting before it is sent; by the topic's, which is not configured, when the broker refuses it."""
    streams, facts = await made(broker.bootstrap, 1, target={"max.message.bytes": "20000"}), FactRecorder()
    values = [random.Random(n).randbytes(500 if n % 50 else 25_000) for n in range(200)]
    values[33] = b"y" * 1_100_000
    await filled(streams, 0, values)
    async with running(Stage(streams.clients, streams.stage(), Copy(streams.target), facts)):
        got = await all_copied(streams)
    dead = [value for value in got if value.startswith(b"dead: output-too-large")]
    assert len(dead) == 5
    assert [value for value in got if value not in dead] == [value for value in values if len(value) == 500]
    assert {fact.refusal.reason for fact in facts.of(RefusalHandled)} == {"output-too-large"}
    assert not any(fact.lost for fact in facts.of(RefusalHandled))


async def test_a_record_at_the_brokers_limit_goes_through_and_one_byte_more_is_refused(
    broker: Cluster,
) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    # message.max.bytes is for a batch: 61 bytes of its own, and 11 of the record around such a value without a key.
    largest = random.Random(0).randbytes(1_048_588 - 61 - 11)
    await filled(streams, 0, [b"before", largest, largest + b"x", b"after"])
    async with running(Stage(streams.clients, streams.stage(), Copy(streams.target), facts)):
        assert await all_copied(streams) == [b"before", largest, b"dead: output-too-large 0", b"after"]
    assert [fact.lost for fact in facts.of(RefusalHandled)] == [False]
    assert facts.of(PartitionStopped)[0].reason == "stopped", "found out before it was sent"


async def test_a_record_that_cannot_be_processed_is_found_and_refused_alone(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    poisonous = {13, 14, 77}

    def make(record: Any) -> bytes:
        if record.offset in poisonous:
            raise ZeroDivisionError(f"over {record.value!r}")
        return bytes(record.value)

    await filled(streams, 0, [b"%d" % n for n in range(100)])
    async with running(
        Stage(streams.clients, streams.stage(poll_records=64), Copy(streams.target, make), facts)
    ):
        got = await all_copied(streams)
    expected = [b"dead: record-failed 0" if n in poisonous else b"%d" % n for n in range(100)]
    assert got == expected
    refused = [fact.refusal for fact in facts.of(RefusalHandled)]
    assert {(refusal.offset, refusal.error) for refusal in refused} == {
        (n, "ZeroDivisionError") for n in poisonous
    }
    assert not any("over" in fact.detail for fact in facts.of(PartitionStopped)), (
        "an exception's text may quote a secret"
    )


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_batch_that_would_grow_too_large_is_refused(broker: Cluster, codec: str) -> None:
    """All codecs are read, and none of them past the limit: a few kilobytes here are megabytes of zeros."""
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    for value in (b"before" * 100, bytes(3 << 20), b"after" * 100):
        await filled(streams, 0, [value], codec=codec)
    settings = streams.stage(decompressed_bytes=1 << 20)
    async with running(Stage(streams.clients, settings, Copy(streams.target), facts)):
        assert await all_copied(streams) == [b"before" * 100, b"dead: record-unreadable 0", b"after" * 100]
    (refused,) = facts.of(RefusalHandled)
    assert (refused.refusal.offset, refused.refusal.error) == (1, "TooMuchError")


async def test_a_batch_that_rotted_on_the_brokers_disk_is_refused_record_by_record(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    for values in ([b"a", b"b", b"c"], [b"rotten-1", b"rotten-2"], [b"d", b"e"]):
        await filled(streams, 0, values)
    (segment,) = (broker.nodes[0].folder / "data" / f"{streams.source}-0").glob("*.log")
    with segment.open("r+b") as file:
        file.seek(segment.read_bytes().index(b"rotten-1"))
        file.write(b"R")
    async with running(Stage(streams.clients, streams.stage(), Copy(streams.target), facts)):
        got = await all_copied(streams)
    assert got == [b"a", b"b", b"c", b"dead: record-unreadable 0", b"dead: record-unreadable 0", b"d", b"e"]
    assert [fact.refusal.offset for fact in facts.of(RefusalHandled)] == [3, 4]


@pytest.mark.parametrize("offsets", [(0, 0), (1, 0), (0, -9), (0, 1 << 30)])
@pytest.mark.parametrize("polled", [1, 100])
async def test_a_producer_that_numbers_its_records_wrongly_hides_none_and_moves_nothing(
    broker: Cluster, offsets: tuple[int, int], polled: int
) -> None:
    """Kafka takes such a batch from anybody who may write. A consumer would leave the record out, or commit 2^30."""
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    await filled(streams, 0, [b"before"])
    records = b"".join(batch_parts.written(offset=each, value=b"at %d" % each) for each in offsets)
    await produced(streams, batch_parts.framed(0, records, count=2, last=1))
    await filled(streams, 0, [b"after"])
    async with running(
        Stage(streams.clients, streams.stage(poll_records=polled), Copy(streams.target), facts)
    ):
        got = await all_copied(streams)
    dead = [] if offsets[0] else [b"at 0"]
    dead += [b"dead: record-unreadable 0"] * (2 - len(dead))
    assert got == [b"before", *dead, b"after"]
    assert await committed_offsets(streams) == {Partition(streams.source, 0): 4}


async def produced(streams: Streams, data: bytes) -> None:
    """Has the broker append a batch, whatever it holds."""
    async with AIOKafkaProducer(bootstrap_servers=streams.bootstrap) as producer:
        await producer.partitions_for(streams.source)
        node = producer.client.cluster.leader_for_partition(TopicPartition(streams.source, 0))
        request = ProduceRequest(
            required_acks=-1, timeout=5000, topics=[(streams.source, [(0, data)])], transactional_id=None
        )
        ((_, ((_, error, *_),)),) = (await producer.client.send(node, request)).topics
        assert error == 0


async def test_a_handler_that_fails_over_everything_stops_the_stage(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)

    def make(record: Any) -> bytes:
        raise KeyError(record.value)

    await filled(streams, 0, [b"%d" % n for n in range(50)])
    stage = Stage(streams.clients, streams.stage(poll_records=1, refusals=2), Copy(streams.target, make))
    with pytest.raises(StopError, match="2 records one after another could not be processed: KeyError"):
        await asyncio.wait_for(stage.run(), PATIENCE_SECONDS)
    assert await copied(streams) == [b"dead: record-failed 0"] * 2


async def test_the_reactions_of_a_handlers_own_errors(broker: Cluster) -> None:
    """RetryError: again, from what is committed, never refused; StopError: the end."""
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    failures = iter([RetryError("the disk is full"), RetryError("the disk is full")])

    class Struggling(Copy):
        async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
            if (error := next(failures, None)) is not None:
                raise error
            if any(record.value == b"last" for record in records):
                raise StopError("no more")
            return await super().process(partition, records)

    async def both() -> bool:
        return await copied(streams) == [b"1", b"2"]

    await filled(streams, 0, [b"1", b"2"])
    stage = Stage(streams.clients, streams.stage(poll_records=2), Struggling(streams.target), facts)
    running = asyncio.create_task(stage.run())
    await until(both, "the copies")
    await filled(streams, 0, [b"last"])
    with pytest.raises(StopError, match="no more"):
        await asyncio.wait_for(running, PATIENCE_SECONDS)
    assert await both()
    assert [fact.detail for fact in facts.of(PartitionStopped)][:2] == ["the disk is full"] * 2
    assert facts.of(RefusalHandled) == []
    assert len(facts.of(PartitionStarted)) == 3


def transactional(streams: Streams, name: str) -> Any:
    """Some other producer of transactions."""
    return AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-{name}")


async def test_what_the_last_holder_has_open_is_waited_for(broker: Cluster) -> None:
    """It commits after we were assigned the partition: that is its right, and our start is behind it."""
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    await filled(streams, 0, [b"%d" % n for n in range(20)])
    async with transactional(streams, "before") as before:
        await before.begin_transaction()
        for n in range(7):
            await before.send_and_wait(streams.target, b"%d" % n)
        source = TopicPartition(streams.source, 0)
        await before.send_offsets_to_transaction({source: 7}, streams.name)
        async with running(Stage(streams.clients, streams.stage(), Copy(streams.target), facts)):
            await until(lambda: asyncio.sleep(0, bool(facts.of(Rebalanced))), "the assignment")
            await asyncio.sleep(0.5)  # an offset read at once would be read by now
            assert facts.of(PartitionStarted) == []
            await before.commit_transaction()
            assert await all_copied(streams) == [b"%d" % n for n in range(20)]
    assert [fact.offset for fact in facts.of(PartitionStarted)] == [7]


async def test_the_end_is_in_good_order(broker: Cluster, tmp_path: Path) -> None:
    """SIGTERM: what is open commits, the group is left at once, the exit code is 0."""
    streams = await made(broker.bootstrap)
    await filled_by_keys(streams, 3000, 4)
    with workers(streams, tmp_path) as group:
        worker = group.start("--poll", "10")
        await until(worker.telling("TransactionCommitted", 5), "work", every=0.01)
        worker.signal(signal.SIGTERM)
        await until(worker.ended, "the end", every=0.01)
        assert worker.process.returncode == 0
        assert worker.told.count("step='begun'") == worker.told.count("step='committed'")
        assert worker.told.count("reason='stopped'") == 4
        async with admin(streams.bootstrap) as client:
            (described,) = await client.describe_consumer_groups([streams.name])
        members = described.groups[0][5]
        assert members == []
        # Nothing is left open: what is committed is all there is.
        assert await ends(streams, streams.target) == await ends(streams, streams.target, committed=False)
        group.start("--poll", "500")
        await until(lambda: drained(streams), "the rest")
        await check_copies(streams, [end for _, end in sorted((await ends(streams, streams.source)).items())])


async def test_nothing_is_lag_when_all_is_read(broker: Cluster) -> None:
    """The markers of other stages' transactions take offsets too: an idle partition is committed past them."""
    streams = await made(broker.bootstrap, 1)
    async with transactional(streams, "before") as before:
        for n in range(3):
            async with before.transaction():
                await before.send_and_wait(streams.source, b"%d" % n, partition=0)
    stage = Stage(streams.clients, streams.stage(), Copy(streams.target))
    async with running(stage):
        await until(lambda: drained(streams), "the last marker")
        assert stage.lags() == {Partition(streams.source, 0): 0}
        assert stage.partitions == {Partition(streams.source, 0): True}
    assert await committed_offsets(streams) == {Partition(streams.source, 0): 6}
    assert await copied(streams) == [b"0", b"1", b"2"]


async def test_memory_is_bounded_whatever_is_produced(broker: Cluster) -> None:
    """Hundreds of large records wait; no more than a fetch of each partition is ever held."""
    streams = await made(broker.bootstrap, 2)
    for number in range(2):
        await filled(streams, number, [random.Random(n).randbytes(900_000) for n in range(60)])
    held: list[int] = []

    class Weighing(Copy):
        async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
            held.append(sum(len(record.value) for record in records))
            key = b"%d" % partition.number
            return [Output(streams.target, key, b"%d" % len(record.value)) for record in records]

    settings = streams.stage(poll_records=1000, partition_fetch_bytes=1 << 20)
    async with running(Stage(streams.clients, settings, Weighing(streams.target))):
        assert await all_copied(streams) == [b"900000"] * 120
    assert max(held) <= 2_000_000


async def test_a_topic_that_is_made_later_is_read_too(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    later = Streams(streams.bootstrap, f"{streams.name}.later")
    await filled(streams, 0, [b"x"])

    async def gained() -> bool:
        return any(Partition(later.source, 0) in fact.gained for fact in facts.of(Rebalanced))

    settings = streams.stage(topics=(), pattern=rf"{streams.name}\..*in\Z")
    async with running(Stage(streams.clients, settings, Copy(streams.target), facts)):
        await until(lambda: drained(streams), "the first topic")
        await create(streams.bootstrap, later.source)
        await until(gained, "the topic made later")
        await filled(later, 0, [b"y"])
        await until(lambda: written(streams, 2), "both")
    assert sorted(await copied(streams)) == [b"x", b"y"]


async def written(streams: Streams, records: int) -> bool:
    return len(await copied(streams)) == records
