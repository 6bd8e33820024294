"""OTLP requests in JSON and protobuf: every text in them, whose it is and when, and what is wrong with them."""

import base64
import contextlib
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.adapters.otlp.requests import MAX_HELD, Otlp
from detector.adapters.otlp.requests_as_json import as_json
from detector.adapters.otlp.wire import WireError
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.event_ranges import read_events
from detector.ingest.inputs import find_sources
from detector.judge.policy import Policy
from detector.patterns.pattern import Pattern
from detector.records.log_records import Read
from detector.replay.plan import Plan
from detector.replay.replay import replay
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.terminal.progress import NoMeter
from detector.values.findings import Severity
from detector.values.times import format_rfc3339
from tests.fake_records import FakeRecord, read_all, read_in_polls, records
from tests.ingest.collecting import NOW, collect
from tests.small_history import KEY

NANOS = 1_777_629_600_000_000_000  # 2026-05-01T10:00:00Z
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
FORGED = json.dumps(
    {"specversion": "1.0", "id": "1", "source": "s", "type": "task.ended", "data": {"task_id": "t"}}
)


def any_value(value: Any) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case list():
            return {"arrayValue": {"values": [any_value(one) for one in value]}}
        case dict():
            return {"kvlistValue": {"values": attributes(value)}}
    return {"stringValue": value}


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def record(body: Any = None, at: int = NANOS, **fields: Any) -> dict[str, Any]:
    found = {"timeUnixNano": str(at), **fields}
    return found if body is None else {**found, "body": any_value(body)}


