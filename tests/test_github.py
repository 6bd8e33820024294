import base64
import hashlib
from typing import Any

import pytest

from detector.adapters.github import looks_like, translate
from detector.errors import BadRecordError
from detector.events import DENIED, SUCCESS, CredentialUsed, Identifier, TaskEnded, TaskStarted
from detector.times import parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
JOB: dict[str, Any] = {
    "id": 71,
    "run_id": 5,
    "run_attempt": 2,
    "status": "in_progress",
    "started_at": "2026-05-01T08:00:00Z",
    "completed_at": None,
    "conclusion": None,
    "runner_name": "runner 9",
}
AROUND: dict[str, Any] = {"repository": {"full_name": "octo/app"}, "sender": {"login": "mona"}}
DIGEST = hashlib.sha256(b"not a real token").digest()
AUDIT: dict[str, Any] = {
    "@timestamp": 1777622400000,
    "_document_id": "d1",
    "action": "git.clone",
    "hashed_token": base64.b64encode(DIGEST).decode(),
    "actor_ip": "192.0.2.3",
    "org": "octo",
    "repo": "octo/app",
    "user_agent": "git/2",
}


def job(action: str, **fields: Any) -> dict[str, Any]:
    return {"action": action, "workflow_job": {**JOB, **fields}, **AROUND}


def test_a_job_in_progress_is_a_task_of_its_run() -> None:
    assert looks_like(job("in_progress"))
    assert translate(job("in_progress"), NOW) == [
        TaskStarted(
            time=AT,
            source="github/octo/app",
            id="workflow_job/71/in_progress",
            task_id="github/octo/app/job/71",
            kind="ci",
            owner="mona",
            workload="runner 9",
            parent_task_id="github/octo/app/run/5/2",
        )
    ]


@pytest.mark.parametrize(
    ("conclusion", "outcome"),
    [
        ("success", "succeeded"),
        ("failure", "failed"),
        ("cancelled", "cancelled"),
        ("timed_out", "timed_out"),
        ("skipped", "cancelled"),
        ("invented-next-year", None),
    ],
)
def test_a_completed_job_is_a_task_that_ended(conclusion: str, outcome: str | None) -> None:
    done = job("completed", conclusion=conclusion, completed_at="2026-05-01T08:00:00Z")
    assert translate(done, NOW) == [
        TaskEnded(
            time=AT,
            source="github/octo/app",
            id="workflow_job/71/completed",
            task_id="github/octo/app/job/71",
            outcome=outcome,
        )
    ]


def test_a_run_is_a_task_and_each_attempt_another() -> None:
    run = {
        "id": 5,
        "run_attempt": 2,
        "run_started_at": "2026-05-01T08:00:00Z",
        "updated_at": "2026-05-01T08:00:00Z",
    }
    first, again = (
        translate({"action": action, "workflow_run": {**run, "run_attempt": attempt}, **AROUND}, NOW)
        for action, attempt in (("in_progress", 1), ("completed", 2))
    )
    assert [event.task_id for event in (*first, *again) if isinstance(event, TaskStarted | TaskEnded)] == [
        "github/octo/app/run/5/1",
        "github/octo/app/run/5/2",
    ]


def test_a_queued_job_gives_nothing() -> None:
    assert translate(job("queued"), NOW) == []


def test_an_audit_record_with_a_hashed_token_is_a_use() -> None:
    assert translate(AUDIT, NOW) == [
        CredentialUsed(
            time=AT,
            source="github.audit/octo",
            id="d1",
            identifier=Identifier("sha256", DIGEST.hex()),
            action="git.clone",
            resource="octo/app",
            outcome=SUCCESS,
            source_ip="192.0.2.3",
            user_agent="git/2",
        )
    ]
    request = {
        **AUDIT,
        "action": "api.request",
        "request_method": "GET",
        "route": "/repos",
        "status_code": 403,
    }
    (use,) = translate(request, NOW)
    assert isinstance(use, CredentialUsed)
    assert (use.action, use.outcome) == ("GET /repos", DENIED)
    assert translate({**AUDIT, "hashed_token": ""}, NOW) == []


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (job("in_progress", id=None), "missing-field", "workflow_job.id"),
        (job("in_progress", started_at=None), "missing-field", "workflow_job.started_at"),
        (job("completed", completed_at="marker"), "bad-time", "workflow_job.completed_at"),
        ({**job("completed"), "repository": "marker"}, "missing-field", "repository.full_name"),
        ({**AUDIT, "hashed_token": "marker"}, "wrong-field", "hashed_token"),
        ({**AUDIT, "_document_id": None}, "missing-field", "_document_id"),
        ({**AUDIT, "@timestamp": 1777680660001}, "future-time", "@timestamp"),
    ],
)
def test_a_known_record_that_lacks_a_field_names_it(record: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        translate(record, NOW)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "marker" not in str(caught.value)
