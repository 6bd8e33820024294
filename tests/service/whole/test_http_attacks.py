"""Clients that open connections and do not behave, against `curfewd run` in a process of its own, over real sockets.

Before the probes had a port of their own, 220 half-open requests of one client made /healthz fail 34 of 35 times.
"""

import asyncio
import contextlib
import json
import socket
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec
import pytest

from tests.deploy.monitoring.hook import listening
from tests.deploy.monitoring.stack import Monitoring
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment

NOBODY: Final = "127.0.0.1:1"
HALF_OPEN: Final = 1000
PROBES: Final = 66
ATTACK_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.2
SCRAPE_SECONDS: Final = 4
SCRAPED_SECONDS: Final = 18.0
SAME: Final = "127.0.0.1"  # that of the probes and of Prometheus


class Attack(msgspec.Struct, frozen=True):
    """`connections` from addresses, each of which sends `first` and does not read; `reason` is how it is counted."""

    connections: int
    first: bytes
    reason: str
    address: Callable[[int], str] = lambda _: "127.0.0.2"
    again: bytes = b""  # sent once more with every look


HEAD: Final = b"GET /metrics HTTP/1.1\r\nHost: here\r\n"
ATTACKS: Final = {
    "half-open": Attack(HALF_OPEN, b"", "share"),
    "half a request": Attack(HALF_OPEN, HEAD, "share"),
    "from the scraper's address": Attack(HALF_OPEN, HEAD, "share", lambda _: SAME),
    "from 250 addresses": Attack(HALF_OPEN, HEAD, "full", lambda number: f"127.0.1.{number % 250 + 1}"),
    "header by header": Attack(25, HEAD, "slow-request", again=b"X: y\r\n"),
    "bodies that do not come": Attack(25, HEAD + b"Content-Length: 1000\r\n\r\n", "unread-body", again=b"x"),
    "readers that do not read": Attack(200, (HEAD + b"\r\n") * 200, "share"),
    "huge headers": Attack(25, HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(9)), "too-long"),
    "no requests at all": Attack(25, b"\x16\x03\x01\x02\x00\r\n\r\n", "malformed"),
}  # fmt: skip


