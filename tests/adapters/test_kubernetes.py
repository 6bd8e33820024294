"""Kubernetes audit events, as API servers write them and as managed clusters wrap them."""

import base64
import json
from typing import Any

import pytest

from detector.adapters.kubernetes.audit import looks_like, translate
from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
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
from detector.values.times import DAY, HOUR, SECOND, parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00.123456Z")
UID = "150aeb23-56c8-4b3c-aa23-c40779154fd2"
BARE = "17ab4926-813f-4ffe-9173-f288d07c1b31"
JTI = f"JTI={BARE}"
KUBELET = {"username": "system:node:node-1", "groups": ["system:nodes"]}
API = "https://kubernetes.default.svc.cluster.local"


def event(verb: str, resource: str, /, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": "a-1",
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/ci/{resource}",
        "verb": verb,
        "user": KUBELET,
        "sourceIPs": ["192.0.2.7", "192.0.2.1"],
        "userAgent": "kubelet/v1.32.0",
        "objectRef": {"resource": resource, "namespace": "ci", "name": "job-1-x7k2p", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2026-05-01T08:00:00.123456Z",
        "stageTimestamp": "2026-05-01T08:06:45.347050Z",
        **fields,
    }


def token_request(seconds: int | None = 3607, audience: str | None = None, **fields: Any) -> dict[str, Any]:
    spec = {
        "audiences": [audience] if audience else None,
        "expirationSeconds": seconds,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "job-1-x7k2p", "uid": UID},
    }
    request = {
        "objectRef": {
            "resource": "serviceaccounts",
            "namespace": "ci",
            "name": "runner",
            "subresource": "token",
        },
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {
            "authentication.kubernetes.io/issued-credential-id": JTI,
            "authorization.k8s.io/decision": "allow",
        },
        "requestObject": {"kind": "TokenRequest", "spec": spec},
    }
    return event("create", "serviceaccounts", **{**request, **fields})


def use(**fields: Any) -> dict[str, Any]:
    extra = {
        "authentication.kubernetes.io/credential-id": [JTI],
        "authentication.kubernetes.io/pod-name": ["job-1-x7k2p"],
        "authentication.kubernetes.io/pod-uid": [UID],
    }
    user = {"username": "system:serviceaccount:ci:runner", "extra": extra}
    return event("get", "secrets", **{"user": user, **fields})


def jwt(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, claims)
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (*parts, "s" * 40)
    ]
    return ".".join(encoded)


def issued(record: dict[str, Any]) -> CredentialIssued:
    (found,) = (one for one in translate(record, NOW) if isinstance(one, CredentialIssued))
    return found


def test_a_pods_token_is_issued_to_the_pod() -> None:
    assert looks_like(token_request())
    assert translate(token_request(), NOW)[:1] == [
        CredentialIssued(
            time=AT,
            source="kubernetes.audit",
            id="a-1/issued",
            credential_id="k8s/ci/job-1-x7k2p/token",
            task_id="k8s/ci/job-1-x7k2p",
            identifiers=(
                Identifier("jwt-id", JTI),
                Identifier("jwt-id", BARE),  # as others know it who are shown the token
                Identifier("kubernetes-pod-uid", UID),
            ),
            kind="kubernetes-token",
            expires_at=AT + 365 * DAY,
            revocation={
                "provider": "kubernetes",
                "method": "delete-pod",
                "namespace": "ci",
                "service_account": "runner",
                "name": "job-1-x7k2p",
                "uid": UID,
            },
        )
    ]


@pytest.mark.parametrize(
    ("record", "lives"),
    [
        (token_request(3607), 365 * DAY),  # what the admission plugin asks for is extended
        (token_request(3607, API), 365 * DAY),
        (token_request(3607, requestObject={"spec": {"expirationSeconds": 3607}}), 3607 * SECOND),  # no pod's
        (token_request(3600), HOUR),
        (token_request(600, "vault"), 600 * SECOND),
        (token_request(7200, responseObject={"spec": {"expirationSeconds": 3600}}), HOUR),  # shortened
        (token_request(requestObject=None), 365 * DAY),  # level Metadata: nobody knows, a year at most
        (token_request(3607, responseObject={"status": {"token": jwt(exp=1777626000)}}), 0),
    ],
)
def test_a_token_lives_as_long_as_it_does_in_truth(record: dict[str, Any], lives: int) -> None:
    at = parse_rfc3339("2026-05-01T09:00:00Z") if lives == 0 else AT + lives
    assert issued(record).expires_at == at


