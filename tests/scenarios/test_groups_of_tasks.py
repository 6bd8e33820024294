"""Credentials that name a project, a repository or a service account, and no job: they belong to one of those that ran.

GitLab's jobs with AWS, GitHub's jobs with Vault, pods of a service account. `test_default_session_names` tells of
GitHub's jobs with AWS.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.adapters.ci_names import github_group, gitlab_group, group_of_subject
from tests.scenarios.telling import ReportedFinding, told

AT = "2026-05-04T{}:00Z"
WHILE_ONE_RUNS, AFTER_ALL = "08:15", "08:25"
KEY = "ASIAEXAMPLEGITLAB001"
HMAC = "hmac-sha256:{}"
JTI = "17ab4926-813f-4ffe-9173-f288d07c1b31"


def comes_of(folder: Path, **files: Iterable[dict[str, Any]]) -> ReportedFinding:
    lines = {f"{name}.jsonl": "".join(f"{json.dumps(one)}\n" for one in some) for name, some in files.items()}
    return told(folder, lines, until=AT.format("11:00"))


def after_the_end(found: ReportedFinding) -> list[tuple[str, int, str]]:
    return [finding[1:] for finding in found.findings if finding[0] == "use-after-termination"]


def candidates(found: ReportedFinding) -> tuple[str, ...]:
    known = found.finding("use-after-termination").candidates
    return () if known is None else known.task_ids


def gitlab_job(number: int, start: str, end: str) -> dict[str, Any]:
    return {
        "object_kind": "build",
        "build_id": number,
        "build_status": "success",
        "build_started_at": AT.format(start),
        "build_finished_at": AT.format(end),
        "pipeline_id": 8,
        "project_id": 3,
        "project": {"path_with_namespace": "Acme/Shop/Web"},
    }


def cloudtrail(name: str, clock: str, **fields: Any) -> dict[str, Any]:
    return {
        "eventTime": AT.format(clock),
        "eventSource": "sts.amazonaws.com",
        "eventName": name,
        "eventID": f"{name}-{clock}",
        "recipientAccountId": "111122223333",
        "sourceIPAddress": "192.0.2.44",
        **fields,
    }


GITLAB = [
    cloudtrail(
        "AssumeRoleWithWebIdentity",
        "08:01",
        userIdentity={"type": "WebIdentityUser"},
        requestParameters={
            "roleArn": "arn:aws:iam::111122223333:role/deploy",
            "roleSessionName": "aws-sdk-js-session-1777881660000",
        },
        responseElements={
            "credentials": {"accessKeyId": KEY, "expiration": AT.format("09:01")},
            "subjectFromWebIdentityToken": "project_path:acme/shop/web:ref_type:branch:ref:main",
        },
    )
]


@pytest.mark.parametrize("clock", [WHILE_ONE_RUNS, AFTER_ALL])
def test_a_session_of_a_gitlab_project_used_after_its_last_job(tmp_path: Path, clock: str) -> None:
    use = cloudtrail("GetCallerIdentity", clock, userIdentity={"type": "AssumedRole", "accessKeyId": KEY})
    jobs = [
        gitlab_job(9, "08:00", "08:10"),
        gitlab_job(10, "08:00", "08:20"),
        gitlab_job(11, "08:02", "10:00"),
    ]
    found = comes_of(tmp_path, jobs=jobs, trail=[*GITLAB, use])
    assert after_the_end(found) == ([(KEY, 1, "critical")] if clock == AFTER_ALL else [])
    if clock == AFTER_ALL:
        assert candidates(found) == ("gitlab/job/10", "gitlab/job/9")


def audit(verb: str, number: int, clock: str, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": f"a-{number}",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": "system:node:node-1"},
        "sourceIPs": ["192.0.2.7"],
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": AT.format(clock),
        **fields,
    }


def pod(number: int, name: str, start: str, end: str) -> Iterable[dict[str, Any]]:
    """The kubelet asks for the pod's token when it starts, and says that the pod has succeeded."""
    account = {"resource": "serviceaccounts", "subresource": "token", "namespace": "ci", "name": "runner"}
    bound = {"kind": "Pod", "name": name, "uid": f"u-{number}"}
    yield audit(
        "create",
        number,
        start,
        objectRef=account,
        annotations={"authentication.kubernetes.io/issued-credential-id": f"JTI=pod-{number}"},
        requestObject={"spec": {"expirationSeconds": 3607, "boundObjectRef": bound}},
    )
    yield audit(
        "patch",
        number + 1,
        end,
        objectRef={"resource": "pods", "subresource": "status", "namespace": "ci", "name": name},
        requestObject={"metadata": {"uid": f"u-{number}"}, "status": {"phase": "Succeeded"}},
    )


