"""A partition's store brought to its changelog, and what must be left behind when that is broken off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from detector.kafka.changelog import Change
from detector.service.judge.restore import restore

CHANGES: list[Change] = [(b"a" + b"x" * 16 + b"e1", b"one"), (b"w", b"17")]


class Stuck:
    """A changelog that gives what it has, and then nothing more for a long time."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.going_on = asyncio.Event()

    async def span(self, partition: int) -> tuple[int, int]:  # noqa: ARG002 - the protocol's signature
        return 0, 3

    async def read(self, partition: int, start: int) -> AsyncIterator[list[Change]]:  # noqa: ARG002 - as above
        yield CHANGES
        self.waiting.set()
        await self.going_on.wait()


async def test_a_partition_that_moves_while_it_is_restored_can_come_back(tmp_path: Path) -> None:
    changelog, path = Stuck(), tmp_path / "0"
    task = asyncio.create_task(restore(path, 0, changelog, 1))
    await changelog.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    changelog.going_on.set()
    store, restored = await restore(path, 0, changelog, 2)
    try:
        assert (store.watermark(), restored.reason) == (17, "never complete")
    finally:
        store.close()
