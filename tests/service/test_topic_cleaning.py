"""Small topics are cleaned too: brokers clean closed segments only, so `topics create` says when one is closed.

A segment is closed by the timestamps of its records, so that the tests date records back instead of waiting.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from detector.configuration.settings import Settings
from detector.kafka.topics import Outcome, topic_configs
from detector.service.topics import create_topics
from detector.values.times import HOUR, MILLISECOND, SECOND
from tests.broker import Cluster
from tests.ingest.streams import until

_CLEANING = {"log.cleaner.backoff.ms": "200", "log.retention.check.interval.ms": "200"}
_KEYS = 10
_ROUNDS = 30
_RETENTION = HOUR


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cleaning"), 1, _CLEANING) as cluster:
        yield cluster


def _create(broker: Cluster, folder: Path, prefix: str, record_bytes: int = 1_048_588) -> Outcome:
    path = folder / "curfewd.toml"
    path.write_text(
        f'[kafka]\nbootstrap = "{broker.bootstrap}"\nprefix = "{prefix}."\nevent_topics = ["in"]\nreplication = 1\n'
        f'min_insync = 1\nrecord_bytes = {record_bytes}\n[kafka.topics.work]\npartitions = 1\nretention = "1h"\n'
    )
    return asyncio.run(create_topics(Settings.load(str(path)).live()))


async def _put(broker: Cluster, topic: str, records: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Records of (ns before now, key, value)."""
    now = time.time_ns()
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=1 << 28) as producer:
        for ago, key, value in records:
            await producer.send_and_wait(
                topic, value, key, partition=0, timestamp_ms=(now - ago) // MILLISECOND
            )


async def _all(broker: Cluster, topic: str) -> list[tuple[bytes, bytes]]:
    """All records that the partition has."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        await consumer.seek_to_beginning(partition)
        found: list[tuple[bytes, bytes]] = []
        while await consumer.position(partition) < end:
            for some in (await consumer.getmany(timeout_ms=500)).values():
                found += [(record.key, record.value) for record in some]
        return found
    finally:
        await consumer.stop()


@pytest.mark.parametrize("topic", ["state", "registry", "findings"])
def test_a_compacted_topic_of_some_kilobytes_is_compacted(
    broker: Cluster, tmp_path: Path, topic: str
) -> None:
    _create(broker, tmp_path, f"small-{topic}")
    name = f"small-{topic}.{topic}"

    async def run() -> None:
        old = [
            (2 * HOUR - turn * SECOND, b"key-%d" % key, b"%d" % turn)
            for turn in range(_ROUNDS)
            for key in range(_KEYS)
        ]
        await _put(broker, name, [*old, (0, b"now", b"")])
        assert len(await _all(broker, name)) in {_KEYS + 1, len(old) + 1}  # the broker may be quick
        wanted = {(b"key-%d" % key, b"%d" % (_ROUNDS - 1)) for key in range(_KEYS)} | {(b"now", b"")}

        async def compacted() -> bool:
            found = await _all(broker, name)
            return len(found) == len(wanted) and set(found) == wanted

        await until(compacted, "the last record of each key alone", every=0.2)

    asyncio.run(run())


def test_work_goes_when_its_retention_is_over(broker: Cluster, tmp_path: Path) -> None:
    """One record every five minutes: what is older than the retention and an eighth of it is gone."""
    _create(broker, tmp_path, "kept")
    step = _RETENTION // 12

    async def run() -> None:
        await _put(
            broker,
            "kept.work",
            ((number * step, b"key", b"%d" % number) for number in reversed(range(36))),
        )

        async def gone() -> bool:
            return all(
                int(value) * step <= _RETENTION * 9 // 8 for _, value in await _all(broker, "kept.work")
            )

        await until(gone, "what is too old is gone", every=0.2)
        left = {int(value) for _, value in await _all(broker, "kept.work")}
        assert left >= {number for number in range(36) if (number + 1) * step < _RETENTION}

    asyncio.run(run())


@pytest.mark.parametrize("topic", ["work", "state"])
def test_the_largest_record_fits_into_a_segment(broker: Cluster, tmp_path: Path, topic: str) -> None:
    """A broker refuses a batch that is larger than a segment, whatever `max.message.bytes` says."""
    size = 70 << 20
    _create(broker, tmp_path, f"large-{topic}", size + 1024)
    asyncio.run(_put(broker, f"large-{topic}.{topic}", [(0, b"key", bytes(size))]))


def test_topics_that_an_earlier_version_made_are_told(broker: Cluster, tmp_path: Path) -> None:
    """They had no times for their segments: `work` and `state` are left as they are, and the lines say so."""

    async def earlier() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        made = []
        for name, retention in (("earlier.work", _RETENTION), ("earlier.state", None)):
            configs = topic_configs(retention, min_insync=1, record_bytes=1_048_588)
            del configs["segment.ms"]
            made.append(NewTopic(name, 1, 1, topic_configs=configs))
        await admin.create_topics(made)
        await admin.close()

    asyncio.run(earlier())
    differences = _create(broker, tmp_path, "earlier").differences
    assert {(each.topic, each.setting, each.grave) for each in differences} == {
        ("earlier.work", "segment.ms", False),
        ("earlier.state", "segment.ms", False),
    }
