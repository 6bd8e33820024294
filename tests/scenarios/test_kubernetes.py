"""A nightly job's pod, told by the API server's audit log; the same log as EKS gives it; pods that just come and go."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from detector.values.events import CredentialUsed, TaskEnded
from tests.scenarios.telling import ReportedFinding, story, told

TOKEN = "k8s/ci/nightly-29627520-x7k2p/token"


def check_the_nightly_job(found: ReportedFinding) -> None:
    # The job is done at 02:55 and its pod stays for an hour: its tokens, which claim an hour and live a year, outlive
    # it. Somebody lists secrets with the first of them, long since renewed; and again within the minute that the API
    # server honours a token whose pod is gone. The kubelet asked for the token, from another network than the pod
    # uses it from: that is no finding.
    assert found.findings == (
        ("outlives-task", TOKEN, 1, "high"),
        ("use-after-termination", TOKEN, 3, "critical"),
        ("use-from-elsewhere", TOKEN, 3, "high"),
    )
    assert found.commands == (
        (TOKEN, False, ("outlives-task",)),
        (TOKEN, True, ("use-after-termination",)),  # the pod was deleted, and the token still worked
    )
    assert found.dead == ()


def test_a_token_that_outlives_its_job_and_is_used_elsewhere(tmp_path: Path) -> None:
    found = told(tmp_path, story("kubernetes"))
    check_the_nightly_job(found)
    uses = found.finding("use-after-termination").evidences
    assert [
        (use.event.action, use.event.resource) for use in uses if isinstance(use.event, CredentialUsed)
    ] == [
        ("list", "namespaces/prod/secrets"),
        ("get", "namespaces/kube-system/secrets/admin"),
        ("list", "namespaces/prod/secrets"),
    ]
    (credential,) = {
        command.credential.credential_id: command.credential for command in found.result.commands
    }.values()
    assert credential.revocation is not None
    assert (credential.revocation["method"], credential.revocation["name"]) == (
        "delete-pod",
        "nightly-29627520-x7k2p",
    )


def as_eks_has_it(event: dict[str, Any]) -> dict[str, Any]:
    """EKS logs token requests without what was asked for, and pods' creations with the answer."""
    if event["objectRef"].get("subresource") == "token":
        return {**event, "level": "Metadata", "requestObject": None}
    return event


def test_the_same_as_cloudwatch_delivers_it_late_and_out_of_order(tmp_path: Path) -> None:
    events = [as_eks_has_it(json.loads(line)) for line in story("kubernetes")["audit.log"].splitlines()]
    uid = events[-2]["requestObject"]["preconditions"]["uid"]
    token = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    created = {
        **events[-2],
        "auditID": "e-0",
        "verb": "create",
        "objectRef": {"resource": "pods", "namespace": "ci"},
        "requestReceivedTimestamp": "2026-05-04T02:00:00.000000Z",
        "requestObject": {"metadata": {"generateName": "nightly-29627520-"}},
        "responseObject": {
            "metadata": {"namespace": "ci", "name": "nightly-29627520-x7k2p", "uid": uid},
            "spec": {"serviceAccountName": "runner", "volumes": [{"projected": {"sources": [token]}}]},
        },
    }
    lines = [json.dumps(event) for event in (created, *events)]
    batches = [
        json.dumps(
            {
                "messageType": "DATA_MESSAGE",
                "logGroup": "/aws/eks/prod/cluster",
                "logStream": "kube-apiserver-audit-5f3c",
                "logEvents": [{"id": str(number), "timestamp": 1, "message": line}],
            }
        )
        for number, line in enumerate(reversed(lines))
    ]
    check_the_nightly_job(told(tmp_path, {"eks.jsonl": "\n".join(batches)}))


def audited(id_: str, minute: int, verb: str, reference: dict[str, Any], **fields: Any) -> dict[str, Any]:
    at = f"2026-05-04T06:{minute:02d}:00.000000Z"
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": id_,
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": "system:node:node-1"},
        "objectRef": reference,
        "responseStatus": {"code": 201 if verb == "create" else 200},
        "requestReceivedTimestamp": at,
        **fields,
    }


def life(uid: str, start: int) -> list[dict[str, Any]]:
    """Ten minutes of the pod web-0 with that uid: a token, a use, a deletion asked for, a last use, the end."""
    pod = {"resource": "pods", "namespace": "shop", "name": "web-0"}
    account = {"resource": "serviceaccounts", "namespace": "shop", "name": "web", "subresource": "token"}
    spec = {"expirationSeconds": 3607, "boundObjectRef": {"kind": "Pod", "name": "web-0", "uid": uid}}
    caller = {
        "username": "system:serviceaccount:shop:web",
        "extra": {"authentication.kubernetes.io/credential-id": [f"JTI={uid}-1"]},
    }
    issued = {"authentication.kubernetes.io/issued-credential-id": f"JTI={uid}-1"}
    lease = {"apiGroup": "coordination.k8s.io", "resource": "leases", "namespace": "shop", "name": "leader"}
    final = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
    return [
        audited(f"{uid}-a", start, "create", account, requestObject={"spec": spec}, annotations=issued),
        audited(f"{uid}-b", start + 1, "update", lease, user=caller),
        audited(f"{uid}-c", start + 8, "delete", pod, user={"username": "mona"}, requestObject={}),
        audited(f"{uid}-d", start + 9, "update", lease, user=caller),
        audited(f"{uid}-e", start + 10, "delete", pod, requestObject=final),
    ]


def test_pods_that_come_again_under_their_name_and_end_in_peace_are_no_finding(tmp_path: Path) -> None:
    events = [*life("u-1", 0), *life("u-2", 11)]
    found = told(tmp_path, {"audit.log": "\n".join(map(json.dumps, events))}, until="2026-05-05T00:00:00Z")
    assert (found.findings, found.commands, found.dead) == ((), (), ())
    assert len({event.task_id for event in found.events_of(TaskEnded)}) == 2


def test_a_token_in_a_log_is_known_by_its_id(tmp_path: Path) -> None:
    claims = {
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:shop:web",
        "jti": "u-1-1",
        "kubernetes.io": {"namespace": "shop"},
    }
    parts = (json.dumps({"alg": "RS256", "kid": "k"}), json.dumps(claims), "made-up signature " * 12)
    token = ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    files = {
        "audit.log": "\n".join(map(json.dumps, life("u-1", 0))),
        "web.log": f"2026-05-04T06:05:00Z GET / Authorization: Bearer {token}\n",
    }
    found = told(tmp_path, files)
    assert found.findings == (("leaked-credential", "k8s/shop/web-0/u-1/token", 1, "critical"),)
    assert found.commands == (("k8s/shop/web-0/u-1/token", False, ("leaked-credential",)),)