def test_a_token_in_the_log_is_hashed_and_names_itself() -> None:
    token = jwt(jti="from-the-token", exp=1777626000, aud=[API], iss=API)
    record = token_request(responseObject={"status": {"token": token}})
    found = issued(record)
    assert [one.scheme for one in found.identifiers] == ["jwt-id", "jwt-id", "sha256", "kubernetes-pod-uid"]
    assert found.identifiers[2].length == len(token)
    assert token not in str(found)
    unnamed = issued({**record, "annotations": {}})
    assert unnamed.identifiers[0] == Identifier("jwt-id", "JTI=from-the-token")


def test_a_token_for_its_own_issuer_is_for_the_api_server() -> None:
    token = jwt(jti="t", exp=1777626000, iss="https://issuer.example", aud=["https://issuer.example"])
    named = token_request(600, "https://issuer.example", responseObject={"status": {"token": token}})
    assert issued(named).kind == "kubernetes-token"


@pytest.mark.parametrize(
    "annotations",
    [
        {"authentication.k8s.io/issued-credential-id": JTI},
        {"authentication.kubernetes.io/issued-credential-id": BARE},
    ],
)
def test_older_clusters_spell_the_credential_id_otherwise(annotations: dict[str, str]) -> None:
    assert issued(token_request(annotations=annotations)).identifiers[0] == Identifier("jwt-id", JTI)


def test_a_token_for_somebody_else_is_a_credential_of_its_own() -> None:
    found = issued(token_request(600, "https://vault.example"))
    assert (found.credential_id, found.kind) == (JTI, "kubernetes-oidc-token")
    assert found.task_id == "k8s/ci/job-1-x7k2p"
    assert [one.scheme for one in found.identifiers] == ["jwt-id", "jwt-id"]


def test_a_token_that_is_bound_to_nothing_is_the_accounts() -> None:
    record = token_request(requestObject={"spec": {"expirationSeconds": 3600}}, user={"username": "mona"})
    found = issued(record)
    assert (found.task_id, found.task_group, found.credential_id) == (None, "kubernetes:ci/runner", JTI)
    assert found.unjoined is not None
    assert "boundObjectRef" in found.unjoined
    assert found.groups == ("k8s/serviceaccount/ci/runner",)
    for_others = {"spec": {"expirationSeconds": 3600, "audiences": ["vault"]}}
    # who checks it there may never ask whether the account still exists
    assert issued(token_request(requestObject=for_others)).groups == ()
    assert found.revocation is not None
    assert found.revocation["method"] == "recreate-service-account"
    bound = {"kind": "Secret", "name": "robot", "uid": "s-1"}
    secret = issued(
        token_request(requestObject={"spec": {"expirationSeconds": 3600, "boundObjectRef": bound}})
    )
    by_node = issued(token_request(requestObject=None))
    assert by_node.revocation is not None
    assert (
        by_node.revocation["method"] == "delete-pod"
    )  # which one is not told; nodes ask for pods' tokens only
    assert (by_node.task_id, by_node.task_group) == (None, "kubernetes:ci/runner")
    assert by_node.unjoined is not None
    assert "level `Request`" in by_node.unjoined
    assert secret.revocation is not None
    assert (secret.revocation["method"], secret.revocation["name"]) == ("delete-secret", "robot")


def test_a_refused_token_request_issues_nothing() -> None:
    assert translate(token_request(responseStatus={"code": 403}), NOW) == []


