"""What brokers answer is read whole and in order, however it comes."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from aiokafka import conn
from hypothesis import given
from hypothesis import strategies as st

from detector.kafka import response_protocol
from detector.kafka.raw_batches import ColumnConsumer
from detector.kafka.response_protocol import ResponseProtocol, reads_sized_responses

SIZES = st.one_of(st.integers(0, 9), st.integers(0, 300))


class Connection:
    """A protocol, and the reader that aiokafka made for it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.closed = loop.create_future()
        self.reader = asyncio.StreamReader(loop=loop)
        self.protocol = ResponseProtocol(self.closed, self.reader, loop=loop)

    def receive(self, data: bytes) -> None:
        while data:
            room = self.protocol.get_buffer(-1)
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    async def response(self) -> bytes:
        size = int.from_bytes(await self.reader.readexactly(4), "big")
        return await self.reader.readexactly(size)


def sized(response: bytes) -> bytes:
    return len(response).to_bytes(4, "big") + response


@pytest.fixture(autouse=True, scope="module")
def _little_room() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response_protocol, "_ROOM", 64)  # so that few bytes fill it
        patch.setattr(response_protocol, "_FIRST_ROOM", 100)  # and large ones get new room
        yield


@given(st.lists(SIZES, max_size=12), st.lists(st.integers(0, 4000), max_size=20))
async def test_responses_are_read_whole_however_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    responses = [bytes([number]) * size for number, size in enumerate(sizes)]
    data = b"".join(map(sized, responses))
    connection = Connection()
    reading = asyncio.ensure_future(read(connection, len(responses)))
    for begin, end in pairwise(sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})):
        connection.receive(data[begin:end])
        await asyncio.sleep(0)
    assert await reading == responses


async def read(connection: Connection, count: int) -> list[bytes]:
    return [await connection.response() for _ in range(count)]


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone")])
async def test_what_came_whole_before_the_end_is_read(error: ConnectionResetError | None) -> None:
    connection = Connection()
    connection.receive(sized(b"whole") + sized(b"a part of it")[:7])
    connection.protocol.connection_lost(error)
    assert await connection.response() == b"whole"
    with pytest.raises(asyncio.IncompleteReadError if error is None else ConnectionResetError):
        await connection.response()
    assert connection.closed.done()


async def test_whoever_waits_is_told_of_the_end() -> None:
    connection = Connection()
    reading = asyncio.ensure_future(connection.response())
    await asyncio.sleep(0)
    connection.protocol.eof_received()
    with pytest.raises(asyncio.IncompleteReadError):
        await reading
    assert connection.reader.at_eof()


async def test_a_size_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="negative length"):
        Connection().receive(b"\xff\xff\xff\xff")


async def test_a_size_takes_no_memory_before_the_bytes_come() -> None:
    """A server that is no broker answers with its own bytes: `HTTP` is a size of a gigabyte."""
    connection = Connection()
    connection.receive(b"HTTP/1.1 400 Bad Request" + b"." * 300)
    assert len(connection.protocol.get_buffer(-1)) < 1000


async def test_another_size_than_the_next_is_never_given() -> None:
    connection = Connection()
    connection.receive(sized(b"four more"))
    with pytest.raises(asyncio.IncompleteReadError):
        await connection.reader.readexactly(5)


async def test_a_consumer_of_columns_receives_so() -> None:
    """It fails with an aiokafka whose connections read in another way: then look at `_read` there."""
    assert reads_sized_responses()
    await ColumnConsumer(1 << 20).stop()
    assert conn.AIOKafkaProtocol is ResponseProtocol
