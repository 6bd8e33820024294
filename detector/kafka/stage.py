"""A stage of the service: a consumer group whose every poll is one transaction, exactly once.

Every partition that is assigned has a transactional producer of its own (`TransactionWriter`) and a loop of its own
(`PartitionWork`); partitions run side by side. What crosses them is here: joining and leaving the group, and the one
deadline of a rebalance.

A rebalance, as the group protocol of aiokafka has it (eager: everything is revoked, then assigned):

1. All gates shut. Open transactions commit; those that have not when `rebalance_seconds` are over are given up.
2. The group shares out the partitions; ours mostly stay (`StickyAssignor`).
3. Partitions that stayed go on from their own offset, with the state they have: had anyone held them meanwhile, our
   producer would be fenced and the next transaction fail. Those lost are forgotten, those gained are taken, in the
   background: heartbeats rest until the listener returns, and a restore may take minutes.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from detector.kafka.batches import Limits
from detector.kafka.clients import (
    NO_PARTITION,
    StageSettings,
    reaction,
    stage_consumer,
    stop_consumer,
    stray_cancellations_are_errors,
)
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Handler, Partition
from detector.kafka.partition_work import PartitionContext, PartitionWork
from detector.kafka.stage_facts import Observer, Rebalanced, Unreachable, nobody
from detector.kafka.transactions import miscounted
from detector.values.errors import StopError

WATCH_SECONDS: Final = 1.0
LEAVE_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 10.0


class Stage:
    """Runs a handler over the partitions this member of the group is given, until `stop` or a StopError."""

    def __init__(
        self,
        connection: ConnectionSettings,
        settings: StageSettings,
        handler: Handler,
        observe: Observer = nobody,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._handler = handler
        self._observe = observe
        self._limits = Limits(settings.batch_bytes, settings.record_bytes)
        self._works: dict[Partition, PartitionWork] = {}
        self._closing: dict[Partition, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._held_since = 0.0
        self._consumer: Any = None
        self._unreachable: str | None = None
        self._answered = 0.0  # since when its coordinator has answered, as far as is known

    @property
    def problem(self) -> str | None:
        """Why it has no connection to its group, None while it has."""
        if self._consumer is None:
            return self._unreachable
        # Known from a heartbeat that failed until another one goes through; aiokafka tells it nowhere else.
        lost = self._consumer._coordinator.coordinator_id is None  # noqa: SLF001
        return "the coordinator of its group does not answer" if lost else None

    @property
    def partitions(self) -> dict[Partition, bool]:
        """The partitions held, and whether each is taken and restored."""
        return {partition: work.ready for partition, work in self._works.items()}

    def lags(self) -> dict[Partition, int]:
        """How many offsets each partition that is taken and fetched is behind its last record."""
        ends = {partition: self._end(partition) for partition, work in self._works.items() if work.ready}
        return {p: max(end - self._works[p].offset, 0) for p, end in ends.items() if end is not None}

    def _end(self, partition: Partition) -> int | None:
        source = TopicPartition(partition.topic, partition.number)
        if self._consumer is None or source not in self._consumer.assignment():
            return None
        end = self._consumer.highwater(source)
        return None if end is None else int(end)

    def standing(self) -> dict[Partition, float]:
        """For how many seconds each partition with records to read has neither polled, committed nor failed.

        Not counting time without a coordinator: nobody gets on then, and who starts anew does not either.
        """
        now = time.monotonic()
        behind = (partition for partition, lag in self.lags().items() if lag)
        return {partition: now - max(self._works[partition].moved, self._answered) for partition in behind}

    def stop(self) -> None:
        """Asks for the end: drain, commit, leave the group. For a signal handler of the loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Works until `stop`.

        Raises:
            StopError: Kafka does not let us, or a handler wants to stop.
        """
        try:
            while not self._stopping.is_set():
                await self._start()
                if self._consumer is not None:
                    self._subscribe()
                    await self._watch()
                    await self._leave("stopped" if self._stopping.is_set() else "moved")
        finally:
            self._stopping.set()
            await self._leave("stopped")
        if self._failure is not None:
            raise self._failure

    def _subscribe(self) -> None:
        listener = _Listener(self)
        if self._settings.pattern is not None:
            self._consumer.subscribe(pattern=self._settings.pattern, listener=listener)
        else:
            self._consumer.subscribe(topics=list(self._settings.topics), listener=listener)

    async def _start(self) -> None:
        """Connects, or returns without if the end is asked for before that succeeds."""
        connecting = asyncio.create_task(self._connected())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self._consumer = await connecting

    async def _connected(self) -> Any:
        """A consumer with a connection, however long the brokers are away."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            consumer = stage_consumer(self._connection, self._settings)
            try:
                await consumer.start()
            except BaseException as error:
                await stop_consumer(consumer)
                if not isinstance(error, Exception):
                    raise
                told = reaction(error, "start of the consumer")
                if isinstance(told, StopError):
                    raise told from error
                self._unreachable = str(told)
                self._observe(Unreachable(self._unreachable))
            else:
                return consumer
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _watch(self) -> None:
        """Until the end is asked for, or the coordination of the group does not go on: keeps the membership alive."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), WATCH_SECONDS)
            if self.problem is not None:
                self._answered = time.monotonic()
            try:
                with contextlib.suppress(TimeoutError), stray_cancellations_are_errors("group coordination"):
                    await asyncio.wait_for(self._consumer.getmany(NO_PARTITION, timeout_ms=0), WATCH_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the coordinator does not go on
                told = reaction(error, "group coordination")
                if isinstance(told, StopError):
                    self._fail(told)
                else:
                    self._unreachable = str(told)
                    self._observe(Unreachable(self._unreachable))
                return

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._stopping.set()

    async def revoke(self) -> None:
        """Step 1 of a rebalance."""
        self._held_since = time.monotonic()
        await self._quiet(self._settings.rebalance_seconds)

    async def assign(self, assigned: Iterable[Partition]) -> None:
        """Step 3 of a rebalance. Returns at once."""
        if self._stopping.is_set() or self._consumer is None:
            return
        now, before = set(assigned), set(self._works)
        for partition in now:
            if partition.number >= self._settings.counts.get(partition.topic, partition.number + 1):
                self._fail(miscounted(self._settings, partition.topic, partition.number + 1))
                return
        for partition in before - now:
            self._close(partition, "moved")
        around = PartitionContext(
            self._connection, self._settings, self._handler, self._consumer, self._limits, self._observe
        )
        for partition in sorted(now - before):
            work = self._works[partition] = PartitionWork(around, partition)
            work.start(after=self._closing.get(partition)).add_done_callback(self._ended)
        for work in self._works.values():
            work.release()
        kept, gained, lost = (tuple(sorted(each)) for each in (now & before, now - before, before - now))
        self._observe(Rebalanced(kept, gained, lost, time.monotonic() - self._held_since))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error if isinstance(error, Exception) else StopError(type(error).__name__))

    def _close(self, partition: Partition, reason: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._works.pop(partition).close(reason))
        self._closing[partition] = task
        task.add_done_callback(lambda done: self._closed(partition, done))
        return task

    def _closed(self, partition: Partition, task: asyncio.Task[None]) -> None:
        if self._closing.get(partition) is task:
            del self._closing[partition]

    async def _quiet(self, seconds: float) -> None:
        """Lets open transactions end within so many seconds, and gives up the others."""
        works = tuple(self._works.values())
        for work in works:
            work.hold()
        waits = [asyncio.create_task(work.quiet()) for work in works]
        if waits:
            _, late = await asyncio.wait(waits, timeout=seconds)
            if late:
                for work in works:
                    work.interrupt()
                # Not for ever: a handler may not let itself be cancelled.
                await asyncio.wait(waits, timeout=LEAVE_SECONDS)

    async def _leave(self, reason: str) -> None:
        """Open transactions commit, handlers let go, the group is left: within the deadline, or without."""
        consumer, self._consumer = self._consumer, None
        end = time.monotonic() + self._settings.drain_seconds
        await self._quiet(self._settings.drain_seconds)
        for partition in tuple(self._works):
            self._close(partition, reason)
        if self._closing:
            await asyncio.wait(
                self._closing.values(), timeout=max(end - time.monotonic(), 0.0) + LEAVE_SECONDS
            )
        if consumer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop_consumer(consumer), max(end - time.monotonic(), LEAVE_SECONDS))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the stage of a rebalance."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002 - it is always all
        """All of them, always: the protocol is the eager one."""
        await self._stage.revoke()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """What is ours from now on."""
        await self._stage.assign([Partition(each.topic, each.partition) for each in assigned])