def test_a_use_names_the_credential_the_verb_and_the_object() -> None:
    assert translate(use(), NOW) == [
        CredentialUsed(
            time=AT,  # when the request came, not when a long watch ended
            source="kubernetes.audit",
            id="a-1",
            identifier=Identifier("jwt-id", JTI),
            action="get",
            resource="namespaces/ci/secrets/job-1-x7k2p",
            outcome=SUCCESS,
            workload="ci/job-1-x7k2p",
            source_ip="192.0.2.1",
            user_agent="kubelet/v1.32.0",
        )
    ]


@pytest.mark.parametrize(
    ("addresses", "address"),
    [
        (["10.244.3.9", "203.0.113.99"], "203.0.113.99"),  # X-Forwarded-For: 10.244.3.9
        (["127.0.0.1", "10.244.3.9"], "10.244.3.9"),  # through kubectl proxy
        (["10.244.3.9"], "10.244.3.9"),
        ([], None),
        ([""], None),
        (["10.244.3.9", None], None),
        ("10.244.3.9", None),
    ],
)
def test_a_client_cannot_claim_another_address(addresses: object, address: str | None) -> None:
    (used,) = translate(use(sourceIPs=addresses), NOW)
    assert isinstance(used, CredentialUsed)
    assert used.source_ip == address


@pytest.mark.parametrize(
    ("reference", "resource"),
    [
        (
            {
                "resource": "deployments",
                "apiGroup": "apps",
                "namespace": "ci",
                "name": "web",
                "subresource": "scale",
            },
            "apps/namespaces/ci/deployments/web/scale",
        ),
        ({"resource": "nodes"}, "nodes"),
        (None, "/healthz"),
    ],
)
def test_the_object_of_a_use_is_its_path(reference: Any, resource: str) -> None:
    (found,) = translate(use(objectRef=reference, requestURI="/healthz?verbose=1"), NOW)
    assert isinstance(found, CredentialUsed)
    assert found.resource == resource


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"responseStatus": {"code": 403}}, DENIED),
        ({"responseStatus": {"code": "404"}}, DENIED),
        ({"annotations": {"authorization.k8s.io/decision": "forbid"}}, DENIED),
        ({"responseStatus": {"code": 101}}, SUCCESS),
        ({"responseStatus": None}, SUCCESS),
    ],
)
def test_what_the_server_refused_is_denied(fields: dict[str, Any], outcome: str) -> None:
    (found,) = translate(use(**fields), NOW)
    assert isinstance(found, CredentialUsed)
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("extra", "identifier"),
    [
        (
            {"authentication.kubernetes.io/credential-id": ["X509SHA256=AB12"]},
            Identifier("x509-sha256", "ab12"),
        ),
        (
            {"authentication.kubernetes.io/credential-id": ["NEW=1"]},
            Identifier("kubernetes-credential-id", "NEW=1"),
        ),
        ({"authentication.kubernetes.io/pod-uid": [UID]}, Identifier("kubernetes-pod-uid", UID)),
        ({"authentication.kubernetes.io/credential-id": []}, None),
        (None, None),
    ],
)
def test_who_called_is_told_by_what_the_version_writes(extra: Any, identifier: Identifier | None) -> None:
    found = translate(use(user={"username": "robot", "extra": extra}), NOW)
    assert [one.identifier for one in found if isinstance(one, CredentialUsed)] == (
        [identifier] if identifier else []
    )


def test_the_command_line_of_an_exec_is_scanned() -> None:
    uri = "/api/v1/namespaces/ci/pods/x/exec?command=curl&command=-H&command=token%3A+abc%2Fd&container=main"
    (found,) = read(use(requestURI=uri))
    assert found.log is not None
    assert (found.log.text, found.log.time) == (b"curl -H token: abc/d", AT)
    assert len(found.events) == 1
    (begun,) = read(use(requestURI=uri, stage="ResponseStarted"))
    assert begun.log is None  # told once
    (many,) = read(use(requestURI=uri + "&command=a" * 1000))
    assert many.log is not None
    assert many.log.text.startswith(b"/api/v1/")


