"""Kafka's clients, set up as this package needs them, and what each of their errors asks for.

aiokafka 0.14 has these pitfalls. This module and its users work around them:

- If the broker refuses a batch, only the batch's own future fails. The transaction would commit without it, so every
  future is checked before the offsets are sent. The producer's sequence numbers are wrong from then on: a producer that
  failed once is never used again. A new one with the same transactional id aborts the open transaction.
- Transactional requests are retried for ever, even to a coordinator that is gone (aiokafka issue 1145). Every
  transaction has its own deadline; after it, the producer is discarded.
- `AIOKafkaProducer.stop` waits for batches that can no longer be sent; `discard` does not.
- JoinGroup is answered when the slowest member has joined. The request timeout must be longer than the rebalance's.
- A consumer without partitions that never polls leaves the group after `max_poll_interval_ms` and never comes back.
  Members without partitions poll `NO_PARTITION`.
- Stopping a consumer that waits to repeat a fetch raises that fetch's cancellation. A consumer that must rejoin just
  after it joined may end its coordination with the cancellation of its first heartbeat. Either would silently end the
  task that waits: `stop_consumer` does not raise it, and `stray_cancellations_are_errors` covers the rest.
- Pausing a partition discards what was fetched for it. Not asking for its records does not.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient

from detector.kafka import decompression
from detector.kafka.assignor import StickyAssignor
from detector.kafka.columns_check import columns_work
from detector.kafka.connection import MILLI, ConnectionSettings
from detector.kafka.error_codes import asks_for, bars, told
from detector.kafka.group_requests import TopicIds
from detector.kafka.handlers import Partition
from detector.kafka.written_batches import Compression
from detector.values.errors import BarredError, CurfewdError, FencedError, RetryError, StopError
from detector.values.shortage import shortage

NO_PARTITION: Final = TopicPartition("", 0)  # polled by a member without partitions, to stay in its group
DISCARD_SECONDS: Final = 1.0
MOST_HEARTBEAT_SECONDS: Final = 1.0
FETCHED_BYTES: Final = 64 << 20  # of all partitions together, as long as that is
DECOMPRESSED_BYTES: Final = 64 << 20  # of one batch
LEAST_FETCHED_BYTES: Final = 2 << 20  # of each
_DECOMPRESSED_BYTES: Final = 64 << 20  # of a batch of a topic of ours


class StageSettings(msgspec.Struct, frozen=True):
    """What one stage reads, and its limits.

    - Memory for each partition: the records fetched and the records in process, each at most `partition_fetch_bytes`
      (`share_fetches`) or one batch, plus the outputs of one poll. A batch is decompressed to at most
      `decompressed_bytes`.
    - `rebalance_seconds` is the deadline of a rebalance: open transactions commit within it or are given up.
      `drain_seconds` is the deadline of a stop.
    - `transaction_seconds` is from its beginning to its commit. Records are processed before the transaction begins.
    - `record_bytes` is the broker's `message.max.bytes`. The stage learns the smaller limits of single topics.
    - After `refusals` refused records in a row the stage stops: then the records are not the cause.
    - `ids` are those of the topics for which its offsets hold, by what each is for (`offset_notes`).
    - `counts` names the topics that must keep their number of partitions: it decides where a key and its state are.
    - `exclusive`: one member of the group has all partitions, the others stand by.
    - `columns`: the handler takes polls as `RecordColumns`. It gets them if this aiokafka can.
    - `standbys`: how many members keep a copy of a partition's state beside its holder. `place` says where this one
      runs, the widest part first: copies are kept far from each other.
    """

    group: str
    topics: tuple[str, ...] = ()
    pattern: str | None = None
    poll_records: int = 1000
    partition_fetch_bytes: int = 1 << 20
    fetch_bytes: int = 16 << 20
    transaction_seconds: float = 30.0
    rebalance_seconds: float = 20.0
    drain_seconds: float = 20.0
    session_seconds: float = 15.0
    tick_seconds: float = 1.0
    batch_bytes: int = 256 << 10
    record_bytes: int = 1_048_588
    decompressed_bytes: int = DECOMPRESSED_BYTES
    compression: Compression = None
    refusals: int = 20
    counts: Mapping[str, int] = {}
    ids: Mapping[str, str] = {}
    exclusive: bool = False
    columns: bool = False
    standbys: int = 0
    place: tuple[str, ...] = ()

    @property
    def heartbeat_seconds(self) -> float:
        """At most a second: so long all wait for the last one to notice a rebalance.

        Kafka advises a third of the session.
        """
        return min(self.session_seconds / 3, MOST_HEARTBEAT_SECONDS)


def stage_consumer(connection: ConnectionSettings, stage: StageSettings, assignor: StickyAssignor) -> Any:
    """A member of the stage's group. It reads committed records and commits nothing itself."""
    rebalance = stage.rebalance_seconds + stage.session_seconds
    return _consumer_kind(stage.decompressed_bytes, columns=stage.columns, brief=True)(
        **_committed_only(connection, extra_seconds=rebalance),
        group_id=stage.group,
        partition_assignment_strategy=(assignor,),
        session_timeout_ms=_ms(stage.session_seconds),
        heartbeat_interval_ms=_ms(stage.heartbeat_seconds),
        rebalance_timeout_ms=_ms(rebalance),
        max_partition_fetch_bytes=stage.partition_fetch_bytes,
        fetch_max_bytes=stage.fetch_bytes,
    )


