"""Whole topics come out of a reader of columns as out of an ordinary one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from detector.judge.routing import encode, registry_key
from detector.kafka.changelog import Change, KafkaChangelog, pairs_in
from detector.kafka.topic_follower import TopicFollower
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.sightings import NoPatterns
from detector.values.errors import StopError
from detector.values.stored_format import FORMAT_HEADER, FORMAT_HEADERS
from tests.broker import Cluster
from tests.ingest.streams import PATIENCE_SECONDS, Streams, made
from tests.registry.registry_topic import KEY, SECRET, issue, working

CODECS = (None, "gzip", "lz4", "zstd")


async def test_a_changelog_is_read_alike_both_ways(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)
    changes: list[Change] = []
    for number, codec in enumerate(CODECS):
        changes += [(b"k%d" % at, None if at % 7 == 0 else b"v%d" % number * at) for at in range(50)]
        async with AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap,
            compression_type=codec,
            transactional_id=f"{streams.name}-{number}",
        ) as producer:
            for outcome in (changes[-50:], [(b"aborted", b"x")]):
                await producer.begin_transaction()
                for key, value in outcome:
                    await producer.send(streams.changelog, value, key=key, partition=1)
                await producer.send(streams.changelog, b"without a key", partition=1)
                if outcome[0][0] == b"aborted":
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
    for columns in (False, True):
        changelog = KafkaChangelog(streams.changelog, streams.clients, columns=columns)
        try:
            first, end, topic_id = await changelog.span(1)
            assert len(bytes.fromhex(topic_id)) == 16
            assert [each async for some in changelog.read(1, first) for each in pairs_in(some)] == changes
            later = [each async for some in changelog.read(1, first + 20) for each in pairs_in(some)]
            assert later == changes[20:]
            assert [some async for some in changelog.read(1, end)] == []
        finally:
            await changelog.close()


async def known(streams: Streams, *, columns: bool) -> tuple[RegisteredCredentials, list[str]]:
    registered = RegisteredCredentials(Finders(NoPatterns(), (KEY,)))
    follower = TopicFollower(streams.changelog, streams.clients, registered, columns=columns)
    async with working(follower.run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
    return registered, sorted(map(repr, registered.registry.identifiers()))


async def written(streams: Streams, records: Sequence[tuple[int, bytes, bytes | None, Any]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=streams.bootstrap) as producer:
        for partition, key, value, headers in records:
            await producer.send(streams.changelog, value, key=key, partition=partition, headers=list(headers))


async def test_the_registry_is_known_alike_both_ways(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 3)
    issues = [issue(number, f"{SECRET}{number:03}") for number in range(40)]
    other = [(FORMAT_HEADER, b"1"), ("more", None)]
    records: list[tuple[int, bytes, bytes | None, Any]] = [
        (number % 3, registry_key(each), encode(each), (FORMAT_HEADERS, other, ())[number % 5 % 3])
        for number, each in enumerate(issues)
    ]
    records += [(number % 3, registry_key(issues[number]), None, FORMAT_HEADERS) for number in range(5, 9)]
    records += [(0, registry_key(issues[0])[:-1], b"{", ()), (1, b"", b"", ())]
    await written(streams, records)
    (one, some), (other_one, others) = await known(streams, columns=False), await known(streams, columns=True)
    assert some == others
    assert len(some) == 36
    assert one.unreadable == other_one.unreadable == 2


@pytest.mark.parametrize("headers", [[(FORMAT_HEADER, b"2")], [("name", b""), (FORMAT_HEADER, b"2")]])
async def test_a_registry_of_a_later_format_stops_a_reader_of_columns(
    broker: Cluster, headers: list[tuple[str, bytes]]
) -> None:
    streams = await made(broker.bootstrap, 1)
    first = issue(1)
    await written(
        streams,
        [
            (0, registry_key(first), encode(first), FORMAT_HEADERS),
            (0, registry_key(issue(2)), encode(issue(2)), headers),
        ],
    )
    registered = RegisteredCredentials(Finders(NoPatterns(), (KEY,)))
    follower = TopicFollower(streams.changelog, streams.clients, registered, columns=True)
    with pytest.raises(StopError, match="a later curfewd"):
        await asyncio.wait_for(follower.run(), PATIENCE_SECONDS)
