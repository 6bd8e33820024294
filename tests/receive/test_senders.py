"""What each sender sends, at the port and in its reader, and what is made of the records afterwards."""

import base64
import gzip
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.receive import gitlab, kubernetes, otlp, pubsub
from detector.receive.delivery import Head, RefusalError
from detector.values.secrets import Secret
from tests.receive.serving import BEARER, JSON, SECRET, serving, source

NOW = 1_790_000_000_000_000_000
SIGNING = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BUILD = b'{"object_kind": "build", "project_id": 1, "build_status": "running"}'


def head(**headers: str) -> Head:
    return Head("", {name.replace("_", "-"): text for name, text in headers.items()})


def webhook(body: bytes, at: int, message_id: str = "msg_1") -> dict[str, str]:
    """The headers by which GitLab signs a request with a signing token."""
    tag = hmac.digest(bytes(range(32)), f"{message_id}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(tag).decode()}",
    }


def test_gitlab_shows_its_token_or_signs() -> None:
    verify = gitlab.verifier([Secret(SECRET.encode()), Secret(SIGNING.encode())], clock=lambda: 1000.0)
    verify(Head("", {"x-gitlab-token": SECRET}), BUILD)
    verify(Head("", webhook(BUILD, 800)), BUILD)
    for headers, body in (
        ({}, BUILD),
        ({"x-gitlab-token": SECRET + "x"}, BUILD),
        ({"x-gitlab-token": SIGNING}, BUILD),  # a key is no token
        (webhook(BUILD, 1000), BUILD + b" "),
        ({**webhook(BUILD, 1000), "webhook-id": "msg_2"}, BUILD),
        (webhook(BUILD, 699), BUILD),  # an old request, sent again
        (webhook(BUILD, 1301), BUILD),
    ):
        with pytest.raises(RefusalError) as refused:
            verify(Head("", headers), body)
        assert refused.value.status == 401


async def test_a_webhook_of_gitlab_is_written(tmp_path: Path) -> None:
    async with serving(tmp_path, source("gitlab")) as served:
        assert (await served.post("/gitlab", BUILD, {**JSON, "X-Gitlab-Token": SECRET})).status == 200
        assert (await served.post("/gitlab", BUILD, JSON)).status == 401
        assert served.lines("gitlab") == [BUILD.decode()]


LOGS: dict[str, Any] = {
    "resourceLogs": [
        {"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": [{"body": {"stringValue": "hello"}}]}]}
    ]
}
# ExportLogsServiceRequest with one record whose body is the text "hello", by hand.
PROTOBUF = b"\n\x0f\x12\r\x12\x0b*\t\n\x07hello!!"
CUT = b"\n\x04\x12\x02\x12\x05"  # a record of five bytes that are not there


def test_otlp_is_kept_as_it_came_and_is_read() -> None:
    logs = Head("/v1/logs", {"content-type": "application/x-protobuf"})
    reading = otlp.read(logs, PROTOBUF, binary=True)
    (record,) = reading.records
    assert (record.value, record.keyed) == (PROTOBUF, False)
    assert (reading.answer.body, reading.answer.content_type) == (b"", "application/x-protobuf")
    (read,) = list(BUNDLED.read_encoded(record.value, NOW) or [])
    assert read.log is not None
    assert read.log.text == b"hello!!"
    assert otlp.read(logs, b"", binary=True).records == ()
    for path, kind, body in (
        ("/v1/metrics", "application/x-protobuf", PROTOBUF),
        ("", "application/x-protobuf", PROTOBUF),
        ("/v1/logs", "application/x-protobuf", PROTOBUF[:-1]),
        ("/v1/logs", "application/x-protobuf", b"{}"),
        ("/v1/logs", "application/json", PROTOBUF),
        ("/v1/logs", "text/plain", b"{}"),
    ):
        with pytest.raises(RefusalError):
            otlp.read(Head(path, {"content-type": kind}), body, binary=True)


async def test_otlp_in_json_and_gzip_is_written(tmp_path: Path) -> None:
    sent = {**BEARER, **JSON, "Content-Encoding": "gzip"}
    async with serving(tmp_path, source("otlp")) as served:
        body = gzip.compress(json.dumps(LOGS, indent=1).encode(), mtime=0)
        answer = await served.post("/otlp/v1/logs", body, sent)
        assert (answer.status, answer.text, answer.headers["Content-Type"]) == (200, "{}", "application/json")
        assert (await served.post("/otlp/v1/traces", b"{}", {**BEARER, **JSON})).status == 200
        protobuf = {**BEARER, "Content-Type": "application/x-protobuf"}
        assert (
            await served.post("/otlp/v1/logs", PROTOBUF, protobuf)
        ).status == 200  # a file has lines: as JSON
        assert (await served.post("/otlp/v1/logs", CUT, protobuf)).status == 400
        texts = [
            read.log for line in served.lines("otlp") for read in BUNDLED.read_object(line.encode(), NOW)
        ]
        assert [log.text for log in texts if log is not None] == [b"hello", b"hello!!"]


def audit(number: int) -> dict[str, Any]:
    return {
        "level": "Metadata",
        "auditID": f"00000000-0000-4000-8000-{number:012}",
        "stage": "ResponseComplete",
        "verb": "get",
        "user": {"username": "system:serviceaccount:ci:runner"},
        "requestReceivedTimestamp": "2026-05-04T08:00:00.000000Z",
    }