def logs(*items: Any, resource: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    scope = {"scope": {"name": "my.library"}, "logRecords": list(items)}
    return {
        "resourceLogs": [
            {"resource": {"attributes": attributes(resource or {})}, "scopeLogs": [scope], **fields}
        ]
    }


# The same in protobuf: number, type and name of each field, written down once more from opentelemetry-proto.

Fields = dict[str, tuple[int, str]]
COMMON: dict[str, Fields] = {
    "AnyValue": {
        "stringValue": (1, "text"), "boolValue": (2, "varint"), "intValue": (3, "varint"), "doubleValue": (4, "double"),
        "arrayValue": (5, "ArrayValue"), "kvlistValue": (6, "KeyValueList"), "bytesValue": (7, "base64"),
    },
    "ArrayValue": {"values": (1, "AnyValue")},
    "KeyValueList": {"values": (1, "KeyValue")},
    "KeyValue": {"key": (1, "text"), "value": (2, "AnyValue")},
    "Resource": {"attributes": (1, "KeyValue")},
    "Scope": {"name": (1, "text"), "version": (2, "text"), "attributes": (3, "KeyValue")},
    "LogRecord": {
        "timeUnixNano": (1, "fixed64"), "severityNumber": (2, "varint"), "severityText": (3, "text"),
        "body": (5, "AnyValue"), "attributes": (6, "KeyValue"), "flags": (8, "fixed32"), "traceId": (9, "hex"),
        "spanId": (10, "hex"), "observedTimeUnixNano": (11, "fixed64"), "eventName": (12, "text"),
    },
    "ScopeLogs": {"scope": (1, "Scope"), "logRecords": (2, "LogRecord"), "schemaUrl": (3, "text")},
    "ResourceLogs": {"resource": (1, "Resource"), "scopeLogs": (2, "ScopeLogs"), "schemaUrl": (3, "text")},
    "Span": {
        "traceId": (1, "hex"), "spanId": (2, "hex"), "traceState": (3, "text"), "parentSpanId": (4, "hex"),
        "name": (5, "text"), "kind": (6, "varint"), "startTimeUnixNano": (7, "fixed64"),
        "endTimeUnixNano": (8, "fixed64"), "attributes": (9, "KeyValue"), "events": (11, "Event"),
        "links": (13, "Link"), "status": (15, "Status"), "flags": (16, "fixed32"),
    },
    "Event": {"timeUnixNano": (1, "fixed64"), "name": (2, "text"), "attributes": (3, "KeyValue")},
    "Link": {"traceId": (1, "hex"), "spanId": (2, "hex"), "traceState": (3, "text"), "attributes": (4, "KeyValue")},
    "Status": {"message": (2, "text"), "code": (3, "varint")},
    "ScopeSpans": {"scope": (1, "Scope"), "spans": (2, "Span"), "schemaUrl": (3, "text")},
    "ResourceSpans": {"resource": (1, "Resource"), "scopeSpans": (2, "ScopeSpans"), "schemaUrl": (3, "text")},
    "Request": {"resourceLogs": (1, "ResourceLogs"), "resourceSpans": (1, "ResourceSpans")},
}  # fmt: skip


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, kind: str, value: Any) -> bytes:
    if kind == "varint":
        return varint(number << 3) + varint(int(value))
    if kind == "fixed64":
        return varint(number << 3 | 1) + struct.pack("<Q", int(value))
    if kind == "double":
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if kind == "fixed32":
        return varint(number << 3 | 5) + struct.pack("<I", value)
    plain = {"text": str.encode, "hex": bytes.fromhex, "base64": base64.b64decode}.get(kind)
    data = proto(value, kind) if plain is None else plain(value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def proto(value: dict[str, Any], name: str = "Request") -> bytes:
    parts = []
    for key, held in value.items():
        number, kind = COMMON[name][key]
        parts += [field(number, kind, one) for one in (held if isinstance(held, list) else [held])]
    return b"".join(parts)


def read(value: Any) -> list[Read]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    if data[:1] == b"\n":
        return list(BUNDLED.read_encoded(data, NOW) or ())
    return list(BUNDLED.read_object(data, NOW))


def both(value: dict[str, Any]) -> Iterator[list[Read]]:
    yield read(value)
    yield read(proto(value))


def told(reads: list[Read]) -> list[tuple[str | None, str | None]]:
    return [(each.error.reason, each.error.field) for each in reads if each.error is not None]


def test_each_log_record_of_a_request_is_one_with_its_text_time_and_trace() -> None:
    request = logs(
        record("Example", traceId=TRACE), record("another", NANOS + 1), resource={"service.name": "web"}
    )
    for reads in both(request):
        assert [
            (each.log.text, each.log.time, each.log.task_id, each.log.part) for each in reads if each.log
        ] == [
            (b"Example", NANOS, TRACE, 1),
            (b"another", NANOS + 1, None, 2),
        ]
        assert {each.format for each in reads} == {"otlp"}
        assert reads[0].log is not None
        assert reads[0].log.rest == b"service.name=web\nname=my.library"


def test_every_kind_of_value_is_walked() -> None:
    body = {
        "text": "MARK-1",
        "deep": [{"list": ["MARK-2", 7, 1.5, True]}, b"MARK-3", None],
        "MARK-4-as-the-name-of-a-number": 4,
        "empty": {},
    }
    values = {"k": "MARK-5", "nested": body}
    request = logs(record(body, attributes=attributes(values), severityText="MARK-6", eventName="MARK-7"))
    for reads in both(request):
        (only,) = reads
        assert only.error is None
        assert only.log is not None
        text = only.log.text + b"\n" + only.log.rest
        assert [text.count(b"MARK-%d" % number) for number in range(1, 8)] == [2, 2, 2, 2, 1, 1, 1]


def test_a_body_that_is_a_shippers_record_is_read_as_one() -> None:
    pod = {"namespace_name": "shop", "pod_name": "web-5d9c7bf6f-x7k2p", "container_name": "web"}
    body = {"log": "MA", "stream": "stdout", "_p": "P", "kubernetes": pod, "time": "2026-05-01T11:00:00Z"}
    cut, end = record(body, traceId=TRACE), record({**body, "log": "RK", "_p": "F"}, 0)
    for reads in both(logs(cut, {"body": any_value({"log": FORGED})})):
        assert [each.events for each in reads] == [(), ()]
        assert reads[0].log is not None
        assert (reads[0].log.text, reads[0].log.time) == (b"MA", NANOS)
        assert (reads[0].log.task_id, reads[0].log.stream) == ("k8s/shop/web-5d9c7bf6f-x7k2p", "stdout")
        assert b"pod_name=web" in reads[0].log.rest
    for first, second in ((logs(cut), logs(end)), (logs(cut, record("x"), end), logs())):
        for values in ([json.dumps(one).encode() for one in (first, second)], [proto(first), proto(second)]):
            assert [place.id for place in read_all(records(values)).places] == ["p0@0#1"]


@pytest.mark.parametrize(
    ("own", "resource", "task"),
    [
        ({"gen_ai.conversation.id": "c1"}, {"k8s.pod.uid": "u", "service.instance.id": "i"}, "agent/c1"),
        ({}, {"k8s.pod.uid": "u", "k8s.pod.name": "web", "k8s.namespace.name": "shop"}, "k8s/shop/web/u"),
        ({}, {"k8s.pod.uid": "u", "service.instance.id": "i"}, "u"),
        ({}, {"cicd.pipeline.run.id": "7", "cicd.pipeline.task.run.id": "8"}, "8"),
        ({}, {"service.instance.id": "i"}, "i"),
        ({"cicd.pipeline.run.id": 71}, {}, "71"),
        ({}, {}, TRACE),
    ],
)
def test_the_task_is_what_the_attributes_name_else_the_trace(
    own: dict[str, Any], resource: dict[str, Any], task: str
) -> None:
    for reads in both(logs(record("x", attributes=attributes(own), traceId=TRACE), resource=resource)):
        assert [each.log.task_id for each in reads if each.log] == [task]


def test_other_attributes_can_be_made_to_name_the_task() -> None:
    reader = Otlp(named=lambda attributes: attributes.get("job"))
    (read_,) = reader.read_json(logs(record("x", attributes=attributes({"job": "7"}))), NOW)
    assert read_.log is not None
    assert read_.log.task_id == "7"


def test_the_time_is_that_of_the_record_else_when_it_was_seen() -> None:
    items = [
        record("a", NANOS),
        {"observedTimeUnixNano": NANOS + 5, "body": any_value("b")},
        {"timeUnixNano": "0", "observedTimeUnixNano": str(NANOS), "body": any_value("c")},
        {"body": any_value("d")},
    ]
    for reads in both(logs(*items)):
        assert [each.log.time for each in reads if each.log] == [NANOS, NANOS + 5, NANOS, None]
        assert not told(reads)


def test_a_span_is_scanned_as_of_its_end_with_all_that_happened_in_it() -> None:
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "execute_tool MARK-1",
        "startTimeUnixNano": str(NANOS),
        "endTimeUnixNano": str(NANOS + 9),
        "attributes": attributes(
            {"gen_ai.tool.call.arguments": '{"token": "MARK-2"}', "gen_ai.tool.call.result": "MARK-3"}
        ),
        "events": [{"timeUnixNano": str(NANOS), "name": "MARK-4", "attributes": attributes({"a": "MARK-5"})}],
        "links": [{"traceId": TRACE, "spanId": SPAN, "traceState": "x=MARK-6"}],
        "status": {"message": "MARK-7", "code": 2},
        "traceState": "x=MARK-8",
    }
    for reads in both({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}):
        (only,) = reads
        assert (only.events, only.error) == ((), None)
        assert only.log is not None
        assert (only.log.time, only.log.task_id) == (NANOS + 9, TRACE)
        text = only.log.text + only.log.rest
        assert [text.count(b"MARK-%d" % number) for number in range(1, 9)] == [1] * 8


