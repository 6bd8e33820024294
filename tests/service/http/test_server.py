"""The service's own port: what it answers, and what it does with those who do not behave."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from detector.configuration.service_settings import Address
from detector.service.http import server as port
from detector.service.http.connection_limits import Limits, Refused
from detector.service.http.server import Answer, HttpServer, Request, line, probe_answer
from detector.values.errors import UsageError
from tests.ingest.streams import PATIENCE_SECONDS, until

ANY_PORT = Address("127.0.0.1", 0)


def broken(_request: Request) -> Answer:
    raise RuntimeError("made-up secret text")


@pytest.fixture
def refused() -> list[Refused]:
    """What the server refused."""
    return []


@pytest.fixture
async def server(refused: list[Refused]) -> AsyncIterator[HttpServer]:
    pages = {
        "/metrics": lambda request: Answer(200, request.headers["accept"].encode()),
        "/healthz": lambda _: probe_answer(None),
        "/readyz": lambda _: probe_answer("scan: 3 partitions are not restored"),
        "/broken": broken,
    }
    async with HttpServer(ANY_PORT, pages, observe=refused.append) as serving:
        yield serving


async def connected(
    server: HttpServer, address: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection from an address of loopback."""
    return await asyncio.open_connection(
        server.address.host, server.address.port, local_addr=(address, 0), limit=1 << 20
    )


async def asked(server: HttpServer, request: bytes, address: str = "127.0.0.1") -> bytes:
    """All that is sent until the server closes. The request is there before the server accepts the connection."""
    connection = socket.create_connection(
        (server.address.host, server.address.port), source_address=(address, 0)
    )
    connection.setblocking(False)
    sent = connection.send(request) if request else 0
    reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 20)
    writer.write(request[sent:])
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def get(path: str, headers: str = "Connection: close\r\n") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_a_connection_serves_one_request_after_the_other(server: HttpServer) -> None:
    reader, writer = await asyncio.open_connection(server.address.host, server.address.port)
    for _ in range(3):
        writer.write(get("/healthz", ""))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length: 3\r\n" in head
        assert await reader.readexactly(3) == b"ok\n"
    writer.write(get("/healthz"))
    assert (await reader.read()).endswith(b"\r\n\r\nok\n")
    writer.close()
    await writer.wait_closed()


async def test_an_answer_is_kept_by_nobody_and_does_not_say_what_serves_it(server: HttpServer) -> None:
    for request in (get("/healthz"), get("/nothing"), b"nonsense\r\n\r\n"):
        answer = await asked(server, request)
        assert b"Cache-Control: no-store\r\n" in answer
        assert b"X-Content-Type-Options: nosniff\r\n" in answer
        assert b"aiohttp" not in answer


async def test_says_in_a_line_why_it_is_not_ready(server: HttpServer) -> None:
    answer = await asked(server, get("/readyz?verbose"))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\n\r\nscan: 3 partitions are not restored\n")


