"""A provider on loopback that answers as a test's function says, and keeps the requests.

It only speaks a provider's contract: what a test shows with it is labelled "contract".
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import web


class Request(NamedTuple):
    """A request as it came: `body` is JSON or a form, None if there is none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    query: Mapping[str, str]


class Reply(NamedTuple):
    """What to answer."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}


class ScriptedProvider:
    """Its address and the requests that came."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self._answer = answer

    def calls(self, method: str) -> list[str]:
        """The paths of requests by one method."""
        return [request.path for request in self.requests if request.method == method]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        form = request.content_type == "application/x-www-form-urlencoded"
        body: Any = dict(await request.post()) if form else msgspec.json.decode(raw) if raw else None
        came = Request(request.method, request.path, request.headers, body, dict(request.query))
        self.requests.append(came)
        reply = self._answer(came)
        sent = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
        return web.Response(
            status=reply.status, body=b"" if reply.body is None else sent, headers=reply.headers
        )


@asynccontextmanager
async def scripted(answer: Callable[[Request], Reply]) -> AsyncIterator[ScriptedProvider]:
    """Serves until the end of the block."""
    provider = ScriptedProvider(answer)
    runner = web.ServerRunner(web.Server(provider.handle), shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider.url = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
