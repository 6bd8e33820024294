"""Kafka's clients as a stage needs them, and what each of their errors asks for.

aiokafka's traps that this module and its users step around (0.14):

- a batch that the broker refuses fails its own future only: the transaction would commit without it. Every future is
  looked at before the offsets are sent. The producer's sequence numbers are then out of step too, so a producer that
  failed once is never used again: a new one with the same transactional id aborts what was open.
- transactional requests are retried for ever, also to a coordinator that is gone (aiokafka issue 1145): every
  transaction has a deadline of its own, after which its producer is discarded.
- `AIOKafkaProducer.stop` waits for what can no longer be sent; `discard` does not.
- JoinGroup is answered when the slowest member has joined: the request timeout has to be longer than the rebalance's.
- a consumer without partitions that nobody asks for records leaves the group after `max_poll_interval_ms` and never
  comes back; `Stage` asks every consumer for nothing, every second.
- stopping a consumer that waits to repeat a fetch raises the cancellation of that fetch, and one that has to join again
  just when it has joined may end its coordination by that of its first heartbeat. Whoever stops or asks such a consumer
  would be ended by it, silently: `stop_consumer` does not raise it, `strays_are_errors` is for the rest.
- pausing a partition throws away what was fetched for it; not asking for its records does not.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors as kafka

from detector.kafka import decompression
from detector.kafka.assignor import StickyAssignor
from detector.kafka.handlers import Partition
from detector.values.errors import CurfewdError, FencedError, RetryError, StopError

MILLI: Final = 1000
DISCARD_SECONDS: Final = 1.0
# Nothing that waits, and nothing that another try, another producer or another day would cure.
HOPELESS: Final = (
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailed,
    kafka.InvalidTransactionTimeout,
    kafka.InvalidSessionTimeoutError,
    kafka.InconsistentGroupProtocolError,
    kafka.InvalidGroupIdError,
    kafka.UnsupportedVersionError,
    kafka.IncompatibleBrokerVersion,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
)

_REFUSALS: Final = {
    kafka.TopicAuthorizationFailedError: "topic",
    kafka.GroupAuthorizationFailedError: "group",
    kafka.TransactionalIdAuthorizationFailed: "transactional id",
}


class KafkaSettings(msgspec.Struct, frozen=True):
    """How the brokers are reached. `security` is what aiokafka takes for TLS and SASL, handed on as it is."""

    bootstrap: str | tuple[str, ...]
    client_id: str = "curfewd"
    security: Mapping[str, Any] = {}
    request_seconds: float = 15.0
    metadata_seconds: float = 30.0


class StageSettings(msgspec.Struct, frozen=True):
    """One stage: what it reads, and its limits.

    Memory, for each partition held: what is fetched and what is being processed, each at most `partition_fetch_bytes`
    or one batch, a batch being decompressed to at most `decompressed_bytes`, and the outputs of one poll.
    `rebalance_seconds` is the one deadline of a rebalance, in which open transactions commit or are given up; `drain_seconds` that of a stop. `transaction_seconds` is from begin to commit:
    records are processed before it begins. `record_bytes` is the broker's `message.max.bytes`; smaller limits of single
    topics are found out. After `refusals` records refused one after another the stage stops: it is not the records.
    `counts` has the topics that must keep their number of partitions, as it says where a key is and where its state is.
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
    decompressed_bytes: int = 64 << 20
    compression: Literal["gzip", "snappy", "lz4", "zstd"] | None = None
    refusals: int = 20
    counts: Mapping[str, int] = {}

    @property
    def heartbeat_seconds(self) -> float:
        """A third of the session, as Kafka advises."""
        return self.session_seconds / 3


def stage_consumer(clients: KafkaSettings, stage: StageSettings) -> Any:
    """The group's member: reads what is committed, commits nothing itself, is told where to read from."""
    decompression.install(stage.decompressed_bytes)
    rebalance = stage.rebalance_seconds + stage.session_seconds
    return AIOKafkaConsumer(
        **_connection(clients),
        group_id=stage.group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(StickyAssignor(),),
        session_timeout_ms=_ms(stage.session_seconds),
        heartbeat_interval_ms=_ms(stage.heartbeat_seconds),
        rebalance_timeout_ms=_ms(rebalance),
        request_timeout_ms=_ms(rebalance + clients.request_seconds),
        max_partition_fetch_bytes=stage.partition_fetch_bytes,
        fetch_max_bytes=stage.fetch_bytes,
    )


