"""The work on one partition: start it, then poll, process and commit until it moves."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from detector.kafka.backlogs import Backlogs
from detector.kafka.batches import Limits
from detector.kafka.clients import StageSettings, reaction, stray_cancellations_are_errors, unreadable
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Handler, Output, Partition, PassedOn, Refusal, ToWrite, named, singly
from detector.kafka.membership import Membership
from detector.kafka.offset_notes import beside
from detector.kafka.poison import PoisonSearch
from detector.kafka.stage_facts import (
    Observer,
    PartitionStarted,
    PartitionStopped,
    RefusalHandled,
    TransactionCommitted,
)
from detector.kafka.transactions import Poll, Transactions
from detector.values.errors import CurfewdError, FencedError, RetryError, StopError
from detector.values.shortage import stop_if_lacking
from detector.values.times import MILLISECOND

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
START_SECONDS: Final = 60.0
# Waiting while no fetch is answered, not even with nothing.
SILENT_SECONDS: Final = 10.0


class _PoisonError(Exception):
    """A poll holds something that cannot be processed. The next try is closer to finding it: no long pause."""


class _Reached:
    """As of when a partition was read to its end, though records may come all the time.

    The end that a broker tells, which is no earlier than that of an open transaction, is that of some time after it was
    asked. It was asked once the answer before had come.
    """

    def __init__(self) -> None:
        self.caught_up = 0
        self._asked = self._answered = 0
        self._next: tuple[int, int] | None = None  # an end, and a time at which it was none

    def look(self, position: int, end: int, answered: int) -> None:
        """Takes the next offset to poll, and the end as of an answer at some time (ns)."""
        if answered > self._answered:
            self._asked, self._answered = self._answered, answered
        if self._asked and (self._next is None or position >= end):
            self._next = end, self._asked
        if self._next is not None and position >= self._next[0]:
            self.caught_up = max(self.caught_up, self._next[1])
            self._next = None


class PartitionContext(msgspec.Struct, frozen=True):
    """What all partitions of a stage share."""

    settings: StageSettings
    handler: Handler
    consumer: Any
    limits: Limits
    observe: Observer
    offsets: GroupOffsets
    transactions: Transactions
    backlogs: Backlogs


class PartitionWork:
    """Works on one partition, from its assignment until `close`.

    The group pauses it for a rebalance (`pause`, then `idle` waits for the open transaction) and resumes it if the
    partition is still ours (`resume`). It does this:

    1. Start: read the offset that the last holder has committed, once no transaction that commits it is open. Let the
       handler load its state.
    2. Poll up to `poll_records` records; tick if that is due.
    3. Process, and replace outputs that are larger than Kafka takes.
    4. Commit outputs and offset in one transaction, perhaps with those of other partitions, or the offset alone if
       there are no outputs. Tell the handler, and go on with 2.

    If no broker answers a fetch for a while, that is an error too: there may be records. After any error the handler
    forgets the partition, and after a pause step 1 begins again. If one record alone makes `process` fail, halving the
    polls finds it, and the handler is asked for something to write instead. `last_progress` is when it last polled or
    tried again: it shows whether the partition hangs.
    """

    def __init__(self, context: PartitionContext, partition: Partition) -> None:
        self.partition = partition
        self.ready = False
        self._context = context
        self._settings = context.settings
        self._source = TopicPartition(partition.topic, partition.number)
        self._gate = asyncio.Event()
        self._no_transaction = asyncio.Event()
        self._no_transaction.set()
        self._polling: asyncio.Future[Any] | None = None
        self._transaction: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._handler_knows = False
        self._offset = 0
        self._note = ""
        self._positioned = False
        self._next_tick = 0.0
        self._fetched: int | None = None
        self._reached = _Reached()
        self._unanswered = 0.0
        self._failures = 0
        self.last_progress = time.monotonic()
        self._poison = PoisonSearch(context.settings.poll_records, context.settings.refusals)

    def start(self, after: Awaitable[Any] | None = None) -> asyncio.Task[None]:
        """Starts the loop once `after` is done. Its task ends only by `close` or with StopError."""
        self._task = asyncio.create_task(self._run(after))
        return self._task

    def pause(self) -> None:
        """No new poll from now on. What was polled and not begun will be read again."""
        self._gate.clear()
        self._positioned = False
        if self._polling is not None:
            self._polling.cancel()

    async def idle(self) -> None:
        """Waits until no transaction is open."""
        await self._no_transaction.wait()

    def give_up(self) -> None:
        """Gives up the open transaction. The partition must be started again."""
        if self._transaction is not None:
            self._transaction.cancel()

    @property
    def offset(self) -> int:
        """The next record to read, as committed."""
        return self._offset

    def resume(self) -> None:
        """Polls again."""
        self._gate.set()

    async def close(self, reason: str) -> None:
        """Ends the work for good. To let the open transaction commit, wait for `idle` first."""
        self.pause()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._release()
        self._context.observe(PartitionStopped(self.partition, "stopped" if reason == "stopped" else "moved"))

    async def _run(self, after: Awaitable[Any] | None) -> None:
        if after is not None:
            await after
        while True:
            pause = self._settings.heartbeat_seconds
            self.last_progress = time.monotonic()
            try:
                with stray_cancellations_are_errors("work on a partition"):
                    await self._start()
                    await self._loop()
            except StopError:
                raise
            except FencedError as error:
                # Either we are late, or the other is. Whoever it is knows by the next heartbeat.
                self._context.observe(PartitionStopped(self.partition, "fenced", str(error)))
            except _PoisonError as error:
                self._context.observe(PartitionStopped(self.partition, "failed", f"{error}"))
                pause = FIRST_PAUSE_SECONDS
            except Exception as error:  # a bug in a handler must not end the work of others
                known = reaction(error, "work on a partition")
                if isinstance(known, StopError):
                    raise known from error
                self._context.observe(PartitionStopped(self.partition, "failed", str(known)))
                pause = self._backoff()
            await self._release()
            await asyncio.sleep(pause)

    def _backoff(self) -> float:
        self._failures = min(self._failures + 1, 30)
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS))

    async def _release(self) -> None:
        self.ready = False
        self._positioned = False
        self._context.backlogs.note(self._settings.group, self.partition, behind=False)
        handler_knows, self._handler_knows = self._handler_knows, False
        if handler_knows:
            with contextlib.suppress(Exception):  # it has to forget; nothing more can be done
                await self._context.handler.revoked(self.partition)

    async def _start(self) -> None:
        """Reads the committed offset once nobody can commit another: neither we, late, nor the last holder."""
        await self._joined()
        began = time.monotonic()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._context.transactions.settled(self.partition)
                offset = await self._context.offsets.stable(self._source)
                if offset is None:
                    offset = (await self._context.consumer.beginning_offsets([self._source]))[self._source]
        except Exception as error:
            raise reaction(error, "starting a partition") from error
        self._offset = offset
        self._reached = _Reached()
        self._handler_knows = True
        await self._context.handler.assigned(self.partition)
        self._note = self._context.handler.note(self.partition)
        self.ready = True
        self._context.observe(PartitionStarted(self.partition, offset, time.monotonic() - began))

    async def _joined(self) -> Membership:
        """Waits while the work pauses. Returns whom the group has given the partition to."""
        while True:
            await self._gate.wait()
            if (membership := self._context.offsets.membership) is not None:
                return membership
            self._gate.clear()  # the next assignment opens it

    async def _loop(self) -> None:
        self._next_tick = time.monotonic() + self._settings.tick_seconds
        while True:
            self.last_progress = time.monotonic()
            membership = await self._joined()
            if not self._seek():
                self._gate.clear()  # a rebalance is about to come
                continue
            refusal = self._poison.unreadable_at(self._offset)
            records = await self._poll() if refusal is None else []
            if not self._gate.is_set():
                continue
            self._no_transaction.clear()
            self._transaction = asyncio.ensure_future(self._transact(membership, records, refusal))
            try:
                await self._transaction
            except asyncio.CancelledError:
                if _cancelled_itself():
                    raise
                raise RetryError("the transaction had not ended when its time was up") from None
            finally:
                self._transaction = None
                self._no_transaction.set()

    def _seek(self) -> bool:
        """Sets the consumer to our offset after each rebalance, which resets it.

        Returns False if the partition is not ours now.
        """
        consumer = self._context.consumer
        if self._source not in consumer.assignment():
            return False
        if not self._positioned:
            consumer.seek(self._source, self._offset)
            self._positioned = True
            self._unanswered = 0.0
        return True

    async def _poll(self) -> Sequence[Any]:
        """Records; none if the next tick is due or the work pauses."""
        began = time.monotonic()
        timeout = max(int((self._next_tick - began) * 1000), 0)
        self._polling = asyncio.ensure_future(
            self._context.consumer.getmany(self._source, timeout_ms=timeout, max_records=self._poison.limit)
        )
        try:
            got = await self._polling
        except asyncio.CancelledError:
            if _cancelled_itself():
                raise
            return []
        except Exception as error:
            if not unreadable(error):
                raise reaction(error, "poll") from error
            self._poison.unreadable(self._offset, error)
            raise _PoisonError(f"poll: {type(error).__name__}") from error
        finally:
            self._polling = None
        records: Sequence[Any] = got.get(self._source, ())
        self._context.backlogs.note(self._settings.group, self.partition, behind=self._is_behind(records))
        self._check_answers(records, min(time.monotonic() - began, self._settings.tick_seconds))
        return records

    def _is_behind(self, records: Sequence[Any]) -> bool:
        """Whether more than a whole poll is left behind these records."""
        consumer = self._context.consumer
        if not records or self._source not in consumer.assignment():
            return False
        end = consumer.highwater(self._source)
        return end is not None and end - records[-1].offset > self._settings.poll_records

    def _check_answers(self, records: Sequence[Any], seconds: float) -> None:
        """Raises if no fetch has been answered for too long. This poll waited for `seconds`."""
        consumer = self._context.consumer
        if self._source not in consumer.assignment():
            return
        fetched = consumer.last_poll_timestamp(self._source)
        if records or fetched != self._fetched:
            self._fetched, self._unanswered = fetched, 0.0
            return
        self._unanswered += seconds
        if self._unanswered > SILENT_SECONDS:
            raise RetryError(f"no broker has answered a fetch for {SILENT_SECONDS:.0f} s")

    async def _transact(
        self, membership: Membership, records: Sequence[Any], refusal: Refusal | None
    ) -> None:
        began = time.monotonic()
        handler, partition = self._context.handler, self.partition
        outputs: list[ToWrite] = []
        offset = records[-1].offset + 1 if records else None
        if refusal is not None:
            outputs += await self._replacement(refusal)
            offset = self._offset + 1
        elif records:
            outputs += await self._process(records)
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + self._settings.tick_seconds
            outputs += await handler.tick(partition, time.time_ns(), caught_up=await self._caught_up())
            offset = await self._idle_position() if offset is None else offset
        if offset is None and not outputs:
            return
        if self._context.limits.some_too_large(outputs):
            outputs = [*await self._fit(outputs)]
        note = handler.note(partition)
        if offset is None and note != self._note:  # the note is about these outputs: commit both or neither
            offset = self._offset
        noted = beside(note, self._settings.ids)
        if outputs:
            next_offset = self._offset if offset is None else offset
            await self._context.transactions.commit(Poll(partition, membership, outputs, next_offset, noted))
        elif offset is not None:
            await self._context.offsets.commit(membership, self._source, offset, noted)
        self._note = note
        if offset is not None:
            self._offset = offset
            self._poison.passed(offset)
            self._positioned = self._positioned and refusal is None
        self._failures = 0
        await handler.committed(partition, offset)
        seconds = time.monotonic() - began
        written = sum(len(each) if isinstance(each, PassedOn) else 1 for each in outputs)
        self._context.observe(TransactionCommitted(partition, len(records), written, offset, seconds))

    async def _idle_position(self) -> int | None:
        """How far an idle partition was read without a record: past transaction markers, which would count as lag."""
        if not self._positioned:
            return None
        position = int(await self._context.consumer.position(self._source))
        return position if position > self._offset else None

    async def _caught_up(self) -> int:
        """The latest known time (ns) of which all records have been polled; 0 if there is none."""
        if self._positioned:
            consumer = self._context.consumer
            position = int(await consumer.position(self._source))
            end, answered = consumer.highwater(self._source), consumer.last_poll_timestamp(self._source)
            if end is not None and answered is not None:
                self._reached.look(position, end, answered * MILLISECOND)
        return self._reached.caught_up

    async def _process(self, records: Sequence[Any]) -> Sequence[ToWrite]:
        refusal = self._poison.refusal(records)
        if refusal is not None:
            return await self._replacement(refusal)
        try:
            with self._context.transactions.processing():
                return await self._context.handler.process(self.partition, records)
        except CurfewdError:
            raise
        except Exception as error:
            stop_if_lacking(error)
            self._poison.failed(records, error)
            raise _PoisonError(f"process: {named(error)}") from error

    async def _fit(self, outputs: Sequence[ToWrite]) -> list[Output]:
        """Replaces outputs that are too large for the brokers by what the handler gives instead."""
        limits = self._context.limits
        fitting = []
        for output in singly(outputs):
            if not limits.too_large(output):
                fitting.append(output)
                continue
            fitting += await self._replacement(
                Refusal("output-too-large", output=output, limit=limits.record(output.topic))
            )
        return fitting

    async def _replacement(self, refusal: Refusal) -> list[Output]:
        """What the handler gives instead of what was refused. If that is nothing, too large or an error, it is lost."""
        try:
            given = list(await self._context.handler.refused(self.partition, refusal))
        except CurfewdError:
            raise
        except Exception as error:  # noqa: BLE001 - the handler met the same hostile record: it must not meet it for ever
            stop_if_lacking(error)
            self._context.observe(RefusalHandled(self.partition, refusal, lost=True))
            return []
        fitting = [each for each in given if not self._context.limits.too_large(each)]
        self._context.observe(
            RefusalHandled(self.partition, refusal, lost=not given or len(fitting) < len(given))
        )
        return fitting


def _cancelled_itself() -> bool:
    """Whether this task was cancelled, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
