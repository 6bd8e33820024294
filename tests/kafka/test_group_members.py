"""Members of another protocol: the brokers keep them apart from ours, and whoever waits says for whom."""

import asyncio

import pytest
from aiokafka.errors import InconsistentGroupProtocolError

from detector.kafka.assignor import StickyAssignor
from detector.kafka.group_members import check_alone
from detector.kafka.stage import Stage
from detector.values.errors import RetryError
from tests.broker import Cluster
from tests.ingest.streams import committed_offsets, filled, made, until
from tests.kafka.earlier_members import FirstAssignor, LaterAssignor, foreign_member
from tests.kafka.members import member
from tests.kafka.stage_handlers import Copy


async def test_whom_it_waits_for(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)
    async with member(streams):
        await check_alone(streams.clients, [streams.name])
    await check_alone(streams.clients, [streams.name, "a group that nobody has ever joined"])
    waits = {
        "an earlier version of curfewd": FirstAssignor(),
        "a later version of curfewd (9.9.9)": LaterAssignor(),
        "another version of curfewd": None,
    }
    for who, assignor in waits.items():
        async with foreign_member(broker.bootstrap, streams.name, [streams.source], assignor):
            with pytest.raises(RetryError) as refused:
                await check_alone(streams.clients, ["nobody", streams.name])
        assert str(refused.value) == (
            f"waiting for {who} to leave the group {streams.name}: it has 1 member, at 127.0.0.1; "
            "stop that version, as the two cannot work side by side"
        )


async def test_while_our_own_members_rebalance_it_waits_for_the_end(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)
    async with member(streams):
        for _ in range(3):
            joining = asyncio.create_task(hold(streams))
            await check_alone(streams.clients, [streams.name])
            await joining


async def hold(streams: object) -> None:
    async with member(streams):  # type: ignore[arg-type]
        pass


async def test_a_stage_waits_until_the_last_member_of_another_protocol_has_left(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)
    await filled(streams, 0, [b"one"])
    stage = Stage(streams.clients, streams.stage(), Copy(streams.target))
    async with foreign_member(broker.bootstrap, streams.name, [streams.source], FirstAssignor()) as earlier:
        running = asyncio.create_task(stage.run())

        async def told() -> bool:
            return stage.problem is not None and "another version of curfewd" in stage.problem

        await until(told, "why it waits", every=0.1)
        await asyncio.sleep(2)
        assert not running.done()
        assert not stage.partitions
        assert len(earlier.assignment()) == 2
        assert not await committed_offsets(streams)
    await until(
        lambda: asyncio.sleep(0, all(stage.partitions.values()) and bool(stage.partitions)), "its turn"
    )
    assert stage.problem is None
    # Now it is the other way round.
    with pytest.raises(InconsistentGroupProtocolError):
        async with foreign_member(broker.bootstrap, streams.name, [streams.source], FirstAssignor()):
            pass
    async with member(streams):
        pass
    stage.stop()
    await running


def test_each_version_of_the_protocol_has_a_name_of_its_own() -> None:
    assert StickyAssignor.name not in {FirstAssignor.name, LaterAssignor.name}
