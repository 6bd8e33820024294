"""A stage: a consumer group that commits each poll with all that it gives, exactly once.

Each assigned partition has its own loop (`PartitionWork`), and partitions run side by side. One transactional producer
commits what they have to write (`Transactions`); without outputs the offset is committed alone (`GroupOffsets`). This
module has what they share: joining and leaving the group, and the one deadline of a rebalance.

aiokafka's group protocol is the eager one: everything is revoked, then assigned. A rebalance has these steps:

1. All partitions pause. Open transactions commit. Those that are still open after `rebalance_seconds` are given up.
2. The group assigns the partitions. Most stay where they are (`StickyAssignor`).
3. A partition that stayed goes on from its own offset, with the state that it has. None has stayed if we were no member
   of the generation before: another may have held it. A lost partition is forgotten, a gained one started, in the
   background: heartbeats pause until the listener returns, and a restore may take minutes.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

import aiokafka
from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from detector.kafka.assignor import ExclusiveAssignor, StickyAssignor
from detector.kafka.backlogs import Backlogs
from detector.kafka.batches import Limits
from detector.kafka.clients import (
    NO_PARTITION,
    StageSettings,
    reaction,
    share_fetches,
    stage_consumer,
    stop_consumer,
    stray_cancellations_are_errors,
)
from detector.kafka.columns_check import columns_work
from detector.kafka.connection import ConnectionSettings
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Handler, Partition
from detector.kafka.left_open import abort_left_open, transactional_id
from detector.kafka.partition_work import PartitionContext, PartitionWork
from detector.kafka.retry import until_it_succeeds
from detector.kafka.stage_facts import BrokersUnreachable, ColumnsUnavailable, Observer, Rebalanced, ignore
from detector.kafka.standbys import Standbys, Warming
from detector.kafka.transactions import Transactions, miscounted
from detector.values.errors import RetryError, StopError

WATCH_SECONDS: Final = 1.0
LEAVE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 10.0


class Stage:
    """Runs a handler over the partitions that this member of the group is assigned, until `stop` or a StopError.

    The stages of a process share `backlogs`. `standbys` has copies of the state of partitions.
    """

    def __init__(  # noqa: PLR0913 - what it runs, where, and what it shares
        self,
        connection: ConnectionSettings,
        settings: StageSettings,
        handler: Handler,
        observe: Observer = ignore,
        backlogs: Backlogs | None = None,
        *,
        standbys: Standbys | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._handler = handler
        self._observe = observe
        self._backlogs = Backlogs() if backlogs is None else backlogs
        self._standbys = standbys
        self._warming = Warming()
        self._limits = Limits(settings.batch_bytes, settings.record_bytes)
        self._offsets = GroupOffsets(settings.transaction_seconds)
        self._instance = uuid.uuid4().hex
        self._transactions = self._new_transactions()
        self._works: dict[Partition, PartitionWork] = {}
        self._closing: dict[Partition, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._paused_since = 0.0
        self._aborting: asyncio.Task[None] | None = None
        self._assignor: StickyAssignor | None = None
        self._consumer: Any = None
        self._unreachable: str | None = None
        self._answered = 0.0  # since when its coordinator has answered, as far as it knows

    @property
    def problem(self) -> str | None:
        """Why it has no connection to its group, None while it has one."""
        if self._consumer is None or self._unreachable is not None:
            return self._unreachable
        # Set from a failed heartbeat until the next one succeeds. aiokafka says so nowhere else.
        lost = self._consumer._coordinator.coordinator_id is None  # noqa: SLF001
        return "the coordinator of its group does not answer" if lost else None

    @property
    def partitions(self) -> dict[Partition, bool]:
        """The assigned partitions, and whether each is started and restored."""
        return {partition: work.ready for partition, work in self._works.items()}

    def lags(self) -> dict[Partition, int]:
        """How many offsets each started and fetched partition is behind its last record."""
        ends = {partition: self._end(partition) for partition, work in self._works.items() if work.ready}
        return {p: max(end - self._works[p].offset, 0) for p, end in ends.items() if end is not None}

    def _end(self, partition: Partition) -> int | None:
        source = TopicPartition(partition.topic, partition.number)
        if self._consumer is None or source not in self._consumer.assignment():
            return None
        end = self._consumer.highwater(source)
        return None if end is None else int(end)

    def stalled(self) -> dict[Partition, float]:
        """For how many seconds each partition with records to read has neither polled, committed nor failed.

        Time without a coordinator does not count: nobody gets on then, and a restart does not help.
        """
        now = time.monotonic()
        behind = (partition for partition, lag in self.lags().items() if lag)
        return {
            partition: now - max(self._works[partition].last_progress, self._answered) for partition in behind
        }

    def stop(self) -> None:
        """Asks for the end: commit, leave the group. A signal handler of the loop may call it."""
        self._stopping.set()

    async def run(self) -> None:
        """Works until `stop` is called.

        Raises:
            StopError: Kafka refuses us, or a handler wants to stop.
        """
        try:
            while not self._stopping.is_set():
                await self._start()
                if self._consumer is not None:
                    self._transactions = self._new_transactions()
                    self._transactions.start()
                    self._subscribe()
                    await self._watch()
                    await self._leave("stopped" if self._stopping.is_set() else "moved")
        finally:
            self._stopping.set()
            await self._leave("stopped")
        if self._failure is not None:
            raise self._failure

    def _new_transactions(self) -> Transactions:
        name = transactional_id(self._settings.group, self._instance)
        return Transactions(
            self._connection,
            self._settings,
            name,
            self._limits,
            self._offsets,
            self._observe,
            self._backlogs,
        )

    def _subscribe(self) -> None:
        listener = _Listener(self)
        if self._settings.pattern is not None:
            self._consumer.subscribe(pattern=self._settings.pattern, listener=listener)
        else:
            self._consumer.subscribe(topics=list(self._settings.topics), listener=listener)

    async def _start(self) -> None:
        """Connects. It returns without a connection if the end is asked for first."""
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
        """A connected consumer, however long the brokers are away."""
        return await until_it_succeeds(
            self._start_consumer, self._observe_unreachable, longest_pause=LONGEST_PAUSE_SECONDS
        )

    async def _start_consumer(self) -> Any:
        kind = ExclusiveAssignor if self._settings.exclusive else StickyAssignor
        if self._standbys is None:
            self._assignor = kind(self._instance)
        else:
            await self._standbys.open()
            self._assignor = kind(
                self._instance,
                place=self._settings.place,
                copies=self._settings.standbys,
                stores=self._standbys.offsets,
            )
        consumer = stage_consumer(self._connection, self._settings, self._assignor)
        try:
            await consumer.start()
        except BaseException as error:
            await stop_consumer(consumer)
            if not isinstance(error, Exception):
                raise
            raise reaction(error, "start of the consumer") from error
        if self._settings.columns and not columns_work():
            self._observe(ColumnsUnavailable(aiokafka.__version__))
        return consumer

    def _observe_unreachable(self, error: RetryError) -> None:
        self._unreachable = str(error)
        self._observe(BrokersUnreachable(self._unreachable))

    async def _watch(self) -> None:
        """Keeps the membership alive until the end is asked for, or until the group's coordination fails."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), WATCH_SECONDS)
            if self.problem is not None:
                self._answered = time.monotonic()
            try:
                with contextlib.suppress(TimeoutError), stray_cancellations_are_errors("group coordination"):
                    await asyncio.wait_for(self._consumer.getmany(NO_PARTITION, timeout_ms=0), WATCH_SECONDS)
                if self._standbys is not None and self._warming.warm(self._standbys.lags()):
                    self._consumer._coordinator.request_rejoin()  # noqa: SLF001 - there is no other way to ask for it
            except Exception as error:  # noqa: BLE001 - whatever it is, the coordination has failed
                known = reaction(error, "group coordination")
                if isinstance(known, StopError):
                    self._fail(known)
                else:
                    self._unreachable = str(known)
                    self._observe(BrokersUnreachable(self._unreachable))
                return

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._stopping.set()

    async def revoke(self) -> None:
        """Step 1 of a rebalance."""
        self._paused_since = time.monotonic()
        await self._pause(self._settings.rebalance_seconds)

    async def assign(self, assigned: Iterable[Partition]) -> None:
        """Step 3 of a rebalance. Returns at once."""
        if self._stopping.is_set() or self._consumer is None:
            return
        self._unreachable = None
        stayed = self._offsets.joined(self._consumer)
        now, before = set(assigned), set(self._works)
        share_fetches(self._consumer, self._settings, len(now))
        for partition in now:
            if partition.number >= self._settings.counts.get(partition.topic, partition.number + 1):
                self._fail(miscounted(self._settings, partition.topic, partition.number + 1))
                return
        kept = now & before if stayed else set()
        for partition in before - kept:
            self._close(partition, "moved")
        if self._standbys is not None and self._assignor is not None:
            self._standbys.follow(self._assignor.standbys - now)
            self._warming.assigned(self._assignor.warming)
        context = PartitionContext(
            self._settings,
            self._handler,
            self._consumer,
            self._limits,
            self._observe,
            self._offsets,
            self._transactions,
            self._backlogs,
        )
        if now - kept:
            if self._aborting is not None:
                self._aborting.cancel()
            self._aborting = asyncio.create_task(self._abort_left_open(now - kept))
        for partition in sorted(now - kept):
            work = self._works[partition] = PartitionWork(context, partition)
            work.start(after=self._closing.get(partition)).add_done_callback(self._ended)
        for work in self._works.values():
            work.resume()
        stays, gained, lost = (tuple(sorted(each)) for each in (kept, now - kept, before - kept))
        self._observe(Rebalanced(stays, gained, lost, time.monotonic() - self._paused_since))

    async def _abort_left_open(self, gained: AbstractSet[Partition]) -> None:
        """Aborts what instances that are gone have left open: we may have gained what they had."""
        consumer, live = self._consumer, self._assignor.live if self._assignor else frozenset()
        if self._instance not in live:  # the leader does not tell
            return

        async def attempt() -> None:
            await abort_left_open(self._connection, self._settings, consumer, live, gained)

        # If the brokers cannot list what is open, it times out.
        with contextlib.suppress(StopError):
            await until_it_succeeds(attempt, lambda _: None, longest_pause=LONGEST_PAUSE_SECONDS)

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

    async def _pause(self, seconds: float) -> None:
        """Lets open transactions end within so many seconds, and gives up the rest."""
        works = tuple(self._works.values())
        for work in works:
            work.pause()
        waits = [asyncio.create_task(work.idle()) for work in works]
        if waits:
            _, late = await asyncio.wait(waits, timeout=seconds)
            if late:
                for work in works:
                    work.give_up()
                # Not for ever: a handler may refuse to be cancelled.
                await asyncio.wait(waits, timeout=LEAVE_SECONDS)

    async def _leave(self, reason: str) -> None:
        """Commits open transactions, ends the partitions and leaves the group, all within the deadline."""
        consumer, self._consumer = self._consumer, None
        if self._aborting is not None:
            self._aborting.cancel()
        end = time.monotonic() + self._settings.drain_seconds
        copying = None if self._standbys is None else asyncio.create_task(self._standbys.close())
        await self._pause(self._settings.drain_seconds)
        for partition in tuple(self._works):
            self._close(partition, reason)
        if self._closing:
            await asyncio.wait(
                self._closing.values(), timeout=max(end - time.monotonic(), 0.0) + LEAVE_SECONDS
            )
        await self._transactions.close()
        if consumer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop_consumer(consumer), max(end - time.monotonic(), LEAVE_SECONDS))
        if copying is not None:
            await copying


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the stage of a rebalance."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002 - it is always all
        """All of them, always: the protocol is the eager one."""
        await self._stage.revoke()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """All partitions that are ours from now on."""
        await self._stage.assign([Partition(each.topic, each.partition) for each in assigned])
