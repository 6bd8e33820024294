"""`curfewd receive` as a service in this process: a reload, a clean end, probes, metrics, and what `--check` says."""

import asyncio
import io
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from detector.configuration.settings import Settings
from detector.receive.service import ReceiveService
from detector.service.observability.logs import LogMask, make_log
from detector.values.errors import UsageError
from tests.broker.cluster import free_ports
from tests.command_line import curfewd
from tests.receive.serving import JSON, SECRET, source

OTHER = "another secret of the test"
EVENT = b'{"id": "1"}'


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - another loop has to get there
            await asyncio.sleep(0.02)


async def test_it_reads_its_sources_again_and_ends_when_it_has_answered(tmp_path: Path) -> None:
    port, probes = free_ports(2)
    config, out, secret, log = tmp_path / "c.toml", tmp_path / "out.jsonl", [SECRET], io.StringIO()
    config.write_text(
        f'[receive]\nlisten = "127.0.0.1:{port}"\nprobes = "127.0.0.1:{probes}"\n' + source("eventbridge")
    )

    def settings() -> Settings:
        return Settings.load(str(config), {"SECRET": secret[0]})

    mask = LogMask(str)
    service = ReceiveService(settings(), str(out), settings, make_log("json", "info", log, mask), mask)
    running = asyncio.create_task(service.run())
    async with aiohttp.ClientSession() as client:

        async def got(path: str) -> str:
            try:
                async with client.get(f"http://127.0.0.1:{probes}{path}") as answer:
                    return await answer.text()
            except aiohttp.ClientError:
                return ""

        async def posted(shown: str) -> int:
            headers = {**JSON, "Authorization": f"Bearer {shown}"}
            async with client.post(
                f"http://127.0.0.1:{port}/eventbridge", data=EVENT, headers=headers
            ) as answer:
                return answer.status

        async def ready() -> bool:
            return await got("/readyz") == "ok\n"

        async def reloaded() -> bool:
            return await posted(OTHER) == 200

        await until(ready)
        assert [await posted(SECRET), await posted(OTHER)] == [200, 401]
        secret[0] = OTHER
        os.kill(os.getpid(), signal.SIGHUP)
        await until(reloaded)
        assert await posted(SECRET) == 401
        page = await got("/metrics")
        assert 'curfewd_received_requests_total{source="eventbridge"} 2.0' in page
        assert 'refused_total{reason="busy",source="eventbridge"} 0.0' in page  # before there was any
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 60)  # though the client keeps its connection
    assert out.read_bytes() == (EVENT + b"\n") * 2
    assert '"event": "stopped"' in log.getvalue()
    assert SECRET not in log.getvalue()
    assert OTHER not in log.getvalue()


async def test_a_port_that_another_has_is_named_by_its_setting(tmp_path: Path) -> None:
    config, mask = tmp_path / "c.toml", LogMask(str)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(
            f'[receive]\nprobes = "127.0.0.1:{taken.getsockname()[1]}"\n' + source("eventbridge")
        )

        def settings() -> Settings:
            return Settings.load(str(config), {"SECRET": SECRET})

        log = make_log("json", "info", io.StringIO(), mask)
        service = ReceiveService(settings(), str(tmp_path / "out.jsonl"), settings, log, mask)
        with pytest.raises(UsageError, match=r"receive\.probes: cannot listen on .*in use"):
            await service.run()


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[receive]\n" + source("github"))
    right = curfewd(
        "receive", "--config", config, "--out", tmp_path / "o", "--check", environ={"SECRET": SECRET}
    )
    assert (right.code, right.out, right.err) == (0, f"{config}: nothing wrong\n".encode(), b"")
    alone = curfewd("receive", "--config", config, "--check", environ={"SECRET": SECRET})
    assert (alone.code, alone.out) == (0, f"{config}: nothing wrong\n".encode())
    assert alone.err == b"curfewd: warning: there is no [kafka] table, so it starts only with --out\n"
    config.write_text("[receive]\n" + source("cloudevents"))
    open_to_all = curfewd(
        "receive", "--config", config, "--out", tmp_path / "o", "--check", environ={"SECRET": SECRET}
    )
    assert (open_to_all.code, open_to_all.out) == (0, f"{config}: nothing wrong\n".encode())
    assert b"it may send events in any sender's name: set sources" in open_to_all.err
    started = curfewd("receive", "--config", config, environ={"SECRET": SECRET})
    assert started.code == 2
    assert b"there is no [kafka] table" in started.err
    for text, environ, said in (
        (
            "[receive]\n" + source("github"),
            {"SECRET": None},
            b"the environment variable SECRET with the secret is not set",
        ),
        ("", {}, b"there is no [receive] table"),
        (
            "[receive]\ncert_file = 'none.pem'\n" + source("github"),
            {"SECRET": SECRET},
            b"none.pem cannot be used",
        ),
    ):
        config.write_text(text)
        wrong = curfewd("receive", "--config", config, "--out", tmp_path / "o", "--check", environ=environ)
        assert wrong.code == 2
        assert said in wrong.err
        assert wrong.err.count(b"\n") == 1
