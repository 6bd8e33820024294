"""Events among log records: read apart, and everything else as if they were not there."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.ingest import kafka
from detector.ingest.classify import RecordClassifier
from detector.ingest.kafka_records import read_record
from detector.ingest.positions import LogRecord
from tests.fake_records import FakeRecord, Reading, read_all, records

LOG = b'{"time":"2026-05-31T23:59:00Z","task_id":"t","stream":"stdout","message":"MARK one"}'
TURNED = b'{"message":"MARK nine","time":"2026-05-31T23:59:00Z"}'
TEXT = b"2026-05-31T23:59:01Z MARK two"
BEGIN = b'{"message":"-----BEGIN PRIVATE KEY----- MARK three"}'
END = b'{"message":"-----END PRIVATE KEY-----"}'
# The mark of an event stands in it, and it is none.
MENTION = b'{"message":"MARK four","data":{"specversion":"1.0"}}'
BROKEN = b'{"specversion":"1.0","type":"task.started","source":"ci","id":"x","data":{}}'

CARRIER = json.dumps({"log": "MARK eight", "kubernetes": {"pod_name": "p"}, "stream": "stdout"}).encode()

ODD = [
    None,
    b"",
    TEXT + b"\n",
    TEXT + b"\nMARK five",
    LOG + b"\n",
    b'[{"message":"MARK six"}]',
    MENTION,
    BROKEN,
]


def event(number: int) -> bytes:
    return event_of(number, "specversion")


def event_of(number: int, first: str) -> bytes:
    """An event whose field `first` is the first."""
    fields = {
        "specversion": "1.0",
        "type": "task.started",
        "source": "ci",
        "id": f"e-{number}",
        "time": "2026-05-31T23:00:00Z",
        "data": {"task_id": f"t-{number}"},
    }
    return json.dumps({first: fields[first]} | fields, separators=(",", ":")).encode()


def one_by_one(some: list[FakeRecord]) -> Reading:
    reading = Reading()
    for record in some:
        reading.poll([record])
    return reading.end()


def after(first: int, some: list[FakeRecord]) -> Reading:
    """The records in two polls."""
    reading = Reading()
    reading.poll(some[:first])
    reading.poll(some[first:])
    return reading.end()


def assert_read_alike(some: list[FakeRecord], first: int = 0) -> None:
    together, apart = after(first, some) if first else read_all(some), one_by_one(some)
    assert together.contents.events == apart.contents.events
    assert sorted(together.places) == sorted(apart.places)
    assert sorted((each.offset or 0, each.reason) for each in together.contents.letters) == sorted(
        (each.offset or 0, each.reason) for each in apart.contents.letters
    )
    assert together.contents.formats == apart.contents.formats
    assert together.contents.latest == apart.contents.latest
    assert together.contents.textless == apart.contents.textless


@given(st.lists(st.sampled_from([LOG, LOG, LOG, TEXT, BEGIN, END, MENTION, BROKEN, b"event"]), max_size=60))
def test_events_among_logs_change_nothing(values: list[bytes]) -> None:
    assert_read_alike(records([event(at) if value == b"event" else value for at, value in enumerate(values)]))


@given(
    st.lists(st.one_of(st.just(LOG), st.just(TEXT), st.sampled_from(ODD), st.just(b"event")), max_size=60),
    st.sets(st.integers(0, 59)),
)
def test_what_is_no_line_and_what_has_headers_keeps_its_place(
    values: list[bytes | None], binary: set[int]
) -> None:
    """Tombstones, values of many lines, arrays, and CloudEvents in binary mode stand among others."""
    some = records([event(at) if value == b"event" else value for at, value in enumerate(values)])
    headers = [("ce_specversion", b"1.0"), ("ce_type", b"task.ended"), ("ce_source", b"ci"), ("ce_id", b"h")]
    for record in some:
        if record.offset in binary:
            record.headers = [*headers, ("ce_time", b"2026-05-31T23:00:00Z")]
            record.value = b'{"task_id":"t-1"}'
    assert_read_alike(some)


@given(
    st.sampled_from([[LOG] * 10, [LOG] * 10 + [event(99)], [TURNED] * 10 + [event(99)]]),
    st.lists(
        st.sampled_from([LOG, LOG, TURNED, TEXT, BEGIN, MENTION, BROKEN, CARRIER, b"event", b"early event"]),
        max_size=40,
    ),
)
def test_what_comes_after_plain_log_records_changes_nothing(plain: list[bytes], values: list[bytes]) -> None:
    """Marks of events are looked for in other records alone where most were plain log records before."""
    made = {b"event": "specversion", b"early event": "time"}
    some = [
        event_of(at, made[value]) if value in made else value for at, value in enumerate(values, len(plain))
    ]
    assert_read_alike(records(plain + some), len(plain))


@pytest.mark.parametrize("first", ["specversion", "time"])
def test_no_marks_are_looked_for_in_plain_log_records(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    searched: list[bytes] = []
    search = RecordClassifier.lines_with_marks

    def noted(self: RecordClassifier, data: bytes, starts: Any = None) -> Sequence[int]:
        searched.extend(data.splitlines())
        return search(self, data, starts)

    monkeypatch.setattr(RecordClassifier, "lines_with_marks", noted)
    events = [event_of(number, first) for number in range(2)]
    reading = after(10, records([LOG] * 10 + [LOG] * 20 + events[:1]))
    reading.poll(records([LOG] * 20 + events[1:]))
    assert searched == events
    assert len(reading.contents.events) == len(events)


def test_logs_with_events_among_them_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event costs itself: no log beside it is read by itself."""
    alone: list[bytes | None] = []

    def counted(record: FakeRecord, *args: Any, **kwargs: Any) -> list[LogRecord]:
        alone.append(record.value)
        return read_record(record, *args, **kwargs)

    monkeypatch.setattr(kafka, "read_record", counted)
    events = [event(number) for number in range(20)]
    read_all(records([value for each in events for value in (each, *[LOG] * 15)]))
    assert alone == events
