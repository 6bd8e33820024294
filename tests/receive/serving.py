"""The port of `curfewd receive` in this process, on loopback, writing to files."""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from detector.configuration.settings import Settings
from detector.receive.file_sink import FileSink
from detector.receive.issuer_keys import IssuerKeys
from detector.receive.port import Received, ReceivePort, RefusedRequest
from detector.receive.sinks import Sink
from detector.receive.sources import make_source
from detector.receive.tls import ReloadedTls
from detector.service.http.connection_limits import Refused

SECRET = "It's a Secret to Everybody"  # GitHub's example
BEARER = {"Authorization": f"Bearer {SECRET}"}
JSON = {"Content-Type": "application/json"}


class Answered(NamedTuple):
    status: int
    text: str
    headers: Mapping[str, str]


class Served:
    """A port, what it told, and the folder with a file for each topic."""

    def __init__(
        self,
        port: ReceivePort,
        out: Path,
        client: aiohttp.ClientSession,
        facts: list[Received | RefusedRequest],
        cut: list[Refused],
    ) -> None:
        self.port = port
        self.out = out
        self.client = client
        self.facts = facts
        self.cut = cut

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://localhost:{self.port.address.port}{path}"

    async def post(
        self, path: str, body: Any = b"{}", headers: Mapping[str, str] = {}, method: str = "POST"
    ) -> Answered:
        async with self.client.request(method, self.url(path), data=body, headers=headers) as answer:
            return Answered(answer.status, await answer.text(), answer.headers)

    def lines(self, topic: str) -> list[str]:
        return (self.out / f"{topic}.jsonl").read_text().splitlines()

    @property
    def refusals(self) -> list[str]:
        return [fact.reason for fact in self.facts if isinstance(fact, RefusedRequest)]


def source(name: str, **keys: Any) -> str:
    """A `[[receive.source]]` whose topic and type are its name unless they are given; its secret is SECRET."""
    entry = {"name": name, "type": name, "topic": name, "secrets": ["env:SECRET"], **keys}
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if value is not None]
    return "\n".join(["[[receive.source]]", *lines])


def settings_of(folder: Path, *tables: str, top: str = "", environ: Mapping[str, str] = {}) -> Settings:
    path = folder / "curfewd.toml"
    path.write_text("\n".join(['[receive]\nlisten = "127.0.0.1:0"', top, *tables]))
    settings = Settings.load(str(path), {"SECRET": SECRET, **environ})
    assert settings.receive.unmet == ()
    return settings


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    *tables: str,
    top: str = "",
    environ: Mapping[str, str] = {},
    sink: Sink | None = None,
    tls: ReloadedTls | None = None,
) -> AsyncIterator[Served]:
    receive = settings_of(folder, *tables, top=top, environ=environ).receive
    out = folder / "out"
    out.mkdir(exist_ok=True)
    used = sink or FileSink(out, [each.topic for each in receive.sources])
    facts: list[Received | RefusedRequest] = []
    cut: list[Refused] = []
    port = ReceivePort(receive, used, facts.append, cut.append, tls)
    port.use([make_source(entry, IssuerKeys, used) for entry in receive.sources])
    running = asyncio.create_task(used.run())
    async with port, aiohttp.ClientSession() as client:
        try:
            yield Served(port, out, client, facts, cut)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await used.close()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers of a delivery of GitHub's."""
    tag = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        **JSON,
        "X-Hub-Signature-256": f"sha256={tag}",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    }
