"""The SDKs of OpenTelemetry and CloudEvents as senders to `curfewd receive --out`: what they send is taken and read."""

import base64
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.util.types import AnyValue

from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
from detector.values.events import CredentialIssued, TaskEnded, TaskStarted
from tests.broker.cluster import free_ports
from tests.exec.running import until
from tests.receive.serving import BEARER, SECRET, source

NOW = time.time_ns()
TOKEN = "sk-" + "Jq8Zr2LxT0vNc4Wm7YpKdA"


class Taken:
    """A running `curfewd receive`, which writes a file for each topic."""

    def __init__(self, port: int, out: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._out = out
        self._seen: dict[str, int] = {}

    def new(self, topic: str) -> list[Read]:
        """What its new lines are read as."""
        lines = (self._out / f"{topic}.jsonl").read_text().splitlines()
        fresh = lines[self._seen.get(topic, 0) :]
        self._seen[topic] = len(lines)
        return [read for line in fresh for read in BUNDLED.read_object(line.encode(), time.time_ns())]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    folder = tmp_path_factory.mktemp("receive")
    (port, probes), out = free_ports(2), folder / "out"
    out.mkdir()
    tables = [source("otlp"), source("events", type="cloudevents")]
    listen = f'[receive]\nlisten = "127.0.0.1:{port}"\nprobes = "127.0.0.1:{probes}"'
    (folder / "curfewd.toml").write_text("\n".join([listen, *tables]))
    command = [sys.executable, "-m", "detector.cli", "receive", "--config", "curfewd.toml", "--out", "out"]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "SECRET": SECRET}, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: is_ready(probes))
            yield Taken(port, out)
        finally:
            process.kill()


def asked(port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> int:
    """The status of the answer."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, headers)
        return connection.getresponse().status


def is_ready(probes: int) -> bool:
    with contextlib.suppress(OSError):
        return asked(probes, "GET", "/readyz") == 200
    return False


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression])
def test_logs_of_opentelemetry(taken: Taken, compression: Compression) -> None:
    exporter = OTLPLogExporter(f"{taken.url}/otlp/v1/logs", headers=BEARER, compression=compression)
    provider = LoggerProvider(Resource({"service.name": "agent", "service.instance.id": "run-7"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    body: AnyValue = {"tool": "fetch", "arguments": {"headers": [f"Bearer {TOKEN}"]}, "raw": b"\xff\x00"}
    provider.get_logger("agent").emit(
        LogRecord(timestamp=NOW, body=body, attributes={"event.name": "called"})
    )
    provider.shutdown()
    reads = taken.new("otlp")
    assert {read.error for read in reads} == {None}
    logs = [read.log for read in reads if read.log is not None]
    assert sum(TOKEN.encode() in log.text + log.rest for log in logs) == 1
    assert {(log.task_id, log.time) for log in logs if log.time is not None} == {("run-7", NOW)}


def test_traces_of_opentelemetry(taken: Taken) -> None:
    exporter = OTLPSpanExporter(f"{taken.url}/otlp/v1/traces", headers=BEARER, compression=Compression.Gzip)
    provider = TracerProvider(resource=Resource({"service.name": "agent"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    named: dict[str, AnyValue] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.conversation.id": "c-1",
        "n": 7,
        "list": ["a", TOKEN],
    }
    with provider.get_tracer("agent").start_as_current_span("execute_tool fetch", attributes=named) as span:
        span.add_event("asked", {"url": "https://a.example"})
    provider.shutdown()
    (read, *_) = taken.new("otlp")
    assert read.error is None
    assert read.log is not None
    assert read.log.text == b"execute_tool fetch"
    assert (read.log.task_id, TOKEN.encode() in read.log.rest) == ("agent/c-1", True)


def test_a_wrong_token_and_metrics_are_refused(taken: Taken) -> None:
    assert asked(taken.port, "POST", "/otlp/v1/logs", b"{}", {"Authorization": "Bearer wrong"}) == 401
    assert asked(taken.port, "POST", "/otlp/v1/metrics", b"{}", BEARER) == 404


def event(name: str, number: int, **data: Any) -> CloudEvent:
    named = {"id": str(number), "source": "agents/ü 1", "type": name, "specversion": "1.0"}
    when = datetime(2026, 5, 1, 8, 0, number, tzinfo=UTC)
    return CloudEvent({**named, "time": when, "datacontenttype": "application/json"}, data)


STARTED = event("task.started", 1, task_id="agent/42", owner="research", kind="agent")
ISSUED = event(
    "credential.issued",
    2,
    credential_id="agent/42/key",
    task_id="agent/42",
    identifiers=[{"scheme": "jwt-id", "value": "j-1"}],
)
ENDED = event("task.ended", 3, task_id="agent/42", outcome="succeeded")


def sent(taken: Taken, message: HTTPMessage) -> int:
    return asked(taken.port, "POST", "/events", message.body, {**BEARER, **message.headers})


@pytest.mark.parametrize("as_message", [to_binary_event, to_structured_event])
def test_events_of_the_cloudevents_sdk(taken: Taken, as_message: Any) -> None:
    for one in (STARTED, ISSUED, ENDED):
        assert sent(taken, as_message(one)) == 200
    reads = taken.new("events")
    assert [read.error for read in reads] == [None] * 3
    told = [found for read in reads for found in read.events]
    assert [type(one) for one in told] == [TaskStarted, CredentialIssued, TaskEnded]
    assert {one.source for one in told} == {"agents/ü 1"}
    assert [one.time % 60_000_000_000 for one in told] == [1_000_000_000, 2_000_000_000, 3_000_000_000]


def test_an_event_of_bytes_is_taken(taken: Taken) -> None:
    named = {"id": "9", "source": "agents", "type": "else", "specversion": "1.0"}
    message = to_structured_event(
        CloudEvent({**named, "datacontenttype": "application/octet-stream"}, b"\xff")
    )
    assert json.loads(message.body)["data_base64"] == base64.b64encode(b"\xff").decode()
    assert sent(taken, message) == 200
    (read,) = taken.new("events")
    assert read.unknown
