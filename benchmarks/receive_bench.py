"""`curfewd receive`: requests a second of one core, and the time until they are acknowledged.

    python -m benchmarks receive [--requests N]

Senders keep 64 connections and post the next request when the last is answered. The figure for one core is requests by
the CPU time of the process, so it holds on a busy machine too. Kafka is one broker on loopback, as the tests have it.
"""

import asyncio
import hashlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks import tables
from benchmarks.compare import RESULTS
from tests.broker import Cluster
from tests.broker.cluster import free_ports

SECRET = "a made-up secret of the benchmark"  # noqa: S105 - it is
CONNECTIONS = 64
WARM = 1000
_TOPIC = "received"
_OK = b"HTTP/1.1 200"


class Row(msgspec.Struct, frozen=True):
    """One measurement. `per_core` is requests by seconds of CPU, times are in milliseconds."""

    sender: str
    to: str
    body_bytes: int
    requests: int
    per_core: float
    per_second: float
    median_ms: float
    p99_ms: float


class _Sender(asyncio.Protocol):
    """One connection: the next request goes when the last is answered with 200."""

    def __init__(
        self, request: bytes, todo: list[int], times: list[float], done: asyncio.Future[None]
    ) -> None:
        self._request, self._todo, self._times, self._done = request, todo, times, done
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(_OK):
            self._done.set_exception(RuntimeError(f"an answer was {data[:40]!r}"))
            return
        self._times.append(time.perf_counter() - self._began)
        self._next()

    def _next(self) -> None:
        if not self._todo[0]:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._todo[0] -= 1
        self._began = time.perf_counter()
        self._transport.write(self._request)


async def _post(port: int, request: bytes, requests: int) -> tuple[list[float], float]:
    """The time of each request, and of all."""
    loop = asyncio.get_running_loop()
    todo, times, began = [requests], list[float](), time.perf_counter()
    done = [loop.create_future() for _ in range(CONNECTIONS)]
    for each in done:
        await loop.create_connection(partial(_Sender, request, todo, times, each), "127.0.0.1", port)
    await asyncio.gather(*done)
    return times, time.perf_counter() - began


def _request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {text}" for name, text in {**headers, "Content-Length": str(len(body))}.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: receive", *lines, "", ""]).encode() + body


def _senders() -> dict[str, tuple[int, bytes]]:
    """By sender: the size of the body, and the request."""
    hook = json.dumps({"action": "completed", "workflow_job": {"id": 1}, "padding": "x" * 2000}).encode()
    tag = hmac.new(SECRET.encode(), hook, hashlib.sha256).hexdigest()
    event = json.dumps({"task_id": "ci/1", "owner": "web", "workload": "runner-1"}).encode()
    bearer = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    attributes = {"specversion": "1.0", "id": "1", "source": "ci/main", "type": "task.started"}
    records = [{"body": {"stringValue": "a line of a job's log " * 4}} for _ in range(100)]
    logs = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    github = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-GitHub-Event": "workflow_job",
        "X-GitHub-Hook-ID": "292430182",
        "X-Hub-Signature-256": f"sha256={tag}",
    }
    ce = {**bearer, **{f"ce-{name}": text for name, text in attributes.items()}}
    return {
        "github": (len(hook), _request("/github", hook, github)),
        "cloudevents": (len(event), _request("/cloudevents", event, ce)),
        "otlp": (len(logs), _request("/otlp/v1/logs", logs, bearer)),
    }


def _configuration(bootstrap: str | None, port: int, probes: int) -> str:
    kafka = f'[kafka]\nbootstrap = ["{bootstrap}"]\nevent_topics = ["{_TOPIC}"]\n' if bootstrap else ""
    listen = f'[receive]\nlisten = "127.0.0.1:{port}"\nprobes = "127.0.0.1:{probes}"\n'
    return (
        kafka
        + listen
        + "".join(
            f'[[receive.source]]\nname = "{name}"\ntype = "{name}"\ntopic = "{_TOPIC}"\nsecrets = ["env:SECRET"]\n'
            for name in _senders()
        )
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _ready(probes: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", probes)
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: probes\r\n\r\n")
                if (await reader.readline()).startswith(_OK):
                    return
                writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.1)


async def _measure(folder: Path, bootstrap: str | None, requests: int) -> list[Row]:
    port, probes = free_ports(2)
    config = folder / "curfewd.toml"
    config.write_text(_configuration(bootstrap, port, probes))
    out = () if bootstrap else ("--out", str(folder / "out.jsonl"))
    command = [sys.executable, "-m", "detector.cli", "receive", "--config", str(config), *out]
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        command, env={**os.environ, "SECRET": SECRET}, stderr=subprocess.DEVNULL
    )
    try:
        await _ready(probes)
        rows = []
        for sender, (size, request) in _senders().items():
            await _post(port, request, WARM)
            before = _cpu_seconds(process.pid)
            times, seconds = await _post(port, request, requests)
            used = _cpu_seconds(process.pid) - before
            ordered = sorted(times)
            rows.append(
                Row(
                    sender,
                    "Kafka" if bootstrap else "a file",
                    size,
                    len(times),
                    len(times) / used,
                    len(times) / seconds,
                    1000 * statistics.median(ordered),
                    1000 * ordered[int(0.99 * len(ordered))],
                )
            )
        return rows
    finally:
        process.terminate()
        process.wait()


async def _all(requests: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="curfewd-receive-") as name:
        folder = Path(name)
        rows = await _measure(folder, None, requests)
        with Cluster(folder / "kafka") as cluster:
            admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
            await admin.start()
            await admin.create_topics([NewTopic(_TOPIC, 4, 1)])
            await admin.close()
            return rows + await _measure(folder, cluster.bootstrap, requests)


def report(rows: list[Row]) -> str:
    """The table of the README."""
    lines = [
        "| sender | to | body | requests/s of one core | requests/s here | median | p99 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{row.sender}` | {row.to} | {row.body_bytes:,} B | {row.per_core:,.0f} | {row.per_second:,.0f} "
        f"| {row.median_ms:.1f} ms | {row.p99_ms:.1f} ms |"
        for row in rows
    ]
    return "\n".join(lines)


def main(requests: int) -> None:
    """Measures, prints and keeps the table."""
    rows = asyncio.run(_all(requests))
    print(report(rows))
    tables.save(RESULTS, "receive", report(rows), rows)
