"""The service's own port: what it answers, and what it does with those who do not behave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from detector.configuration.service_settings import Address
from detector.service.http import server as port
from detector.service.http.server import Answer, HttpServer, Request, line, probe_answer
from detector.values.errors import UsageError
from tests.ingest.streams import PATIENCE_SECONDS, until

ANY_PORT = Address("127.0.0.1", 0)


def broken(_request: Request) -> Answer:
    raise RuntimeError("made-up secret text")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    pages = {
        "/metrics": lambda request: Answer(200, request.headers["accept"].encode()),
        "/healthz": lambda _: probe_answer(None),
        "/readyz": lambda _: probe_answer("scan: 3 partitions are not restored"),
        "/broken": broken,
    }
    async with HttpServer(ANY_PORT, pages) as serving:
        yield serving


async def asked(server: HttpServer, request: bytes) -> bytes:
    """All that is sent until the server closes."""
    reader, writer = await asyncio.open_connection(server.address.host, server.address.port)
    writer.write(request)
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
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(port, "READ_SECONDS", 0.05)
    answer = await asked(server, request_)
    assert answer.startswith(b"HTTP/1.1 200 ") == request_.endswith(b"Host: here\r\n\r\n")


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "WRITE_SECONDS", 0.2)
    large = Answer(200, b"x" * (64 << 20))
    async with HttpServer(
        ANY_PORT, {"/large": lambda _: large, "/healthz": lambda _: line(200, "ok")}
    ) as server:
        reader, writer = await asyncio.open_connection(server.address.host, server.address.port, limit=1024)
        writer.write(get("/large"))

        async def cut() -> bool:
            return server.connections == 0

        await until(cut, "the end of the connection")
        with contextlib.suppress(ConnectionError):
            assert len(await reader.read(-1)) < len(large.body)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_many_at_once_are_turned_away(server: HttpServer) -> None:
    sleepers = [
        await asyncio.open_connection(server.address.host, server.address.port)
        for _ in range(port.CONNECTIONS)
    ]
    try:
        with contextlib.suppress(ConnectionError):
            assert await asked(server, get("/healthz")) == b""
    finally:
        for _, writer in sleepers:
            writer.close()
            await writer.wait_closed()


async def test_an_address_in_use_is_a_usage_error(server: HttpServer) -> None:
    with pytest.raises(UsageError, match=r"service\.listen: cannot listen on 127\.0\.0\.1:\d+: .*in use"):
        await HttpServer(server.address, {}).open()
