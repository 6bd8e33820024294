import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest

from detector.adapters.github.webhooks import known, looks_like, translate
from detector.ingest.classify import BUNDLED
from detector.values.errors import BadRecordError
from detector.values.events import (
    DENIED,
    SUCCESS,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import parse_rfc3339

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
            task_id="github/job/71",
            kind="ci",
            owner="mona",
            workload="runner 9",
            parent_task_id="github/run/5/2",
            group="github:octo/app",
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
    assert translate(done, NOW)[-1:] == [
        TaskEnded(
            time=AT,
            source="github/octo/app",
            id="workflow_job/71/completed",
            task_id="github/job/71",
            outcome=outcome,
        )
    ]


def test_a_completed_job_has_started_though_the_delivery_that_said_so_is_lost() -> None:
    (known,) = translate(job("in_progress"), NOW)
    (started, _) = translate(job("completed", conclusion="success", completed_at="2026-05-01T08:09:00Z"), NOW)
    assert isinstance(started, TaskStarted)
    assert started == msgspec.structs.replace(known, id="workflow_job/71/in_progress/completed")
    assert known.id < started.id  # so the first counts where both are there


@pytest.mark.parametrize(
    "fields",
    [
        {"conclusion": "skipped"},
        {"conclusion": "cancelled", "runner_id": 0, "runner_name": "", "steps": []},  # in the queue
        {"conclusion": "success", "started_at": None},
    ],
)
def test_a_completed_job_that_no_runner_took_has_not_started(fields: dict[str, Any]) -> None:
    done = job("completed", completed_at="2026-05-01T08:09:00Z", **fields)
    assert [type(event) for event in translate(done, NOW)] == [TaskEnded]


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
        "github/run/5/1",
        "github/run/5/2",
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
    ("status", "outcome"), [(200, SUCCESS), ("304", SUCCESS), (401, DENIED), ("404", DENIED), (429, DENIED)]
)
def test_a_status_that_grants_nothing_is_a_denial(status: int | str, outcome: str) -> None:
    (use,) = translate({**AUDIT, "status_code": status}, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == outcome


@pytest.mark.parametrize(
    ("fields", "identifier"),
    [
        ({"token_id": 555}, Identifier("sha256", DIGEST.hex())),
        ({"token_id": 555, "hashed_token": ""}, Identifier("github-token-id", "555")),
        ({"token_id": "555", "hashed_token": "0771cae4d170dc02="}, Identifier("github-token-id", "555")),
    ],
)
def test_a_use_names_its_token_by_hash_else_by_id(fields: dict[str, Any], identifier: Identifier) -> None:
    (use,) = translate({**AUDIT, **fields}, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.identifier == identifier


def test_a_time_comes_in_several_styles() -> None:
    plain = {name: value for name, value in AUDIT.items() if name != "@timestamp"}
    for more in (
        {"created_at": 1777622400000},
        {"at_sign_timestamp": "2026-05-01 08:00:00.000000000"},
        {"@timestamp": "2026-05-01T08:00:00Z"},
    ):
        (use,) = translate({**plain, **more}, NOW)
        assert use.time == AT


def about(action: str, **more: Any) -> dict[str, Any]:
    """A record of what a person did in the browser about a token."""
    named = {"user": "mona", "actor": "root", "org": "octo", "token_id": 555}
    return {"@timestamp": 1777622400000, "_document_id": "d2", "action": action, **named, **more}


def test_a_token_made_is_a_credential_of_its_user() -> None:
    (issue,) = translate(about("personal_access_token.create", hashed_token=AUDIT["hashed_token"]), NOW)
    assert isinstance(issue, CredentialIssued)
    assert (issue.credential_id, issue.task_id, issue.kind) == (
        "github/token/555",
        "github/user/mona",
        "github-token",
    )
    assert issue.identifiers == (
        Identifier("github-token-id", "555"),
        Identifier("sha256", DIGEST.hex()),
    )
    assert issue.expires_at is None
    assert issue.revocation == {
        "provider": "github",
        "method": "revoke-token",
        "user": "mona",
        "org": "octo",
        "token_id": "555",
    }
    soon = about("personal_access_token.create", token_expiration="2026-06-01T00:00:00Z")
    (limited,) = translate(soon, NOW)
    assert isinstance(limited, CredentialIssued)
    assert limited.expires_at == parse_rfc3339("2026-06-01T00:00:00Z")


def test_a_tokens_hash_is_never_its_id() -> None:
    only_hash = about("oauth_access.create", token_id=None, hashed_token=AUDIT["hashed_token"])
    (issue,) = translate(only_hash, NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.credential_id == "github/token/d2"
    assert issue.identifiers == (Identifier("sha256", DIGEST.hex()),)


@pytest.mark.parametrize(
    "action",
    [
        "oauth_access.destroy",
        "oauth_access.revoke",
        "personal_access_token.access_revoked",
        "personal_access_token.destroy",
    ],
)
def test_a_token_revoked_is_told_by_every_name_it_has(action: str) -> None:
    events = translate(about(action, hashed_token=AUDIT["hashed_token"]), NOW)
    assert all(isinstance(event, CredentialRevoked) and event.time == AT for event in events)
    assert [event.identifier for event in events if isinstance(event, CredentialRevoked)] == [
        Identifier("github-token-id", "555"),
        Identifier("sha256", DIGEST.hex()),
    ]
    assert len({event.id for event in events}) == 2
    assert translate(about(action, token_id=None), NOW) == []


def test_a_token_revoked_by_use_of_another_is_told_from_it() -> None:
    record = about(
        "personal_access_token.access_revoked",
        hashed_token=AUDIT["hashed_token"],
        programmatic_access_type="GitHub App server-to-server token",
        user_programmatic_access_id=9,
    )
    use, revoked = translate(record, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.identifier == Identifier("sha256", DIGEST.hex())
    assert isinstance(revoked, CredentialRevoked)
    assert revoked.identifier == Identifier("github-token-id", "9")


def test_a_run_is_told_by_the_audit_log_too() -> None:
    run = {"action": "workflows.created_workflow_run", "workflow_run_id": "5", "org": "octo", "actor": "mona"}
    stamp = {"at_sign_timestamp": "2026-05-01 08:00:01.000", "programmatic_access_type": "OAuth access token"}
    start = {**run, **stamp, "started_at": "2026-05-01 08:00:00.000000000", "token_id": "1"}
    assert translate(start, NOW) == [
        TaskStarted(
            time=AT,
            source="github.audit/octo",
            id="workflows.created_workflow_run/5/1",
            task_id="github/run/5/1",
            kind="ci",
            owner="mona",
        )
    ]
    end = {**run, "action": "workflows.completed_workflow_run", "run_attempt": 2, "conclusion": "failure"}
    assert translate({**end, "@timestamp": 1777622400000, "_document_id": "d"}, NOW) == [
        TaskEnded(
            time=AT,
            source="github.audit/octo",
            id="workflows.completed_workflow_run/5/2",
            task_id="github/run/5/2",
            outcome="failed",
        )
    ]


def test_records_of_actions_that_github_does_not_document_are_of_another_type() -> None:
    other = {"action": "repo.vexed", "_document_id": "d", "@timestamp": 1777622400000}
    assert looks_like(other)
    assert not known(other)
    assert known({**other, "action": "repo.create"})
    assert known({**other, "token_id": 5})
    assert known(AUDIT)
    assert known(job("queued"))
    assert known(about("oauth_access.create"))
    assert not looks_like({"action": "login", "user": "mona"})


def test_an_audit_record_without_an_id_has_one_of_its_contents() -> None:
    bare = {name: value for name, value in AUDIT.items() if name != "_document_id"}
    (use,) = translate(bare, NOW)
    assert translate({**bare}, NOW) == [use]
    assert translate({**bare, "actor_ip": "192.0.2.1"}, NOW)[0].id != use.id


def test_a_token_of_a_record_without_an_id_is_not_called_by_a_hash() -> None:
    """Neither by its own nor by that of the record: both would be in outputs."""
    hashed = {"hashed_token": AUDIT["hashed_token"], "user": "mona"}
    bare = {"action": "oauth_access.create", "@timestamp": 1777622400000, **hashed}
    (issue,) = translate(bare, NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.credential_id == "github/token/mona/2026-05-01T08:00:00Z"


@pytest.mark.parametrize(
    "record",
    [
        {"action": "repo.destroy", "actor": "cat", "created_at": 1621305118553, "p_log_type": "GitHub.Audit"},
        {"action": "secret_scanning.disable", "actor": "cat", "at_sign_timestamp": "2022-08-16 16:56:49.309"},
    ],
    ids=["panther", "renamed-time"],
)
def test_a_copy_of_the_audit_log_by_panther_is_githubs(record: dict[str, Any]) -> None:
    assert looks_like(record)
    assert known(record)


def test_a_record_of_an_export_without_id_and_token_is_githubs_and_scanned() -> None:
    """As the audit log's page exports it, and as Git events are written for a clone without a token."""
    record = {"actor": "mona", "org": "octo", "action": "hook.create", "created_at": 1777622400000}
    (read,) = BUNDLED.read_object(
        json.dumps({**record, "config": {"url": "https://x.example"}}).encode(), NOW
    )
    assert (read.format, read.idle, read.events) == ("github", "github/other", ())
    assert read.log is not None
    assert b"https://x.example" in read.log.rest
    clone = {"@timestamp": 1777622400000, "action": "git.clone", "business": "octo", "repo": "octo/app"}
    assert looks_like(clone)


@pytest.mark.parametrize(
    "other",
    [
        {"created_at": "2026-05-01T08:00:00Z"},
        {"created_at": 1777622400},
        {"created_at": True},
        {"action": "login"},
        {"action": "Login.Failed"},
        {"action": 5},
        {"org": None},
    ],
    ids=str,
)
def test_what_only_resembles_an_export_is_not_githubs(other: dict[str, Any]) -> None:
    assert not looks_like({"org": "octo", "action": "repo.create", "created_at": 1777622400000, **other})


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (job("in_progress", id=None), "missing-field", "workflow_job.id"),
        (job("in_progress", started_at=None), "missing-field", "workflow_job.started_at"),
        (job("completed", completed_at="marker"), "bad-time", "workflow_job.completed_at"),
        ({**job("completed"), "repository": "marker"}, "missing-field", "repository.full_name"),
        ({**AUDIT, "hashed_token": "marker"}, "wrong-field", "hashed_token"),
        ({**AUDIT, "@timestamp": 1777680660001}, "future-time", "@timestamp"),
    ],
)
def test_a_known_record_that_lacks_a_field_names_it(record: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        translate(record, NOW)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "marker" not in str(caught.value)
