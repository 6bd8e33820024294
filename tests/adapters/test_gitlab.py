from typing import Any

import pytest

from detector.adapters.gitlab.webhooks import known, looks_like, scanned, translate
from detector.records.log_records import LogText
from detector.values.errors import BadRecordError
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, MINUTE, parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
END = AT + 10 * MINUTE
JOB: dict[str, Any] = {
    "object_kind": "build",
    "build_id": 9,
    "build_name": "deploy",
    "build_status": "running",
    "build_created_at": "2026-05-01 07:59:00 UTC",
    "build_started_at": "2026-05-01 08:00:00 UTC",
    "build_finished_at": None,
    "build_failure_reason": "unknown_failure",
    "pipeline_id": 8,
    "project_id": 3,
    "project_name": "Acme / App",
    "project": {"id": 3, "name": "App", "path_with_namespace": "acme/app"},
    "runner": {"id": 1, "description": "blue-4", "tags": ["docker"]},
    "user": {"id": 5, "username": "mona"},
}
DONE = {**JOB, "build_status": "success", "build_finished_at": "2026-05-01 08:10:00 UTC"}
BUILD: dict[str, Any] = {
    "id": 9,
    "name": "deploy",
    "status": "running",
    "started_at": "2026-05-01 08:00:00 UTC",
    "finished_at": None,
    "runner": {"description": "blue-4"},
    "user": {"username": "mona"},
}
PIPELINE: dict[str, Any] = {
    "object_kind": "pipeline",
    "object_attributes": {
        "id": 8,
        "status": "running",
        "created_at": "2026-05-01 08:00:00 UTC",
        "finished_at": None,
    },
    "user": {"username": "mona"},
    "project": {"id": 3, "path_with_namespace": "acme/app"},
    "builds": [],
}
AUDIT: dict[str, Any] = {
    "id": "a-1",
    "author_id": 5,
    "author_name": "Mona",
    "created_at": "2026-05-01T08:00:00.000Z",
    "entity_id": 3,
    "entity_type": "Project",
    "entity_path": "acme/app",
    "event_type": "user_authenticated_using_job_token",
    "ip_address": "192.0.2.7",
    "target_id": 9,
    "target_type": "Ci::Build",
    "target_details": "9",
    "details": {"custom_message": "Mona authenticated using job token of job id: 9"},
}
START = TaskStarted(
    time=AT,
    source="gitlab",
    id="job/9/started",
    task_id="gitlab/job/9",
    kind="ci",
    owner="mona",
    workload="blue-4",
    parent_task_id="gitlab/pipeline/8",
    group="gitlab:acme/app",
)
ISSUE = CredentialIssued(
    time=AT,
    source="gitlab",
    id="job/9/issued",
    credential_id="gitlab/job/9/token",
    task_id="gitlab/job/9",
    identifiers=(Identifier("gitlab-job-token", "9"),),
    kind="gitlab-job-token",
    expires_at=AT + 31 * DAY,
    revocation={"provider": "gitlab", "method": "cancel-job", "project_id": "3", "job_id": "9"},
)
TAKEN_BACK = CredentialRevoked(
    time=END, source="gitlab", id="job/9/revoked", credential_id="gitlab/job/9/token"
)


def ended(outcome: str | None) -> TaskEnded:
    return TaskEnded(time=END, source="gitlab", id="job/9/ended", task_id="gitlab/job/9", outcome=outcome)


def test_a_running_job_is_a_task_of_its_pipeline_with_a_token() -> None:
    assert looks_like(JOB)
    assert translate(JOB, NOW) == [START, ISSUE]


@pytest.mark.parametrize(
    ("fields", "group"),
    [
        ({"project": {"path_with_namespace": "Acme/Shop/Web"}}, "gitlab:acme/shop/web"),
        ({"repository": {"homepage": "https://gitlab.example:3005/acme/app"}}, "gitlab:acme/app"),
        ({"repository": {"homepage": "https://[::1"}}, None),
        ({"repository": {"homepage": 7}}, None),
        ({}, None),
    ],
)
def test_the_jobs_of_a_project_are_a_group(fields: dict[str, Any], group: str | None) -> None:
    job = {name: value for name, value in JOB.items() if name != "project"}
    (start,) = (one for one in translate({**job, **fields}, NOW) if isinstance(one, TaskStarted))
    assert start.group == group


