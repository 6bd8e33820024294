"""A GitHub and a GitLab on loopback, over real HTTP, with what goes wrong between a client and them.

The answers are made from GitHub's own examples and checked against its OpenAPI description; GitLab's are as its
documentation shows them. They hold the contract only. Logs are on another port, as GitHub keeps them in a storage.
"""

import asyncio
import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from detector.values.times import SECOND, parse_rfc3339
from tests.fixtures.github_answers import queries, repository, valid

TOKEN: Final = "not-a-real-token-but-long-enough-to-look-for"
Fault = Callable[[web.Request], "web.StreamResponse | None"]
_CAP: Final = 1000
_CHECKED: Final = 5  # of the runs of one page


class Server:
    """What the servers know, and what they were asked: `asked` counts paths, `seen` has the tokens by host."""

    def __init__(self) -> None:
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.attempts: dict[tuple[int, int], dict[str, Any]] = {}
        self.jobs: dict[int, list[dict[str, Any]]] = {}
        self.pipelines: list[dict[str, Any]] = []
        self.logs: dict[int, bytes] = {}
        self.organisations: dict[str, list[str]] = {}
        self.faults: dict[str, deque[Any]] = defaultdict(deque)
        self.asked: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.storage_tokens: list[str] = []
        self.slow = 0.0
        self.token = TOKEN
        self.api = ""
        self.storage = ""

    # Both

    def page(self, request: web.Request, values: list[Any], make: Callable[[list[Any]], Any]) -> web.Response:
        size, number = int(request.query.get("per_page", "30")), int(request.query.get("page", "1"))
        part = values[(number - 1) * size : number * size]
        answer = make(part)
        links = {}
        if number * size < len(values):
            url = request.url.update_query(page=str(number + 1))
            links = {"Link": f'<{url}>; rel="next", <{url}>; rel="last"'}
        return web.json_response(answer, headers=links)

    async def answered(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked[request.path] += 1
        if self.slow:
            await asyncio.sleep(self.slow)
        faults = self.faults[request.path]
        if faults:
            found: web.StreamResponse | None = await faults.popleft()(request)
            if found is not None:
                return found
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        made: web.StreamResponse = await handler(request)
        return made

    # GitHub

    async def repository(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        known = {each.lower(): each for each in self.runs}.get(name.lower())
        if known is None:
            return web.json_response({"message": "Not Found"}, status=404)
        return web.json_response(repository(known))

    async def listed_repositories(self, request: web.Request) -> web.Response:
        known = self.organisations.get(request.match_info["org"])
        if known is None:
            return web.json_response({"message": "Not Found"}, status=404)
        self.checked(request, "repositories")
        return self.page(
            request, known, lambda part: valid("repositories", [repository(each) for each in part])
        )

    async def listed_runs(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        self.checked(request, "runs")
        since, until = map(parse_rfc3339, request.query["created"].split(".."))
        found = [
            run
            for run in self.runs[name]
            if since <= parse_rfc3339(run["created_at"]) // SECOND * SECOND <= until
        ]
        found.sort(key=lambda run: (run["created_at"], run["id"]), reverse=True)
        total = len(found)
        return self.page(
            request,
            found[:_CAP],
            lambda part: {
                **valid("runs", {"total_count": total, "workflow_runs": part[:_CHECKED]}),
                "workflow_runs": part,
            },
        )

    async def attempt(self, request: web.Request) -> web.Response:
        self.checked(request, "attempt")
        key = int(request.match_info["run"]), int(request.match_info["attempt"])
        return web.json_response(valid("attempt", self.attempts[key]))

    async def listed_jobs(self, request: web.Request) -> web.Response:
        self.checked(request, "jobs")
        jobs = self.jobs.get(int(request.match_info["run"]))
        if jobs is None:
            return web.json_response({"message": "Not Found"}, status=404)
        return self.page(request, jobs, lambda part: valid("jobs", {"total_count": len(jobs), "jobs": part}))

    async def log(self, request: web.Request) -> web.Response:
        number = int(request.match_info["job"])
        if number not in self.logs:
            return web.json_response({"message": "Server Error"}, status=410)
        return web.Response(status=302, headers={"Location": f"{self.storage}/logs/{number}?signature=x"})

    async def stored(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if "Authorization" in request.headers:
            self.storage_tokens.append(request.headers["Authorization"])
        faults = self.faults[request.path]
        if faults:
            found: web.StreamResponse | None = await faults.popleft()(request)
            if found is not None:
                return found
        if self.slow:
            await asyncio.sleep(self.slow)
        return web.Response(body=self.logs[int(request.match_info["job"])], content_type="text/plain")

    def checked(self, request: web.Request, operation: str) -> None:
        """Notes what GitHub would not understand."""
        _, known = queries(operation)
        self.wrong += [f"{operation}: {name}" for name in request.query if name not in known]

    # GitLab

    async def project(self, request: web.Request) -> web.Response:
        if unquote(request.match_info["project"]) not in ("acme/app", "3"):
            return web.json_response({"message": "404 Project Not Found"}, status=404)
        return web.json_response({"id": 3, "path_with_namespace": "acme/app"})

    async def listed_pipelines(self, request: web.Request) -> web.Response:
        after = parse_rfc3339(request.query["updated_after"])
        found = [
            {name: value for name, value in each.items() if name not in ("finished_at", "user")}
            for each in self.pipelines
            if parse_rfc3339(each["updated_at"]) >= after
            and (each["source"] == "parent_pipeline") == (request.query.get("source") == "parent_pipeline")
        ]
        return self.page(request, sorted(found, key=lambda each: each["id"]), lambda part: part)

    async def one_pipeline(self, request: web.Request) -> web.Response:
        number = int(request.match_info["pipeline"])
        return web.json_response(next(each for each in self.pipelines if each["id"] == number))

    async def pipeline_jobs(self, request: web.Request) -> web.Response:
        assert request.query["include_retried"] == "true"
        return self.page(request, self.jobs[int(request.match_info["pipeline"])], lambda part: part)

    async def trace(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self.logs.get(int(request.match_info["job"]), b""), content_type="text/plain"
        )

    def applications(self) -> tuple[web.Application, web.Application]:
        @web.middleware
        async def around(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self.answered(request, handler)

        api, storage = web.Application(middlewares=[around]), web.Application()
        repo = "/repos/{owner}/{repo}"
        api.add_routes([
            web.get(repo, self.repository),
            web.get("/orgs/{org}/repos", self.listed_repositories),
            web.get(f"{repo}/actions/runs", self.listed_runs),
            web.get(f"{repo}/actions/runs/{{run}}/attempts/{{attempt}}", self.attempt),
            web.get(f"{repo}/actions/runs/{{run}}/jobs", self.listed_jobs),
            web.get(f"{repo}/actions/jobs/{{job}}/logs", self.log),
            web.get("/projects/{project}", self.project),
            web.get("/projects/3/pipelines", self.listed_pipelines),
            web.get("/projects/3/pipelines/{pipeline}", self.one_pipeline),
            web.get("/projects/3/pipelines/{pipeline}/jobs", self.pipeline_jobs),
            web.get("/projects/3/jobs/{job}/trace", self.trace),
        ])  # fmt: skip
        storage.add_routes([web.get("/logs/{job}", self.stored)])
        return api, storage


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server on two free ports of loopback, in a thread."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        runners = []
        for application in server.applications():
            runner = web.AppRunner(application, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            runners.append(runner)
        server.api, server.storage = (f"http://127.0.0.1:{each.addresses[0][1]}" for each in runners)
        ready.set()
        await stop.wait()
        for runner in runners:
            await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


def status(code: int, body: Any = None, **headers: str) -> Any:
    """An answer with this status and no more."""

    async def fault(_request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, body=json.dumps(body).encode(), headers=named)

    return fault


def raw(data: bytes) -> Any:
    """Bytes as they are, then the connection is cut."""

    async def fault(request: web.Request) -> web.Response:
        transport = request.transport
        if transport is not None:
            transport.write(data)
            await asyncio.sleep(0.05)
            transport.close()
        return web.Response()

    return fault


def body(text: str, **headers: str) -> Any:
    """An answer with this body, whatever it is."""
    named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return raw(f"HTTP/1.1 200 OK\r\n{named}Content-Length: {len(text)}\r\n\r\n{text}".encode())


def hang(seconds: float) -> Any:
    """Nothing for a while."""

    async def fault(_request: web.Request) -> None:
        await asyncio.sleep(seconds)

    return fault


def moved(to: str) -> Any:
    """A redirect."""

    async def fault(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": to})

    return fault
