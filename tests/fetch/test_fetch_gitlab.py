"""Pipelines, jobs and traces from a GitLab on loopback. Its answers hold to the contract only: see `api_server`."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main
from detector.fetch.answers import ApiError
from detector.values.times import parse_rfc3339
from tests.adapters.test_gitlab_api import JOB, PIPELINE
from tests.fetch.api_server import Server, hang, status
from tests.fetch.conftest import Fetch, files

TRACE = (
    b"2026-05-01T08:00:01.000000Z 00O \x1b[0KRunning with gitlab-runner 18.5.0\n"
    b"2026-05-01T08:05:00.000000Z 01O section_start:1777881900:publish\r\x1b[0Kglpat-7Rm2VtXb9KdYw4Lz8HnP\n"
)
WHOLE = [
    "acme/app/gitlab-job-9.log",
    "acme/app/gitlab-pipeline-10.jsonl",
    "acme/app/gitlab-pipeline-8.jsonl",
]


@pytest.fixture(autouse=True)
def _history(server: Server) -> None:
    server.pipelines = [
        PIPELINE | {"source": "push"},
        PIPELINE | {"id": 10, "source": "parent_pipeline", "updated_at": "2026-05-01T09:00:00.000Z"},
        PIPELINE | {"id": 4, "source": "push", "updated_at": "2026-04-01T09:00:00.000Z"},
    ]
    server.jobs = {
        8: [JOB, JOB | {"id": 12, "status": "manual", "started_at": None, "finished_at": None}],
        10: [JOB | {"id": 11, "pipeline": {"id": 10, "project_id": 3}}],
    }
    server.logs = {9: TRACE}


@pytest.fixture
def asked() -> dict[str, Any]:
    """The fields of a request to GitLab."""
    return {"provider": "gitlab", "names": ("acme/app",)}


def test_pipelines_jobs_and_traces_are_brought(
    server: Server, fetched: Fetch, asked: dict[str, Any], tmp_path: Path
) -> None:
    done = fetched(**asked)
    found = files(tmp_path / "out")
    assert list(found) == WHOLE
    assert found["acme/app/gitlab-job-9.log"] == TRACE
    lines = [json.loads(line) for line in found["acme/app/gitlab-pipeline-8.jsonl"].splitlines()]
    assert lines == [server.pipelines[0], *server.jobs[8]]
    assert done.lines[0].endswith(
        "has 2 pipelines, 3 jobs and 1 trace (166 B); 0 of the pipelines were there already"
    )
    assert done.warnings[0].startswith("1 trace gone")  # GitLab answers an erased trace with nothing
    server.asked.clear()
    again = fetched(**asked)
    assert again.lines[0] == done.lines[0].replace("0 of", "2 of")
    assert server.asked == {"/projects/acme/app": 1, "/projects/3/pipelines": 2}


@pytest.mark.parametrize(
    "path", ["/projects/3/pipelines", "/projects/3/pipelines/8/jobs", "/projects/3/jobs/9/trace"]
)
@pytest.mark.parametrize(
    "fault", [status(503), status(429, retry_after="0"), hang(3.0)], ids=["down", "limit", "silence"]
)
def test_a_fault_is_got_over(  # noqa: PLR0913, PLR0917 - fixtures
    server: Server, fetched: Fetch, asked: dict[str, Any], tmp_path: Path, path: str, fault: Any
) -> None:
    server.faults[path].append(fault)
    assert fetched(**asked).complete
    assert list(files(tmp_path / "out")) == WHOLE


def test_no_project_is_one_line(fetched: Fetch, asked: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="no project acme/none, or the token may not see it"):
        fetched(**asked | {"names": ("acme/none",)})


def test_only_what_was_made_in_the_window_is_brought(
    fetched: Fetch, asked: dict[str, Any], tmp_path: Path
) -> None:
    fetched(**asked, until=parse_rfc3339("2026-05-01T07:00:00Z"))
    assert files(tmp_path / "out") == {}


def test_a_replay_of_the_folder_finds_the_token_in_its_job(
    fetched: Fetch, asked: dict[str, Any], tmp_path: Path
) -> None:
    fetched(**asked)
    assert main(["replay", "--jobs", "1", "--out", str(tmp_path / "found"), str(tmp_path / "out")]) == 0
    found = map(json.loads, (tmp_path / "found" / "findings.jsonl").read_text().splitlines())
    (leak,) = (each for each in found if each["finding_info"]["analytic"]["uid"] == "leaked-secret")
    assert "gitlab/job/9" in json.dumps(leak["evidences"])
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert summary["events"]["task.started"] == 4
    assert summary["dead_letters"] == {}
