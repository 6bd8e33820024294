"""From records as providers write them to a policy in the provider's own form, through the command line."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main

JOBS = (71, 72, 73)


def webhook(job: int, action: str, field: str, time: str) -> dict[str, Any]:
    """GitHub's delivery about the start or end of a job."""
    return {
        "action": action,
        "workflow_job": {
            "id": job,
            "run_id": 5000 + job,
            "run_attempt": 1,
            field: time,
            "conclusion": "success",
        },
        "repository": {"full_name": "octo/app"},
        "sender": {"login": "mona"},
    }


def job_history() -> list[dict[str, Any]]:
    return [
        record
        for job in JOBS
        for record in (
            webhook(job, "in_progress", "started_at", "2026-05-04T08:00:00Z"),
            webhook(job, "completed", "completed_at", "2026-05-04T08:30:00Z"),
        )
    ]


def cloudtrail(name: str, event_id: str, **fields: Any) -> dict[str, Any]:
    service, call = name.split(":")
    return {
        "eventVersion": "1.09",
        "eventTime": "2026-05-04T08:10:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": call,
        "sourceIPAddress": "192.0.2.10",
        "eventID": event_id,
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
        **fields,
    }


def assume_role(job: int) -> dict[str, Any]:
    key = f"ASIAEXAMPLEJOB{job}0000"
    record = cloudtrail("sts:AssumeRoleWithWebIdentity", f"issue-{job}", eventTime="2026-05-04T08:00:20Z")
    record["requestParameters"] = {
        "roleArn": "arn:aws:iam::111122223333:role/ci",
        "roleSessionName": f"github-job-{job}",
        "durationSeconds": 3600,
    }
    record["responseElements"] = {
        "credentials": {"accessKeyId": key, "sessionToken": "", "expiration": "May 4, 2026, 9:00:20 AM"},
        "assumedRoleUser": {"assumedRoleId": f"AROAEXAMPLECI:github-job-{job}"},
    }
    return record


def call(job: int, name: str, *arns: dict[str, str], **fields: Any) -> dict[str, Any]:
    who = {"type": "AssumedRole", "accessKeyId": f"ASIAEXAMPLEJOB{job}0000", "accountId": "111122223333"}
    return cloudtrail(name, f"{job}/{name}", userIdentity=who, resources=list(arns), **fields)


