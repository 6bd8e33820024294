"""`curfewd receive` on a real Kafka: what it acknowledged is there, whoever is killed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from detector.configuration.settings import Settings
from detector.receive.service import ReceiveService
from detector.service.observability.logs import LogMask, make_log
from detector.values.errors import StopError
from tests.broker import Cluster
from tests.broker.cluster import free_ports
from tests.receive.serving import BEARER, JSON, SECRET

SENDERS = 16


class Receiver:
    """The command, in a process of its own."""

    def __init__(self, folder: Path, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self.port, self.probes = free_ports(2)
        self.config = folder / "curfewd.toml"
        self.config.write_text(f"""
[kafka]
bootstrap = ["{bootstrap}"]
event_topics = ["{topic}"]
[receive]
listen = "127.0.0.1:{self.port}"
probes = "127.0.0.1:{self.probes}"
write_timeout = "2s"
[[receive.source]]
name = "events"
type = "eventbridge"
topic = "{topic}"
secrets = ["env:SECRET"]
""")
        self.log = folder / "receive.log"
        self.acknowledged: set[str] = set()
        self.sent = 0

    @contextlib.contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "detector.cli", "receive", "--config", str(self.config)]
            process = subprocess.Popen(command, stderr=log, env={**os.environ, "SECRET": SECRET})
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    async def ready(self, *, is_ready: bool = True) -> None:
        async with aiohttp.ClientSession() as client, asyncio.timeout(120):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.get(f"http://127.0.0.1:{self.probes}/readyz") as answer:
                        if (answer.status == 200) == is_ready:
                            return
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Senders that post one event after another, while the context is open."""
        async with aiohttp.ClientSession() as client:
            tasks = [asyncio.create_task(self._send(client)) for _ in range(SENDERS)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, client: aiohttp.ClientSession) -> None:
        url, headers = f"http://127.0.0.1:{self.port}/events", {**BEARER, **JSON}
        while True:
            self.sent += 1
            named = str(self.sent)
            body = json.dumps({"id": named, "detail": "x" * 200}).encode()
            try:
                async with client.post(url, data=body, headers=headers) as answer:
                    if answer.status == 200:
                        self.acknowledged.add(named)
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.02)

    async def acknowledges(self, more: int = 200) -> None:
        """Waits until so many more are acknowledged."""
        enough = len(self.acknowledged) + more
        async with asyncio.timeout(120):
            while len(self.acknowledged) < enough:  # noqa: ASYNC110 - the senders count
                await asyncio.sleep(0.02)


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
    broker: Cluster, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path, broker.bootstrap, "received")
    await create(broker.bootstrap, receiver.topic)
    async with receiver.sending():
        with receiver.running() as process:
            await receiver.ready()
            await receiver.acknowledges()
            process.kill()
        with receiver.running() as process:
            await receiver.ready()
            await receiver.acknowledges()
            await asyncio.to_thread(broker.nodes[0].kill)
            await asyncio.to_thread(broker.nodes[0].start)
            await receiver.acknowledges()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0
    found = await keys_in(broker.bootstrap, receiver.topic)
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