def test_a_finished_job_has_ended_and_its_token_is_taken_back() -> None:
    assert translate(DONE, NOW) == [START, ISSUE, ended("succeeded"), TAKEN_BACK]


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        ("success", "unknown_failure", "succeeded"),
        ("failed", "script_failure", "failed"),
        ("failed", "job_execution_timeout", "timed_out"),
        ("failed", "stuck_or_timeout_failure", "timed_out"),
        ("canceled", "unknown_failure", "cancelled"),
    ],
)
def test_how_a_job_ended(status: str, reason: str, outcome: str) -> None:
    assert ended(outcome) in translate({**DONE, "build_status": status, "build_failure_reason": reason}, NOW)


@pytest.mark.parametrize(
    "record",
    [
        {**JOB, "build_status": status, "build_started_at": None}
        for status in ("created", "pending", "preparing", "manual", "scheduled", "skipped", "canceled")
    ],
)
def test_a_job_that_does_not_run_gives_nothing(record: dict[str, Any]) -> None:
    assert translate(record, NOW) == []


def test_a_job_that_failed_before_it_started_has_ended() -> None:
    never = {**DONE, "build_status": "failed", "build_started_at": None}
    assert translate(never, NOW) == [ended("failed")]


def test_times_come_in_the_newer_style_too() -> None:
    newer = {
        name: value for name, value in DONE.items() if name not in ("build_started_at", "build_finished_at")
    }
    newer |= {
        "build_started_at_iso": "2026-05-01T08:00:00Z",
        "build_finished_at_iso": "2026-05-01T10:10:00+02:00",
    }
    assert translate(newer, NOW) == translate(DONE, NOW)


def test_a_pipeline_is_a_task_and_one_that_another_started_is_below_it() -> None:
    start = TaskStarted(
        time=AT,
        source="gitlab",
        id="pipeline/8/started",
        task_id="gitlab/pipeline/8",
        kind="ci",
        owner="mona",
    )
    assert translate(PIPELINE, NOW) == [start]
    above = {**PIPELINE, "source_pipeline": {"project": {"id": 2}, "pipeline_id": 7, "job_id": 6}}
    (child,) = translate(above, NOW)
    assert isinstance(child, TaskStarted)
    assert child.parent_task_id == "gitlab/pipeline/7"


def finished(at: str) -> list[CanonicalEvent]:
    done = {**PIPELINE["object_attributes"], "status": "failed", "finished_at": at}
    return translate({**PIPELINE, "object_attributes": done}, NOW)


def test_each_end_of_a_pipeline_is_told_as_jobs_may_be_retried() -> None:
    first, again = finished("2026-05-01 08:10:00 UTC")[-1], finished("2026-05-01 08:20:00 UTC")[-1]
    assert isinstance(first, TaskEnded)
    assert isinstance(again, TaskEnded)
    assert (first.time, first.outcome, again.time) == (END, "failed", END + 10 * MINUTE)
    assert first.id != again.id


def test_a_pipelines_list_tells_its_jobs_as_their_own_events_do() -> None:
    done = {**BUILD, "status": "success", "finished_at": "2026-05-01 08:10:00 UTC"}
    waiting = {"id": 10, "status": "created", "started_at": None, "finished_at": None}
    events = translate({**PIPELINE, "builds": [done, waiting, "x"]}, NOW)
    assert events[1:] == translate(DONE, NOW)


def test_the_variables_of_a_pipeline_are_scanned_as_its_events_show_them() -> None:
    variables = [
        {"key": "DEPLOY_TOKEN", "value": "s3cret"},
        {"key": "TARGET", "value": "prod"},
        {"key": "NUMBER", "value": 7},
        "x",
    ]
    shown = {**PIPELINE, "object_attributes": {**PIPELINE["object_attributes"], "variables": variables}}
    assert scanned(shown, NOW) == LogText(b"DEPLOY_TOKEN=s3cret\nTARGET=prod", AT, "gitlab/pipeline/8")
    for nothing in (PIPELINE, JOB, AUDIT, {**shown, "object_kind": "push"}):
        assert scanned(nothing, NOW) is None


def test_a_use_of_a_job_token_names_its_job() -> None:
    assert looks_like(AUDIT)
    assert translate(AUDIT, NOW) == [
        CredentialUsed(
            time=AT,
            source="gitlab.audit",
            id="a-1",
            identifier=Identifier("gitlab-job-token", "9"),
            action="user_authenticated_using_job_token",
            resource="acme/app",
            outcome=SUCCESS,
            source_ip="192.0.2.7",
        )
    ]


