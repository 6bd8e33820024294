"""A record with a name twice hides nothing: it is scanned whole, and it is never an event."""

import base64
import json
from pathlib import Path

import pytest

from detector.ingest.event_ranges import read_events
from detector.ingest.inputs import find_sources
from detector.ingest.kafka_records import Contents, read_record
from detector.values.times import format_rfc3339
from tests.fake_records import NOW, FakeRecord, read_all, records
from tests.ingest.collecting import collect

TIME = '"time": "2026-05-01T10:00:00Z"'
CLEAN = f'{{"message": "clean", {TIME}}}'
EVENT = (
    '{"specversion": "1.0", "id": "1", "source": "ci", "type": "task.ended", '
    '"time": "2026-05-01T00:00:00Z", "data": {"task_id": "t"}}'
)
TWICE = EVENT.replace('"task_id": "t"', '"task_id": "MARK", "task_id": "t"')
IN_BASE64 = json.dumps(
    {
        **json.loads(EVENT),
        "data": None,
        "data_base64": base64.b64encode(b'{"task_id": "a", "task_id": "t"}').decode(),
    }
).replace('"data": null, ', "")
TRAIL = (
    '{"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "eventID": "e", "eventTime": "2026-05-01T00:00:00Z", '
    '"userIdentity": {"accessKeyId": "MARK", "accessKeyId": "AKIAEXAMPLE000000000"}}'
)
LOGS = [
    '{"message": "token=MARK", "message": "clean", @T@}',
    '{"message": "token=MARK", @T@, "mess\\u0061ge": "clean"}',
    '{"message": "a \\"quoted\\" text", "extra": "token=MARK", "extra": "clean", @T@}',
    '{"message": "clean", @T@, "labels": {"a": {"b": "token=MARK", "b": "clean"}}}',
    '{"message": "clean", @T@, "labels": [{"b": "token=MARK", "b": "clean"}]}',
    '{"message": "clean", "time": "MARK", @T@}',
    '{"task_id": "MARK", "task_id": "t", "message": "clean", @T@}',
    '{"log": "token=MARK\\n", "log": "clean\\n", "stream": "stdout", @T@}',
    '{"log": "clean\\n", "attrs": {"tag": "MARK", "tag": "x"}, "stream": "stdout", @T@}',
    '{"kubernetes": {"pod_name": "p", "namespace_name": "n"}, "log": "token=MARK", "log": "clean", @T@}',
    '{"__REALTIME_TIMESTAMP": "1777629600000000", "MESSAGE": "token=MARK", "MESSAGE": "clean"}',
    '{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "token=MARK", "stringValue": "clean"}}]}]}]}',
    '{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "token=MARK"}}]}]}], "resourceLogs": []}',
]
LOGS = [line.replace("@T@", TIME) for line in LOGS]
HELD = {
    "Docker": '{"log": "clean\\n", "stream": "stdout", "time": "2026-05-01T10:00:00Z"}',
    "plain records": CLEAN,
    "records with escapes": '{"message": "a \\"quoted\\" text", "level": "info"}',
    "text": "2026-05-01T10:00:00Z a line of text",
}


@pytest.mark.parametrize("line", LOGS)
@pytest.mark.parametrize("among", HELD.values(), ids=HELD)
def test_in_a_file_the_value_that_another_hides_is_scanned(line: str, among: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for count in (0, 2, 40):
        path.write_text("\n".join([*[among] * count, line, *[among] * count, ""]))
        sink = collect(path)
        marked = sink.marked()
        assert marked
        assert {seen.line for seen in marked} == {count + 1}
        assert sink.letters == []


@pytest.mark.parametrize("line", LOGS)
def test_in_a_topic_too(line: str) -> None:
    for count in (0, 2, 40):
        values = [*[CLEAN] * count, line, *[CLEAN] * count]
        reading = read_all(records([value.encode() for value in values]))
        assert {place.id.partition("#")[0] for place in reading.places} == {f"p0@{count}"}
        assert reading.contents.letters == []


@pytest.mark.parametrize(
    "line",
    [
        TWICE,
        EVENT.replace('"source": "ci"', '"source": "MARK", "source": "ci"'),
        EVENT.replace('"source": "ci"', '"source": "MARK", "sourc\\u0065": "ci"'),
        EVENT.replace('"id": "1"', '"id": "MARK", "unknown": {"x": 1, "x": 2}, "id": "1"'),
        TRAIL,
        f'{{"detail-type": "MARK", "detail-type": "AWS API Call via CloudTrail", "detail": {EVENT}}}',
        f'{{"schema":null,"payload":{json.dumps(TWICE)}}}',
    ],
)
def test_what_may_be_an_event_is_none_and_is_told(line: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    other = EVENT.replace('"id": "1"', '"id": "2"')
    path.write_text(f"{other}\n{line}\n{other}\n")
    sink = collect(path)
    assert [event.id for event in sink.events] == ["2", "2"]
    assert [(line_, reason) for line_, reason, _ in sink.dead_ones()] == [(2, "ambiguous-json")]
    assert {seen.line for seen in sink.marked()} == {2}
    (source,), _ = find_sources([str(path)])
    assert [event.id for event in read_events(source, 0, source.size, NOW)] == ["2", "2"]
    contents = Contents()
    logs = read_record(FakeRecord(line.encode()), NOW, contents)
    assert contents.events == []
    assert [letter.reason for letter in contents.letters] == ["ambiguous-json"]
    assert any(b"MARK" in log.text + log.rest for log in logs)


def test_data_in_base64_with_a_name_twice_is_no_event() -> None:
    contents = Contents()
    read_record(FakeRecord(IN_BASE64.encode()), NOW, contents)
    assert contents.events == []
    assert [(letter.reason, letter.field) for letter in contents.letters] == [
        ("ambiguous-json", "data_base64")
    ]


def test_in_binary_mode_neither_an_attribute_nor_a_name_of_the_data_may_stand_twice() -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"task.ended"),
        ("ce_source", b"ci"),
        ("ce_id", b"7"),
        ("ce_time", format_rfc3339(NOW).encode()),
    ]
    for value, more in (
        (b'{"task_id": "a", "task_id": "MARK"}', []),
        (b'{"task_id": "MARK"}', [("ce_source", b"other")]),
    ):
        contents = Contents()
        (log,) = read_record(FakeRecord(value, headers=[*headers, *more]), NOW, contents)
        assert contents.events == []
        assert [letter.reason for letter in contents.letters] == ["ambiguous-json"]
        assert b"MARK" in log.text
    contents = Contents()
    read_record(FakeRecord(b'{"task_id": "a"}', headers=headers), NOW, contents)
    assert len(contents.events) == 1


def test_a_document_with_two_lists_of_records_is_text(tmp_path: Path) -> None:
    path = tmp_path / "trail.json"
    plain = TRAIL.replace('"accessKeyId": "MARK", ', "")
    path.write_text(f'{{"Records": [{plain.replace("GetObject", "MARK")}], "Records": [{plain}]}}')
    sink = collect(path)
    assert sink.events == []
    assert sink.dead_ones() == [(1, "ambiguous-json", None)]
    assert len(sink.marked()) == 1
    path.write_text(f'{{"Records": [{plain}, {TRAIL}]}}')
    sink = collect(path)
    assert len(sink.events) == 1
    assert sink.dead_ones() == [(1, "ambiguous-json", "Records[1]")]
    assert len(sink.marked()) == 1
