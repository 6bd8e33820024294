"""Timers: an aggregate is judged once its time has come, whenever it was stored and whenever somebody looked."""

import pytest

from detector.judge.policy import Policy
from detector.judge.routing import task_key
from detector.kafka.handlers import singly
from detector.records.made_columns import columns_of
from detector.values.events import TaskStarted
from detector.values.times import HOUR, SECOND
from tests.service.judge.judge_without_kafka import TOPICS, World, run

T0 = 1_793_491_200 * SECOND
POLICY = Policy()


@pytest.mark.parametrize("restarts", [False, True])
def test_a_timer_is_found_that_was_set_since_nothing_was_due(*, restarts: bool) -> None:
    async def story(world: World) -> None:
        partition = world.partitions[0]
        await world.open()
        await world.settle(T0 + HOUR // 2, POLICY)  # there is a watermark, and no timer
        for number in (2, 1, 3):
            start = TaskStarted(
                time=T0, source="s", id=str(number), task_id=f"t{number}", deadline=T0 + number * HOUR
            )
            world.send(task_key(start.task_id), start)
        for record in world.work[0]:  # one transaction of three polls
            for output in singly(
                await world.handler.process(partition, columns_of(TOPICS.work, 0, [record]))
            ):
                world.write(output)
        world.offsets[0] = 3
        await world.handler.committed(partition, 3)
        for number in (1, 2, 3):
            if restarts:
                await world.restart()
            due = T0 + number * HOUR + POLICY.grace_period
            await world.settle(due - 1, POLICY)
            assert len(world.findings) == number - 1
            await world.settle(due, POLICY)
            assert len(world.findings) == number
        await world.close()

    world = World(POLICY, T0, partitions=1)
    try:
        run(story(world))
    finally:
        world.remove()