REQUEST: dict[str, Any] = {
    "time": "2026-05-01T08:00:00.000Z",
    "severity": "INFO",
    "status": 200,
    "method": "GET",
    "path": "/api/v4/projects/3/repository/tags",
    "remote_ip": "192.0.2.9, 127.0.0.1",
    "ua": "curl/8.5.0",
    "route": "/api/:version/projects/:id/repository/tags",
    "username": "project_3_bot",
    "token_type": "PersonalAccessToken",
    "token_id": 55,
    "correlation_id": "01HZ7",
    "meta.remote_ip": "192.0.2.7",
}


def test_a_logged_request_uses_the_token_that_an_audit_event_issued() -> None:
    assert looks_like(REQUEST)
    (use,) = translate(REQUEST, NOW)
    assert use == CredentialUsed(
        time=AT,
        source="gitlab.requests",
        id="01HZ7",
        identifier=Identifier("gitlab-token-id", "55"),
        action="GET /api/:version/projects/:id/repository/tags",
        resource="/api/v4/projects/3/repository/tags",
        outcome=SUCCESS,
        source_ip="192.0.2.7",
        user_agent="curl/8.5.0",
    )
    (issue,) = translate(token("project_access_token_created"), NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.identifiers == (use.identifier,)


@pytest.mark.parametrize(
    ("fields", "identifier", "outcome"),
    [
        ({"status": 403}, Identifier("gitlab-token-id", "55"), DENIED),
        ({"status": 404}, Identifier("gitlab-token-id", "55"), SUCCESS),
        ({"token_type": "DeployToken", "token_id": 6}, Identifier("gitlab-deploy-token-id", "6"), SUCCESS),
        (
            {"status": 401, "meta.auth_fail_token_id": "PersonalAccessToken/12"},
            Identifier("gitlab-token-id", "12"),
            DENIED,
        ),
        ({"token_type": "OauthAccessToken"}, None, SUCCESS),
        ({"token_type": "PersonalAccessToken", "token_id": None}, None, SUCCESS),
        ({"meta.auth_fail_token_id": "unknown"}, None, SUCCESS),
    ],
    ids=str,
)
def test_the_token_of_a_logged_request_and_what_became_of_it(
    fields: dict[str, Any], identifier: Identifier | None, outcome: str
) -> None:
    found = [(event.identifier, event.outcome) for event in translate({**REQUEST, **fields}, NOW)]  # type: ignore[union-attr]
    assert found == ([] if identifier is None else [(identifier, outcome)])


def test_a_logged_request_is_scanned_and_its_address_is_not_what_the_client_wrote() -> None:
    spoken = {**REQUEST, "path": "/api/v4/user?private_token=x", "params": [{"key": "q", "value": "s3cret"}]}
    log = scanned(spoken, NOW)
    assert log is not None
    assert b"s3cret" in log.rest
    (use,) = translate({**spoken, "meta.remote_ip": None}, NOW)
    assert isinstance(use, CredentialUsed)
    assert (use.source_ip, use.resource) == (None, "/api/v4/user")


def test_a_request_that_names_no_token_is_log_text() -> None:
    assert not looks_like({name: value for name, value in REQUEST.items() if not name.startswith("token")})
    assert not looks_like({**REQUEST, "path": "api"})


@pytest.mark.parametrize("place", ["top", "details"])
def test_an_audit_event_of_the_log_or_the_api_is_as_a_streamed_one(place: str) -> None:
    streamed = token("project_access_token_created")
    more = {"event_name": "project_access_token_created", "target_id": 55, "entity_path": "acme/app"}
    logged = {name: value for name, value in streamed.items() if name not in ("event_type", *more)}
    logged |= {"details": more} if place == "details" else more
    assert looks_like(logged)
    assert known(logged)
    assert translate(logged, NOW) == translate(streamed, NOW)
    assert scanned(logged, NOW) is not None


def test_an_old_audit_event_has_no_type_and_is_known_as_gitlabs() -> None:
    old = {
        "severity": "INFO",
        "author_id": 3,
        "entity_id": 2,
        "entity_type": "Project",
        "change": "visibility",
    }
    assert looks_like(old)
    assert known(old)
    del old["change"]
    assert not known(old)


def token(event_type: str, **more: Any) -> dict[str, Any]:
    return {**AUDIT, "event_type": event_type, "target_id": 55, "target_type": "PersonalAccessToken", **more}


@pytest.mark.parametrize(
    ("record", "credential", "task", "kind", "identifier"),
    [
        (
            token("project_access_token_created"),
            "gitlab/token/55",
            "gitlab/project/acme/app",
            "gitlab-access-token",
            Identifier("gitlab-token-id", "55"),
        ),
        (
            token("group_access_token_created", entity_type="Group", entity_path="acme"),
            "gitlab/token/55",
            "gitlab/group/acme",
            "gitlab-access-token",
            Identifier("gitlab-token-id", "55"),
        ),
        (
            token("deploy_token_created", target_type="DeployToken"),
            "gitlab/deploy-token/55",
            "gitlab/project/acme/app",
            "gitlab-deploy-token",
            Identifier("gitlab-deploy-token-id", "55"),
        ),
        (
            token(
                "personal_access_token_issued",
                target_type="User",
                details={"custom_message": "Created personal access token with id 77"},
            ),
            "gitlab/token/77",
            "gitlab/user/55",
            "gitlab-access-token",
            Identifier("gitlab-token-id", "77"),
        ),
    ],
)
def test_a_token_made_is_a_credential(
    record: dict[str, Any], credential: str, task: str, kind: str, identifier: Identifier
) -> None:
    (issue,) = translate(record, NOW)
    assert isinstance(issue, CredentialIssued)
    assert (issue.credential_id, issue.task_id, issue.kind) == (credential, task, kind)
    assert issue.identifiers == (identifier,)
    assert issue.revocation is not None
    assert issue.revocation["token_id"] == identifier.value


@pytest.mark.parametrize(
    ("record", "identifier"),
    [
        (token("project_access_token_deleted"), Identifier("gitlab-token-id", "55")),
        (token("group_access_token_deleted"), Identifier("gitlab-token-id", "55")),
        (token("deploy_token_revoked"), Identifier("gitlab-deploy-token-id", "55")),
        (
            token(
                "personal_access_token_revoked",
                details={"custom_message": "Revoked personal access token with id 77"},
            ),
            Identifier("gitlab-token-id", "77"),
        ),
    ],
)
def test_a_token_taken_away_is_revoked(record: dict[str, Any], identifier: Identifier) -> None:
    assert translate(record, NOW) == [
        CredentialRevoked(time=AT, source="gitlab.audit", id="a-1/revoked", identifier=identifier)
    ]


def test_what_was_only_attempted_did_not_happen() -> None:
    message = "Attempted to revoke personal access token with id 77 but failed with message: no"
    assert translate(token("personal_access_token_revoked", details={"custom_message": message}), NOW) == []


def test_other_events_are_of_another_type() -> None:
    assert known(JOB)
    assert known(PIPELINE)
    assert known(AUDIT)
    assert known({**JOB, "object_kind": "push"})
    assert not known({**JOB, "object_kind": "vexed"})
    assert looks_like({"object_kind": "push", "project_id": 3})
    assert known({**AUDIT, "event_type": "repository_git_operation"})
    assert not known({**AUDIT, "event_type": "repository_vexed"})
    assert not known({**AUDIT, "event_type": ["x"]})
    assert not looks_like({"object_kind": "build", "message": "x"})
    assert not looks_like({"event_type": "x", "message": "y"})


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        ({**JOB, "build_id": None}, "missing-field", "build_id"),
        ({**JOB, "build_status": None}, "missing-field", "build_status"),
        ({**JOB, "build_started_at": None}, "missing-field", "build_started_at"),
        ({**DONE, "build_finished_at": None}, "missing-field", "build_finished_at"),
        ({**JOB, "build_started_at": "marker"}, "bad-time", "build_started_at"),
        ({**JOB, "build_started_at": "2026-05-02 00:10:01 UTC"}, "future-time", "build_started_at"),
        ({**JOB, "user": {"username": ["marker"]}}, "wrong-field", "user.username"),
        ({**PIPELINE, "object_attributes": {}}, "missing-field", "object_attributes.id"),
        ({**AUDIT, "id": None}, "missing-field", "id"),
        ({**AUDIT, "created_at": None}, "missing-field", "created_at"),
        ({**AUDIT, "target_id": None, "target_details": None}, "missing-field", "target_details"),
        (token("project_access_token_created", target_id=None), "missing-field", "target_id"),
        (token("personal_access_token_revoked"), "wrong-field", "details.custom_message"),
        (
            token("project_access_token_created", entity_path=None, entity_id=None),
            "missing-field",
            "entity_path",
        ),
    ],
)
def test_a_known_event_that_lacks_a_field_names_it(record: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        translate(record, NOW)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "marker" not in str(caught.value)