@pytest.mark.parametrize("left_out", ["stage", "auditID", "requestReceivedTimestamp"])
def test_what_an_exporter_leaves_out_makes_no_dead_letter(left_out: str) -> None:
    whole, lacking = use(), use()
    del lacking[left_out]
    (first,), (second,), (again,) = (translate(one, NOW) for one in (whole, lacking, lacking))
    assert isinstance(first, CredentialUsed)
    assert isinstance(second, CredentialUsed)
    assert second == again
    assert second.identifier == first.identifier
    assert (second.id == first.id) == (left_out != "auditID")


def test_a_request_that_uses_no_credential_of_a_task_needs_no_time() -> None:
    nobodys = use(requestReceivedTimestamp=None, stageTimestamp=None, user={"username": "kubernetes-admin"})
    assert translate(nobodys, NOW) == []


@pytest.mark.parametrize("stage", ["RequestReceived", "ResponseStarted", "Panic"])
def test_only_a_complete_response_counts(stage: str) -> None:
    assert translate(use(stage=stage), NOW) == []


def test_a_pod_starts_for_its_task_run() -> None:
    labels = {"tekton.dev/taskRun": "build-1"}
    record = event(
        "create",
        "pods",
        user={"username": "mona"},
        objectRef={"resource": "pods", "namespace": "ci"},
        requestObject={"metadata": {"generateName": "job-1-", "labels": labels}},
        responseObject={"metadata": {"name": "job-1-x7k2p", "uid": UID}},
    )
    assert translate(record, NOW) == [
        TaskStarted(
            time=AT,
            source="kubernetes.audit",
            id="a-1/started",
            task_id="k8s/ci/job-1-x7k2p",
            kind="kubernetes-pod",
            owner="mona",
            workload="ci/job-1-x7k2p",
            parent_task_id="tekton/ci/build-1",
        )
    ]


@pytest.mark.parametrize(
    ("asked", "answered", "group"),
    [
        ({"serviceAccountName": "runner"}, None, "kubernetes:ci/runner"),
        ({"containers": []}, None, "kubernetes:ci/default"),  # what the admission plugin sets
        ({"serviceAccount": "runner"}, None, "kubernetes:ci/runner"),  # the field's deprecated name
        ({"containers": []}, {"serviceAccountName": "from-a-webhook"}, "kubernetes:ci/from-a-webhook"),
        (None, {"serviceAccountName": "runner", "serviceAccount": "runner"}, "kubernetes:ci/runner"),
        (None, None, None),  # at the level Metadata
    ],
)
def test_the_pods_of_a_service_account_are_a_group(asked: Any, answered: Any, group: str | None) -> None:
    record = event(
        "create",
        "pods",
        requestObject=None if asked is None else {"spec": asked},
        responseObject=None if answered is None else {"spec": answered},
    )
    (start,) = (one for one in translate(record, NOW) if isinstance(one, TaskStarted))
    assert start.group == group


def test_a_pod_that_gets_a_token_has_started_as_its_account() -> None:
    start = translate(token_request(), NOW)[1]
    assert start == TaskStarted(
        time=AT,
        source="kubernetes.audit",
        id="a-1/started",
        task_id="k8s/ci/job-1-x7k2p",
        kind="kubernetes-pod",
        workload="ci/job-1-x7k2p",
        group="kubernetes:ci/runner",
    )
    for_vault = translate(token_request(600, "vault"), NOW)
    assert [one for one in for_vault if isinstance(one, TaskStarted)] == [start]
    unbound = translate(token_request(requestObject={"spec": {"expirationSeconds": 3600}}), NOW)
    assert not [one for one in unbound if isinstance(one, TaskStarted)]


