"""A release job on GitHub prints its token; when it has failed and is run again, somebody else uses the first run's.

Told by webhooks, the audit log as it is streamed, the job's log, and whoever issued the token.
"""

import base64
import hashlib
import json
import os
import shlex
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from detector.values.events import TaskEnded, TaskStarted
from detector.values.times import SECOND, format_rfc3339
from tests.command_line import curfewd
from tests.scenarios.telling import story, told

TOKEN = "octo/app/71/GITHUB_TOKEN"


def test_a_token_printed_in_a_job_and_used_after_it(tmp_path: Path) -> None:
    found = told(tmp_path, story("github"))
    # The log shows the token at 08:04, in a command that should have hidden it and in colour, and elsewhere as `***`.
    # The job fails at 08:10. Its token makes a release at 08:13, while the second attempt runs, and tries to delete the
    # repository.
    assert found.findings == (
        ("leaked-credential", TOKEN, 2, "critical"),
        ("outlives-task", TOKEN, 1, "high"),
        ("use-after-termination", TOKEN, 2, "critical"),
    )
    assert found.commands == ((TOKEN, False, ("leaked-credential",)),)
    assert found.dead == ()
    assert found.unresolved == {"github.audit/octo": 1}
    uses = found.finding("use-after-termination").evidences
    assert [getattr(use.event, "action", None) for use in uses] == [
        "POST /repos/{owner}/{repo}/releases",
        "DELETE /repos/{owner}/{repo}",
    ]


def test_a_run_again_is_another_task(tmp_path: Path) -> None:
    found = told(tmp_path, story("github"))
    starts = {start.task_id: start.parent_task_id for start in found.events_of(TaskStarted)}
    assert starts == {
        "github/run/5/1": None,
        "github/job/71": "github/run/5/1",
        "github/run/5/2": None,
        "github/job/72": "github/run/5/2",
    }
    assert {end.task_id: end.outcome for end in found.events_of(TaskEnded)} == {
        "github/job/71": "failed",
        "github/run/5/1": "failed",
        "github/job/72": "succeeded",
        "github/run/5/2": "succeeded",
    }


def test_what_was_masked_is_no_leak(tmp_path: Path) -> None:
    lines = story("github")["job.log"].splitlines(keepends=True)
    masked = b"".join(line for line in lines if b"ghs_" not in line)
    found = told(tmp_path, {"job.log": masked})
    assert found.findings == ()
    assert found.dead == ()


def test_a_log_that_is_named_by_its_job_is_the_jobs(tmp_path: Path) -> None:
    files = story("github")
    shown = told(
        tmp_path, {"github-job-72.log": files.pop("job.log"), "webhooks.jsonl": files["webhooks.jsonl"]}
    )
    (finding,) = shown.result.findings
    assert finding.task is not None
    assert (finding.task.task_id, finding.task.workload) == ("github/job/72", "runner-2")


def test_the_log_is_told_in_time_whatever_its_first_line_begins_with(tmp_path: Path) -> None:
    """GitHub's logs begin with a byte order mark."""
    found = told(tmp_path, story("github"))
    first, second = (evidence.event for evidence in found.finding("leaked-credential").evidences)
    assert (getattr(first, "line", None), getattr(second, "line", None)) == (11, 12)
    only = {"job.log": b"\xef\xbb\xbf" + story("github")["job.log"].splitlines(keepends=True)[10]}
    (leak,) = told(tmp_path / "only", only).finding("leaked-secret").evidences
    assert leak.event.time == first.time


PAGE = Path(__file__).parents[2] / "docs" / "sources" / "github.md"
SECRET = "ghs_q7Rm2VtXb9KdYw4Lz8HnPc3Js6Fg1A1A7qVz"


def at(minutes: int) -> str:
    """A time so many minutes from now. The step that the page shows asks the clock."""
    return format_rfc3339((int(time.time()) + 60 * minutes) * SECOND)


def webhook(action: str, **job: Any) -> dict[str, Any]:
    job = {"id": 81, "run_id": 6, "run_attempt": 1, "started_at": at(-1), **job}
    return {"action": action, "workflow_job": job, "repository": {"full_name": "octo/app"}}


def audit(document: str, minutes: int, route: str) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.sha256(SECRET.encode()).digest()).decode()
    return {
        "@timestamp": (int(time.time()) + 60 * minutes) * 1000,
        "_document_id": document,
        "action": "api.request",
        "org": "octo",
        "repo": "octo/app",
        "hashed_token": digest,
        "programmatic_access_type": "GitHub App server-to-server token",
        "token_id": 991,
        "request_method": "POST",
        "route": route,
        "status_code": 201,
    }


@pytest.mark.parametrize("key", ["00" * 32, None], ids=["with a deployment key", "without one"])
def test_the_step_and_the_commands_of_the_page_find_a_token_that_is_used_after_its_job(
    tmp_path: Path, key: str | None
) -> None:
    text = PAGE.read_text().partition("\n## Tokens\n")[2].partition("\n## ")[0]
    step = text.partition("  run: |\n")[2].partition("```")[0]
    configuration = text.partition("```toml\n")[2].partition("```")[0]
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        **({"CURFEWD_KEY": key} if key else {}),
    }
    subprocess.run(
        ["/bin/bash", "-euc", textwrap.dedent(step)],
        check=True,
        cwd=tmp_path,
        env={**environment, "GITHUB_TOKEN": SECRET, "JOB": "81"},
    )
    (tmp_path / "curfewd.toml").write_text(configuration)
    for name, records in {
        "webhooks.jsonl": [
            webhook("in_progress"),
            webhook("completed", completed_at=at(1), conclusion="success"),
        ],
        "audit.jsonl": [
            audit("d-1", 0, "/repos/{owner}/{repo}/statuses/{sha}"),
            audit("d-2", 4, "/repos/{owner}/{repo}/releases"),
        ],
    }.items():
        (tmp_path / name).write_text("".join(f"{json.dumps(record)}\n" for record in records))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "github-job-81.log").write_text(f"{at(0)} + echo {SECRET}\n")
    (command,) = [line for line in text.splitlines() if line.startswith("$ curfewd replay")]
    program, *arguments = shlex.split(command[2:])
    assert program == "curfewd"
    done = curfewd(*arguments, "--out", "out", folder=tmp_path, environ={"CURFEWD_KEY": key})
    assert done.code == 0, done.err
    found = [json.loads(line) for line in (tmp_path / "out" / "findings.jsonl").read_text().splitlines()]
    assert sorted(
        (one["finding_info"]["analytic"]["uid"], one["unmapped"]["task_id"], one["count"]) for one in found
    ) == [("leaked-credential", "github/job/81", 1), ("use-after-termination", "github/job/81", 1)]
    assert SECRET not in (tmp_path / "out" / "findings.jsonl").read_text()
