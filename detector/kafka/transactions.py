"""A stage's transactions: what its partitions have ready at the same time is committed together."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from detector.kafka import transaction_fencing, transaction_retry
from detector.kafka.backlogs import GATHER_SECONDS, Backlogs
from detector.kafka.batches import Limits, batches_of
from detector.kafka.clients import StageSettings, discard, reaction, start_or_discard, transactional_producer
from detector.kafka.connection import ConnectionSettings
from detector.kafka.error_codes import asks_for, gravest
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Partition, PassedOn, ToWrite
from detector.kafka.membership import Membership
from detector.kafka.retry import until_it_succeeds
from detector.kafka.stage_facts import Observer, StepName, TransactionStep
from detector.kafka.transaction_fencing import NamedMember
from detector.values.errors import CurfewdError, FencedError, RetryError, StopError

MOST_OUTPUTS: Final = 20_000  # of one transaction, unless one poll alone gives more
LONGEST_PAUSE_SECONDS: Final = 5.0


def miscounted(stage: StageSettings, topic: str, count: int) -> StopError:
    """The error if a topic that must keep its number of partitions (`StageSettings.counts`) has another."""
    return StopError(
        f"{topic} has {count} partitions now and {stage.counts[topic]} are configured: "
        "keys and their state would be in different partitions"
    )


class Poll(NamedTuple):
    """What a poll of a partition gave: outputs, and the offset of the next record with the note beside it.

    `by` is who polled.
    """

    partition: Partition
    by: Membership
    outputs: Sequence[ToWrite]
    offset: int
    note: str = ""


class _Waiting(NamedTuple):
    poll: Poll
    done: "asyncio.Future[None]"


class Transactions:
    """The one transactional producer of a stage's instance, from `start` to `close`.

    Its transactional id, `<group>-<instance>`, says nothing of partitions. What keeps a stalled instance from
    committing after its partitions moved is the group: the coordinator takes the offsets of a transaction from the
    members of its current generation only. So every transaction commits an offset of each partition in it, and
    whoever takes a partition over reads its offset once no transaction that commits it is open
    (`GroupOffsets.stable`).

    After any error the producer is discarded and another one started, which aborts what was open. All partitions in the
    failed transaction have to start again, after `settled`. Until each has got through alone, it is not put together
    with others: so none takes others with it for ever.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what all of a stage shares, as it has it
        self,
        connection: ConnectionSettings,
        stage: StageSettings,
        transactional_id: str,
        limits: Limits,
        offsets: GroupOffsets,
        observe: Observer,
        backlogs: Backlogs,
    ) -> None:
        self._connection = connection
        self._stage = stage
        self._id = transactional_id
        self._limits = limits
        self._offsets = offsets
        self._observe = observe
        self._backlogs = backlogs
        self._processing = 0  # polls
        self._began = 0.0
        self._producer: Any = None
        self._failure: CurfewdError | None = None
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._open: frozenset[Partition] = frozenset()
        self._alone: set[Partition] = set()
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to work. Its producer aborts what an earlier one with its id has left open."""
        transaction_retry.install()
        transaction_fencing.install()
        self._work = asyncio.create_task(self._run())

    @contextlib.contextmanager
    def processing(self) -> Iterator[None]:
        """While a poll is processed that may be committed next."""
        self._processing += 1
        try:
            yield
        finally:
            self._processing -= 1
            self._arrived.set()

    async def commit(self, poll: Poll) -> None:
        """Commits a poll, perhaps together with those of other partitions.

        If it is cancelled, the poll may be committed or not: `settled` tells when that is decided.

        Raises:
            FencedError: we are no member of this generation, or our producer is fenced.
            RetryError: the transaction did not get through in time, or a batch was refused.
            StopError: Kafka refuses us.
        """
        if self._failure is not None:
            raise self._failure
        waiting = _Waiting(poll, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        await waiting.done

    async def settled(self, partition: Partition) -> None:
        """Waits until no transaction of ours with this partition is open.

        Raises:
            StopError: Kafka refuses us.
        """
        while self._failure is None and (self._producer is None or partition in self._open):
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Discards the producer. What is open is aborted by whoever takes the partitions over."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.wait([work])
        await self._discard()
        self._fail(RetryError("the stage has been stopped"))

    async def _run(self) -> None:
        """Commits until Kafka refuses us."""
        try:
            while True:
                self._producer = await until_it_succeeds(
                    self._started, lambda _: None, longest_pause=LONGEST_PAUSE_SECONDS
                )
                self._tell()
                while await self._commit_next():
                    pass
        except Exception as error:  # noqa: BLE001 - nobody may wait for ever
            self._fail(
                error if isinstance(error, StopError) else StopError(f"transactions: {type(error).__name__}")
            )

    def _fail(self, failure: CurfewdError) -> None:
        """From now on nothing is committed."""
        self._failure = failure
        self._end(self._waiting, failure)
        self._tell()

    async def _started(self) -> Any:
        try:
            producer = transactional_producer(self._connection, self._stage, self._id)
            await start_or_discard(producer)
        except Exception as error:
            raise reaction(error, "start of a transactional producer") from error
        return producer

    async def _commit_next(self) -> bool:
        """Commits what waits, once something does. Returns whether the producer can go on."""
        while not self._waiting:
            await self._arrived.wait()
            self._arrived.clear()
        due = self._began + self._backlogs.linger_seconds(self._stage.group)
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await self._gathered()
        self._began = time.monotonic()
        taken = self._taken()
        if not taken:
            return True
        polls = [each.poll for each in taken]
        self._open = frozenset(poll.partition for poll in polls)
        failure: CurfewdError | None = RetryError("the stage has been stopped")
        try:
            await self._transact(polls)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            failure = reaction(gravest(error, *self._refusals()), "transaction")
            self._alone |= self._open
            await self._discard()
        else:
            failure = None
            self._alone -= self._open
        finally:
            self._open = frozenset()
            self._end(taken, failure)
            self._tell()
        return failure is None

    async def _gathered(self) -> None:
        """Waits, while the stage is behind, until no more polls are being processed than are ready.

        So two halves take turns: one is processed while the other is committed.
        """
        while self._processing > len(self._waiting) and self._backlogs.is_behind(self._stage.group):
            self._arrived.clear()
            await self._arrived.wait()

    def _taken(self) -> list[_Waiting]:
        """What goes into the next transaction: the first that has to be alone, else as many as may go together."""
        waiting, self._waiting = [each for each in self._waiting if not each.done.done()], []
        alone = next((each for each in waiting if each.poll.partition in self._alone), None)
        taken: list[_Waiting] = []
        outputs = 0
        for each in waiting:
            size = sum(len(some) if isinstance(some, PassedOn) else 1 for some in each.poll.outputs)
            if each.poll.by != self._offsets.assigned:
                self._end([each], FencedError("transaction: the group has been joined again"))
            elif (alone is not None and alone is not each) or (taken and outputs + size > MOST_OUTPUTS):
                self._waiting.append(each)
            else:
                taken.append(each)
                outputs += size
        return taken

    async def _transact(self, polls: Sequence[Poll]) -> None:
        """Runs one transaction.

        1. Begin.
        2. Write the outputs, changelogs included, and wait until the brokers have each batch.
        3. Send the offsets of the next records to read, with the notes beside them. They are last, so nothing before
           them can be missing. The coordinator refuses them if we are no longer a member.
        4. Commit.

        After any error the producer cannot be used again. Once another has started, the committed offsets show whether
        the transaction happened.
        """
        async with asyncio.timeout(self._stage.transaction_seconds):
            await self._producer.begin_transaction()
            self._step(polls, "begun")
            await self._write([output for poll in polls for output in poll.outputs])
            self._step(polls, "written")
            offsets = {
                TopicPartition(poll.partition.topic, poll.partition.number): OffsetAndMetadata(
                    poll.offset, poll.note
                )
                for poll in polls
            }
            await self._producer.send_offsets_to_transaction(offsets, NamedMember(polls[0].by))
            self._step(polls, "offsets")
            await self._producer.commit_transaction()
            self._step(polls, "committed")

    def _refusals(self) -> list[BaseException]:
        """Why the coordinator refuses the open transaction, if it does. What is written all the same fails too."""
        if self._producer is None:
            return []
        waiter = self._producer._txn_manager._transaction_waiter  # noqa: SLF001 - aiokafka tells only who commits
        if waiter is None or not waiter.done() or waiter.cancelled() or waiter.exception() is None:
            return []
        return [waiter.exception()]

    def _step(self, polls: Iterable[Poll], step: StepName) -> None:
        for poll in polls:
            self._observe(TransactionStep(poll.partition, step))

    @staticmethod
    def _end(waiting: Iterable[_Waiting], failure: CurfewdError | None) -> None:
        for each in waiting:
            if each.done.done():
                continue
            if failure is None:
                each.done.set_result(None)
            else:
                each.done.set_exception(failure)

    def _tell(self) -> None:
        """Wakes whoever waits for a change of what is open."""
        self._changed.set()
        self._changed.clear()

    async def _discard(self) -> None:
        """Discards the producer, in any state."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # Shielded: a cancellation here must not leave connections open.
            await asyncio.shield(discard(producer))

    async def _write(self, outputs: Sequence[ToWrite]) -> None:
        counts = {
            topic: len(await self._producer.partitions_for(topic)) for topic in {o.topic for o in outputs}
        }
        for topic, count in counts.items():
            if count != self._stage.counts.get(topic, count):
                raise miscounted(self._stage, topic, count)
        batches = batches_of(
            outputs, counts, self._limits, self._producer.create_batch, self._stage.compression
        )
        done = await asyncio.gather(
            *(self._write_partition(topic, number, made) for (topic, number), made in batches.items()),
            return_exceptions=True,
        )
        failed = [error for error in done if error is not None]
        if failed:
            raise gravest(*failed)

    async def _write_partition(self, topic: str, number: int, batches: Sequence[Any]) -> None:
        """Writes batches of one partition in their order: each is sent after the one before it."""
        sent = [await self._producer.send_batch(batch, topic, partition=number) for batch in batches]
        results = await asyncio.gather(*sent, return_exceptions=True)
        for batch, error in zip(batches, results, strict=True):
            if isinstance(error, Exception) and asks_for(error) == "smaller":
                self._limits.refuse(topic, batch.size(), batch.record_count())
                raise RetryError(f"{topic} takes no batch of {batch.size()} bytes") from error
        failed = [error for error in results if isinstance(error, BaseException)]
        if failed:
            raise gravest(*failed)
