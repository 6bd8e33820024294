"""A job on GitLab ends, and its token is used afterwards; its trace shows another secret between section marks.

Told by webhooks, by the stream of audit events, and by the job's trace with timestamps.
"""

from pathlib import Path

from detector.values.events import TaskStarted
from tests.scenarios.telling import story, told

JOB, PROJECT = "gitlab/job/9/token", "gitlab/token/55"


def test_a_job_token_used_when_the_job_is_over(tmp_path: Path) -> None:
    files = story("gitlab")
    del files["trace.log"]
    found = told(tmp_path, files)
    # The project token made at 08:02 has no end. The job is over at 08:10, and GitLab takes its token back; at 08:25
    # it works all the same, from elsewhere. All that can be done is ask again, more urgently.
    assert found.findings == (
        ("overlong-credential", PROJECT, 1, "medium"),
        ("use-from-elsewhere", JOB, 2, "high"),
        ("use-after-termination", JOB, 2, "critical"),
    )
    assert found.commands == ((JOB, True, ("use-after-termination",)),)
    assert found.dead == ()
    assert found.unresolved == {}
    (command,) = found.result.commands
    assert command.credential.revocation == {
        "provider": "gitlab",
        "method": "cancel-job",
        "project_id": "3",
        "job_id": "9",
    }


def test_a_job_told_by_its_pipeline_alone_is_the_same(tmp_path: Path) -> None:
    files = story("gitlab")
    whole = told(tmp_path / "whole", {"w.jsonl": files["webhooks.jsonl"], "a.jsonl": files["audit.jsonl"]})
    pipelines = b"".join(
        line for line in files["webhooks.jsonl"].splitlines(keepends=True) if b'"pipeline"' in line
    )
    alone = told(tmp_path / "alone", {"w.jsonl": pipelines, "a.jsonl": files["audit.jsonl"]})
    assert alone.findings == whole.findings
    starts = {start.task_id: start.parent_task_id for start in alone.events_of(TaskStarted)}
    assert starts == {"gitlab/pipeline/8": None, "gitlab/job/9": "gitlab/pipeline/8"}


def test_a_trace_is_scanned_between_its_marks_and_under_its_colours(tmp_path: Path) -> None:
    found = told(tmp_path, {"trace.log": story("gitlab")["trace.log"]})
    assert found.findings == (("leaked-secret", "gitlab-pat", 2, "critical"),)
    (leaks,) = (finding.evidences for finding in found.result.findings)
    assert [getattr(leak.event, "line", None) for leak in leaks] == [6, 7]
    assert all("glpat-" not in getattr(leak.event, "excerpt", "glpat-") for leak in leaks)


def test_a_secret_given_to_a_pipeline_as_a_variable_is_shown_by_its_events(tmp_path: Path) -> None:
    secret = b"glpat-7Rm2VtXb9KdYw4Lz8HnP"
    line = story("gitlab")["webhooks.jsonl"].splitlines()[0]
    shown = line.replace(
        b'"status": "pending",',
        b'"status": "pending", "variables": [{"key": "T", "value": "%s"}],' % secret,
        1,
    )
    found = told(tmp_path, {"webhooks.jsonl": shown})
    assert found.findings == (("leaked-secret", "gitlab-pat", 1, "critical"),)
    assert found.result.findings[0].task is not None
    assert found.result.findings[0].task.task_id == "gitlab/pipeline/8"