def test_a_list_of_audit_events_is_split_only_where_it_is_too_large() -> None:
    events = [audit(number) for number in range(40)]
    body = json.dumps(
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": events}
    ).encode()
    (whole,) = kubernetes.read(head(content_type="application/json"), body, 1 << 20).records
    assert whole.value == body
    parts = kubernetes.read(head(content_type="application/json"), body, 2000).records
    assert len(parts) > 3
    assert max(len(part.value) for part in parts) <= 2000
    lists = [json.loads(part.value) for part in parts]
    assert [event for each in lists for event in each["items"]] == events
    assert {(each["kind"], each["apiVersion"]) for each in lists} == {("EventList", "audit.k8s.io/v1")}
    again = kubernetes.read(head(content_type="application/json"), body, 2000).records
    assert [part.delivery for part in again] == [part.delivery for part in parts]
    for wrong in (
        b"{}",
        b"[]",
        body.replace(b"EventList", b"PodList"),
        body.replace(b"audit.k8s.io", b"apps"),
    ):
        with pytest.raises(RefusalError):
            kubernetes.read(head(content_type="application/json"), wrong, 2000)


def test_a_push_is_known_again_by_its_message() -> None:
    push = {
        "message": {"data": "aGVsbG8=", "messageId": "136969346945"},
        "subscription": "projects/p/subscriptions/s",
    }
    (record,) = pubsub.read(head(content_type="application/json"), json.dumps(push).encode()).records
    assert record.delivery == "136969346945"
    (bare,) = pubsub.read(head(x_goog_pubsub_message_id="7"), b"any data").records
    assert (bare.delivery, bare.value) == ("7", b"any data")
    for wrong in (b"", b"{}", b'{"message": {}}'):
        with pytest.raises(RefusalError):
            pubsub.read(head(), wrong)


async def test_an_api_key_or_a_password_admits_eventbridge(tmp_path: Path) -> None:
    event = b'{"version": "0", "id": "cd2d702e", "detail-type": "t", "source": "aws.sts", "detail": {}}'
    tables = (
        source("key", type="eventbridge", topic="t", header="X-Api-Key"),
        source("basic", type="eventbridge", topic="t", user="events"),
    )
    basic = base64.b64encode(f"events:{SECRET}".encode()).decode()
    async with serving(tmp_path, *tables) as served:
        for path, headers, status in (
            ("/key", {"X-Api-Key": SECRET}, 200),
            ("/key", {"X-Api-Key": SECRET[:-1]}, 401),
            ("/key", BEARER, 401),
            ("/basic", {"Authorization": f"Basic {basic}"}, 200),
            (
                "/basic",
                {"Authorization": f"Basic {base64.b64encode(f'other:{SECRET}'.encode()).decode()}"},
                401,
            ),
            ("/basic", {"Authorization": "Basic !"}, 401),
            ("/basic", {"X-Api-Key": SECRET}, 401),
        ):
            assert (await served.post(path, event, {**JSON, **headers})).status == status
        assert served.lines("t") == [event.decode()] * 2


TOPIC = "/subscriptions/5b4b650e/resourceGroups/r/providers/Microsoft.EventGrid/topics/t"
CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"


def grid_event(kind: str, data: Any, topic: str = TOPIC) -> dict[str, Any]:
    return {
        "id": "2d1781af",
        "topic": topic,
        "subject": "",
        "eventType": kind,
        "eventTime": "2026-05-04T08:00:00Z",
        "data": data,
    }


async def test_both_handshakes_of_event_grid_are_answered_and_nothing_is_written(tmp_path: Path) -> None:
    validation = grid_event("Microsoft.EventGrid.SubscriptionValidationEvent", {"validationCode": CODE})
    asks = {**JSON, "aeg-event-type": "SubscriptionValidation"}
    grid = source("eventgrid", header="X-Api-Key", sources=["/subscriptions/5b4b650e/*"])
    async with serving(tmp_path, grid) as served:
        answer = await served.post("/eventgrid", json.dumps([validation]).encode(), asks)
        assert (answer.status, json.loads(answer.text)) == (200, {"validationResponse": CODE})
        for wrong, status in (
            ([{**validation, "topic": "/subscriptions/other"}], 403),
            ([grid_event("x", {})], 400),
            ([], 400),
            ([{**validation, "data": {"validationCode": "x" * 300}}], 400),
            ([validation] * 500, 413),  # from whoever shows no proof
        ):
            assert (await served.post("/eventgrid", json.dumps(wrong).encode(), asks)).status == status
        origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
        answer = await served.post("/eventgrid", b"", origin, "OPTIONS")
        assert (answer.status, answer.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")
        assert (
            await served.post("/eventgrid", b"", {"WebHook-Request-Origin": "a.example"}, "OPTIONS")
        ).status == 403
        assert served.lines("eventgrid") == []


async def test_event_grid_delivers_in_either_schema(tmp_path: Path) -> None:
    own = [grid_event("t", {}), {**grid_event("t", {}), "id": "3"}]
    event = {"specversion": "1.0", "id": "1", "source": TOPIC, "type": "t", "data": {}}
    kind = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    grid = source("eventgrid", header="X-Api-Key", sources=["/subscriptions/5b4b650e/*"])
    key = {"X-Api-Key": SECRET}
    async with serving(tmp_path, grid) as served:
        for body, headers, status in (
            (own, {**JSON, **key, "aeg-event-type": "Notification"}, 200),
            (event, {**kind, **key}, 200),
            (own, JSON, 401),
            ([grid_event("t", {}, "/subscriptions/other")], {**JSON, **key}, 403),
            ({**event, "source": "/subscriptions/other"}, {**kind, **key}, 403),
        ):
            assert (await served.post("/eventgrid", json.dumps(body).encode(), headers)).status == status
        assert [json.loads(line) for line in served.lines("eventgrid")] == [*own, event]