@pytest.mark.parametrize("clock", [WHILE_ONE_RUNS, AFTER_ALL])
def test_a_token_of_a_service_account_used_after_its_last_pod(tmp_path: Path, clock: str) -> None:
    asked = audit(
        "create",
        90,
        "08:05",
        user={"username": "mona"},
        objectRef={
            "resource": "serviceaccounts",
            "subresource": "token",
            "namespace": "ci",
            "name": "runner",
        },
        annotations={"authentication.kubernetes.io/issued-credential-id": f"JTI={JTI}"},
        requestObject={"spec": {"expirationSeconds": 7200}},
    )
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={JTI}"]}
    use = audit(
        "list",
        91,
        clock,
        user={"username": "system:serviceaccount:ci:runner", "extra": extra},
        sourceIPs=["203.0.113.99"],
        objectRef={"resource": "secrets", "namespace": "prod"},
    )
    pods = [*pod(1, "job-1-x7k2p", "08:00", "08:10"), *pod(5, "job-2-b4c5d", "08:01", "08:20")]
    found = comes_of(tmp_path, audit=[*pods, asked, use])
    assert after_the_end(found) == ([(f"JTI={JTI}", 1, "critical")] if clock == AFTER_ALL else [])
    if clock == AFTER_ALL:
        assert candidates(found) == ("k8s/ci/job-1-x7k2p", "k8s/ci/job-2-b4c5d")


def github_job(number: int, start: str, end: str) -> Iterable[dict[str, Any]]:
    job = {"id": number, "run_id": 5, "started_at": AT.format(start)}
    repository = {"full_name": "Octo/App"}
    yield {"action": "in_progress", "workflow_job": job, "repository": repository}
    done = {**job, "completed_at": AT.format(end), "conclusion": "success"}
    yield {"action": "completed", "workflow_job": done, "repository": repository}


@pytest.mark.parametrize("clock", [WHILE_ONE_RUNS, AFTER_ALL])
@pytest.mark.parametrize(
    "named",
    [
        {"metadata": {"role": "ci", "repository": "octo/app"}},
        {"metadata": {"role": "ci"}, "display_name": "jwt-repo:octo/app:ref:refs/heads/main"},
    ],
    ids=["claim", "subject"],
)
def test_a_vault_token_of_a_repository_used_after_its_last_job(
    tmp_path: Path,
    named: dict[str, Any],
    clock: str,
) -> None:
    token, accessor = HMAC.format("a" * 64), HMAC.format("b" * 64)
    auth = {"client_token": token, "accessor": accessor, "token_type": "service", "token_ttl": 7200, **named}
    login = {
        "time": AT.format("08:05"),
        "type": "response",
        "auth": auth,
        "request": {"id": "r-1", "operation": "update", "mount_type": "jwt", "path": "auth/jwt/login"},
        "response": {"auth": auth},
    }
    request = {"client_token": token, "client_token_accessor": accessor, "remote_address": "203.0.113.99"}
    use = {
        "time": AT.format(clock),
        "type": "request",
        "auth": auth,
        "request": {"id": "r-2", "operation": "read", "path": "secret/data/prod", **request},
    }
    jobs = [*github_job(71, "08:00", "08:10"), *github_job(72, "08:01", "08:20")]
    found = comes_of(tmp_path, jobs=jobs, vault=[login, use])
    assert after_the_end(found) == ([(f"vault/{accessor}", 1, "critical")] if clock == AFTER_ALL else [])
    if clock == AFTER_ALL:
        assert candidates(found) == ("github/job/71", "github/job/72")


NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.", min_size=1, max_size=40)
CONTEXTS = st.sampled_from(
    ("", ":ref:refs/heads/main", ":environment:pro%3Ad", ":pull_request", ":ref:refs/tags/v@1")
)


@given(NAMES, NAMES, CONTEXTS, st.integers(1, 10**12), st.sampled_from(("", "jwt-", "github-")))
def test_every_form_of_a_subject_names_the_group_that_the_jobs_have(
    owner: str, name: str, context: str, number: int, mount: str
) -> None:
    group = github_group(f"{owner}/{name}")
    assert group_of_subject(f"{mount}repo:{owner}/{name}{context}") == group
    assert group_of_subject(f"{mount}repo:{owner}@{number}/{name}@{number}{context}") == group
    assert group_of_subject(f"project_path:{owner}/{name}:ref_type:branch:ref:main") == gitlab_group(
        f"{owner}/{name}"
    )


@given(st.text(max_size=200))
def test_any_other_subject_names_nothing_or_a_group_that_it_contains(subject: str) -> None:
    group = group_of_subject(subject)
    assert group is None or len(group) <= len(subject.lower()) + len("kubernetes:")
