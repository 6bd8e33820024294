"""Offsets are committed by the members of the current generation, and by nobody else."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka

from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Output, Partition
from detector.kafka.membership import Membership
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Rebalanced, TransactionCommitted, TransactionStep
from detector.values.errors import FencedError, RetryError
from tests.broker import Cluster
from tests.ingest.streams import committed_offsets, drained, ends, filled, made, until
from tests.kafka.members import by, commit, member
from tests.kafka.stage_handlers import Copy, FactRecorder, running

SOURCE = TopicPartition("in", 0)


class Silent(Copy):
    """Writes nothing."""

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        await super().process(partition, records)
        return []


def test_only_the_next_generation_of_the_same_member_follows() -> None:
    first = Membership("group", "one", 4)
    assert Membership("group", "one", 5).follows(first)
    for other in (("group", "one", 4), ("group", "one", 6), ("group", "two", 5), ("other", "one", 5)):
        assert not Membership(*other).follows(first)
    assert not first.follows(None)


async def test_polls_without_outputs_are_in_no_transaction(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 3), FactRecorder()
    for number in range(3):
        await filled(streams, number, [b"x"] * 40)
    silent = Silent(streams.target)
    async with running(Stage(streams.clients, streams.stage(poll_records=10), silent, facts)):
        await until(lambda: drained(streams), "the end of the source")
    assert facts.of(TransactionStep) == []
    commits = [fact.offset for fact in facts.of(TransactionCommitted) if fact.partition.number == 1]
    assert commits == [10, 20, 30, 40]
    assert [call for call in silent.calls if call.endswith("1") or "committed 1" in call][:4] == [
        "assigned 1",
        "process 1",
        "committed 1 10",
        "process 1",
    ]
    assert await ends(streams, streams.target, committed=False) == {0: 0, 1: 0, 2: 0}


async def test_a_member_of_an_earlier_generation_cannot_commit(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    source, partition = TopicPartition(streams.source, 0), Partition(streams.source, 0)
    async with member(streams) as (_, late):
        await commit(late, source, 3)
        async with member(streams) as (_, other):
            assert by(other).generation > by(late).generation
            with pytest.raises(FencedError):
                await commit(late, source, 2)
    assert await committed_offsets(streams) == {partition: 3}


async def test_a_member_that_the_empty_group_has_forgotten_cannot_commit(broker: Cluster) -> None:
    """It would be let in as nobody in particular, which is what aiokafka's own commit makes of it."""
    streams = await made(broker.bootstrap, 1)
    async with member(streams) as (consumer, late):
        await consumer._coordinator.close()
        with pytest.raises(FencedError):
            await commit(late, TopicPartition(streams.source, 0), 1)
    assert await committed_offsets(streams) == {}


class Coordinator:
    """In place of aiokafka's, without a broker: gives the answers that it is given."""

    group_id, member_id, generation = "group", "one", 1

    def __init__(self, *answers: type[kafka.KafkaError]) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []
        self.rejoins = 0

    async def ensure_coordinator_known(self) -> None:
        await asyncio.sleep(0)

    def coordinator_dead(self) -> None:
        pass

    def request_rejoin(self) -> None:
        self.rejoins += 1

    async def _send_req(self, request: Any) -> Any:
        self.asked.append(request._topics)
        error = self.answers.pop(0) if self.answers else kafka.NoError
        if error is kafka.KafkaConnectionError:
            raise error
        topics = [
            (topic, [(number, error.errno) for number, _, _ in each]) for topic, each in request._topics
        ]
        return SimpleNamespace(topics=topics)


def committing(*answers: type[kafka.KafkaError]) -> tuple[Coordinator, GroupOffsets]:
    coordinator, offsets = Coordinator(*answers), GroupOffsets(5)
    offsets.joined(SimpleNamespace(_coordinator=coordinator))
    return coordinator, offsets


async def test_partitions_that_are_ready_together_share_a_request() -> None:
    coordinator, offsets = committing()
    await asyncio.gather(*(commit(offsets, TopicPartition("in", n), n) for n in range(5)))
    assert coordinator.asked == [[("in", [(n, n, "") for n in range(5)])]]


@pytest.mark.parametrize(
    "answer", [kafka.NotCoordinatorForGroupError, kafka.GroupLoadInProgressError, kafka.NodeNotReadyError]
)
async def test_a_coordinator_that_has_not_committed_is_asked_again(answer: type[kafka.KafkaError]) -> None:
    coordinator, offsets = committing(answer) if answer is not kafka.NodeNotReadyError else committing()
    await commit(offsets, SOURCE, 7)
    assert coordinator.asked[-1] == [("in", [(0, 7, "")])]
    assert coordinator.rejoins == 0


@pytest.mark.parametrize("answer", [kafka.KafkaConnectionError, kafka.RequestTimedOutError])
async def test_a_commit_without_an_answer_ends_the_membership(answer: type[kafka.KafkaError]) -> None:
    """It may still be done, after whatever this member commits later: the next generation refuses it."""
    coordinator, offsets = committing(answer)
    before = by(offsets)
    with pytest.raises(RetryError, match="no answer"):
        await commit(offsets, SOURCE, 7)
    assert (coordinator.rejoins, offsets.membership) == (1, None)
    coordinator.generation += 1
    assert offsets.joined(SimpleNamespace(_coordinator=coordinator)), "the other partitions stayed"
    with pytest.raises(FencedError, match="joined again"):
        await offsets.commit(before, SOURCE, 7, "")
    await commit(offsets, SOURCE, 7)
    assert len(coordinator.asked) == 2


async def test_what_was_given_up_before_it_was_sent_is_not_sent() -> None:
    coordinator, offsets = committing()
    given_up = asyncio.create_task(commit(offsets, SOURCE, 7))
    kept = asyncio.create_task(commit(offsets, TopicPartition("in", 1), 8))
    await asyncio.sleep(0)
    given_up.cancel()
    await kept
    assert coordinator.asked == [[("in", [(1, 8, "")])]]


async def test_a_partition_that_was_away_for_a_generation_starts_again(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    await filled(streams, 0, [b"x"])
    stage = Stage(streams.clients, streams.stage(), Copy(streams.target), facts)
    async with running(stage):
        await until(lambda: drained(streams), "the end of the source")
        stage._consumer._coordinator.reset_generation()  # as a heartbeat does after a lost session
        await until(lambda: asyncio.sleep(0, len(facts.of(Rebalanced)) > 1), "the next assignment")
    assert facts.of(Rebalanced)[1].kept == ()
    assert facts.of(Rebalanced)[1].gained == (Partition(streams.source, 0),)
