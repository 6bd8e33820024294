"""A provider that is the test's own fault injector, over HTTP, and the target that talks to it.

It hangs, lies, answers 429, 500 and garbage, and loses answers. It keeps the truth: what lives, and what killed it.
"""

import asyncio
import random
from collections import Counter
from typing import Any, ClassVar, Self

import msgspec
from aiohttp import web

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp


class FaultyProvider:
    """`live` has the task of each credential that works. So many of a hundred requests meet each fault."""

    def __init__(self, seed: int = 1, faults: int = 8) -> None:
        self.live: dict[str, str] = {}
        self.kills: Counter[str] = Counter()  # of each credential, by name and task
        self.requests: Counter[str] = Counter()
        self.faults = faults
        self._rng = random.Random(seed)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/credentials/{name}", self._look)
        app.router.add_post("/credentials/{name}/revoke", self._revoke)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _look(self, request: web.Request) -> web.StreamResponse:
        self.requests["look"] += 1
        fault = await self._fault()
        if fault is not None:
            return fault
        name = request.match_info["name"]
        if name not in self.live:
            return web.json_response({"state": "dead"})
        return web.json_response({"state": "live", "task": self.live[name]})

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        """Kills whatever has the name, whoever's it is: the target has to have looked."""
        self.requests["revoke"] += 1
        name, late = request.match_info["name"], self._rng.randrange(100) < self.faults
        fault = None if late else await self._fault()
        if fault is not None:
            return fault
        if self._rng.randrange(100) < self.faults:
            return web.json_response({"status": "revoked"})  # a lie
        task = self.live.pop(name, None)
        if task is None:
            return web.json_response({"error": "unknown"}, status=404)
        self.kills[f"{name} of {task}"] += 1
        if late:  # it is done, and nobody hears of it
            await asyncio.sleep(3)
        return web.json_response({"status": "revoked"}, status=202)

    async def _fault(self) -> web.StreamResponse | None:
        drawn = self._rng.randrange(100) // max(self.faults, 1) if self.faults else 99
        if drawn == 0:
            await asyncio.sleep(3)
            return web.json_response({"status": "revoked"})
        if drawn == 1:
            return web.Response(status=429, headers={"Retry-After": "0.2"})
        if drawn == 2:
            return web.Response(status=500, text="<html>it broke</html>")
        if drawn == 3:
            return web.Response(body=self._rng.randbytes(self._rng.randrange(2000)))
        return None


class FaultyOptions(HttpOptions, frozen=True, kw_only=True):
    """As of each target over HTTP."""


class FaultyTarget:
    """Talks to a `FaultyProvider`: `tests.revoke.faulty_provider:FaultyTarget` in a configuration."""

    name: ClassVar[str] = "faulty"
    Options: ClassVar[type[msgspec.Struct]] = FaultyOptions

    def __init__(self, options: FaultyOptions) -> None:
        self._http = ProviderHttp(options)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        return command.provider == "faulty"

    def plan(self, command: RevocationCommand) -> Plan:
        if not command.text("name"):
            raise RefusedError("the revocation object has no name")
        return Plan((Step(f"revoke {command.text('name')}"),), "a look at the provider", 2.0, forgets=False)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        del step
        answer = await self._http.ask("POST", ("credentials", command.text("name"), "revoke"), json={})
        if answer.status == 404:
            raise GoneError("POST …/revoke answered 404")
        if self._fields(answer).get("status") != "revoked":
            raise UnavailableError("it does not say that it revoked")
        return f"POST …/revoke answered {answer.status}"

    async def probe(self, command: RevocationCommand) -> Observation:
        answer = await self._http.ask("GET", ("credentials", command.text("name")))
        found = self._fields(answer)
        if found.get("state") == "live" and found.get("task") not in command.task_ids:
            raise RefusedError("the name belongs to another task")
        state: Any = found.get("state")
        if state not in {"live", "dead"}:
            raise UnavailableError("it does not say how it is")
        return Observation(state, "GET /credentials/…")

    async def close(self) -> None:
        await self._http.close()

    def _fields(self, answer: Answer) -> dict[str, Any]:
        if answer.status not in {200, 202}:
            raise UnavailableError(f"HTTP {answer.status}")
        return answer.fields()
