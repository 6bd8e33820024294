"""Kafka Connect's envelope around a value."""

import json
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
from detector.values.events import CredentialRevoked
from detector.values.times import parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
TRAIL = {
    "eventSource": "iam.amazonaws.com",
    "eventName": "DeleteAccessKey",
    "eventTime": "2026-05-01T08:00:00Z",
    "eventID": "e-1",
    "requestParameters": {"accessKeyId": "AKIAEXAMPLENEW000000", "userName": "robot"},
}
STRUCT: dict[str, Any] = {"type": "struct", "fields": [], "optional": False}


def read(value: Any) -> list[Read]:
    return list(BUNDLED.read_object(json.dumps(value, separators=(",", ":")).encode(), NOW))


@pytest.mark.parametrize(
    ("schema", "payload"),
    [
        (STRUCT, TRAIL),
        (None, TRAIL),
        ({"type": "string"}, json.dumps(TRAIL)),
        ({"type": "array"}, [TRAIL]),
        (STRUCT, {"Records": [TRAIL]}),
    ],
)
def test_the_value_is_what_it_would_be_without(schema: Any, payload: Any) -> None:
    (found,) = read({"schema": schema, "payload": payload})
    assert [type(event) for event in found.events] == [CredentialRevoked]


def test_a_log_record_and_text_are_scanned() -> None:
    (record,) = read({"schema": STRUCT, "payload": {"message": "hello", "time": "2026-05-01T00:00:00Z"}})
    (text,) = read({"schema": {"type": "string"}, "payload": "hello"})
    assert [each.log and each.log.text for each in (record, text)] == [b"hello", b"hello"]


def test_a_log_record_in_its_message_stays_one() -> None:
    (found,) = read({"schema": STRUCT, "payload": {"message": json.dumps(TRAIL)}})
    assert found.events == ()
    assert found.log is not None


@pytest.mark.parametrize("payload", [None, 3, True])
def test_a_payload_that_is_nothing_to_read_is_told(payload: Any) -> None:
    (found,) = read({"schema": None, "payload": payload})
    assert found.error is not None
    assert (found.error.reason, found.error.field) == ("missing-field", "payload")


@pytest.mark.parametrize(
    "other", [{"schema": {"type": "x"}, "payload": TRAIL, "more": 1}, {"schema": {"a": 1}, "payload": TRAIL}]
)
def test_what_only_resembles_it_is_a_log_record(other: Any) -> None:
    (found,) = read(other)
    assert (found.format, found.events) == ("json", ())