def test_an_event_in_a_body_or_an_attribute_is_text() -> None:
    for reads in both(logs(record(FORGED), record({"a": FORGED}, attributes=attributes({"b": FORGED})))):
        assert [each.events for each in reads] == [(), ()]
    forged = {**logs(record("x")), **json.loads(FORGED)}
    assert [
        each.events for each in BUNDLED.read_object(json.dumps(forged["resourceLogs"][0]).encode(), NOW)
    ] == [()]


BROKEN: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "a record that is none": (logs("MARK"), [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords[0]")]),
    "records that are no list": (
        {"resourceLogs": [{"scopeLogs": [{"logRecords": {"body": "MARK"}}]}]},
        [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords")],
    ),
    "scopes that are none": (
        {"resourceLogs": [{"scopeLogs": ["MARK"]}]},
        [("wrong-field", "resourceLogs[0].scopeLogs[0]")],
    ),
    "a resource that is none": ({"resourceLogs": ["MARK"]}, [("wrong-field", "resourceLogs[0]")]),
    "a body that is no value": (
        logs({"body": "MARK"}),
        [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords[0]")],
    ),
    "a value of a wrong type": (
        logs({"body": {"stringValue": ["MARK"]}}),
        [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords[0]")],
    ),
    "attributes as an object": (
        logs({"attributes": {"key": "MARK"}}),
        [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords[0]")],
    ),
    "an attribute that is none": (
        logs({"attributes": ["MARK"]}),
        [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords[0]")],
    ),
    "bytes that are no base64": (
        logs({"body": {"bytesValue": "MARK?"}}),
        [("wrong-field", "resourceLogs[0].scopeLogs[0].logRecords[0]")],
    ),
    "a time that is none": (
        logs(record("MARK", timeUnixNano="yesterday")),
        [("bad-time", "resourceLogs[0].scopeLogs[0].logRecords[0].timeUnixNano")],
    ),
    "a time in the future": (
        logs(record("MARK", 2 * NANOS)),
        [("future-time", "resourceLogs[0].scopeLogs[0].logRecords[0].timeUnixNano")],
    ),
    "what nobody knows yet": ({**logs(), "newer": {"a": ["MARK"]}}, []),
    "an attribute with more in it": (logs({"attributes": [{"key": "a", "value": {}, "newer": "MARK"}]}), []),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_has_another_shape_is_told_and_scanned_all_the_same(name: str) -> None:
    value, errors = BROKEN[name]
    reading = read_all(records([json.dumps(value).encode()]))
    assert [(letter.reason, letter.field) for letter in reading.contents.letters] == errors
    assert len(reading.places) == 1
    assert b"MARK" not in msgspec.json.encode([letter.record() for letter in reading.contents.letters])


def test_one_broken_record_of_many_leaves_the_others_alone() -> None:
    reads = read(logs(record("a"), record("b", timeUnixNano="x"), "c", record("d")))
    assert [each.log.text for each in reads if each.log] == [b"a", b"b", b"", b"d"]
    assert len(told(reads)) == 2
    assert len(told(read(logs(*["x"] * 1000)))) == 16


def test_protobuf_is_told_from_text_by_its_structure() -> None:
    request = proto(logs(record("MARK")))
    assert read_all(records([request])).contents.formats == {"otlp": 1}
    for text in (
        b"\n",
        b"\nMARK",
        b"\n\n\nMARK",
        b"\n\x05MARK!!",
        b'\n{"message": "MARK"}\n',
        b"\n2026 MARK",
    ):
        contents = read_all(records([text])).contents
        assert "otlp" not in contents.formats
        assert not contents.letters


def test_protobuf_that_was_cut_or_damaged_is_told_and_scanned_as_bytes() -> None:
    request = proto(logs(record("first MARK"), record("second"), record({"deep": "x"}), resource={"a": "b"}))
    for end in range(60, len(request)):
        reading = read_all(records([request[:end]]))
        assert [letter.reason for letter in reading.contents.letters] == ["not-protobuf"], end
        assert [place.id for place in reading.places] == ["p0@0"]


def test_a_body_whose_tag_is_damaged_to_that_of_a_trace_id_is_scanned() -> None:
    request = proto(logs(record("first MARK")))
    body = request.index(b"*\x0c\n\nfirst MARK")
    for tag in (b"J", b"R"):  # traceId, spanId
        damaged = request[:body] + tag + request[body + 1 :]
        reading = read_all(records([damaged]))
        assert {place.id.partition("#")[0] for place in reading.places} == {"p0@0"}


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_protobuf_with_any_byte_changed_never_raises_and_hides_nothing(data: st.DataObject) -> None:
    request = bytearray(
        proto(logs(record("first MARK", attributes=attributes({"k": "v"})), resource={"a": "b"}))
    )
    mark = bytes(request).index(b"MARK")
    at = data.draw(st.integers(0, len(request) - 1).filter(lambda at: not mark <= at < mark + 4))
    request[at] = data.draw(st.integers(0, 255))
    reading = read_all(records([bytes(request)]))
    assert {place.id.partition("#")[0] for place in reading.places} == {"p0@0"}


@given(st.binary(max_size=200).map(lambda data: b"\n" + data))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_as_something(data: bytes) -> None:
    read_all(records([data]))


@given(st.binary(max_size=60).map(lambda data: b"\n" + data), st.sampled_from(["LogRecord", "Span"]))
@settings(max_examples=50, deadline=None)
def test_any_bytes_become_json_or_are_refused(data: bytes, name: str) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(json.loads(as_json(data, name)), dict)


@pytest.mark.parametrize("depth", [0, 40])
def test_nesting_is_kept_in_json(depth: int) -> None:
    (one,) = read(as_json(nested(depth), "LogRecord"))
    assert one.log is not None
    assert b"MARK" in one.log.text + one.log.rest


def nested(depth: int) -> bytes:
    value = field(1, "text", "MARK")
    for _ in range(depth):
        inner = varint(1 << 3 | 2) + varint(len(value)) + value
        value = varint(5 << 3 | 2) + varint(len(inner)) + inner
    body = varint(5 << 3 | 2) + varint(len(value)) + value
    for number in (2, 2, 1):
        body = varint(number << 3 | 2) + varint(len(body)) + body
    return body


def test_hostile_nesting_is_bounded() -> None:
    assert not read_all(records([nested(40)])).contents.letters
    for depth in (200, 5000):
        reading = read_all(records([nested(depth)]))
        assert [letter.reason for letter in reading.contents.letters] == ["not-protobuf"]
        assert len(reading.places) == 1
    inner = b'{"stringValue":"MARK"}'
    for depth, reasons in ((200, []), (100_000, ["too-deep"])):
        body = b'{"arrayValue":{"values":[' * depth + inner + b"]}}" * depth
        value = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":' + body + b"}]}]}]}"
        reading = read_all(records([value]))
        assert [letter.reason for letter in reading.contents.letters] == reasons
        assert len(reading.places) == 1


