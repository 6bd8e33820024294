"""A live view on a port of its own without a service behind it, and one who reads its events."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from detector.configuration.service_settings import Address
from detector.configuration.settings import Settings
from detector.judge.joins import JoinCounts
from detector.judge.policy import Policy
from detector.judge.totals import Totals
from detector.kafka.handlers import Output, Partition
from detector.outputs.commands import command_record
from detector.outputs.ocsf import finding_record
from detector.outputs.page_records import page_command, page_finding
from detector.service.approvals.pages import ApprovalPages
from detector.service.http.server import HttpServer, Page, Post, probe_answer
from detector.service.judge.reports import JudgedTransaction
from detector.service.observability.measuring import HandlerThroughput
from detector.service.observability.metrics import Metrics
from detector.service.observability.metrics_observer import MetricsObserver
from detector.service.observability.readiness import Readiness
from detector.service.view.task import ViewContext
from detector.service.view.view import View
from detector.values.findings import USE_AFTER_TERMINATION, Command, FindingChange
from tests.outputs.finding_samples import CREDENTIAL, PATTERNS, command, finding, untouched

TOKEN = "0123456789abcdef0123456789abcdef"
LOCAL = {"host": "127.0.0.1:9464"}
SHOWN = {"authorization": f"Bearer {TOKEN}"}


def settings_of(folder: Path, service: str = "view = true", environ: Mapping[str, str] = {}) -> Settings:
    config = folder / "curfewd.toml"
    config.write_text(f'[kafka]\nbootstrap = "127.0.0.1:1"\n[service]\n{service}\n')
    return Settings.load(str(config), environ)


class Scripted(ViewContext, frozen=True):
    """Shows the records that a test made, by the key of the finding or the id of the credential."""

    records: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)

    def shown(self, fact: FindingChange | Command) -> dict[str, Any]:
        if isinstance(fact, Command):
            return page_command(self.records[fact.credential.credential_id])
        return page_finding(self.records[fact.finding.key])


class Served:
    """A view on a port of its own, and the facts that a stage would report to it."""

    def __init__(self, view: View, server: HttpServer, metrics: Metrics) -> None:
        self.view = view
        self._observer = MetricsObserver(metrics, "work", time.time)
        self.server = server
        self._context = Scripted(Policy(), {}, untouched)
        view.judging(dict, self._context)

    def known(self, joins: JoinCounts) -> None:
        """The judge stage knows these credentials."""
        self._observer.observe("judge", JudgedTransaction(0, totals=Totals(joins=joins)))

    def commit(self, *records: dict[str, Any]) -> None:
        """One transaction with these findings and commands."""
        outputs = [self._output(record) for record in records]
        self.view.observe(
            HandlerThroughput(Partition("work", 0), 1, 1, None, (Output("state", b"k", None), *outputs), 0.0)
        )

    def _output(self, record: dict[str, Any]) -> Output:
        key, value = f"record {len(self._context.records)}", msgspec.json.encode(record)
        self._context.records[key] = record
        if "specversion" in record:
            credential = msgspec.structs.replace(CREDENTIAL, credential_id=key)
            return Output("revocations", b"cred", value, fact=command(credential=credential))
        change = FindingChange("created", finding(USE_AFTER_TERMINATION, key=key))
        return Output("findings", record["finding_info"]["uid"].encode(), value, fact=change)

    async def connect(self, **headers: str) -> "Client":
        return await Client.to(self.server.address, "/view/events", {**LOCAL, **headers})


class Client:
    """Reads events as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = ""
        self._text = b""  # of the stream
        self.last = ""

    @classmethod
    async def to(cls, address: Address, target: str, headers: Mapping[str, str]) -> "Client":
        client = cls(*await asyncio.open_connection(address.host, address.port))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        client.writer.write(f"GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
        client.head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        return client

    async def event(self) -> tuple[str, Any]:
        """The next one but `now`."""
        while True:
            fields = dict(line.split(": ", 1) for line in (await self._block()).split("\n"))
            self.last = fields.get("id", self.last)
            if fields["event"] != "now":
                return fields["event"], json.loads(fields["data"])

    async def now(self) -> dict[str, Any]:
        while True:
            text = await self._block()
            if text.startswith("event: now"):
                return dict(json.loads(text.split("data: ", 1)[1]))

    async def _block(self) -> str:
        """The stream's text up to an empty line."""
        while b"\n\n" not in self._text:
            size = int(await self.reader.readline(), 16)
            self._text += (await self.reader.readexactly(size + 2))[:size]
        block, _, self._text = self._text.partition(b"\n\n")
        return block.decode()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def serving(
    settings: Settings,
    port: int = 0,
    metrics: Metrics | None = None,
    approvals: ApprovalPages | None = None,
) -> tuple[View, HttpServer]:
    """The view, and the port that serves it and `/healthz`."""
    live, metrics = settings.live(), metrics or Metrics()
    view = View(settings.service, live, metrics, Readiness(settings.service.ready_lag), approvals)
    pages: dict[str, Page | Post] = {
        "/healthz": lambda _: probe_answer(None),
        **view.pages(),
        **(approvals.pages() if approvals is not None else {}),
    }
    return view, HttpServer(Address("127.0.0.1", port), pages)


def numbered(number: int, **fields: Any) -> dict[str, Any]:
    """The record of a finding like others, with a name of its own."""
    record = finding_record(finding(USE_AFTER_TERMINATION), PATTERNS, untouched) | fields
    return record | {"finding_info": record["finding_info"] | {"uid": f"0-{number:04}"}}


COMMAND = command_record(command(), untouched)


@asynccontextmanager
async def served_from(
    folder: Path,
    environ: Mapping[str, str] = {},
    *,
    port: int = 0,
    approvals: ApprovalPages | None = None,
) -> AsyncIterator[Served]:
    """A view that is looked at, until the end of the context."""
    settings = settings_of(folder, environ=environ)
    metrics = Metrics()
    view, server = serving(settings, port, metrics, approvals)
    async with server:
        yield Served(view, server, metrics)