def _consumer_kind(decompressed_bytes: int, *, columns: bool, brief: bool) -> Any:
    """What makes a consumer that decompresses a batch to at most so many bytes, with columns if that is possible."""
    decompression.install(decompressed_bytes)
    if not (columns and columns_work()):
        return AIOKafkaConsumer
    from detector.kafka.raw_batches import ColumnConsumer  # noqa: PLC0415 - not every aiokafka has what it needs

    return functools.partial(ColumnConsumer, decompressed_bytes, brief=brief)


def share_fetches(consumer: Any, stage: StageSettings, partitions: int) -> None:
    """Lets the stage's consumer fetch less of each partition at a time where it has many."""
    share = max(FETCHED_BYTES // max(partitions, 1), LEAST_FETCHED_BYTES)
    # aiokafka takes it from there for each request. It has no other way to change it.
    consumer._fetcher._max_partition_fetch_bytes = min(stage.partition_fetch_bytes, share)  # noqa: SLF001


def group_consumer(
    connection: ConnectionSettings,
    group: str,
    *,
    session_seconds: float,
    partition_fetch_bytes: int,
    max_poll_seconds: float,
) -> Any:
    """A member of a group outside the stages. It reads committed records; whoever uses it commits the offsets.

    As in a stage's group, members of another protocol are refused.
    """
    return _consumer_kind(DECOMPRESSED_BYTES, columns=True, brief=False)(
        **_committed_only(connection, extra_seconds=session_seconds),
        group_id=group,
        partition_assignment_strategy=(StickyAssignor(),),
        session_timeout_ms=_ms(session_seconds),
        heartbeat_interval_ms=_ms(session_seconds / 3),
        max_poll_interval_ms=_ms(max_poll_seconds),
        max_partition_fetch_bytes=partition_fetch_bytes,
    )


def committed_reader(connection: ConnectionSettings, **options: Any) -> Any:
    """A consumer of committed records in no group; `options` are more of aiokafka's."""
    return AIOKafkaConsumer(**{**_committed_only(connection), **options})


def topic_reader(connection: ConnectionSettings, *, columns: bool, fetch_bytes: int, **options: Any) -> Any:
    """The same, for whole topics. With `columns` it gives columns of one partition at a time, if this aiokafka can."""
    options |= {"max_partition_fetch_bytes": fetch_bytes}
    if not columns or not columns_work():
        return committed_reader(connection, **options)
    from detector.kafka.raw_batches import ColumnConsumer  # noqa: PLC0415 - not every aiokafka has what it needs

    return ColumnConsumer(_DECOMPRESSED_BYTES, **{**_committed_only(connection), **options})


def offset_reader(connection: ConnectionSettings) -> Any:
    """A consumer that is asked where topics end, uncommitted records included."""
    return AIOKafkaConsumer(**connection.client_options(), enable_auto_commit=False)


def transactional_producer(
    connection: ConnectionSettings, stage: StageSettings, transactional_id: str
) -> Any:
    """A transactional producer of the stage. Its start fences the one before it with the same id."""
    return AIOKafkaProducer(
        **connection.client_options(),
        transactional_id=transactional_id,
        transaction_timeout_ms=_ms(stage.transaction_seconds),
        max_batch_size=stage.batch_bytes,
        compression_type=stage.compression,
    )


def idempotent_producer(connection: ConnectionSettings) -> Any:
    """A producer without transactions that writes each record once as long as it lives."""
    return AIOKafkaProducer(**connection.client_options(), enable_idempotence=True)


def admin_client(connection: ConnectionSettings, **options: Any) -> Any:
    """An admin client; `options` are more of aiokafka's."""
    return AIOKafkaAdminClient(**connection.client_options(), **options)


@contextlib.asynccontextmanager
async def started_admin(connection: ConnectionSettings) -> AsyncIterator[Any]:
    """An admin client from its start to its end.

    Raises:
        Exception: Kafka's own error.
    """
    admin = admin_client(connection)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def start_or_discard(producer: Any) -> None:
    """Starts a producer. If it fails or is cancelled, nothing stays open.

    Raises:
        Exception: Kafka's own error.
    """
    starting = asyncio.ensure_future(producer.start())
    try:
        await asyncio.shield(starting)
    except BaseException:
        # A connection that is cancelled while it opens stays open.
        await asyncio.wait([starting], timeout=DISCARD_SECONDS)
        starting.cancel()
        await discard(producer)
        raise


@contextlib.asynccontextmanager
async def started(producer: Any) -> AsyncIterator[Any]:
    """A producer from its start to its stop. If it does not start, nothing stays open.

    Raises:
        Exception: Kafka's own error.
    """
    await start_or_discard(producer)
    try:
        yield producer
    finally:
        await producer.stop()


async def discard(producer: Any) -> None:
    """Ends a producer at once, in any state. Its successor aborts the open transaction."""
    producer._closed = True  # noqa: SLF001 - what `stop` does first; it then waits for what cannot be sent
    sender = producer._sender.sender_task  # noqa: SLF001 - there is no other way to end it
    if sender is not None:
        sender.cancel()
    with contextlib.suppress(Exception):
        await producer.client.close()
    if sender is not None:
        _, pending = await asyncio.wait([sender], timeout=DISCARD_SECONDS)
        for task in pending:  # it waits for a request of its own: a second cancellation ends that wait
            task.cancel()
        if not pending and not sender.cancelled():
            sender.exception()
    waiter = producer._txn_manager._transaction_waiter  # noqa: SLF001 - else asyncio complains of a forgotten error
    if waiter is not None and waiter.done() and not waiter.cancelled():
        waiter.exception()


@contextlib.contextmanager
def stray_cancellations_are_errors(doing: str) -> Iterator[None]:
    """Turns a cancellation that nobody asked of this task into an ordinary error.

    Raises:
        RetryError: aiokafka cancelled something of its own and let the cancellation out.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RetryError(f"{doing}: a client gave up") from None


async def stop_consumer(consumer: Any) -> None:
    """Leaves the group and closes the connections."""
    stopping = asyncio.ensure_future(consumer.stop())
    try:
        await asyncio.wait([stopping])
        if stopping.cancelled():  # by a fetch of its own: the connections are still open
            await consumer._client.close()  # noqa: SLF001 - a second `stop` does nothing
        else:
            stopping.result()
    finally:
        stopping.cancel()


async def topic_id(consumer: Any, topic: str) -> str:
    """The id of a topic, in hex: another one if it is recreated. Empty if the brokers are older than Kafka 2.8."""
    found = await topic_ids(consumer, [topic])
    if found is None:
        return ""
    if topic not in found:
        raise kafka.UnknownTopicOrPartitionError(topic)
    return found[topic]


async def topic_ids(asking: Any, topics: Iterable[str]) -> dict[str, str] | None:
    """The ids of those topics that there are, as a consumer or admin client learns them; None from older brokers."""
    client = asking._client  # noqa: SLF001 - aiokafka's own clients ask for no ids
    try:
        answer = await client.send(client.get_random_node(), TopicIds(topics))
    except kafka.IncompatibleBrokerVersion:
        return None
    found = {}
    for error_code, topic, made, *_ in answer.topics:
        if not error_code:
            found[topic] = bytes(made).hex()
        elif kafka.for_code(error_code) is not kafka.UnknownTopicOrPartitionError:
            raise kafka.for_code(error_code)(topic)
    return found


async def read_to_end(connection: ConnectionSettings, partition: Partition) -> AsyncIterator[list[Any]]:
    """The committed records of a partition as it stands at the call, oldest first."""
    consumer = committed_reader(connection)
    await consumer.start()
    try:
        source = TopicPartition(partition.topic, partition.number)
        consumer.assign([source])
        end = (await consumer.end_offsets([source]))[source]
        await consumer.seek_to_beginning(source)
        # Transaction markers take offsets too: only the position passes them.
        while await consumer.position(source) < end:
            got = await consumer.getmany(source, timeout_ms=MILLI // 4)
            if source in got:
                yield got[source]
    finally:
        await stop_consumer(consumer)


def reaction(error: BaseException, doing: str) -> CurfewdError:
    """What an error asks for. It keeps the text of Kafka's own errors only: any other may quote a record."""
    if isinstance(error, CurfewdError):
        return error
    if (lacking := shortage(error)) is not None:
        return lacking
    text = f"{doing}: {told(error)}"
    asked = asks_for(error)
    if asked == "rejoin":
        return FencedError(text)
    if asked in {"stop", "smaller"}:
        return BarredError(text) if bars(error) else StopError(text)
    return RetryError(text)


def unreadable(error: Exception) -> bool:
    """Whether a poll failed on the bytes of a record batch: a bad checksum, a codec, a decompressor's error.

    It did not if something was lacking.
    """
    asked = asks_for(error)
    if asked is not None:
        return asked == "unreadable"
    ours = isinstance(error, CurfewdError | AssertionError | ConnectionError | TimeoutError)
    return not ours and shortage(error) is None


def _committed_only(connection: ConnectionSettings, *, extra_seconds: float = 0.0) -> dict[str, Any]:
    return {
        **connection.client_options(extra_seconds=extra_seconds),
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
    }


def _ms(seconds: float) -> int:
    return int(seconds * MILLI)
