"""A server with a small history, and the command asked of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.fetch.client import Limits
from detector.fetch.command import Fetched, fetch
from detector.fetch.request import Request
from detector.values.times import parse_rfc3339
from tests.fetch.api_server import TOKEN, Server, serving
from tests.fixtures.github_answers import job, run

QUICK = Limits(attempts=3, first_pause=0.01, longest_pause=0.02, silence=2.0, connect=2.0)
LOG = (
    b"2026-05-01T08:00:01.1234567Z ##[group]Run make release\n"
    b"2026-05-01T08:00:02.1234567Z token: glpat-7Rm2VtXb9KdYw4Lz8HnP\n"
)


def small_history(server: Server) -> None:
    """Three runs: one with two jobs, one that was tried twice, one with a skipped job and a log that is gone."""
    second = run(6, run_attempt=2, run_started_at="2026-05-01T09:00:00Z", updated_at="2026-05-01T09:10:00Z")
    server.runs["octo/app"] = [
        run(5),
        second,
        run(7, conclusion="failure", created_at="2026-05-02T10:00:00Z", updated_at="2026-05-02T10:20:00Z"),
    ]
    server.attempts[6, 1] = run(6, conclusion="failure")
    server.jobs = {
        5: [job(51, 5), job(52, 5)],
        6: [job(61, 6, conclusion="failure"), job(62, 6, run_attempt=2)],
        7: [
            job(71, 7),
            job(72, 7, conclusion="skipped", runner_id=0, runner_name="", steps=[]),
        ],
    }
    server.logs = {51: LOG, 52: b"2026-05-01T08:00:01Z quiet\n" * 1000, 61: b"one\n", 62: b"two\n"}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    small_history(made)
    with serving(made):
        yield made
    assert made.wrong == []
    assert made.storage_tokens == []


Fetch = Callable[..., Fetched]


@pytest.fixture
def fetched(server: Server, tmp_path: Path) -> Fetch:
    """Fetches from the server into `tmp_path / "out"`; other fields of the request as they are named."""

    def ask(limits: Limits = QUICK, **fields: Any) -> Fetched:
        request: dict[str, Any] = {
            "provider": "github",
            "names": ("octo/app",),
            "owners": (),
            "since": parse_rfc3339("2026-05-01T00:00:00Z"),
            "until": parse_rfc3339("2026-05-03T00:00:00Z"),
            "out": str(tmp_path / "out"),
            "api_url": server.api,
            "token_file": None,
            "connections": 4,
        }
        return fetch(Request(**(request | fields)), {"GITHUB_TOKEN": TOKEN, "GITLAB_TOKEN": TOKEN}, limits)

    return ask


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their paths in it."""
    return {
        "/".join(path.relative_to(folder).parts[1:]): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