class Attackers:
    """Keeps the connections of an attack open: those that were cut off are opened again."""

    def __init__(self, attack: Attack, target: str) -> None:
        self._attack = attack
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._open: dict[int, socket.socket] = {}
        self._looking = Lock()
        self._ended = False

    @asynccontextmanager
    async def attacking(self) -> AsyncIterator[None]:
        """Looks again and again."""

        async def go_on() -> None:
            while True:
                await asyncio.to_thread(self.look)
                await asyncio.sleep(PAUSE_SECONDS)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.close()

    def look(self) -> None:
        """In a thread."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        for number in range(self._attack.connections):
            if self._ended:
                return
            held = self._open.get(number)
            if held is not None and self._gone(held):
                held.close()
                held = None
            if held is None:
                self._open[number] = self._opened(number)
            elif self._attack.again:
                with contextlib.suppress(OSError):
                    held.send(self._attack.again)

    def close(self) -> None:
        self._ended = True
        with self._looking:
            self._close()

    def _close(self) -> None:
        for each in self._open.values():
            each.close()

    def _opened(self, number: int) -> socket.socket:
        made = socket.create_connection(
            self._target, timeout=10, source_address=(self._attack.address(number), 0)
        )
        made.setblocking(False)
        with contextlib.suppress(OSError):
            made.send(self._attack.first)
        return made

    def _gone(self, held: socket.socket) -> bool:
        if b"\r\n\r\n" in self._attack.first and self._attack.reason == "share":
            return held.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0  # it never reads
        try:
            while held.recv(65536):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Deployment]:
    """A service whose brokers are not there: its ports are."""
    deployment = Deployment(NOBODY, tmp_path)
    deployment.start()
    yield deployment
    deployment.end()


def refusals(page: str, port: str) -> Counter[str]:
    """How often each reason was counted."""
    found: Counter[str] = Counter()
    for line in page.splitlines():
        if line.startswith(f'curfewd_http_refused_total{{port="{port}"'):
            name, _, value = line.rpartition(" ")
            found[name.split('reason="')[1].split('"')[0]] += int(float(value))
    return found


async def started(deployment: Deployment) -> dict[str, str]:
    async def alive() -> bool:
        return (await asyncio.to_thread(deployment.get, "/healthz"))[0] == 200

    await until(alive, "the ports")
    return next(line for line in deployment.said() if line["event"] == "started")


@pytest.mark.parametrize("name", ATTACKS)
async def test_probes_and_scrapes_are_answered_under(alone: Deployment, name: str) -> None:
    """All probes; and all scrapes, also from the attacker's own address."""
    attack, ports = ATTACKS[name], await started(alone)
    attackers = Attackers(attack, ports["listen"])
    probed: Counter[int] = Counter()
    scraped: Counter[int] = Counter()

    async def counted() -> bool:
        page = (await asyncio.to_thread(alone.get, "/metrics"))[1]
        return refusals(page, "listen")[attack.reason] > 0

    async with attackers.attacking():
        await asyncio.sleep(1)
        for _ in range(PROBES):
            probed[(await asyncio.to_thread(alone.get, "/healthz"))[0]] += 1
            scraped[(await asyncio.to_thread(alone.get, "/metrics"))[0]] += 1
            await asyncio.sleep(ATTACK_SECONDS / PROBES)
        async with asyncio.timeout(120):
            await until(counted, f"{attack.reason} in the metrics")
    assert probed == {200: PROBES}
    assert scraped == {200: PROBES}
    lines = [line for line in alone.said() if line.get("port") == "listen"]
    assert {line["level"] for line in lines} == {"warning"}
    assert attack.address(0) in {line["client"] for line in lines}
    assert len(lines) <= 14  # not one for each connection


async def test_the_probes_hold_against_the_same_attack_on_their_own_port(alone: Deployment) -> None:
    ports = await started(alone)
    attack = ATTACKS["from the scraper's address"]
    attackers = Attackers(attack, ports["probes"])
    probed: Counter[int] = Counter()
    async with attackers.attacking():
        for _ in range(PROBES):
            probed[(await asyncio.to_thread(alone.get, "/healthz"))[0]] += 1
            await asyncio.sleep(ATTACK_SECONDS / PROBES)
    assert probed == {200: PROBES}
    page = (await asyncio.to_thread(alone.get, "/metrics"))[1]
    assert refusals(page, "probes")["share"] > 64


@pytest.mark.parametrize("address", ["127.0.0.2", SAME])
async def test_a_real_prometheus_scrapes_beside_half_open_connections(
    alone: Deployment, tmp_path: Path, address: str
) -> None:
    """None of its scrapes fails while a thousand connections are held open.

    A busy machine has some seconds for each.
    """
    ports = await started(alone)
    attackers = Attackers(Attack(HALF_OPEN, HEAD, "share", lambda _: address), ports["listen"])
    folder = tmp_path / "monitoring"
    with (
        listening() as (hook, _),
        Monitoring(folder, ports["listen"], hook, scrape_seconds=SCRAPE_SECONDS) as monitoring,
    ):

        def up() -> list[str]:
            with contextlib.suppress(OSError):
                url = f"http://127.0.0.1:{monitoring.port}/api/v1/query?query=up[1m]"
                with urllib.request.urlopen(url, timeout=30) as answer:
                    found = json.load(answer)["data"]["result"]
                return [value for _, value in found[0]["values"]] if found else []
            return []

        async def scraped() -> bool:
            return "1" in await asyncio.to_thread(up)

        await until(scraped, "the first scrape")
        before = len(await asyncio.to_thread(up))
        async with attackers.attacking():
            await asyncio.sleep(SCRAPED_SECONDS)
        values = (await asyncio.to_thread(up))[before:]
    assert len(values) > 3
    assert set(values) == {"1"}
