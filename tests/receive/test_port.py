"""The port under requests that nobody's sender sends: too long, too slow, too many, of another form."""

import asyncio
import contextlib
import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.receive.bodies import Waiting, read_body
from detector.receive.delivery import RefusalError
from detector.receive.file_sink import FileSink
from detector.receive.sinks import Written
from detector.values.errors import RetryError
from tests.receive.serving import BEARER, JSON, Served, serving, source

EVENTS = source("eventbridge")
SENT = {**BEARER, **JSON}
SMALL = "body_bytes = 4096\nbody_timeout = '1s'"


def compressed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


async def body_of(parts: list[bytes], encoding: str, limit: int = 1 << 16) -> bytes:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 1 << 20, loop=loop)
    for part in parts:
        content.feed_data(part)
    content.feed_eof()
    with Waiting(1 << 30).of("one") as take:
        return await read_body(content, encoding, limit, 5.0, take)


@settings(max_examples=30)
@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=5), st.sampled_from(("", "gzip")))
async def test_a_body_is_the_same_however_it_is_cut(data: bytes, cuts: list[int], encoding: str) -> None:
    sent = compressed(data) if encoding else data
    places = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    parts = [sent[start:end] for start, end in pairwise(places) if start < end]
    assert await body_of(parts, encoding) == data


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=300), st.data())
async def test_gzip_that_is_damaged_is_refused_or_gives_what_was_meant(
    data: bytes, draw: st.DataObject
) -> None:
    sent = bytearray(compressed(data))
    place = draw.draw(st.integers(0, len(sent) - 1))
    sent[place] ^= draw.draw(st.integers(1, 255))
    with contextlib.suppress(RefusalError):
        # A bit that says nothing, such as one of the time, changes nothing.
        assert await body_of([bytes(sent)], "gzip") == data


async def test_of_a_bomb_no_more_is_made_than_is_looked_at(tmp_path: Path) -> None:
    bomb = compressed(b"\0" * (8 << 20))
    async with serving(tmp_path, EVENTS, top=SMALL) as served:
        assert len(bomb) < 1 << 14
        answer = await served.post("/eventbridge", bomb[:4000], {**SENT, "Content-Encoding": "gzip"})
        assert answer.status == 413
        assert served.port.waiting.bytes == 0
    for broken in (compressed(b"{}")[:-3], compressed(b"{}") + b"x", b"no gzip", zlib.compress(b"{}")):
        with pytest.raises(RefusalError):
            await body_of([broken], "gzip")


async def test_who_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, EVENTS, top=SMALL) as served:
        for path, body, headers, method, status in (
            ("/", b"{}", SENT, "POST", 404),
            ("/eventbridge2", b"{}", SENT, "POST", 404),
            ("/%65ventbridge", b"{}", SENT, "POST", 404),
            ("/../eventbridge", b"{}", SENT, "POST", 404),
            ("/eventbridge/..%2f..%2fetc", b"{}", BEARER, "POST", 415),
            ("/eventbridge", b"{}", SENT, "GET", 405),
            ("/eventbridge", b"{}", SENT, "OPTIONS", 405),
            ("/eventbridge", b"{}", JSON, "POST", 401),
            ("/eventbridge", b"{}", {**SENT, "Content-Encoding": "br"}, "POST", 415),
            ("/eventbridge", b"x" * 5000, SENT, "POST", 413),
            ("/eventbridge", b'{"id": ', SENT, "POST", 400),
            ("/eventbridge", b'{"id": 7}', SENT, "POST", 400),
            ("/eventbridge", b"[" * 4000, SENT, "POST", 400),
            ("/eventbridge", b"7", SENT, "POST", 400),
        ):
            # aiohttp's client would tidy the path: what is asked for is written as it is.
            got = await raw(served, method, path, body, headers)
            assert got.startswith(f"HTTP/1.1 {status} ".encode()), (path, method, got)
        assert served.lines("eventbridge") == []
        assert (await served.post("/eventbridge", b'{"id": "1"}', SENT)).status == 200
        assert served.lines("eventbridge") == ['{"id": "1"}']


async def raw(served: Served, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port.address.port)
    lines = [f"{name}: {text}" for name, text in {**headers, "Content-Length": str(len(body))}.items()]
    writer.write("\r\n".join([f"{method} {path} HTTP/1.1", "Host: here", *lines, "", ""]).encode() + body)
    answer = await reader.read(1 << 12)
    writer.close()
    return answer


async def test_a_slow_body_is_not_waited_for(tmp_path: Path) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b'{"id":'
        await asyncio.sleep(3)

    async with serving(tmp_path, EVENTS, top=SMALL) as served:
        assert (await served.post("/eventbridge", slow(), SENT)).status == 408
        assert served.refusals == ["slow-body"]


