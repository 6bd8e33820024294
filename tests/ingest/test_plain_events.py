"""The short way to read a canonical event gives what the long one gives, or nothing."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import RecordClassifier
from detector.ingest.kafka_records import Contents, read_record
from detector.records.log_records import Read
from tests.fake_records import NOW, FakeRecord

HMAC = {"scheme": "hmac-sha256", "value": "ab" * 32, "length": 40, "check": "0123abcd"}
DATA: dict[str, dict[str, Any]] = {
    "task.started": {"task_id": "t", "kind": "ci", "deadline": "2026-06-01T01:00:00Z"},
    "task.heartbeat": {"task_id": "t", "lease": "90s"},
    "task.ended": {"task_id": "t", "outcome": "failed"},
    "credential.issued": {"credential_id": "c", "task_id": "t", "identifiers": [HMAC], "grants": [{"actions": ["*"]}]},
    "credential.renewed": {"credential_id": "c", "expires_at": "2026-06-02T00:00:00+02:00"},
    "credential.used": {"credential_id": "c", "action": "get", "source_ip": "10.0.0.1", "extra": {"a": [1]}},
    "credential.revoked": {"identifier": HMAC},
    "task.restarted": {"task_id": "t"},
}  # fmt: skip
ENVELOPE = {"specversion": "1.0", "id": "i", "source": "s", "time": "2026-05-31T23:59:59.123456789Z"}
OTHERS: dict[str, Any] = {
    "subject": {"any": "thing"}, "datacontenttype": "application/json", "traceparent": "00-1", "kubernetes": {},
    "message": "text", "log": "text", "stream": "stdout", "_p": "P", "data_base64": "e30=", "container_id": "c",
}  # fmt: skip
BROKEN: list[Any] = [
    None,
    "",
    1,
    True,
    [],
    {},
    "1.1",
    "2026-06-01T00:10:01Z",
    "2026-05-31t23:59:60z",
    "x\ud800",
]


class LongWay(RecordClassifier):
    """Reads no event the short way."""

    def plain_record(self, line: bytes, now: int) -> Read | None:  # noqa: ARG002 - the signature of the short way
        return None


SHORT, LONG = RecordClassifier(), LongWay()


TRAIL: dict[str, Any] = {
    "eventVersion": "1.08",
    "userIdentity": {
        "type": "AssumedRole",
        "accessKeyId": "ASIA1",
        "accountId": "1",
        "arn": "arn:aws:sts::1:x/y",
    },
    "eventTime": "2026-05-31T23:59:59Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-west-1",
    "sourceIPAddress": "10.1.2.3",
    "userAgent": "aws-cli/2.0",
    "errorCode": "AccessDenied",
    "requestParameters": {"bucketName": "b"},
    "responseElements": None,
    "eventID": "e-1",
    "resources": [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/k"}],
    "eventType": "AwsApiCall",
    "recipientAccountId": "1",
    "sharedEventID": "s-1",
    "readOnly": True,
    "tlsDetails": {"tlsVersion": "TLSv1.3"},
}
AUDIT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "a-1",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/ci/pods/p?watch=1",
    "verb": "get",
    "user": {
        "username": "system:serviceaccount:ci:runner",
        "groups": ["g"],
        "extra": {
            "authentication.kubernetes.io/credential-id": ["JTI=1-2"],
            "authentication.kubernetes.io/pod-name": ["p"],
            "authentication.kubernetes.io/pod-uid": ["u"],
        },
    },
    "sourceIPs": ["1.2.3.4", "10.1.2.3"],
    "userAgent": "kubectl",
    "objectRef": {
        "resource": "pods",
        "namespace": "ci",
        "name": "p",
        "apiVersion": "v1",
        "subresource": "log",
    },
    "responseStatus": {"metadata": {}, "code": 200},
    "requestReceivedTimestamp": "2026-05-31T23:59:59.123456Z",
    "stageTimestamp": "2026-05-31T23:59:59.2Z",
    "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
}
GITHUB: dict[str, Any] = {
    "@timestamp": 1780271940123,
    "_document_id": "d-1",
    "action": "git.clone",
    "actor": "octo",
    "actor_ip": "10.1.2.3",
    "actor_location": {"country_code": "DE"},
    "hashed_token": "q" * 43 + "=",
    "org": "acme",
    "programmatic_access_type": "GitHub App server-to-server token",
    "repo": "acme/app",
    "token_id": 1001,
    "user_agent": "git/2.0",
    "status_code": 404,
    "request_method": "GET",
    "route": "/repos/:owner",
}
SOURCES: dict[str, dict[str, Any]] = {"cloudtrail": TRAIL, "kubernetes": AUDIT, "github": GITHUB}
WRONG: list[Any] = [
    None, "", 0, 1, -1, 400, 403, 1.5, True, [], {}, [None], ["x"], [{"ARN": "a"}], {"a": "b"}, "x", "2026-06-01T00:10:01Z",
    " 2026-05-31T23:59:59Z ", "2026-05-31T23:59:59", 1780271940, "1780271940123", "AssumeRole", "DeleteObjects", "iam.amazonaws.com",
    "sts.amazonaws.com", "CreateAccessKey", "create", "watch", "jobs", "forbid", "Panic", "audit.k8s.io/v2", "404", "api.request",
    "oauth_access.create", "workflows.completed_workflow_run", "/exec?command=ls", "AwsVpceEvent", "AwsOther", {"invokedBy": "s3"},
    {"accessKeyId": "A"}, {"accountId": 1, "accessKeyId": "A"}, {"username": "u"}, "x\ud800", "1.2.3.4",
    {"authentication.kubernetes.io/credential-id": ["X509SHA256=AB"]}, {"authentication.kubernetes.io/pod-uid": ["u"]},
]  # fmt: skip
ADDED: dict[str, Any] = {
    **OTHERS, "specversion": "1.0", "vpcEndpointId": "vpce-1", "insightDetails": {}, "Records": [TRAIL], "known_by_pod": True,
    "cluster": "c", "created_at": 1780271940999, "repository": "acme/x", "business": "b", "p_log_type": "GitHub.Audit", "detail": {},
    "user_programmatic_access_id": 7, "event": "x", "type": "x", "protoPayload": {}, "logEvents": [], "deliveries": [], "id": 1,
    "delivered_at": "2026-05-31T23:59:59Z", "impersonatedUser": {"username": "v"}, "requestObject": {"status": {}},
}  # fmt: skip


def told(read: Read) -> Any:
    error = None if read.error is None else (read.error.reason, read.error.field, read.error.detail)
    return read.format, read.events, read.log, error, read.unknown


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([*DATA]))
    event: dict[str, Any] = {**ENVELOPE, "type": kind, "data": dict(DATA[kind])}
    for name in draw(st.lists(st.sampled_from([*OTHERS]), max_size=1)):
        event[name] = OTHERS[name]
    for path in draw(st.lists(st.sampled_from([*map(str, event), *DATA[kind]]), max_size=2)):
        at = event["data"] if path in DATA[kind] and isinstance(event.get("data"), dict) else event
        if draw(st.booleans()):
            at[path] = deepcopy(draw(st.sampled_from(BROKEN)))
        else:
            at.pop(path, None)
    line = json.dumps(event, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: line,
        lambda: line[:-1] + b',"id":"other"}',
        lambda: line.replace(b'"task_id"', b'"task_i\\u0064"', 1),
        lambda: line[: draw(st.integers(1, len(line)))],
        lambda: line + b" {}",
        lambda: line.replace(b"t", b"\xff", 1),
    )
    return draw(st.sampled_from([ways[0], ways[0], *ways]))()


@st.composite
def source_lines(draw: st.DrawFn) -> bytes:
    """Records of the sources that have a shorter way, with a few fields that are wrong, missing or of others."""
    record: dict[str, Any] = deepcopy(SOURCES[draw(st.sampled_from([*SOURCES]))])
    for name in draw(st.lists(st.sampled_from([*record]), max_size=4)):
        inner = record.get(name)
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            inner[draw(st.sampled_from([*inner]))] = deepcopy(draw(st.sampled_from(WRONG)))
        elif draw(st.booleans()):
            record[name] = deepcopy(draw(st.sampled_from(WRONG)))
        else:
            record.pop(name, None)
    for name in draw(st.lists(st.sampled_from([*ADDED]), max_size=1)):
        record[name] = deepcopy(ADDED[name])
    line = json.dumps(record, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: line,
        lambda: line[:-1] + b',"eventID":"2","auditID":"3","token_id":4}',
        lambda: line[:-1] + b',"readOnly":1e999,"level":' + b"1" * 400 + b"}",
        lambda: b" " + line + b"\n",
        lambda: line[: draw(st.integers(1, len(line)))],
        lambda: line.replace(b"t", b"\xff", 1),
    )
    return draw(st.sampled_from([*[ways[0]] * 4, *ways]))()


@settings(max_examples=80)
@given(st.one_of(lines(), source_lines()))
def test_both_ways_agree(line: bytes) -> None:
    assert list(map(told, SHORT.read_object(line, NOW))) == list(map(told, LONG.read_object(line, NOW)))
    short, long = Contents(), Contents()
    record = FakeRecord(line)
    assert read_record(record, NOW, short, SHORT) == read_record(record, NOW, long, LONG)
    assert short == long


@pytest.mark.parametrize("source", [*SOURCES])
def test_uses_of_sources_are_read_the_short_way(source: str) -> None:
    line = json.dumps(SOURCES[source]).encode()
    read = SHORT.plain_record(line, NOW)
    assert read is not None
    assert list(map(told, LONG.read_object(line, NOW))) == [told(read)]


@pytest.mark.parametrize("kind", [kind for kind in DATA if kind != "task.restarted"])
def test_every_type_is_read_the_short_way(kind: str) -> None:
    line = json.dumps({**ENVELOPE, "type": kind, "data": DATA[kind], "subject": "s"}).encode()
    event = SHORT.plain_event(line, NOW)
    assert event is not None
    assert [read.events for read in LONG.read_object(line, NOW)] == [(event,)]
