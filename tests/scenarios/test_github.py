"""A release job on GitHub prints its token; when it has failed and is run again, somebody else uses the first run's.

Told by webhooks, the audit log as it is streamed, the job's log, and whoever issued the token.
"""

from pathlib import Path

from detector.values.events import TaskEnded, TaskStarted
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
