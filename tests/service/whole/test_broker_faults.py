"""Brokers fail under `curfewd run`: it loses nothing, writes nothing twice, and does not end."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest

from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import BrokersUnreachable, Rebalanced
from tests.broker import Cluster
from tests.ingest.streams import PATIENCE_SECONDS, admin, drained, filled, made, read, until
from tests.kafka.stage_handlers import Copy, FactRecorder, running
from tests.registry.registry_topic import followed
from tests.service.whole.deployment import Expected
from tests.service.whole.disturbed import Disturbed, Records, deployed, history, parts

NODES = 3
# A dead node is noticed within seconds, not the usual nine.
SETTINGS = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Expected]:
    return history(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("three"), NODES, SETTINGS) as cluster:
        yield cluster


class Copies(msgspec.Struct, frozen=True):
    """Where a partition is: its leader, all copies, those in sync."""

    leader: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


Places = dict[tuple[str, int], Copies]


async def places(deployment: Disturbed) -> Places:
    """Of the topics of the deployment, and of the cluster's own."""
    async with admin(deployment.bootstrap) as client:
        topics = await client.describe_topics()
    return {
        (topic["topic"], each["partition"]): Copies(
            each["leader"], tuple(each["replicas"]), tuple(each["isr"])
        )
        for topic in topics
        if topic["topic"].startswith((deployment.name, "__"))
        for each in topic["partitions"]
    }


async def in_sync(deployment: Disturbed) -> bool:
    try:
        return all(len(each.isr) == NODES for each in (await places(deployment)).values())
    except KafkaError:
        return False


async def move(deployment: Disturbed, wanted: dict[tuple[str, int], tuple[int, ...]]) -> None:
    """Moves partitions to other nodes; the first of them is to lead."""
    topics: dict[str, list[Any]] = defaultdict(list)
    for (topic, number), nodes in wanted.items():
        topics[topic].append((number, list(nodes), {}))
    request = AlterPartitionReassignmentsRequest(5000, [(*topic, {}) for topic in topics.items()], {})
    async with admin(deployment.bootstrap) as client:
        answer = await client._send_to_controller(request)
    assert answer.error_code == 0
    assert {each[1] for _, partitions, _ in answer.responses for each in partitions} == {0}

    async def moved() -> bool:
        now = await places(deployment)
        return all(sorted(now[place].isr) == sorted(nodes) for place, nodes in wanted.items())

    await until(moved, "the copies to move")


async def lead_elsewhere(deployment: Disturbed) -> None:
    """Moves the leader of every partition: it loses its copy, and gets it back, the last in line to lead."""
    before = await places(deployment)
    without = {
        place: tuple(node for node in each.replicas if node != each.leader) for place, each in before.items()
    }
    await move(deployment, without)
    await move(deployment, {place: (*nodes, before[place].leader) for place, nodes in without.items()})
    now = await places(deployment)
    assert all(now[place].leader != each.leader for place, each in before.items())


@pytest.mark.chaos
async def test_three_nodes_go_and_come_back_and_leaders_move(
    three: Cluster, told: tuple[Records, Expected], tmp_path: Path
) -> None:
    records, expected = told
    with deployed(Disturbed(three.bootstrap, tmp_path, copies=NODES)) as deployment:
        await deployment.create()
        process = deployment.start()
        some = parts(records, 2 * NODES + 2)
        await deployment.produce(next(some))
        await until(deployment.ready, "readiness")
        work = (f"{deployment.name}.work", 0)
        assert len((await places(deployment))[work].replicas) == NODES

        moving = asyncio.create_task(lead_elsewhere(deployment))
        await deployment.produce(next(some))
        await moving
        for number, node in enumerate(three.nodes):
            # One goes as in a power cut, the others in good order, as for an update.
            await asyncio.to_thread(node.kill if number == 1 else node.stop)
            await deployment.produce(next(some))
            await asyncio.to_thread(node.start)
            await deployment.produce(next(some))
            await until(lambda: in_sync(deployment), "all copies in sync")
        await deployment.agrees(expected)
        assert process.poll() is None


async def tried(facts: FactRecorder, times: int) -> bool:
    return len(facts.of(BrokersUnreachable)) >= times


async def test_a_stage_that_finds_no_broker_waits_for_one(frail_broker: Cluster) -> None:
    """The broker was there when the service first asked, and is gone when its stages start."""
    streams, facts = await made(frail_broker.bootstrap, 1), FactRecorder()
    await filled(streams, 0, [b"before"])
    stage = Stage(streams.clients, streams.stage(), Copy(streams.target), facts)
    await asyncio.to_thread(frail_broker.nodes[0].kill)
    try:
        async with running(stage):
            await until(lambda: tried(facts, 2), "a second try")
            assert stage.problem is not None
            await asyncio.to_thread(frail_broker.nodes[0].start)
            await until(lambda: drained(streams), "the end of the source")
            assert stage.problem is None
    finally:
        if not frail_broker.nodes[0].running:
            await asyncio.to_thread(frail_broker.nodes[0].start)


async def test_a_stage_that_finds_no_broker_can_be_stopped() -> None:
    facts = FactRecorder()
    stage = Stage(
        ConnectionSettings("127.0.0.1:1"), StageSettings("nobody", ("nothing",)), Copy("nowhere"), facts
    )
    async with running(stage):
        await until(lambda: tried(facts, 1), "a first try")


async def test_a_stage_whose_coordination_ended_joins_anew(broker: Cluster) -> None:
    """An unlucky rebalance can cancel aiokafka's coordination: then it sends no heartbeats, and says nothing."""
    streams, facts = await made(broker.bootstrap, 2), FactRecorder()
    await filled(streams, 0, [b"before"])
    stage = Stage(streams.clients, streams.stage(), Copy(streams.target), facts)
    async with running(stage):
        await until(lambda: drained(streams), "the end of the source")
        stage._consumer._coordinator._coordination_task.cancel()
        await until(lambda: tried(facts, 1), "another try")
        await filled(streams, 0, [b"after"])
        await until(lambda: drained(streams), "the end of the source")
    assert [len(fact.gained) for fact in facts.of(Rebalanced)] == [2, 2]
    copies = [record.value for some in (await read(streams, streams.target)).values() for record in some]
    assert sorted(copies) == [b"after", b"before"]


async def test_the_registry_is_followed_on_when_the_broker_comes_back(frail_broker: Cluster) -> None:
    streams = await made(frail_broker.bootstrap, 1)
    registered, follower = followed(streams, discovery_seconds=1)
    following = asyncio.create_task(follower.run())

    async def waits() -> bool:
        return follower.problem is not None

    async def follows() -> bool:
        return follower.problem is None

    try:
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        await asyncio.to_thread(frail_broker.nodes[0].kill)
        await until(waits, "a problem")
        await asyncio.to_thread(frail_broker.nodes[0].start)
        await until(follows, "the end of the problem")
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.wait([following])