def test_a_pods_creation_with_its_answer_tells_of_its_token() -> None:
    volumes = [
        {"name": "work", "emptyDir": {}},
        {"name": "vault", "projected": {"sources": [{"serviceAccountToken": {"audience": "vault"}}]}},
        {
            "name": "kube-api-access-abcde",
            "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]},
        },
    ]
    pod = {
        "metadata": {"name": "job-1-x7k2p", "namespace": "ci", "uid": UID},
        "spec": {"volumes": volumes, "serviceAccountName": "runner"},
    }
    reference = {"resource": "pods", "namespace": "ci"}
    record = event("create", "pods", objectRef=reference, responseObject=pod)
    with_pod, asked = issued(record), issued(token_request())
    assert with_pod.identifiers == (Identifier("kubernetes-pod-uid", UID),)
    same = ("credential_id", "task_id", "kind", "expires_at", "groups", "revocation")
    assert [getattr(with_pod, name) for name in same] == [getattr(asked, name) for name in same]
    bare = {**pod, "spec": {"volumes": volumes[:2]}}
    (started,) = translate({**record, "responseObject": bare}, NOW)
    assert isinstance(started, TaskStarted)


def ends(record: dict[str, Any]) -> list[CanonicalEvent]:
    return [one for one in translate(record, NOW) if not isinstance(one, CredentialUsed)]


GONE = [
    TaskEnded(time=AT, source="kubernetes.audit", id="a-1/ended", task_id="k8s/ci/job-1-x7k2p"),
    CredentialRevoked(
        time=AT, source="kubernetes.audit", id="a-1/revoked", credential_id="k8s/ci/job-1-x7k2p/token"
    ),
]
PERSON = {"username": "mona"}


@pytest.mark.parametrize(
    "fields",
    [
        {"requestObject": {"gracePeriodSeconds": 0, "preconditions": {"uid": UID}}},  # the kubelet's own
        {"level": "Metadata"},
        {"user": {"username": "system:serviceaccount:kube-system:pod-garbage-collector"}},
        {"user": PERSON, "requestObject": {"gracePeriodSeconds": 0}},
        {"user": PERSON, "responseObject": {"metadata": {"deletionGracePeriodSeconds": 0}}},
    ],
)
def test_a_deletion_that_removes_the_pod_ends_it_and_its_tokens(fields: dict[str, Any]) -> None:
    assert ends(event("delete", "pods", **fields)) == GONE


def test_a_deletion_that_only_begins_a_graceful_end_ends_nothing() -> None:
    body = {"requestObject": {"propagationPolicy": "Background"}}
    assert ends(event("delete", "pods", user=PERSON, **body)) == []
    unseen = ends(event("delete", "pods", user=PERSON, level="Metadata"))
    assert [one.time - AT for one in unseen] == [30 * SECOND, 30 * SECOND]


@pytest.mark.parametrize("resource", ["serviceaccounts", "secrets"])
def test_what_tokens_are_bound_to_takes_them_with_it(resource: str) -> None:
    reference = {"resource": resource, "namespace": "ci", "name": "robot"}
    (found,) = ends(event("delete", resource, objectRef=reference))
    assert isinstance(found, CredentialRevoked)
    assert found.group == f"k8s/{resource.removesuffix('s')}/ci/robot"
    bound = {"kind": "Secret", "name": "robot", "uid": "s-1"}
    account = {"resource": "serviceaccounts", "namespace": "ci", "name": "robot", "subresource": "token"}
    request = {"spec": {"expirationSeconds": 3600, "boundObjectRef": bound}}
    assert found.group in issued(token_request(objectRef=account, requestObject=request)).groups
    assert ends(event("delete", resource, objectRef=reference, requestObject={"dryRun": ["All"]})) == []


def test_a_trial_ends_nothing() -> None:
    assert ends(event("delete", "pods", requestURI="/api/v1/namespaces/ci/pods/x?dryRun=All")) == []
    assert ends(event("delete", "pods", requestObject={"dryRun": ["All"]})) == []


@pytest.mark.parametrize(
    ("phase", "outcome"), [("Succeeded", "succeeded"), ("Failed", "failed"), ("Running", None)]
)
def test_a_pod_that_finished_has_ended_but_its_tokens_live(phase: str, outcome: str | None) -> None:
    reference = {"resource": "pods", "namespace": "ci", "name": "job-1-x7k2p", "subresource": "status"}
    body = {"metadata": {"uid": UID}, "status": {"phase": phase}}
    record = event("patch", "pods", objectRef=reference, requestObject=body)
    assert [one.outcome for one in ends(record) if isinstance(one, TaskEnded)] == (
        [outcome] if outcome else []
    )
    assert ends({**record, "user": PERSON}) == []


