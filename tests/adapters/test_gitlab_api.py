"""What GitLab's API answers, as task history: the same tasks as its webhooks tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted
from detector.values.times import parse_rfc3339
from tests.ingest.collecting import collect

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
# As docs.gitlab.com, "Jobs API" and "Pipelines API", shows them; the times have digits that webhooks do not have.
JOB: dict[str, Any] = {
    "commit": {"id": "0ff3ae19", "title": "Test the CI integration."},
    "coverage": None,
    "archived": False,
    "source": "push",
    "allow_failure": False,
    "created_at": "2026-05-01T07:59:00.802Z",
    "started_at": "2026-05-01T08:00:00.729Z",
    "finished_at": "2026-05-01T08:10:00.921Z",
    "erased_at": None,
    "duration": 600.192,
    "queued_duration": 0.010,
    "id": 9,
    "name": "deploy",
    "pipeline": {"id": 8, "project_id": 3, "ref": "main", "sha": "0ff3ae19", "status": "success"},
    "failure_reason": None,
    "ref": "main",
    "runner": {"id": 1, "description": "blue-4", "active": True, "is_shared": True},
    "stage": "deploy",
    "status": "success",
    "tag": False,
    "web_url": "https://gitlab.example.com/acme/app/-/jobs/9",
    "project": {"ci_job_token_scope_enabled": False},
    "user": {"id": 5, "username": "mona"},
}
PIPELINE: dict[str, Any] = {
    "id": 8,
    "iid": 2,
    "project_id": 3,
    "name": "Build pipeline",
    "status": "success",
    "ref": "main",
    "sha": "0ff3ae19",
    "web_url": "https://gitlab.example.com/acme/app/-/pipelines/8",
    "user": {"username": "mona", "id": 5},
    "created_at": "2026-05-01T07:59:00.123Z",
    "updated_at": "2026-05-01T08:10:01.123Z",
    "started_at": "2026-05-01T07:59:30.123Z",
    "finished_at": "2026-05-01T08:10:01.123Z",
}
HOOK: dict[str, Any] = {
    "object_kind": "build",
    "build_id": 9,
    "build_status": "success",
    "build_started_at": "2026-05-01 08:00:00 UTC",
    "build_finished_at": "2026-05-01 08:10:00 UTC",
    "pipeline_id": 8,
    "project_id": 3,
    "project": {"id": 3, "path_with_namespace": "acme/app"},
    "runner": {"id": 1, "description": "blue-4"},
    "user": {"id": 5, "username": "mona"},
}
PIPELINE_HOOK: dict[str, Any] = {
    "object_kind": "pipeline",
    "object_attributes": {
        "id": 8,
        "status": "success",
        "created_at": "2026-05-01 07:59:00 UTC",
        "finished_at": "2026-05-01 08:10:01 UTC",
    },
    "user": {"username": "mona"},
    "project": {"id": 3},
}


def reads(record: Any) -> list[Read]:
    return list(BUNDLED.read_object(json.dumps(record).encode(), NOW))


def events(record: Any) -> list[CanonicalEvent]:
    found = reads(record)
    assert [read.error for read in found if read.error is not None] == []
    return [event for read in found for event in read.events]


def test_a_job_gives_the_very_events_of_its_webhook() -> None:
    assert events(JOB) == events(HOOK)
    assert len(events(JOB)) == 4


def test_a_pipeline_is_the_task_of_its_webhook_and_that_governs() -> None:
    start, end = events(PIPELINE)
    told_start, told_end = events(PIPELINE_HOOK)
    assert isinstance(start, TaskStarted)
    assert end == told_end
    assert (start.time, start.source) == (told_start.time, told_start.source)
    assert told_start.id < start.id
    assert start.task_id == "gitlab/pipeline/8"


def test_a_pipeline_in_a_list_has_no_end() -> None:
    listed = {name: value for name, value in PIPELINE.items() if name not in ("finished_at", "user")}
    assert [type(event) for event in events(listed)] == [TaskStarted]


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({"status": "created", "started_at": None, "finished_at": None}, []),
        ({"status": "skipped", "started_at": None, "finished_at": None}, []),
        ({"status": "running", "finished_at": None}, ["TaskStarted", "CredentialIssued"]),
        ({"status": "canceled", "started_at": None}, ["TaskEnded"]),
        ({"downstream_pipeline": {"id": 10}}, []),
    ],
    ids=["created", "skipped", "running", "cancelled", "trigger"],
)
def test_a_job_gives_what_has_happened(fields: dict[str, Any], types: list[str]) -> None:
    assert [type(event).__name__ for event in events(JOB | fields)] == types


def test_a_job_that_timed_out_says_so() -> None:
    (end,) = [
        event
        for event in events(JOB | {"status": "failed", "failure_reason": "job_execution_timeout"})
        if isinstance(event, TaskEnded)
    ]
    assert end.outcome == "timed_out"


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (JOB | {"finished_at": None}, "finished_at"),
        (JOB | {"status": "running", "started_at": None}, "started_at"),
        (PIPELINE | {"created_at": None}, "created_at"),
        (PIPELINE | {"finished_at": "soon"}, "finished_at"),
    ],
    ids=["end", "start", "pipeline", "pipeline-end"],
)
def test_what_is_missing_is_named(record: dict[str, Any], field: str) -> None:
    (read,) = reads(record)
    assert read.error is not None
    assert read.error.field == field


WRITTEN: dict[str, Callable[[list[Any]], str]] = {
    "an array": json.dumps,
    "arrays one after another": lambda jobs: "".join(json.dumps([one]) for one in jobs),
    "arrays on lines": lambda jobs: "".join(f"{json.dumps([one])}\n" for one in jobs),
    "an array of arrays": lambda jobs: json.dumps([[one] for one in jobs], indent=2),
    "jobs on lines": lambda jobs: "".join(f"{json.dumps(one)}\n" for one in jobs),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_pages_are_read_however_they_were_kept(write: Callable[[list[Any]], str], tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_text(write([JOB, PIPELINE]))
    found = collect(tmp_path / "jobs.json")
    assert [type(event).__name__ for event in found.events] == [
        "TaskStarted",
        "CredentialIssued",
        "TaskEnded",
        "CredentialRevoked",
        "TaskStarted",
        "TaskEnded",
    ]
    assert found.letters == []
    assert found.batches == []