def test_a_request_of_more_records_than_are_told_apart_is_scanned_whole() -> None:
    request = proto(logs(*[record("x")] * (MAX_HELD + 10), record("MARK")))
    reading = read_all(records([request]))
    assert [letter.reason for letter in reading.contents.letters] == ["too-large"]
    assert len(reading.places) == 1


def test_a_value_of_more_than_16_mib_is_told_and_scanned() -> None:
    request = logs(record("x" * (1 << 24)), record("MARK"))
    for value in (proto(request), json.dumps(request).encode()):
        reading = read_all(records([value]))
        assert [letter.reason for letter in reading.contents.letters] == ["too-large"]
        assert len(reading.places) == 1


_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_values = st.recursive(
    st.one_of(
        _texts, st.just("MARK"), st.integers(0, 2**63 - 1), st.booleans(), st.binary(max_size=5), st.none()
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_items = st.builds(
    lambda body, extra, at: record(body, NANOS + at, attributes=attributes(extra)),
    _values,
    st.dictionaries(st.sampled_from(["a", "k8s.pod.uid", "MARK-as-a-rather-long-name"]), _values, max_size=3),
    st.integers(0, 10),
)


@given(st.lists(_items, max_size=5), st.dictionaries(_texts, _values, max_size=2))
@settings(max_examples=100, deadline=None)
def test_json_and_protobuf_give_the_same(items: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    request = logs(*items, resource=resource)
    assert read(request) == read(proto(request)) == read(as_json(proto(request), "LogRecord"))


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["MARK", "x"])), max_size=12),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_however_records_are_batched_the_same_are_seen_live_and_replayed(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, str]], seed: int
) -> None:
    rng = random.Random(seed)
    path = tmp_path_factory.mktemp("otlp") / "a.jsonl"

    def batched(size: int) -> tuple[list[Any], list[Any]]:
        requests = []
        for at in range(0, len(items), size):
            held = items[at : at + size]
            groups = [
                logs(record(text, NANOS + at + number), resource={"service.instance.id": name})[
                    "resourceLogs"
                ][0]
                for number, (name, text) in enumerate(held)
            ]
            requests.append({"resourceLogs": groups})
        lines = [json.dumps(request).encode() for request in requests]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        values = [rng.choice([line, proto(request)]) for line, request in zip(lines, requests, strict=True)]
        some = [FakeRecord(value, number) for number, value in enumerate(values)]
        live = sorted((place.time, place.task_id) for place in read_in_polls(some, rng).places)
        replayed = sorted((seen.time or "", seen.task_id or "") for seen in collect(path, None, NOW).marked())
        return live, replayed

    expected = sorted(
        (format_rfc3339(NANOS + number), name) for number, (name, text) in enumerate(items) if text == "MARK"
    )
    for size in (1, 3, 12):
        assert batched(size) == (expected, expected)