def test_a_pod_whose_name_comes_again_is_known_by_its_uid() -> None:
    reference = {"resource": "pods", "namespace": "ci", "name": "web-0"}
    body = {"gracePeriodSeconds": 0, "preconditions": {"uid": UID}}
    (end, _) = ends(event("delete", "pods", objectRef=reference, requestObject=body))
    assert isinstance(end, TaskEnded)
    assert end.task_id == f"k8s/ci/web-0/{UID}"
    with pytest.raises(BadRecordError) as caught:
        translate(event("delete", "pods", objectRef=reference, level="Metadata"), NOW)
    assert (caught.value.reason, caught.value.field) == ("missing-field", "requestObject.preconditions.uid")


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (use(stage=["marker"]), "wrong-field", "stage"),
        (use(auditID=["marker"]), "wrong-field", "auditID"),
        (
            use(requestReceivedTimestamp=None, stageTimestamp=None),
            "missing-field",
            "requestReceivedTimestamp",
        ),
        (use(requestReceivedTimestamp="marker"), "bad-time", "requestReceivedTimestamp"),
        (use(requestReceivedTimestamp="2026-05-02T00:10:01Z"), "future-time", "requestReceivedTimestamp"),
        ({**use(), "verb": None}, "missing-field", "verb"),
        (use(responseStatus={"code": ["marker"]}), "wrong-field", "responseStatus.code"),
        (
            token_request(annotations=None, requestObject=None),
            "missing-field",
            "annotations.authentication.kubernetes.io/issued-credential-id",
        ),
        (
            token_request(
                requestObject={"spec": {"boundObjectRef": {"kind": "Pod", "name": "web-0"}}},
            ),
            "missing-field",
            "requestObject.spec.boundObjectRef.uid",
        ),
        (
            event("delete", "x", objectRef={"resource": ["marker"]}),
            "wrong-field",
            "objectRef.resource",
        ),
        (
            event("delete", "pods", user={}, responseObject={"status": {"phase": ["marker"]}}),
            "wrong-field",
            "responseObject.status.phase",
        ),
        (token_request(-1), "wrong-field", "requestObject.spec.expirationSeconds"),
    ],
)
def test_a_known_event_that_lacks_a_field_names_it(record: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        translate(record, NOW)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "marker" not in str(caught.value)


@pytest.mark.parametrize(
    "written", ["2026-05-01T08:00:00.123456Z", "2026-05-01 08:00:00.123456", 1777622400123456]
)
def test_times_come_in_several_styles(written: Any) -> None:
    (found,) = translate(use(requestReceivedTimestamp=written), NOW)
    assert found.time == AT


def read(record: Any) -> list[Read]:
    return list(BUNDLED.read_object(json.dumps(record).encode(), NOW))


def test_a_list_of_events_is_opened() -> None:
    found = read({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [use(), 5, use(verb=None)]})
    assert [(one.format, len(one.events), one.error is None) for one in found] == [
        ("kubernetes", 1, True),
        ("kubernetes", 0, False),
    ]


def test_the_events_of_a_list_have_their_kind_from_it() -> None:
    """As the API server writes them: an object inside a list has no type of its own."""
    plain = {key: value for key, value in use().items() if key not in {"kind", "apiVersion"}}
    (found,) = read({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": [plain]})
    assert (found.format, len(found.events)) == ("kubernetes", 1)
    assert [one.format for one in read(plain)] == ["json"]


def aks(category: str, log: str | dict[str, Any]) -> dict[str, Any]:
    return {
        "category": category,
        "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
        "resourceId": "/SUBSCRIPTIONS/1/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD",
        "properties": {"log": log, "stream": "stdout", "pod": "kube-apiserver-1"},
        "time": "2026-05-01T08:00:01Z",
    }


def test_azures_records_are_opened_alone_and_in_batches() -> None:
    (alone,) = read(aks("kube-audit", json.dumps(use())))
    assert [one.source for one in alone.events] == ["kubernetes.audit/PROD"]
    assert [one.events for one in read(aks("kube-audit", use()))] == [alone.events]  # a shipper read the text
    whole, log = read(
        {"records": [aks("kube-audit-admin", json.dumps(use())), aks("kube-apiserver", "text")]}
    )
    assert len(whole.events) == 1
    assert (log.events, log.log is not None) == ((), True)


def test_what_other_components_wrote_is_never_an_event() -> None:
    (found,) = read(aks("guard", json.dumps(use())))
    assert (found.format, found.events) == ("azure", ())


def test_cloudwatch_subscriptions_of_the_audit_stream_are_opened() -> None:
    batch: dict[str, Any] = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/aws/eks/prod/cluster",
        "logStream": "kube-apiserver-audit-0123",
        "logEvents": [{"id": "1", "timestamp": 1777622400123, "message": json.dumps(use())}],
    }
    (found,) = read(batch)
    (used,) = found.events
    assert isinstance(used, CredentialUsed)
    assert (used.source, used.identifier) == (
        "kubernetes.audit/prod",
        Identifier("kubernetes-pod-uid", UID),  # EKS does not log which token is which pod's
    )
    asked = {**batch["logEvents"][0], "message": json.dumps(token_request())}
    (with_us,) = read({**batch, "logEvents": [asked]})
    (issue,) = (one for one in with_us.events if isinstance(one, CredentialIssued))
    assert issue.expires_at == AT + 90 * DAY  # as long as EKS lets an extended token live
    one_line = {"logStream": "kube-apiserver-audit-0123", "message": json.dumps(use())}
    assert [len(one.events) for one in read(one_line)] == [1]
    (other,) = read({**batch, "logStream": "authenticator-0123"})
    assert other.events == ()


def test_a_cut_event_is_scanned_as_text() -> None:
    (found,) = read(aks("kube-audit", json.dumps(use())[:100]))
    assert found.events == ()
    assert found.log is not None


def gke(method: str, resource: str, **payload: Any) -> dict[str, Any]:
    return {
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "k8s.io",
            "methodName": method,
            "resourceName": resource,
            "authenticationInfo": {"principalEmail": "system:node:gke-1"},
            "requestMetadata": {"callerIp": "192.0.2.7", "callerSuppliedUserAgent": "kubelet"},
            **payload,
        },
        "insertId": "i-1",
        "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "prod", "location": "europe-west1"}},
        "timestamp": "2026-05-01T08:00:00.123456Z",
        "labels": {
            "authorization.k8s.io/decision": "allow",
            "authentication.kubernetes.io/issued-credential-id": JTI,
        },
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        "operation": {"id": "a-1", "producer": "k8s.io", "first": True, "last": True},
    }


def test_googles_entries_are_audit_events_too() -> None:
    token = gke(
        "io.k8s.core.v1.serviceaccounts.token.create", "core/v1/namespaces/ci/serviceaccounts/runner/token"
    )
    (found,) = read(token)
    assert found.events == ()  # which pod's it is nobody will ever tell
    by_person = {**token["protoPayload"], "authenticationInfo": {"principalEmail": "mona@example.com"}}
    (found,) = read({**token, "protoPayload": by_person})
    (issue,) = found.events
    assert isinstance(issue, CredentialIssued)
    assert (issue.credential_id, issue.source) == (JTI, "kubernetes.audit/prod")
    (ended,) = read(gke("io.k8s.core.v1.pods.delete", "core/v1/namespaces/ci/pods/job-1-x7k2p"))
    assert [type(one) for one in ended.events] == [TaskEnded, CredentialRevoked]
    refused = gke("io.k8s.core.v1.pods.delete", "core/v1/namespaces/ci/pods/job-1-x7k2p", status={"code": 7})
    assert [one.events for one in read(refused)] == [()]
    begun = {**token, "operation": {"id": "a-1", "first": True}}
    assert [one.events for one in read(begun)] == [()]


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "Event", "apiVersion": "v1", "message": "audit.k8s.io/"},
        {"message": json.dumps(use())},
        {"kind": ["Event"], "apiVersion": {"audit.k8s.io/": 1}},
        {"category": ["kube-audit"], "properties": 5, "records": ["kube-audit"]},
        {"logStream": "kube-apiserver-audit-1", "message": 5},
        {"protoPayload": ["io.k8s."], "x": "io.k8s."},
    ],
)
def test_what_only_resembles_an_event_is_a_log_record(record: dict[str, Any]) -> None:
    (found,) = read(record)
    assert (found.format, found.events, found.log is not None) == ("json", (), True)


