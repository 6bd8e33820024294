"""Events among log records: read apart, and everything else as if they were not there."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.fake_records import FakeRecord, Reading, read_all, records

LOG = b'{"time":"2026-05-31T23:59:00Z","task_id":"t","stream":"stdout","message":"MARK one"}'
TEXT = b"2026-05-31T23:59:01Z MARK two"
BEGIN = b'{"message":"-----BEGIN PRIVATE KEY----- MARK three"}'
END = b'{"message":"-----END PRIVATE KEY-----"}'
# The mark of an event stands in it, and it is none.
MENTION = b'{"message":"MARK four","data":{"specversion":"1.0"}}'
BROKEN = b'{"specversion":"1.0","type":"task.started","source":"ci","id":"x","data":{}}'


def event(number: int) -> bytes:
    data = {"task_id": f"t-{number}"}
    return json.dumps(
        {
            "specversion": "1.0",
            "type": "task.started",
            "source": "ci",
            "id": f"e-{number}",
            "time": "2026-05-31T23:00:00Z",
            "data": data,
        }
    ).encode()


def one_by_one(some: list[FakeRecord]) -> Reading:
    reading = Reading()
    for record in some:
        reading.poll([record])
    return reading.end()


@given(st.lists(st.sampled_from([LOG, LOG, LOG, TEXT, BEGIN, END, MENTION, BROKEN, b"event"]), max_size=60))
def test_events_among_logs_change_nothing(values: list[bytes]) -> None:
    some = records([event(at) if value == b"event" else value for at, value in enumerate(values)])
    together, apart = read_all(some), one_by_one(some)
    assert together.contents.events == apart.contents.events
    assert sorted(together.places) == sorted(apart.places)
    assert sorted((each.offset or 0, each.reason) for each in together.contents.letters) == sorted(
        (each.offset or 0, each.reason) for each in apart.contents.letters
    )
    assert together.contents.formats == apart.contents.formats
    assert together.contents.latest == apart.contents.latest
