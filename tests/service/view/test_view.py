"""The live view behind its page: who gets what, how it streams, and what those who do not behave can do to it."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from detector.configuration.settings import problems
from detector.judge.joins import JoinCounts
from detector.kafka.handlers import Output, Partition
from detector.service.http import server as health
from detector.service.observability.measuring import HandlerThroughput
from detector.service.view.access import Access
from detector.service.view.recent import Recent
from detector.service.view.view import BATCH, READERS
from detector.values.findings import USE_AFTER_TERMINATION, FindingChange
from detector.values.secrets import Secret
from tests.ingest.streams import PATIENCE_SECONDS, until
from tests.outputs.finding_samples import finding
from tests.service.view.view_port import (
    COMMAND,
    LOCAL,
    SHOWN,
    TOKEN,
    Client,
    Served,
    numbered,
    served_from,
    serving,
    settings_of,
)

# Who may see it


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9464", "localhost", "LOCALHOST:1", "[::1]:9464", "127.0.0.2"],
)
def test_by_a_loopback_name_it_is_open_to_this_machine(host: str) -> None:
    assert Access(None, local=True).refuse({"host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:9464",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "localhost.evil",
        "[::1",
        "127.0.0.1, evil",
        "user@evil",
    ],
)
def test_a_name_that_somebody_made_point_here_is_refused_with_the_page_too(host: str) -> None:
    access = Access(None, local=True)
    for refused in (access.refuse({"host": host}), access.refuse_foreign_host({"host": host})):
        assert refused is not None
        assert refused.status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_from_elsewhere_gets_nothing(site: str) -> None:
    for access, headers in (
        (Access(None, local=True), LOCAL),
        (Access(Secret(TOKEN.encode()), local=False), SHOWN),
    ):
        assert access.refuse({**headers, "sec-fetch-site": "same-origin"}) is None
        refused = access.refuse({**headers, "sec-fetch-site": site})
        assert refused is not None
        assert refused.status == 403


@pytest.mark.parametrize(
    "shown",
    [
        "",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer  {TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer \xff\u20ac",
    ],
)
def test_without_the_whole_token_nothing_is_shown(shown: str) -> None:
    refused = Access(Secret(TOKEN.encode()), local=False).refuse(
        {"host": "any.example", "authorization": shown}
    )
    assert refused is not None
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert Access(Secret(TOKEN.encode()), local=False).refuse({"authorization": f"bearer {TOKEN}"}) is None


# The settings


def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    assert not settings_of(tmp_path, "").service.view


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "10.1.2.3:9464", "curfewd.example:9464"])
def test_beyond_loopback_it_needs_a_token(tmp_path: Path, listen: str) -> None:
    beyond = f'view = true\nlisten = "{listen}"'
    open_to_all = settings_of(tmp_path, beyond)
    (problem,) = problems(str(tmp_path / "curfewd.toml"), {})
    assert problem.line == 4
    assert "can be reached from elsewhere: set view_token_file or CURFEWD_VIEW_TOKEN" in str(problem)
    with pytest.raises(type(problem)):
        open_to_all.live()  # so `run` does not start; a replay has no port and goes on
    kept = settings_of(tmp_path, beyond, {"CURFEWD_VIEW_TOKEN": TOKEN})
    kept.live()
    assert kept.service.view_token == Secret(TOKEN.encode())
    assert "in the clear" in kept.service.warnings[0]


@pytest.mark.parametrize("token", ["", "short", "has spaces in it, alas", "füllt-eine-ganze-zeile"])
def test_a_token_that_is_none_is_refused_without_being_shown(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    settings_of(tmp_path, 'view = true\nview_token_file = "token"')
    (problem,) = problems(str(tmp_path / "curfewd.toml"), {})
    assert problem.line == 5
    assert not token or token not in str(problem)


def test_a_token_in_a_file_wins_and_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    service = settings_of(
        tmp_path, 'view = true\nview_token_file = "token"', {"CURFEWD_VIEW_TOKEN": "x" * 40}
    ).service
    assert service.view_token == Secret(TOKEN.encode())
    assert TOKEN not in repr(service)


# What is kept


def kept(recent: Recent, after: int = 0, most: int = 1000) -> tuple[list[bytes], bool]:
    entries, missed = recent.after(after, most)
    return [entry.fact for entry in entries], missed


def test_of_a_finding_the_last_record_stands_and_the_oldest_go_first() -> None:
    recent = Recent(str, most=3)
    for number in (1, 2, 1, 3):
        recent.add("finding", number, b"%d" % recent.last, 1)
    assert kept(recent) == ([b"1", b"2", b"3"], False)
    assert kept(recent, after=3) == ([b"3"], False)
    recent.add("finding", 9, b"new", 3)
    assert kept(recent) == ([b"2", b"3", b"new"], True)
    assert kept(recent, after=1) == ([b"2", b"3", b"new"], True)
    assert kept(recent, after=2) == ([b"2", b"3", b"new"], False)
    assert kept(recent, most=1) == ([b"new"], True)


def test_it_is_bounded_in_bytes_too() -> None:
    recent = Recent(str, most_bytes=100)
    for number in range(50):
        recent.add("finding", number, b"x" * 30, 30)
    assert len(kept(recent)[0]) == 3
    recent.add("finding", "huge", b"x" * 101, 101)
    assert kept(recent)[0] == []


# The port


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with served_from(tmp_path) as served:
        yield served


async def test_what_is_committed_comes_at_once_and_in_order(served: Served) -> None:
    served.commit(numbered(1))
    client = await served.connect()
    assert "text/event-stream" in client.head
    assert (await client.event())[0] == "hello"
    assert (await client.event())[1]["uid"].endswith("01")
    served.commit(numbered(2), COMMAND)
    kinds = [await client.event(), await client.event()]
    assert [kind for kind, _ in kinds] == ["finding", "command"]
    await client.close()


async def test_a_reader_that_comes_back_gets_what_it_missed(served: Served) -> None:
    served.commit(numbered(1), numbered(2))
    first = await served.connect()
    for _ in range(3):
        await first.event()
    await first.close()
    served.commit(numbered(3))
    again = await served.connect(**{"last-event-id": first.last})
    assert (await again.event())[0] == "hello"
    assert (await again.event())[1]["uid"].endswith("03")
    await again.close()


@pytest.mark.parametrize("place", ["deadbeef.7", "nonsense", "deadbeef.", "." * 100])
async def test_a_reader_of_another_process_is_told_that_something_is_missing(
    served: Served, place: str
) -> None:
    served.commit(numbered(1))
    client = await served.connect(**{"last-event-id": place})
    assert [(await client.event())[0] for _ in range(3)] == ["hello", "resync", "finding"]
    await client.close()


async def test_a_flood_is_cut_to_what_a_page_can_show(served: Served) -> None:
    client = await served.connect()
    await client.event()
    for number in range(5 * BATCH):
        served.commit(numbered(number))
    served.commit(COMMAND)
    found = [await client.event() for _ in range(BATCH + 1)]
    assert found[0] == ("resync", "behind")
    assert found[-1][0] == "command"
    assert found[-2][1]["uid"].endswith(f"{5 * BATCH - 1:04}")
    await client.close()


async def test_now_says_how_it_stands(served: Served) -> None:
    client = await served.connect()
    now = await client.now()
    assert now["ready"] == "starting"
    assert now["judged"]["here"] == []
    assert now["stages"] == []
    assert now["joins"] == []
    assert abs(now["at"] - time.time() * 1000) < 10_000
    await client.close()


async def test_now_says_what_could_not_be_judged(served: Served) -> None:
    served.known(JoinCounts({"vault": {"ended": 3, "unreported": 2}, "aws.cloudtrail": {"no-candidate": 4}}))
    client = await served.connect()
    joins = (await client.now())["joins"]
    assert [(one["source"], one["join"], one["judged"], one["credentials"]) for one in joins] == [
        ("aws.cloudtrail", "no-candidate", False, 4),
        ("vault", "unreported", False, 2),
        ("vault", "ended", True, 3),
    ]
    assert joins[1]["means"] == "nothing reported the start or end of its task"
    await client.close()


async def test_a_task_of_a_partition_that_is_not_here_is_said_to_be_elsewhere(served: Served) -> None:
    client = await Client.to(served.server.address, "/view/task?id=a%20task", LOCAL)
    found = json.loads(await client.reader.read())
    assert found["found"] == "elsewhere"
    assert found["here"] == []
    assert 0 <= found["partition"] < found["of"]
    await client.close()


@pytest.mark.parametrize("target", ["/view/task", "/view/task?id=a&id=b", "/view/task?id=" + "a" * 2000])
async def test_a_question_for_no_task_is_answered(served: Served, target: str) -> None:
    client = await Client.to(served.server.address, target, LOCAL)
    assert client.head.startswith("HTTP/1.1 400 ")
    await client.close()


async def test_the_page_needs_no_token_and_holds_nothing_and_everything_else_does(tmp_path: Path) -> None:
    view, server = serving(settings_of(tmp_path, environ={"CURFEWD_VIEW_TOKEN": TOKEN}))
    view.observe(HandlerThroughput(Partition("work", 0), 0, 0, None, (), 0.0))
    async with server:
        page = await Client.to(server.address, "/view", LOCAL)
        assert page.head.startswith("HTTP/1.1 200 ")
        for header in (
            "Content-Security-Policy: default-src 'none'; ",
            "frame-ancestors 'none'",
            "X-Frame-Options: DENY",
            "Referrer-Policy: no-referrer",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
        ):
            assert header in page.head
        assert "unsafe" not in page.head
        for target in ("/view/events", "/view/task?id=a"):
            refused = await Client.to(server.address, target, LOCAL)
            assert refused.head.startswith("HTTP/1.1 401 ")
            allowed = await Client.to(server.address, target, {**LOCAL, **SHOWN})
            assert allowed.head.startswith("HTTP/1.1 200 ")
            assert "Access-Control" not in allowed.head
            await refused.close()
            await allowed.close()
        await page.close()


# Those who do not behave


async def healthy(served: Served) -> bool:
    client = await Client.to(served.server.address, "/healthz", LOCAL)
    await client.close()
    return client.head.startswith("HTTP/1.1 200 ")


async def test_more_readers_than_there_is_room_for_are_turned_away_and_probes_are_not(served: Served) -> None:
    readers = [await served.connect() for _ in range(READERS)]
    for reader in readers:
        await reader.event()
    late = await served.connect()
    assert late.head.startswith("HTTP/1.1 503 ")
    assert await healthy(served)
    for reader in readers:
        await reader.close()
    await late.close()

    async def room() -> bool:
        client = await served.connect()
        await client.close()
        return client.head.startswith("HTTP/1.1 200 ")

    await until(room, "room for another")


async def test_a_reader_that_stops_reading_is_cut_off_and_holds_nobody_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "WRITE_SECONDS", 1.0)
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    address = served.server.address
    await loop.sock_connect(stuck, (address.host, address.port))
    await loop.sock_sendall(stuck, b"GET /view/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reading = await served.connect()
    await reading.event()
    large = numbered(1, message="x" * 50_000)

    async def both() -> bool:
        return served.view._readers == 2

    async def cut() -> None:
        """Waits until only one reader is left."""
        while served.view._readers != 1:
            served.commit(large)
            await asyncio.sleep(0.02)
        served.commit(large)  # the other may have read all, and waits for one more

    async with asyncio.timeout(PATIENCE_SECONDS):
        await until(both, "both readers")
        busy = asyncio.create_task(cut())
        while not busy.done():
            assert (await reading.event())[0] in {"finding", "resync"}
        await busy
    assert await healthy(served)
    stuck.close()
    await reading.close()


async def test_a_thousand_connections_and_half_requests_leave_it_as_it_was(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READ_SECONDS", 0.2)
    reading = await served.connect()
    await reading.event()
    address = served.server.address

    async def bother(number: int) -> None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(
                (b"", b"GET /view/ev", b"\x00\xff\x16\x03", b"GET /view/events HTTP/1.1\r\n\r\n")[number % 4]
            )
            await asyncio.sleep(0.05)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    await asyncio.gather(*(bother(number) for number in range(1000)))
    served.commit(numbered(7))
    assert (await reading.event())[1]["uid"].endswith("07")
    await reading.close()

    async def left() -> bool:
        return served.view._readers == 0 and served.server.connections == 0 and await healthy(served)

    await until(left, "the end of all connections")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /view/events HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"POST /view/task?id=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"GET /view/../view HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /view/events HTTP/1.1\r\n\r\n", 400),
        (b"GET /view/events HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /view/events HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /view/task?id=%ff%00%0d%0a HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    ],
)
async def test_odd_requests_are_answered(served: Served, request_: bytes, status: int) -> None:
    reader, writer = await asyncio.open_connection(served.server.address.host, served.server.address.port)
    writer.write(request_)
    assert (await reader.readline()).split(b" ")[1] == b"%d" % status
    writer.close()
    await writer.wait_closed()


async def test_the_end_of_the_service_ends_its_streams(tmp_path: Path) -> None:
    view, server = serving(settings_of(tmp_path))
    async with server:
        client = await Client.to(server.address, "/view/events", LOCAL)
        await client.event()
    async with asyncio.timeout(60):
        with contextlib.suppress(OSError):
            while await client.reader.read(1 << 16):
                pass
    assert view._readers == 0
    await client.close()


def test_what_nobody_looks_at_is_not_made(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    view, _ = serving(settings)
    unshowable = FindingChange("created", finding(USE_AFTER_TERMINATION))
    output = Output(settings.live().topics.findings.name, b"uid", b"{}", fact=unshowable)
    view.observe(HandlerThroughput(Partition("work", 0), 1, 1, None, (output,), 0.0))
    assert view._recent.last == 1
    with pytest.raises(AssertionError):  # no judge stage has said how
        view._recent.json(view._recent.after(0, 1)[0][0])
