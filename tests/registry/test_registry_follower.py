"""The registry topic is followed on a real broker, also beside writers that have not committed."""

import asyncio
import contextlib
import signal

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from detector.judge.routing import encode, registry_key, task_key
from detector.kafka.topic_follower import TopicFollower
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.sightings import NoPatterns
from detector.service.id_key import agree_on_id_key
from detector.values.events import CredentialIssued, Identifier
from tests.broker import Cluster
from tests.fake_records import FakeRecord
from tests.ingest.streams import PATIENCE_SECONDS, admin, grown, made, until
from tests.registry.registry_topic import KEY, SECRET, followed, issue, working, write_issues

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
    registered, follower = followed(streams)
    following = asyncio.create_task(follower.run())
    stalled = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-a")
    other = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-b")
    async with stalled, other:
        await stalled.begin_transaction()
        await stalled.send_and_wait(streams.changelog, encode(ISSUE), key=b'["cred","c9","ci","9"]')
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        async with other.transaction():
            await other.send_and_wait(streams.changelog, encode(ISSUE), key=registry_key(ISSUE))
        waiting = asyncio.create_task(follower.up_to_date())

        async def read_again() -> bool:
            return follower._connected.is_set()

        await until(read_again, "a poll")
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert registered.registry.known("c1") is None
        await stalled.abort_transaction()
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        assert registered.registry.known("c1") == task_key(str(ISSUE.task_id))
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def test_it_tells_how_far_behind_it_is_and_for_how_long(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    registered, follower = followed(streams)
    stalled = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-a")

    async def behind() -> bool:
        return follower.behind == 2 and follower.lag_seconds > 3

    async def there() -> bool:
        return follower.behind == 0 and follower.lag_seconds < 3

    async with working(follower.run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        async with working(follower.keep_lag(0.1)), stalled:
            await until(there, "the end")
            await stalled.begin_transaction()
            for _ in range(2):
                await stalled.send_and_wait(streams.changelog, encode(ISSUE), key=registry_key(ISSUE))
            await until(behind, "a lag")
            await stalled.abort_transaction()
            await until(there, "the end again")


async def test_brokers_that_do_not_answer_are_a_lag(frail_broker: Cluster) -> None:
    registered, follower = followed(await made(frail_broker.bootstrap, 1))

    async def behind() -> bool:
        return follower.lag_seconds > 10

    async def there() -> bool:
        return follower.lag_seconds < 5

    async with working(follower.run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        async with working(follower.keep_lag(0.1)):
            await until(there, "the end")
            frail_broker.nodes[0].signal(signal.SIGSTOP)
            try:
                await until(behind, "a lag")
            finally:
                frail_broker.nodes[0].signal(signal.SIGCONT)
            await until(there, "the end again")


async def test_up_to_date_ends_where_the_topic_was_recreated_in_the_meantime(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    registered, follower = followed(streams)
    stalled = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-a")
    async with working(follower.run()), admin(streams.bootstrap) as client:
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        async with stalled:
            await stalled.begin_transaction()
            for _ in range(3):
                await stalled.send_and_wait(streams.changelog, encode(ISSUE), key=b'["cred","c9","ci","9"]')
            waiting = asyncio.create_task(follower.up_to_date())
            await asyncio.sleep(0.5)
            assert not waiting.done()
            await client.delete_topics([streams.changelog])
            await client.create_topics([NewTopic(streams.changelog, 1, 1)])
            await asyncio.wait_for(waiting, PATIENCE_SECONDS)
            with contextlib.suppress(KafkaError):
                await stalled.abort_transaction()


async def test_the_registry_is_followed_from_its_start(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 3)
    await write_issues(streams, *(issue(number, f"{SECRET}{number}") for number in range(20)))
    registered, follower = followed(streams)
    async with working(follower.run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        assert len(registered.registry) == 20
        assert registered.finders.known.seen(f"x {SECRET}7 y".encode())[0] == [(2, 3 + len(SECRET))]
        await write_issues(streams, issue(20))

        async def arrived() -> bool:
            return registered.registry.known("c20") is not None

        await until(arrived, "the new issue")
        await write_issues(streams, issue(20), gone=True)

        async def left() -> bool:
            return registered.registry.known("c20") is None

        await until(left, "the removal")
        assert follower.problem is None


async def test_an_empty_registry_is_caught_up_with(broker: Cluster) -> None:
    registered, follower = followed(await made(broker.bootstrap, 1))
    async with working(follower.run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)


async def test_a_registry_that_is_not_there_is_waited_for(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    registered = RegisteredCredentials(Finders(NoPatterns(), (KEY,)))
    follower = TopicFollower(f"{streams.name}.none", streams.clients, registered)
    async with working(follower.run()):

        async def told() -> bool:
            return follower.problem is not None

        await until(told, "a problem")
        assert not registered.complete.is_set()


async def test_partitions_added_to_the_registry_are_followed(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    registered, follower = followed(streams, discovery_seconds=0.5)
    async with working(follower.run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        await grown(streams, streams.changelog, 4)
        await write_issues(streams, *(issue(number, f"{SECRET}{number}") for number in range(20)))

        async def all_there() -> bool:
            return len(registered.registry) == 20

        await until(all_there, "the issues in new partitions")


async def test_instances_without_a_deployment_key_agree_on_the_key_that_names_ids(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 3)
    instances = [followed(streams, Finders(NoPatterns(), ())) for _ in range(3)]
    async with working(*(follower.run() for _, follower in instances)):
        await asyncio.gather(*(registered.complete.wait() for registered, _ in instances))
        await asyncio.gather(
            *(agree_on_id_key(streams.clients, streams.changelog, *instance) for instance in instances)
        )
        late = followed(streams, Finders(NoPatterns(), ()))
        async with working(late[1].run()):
            await asyncio.wait_for(late[0].complete.wait(), PATIENCE_SECONDS)
            await agree_on_id_key(streams.clients, streams.changelog, *late)
            names = {
                registered.finders.finder.id_key.digest(b"an id") for registered, _ in (*instances, late)
            }
    assert len(names) == 1
    assert all(registered.unreadable == 0 for registered, _ in instances)


async def test_only_the_first_key_in_its_partition_names_ids() -> None:
    def offered(offset: int, partition: int, value: bytes) -> FakeRecord:
        return FakeRecord(value, offset, partition=partition, key=b'["id-key","x","",""]')

    registered = RegisteredCredentials(Finders(NoPatterns(), ()))
    keys = {name: name.encode().hex().encode() for name in ("a" * 32, "b" * 32, "c" * 32)}
    await registered.apply([offered(7, 0, keys["b" * 32])])
    await registered.apply([offered(3, 1, keys["c" * 32])])
    await registered.apply(
        [offered(9, 0, keys["c" * 32]), offered(5, 0, keys["a" * 32]), offered(1, 0, b"?")]
    )
    assert registered.id_key is not None
    assert registered.id_key[1].material == b"a" * 32
    assert registered.unreadable == 1
