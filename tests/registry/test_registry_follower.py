"""When all is known that was registered by some time, on a real broker, beside writers that have not committed."""

import asyncio
import contextlib
import re
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detector.judge.routing import encode, registry_key
from detector.kafka.positions import InputPositions
from detector.service.scan.finders import Finders, NoPatterns
from detector.service.scan.registry_feed import RegistryFeed
from detector.values.events import CredentialIssued, Identifier
from detector.values.secrets import DeploymentKey
from detector.values.times import SECOND
from tests.broker import Cluster
from tests.ingest.streams import PATIENCE_SECONDS, filled, made, until

pytestmark = pytest.mark.xdist_group("live-faults")
ISSUE = CredentialIssued(
    id="1",
    source="ci",
    time=1,
    credential_id="c1",
    task_id="t1",
    identifiers=(Identifier("jwt-id", "j1"),),
)


async def test_up_to_date_is_with_all_that_was_committed_behind_what_is_not(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    feed = RegistryFeed(
        streams.changelog, Finders(NoPatterns(), (DeploymentKey.of(bytes(16)),)), streams.clients
    )
    following = asyncio.create_task(feed.run())
    stalled = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-a")
    other = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-b")
    async with stalled, other:
        await stalled.begin_transaction()
        await stalled.send_and_wait(streams.changelog, encode(ISSUE), key=b'["cred","c9","ci","9"]')
        await asyncio.wait_for(feed.caught_up.wait(), PATIENCE_SECONDS)
        async with other.transaction():
            await other.send_and_wait(streams.changelog, encode(ISSUE), key=registry_key(ISSUE))
        waiting = asyncio.create_task(feed.up_to_date())

        async def read_again() -> bool:
            return feed._connected.is_set()

        await until(read_again, "a poll")
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert feed.registry.by_id("c1") is None
        await stalled.abort_transaction()
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        assert feed.registry.by_id("c1") == ISSUE
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


@pytest.mark.parametrize("named", ["by name", "by pattern"])
async def test_what_stands_in_a_partition_that_nobody_has_got_to_yet_is_not_read(
    broker: Cluster, named: str
) -> None:
    streams = await made(broker.bootstrap, 2)
    await filled(streams, 1, [b"x"])
    inputs: tuple[tuple[str, ...], str | None] = ((streams.source,), None)
    if named == "by pattern":
        inputs = (), rf"(?:{re.escape(streams.name)}\.i)"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with InputPositions(streams.clients, streams.name, *inputs) as positions, consumer:
        first, second = (TopicPartition(streams.source, number) for number in range(2))
        consumer.assign([first, second])
        await consumer.commit({first: 0})
        later = time.time_ns() + SECOND
        assert not await positions.scanned(later)
        await consumer.commit({second: 1})
        assert await positions.scanned(later)
