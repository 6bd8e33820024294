"""The short way to read a canonical event gives what the long one gives, or nothing."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import RecordClassifier
from detector.ingest.kafka import Contents, read_record
from detector.records.log_records import Read
from detector.values.events import CanonicalEvent
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

    def plain_event(self, line: bytes, now: int) -> CanonicalEvent | None:  # noqa: ARG002 - the signature of the short way
        return None


SHORT, LONG = RecordClassifier(), LongWay()


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


@settings(max_examples=80)
@given(lines())
def test_both_ways_agree(line: bytes) -> None:
    assert list(map(told, SHORT.read_object(line, NOW))) == list(map(told, LONG.read_object(line, NOW)))
    short, long = Contents(), Contents()
    record = FakeRecord(line)
    assert read_record(record, NOW, short, SHORT) == read_record(record, NOW, long, LONG)
    assert short == long


@pytest.mark.parametrize("kind", [kind for kind in DATA if kind != "task.restarted"])
def test_every_type_is_read_the_short_way(kind: str) -> None:
    line = json.dumps({**ENVELOPE, "type": kind, "data": DATA[kind], "subject": "s"}).encode()
    event = SHORT.plain_event(line, NOW)
    assert event is not None
    assert [read.events for read in LONG.read_object(line, NOW)] == [(event,)]