def partition_producer(clients: KafkaSettings, stage: StageSettings, partition: Partition) -> Any:
    """The only producer that writes for this partition: its start fences the one before it."""
    return AIOKafkaProducer(
        **_connection(clients),
        request_timeout_ms=_ms(clients.request_seconds),
        transactional_id=f"{stage.group}-{partition.topic}-{partition.number}",
        transaction_timeout_ms=_ms(stage.transaction_seconds),
        max_batch_size=stage.batch_bytes,
        compression_type=stage.compression,
    )


async def discard(producer: Any) -> None:
    """Ends a producer at once, whatever it was about. An open transaction is left to its successor to abort."""
    producer._closed = True  # noqa: SLF001 - what `stop` does first; it then waits for what cannot be sent
    sender = producer._sender.sender_task  # noqa: SLF001 - there is no other way to end it
    if sender is not None:
        sender.cancel()
    with contextlib.suppress(Exception):
        await producer.client.close()
    if sender is not None:
        _, pending = await asyncio.wait([sender], timeout=DISCARD_SECONDS)
        for task in pending:  # it waits for a request of its own: the second time ends that wait
            task.cancel()
        if not pending and not sender.cancelled():
            sender.exception()
    waiter = producer._txn_manager._transaction_waiter  # noqa: SLF001 - else asyncio complains of a forgotten error
    if waiter is not None and waiter.done() and not waiter.cancelled():
        waiter.exception()


@contextlib.contextmanager
def strays_are_errors(doing: str) -> Iterator[None]:
    """Turns a cancellation that nobody asked of this task into an error like any other.

    Raises:
        RetryError: something of aiokafka's own was cancelled, and it let that out.
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
        if stopping.cancelled():  # by a fetch of its own: the connections are left
            await consumer._client.close()  # noqa: SLF001 - `stop` does nothing the second time
        else:
            stopping.result()
    finally:
        stopping.cancel()


async def read_to_end(clients: KafkaSettings, partition: Partition) -> AsyncIterator[list[Any]]:
    """The committed records of a partition as it stood when asked, oldest first, for a state to be restored."""
    consumer = AIOKafkaConsumer(
        **_connection(clients),
        request_timeout_ms=_ms(clients.request_seconds),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        source = TopicPartition(partition.topic, partition.number)
        consumer.assign([source])
        end = (await consumer.end_offsets([source]))[source]
        await consumer.seek_to_beginning(source)
        # Transaction markers take offsets too: the position passes them, no record does.
        while await consumer.position(source) < end:
            got = await consumer.getmany(source, timeout_ms=MILLI // 4)
            if source in got:
                yield got[source]
    finally:
        await stop_consumer(consumer)


def reaction(error: BaseException, doing: str) -> CurfewdError:
    """What an error asks for. Only the text of Kafka's own is kept: any other may quote what was read."""
    if isinstance(error, CurfewdError):
        return error
    text = f"{doing}: {_said(error) if isinstance(error, kafka.KafkaError) else type(error).__name__}"
    if isinstance(error, kafka.ProducerFenced | kafka.InvalidProducerEpoch):
        return FencedError(text)
    if isinstance(error, HOPELESS):
        return StopError(text)
    return RetryError(text)


def _said(error: kafka.KafkaError) -> str:
    """A right that was taken away meanwhile: what is there before is asked for at the start (`kafka_rights`)."""
    for kind, what in _REFUSALS.items():
        if isinstance(error, kind):
            told = ", ".join(str(each) for each in error.args) or "one of ours"
            return f"Kafka does not let this user at the {what} {told}: an ACL is missing (docs/deploy.md lists all)"
    return str(error)


def unreadable(error: Exception) -> bool:
    """Whether a poll failed over the bytes of a record batch: a bad checksum, a codec, what a decompressor raises."""
    if isinstance(error, kafka.KafkaError):
        return isinstance(error, kafka.CorruptRecordException | kafka.UnsupportedCodecError)
    return not isinstance(error, CurfewdError | AssertionError | ConnectionError | TimeoutError)


def _connection(clients: KafkaSettings) -> dict[str, Any]:
    hosts = clients.bootstrap
    return {
        "bootstrap_servers": hosts if isinstance(hosts, str) else list(hosts),
        "client_id": clients.client_id,
        "metadata_max_age_ms": _ms(clients.metadata_seconds),
        **clients.security,
    }


def _ms(seconds: float) -> int:
    return int(seconds * MILLI)
