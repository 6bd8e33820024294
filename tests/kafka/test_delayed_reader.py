"""What a delayed reader writes and commits, and when; with a consumer and a producer of its own, without a broker."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from detector.kafka.connection import ConnectionSettings
from detector.kafka.delayed_reader import DelayedReader, DelayedReaderSettings, Processed
from detector.kafka.handlers import Output, Partition
from detector.values.times import SECOND
from tests.broker.cluster import free_ports
from tests.fake_records import FakeRecord, records

SOURCE = TopicPartition("logs", 0)
T0 = 1_800_000_000 * SECOND


class Brokers:
    """The part of a consumer and of a producer that is used, with their calls in order."""

    def __init__(self, some: Sequence[FakeRecord] = ()) -> None:
        self.assigned = {SOURCE}
        self.calls: list[tuple[str, Any]] = []
        self._some = some
        self.asked = 0  # for a position

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def position(self, _source: TopicPartition) -> int:
        self.asked += 1
        return 0

    async def getmany(self, *_sources: TopicPartition, **_options: Any) -> dict[TopicPartition, Any]:
        some, self._some = self._some, ()
        return {SOURCE: some} if some else {}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.calls.append(("commit", offsets[SOURCE]))

    async def send(self, topic: str, value: bytes, **_options: Any) -> "asyncio.Future[None]":
        self.calls.append((f"send {topic}", value))
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent


class Rotten(Brokers):
    """Brokers whose first poll cannot be decoded, and whose first record neither."""

    def __init__(self, some: Sequence[FakeRecord]) -> None:
        super().__init__(some)
        self.failures = 2

    def seek(self, _source: TopicPartition, offset: int) -> None:
        self.calls.append(("seek", offset))

    async def getmany(self, *sources: TopicPartition, **options: Any) -> dict[TopicPartition, Any]:
        if self.failures:
            self.failures -= 1
            raise CorruptRecordException
        return await super().getmany(*sources, **options)


class Echo:
    """A handler that gives each value again. `waits_from` is the first offset that waits for later records."""

    def __init__(self, waits_from: int | None = None, during: Callable[[], None] = lambda: None) -> None:
        self.waits_from = waits_from
        self.during = during
        self.calls: list[str] = []

    def latest(self, _records: Sequence[Any], _now: int) -> int:
        return T0

    async def process(self, _partition: Partition, some: Sequence[Any]) -> Processed:
        self.during()
        self.calls.append("process")
        return Processed([Output("work", b"k", record.value) for record in some], self.waits_from)

    def overdue(self, _now: int) -> Iterable[Partition]:
        return ()

    def committed(self, _partition: Partition) -> None:
        self.calls.append("committed")

    def forget(self) -> None:
        self.calls.append("forget")


def reader_of(handler: Echo, now: list[int], known_until: list[int]) -> DelayedReader:
    async def may_read(time: int) -> bool:
        return time <= known_until[0]

    settings = DelayedReaderSettings("g", {"work": 3}, ("logs",), delay=5 * SECOND)
    return DelayedReader(ConnectionSettings(""), settings, handler, may_read=may_read, clock=lambda: now[0])


async def test_records_wait_for_the_delay_and_until_all_is_known() -> None:
    brokers, handler = Brokers(records([b"one", b"two"])), Echo()
    now, known_until = [T0], [0]
    reader = reader_of(handler, now, known_until)
    await reader._fetch(brokers)
    await reader._hand_out(brokers, brokers)
    now[0] += 5 * SECOND
    await reader._hand_out(brokers, brokers)
    assert handler.calls == []
    assert reader.overdue_seconds == 0
    now[0] += 2 * SECOND
    assert reader.overdue_seconds == 2
    known_until[0] = T0 + 5 * SECOND
    await reader._hand_out(brokers, brokers)
    assert brokers.calls == [("send work", b"one"), ("send work", b"two"), ("commit", 2)]
    assert handler.calls == ["process", "committed"]
    assert reader.overdue_seconds == 0


async def test_no_offset_behind_what_waits_for_later_records_is_committed() -> None:
    brokers, handler = Brokers(records([b"one", b"two", b"three"])), Echo(waits_from=1)
    reader = reader_of(handler, [T0 + 9 * SECOND], [T0 + 9 * SECOND])
    await reader._fetch(brokers)
    await reader._hand_out(brokers, brokers)
    assert brokers.calls[-1] == ("commit", 1)


async def test_a_partition_that_moved_meanwhile_is_left_to_whoever_has_it() -> None:
    brokers = Brokers(records([b"one"]))
    handler = Echo(during=brokers.assigned.clear)
    reader = reader_of(handler, [T0 + 9 * SECOND], [T0 + 9 * SECOND])
    await reader._fetch(brokers)
    await reader._hand_out(brokers, brokers)
    assert brokers.calls == []
    assert handler.calls == ["process"]
    reader.forget()
    assert reader.overdue_seconds == 0


async def test_a_partition_is_asked_for_its_position_again_only_once_it_gave_records() -> None:
    brokers = Brokers(records([b"one"]))
    brokers.assigned |= {TopicPartition("logs", number) for number in range(1, 9)}
    reader = reader_of(Echo(), [T0 + 9 * SECOND], [T0 + 9 * SECOND])
    for _ in range(3):
        await reader._fetch(brokers)
        await reader._hand_out(brokers, brokers)
    assert brokers.asked == 10
    reader.forget()
    await reader._fetch(brokers)
    assert brokers.asked == 19


async def test_a_record_that_cannot_be_decoded_is_skipped() -> None:
    brokers = Rotten(records([b"one"]))
    reader = reader_of(Echo(), [T0 + 9 * SECOND], [T0 + 9 * SECOND])
    await reader._fetch(brokers)
    assert brokers.calls == [("seek", 0), ("seek", 1)]
    await reader._hand_out(brokers, brokers)
    assert brokers.calls[2:] == [("send work", b"one"), ("commit", 1)]


async def test_a_reader_that_reaches_no_broker_leaves_no_client_open() -> None:
    left: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context["message"]))
    failed = asyncio.Event()
    (port,) = free_ports(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # aiokafka tells the loop too
        reader = DelayedReader(
            ConnectionSettings(f"127.0.0.1:{port}"),
            DelayedReaderSettings("g", {}, ("logs",)),
            Echo(),
            observe=lambda _: failed.set(),
        )
        running = asyncio.create_task(reader.run())
        await failed.wait()
        running.cancel()
        await asyncio.wait([running])
        gc.collect()
    assert left == []
