"""`curfewd receive` as a process, and senders that know what it acknowledged."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import aiohttp

from tests.broker.cluster import free_ports
from tests.receive.serving import BEARER, JSON, SECRET

SENDERS = 16


class Receiver:
    """The command, in a process of its own; with `out` it writes to that file."""

    def __init__(self, folder: Path, bootstrap: str, topic: str, out: Path | None = None) -> None:
        self.topic, self.out = topic, out
        self.port, self.probes = free_ports(2)
        self.config = folder / "curfewd.toml"
        self.config.write_text(f"""
[kafka]
bootstrap = ["{bootstrap}"]
event_topics = ["{topic}"]
[receive]
listen = "127.0.0.1:{self.port}"
probes = "127.0.0.1:{self.probes}"
write_timeout = "2s"
[[receive.source]]
name = "events"
type = "eventbridge"
topic = "{topic}"
secrets = ["env:SECRET"]
""")
        self.log = folder / "receive.log"
        self.acknowledged: set[str] = set()
        self.sent = 0

    @contextlib.contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "detector.cli", "receive", "--config", str(self.config)]
            command += [] if self.out is None else ["--out", str(self.out)]
            process = subprocess.Popen(command, stderr=log, env={**os.environ, "SECRET": SECRET})
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    async def ready(self, *, is_ready: bool = True) -> None:
        async with aiohttp.ClientSession() as client, asyncio.timeout(120):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.get(f"http://127.0.0.1:{self.probes}/readyz") as answer:
                        if (answer.status == 200) == is_ready:
                            return
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Senders that post one event after another, while the context is open."""
        async with aiohttp.ClientSession() as client:
            tasks = [asyncio.create_task(self._send(client)) for _ in range(SENDERS)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def post(self, named: str, proof: Mapping[str, str]) -> int:
        """The answer to one event."""
        async with aiohttp.ClientSession() as client:
            return await self._posted(client, named, proof)

    async def _posted(self, client: aiohttp.ClientSession, named: str, proof: Mapping[str, str]) -> int:
        url, body = f"http://127.0.0.1:{self.port}/events", json.dumps({"id": named, "detail": "x" * 200})
        async with client.post(url, data=body.encode(), headers={**JSON, **proof}) as answer:
            return answer.status

    async def _send(self, client: aiohttp.ClientSession) -> None:
        while True:
            self.sent += 1
            named = str(self.sent)
            try:
                if await self._posted(client, named, BEARER) == 200:
                    self.acknowledged.add(named)
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.02)

    async def acknowledges(self, more: int = 200) -> None:
        """Waits until so many more are acknowledged."""
        enough = len(self.acknowledged) + more
        async with asyncio.timeout(120):
            while len(self.acknowledged) < enough:  # noqa: ASYNC110 - the senders count
                await asyncio.sleep(0.02)
