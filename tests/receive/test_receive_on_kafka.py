"""`curfewd receive` on a real Kafka: what it acknowledged is there, whoever is killed."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from detector.configuration.settings import Settings
from detector.kafka.acknowledged_producer import SILENT_SECONDS
from detector.receive.service import ReceiveService
from detector.service.observability.logs import LogMask, make_log
from detector.values.errors import StopError
from tests.broker import Cluster
from tests.receive.receiver_process import Receiver
from tests.receive.serving import SECRET


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 3, 1)])
    finally:
        await admin.close()


async def keys_in(bootstrap: str, topic: str) -> list[str]:
    """The keys of all records, which are the ids of the events in them."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[str] = []
    try:
        parts = [TopicPartition(topic, number) for number in range(3)]
        consumer.assign(parts)
        left = sum((await consumer.end_offsets(parts)).values())
        while left:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                left -= len(records)
                for record in records:
                    assert json.loads(record.value)["id"] == record.key.decode()
                    assert ("curfewd-source", b"events") in record.headers
                    found.append(record.key.decode())
    finally:
        await consumer.stop()
    return found


async def test_nothing_acknowledged_is_lost_when_it_is_killed_or_the_broker_is(
    frail_broker: Cluster, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path, frail_broker.bootstrap, "received")
    await create(frail_broker.bootstrap, receiver.topic)
    async with receiver.sending():
        with receiver.running() as process:
            await receiver.ready()
            await receiver.acknowledges()
            process.kill()
        with receiver.running() as process:
            await receiver.ready()
            await receiver.acknowledges()
            await asyncio.to_thread(frail_broker.nodes[0].kill)
            async with asyncio.timeout(SILENT_SECONDS + 10):
                await receiver.ready(is_ready=False)
            await asyncio.to_thread(frail_broker.nodes[0].start)
            await receiver.ready()
            await receiver.acknowledges()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0
    found = await keys_in(frail_broker.bootstrap, receiver.topic)
    assert receiver.acknowledged - set(found) == set()
    assert len(receiver.acknowledged) >= 600
    assert SECRET not in receiver.log.read_text()


async def test_a_topic_that_is_missing_is_said(broker: Cluster, tmp_path: Path) -> None:
    config = Receiver(tmp_path, broker.bootstrap, "nowhere").config
    settings = Settings.load(str(config), {"SECRET": SECRET})
    log = LogMask()
    service = ReceiveService(settings, None, lambda: settings, make_log("json", "info", log_mask=log), log)
    with pytest.raises(StopError, match="there is no topic nowhere: create it"):
        await service._check_topics()
