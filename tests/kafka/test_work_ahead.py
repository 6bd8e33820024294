"""Polls that are processed while the last one commits: whatever ends first, each record counts once. Without a broker."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.kafka.backlogs import Backlogs
from detector.kafka.batches import Limits
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Output, Partition, StatelessHandler
from detector.kafka.membership import Membership
from detector.kafka.partition_work import PartitionContext, PartitionWork
from detector.kafka.stage_facts import ignore
from detector.kafka.transactions import Transactions
from detector.values.errors import RetryError
from tests.fake_records import FakeRecord

PARTITION = Partition("in", 0)
RECORDS = 12


class Turns:
    """Yields to the event loop as often as drawn, again and again."""

    def __init__(self, drawn: Sequence[int]) -> None:
        self._drawn = drawn
        self._next = 0

    async def take(self) -> None:
        self._next += 1
        for _ in range(self._drawn[self._next % len(self._drawn)]):
            await asyncio.sleep(0)


class Source:
    """A consumer of a partition with a backlog, whose polls give a record each."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._next = 0

    def assignment(self) -> set[Any]:
        return {("in", 0)}

    def seek(self, _source: Any, offset: int) -> None:
        self._next = offset

    async def getmany(self, source: Any, *, timeout_ms: int, max_records: int) -> dict[Any, list[FakeRecord]]:
        assert timeout_ms >= 0 < max_records
        await self._turns.take()
        if self._next == RECORDS:
            await asyncio.sleep(0.001)
            return {}
        self._next += 1
        return {source: [FakeRecord(b"", self._next - 1)]}

    def highwater(self, _source: Any) -> int:
        return 1 << 20

    def last_poll_timestamp(self, _source: Any) -> None:
        return None


class Offsets(GroupOffsets):
    """Commits at once or a little later. The commits of some offsets fail once."""

    def __init__(self, turns: Turns, failing: set[int]) -> None:
        super().__init__(1)
        self.assigned = self.membership = Membership("g", "m", 1)
        self.committed = 0
        self.done = asyncio.Event()
        self._turns = turns
        self._failing = failing

    async def commit(self, _membership: Membership, _source: Any, offset: int, _note: str) -> None:
        await self._turns.take()
        if offset in self._failing:
            self._failing.remove(offset)
            raise RetryError("not now")
        assert offset == self.committed + 1
        self.committed = offset
        if offset == RECORDS:
            self.done.set()

    async def stable(self, _source: Any) -> int:
        return self.committed


class Kept(StatelessHandler):
    """Keeps which records were processed since the partition was assigned. `wrong` is what should not have come."""

    def __init__(self, turns: Turns, offsets: Offsets) -> None:
        self.wrong: list[str] = []
        self._turns = turns
        self._offsets = offsets
        self._processed = 0

    async def assigned(self, _partition: Partition) -> None:
        self._processed = self._offsets.committed

    async def process(self, _partition: Partition, records: Sequence[Any]) -> list[Output]:
        (record,) = records
        if record.offset != self._processed:
            self.wrong.append(f"{record.offset} is processed after {self._processed} others")
        await self._turns.take()
        self._processed += 1
        return []

    async def committed(self, _partition: Partition, offset: int | None) -> None:
        await self._turns.take()
        if offset != self._offsets.committed or self._processed > self._offsets.committed + 1:
            self.wrong.append(f"{self._processed} are processed when {offset} are committed")


class Settled(Transactions):
    """Of which none is ever open."""

    async def settled(self, partition: Partition) -> None:
        pass


@pytest.mark.parametrize("ahead", [False, True])
@settings(max_examples=40, deadline=None)
@given(
    drawn=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    failing=st.sets(st.integers(1, RECORDS), max_size=1),
)
def test_each_record_is_processed_in_order_and_committed(
    drawn: list[int], failing: set[int], *, ahead: bool
) -> None:
    asyncio.run(_work(drawn, failing, ahead=ahead))


async def _work(drawn: list[int], failing: set[int], *, ahead: bool) -> None:
    turns, stage, limits = Turns(drawn), StageSettings("g", ahead=ahead), Limits(1000, 1000)
    offsets = Offsets(turns, failing)
    transactions = Settled(ConnectionSettings(""), stage, "g-1", limits, offsets, ignore, Backlogs())
    handler, source = Kept(turns, offsets), Source(turns)
    context = PartitionContext(stage, handler, source, limits, ignore, offsets, transactions, Backlogs())
    work = PartitionWork(context, PARTITION)
    working = work.start()
    work.resume()
    await asyncio.wait_for(offsets.done.wait(), 30)
    await work.close("stopped")
    with contextlib.suppress(asyncio.CancelledError):
        await working
    assert handler.wrong == []
