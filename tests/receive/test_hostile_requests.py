"""Requests that can be read in two ways, never end, or break a reader: what each gets, and that nothing is written."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import msgspec
import pytest

from tests.receive.serving import BEARER, JSON, SECRET, Served, serving, source

EVENTS = source("eventbridge")
TOP = "body_bytes = 4096\nbody_timeout = '1s'"
SECOND = (
    f"POST /eventbridge HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {SECRET}\r\n"
    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)


async def sent(served: Served, *parts: bytes, pause: float = 0.0) -> bytes:
    """Everything that is answered until the connection ends, as it has to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port.address.port)
    answer = bytearray()

    async def receive() -> None:
        while more := await reader.read(1 << 12):
            answer.extend(more)

    # While it sends: what was answered is lost once the port resets the connection of somebody who goes on.
    receiving = asyncio.create_task(receive())
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause)
            async with asyncio.timeout(30):
                await receiving
    finally:
        receiving.cancel()
        writer.close()
    return bytes(answer)


def request(*headers: str, body: str = "") -> bytes:
    shown = [f"Authorization: Bearer {SECRET}", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join(["POST /eventbridge HTTP/1.1", "Host: here", *shown, *headers, "", body]).encode()


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 0", f"Content-Length: {len(SECOND)}"),
        ("Content-Length: 5, 5",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: -1",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding: \x0bchunked",),
        ("X: 1\nTransfer-Encoding: chunked",),
        ("X: 1\rContent-Length: 5",),
        (" Content-Length: 5",),
    ],
    ids=ascii,
)
async def test_a_request_has_one_length_or_is_refused_with_all_that_follows(
    tmp_path: Path, headers: tuple[str, ...]
) -> None:
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        first = request(*headers, body=f"0\r\n\r\n{SECOND}").replace(b"Connection: close\r\n", b"")
        answer = await sent(served, first)
        assert answer.startswith(b"HTTP/1.0 400 ")
        assert answer.count(b"HTTP/1.") == 1  # the second was not read as a request
        assert served.lines("eventbridge") == []


@pytest.mark.parametrize(
    "chunks",
    [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}X0\r\n\r\n",
        "fffffffffffffffff\r\n{}",
        "2;" + "x" * 9000,
    ],
    ids=["size", "negative", "end", "overflow", "extension"],
)
async def test_chunks_that_are_none_are_refused(tmp_path: Path, chunks: str) -> None:
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        answer = await sent(served, request("Transfer-Encoding: chunked", body=chunks))
        assert answer.split(b" ")[1] in {b"400", b"408", b"413"}
        assert served.lines("eventbridge") == []


async def test_a_chunked_body_without_end_is_cut_off_in_time(tmp_path: Path) -> None:
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        chunks = [b"1\r\n \r\n"] * 30
        began = time.monotonic()
        answer = await sent(served, request("Transfer-Encoding: chunked"), *chunks, pause=0.05)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 10
        assert served.port.waiting.bytes == 0


async def test_a_head_that_drips_is_cut_off_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        served.port.limits = msgspec.structs.replace(served.port.limits, idle_seconds=0.5)
        drips = [bytes([each]) for each in b"POST /eventbridge HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyyyyyyyyy"]
        slow = [asyncio.create_task(sent(served, *drips, pause=0.05)) for _ in range(5)]
        assert (await served.post("/eventbridge", b"{}", {**BEARER, **JSON})).status == 200
        assert await asyncio.gather(*slow) == [b""] * 5
        assert {cut.reason for cut in served.cut} == {"slow-request"}


@pytest.mark.parametrize(
    "head",
    [
        "X: " + "y" * 9000,
        "\r\n".join(f"X-{number}: y" for number in range(100)),
        "X" * 9000 + ": y",
        "X: y\0",
        "X: é\0",
    ],
    ids=["value", "number", "name", "zero", "bytes"],
)
async def test_a_head_that_is_too_large_or_odd_is_refused(tmp_path: Path, head: str) -> None:
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        answer = await sent(served, request(head, "Content-Length: 2", body="{}"))
        assert answer.split(b" ")[1] in {b"400", b"431"}
        assert served.lines("eventbridge") == []


@pytest.mark.parametrize(
    "target",
    [
        "http://here/eventbridge",
        "//eventbridge",
        "/eventbridge/../github",
        "/EVENTBRIDGE",
        "/eventbridge%00",
        "*",
        "/" + "a" * 8000,
    ],
    ids=["absolute", "host", "dots", "case", "zero", "star", "long"],
)
async def test_a_path_is_the_name_of_a_source_as_it_is(tmp_path: Path, target: str) -> None:
    async with serving(tmp_path, EVENTS, source("github"), top=TOP) as served:
        answer = await sent(
            served, request("Content-Length: 2", body="{}").replace(b"/eventbridge", target.encode(), 1)
        )
        expected = {b"200"} if target == "/eventbridge/../github" else {b"400", b"404", b"431"}
        assert answer.split(b" ")[1] in expected
        assert served.lines("github") == []
        assert len(served.lines("eventbridge")) == (b"200" in expected)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "\xff"}',
        b'\xef\xbb\xbf{"id": "1"}',
        b'{"id": "1"}\0',
        b'{"id": "1"}{"id": "2"}',
        b'{"a":' * 400 + b"1" + b"}" * 400,
        b'{"id": "1", "detail": ' + b"[" * 3900,
    ],
    ids=["invalid", "mark", "zero", "two", "deep", "deeper"],
)
async def test_what_is_no_json_is_refused_and_deep_json_ends_nothing(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        status = (await served.post("/eventbridge", body, {**BEARER, **JSON})).status
        deep = body.endswith(b"}" * 400)
        assert status == (200 if deep else 400)
        assert len(served.lines("eventbridge")) == deep
        assert (await served.post("/eventbridge", b'{"id": "2"}', {**BEARER, **JSON})).status == 200
        assert all(json.loads(line) for line in served.lines("eventbridge"))


async def test_a_text_that_nobody_reads_here_is_written_as_it_came(tmp_path: Path) -> None:
    """Else whoever gets a wrong byte into one field of a batch would have all of it refused, and so hidden."""
    body = b'{"id": "1", "detail": "\xed\xa0\x80"}'
    async with serving(tmp_path, EVENTS, top=TOP) as served:
        assert (await served.post("/eventbridge", body, {**BEARER, **JSON})).status == 200
        assert (served.out / "eventbridge.jsonl").read_bytes() == body + b"\n"