async def test_a_page_is_told_what_is_accepted(server: HttpServer) -> None:
    answer = await asked(server, get("/metrics", "Connection: close\r\naccept: a/b\r\nACCEPT: c/d\r\n"))
    assert answer.endswith(b"\r\n\r\na/b, c/d")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 50000\r\n\r\nhello", 405),
        (get("/etc/passwd"), 404),
        (get("http://elsewhere/metrics"), 404),
        (b"GET /metrics HTTP/2.0\r\nHost: here\r\n\r\n", 505),
        (b"GET /metrics\r\n\r\n", 505),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET /" + b"a" * 100_000, 431),
        (get("/", f"X: {'a' * 9000}\r\n"), 431),
        (get("/", "X: a\r\n" * 1000), 400),
        (get("/broken"), 500),
    ],
)
async def test_whatever_is_wrong_is_answered(server: HttpServer, request_: bytes, status: int) -> None:
    answer = await asked(server, request_)
    assert status_of(answer) == status
    assert b"made-up secret" not in answer
    assert (await asked(server, get("/healthz"))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("request_", [b"", b"GET /metr", b"\r\n\r\n", get("/healthz", "")])
async def test_who_says_nothing_is_not_waited_for(
    server: HttpServer, refused: list[Refused], monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(port, "READ_SECONDS", 0.05)
    answer = await asked(server, request_)
    whole = request_.endswith(b"Host: here\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ") == whole
    assert refused == ([] if whole else [Refused("slow-request", "127.0.0.1")])


async def test_who_writes_byte_by_byte_is_not_waited_for(
    server: HttpServer, refused: list[Refused], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not on a connection that has served a request."""
    monkeypatch.setattr(port, "READ_SECONDS", 1.0)
    reader, writer = await connected(server)
    writer.write(get("/healthz", ""))
    assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 ")
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            for byte in b"GET /" + b"a" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
                if refused:
                    break
    assert refused == [Refused("slow-request", "127.0.0.1")]
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_who_leaves_in_time_is_not_counted(
    server: HttpServer, refused: list[Refused], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "READ_SECONDS", 1.0)
    for begun in (b"", b"GET /metr"):
        _, writer = await connected(server)
        writer.write(begun)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(1.2)
    assert server.connections == 0
    assert refused == []


async def test_who_does_not_read_is_cut_off(refused: list[Refused], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "WRITE_SECONDS", 0.2)
    large = Answer(200, b"x" * (64 << 20))
    pages = {"/large": lambda _: large, "/healthz": lambda _: line(200, "ok")}
    async with HttpServer(ANY_PORT, pages, observe=refused.append) as server:
        reader, writer = await asyncio.open_connection(server.address.host, server.address.port, limit=1024)
        writer.write(get("/large"))

        async def cut() -> bool:
            return server.connections == 0 and bool(refused)

        await until(cut, "the end of the connection")
        assert refused == [Refused("slow-reader", "127.0.0.1")]
        with contextlib.suppress(ConnectionError):
            assert len(await reader.read(-1)) < len(large.body)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_head_without_end_is_cut_off(server: HttpServer, refused: list[Refused]) -> None:
    """Each header is short, and there are few; what is kept of them is bounded all the same."""
    reader, writer = await connected(server)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n")
    for number in range(8):
        writer.write(b"X-%d: %s\r\n" % (number, b"a" * 8000))
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.read() == b""
    assert refused == [Refused("too-long", "127.0.0.1")]
    writer.close()


async def test_a_head_that_is_too_long_is_cut_off_though_it_comes_whole(
    server: HttpServer, refused: list[Refused]
) -> None:
    headers = "".join(f"X-{number}: {'a' * 900}\r\n" for number in range(60))
    with contextlib.suppress(ConnectionError):
        assert await asked(server, get("/healthz", headers)) == b""
    assert refused == [Refused("too-long", "127.0.0.1")]


async def test_a_body_that_comes_with_its_head_is_not_of_the_head(
    server: HttpServer, refused: list[Refused]
) -> None:
    body = b"x" * (3 * port.HEAD_BYTES)
    head = f"POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert b" 405 " in await asked(server, head + body)
    assert Refused("too-long", "127.0.0.1") not in refused


async def test_a_body_does_not_count_as_the_next_head(server: HttpServer, refused: list[Refused]) -> None:
    size = 4 * port.HEAD_BYTES
    head = f"POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: {size}\r\n\r\n".encode()
    reader, writer = await connected(server)
    writer.write(head)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
    writer.write(b"x" * size)
    assert b"GET only" in await reader.readuntil(b"GET only\n")
    writer.write(get("/healthz"))
    assert (await reader.read()).endswith(b"ok\n")
    assert refused == [Refused("unread-body", "127.0.0.1")]
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_does_not_come_is_not_waited_for(
    server: HttpServer, refused: list[Refused], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "BODY_SECONDS", 0.05)
    answer = await asked(server, b"GET /healthz HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert refused == [Refused("unread-body", "127.0.0.1")]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\r\n\r\n", "malformed"),
        (get("/", "X: a\r\n" * 1000), "malformed"),
        (b"GET /" + b"a" * 100_000, "too-long"),
    ],
)
async def test_what_is_no_request_is_counted(
    server: HttpServer, refused: list[Refused], request_: bytes, reason: str
) -> None:
    await asked(server, request_)
    assert [each.reason for each in refused] == [reason]


async def test_a_connection_ends_after_many_requests(server: HttpServer) -> None:
    answers = await asked(server, get("/healthz", "") * (port.REQUESTS + 50))
    assert answers.count(b"HTTP/1.1 200 ") == port.REQUESTS


async def test_requests_sent_at_once_leave_others_their_turn() -> None:
    """A hundred requests in one packet hold up the rest of the process by one page each, and not by a hundred.

    From Python 3.12 on aiohttp answers as many in one turn of the event loop as the kernel takes answers.
    """
    turns, answered_in = 0, list[int]()

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def page(_: Request) -> Answer:
        answered_in.append(turns)
        return line(200, "ok")

    async with HttpServer(ANY_PORT, {"/page": page}) as server, asyncio.TaskGroup() as others:
        counting = others.create_task(count_turns())
        await asked(server, get("/page", "") * port.REQUESTS)
        counting.cancel()
    assert len(answered_in) == port.REQUESTS
    assert len(set(answered_in)) == port.REQUESTS


async def test_a_client_that_opens_too_many_cuts_off_its_own(
    server: HttpServer, refused: list[Refused]
) -> None:
    """Who shares the address is answered all the same: what has waited longest goes."""
    sleepers = [await connected(server) for _ in range(3 * port.LIMITS.share)]
    try:
        for _ in range(10):
            assert (await asked(server, get("/healthz"))).startswith(b"HTTP/1.1 200 ")
        assert server.connections <= port.LIMITS.share
        assert {each.reason for each in refused} == {"share"}
        assert len(refused) == 2 * port.LIMITS.share + 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                assert await sleepers[0][0].read() == b""
    finally:
        for _, writer in sleepers:
            writer.close()


async def test_many_clients_do_not_keep_others_out(refused: list[Refused]) -> None:
    """One that holds one connection is not cut off for those that hold more."""
    pages = {"/healthz": lambda _: probe_answer(None)}
    limits = Limits(connections=20, share=5)
    async with HttpServer(ANY_PORT, pages, limits=limits, observe=refused.append) as server:
        reader, writer = await connected(server, "127.9.9.9")
        writer.write(get("/healthz", ""))
        await reader.readuntil(b"ok\n")
        sleepers = [await connected(server, f"127.0.1.{number % 6 + 1}") for number in range(100)]
        assert server.connections == limits.connections
        assert {each.reason for each in refused} == {"full"}
        writer.write(get("/healthz"))
        assert (await reader.read()).endswith(b"ok\n")
        for _, other in (*sleepers, (reader, writer)):
            other.close()


async def test_an_address_in_use_is_a_usage_error(server: HttpServer) -> None:
    with pytest.raises(UsageError, match=r"service\.probes: cannot listen on 127\.0\.0\.1:\d+: .*in use"):
        await HttpServer(server.address, {}, setting="service.probes").open()
    with pytest.raises(UsageError, match=r"service\.listen: cannot listen on 127\.0\.0\.1:\d+: .*in use"):
        await HttpServer(server.address, {}).open()
