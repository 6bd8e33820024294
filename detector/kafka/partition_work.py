"""The work on one partition: take it, then poll, process and commit until it is taken away."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from detector.kafka.batches import Limits
from detector.kafka.clients import StageSettings, reaction, stray_cancellations_are_errors, unreadable
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Handler, Output, Partition, Refusal
from detector.kafka.poison import Poison
from detector.kafka.stage_facts import Committed, Dropped, Observer, Refused, StepDone, Taken
from detector.kafka.transactions import TransactionWriter
from detector.values.errors import CurfewdError, FencedError, RetryError, StopError

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
TAKE_SECONDS: Final = 60.0
# Spent waiting while no fetch was answered, be it with nothing. After half a minute without records the judge goes by
# the wall clock: by then it has to be known whether there were none, or only no answers.
SILENT_SECONDS: Final = 10.0


class _PoisonError(Exception):
    """Something in a poll cannot be borne; with every such error the search for it comes closer: no long pause."""


class PartitionContext(msgspec.Struct, frozen=True):
    """What the partitions of a stage share."""

    connection: ConnectionSettings
    settings: StageSettings
    handler: Handler
    consumer: Any
    limits: Limits
    observe: Observer


class PartitionWork:
    """Holds one partition, from its assignment until `close`.

    A gate stands before every poll. It is shut while the group rebalances (`hold`, then `quiet` waits for the open
    transaction) and open while the partition is ours (`release`). Behind it, in a loop:

    1. Take the partition: fence the last holder, read the committed offset, let the handler load its state.
    2. Poll up to `poll_records` records; if what is due is due, tick.
    3. Process, and fit what came out into what Kafka takes.
    4. Commit outputs and offset in one transaction; tell the handler.

    A broker that answers no fetch for a while is an error too: no records then does not mean that there are none.
    Any error ends in the same place: the handler forgets, the producer is discarded, and after a pause the partition is
    taken again from what is committed. A record that alone makes `process` fail is found by halving polls, and refused.
    `moved` is when it last came round, to a poll or to another try: whoever watches tells by it that it hangs.
    """

    def __init__(self, around: PartitionContext, partition: Partition) -> None:
        self.partition = partition
        self.ready = False
        self._around = around
        self._settings = around.settings
        self._source = TopicPartition(partition.topic, partition.number)
        self._transactor: TransactionWriter | None = None
        self._gate = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiting: asyncio.Future[Any] | None = None
        self._cycle: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._known = False
        self._offset = 0
        self._note = ""
        self._sought = False
        self._next_tick = 0.0
        self._fetched: int | None = None
        self._silence = 0.0
        self._failures = 0
        self.moved = time.monotonic()
        self._poison = Poison(around.settings.poll_records, around.settings.refusals)

    def start(self, after: Awaitable[Any] | None = None) -> asyncio.Task[None]:
        """Starts the loop, once `after` is done; its task ends only by `close` or with StopError."""
        self._task = asyncio.create_task(self._run(after))
        return self._task

    def hold(self) -> None:
        """Shuts the gate: no new poll. What was polled and not begun will be read again."""
        self._gate.clear()
        self._sought = False
        if self._waiting is not None:
            self._waiting.cancel()

    async def quiet(self) -> None:
        """Waits until no transaction is open."""
        await self._idle.wait()

    def interrupt(self) -> None:
        """Gives up what is in flight; the partition has to be taken again."""
        if self._cycle is not None:
            self._cycle.cancel()

    @property
    def offset(self) -> int:
        """The next record to read, as committed."""
        return self._offset

    def release(self) -> None:
        """Opens the gate."""
        self._gate.set()

    async def close(self, reason: str) -> None:
        """Ends the work for good. Whoever cares for the open transaction waits for `quiet` first."""
        self.hold()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._forget()
        self._around.observe(Dropped(self.partition, "stopped" if reason == "stopped" else "moved"))

    async def _run(self, after: Awaitable[Any] | None) -> None:
        if after is not None:
            await after
        while True:
            pause = self._settings.heartbeat_seconds
            self.moved = time.monotonic()
            try:
                with stray_cancellations_are_errors("work on a partition"):
                    await self._loop(await self._take())
            except StopError:
                raise
            except FencedError as error:
                # Either we are late, and by the next heartbeat we know; or the other is, and will know by then.
                self._around.observe(Dropped(self.partition, "fenced", str(error)))
            except _PoisonError as error:
                self._around.observe(Dropped(self.partition, "failed", f"{error}"))
                pause = FIRST_PAUSE_SECONDS
            except Exception as error:  # a bug in a handler must not end the others' work
                told = reaction(error, "work on a partition")
                if isinstance(told, StopError):
                    raise told from error
                self._around.observe(Dropped(self.partition, "failed", str(told)))
                pause = self._backoff()
            await self._forget()
            await asyncio.sleep(pause)

    def _backoff(self) -> float:
        self._failures = min(self._failures + 1, 30)
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS))

    async def _forget(self) -> None:
        self.ready = False
        self._sought = False
        transactor, self._transactor = self._transactor, None
        if transactor is not None:
            await transactor.close()
        known, self._known = self._known, False
        if known:
            with contextlib.suppress(
                Exception
            ):  # it was told to forget; what it cannot let go of is its own affair
                await self._around.handler.revoked(self.partition)

    async def _take(self) -> TransactionWriter:
        """Fences, then reads where to go on, in this order: an offset read before could still be moved."""
        await self._gate.wait()
        began = time.monotonic()
        transactor = TransactionWriter(
            self._around.connection,
            self._settings,
            self.partition,
            self._around.limits,
            lambda step: self._around.observe(StepDone(self.partition, step)),
        )
        self._transactor = transactor
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                await transactor.start()
                consumer = self._around.consumer
                offset = await consumer.committed(self._source)
                if offset is None:
                    offset = (await consumer.beginning_offsets([self._source]))[self._source]
        except Exception as error:
            raise reaction(error, "taking a partition") from error
        self._offset = offset
        self._known = True
        await self._around.handler.assigned(self.partition)
        self._note = self._around.handler.note(self.partition)
        self.ready = True
        self._around.observe(Taken(self.partition, offset, time.monotonic() - began))
        return transactor

    async def _loop(self, transactor: TransactionWriter) -> None:
        self._next_tick = time.monotonic() + self._settings.tick_seconds
        while True:
            self.moved = time.monotonic()
            await self._gate.wait()
            if not self._seek():
                self._gate.clear()  # a rebalance is about to tell us
                continue
            refusal = self._poison.unreadable_at(self._offset)
            records = await self._poll() if refusal is None else []
            if not self._gate.is_set():
                continue
            self._idle.clear()
            self._cycle = asyncio.ensure_future(self._once(transactor, records, refusal))
            try:
                await self._cycle
            except asyncio.CancelledError:
                if _asked_to_end():
                    raise
                raise RetryError("the transaction was not through when its time was up") from None
            finally:
                self._cycle = None
                self._idle.set()

    def _seek(self) -> bool:
        """Sets the consumer to our offset after each rebalance, which reset it; False if it is not ours now."""
        consumer = self._around.consumer
        if self._source not in consumer.assignment():
            return False
        if not self._sought:
            consumer.seek(self._source, self._offset)
            self._sought = True
            self._silence = 0.0
        return True

    async def _poll(self) -> list[Any]:
        """Records, or none when the next tick is due or the gate shuts."""
        began = time.monotonic()
        timeout = max(int((self._next_tick - began) * 1000), 0)
        self._waiting = asyncio.ensure_future(
            self._around.consumer.getmany(self._source, timeout_ms=timeout, max_records=self._poison.limit)
        )
        try:
            got = await self._waiting
        except asyncio.CancelledError:
            if _asked_to_end():
                raise
            return []
        except Exception as error:
            if not unreadable(error):
                raise reaction(error, "poll") from error
            self._poison.unreadable(self._offset, error)
            raise _PoisonError(f"poll: {type(error).__name__}") from error
        finally:
            self._waiting = None
        records = list(got.get(self._source, ()))
        self._listen(records, min(time.monotonic() - began, self._settings.tick_seconds))
        return records

    def _listen(self, records: list[Any], seconds: float) -> None:
        """Notices when waiting for records, `seconds` this time, has brought no answer at all for too long."""
        consumer = self._around.consumer
        if self._source not in consumer.assignment():
            return
        fetched = consumer.last_poll_timestamp(self._source)
        if records or fetched != self._fetched:
            self._fetched, self._silence = fetched, 0.0
            return
        self._silence += seconds
        if self._silence > SILENT_SECONDS:
            raise RetryError(f"no broker has answered a fetch for {SILENT_SECONDS:.0f} s")

    async def _once(self, transactor: TransactionWriter, records: list[Any], refusal: Refusal | None) -> None:
        began = time.monotonic()
        handler, partition = self._around.handler, self.partition
        outputs: list[Output] = []
        offset = records[-1].offset + 1 if records else None
        if refusal is not None:
            outputs += await self._instead(refusal)
            offset = self._offset + 1
        elif records:
            outputs += await self._process(records)
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + self._settings.tick_seconds
            outputs += await handler.tick(partition, time.time_ns())
            offset = await self._passed() if offset is None else offset
        if offset is None and not outputs:
            return
        if any(self._around.limits.too_large(output) for output in outputs):
            outputs = await self._fit(outputs)
        note = handler.note(partition)
        if offset is None and note != self._note:  # it holds for these outputs: both or neither
            offset = self._offset
        await transactor.commit(outputs, offset, note)
        self._note = note
        if offset is not None:
            self._offset = offset
            self._poison.passed(offset)
            self._sought = self._sought and refusal is None
        self._failures = 0
        await handler.committed(partition, offset)
        seconds = time.monotonic() - began
        self._around.observe(Committed(partition, len(records), len(outputs), offset, seconds))

    async def _passed(self) -> int | None:
        """How far an idle partition was read without a record: over the markers of transactions, which else stay lag."""
        if not self._sought:
            return None
        position = int(await self._around.consumer.position(self._source))
        return position if position > self._offset else None

    async def _process(self, records: list[Any]) -> list[Output]:
        refusal = self._poison.refusal(records)
        if refusal is not None:
            return await self._instead(refusal)
        try:
            return list(await self._around.handler.process(self.partition, records))
        except CurfewdError:
            raise
        except Exception as error:
            self._poison.failed(records, error)
            raise _PoisonError(f"process: {type(error).__name__}") from error

    async def _fit(self, outputs: list[Output]) -> list[Output]:
        """Replaces outputs that no broker would take by what the handler gives for them."""
        limits = self._around.limits
        fitting = []
        for output in outputs:
            if not limits.too_large(output):
                fitting.append(output)
                continue
            fitting += await self._instead(
                Refusal("output-too-large", output=output, limit=limits.record(output.topic))
            )
        return fitting

    async def _instead(self, refusal: Refusal) -> list[Output]:
        """What the handler gives for something refused. If that fails or is too large too, or is nothing, it is lost."""
        try:
            given = list(await self._around.handler.refused(self.partition, refusal))
        except CurfewdError:
            raise
        except Exception:  # noqa: BLE001 - the hook met the same hostile record: no reason to meet it for ever
            self._around.observe(Refused(self.partition, refusal, lost=True))
            return []
        fitting = [each for each in given if not self._around.limits.too_large(each)]
        self._around.observe(Refused(self.partition, refusal, lost=not given or len(fitting) < len(given)))
        return fitting


def _asked_to_end() -> bool:
    """Whether this task itself was cancelled, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
