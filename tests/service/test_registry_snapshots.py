"""A start goes on from the snapshot of the registry, on a real broker, and reads the whole topic where it cannot."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from detector.judge.routing import encode, registry_key
from detector.kafka.topic_follower import TopicFollower
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.sightings import NoPatterns
from detector.service.registry_snapshots import FILE, RegistrySnapshots
from detector.values.events import CredentialIssued
from detector.values.times import HOUR
from tests.broker import Cluster
from tests.ingest.streams import PATIENCE_SECONDS, Streams, admin, made, until
from tests.registry.registry_topic import KEY, SECRET, issue, working, write_issues


class Counted(RegisteredCredentials):
    """Counts the records that it is given."""

    count = 0

    async def apply(self, records: Sequence[Any]) -> None:
        self.count += len(records)
        await super().apply(records)


class Start:
    """A start of a service that knows the registry of a topic."""

    def __init__(self, streams: Streams, folder: Path) -> None:
        self.registered = Counted(Finders(NoPatterns(), (KEY,)))
        self.snapshots = RegistrySnapshots(folder, self.registered, structlog.get_logger(), every=HOUR)
        self.follower = TopicFollower(
            streams.changelog,
            streams.clients,
            self.registered,
            resume=self.snapshots.resume,
            columns=True,
        )

    async def known(self) -> tuple[list[str], list[Any]]:
        """Starts, reads to the end and writes a snapshot: the identifiers and what finds the secrets."""
        async with working(self.follower.run()):
            await asyncio.wait_for(self.registered.complete.wait(), PATIENCE_SECONDS)
            await self.snapshots.save(self.follower.positions)
        assert self.follower.behind == 0
        seen = self.registered.finders.known.seen
        found = [seen(f"x {SECRET}{number} y".encode())[0] for number in range(25)]
        return sorted(map(repr, self.registered.registry.identifiers())), found


def one_is_known(start: Start) -> Callable[[], Awaitable[bool]]:
    async def known() -> bool:
        # Records are applied first: a snapshot of that moment says that they are still to be read.
        return len(start.registered.registry) == 1 and start.follower.positions.get(0, 0) > 0

    return known


@contextlib.asynccontextmanager
async def left_open(
    streams: Streams, unwritten: CredentialIssued
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A transaction that has written an issue and is open until it is aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-open")
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(
            streams.changelog, encode(unwritten), key=registry_key(unwritten), partition=0
        )
        yield producer.abort_transaction


def events(said: Sequence[Any]) -> list[str]:
    return [each["event"] for each in said]


async def test_a_start_reads_only_what_came_after_the_snapshot(broker: Cluster, tmp_path: Path) -> None:
    streams = await made(broker.bootstrap, 3)
    await write_issues(streams, *(issue(number, f"{SECRET}{number}") for number in range(20)))
    with structlog.testing.capture_logs() as said:
        first = Start(streams, tmp_path)
        await first.known()
    assert first.registered.count == 20
    assert events(said) == [
        "the registry is read from its beginning, not from a snapshot",
        "snapshot of the registry written",
    ]
    await write_issues(streams, *(issue(number, f"{SECRET}{number}") for number in range(20, 25)))
    await write_issues(streams, issue(3), gone=True)
    with structlog.testing.capture_logs() as said:
        second, whole = Start(streams, tmp_path), Start(streams, tmp_path / "other")
        answers = await second.known()
        assert answers == await whole.known()
    assert second.registered.count == 6
    assert sum(map(bool, answers[1])) == 24
    assert events(said)[0] == "registry resumed from its snapshot"
    with structlog.testing.capture_logs() as said:
        third = Start(streams, tmp_path)
        assert await third.known() == answers
    assert third.registered.count == 0
    assert "snapshot of the registry written" not in events(said), "there was nothing new"


async def test_a_topic_that_was_recreated_is_read_whole(broker: Cluster, tmp_path: Path) -> None:
    streams = await made(broker.bootstrap, 1)
    await write_issues(streams, *(issue(number, f"{SECRET}{number}") for number in range(3)))
    await Start(streams, tmp_path).known()
    async with admin(streams.bootstrap) as client:
        await client.delete_topics([streams.changelog])

        async def recreated() -> bool:
            try:
                answer = await client.create_topics([NewTopic(streams.changelog, 1, 1)])
            except KafkaError:
                return False
            return not answer.topic_errors[0][1]

        await until(recreated, "the topic")
    await write_issues(streams, *(issue(number, f"{SECRET}{number}") for number in range(7, 12)))
    with structlog.testing.capture_logs() as said:
        again = Start(streams, tmp_path)
        known, found = await again.known()
    assert said[0]["why"] == "it belongs to another topic"
    assert [number for number, each in enumerate(found) if each] == [7, 8, 9, 10, 11]
    assert len(known) == 5


async def test_without_a_deployment_key_there_is_no_snapshot(broker: Cluster, tmp_path: Path) -> None:
    streams = await made(broker.bootstrap, 1)
    start = Start(streams, tmp_path)
    start.registered = Counted(Finders(NoPatterns(), ()))
    snapshots = RegistrySnapshots(tmp_path, start.registered, structlog.get_logger(), every=HOUR)
    follower = TopicFollower(streams.changelog, streams.clients, start.registered, resume=snapshots.resume)
    async with working(follower.run()):
        await asyncio.wait_for(start.registered.complete.wait(), PATIENCE_SECONDS)
        await snapshots.save(follower.positions)
    assert not (tmp_path / FILE).exists()


async def test_an_issue_of_an_aborted_transaction_is_in_no_snapshot(broker: Cluster, tmp_path: Path) -> None:
    streams = await made(broker.bootstrap, 1)
    await write_issues(streams, issue(0, f"{SECRET}0"))
    async with left_open(
        streams, issue(1, f"{SECRET}1")
    ) as abort:  # what is written behind it waits for its end
        await write_issues(streams, issue(2, f"{SECRET}2"))
        first = Start(streams, tmp_path)
        async with working(first.follower.run()):
            await until(one_is_known(first), "the issue before the open transaction")
            await first.snapshots.save(first.follower.positions)
            await abort()
            await asyncio.wait_for(first.registered.complete.wait(), PATIENCE_SECONDS)
        second = Start(streams, tmp_path)
        known, found = await second.known()
    assert second.registered.count == 1, "the snapshot had the first"
    assert len(known) == 2
    assert [bool(each) for each in found[:3]] == [True, False, True]
    third = Start(streams, tmp_path)
    assert await third.known() == (known, found)
    assert third.registered.count == 0