# Jobs

JOB_UID = "0c2a1f6e-9d1b-4f6f-8a67-3a4d0a6f0b11"
JOB = f"k8s-job/batch/nightly-29/{JOB_UID}"


def job_state(status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """What the job controller writes."""
    made = event("update", "jobs", name="nightly-29")
    return {
        **made,
        "user": {"username": "system:serviceaccount:kube-system:job-controller"},
        "objectRef": {
            "resource": "jobs", "subresource": "status", "apiGroup": "batch", "apiVersion": "v1",
            "namespace": "batch", "name": "nightly-29",
        },
        "requestObject": {"metadata": {"uid": JOB_UID}, "spec": spec, "status": status},
    }  # fmt: skip


def test_a_job_starts_with_its_deadline() -> None:
    (started,) = translate(
        job_state({"startTime": "2026-05-01T07:59:00Z", "active": 1}, activeDeadlineSeconds=600), NOW
    )
    assert isinstance(started, TaskStarted)
    assert (started.task_id, started.kind, started.workload) == (JOB, "kubernetes-job", "nightly-29")
    assert started.deadline == started.time + 600 * SECOND


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ({"type": "Complete", "status": "True"}, "succeeded"),
        ({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}, "failed"),
        ({"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}, "timed_out"),
        ({"type": "Failed", "status": "False"}, None),
        ({"type": "SuccessCriteriaMet", "status": "True"}, None),
        ("Complete", None),
    ],
)
def test_a_job_ends_by_its_condition(condition: Any, outcome: str | None) -> None:
    state = {"startTime": "2026-05-01T07:59:00Z", "conditions": [condition]}
    ended = [each for each in translate(job_state(state), NOW) if isinstance(each, TaskEnded)]
    assert [(each.task_id, each.outcome, each.time) for each in ended] == (
        [] if outcome is None else [(JOB, outcome, AT)]
    )


def test_a_job_that_completed_ended_at_its_completion() -> None:
    state = {
        "startTime": "2026-05-01T07:59:00Z",
        "completionTime": "2026-05-01T07:59:30Z",
        "conditions": [{"type": "Complete", "status": "True"}],
    }
    ended = translate(job_state(state), NOW)[-1]
    assert (ended.id, ended.time) == (f"{JOB}/ended", parse_rfc3339("2026-05-01T07:59:30Z"))


@pytest.mark.parametrize(
    "change",
    [
        {"requestObject": None},
        {"requestObject": {"status": []}},
        {"responseStatus": {"code": 409}},
        {"requestURI": "/apis/batch/v1/namespaces/batch/jobs/nightly-29/status?dryRun=All"},
    ],
)
def test_what_changes_no_state_of_a_job_gives_nothing(change: dict[str, Any]) -> None:
    assert translate({**job_state({"startTime": "2026-05-01T07:59:00Z"}), **change}, NOW) == []


def test_a_pod_of_a_job_has_it_as_its_parent() -> None:
    labels = {"batch.kubernetes.io/job-name": "nightly-29", "batch.kubernetes.io/controller-uid": JOB_UID}
    pod = event("create", "pods", requestObject={"metadata": {"labels": labels}})
    pod["objectRef"] |= {"namespace": "batch", "name": "nightly-29-x7k2p"}
    (started,) = (each for each in translate(pod, NOW) if isinstance(each, TaskStarted))
    assert started.parent_task_id == JOB