def printed(
    capsys: pytest.CaptureFixture[str], folder: Path, records: list[dict[str, Any]], *arguments: str
) -> tuple[str, str]:
    (folder / "events.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    code = main(["suggest", *arguments, str(folder)])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out, err


def test_cloudtrail_gives_a_session_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bucket = {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::artifacts"}
    calls = []
    for job in JOBS:
        part = {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::artifacts/runs/{job}/app.tar"}
        calls += [
            assume_role(job),
            call(job, "s3:PutObject", part, bucket),
            call(job, "s3:HeadObject", part, bucket),
            call(
                job,
                "s3:ListObjects",
                {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::artifacts/"},
                bucket,
            ),
            call(job, "iam:CreateUser", errorCode="AccessDenied"),
            call(job, "sts:GetCallerIdentity"),
        ]
    out, err = printed(capsys, tmp_path, [*job_history(), *calls], "--kind", "ci", "--aws-session-policy")
    assert json.loads(out)["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::artifacts"]},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": ["arn:aws:s3:::artifacts/runs/*/app.tar"],
        },
    ]
    assert "not enough" not in err
    table, _ = printed(capsys, tmp_path, [*job_history(), *calls], "--kind", "ci")
    assert "iam:CreateUser  (no resource)  denied, 3 uses by 3 tasks" in table


def vault(job: int, request: str, operation: str, path: str, **fields: Any) -> dict[str, Any]:
    token = f"hmac-sha256:{job}{'0' * 62}"
    return {
        "time": "2026-05-04T08:02:00Z",
        "type": "request",
        "auth": {"client_token": token, "accessor": f"hmac-sha256:{job}{'a' * 62}", "token_type": "service"},
        "request": {
            "id": f"{job}/{request}",
            "operation": operation,
            "path": path,
            "client_token": token,
            "client_token_accessor": f"hmac-sha256:{job}{'a' * 62}",
            "remote_address": "10.0.0.5",
        },
        **fields,
    }


def login(job: int) -> dict[str, Any]:
    record = vault(job, "login", "update", "auth/jwt/login", type="response")
    auth = record["auth"] | {"metadata": {"job_id": str(job)}, "token_ttl": 3600, "display_name": "jwt-ci"}
    record["auth"] = auth
    record["response"] = {"auth": auth}
    record["request"].pop("client_token")
    record["request"].pop("client_token_accessor")
    return record


def test_vaults_audit_device_gives_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = []
    for job in JOBS:
        records += [
            login(job),
            vault(job, "1", "read", f"secret/data/runs/{job}"),
            vault(job, "2", "update", "transit/sign/release"),
        ]
    out, _ = printed(capsys, tmp_path, records, "--by", "owner", "--vault-policy")
    assert out.splitlines() == [
        'path "secret/data/runs/+" {',
        '  capabilities = ["read"]',
        "}",
        "",
        'path "transit/sign/release" {',
        '  capabilities = ["update"]',
        "}",
    ]


def audit(pod: int, number: str, verb: str, reference: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": f"{pod}/{number}",
        "stage": "ResponseComplete",
        "requestURI": "/",
        "verb": verb,
        "user": {
            "username": "system:serviceaccount:ci:runner",
            "extra": {"authentication.kubernetes.io/credential-id": [f"JTI=token-{pod}"]},
        },
        "sourceIPs": ["198.51.100.23"],
        "objectRef": reference,
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-05-04T02:10:00.000000Z",
        **fields,
    }


def token(pod: int) -> dict[str, Any]:
    bound = {"kind": "Pod", "name": f"nightly-{pod}", "uid": f"uid-{pod}"}
    return audit(
        pod, "token", "create",
        {"resource": "serviceaccounts", "namespace": "ci", "name": "runner", "subresource": "token"},
        user={"username": "system:node:node-1"},
        requestReceivedTimestamp="2026-05-04T02:00:01.000000Z",
        requestObject={"spec": {"expirationSeconds": 3607, "boundObjectRef": bound}},
        annotations={"authentication.kubernetes.io/issued-credential-id": f"JTI=token-{pod}"},
    )  # fmt: skip


def test_kubernetes_audit_events_give_roles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = []
    for pod in JOBS:
        records += [
            token(pod),
            audit(pod, "1", "get", {"resource": "configmaps", "namespace": "ci", "name": "settings"}),
            audit(
                pod,
                "2",
                "patch",
                {"resource": "deployments", "apiGroup": "apps", "namespace": "prod", "name": "web"},
            ),
            audit(
                pod, "3", "list", {"resource": "secrets", "namespace": "prod"}, responseStatus={"code": 403}
            ),
        ]
    out, _ = printed(capsys, tmp_path, records, "--kubernetes-rbac")
    assert out == (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n"
        f'  name: "{out.split(chr(34))[1]}"\n  namespace: "ci"\nrules:\n'
        '  - apiGroups: [""]\n    resources: ["configmaps"]\n    resourceNames: ["settings"]\n    verbs: ["get"]\n'
        "---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n"
        f'  name: "{out.split(chr(34))[1]}"\n  namespace: "prod"\nrules:\n'
        '  - apiGroups: ["apps"]\n    resources: ["deployments"]\n    resourceNames: ["web"]\n    verbs: ["patch"]\n'
    )


def test_githubs_audit_log_gives_permissions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = job_history()
    for job in JOBS:
        digest = hashlib.sha256(f"token-{job}".encode()).digest()
        data = {
            "credential_id": f"token-{job}",
            "task_id": f"github/job/{job}",
            "kind": "github-token",
            "identifiers": [{"scheme": "sha256", "value": digest.hex(), "length": 40}],
            "expires_at": "2026-05-04T09:00:00Z",
        }
        records.append(
            {
                "specversion": "1.0", "id": f"issue-{job}", "source": "ci", "type": "credential.issued",
                "time": "2026-05-04T08:00:05Z", "data": data,
            }
        )  # fmt: skip
        requests: list[dict[str, Any]] = [
            {"action": "git.clone"},
            {
                "action": "api.request",
                "request_method": "POST",
                "route": "/repositories/:repository_id/releases",
            },
            {
                "action": "api.request",
                "request_method": "GET",
                "route": "/repos/:owner/:repo/pulls/:pull_number",
            },
            {
                "action": "api.request",
                "request_method": "DELETE",
                "route": "/repos/:owner/:repo",
                "status_code": 403,
            },
        ]
        for number, fields in enumerate(requests):
            records.append(
                {
                    "@timestamp": 1777882200000, "_document_id": f"{job}-{number}", "repo": "octo/app", "org": "octo",
                    "hashed_token": base64.b64encode(digest).decode(),
                    "programmatic_access_type": "GitHub App server-to-server token", **fields,
                }
            )  # fmt: skip
    out, err = printed(capsys, tmp_path, records, "--kind", "ci", "--github-permissions")
    assert out.splitlines() == ["permissions:", "  contents: write", "  pull-requests: read"]
    assert "not enough" not in err