def test_records_of_one_request_are_told_apart() -> None:
    request = proto(logs(record("MARK"), record("x"), record("MARK")))
    assert [place.id for place in read_all(records([b"x", request])).places] == ["p0@1#1", "p0@1#3"]


def framed(*requests: bytes) -> bytes:
    return b"".join(len(one).to_bytes(4, "big") + one for one in requests)


def test_files_of_requests_in_protobuf_are_told_and_read(tmp_path: Path) -> None:
    one, two = proto(logs(record("first MARK"), record("x"))), proto(logs(record("second MARK", NANOS + 1)))
    path = tmp_path / "otlp.bin"
    for data, seen in (
        (framed(one, two), [(1, "first MARK"), (2, "second MARK")]),
        (one, [(1, "first MARK")]),
        (framed(one) * 5000, [(number, "first MARK") for number in range(1, 5001)]),
    ):
        path.write_bytes(data)
        sink = collect(path, None, NOW)
        assert [(each.line, each.text) for each in sink.marked()] == seen
        assert sink.letters == []
        assert sink.range is not None
        assert sink.range.records == {"otlp": sum(sink.range.records.values())}


@pytest.mark.parametrize("rest", [b"\0\0\0\0MARK", b"\xff\xff\xff\xffMARK", b"\0\0\0\x90MARK", b"MARK\nMARK"])
def test_from_where_a_length_is_wrong_the_rest_of_a_file_is_text(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "otlp.bin"
    path.write_bytes(framed(proto(logs(record("first MARK"), record("second"), resource={"a": "b"}))) + rest)
    sink = collect(path, None, NOW)
    assert sink.dead_ones() == [(2, "not-protobuf", None)]
    assert len(sink.marked()) == 1 + rest.count(b"MARK")


def test_agents_in_a_file_of_protobuf_are_tasks_where_it_is_configured(tmp_path: Path) -> None:
    span = {
        "traceId": TRACE, "spanId": SPAN, "startTimeUnixNano": NANOS, "endTimeUnixNano": NANOS + 1,
        "attributes": attributes({"gen_ai.operation.name": "invoke_agent"}),
    }  # fmt: skip
    path = tmp_path / "spans.bin"
    path.write_bytes(framed(proto({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})))
    (source,), _ = find_sources([str(path)])
    classifier = RecordClassifier(carriers=(Otlp("runs").carrier(),))
    assert len(list(read_events(source, 0, source.size, NOW, classifier))) == 2
    assert list(read_events(source, 0, source.size, NOW)) == []


def test_records_of_requests_are_counted_apart_however_a_file_is_cut(tmp_path: Path) -> None:
    token = "ghp_" + "a1B2c3D4e5" * 3 + "2rVNWk"  # of the pattern used here, nobody's
    pattern = Pattern(
        id="a-token", name="A token", regex=r"\b(?P<secret>ghp_[A-Za-z0-9]{36})\b", keywords=("ghp_",),
        severity=Severity.HIGH, family="test", reference="", advice="", revoke="", examples=(), near_misses=(),
    )  # fmt: skip
    path = tmp_path / "a.jsonl"
    request = json.dumps(logs(record(f"one {token}"), record("x"), record(f"two {token}")))
    path.write_text(f"{request}\n" * 6)
    sources, _ = find_sources([str(path)])

    def finder_of(identifiers: Any) -> LeakFinder:
        return LeakFinder(PatternScanner([pattern]), KnownIndex(identifiers, [KEY]), [KEY])

    for unit in (100, 1 << 20):
        plan = Plan(sources, Policy(), finder_of, keyed=True, now=NOW, unit=unit)
        (finding,) = replay(plan, NoMeter()).findings
        assert finding.count == 12
        assert {one.event.id for one in finding.evidences} == {
            f"{line}#{part}" for line in range(1, 7) for part in (1, 3)
        }
