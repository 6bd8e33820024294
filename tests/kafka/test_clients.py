"""The registry feed, the look-back and what they ask of the inputs, on a real broker."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detector.judge.routing import LeakWithdrawal, decode, encode, registry_key
from detector.kafka.handlers import Partition
from detector.kafka.positions import BEFORE, InputPositions
from detector.patterns.pattern import load_bundled
from detector.scan.known_credentials import KeyRing
from detector.scan.scanner import PatternScanner
from detector.service.lookback.lookback import Lookback, LookbackSettings
from detector.service.scan.finders import Finders, NoPatterns
from detector.service.scan.registry_feed import RegistryFeed
from detector.values.events import CredentialIssued, Leak
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import MILLISECOND, SECOND
from tests.broker import Cluster
from tests.ingest.streams import PATIENCE_SECONDS, Streams, filled, grown, made, read, until

pytestmark = pytest.mark.xdist_group("broker")
KEY = DeploymentKey.of(b"k" * 32)
SECRET = "corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern


def issue(number: int, secret: str = SECRET) -> CredentialIssued:
    return CredentialIssued(
        time=number,
        source="s",
        id=str(number),
        credential_id=f"c{number}",
        task_id=f"t{number}",
        identifiers=KeyRing((KEY,)).identifiers(Secret(secret.encode())),
    )


async def registered(streams: Streams, *issues: CredentialIssued, gone: bool = False) -> None:
    """Writes issues to the registry topic, in transactions, or removes them."""
    producer = AIOKafkaProducer(
        bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-registry"
    )
    async with producer:
        for each in issues:
            async with producer.transaction():
                value = None if gone else encode(each)
                await producer.send_and_wait(streams.changelog, value, key=registry_key(each))


@contextlib.asynccontextmanager
async def working(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Jobs that run until cancelled."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def feed_of(streams: Streams, discovery_seconds: float = 30) -> tuple[RegistryFeed, Finders]:
    finders = Finders(NoPatterns(), (KEY,))
    return RegistryFeed(
        streams.changelog, finders, streams.clients, discovery_seconds=discovery_seconds
    ), finders


async def test_the_registry_is_followed_from_its_start(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 3)
    await registered(streams, *(issue(number, f"{SECRET}{number}") for number in range(20)))
    feed, finders = feed_of(streams)
    async with working(feed.run()):
        await asyncio.wait_for(feed.caught_up.wait(), PATIENCE_SECONDS)
        assert len(feed.registry) == 20
        assert finders.known.find(f"x {SECRET}7 y".encode()) == [(2, 3 + len(SECRET))]
        await registered(streams, issue(20))

        async def arrived() -> bool:
            return feed.registry.by_id("c20") is not None

        await until(arrived, "the new issue")
        await registered(streams, issue(20), gone=True)

        async def left() -> bool:
            return feed.registry.by_id("c20") is None

        await until(left, "the removal")
        assert feed.problem is None


async def test_an_empty_registry_is_caught_up_with(broker: Cluster) -> None:
    feed, _ = feed_of(await made(broker.bootstrap, 1))
    async with working(feed.run()):
        await asyncio.wait_for(feed.caught_up.wait(), PATIENCE_SECONDS)


async def test_a_registry_that_is_not_there_is_waited_for(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    feed = RegistryFeed(f"{streams.name}.none", Finders(NoPatterns(), (KEY,)), streams.clients)
    async with working(feed.run()):

        async def told() -> bool:
            return feed.problem is not None

        await until(told, "a problem")
        assert not feed.caught_up.is_set()


def lookback_of(streams: Streams, feed: RegistryFeed, finders: Finders, delay: int) -> Lookback:
    settings = LookbackSettings(
        f"{streams.name}-lookback",
        streams.target,
        1,
        (streams.source,),
        delay=delay,
        session_seconds=6,
    )
    return Lookback(settings, streams.clients, finders, feed, ThreadPoolExecutor(1))


async def leaks_of(streams: Streams) -> list[tuple[str, str]]:
    found = []
    for some in (await read(streams, streams.target)).values():
        for record in some:
            leak = decode(record.value)
            if isinstance(leak, Leak) and record.key.startswith(b"t:"):
                found.append((record.key.decode(), leak.id))
    return sorted(found)


async def test_a_leak_is_found_though_its_credential_was_registered_later(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)
    await filled(streams, 0, [json.dumps({"message": f"token {SECRET}"}).encode(), b"nothing"])
    await filled(streams, 1, [f"token {SECRET}{number % 2}".encode() for number in range(4)])
    feed, finders = feed_of(streams)
    async with working(feed.run(), lookback_of(streams, feed, finders, 3 * SECOND).run()):
        await asyncio.wait_for(feed.caught_up.wait(), PATIENCE_SECONDS)
        await registered(streams, issue(1), issue(2, f"{SECRET}1"))

        async def found() -> bool:
            return len(await leaks_of(streams)) >= 3

        await until(found, "the leaks", every=0.5)
        assert await leaks_of(streams) == [("t:t1", "p0@0"), ("t:t2", "p1@1"), ("t:t2", "p1@3")]

    # Another takes over where this one was.
    await filled(streams, 0, [f"again {SECRET}".encode()])
    async with working(lookback_of(streams, feed, finders, 0).run()):

        async def found_too() -> bool:
            return len(await leaks_of(streams)) >= 4

        await until(found_too, "one more", every=0.5)
        assert ("t:t1", "p0@2") in await leaks_of(streams)
        assert len(await leaks_of(streams)) == 4


async def test_what_turns_out_to_be_part_of_a_registered_secret_is_withdrawn(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    basic = base64.b64encode(f"deploy-bot:{SECRET}".encode()).decode()
    await filled(streams, 0, [b"nothing", f"Authorization: Basic {basic}".encode(), b"nothing"])
    scanner = PatternScanner(tuple(each for each in load_bundled() if each.id == "http-basic-authorization"))
    finders = Finders(scanner, (KEY,))
    feed = RegistryFeed(streams.changelog, finders, streams.clients)
    async with working(feed.run(), lookback_of(streams, feed, finders, 2 * SECOND).run()):
        await asyncio.wait_for(feed.caught_up.wait(), PATIENCE_SECONDS)
        await registered(streams, issue(1))

        async def withdrawn() -> bool:
            return bool(await withdrawals(streams))

        await until(withdrawn, "the withdrawal", every=0.5)
    whole = KEY.fingerprint(Secret(SECRET.encode()))
    ((key, said),) = await withdrawals(streams)
    assert (said.source, said.id) == (streams.source, "p0@1")
    assert key.startswith("s:")
    assert key != f"s:{whole}"  # it is the secret that the pattern saw
    assert await leaks_of(streams) == [("t:t1", "p0@1")]


async def withdrawals(streams: Streams) -> list[tuple[str, LeakWithdrawal]]:
    records = [record for some in (await read(streams, streams.target)).values() for record in some]
    payloads = [(record.key.decode(), decode(record.value)) for record in records]
    return [(key, payload) for key, payload in payloads if isinstance(payload, LeakWithdrawal)]


async def test_records_before_an_offset_and_how_far_a_group_is(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    began = time.time_ns()
    await filled(streams, 0, [b"%d" % number for number in range(BEFORE + 44)])
    partition = Partition(streams.source, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with InputPositions(streams.clients, streams.name) as positions, consumer:
        assert [record.value for record in await positions.before(partition, 2)] == [b"0", b"1"]
        assert len(await positions.before(partition, BEFORE + 44)) == BEFORE
        assert await positions.before(partition, 0) == ()

        after = time.time_ns() + SECOND
        assert not await positions.scanned(after)
        source = TopicPartition(streams.source, 0)
        consumer.assign([source])
        await consumer.commit({source: 10})
        assert await positions.scanned(began - 10 * MILLISECOND)
        assert not await positions.scanned(after)
        await consumer.commit({source: BEFORE + 44})
        assert await positions.scanned(after)


async def test_asking_how_far_the_scan_stage_is_fetches_no_records(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    await filled(streams, 0, [b"%d" % number for number in range(300)])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with InputPositions(streams.clients, streams.name) as positions, consumer:
        source = TopicPartition(streams.source, 0)
        consumer.assign([source])
        await consumer.commit({source: BEFORE + 44})
        assert await positions.scanned(time.time_ns() + SECOND)
        asked = positions._consumer
        assert asked.assignment() == {source}
        assert asked.paused() == {source}  # else a client fetches ahead, from the beginning
        await asyncio.sleep(0.5)
        assert not asked._fetcher._records


async def test_a_mark_of_a_transaction_is_nothing_to_be_scanned(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    producer = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=streams.name)
    async with producer, producer.transaction():
        await producer.send_and_wait(streams.source, b"x", partition=0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with InputPositions(streams.clients, streams.name) as positions, consumer:
        source = TopicPartition(streams.source, 0)
        consumer.assign([source])
        await consumer.commit({source: 1})
        assert await positions.scanned(time.time_ns())


async def test_partitions_added_to_the_registry_are_followed(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    feed, _ = feed_of(streams, discovery_seconds=0.5)
    async with working(feed.run()):
        await asyncio.wait_for(feed.caught_up.wait(), PATIENCE_SECONDS)
        await grown(streams, streams.changelog, 4)
        await registered(streams, *(issue(number, f"{SECRET}{number}") for number in range(20)))

        async def all_there() -> bool:
            return len(feed.registry) == 20

        await until(all_there, "the issues in new partitions")
