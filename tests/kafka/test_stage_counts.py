"""Somebody adds partitions to a topic that must keep its number of them, while a stage works, on a real broker."""

import asyncio

import pytest

from detector.kafka.stage import Stage
from detector.kafka.stage_facts import TransactionCommitted
from detector.values.errors import StopError
from tests.broker import Cluster
from tests.ingest.streams import committed_offsets, ends, filled_by_keys, grown, made, read, until
from tests.kafka.stage_handlers import Copy, FactRecorder


@pytest.mark.parametrize("changed", ["target", "source"])
async def test_the_stage_ends_before_a_key_is_in_two_places(broker: Cluster, changed: str) -> None:
    streams, facts = await made(broker.bootstrap, 2), FactRecorder()
    await filled_by_keys(streams, 50, 2)
    topic = getattr(streams, changed)
    stage = Stage(streams.clients, streams.stage(counts={topic: 2}), Copy(streams.target), facts)
    running = asyncio.create_task(stage.run())

    async def works() -> bool:
        return bool(facts.of(TransactionCommitted))

    async def ended() -> bool:
        await filled_by_keys(streams, 5, 2)
        return running.done()

    await until(works, "work")
    await grown(streams, topic, 3)
    await until(ended, "its end", every=0.5)
    with pytest.raises(StopError, match=f"{topic} has 3 partitions now and 2 are configured"):
        await running
    copies = sum(map(len, (await read(streams, streams.target)).values()))
    assert copies == sum((await committed_offsets(streams)).values())
    assert (await ends(streams, streams.target)).get(2, 0) == 0