async def test_a_chunked_body_has_the_same_limits(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 1000

    async with serving(tmp_path, EVENTS, top=SMALL) as served:
        assert (await served.post("/eventbridge", endless(), SENT)).status == 413


async def test_a_long_body_after_a_long_head_is_no_head(tmp_path: Path) -> None:
    """Bytes of a body that come before its request is begun do not count as those of a head."""
    body = json.dumps({"id": "1", "detail": "x" * (300 << 10)}).encode()
    async with serving(tmp_path, EVENTS) as served:
        for _ in range(3):
            assert (await served.post("/eventbridge", body, SENT)).status == 200
        assert served.cut == []


class StuckSink:
    """A sink that never has anything safe, or always fails."""

    record_bytes = 1 << 20
    binary = True
    problem: str | None = None

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.got: list[Written] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def write(self, records: Sequence[Written]) -> None:
        self.got += records
        if self.fails:
            raise RetryError("no")
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


async def test_what_is_not_written_is_not_acknowledged(tmp_path: Path) -> None:
    for fails in (True, False):
        sink = StuckSink(fails=fails)
        async with serving(tmp_path, EVENTS, top="write_timeout = '1s'", sink=sink) as served:
            answer = await served.post("/eventbridge", b'{"id": "1"}', SENT)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
            assert served.refusals == ["unwritten"]
            assert served.port.waiting.bytes == 0


async def test_what_waits_is_bounded_for_each_source_and_in_all(tmp_path: Path) -> None:
    body = json.dumps({"id": "1", "detail": "x" * 400_000}).encode()
    tables = [source(name, type="eventbridge", topic="t") for name in ("a", "b", "c")]
    top = "write_timeout = '2s'\nwaiting_bytes = 1048576"
    async with serving(tmp_path, *tables, top=top, sink=StuckSink()) as served:
        first = asyncio.create_task(served.post("/a", body, SENT))
        while served.port.waiting.bytes < len(body) and not first.done():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        assert (await served.post("/a", body, SENT)).status == 429
        second = asyncio.create_task(served.post("/b", body, SENT))
        while served.port.waiting.bytes < 2 * len(body) and not second.done():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        assert (await served.post("/c", body, SENT)).status == 503
        assert [(await first).status, (await second).status] == [503, 503]
        assert served.port.waiting.bytes == 0


async def test_no_sender_sets_the_headers_of_a_record(tmp_path: Path) -> None:
    sink = StuckSink(fails=True)
    async with serving(tmp_path, source("cloudevents"), sink=sink) as served:
        event = {"ce-id": "1%0d%0a", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
        forged = {"curfewd-source": "other", "curfewd-delivery": "other", "ce-curfewdsource": "other"}
        await served.post("/cloudevents", b"{}", {**BEARER, **event, **forged})
    (record,) = sink.got
    names = [name for name, _ in record.headers]
    assert len(names) == len(set(names))
    assert dict(record.headers)["curfewd-source"] == b"cloudevents"
    assert dict(record.headers)["ce_id"] == b"1\r\n"
    assert b"\r" not in (record.key or b"\r")


async def test_many_connections_leave_it_as_it_was(tmp_path: Path) -> None:
    top = "connections = 20\nconnections_per_client = 10"
    async with serving(tmp_path, EVENTS, top=top) as served:
        opened = [await asyncio.open_connection("127.0.0.1", served.port.address.port) for _ in range(40)]
        assert (await served.post("/eventbridge", b'{"id": "1"}', SENT)).status == 200
        assert served.port.connections <= 10
        assert {cut.reason for cut in served.cut} == {"share"}
        for _, writer in opened:
            writer.close()


async def test_nothing_is_left_of_a_line_that_a_kill_cut(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "eventbridge.jsonl").write_bytes(b'{"id": "0"}\n{"id": "cu')
    async with serving(tmp_path, EVENTS) as served:
        assert (await served.post("/eventbridge", b'{"id": "1"}', SENT)).status == 200
        assert served.lines("eventbridge") == ['{"id": "0"}', '{"id": "cu', '{"id": "1"}']


async def test_a_full_disk_acknowledges_nothing_and_leaves_no_half_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    sink = FileSink(out, ["full"])
    async with serving(tmp_path, source("eventbridge", topic="full"), sink=sink) as served:
        (handle,) = sink._files.values()
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, handle)
        os.close(full)
        assert (await served.post("/eventbridge", b'{"id": "1"}', SENT)).status == 503
        assert served.lines("full") == []
