"""The service's own port: what it answers, and what it does with those who do not behave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from detector.configuration.service_settings import Address
from detector.service.http import server as health
from detector.service.http.server import Answer, HealthServer, Request, verdict
from detector.values.errors import UsageError

ANY_PORT = Address("127.0.0.1", 0)


def broken(_request: Request) -> Answer:
    raise RuntimeError("made-up secret text")


@pytest.fixture
async def server() -> AsyncIterator[HealthServer]:
    pages = {
        "/metrics": lambda request: Answer(200, request.headers["accept"].encode()),
        "/healthz": lambda _: verdict(None),
        "/readyz": lambda _: verdict("scan: 3 partitions are not restored"),
        "/broken": broken,
    }
    async with HealthServer(ANY_PORT, pages) as serving:
        yield serving


async def asked(server: HealthServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.address.host, server.address.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode()


async def test_answers_and_closes(server: HealthServer) -> None:
    answer = await asked(server, get("/healthz"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nok\n")


async def test_says_in_a_line_why_it_is_not_ready(server: HealthServer) -> None:
    answer = await asked(server, get("/readyz?verbose"))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\n\r\nscan: 3 partitions are not restored\n")


async def test_a_page_is_told_what_is_accepted(server: HealthServer) -> None:
    answer = await asked(server, get("/metrics", "accept: a/b\r\nACCEPT: c/d\r\n"))
    assert answer.endswith(b"\r\n\r\na/b, c/d")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"GET /etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 505),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /broken HTTP/1.1\r\n\r\n", 500),
    ],
)
async def test_whatever_is_wrong_is_answered(server: HealthServer, request_: bytes, status: int) -> None:
    answer = await asked(server, request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"made-up secret" not in answer
    assert (await asked(server, get("/healthz"))).startswith(b"HTTP/1.1 200 ")


async def test_who_says_nothing_is_not_waited_for(
    server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READ_SECONDS", 0.01)
    assert (await asked(server, b"GET /metr")).startswith(b"HTTP/1.1 408 ")


async def test_many_at_once_are_turned_away(server: HealthServer) -> None:
    sleepers = [
        await asyncio.open_connection(server.address.host, server.address.port)
        for _ in range(health.CONNECTIONS)
    ]
    try:
        with contextlib.suppress(ConnectionError):
            assert await asked(server, get("/healthz")) == b""
    finally:
        for _, writer in sleepers:
            writer.close()
            await writer.wait_closed()


async def test_an_address_in_use_is_a_usage_error(server: HealthServer) -> None:
    with pytest.raises(UsageError, match=r"service\.listen: cannot listen on 127\.0\.0\.1:\d+: .*in use"):
        await HealthServer(server.address, {}).open()
