"""Records of the common forms are read in one compiled pass just as the strict reader reads each of them."""

import json
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detector.ingest import kafka
from detector.ingest.classify import BUNDLED
from detector.ingest.formats.flat_records import FlatRecords, stream_key
from detector.ingest.kafka import RecordAssembler
from detector.ingest.kafka_records import Contents, read_record, texts_in
from detector.ingest.positions import LogRecord
from detector.ingest.reassemble import goes_on
from detector.records.json_string_kernel import PAD
from detector.records.record_columns import value_lines
from detector.values.events import MAX_FUTURE
from tests.fake_records import NOW, FakeRecord, records

TIMES = [
    '"2026-05-31T23:59:00Z"',
    '"2026-05-31t23:59:00.123456789+01:30"',
    '"2026-05-31 23:59:60z"',
    '"2026-02-30T00:00:00Z"',
    '"2026-05-31T23:59:00"',
    '"2126-05-31T23:59:00Z"',
    '"2026-05-31T23:59:00.Z"',
    '" 2026-05-31T23:59:00Z"',
    '"yesterday"',
    '""',
    "1780271940",
    "1780271940.5",
    "null",
    "true",
]
LABELS = ['"t-1"', '"stdout"', '""', '"é€😀"', '"a\\"b"', '"sixteen-letters-"', "null", "7", "{}", '"\x7f"']
# fmt: off
ESCAPES = [
    "\\n", "\\/", "\\b\\f\\r\\t", "\\u00e9", "\\u20AC", "\\u003c", "\\u001b[0m", "\\u0000", "\\ud83d", "\\ud83d\\ude00",
    "\\u0041", "\\u002d", "\\u00G0", "\\x", "\\", '\\"', "é", "😀", "\x01", "\t", " ", "-----BEGIN ", '"', "A1b2" * 12, "0a" * 20,
    "\x7f", "\ud800", "\\u12",
]
# fmt: on
STRINGS = st.one_of(
    st.text(max_size=12).map(json.dumps),
    st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.lists(
        st.sampled_from(
            ESCAPES,
        ),
        max_size=5,
    ).map(lambda parts: '"' + "".join(parts) + '"'),
)
FIELDS = st.lists(
    st.one_of(
        st.tuples(st.just("message"), STRINGS),
        st.tuples(st.just("time"), st.sampled_from(TIMES)),
        st.tuples(st.sampled_from(["task_id", "stream"]), st.sampled_from(LABELS)),
        st.tuples(st.sampled_from(["level", "messag", "messages", "Time", "mess\\u0061ge"]), STRINGS),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda field: field[0],
)
SPACE = st.sampled_from(["", "", "", " ", "  ", "\t", "\r"])
LINE_PARTS = [
    b"2026-05-31T23:59:00Z",
    b"2026-05-31 23:59:00.5+02:00",
    b"2126-05-31T23:59:00Z",
    b"2026-05-31T23:59:61Z",
    b" stdout F ",
    b" stderr F ",
    b" stdout P ",
    b" stdout F:tag ",
    b" stdout ",
    b" F ",
    b" stdout F",
    b" ",
    b"  ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\r",
    b"\n",
    b"[",
    b"[INFO] ",
    b"[{",
    b'[{"message":"x"}]',
    b"[ {",
    b"[]",
    b"[1]",
    b"{",
    b"}",
    b'{"message":"x"}',
    b"<34>",
    b"<34>1 2026-05-31T23:59:00Z host app 1 - - x",
    b"<999>",
    b"12 <34>x",
    b"1234567 <3>",
    b"Oct 11 22:14:15 ",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08",
    b"\x1f\x9d",
    b"\x28\xb5\x2f\xfd",
    b"(",
    b"\x04\x22\x4d\x18",
    b"\xfd7zXZ\x00",
    b"\xff\x06\x00",
    b"\x82SNAPPY\x00",
    b"BZh",
    b"B",
    b"PK\x03\x04",
    b"PK",
    b"7z\xbc",
    b"7",
    b"x\x9c",
    b"x^2",
    b"xyz",
    b"\x1b[31m",
    b"\xff",
    b"\xc3\xa9",
    b"step 1 of 2",
    b"a",
    b"A1b2" * 12,
    b"0a" * 20,
    b"-----BEGIN ",
    b"-----END ",
    b"\x00",
]
SMALL = st.one_of(
    STRINGS,
    st.sampled_from(
        [
            "1",
            "-1",
            "0",
            "-0",
            "01",
            "1.5",
            "1e3",
            "1E400",
            "123456789012345678901",
            "1.",
            "-",
            ".5",
            "true",
            "false",
        ]
    ),
    st.sampled_from(
        [
            "null",
            "nul",
            "truex",
            "{}",
            "[]",
            "[ ]",
            '["a",2,"c"]',
            '[{"b":"x"},["y"]]',
            "[1,]",
            '{"a":1,"a":2}',
            '{"a":"x",}',
        ]
    ),
)
NAMES = [
    "message",
    "msg",
    "log",
    "MESSAGE",
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "eventTime",
    "datetime",
    "date",
    "task_id",
    "stream",
    "level",
    "source",
    "attrs",
    "event",
    "logger",
    "file",
    "é",
    "a\\u0062",
    "a_name_of_more_than_sixteen",
    "é" * 9,
    "_p",
    "logtag",
    "partial_message",
    "container_id",
    "docker",
    "mcp.session.id",
    "_SYSTEMD_UNIT",
    "caller",
]
WORDS = ["ci", "build-7x2xk", "build-0", "", "a/b", "é", "0f3c-1", "a\\n"]
KUBERNETES = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                [
                    "namespace_name",
                    "pod_namespace",
                    "namespace",
                    "pod_name",
                    "pod_uid",
                    "pod_id",
                    "container_name",
                ]
            ),
            st.one_of(st.sampled_from(WORDS).map(lambda word: f'"{word}"'), SMALL),
        ),
        st.tuples(
            st.just("labels"), st.sampled_from(['{"app":"x","app.kubernetes.io/name":"y"}', "{}", "null"])
        ),
        st.tuples(
            st.just("pod"),
            st.sampled_from(
                [
                    '{"name":"build-7x2xk","uid":"u-1"}',
                    '{"name":"b"}',
                    '{"uid":"u"}',
                    "[]",
                    "{}",
                    '"x"',
                    "null",
                ]
            ),
        ),
    ),
    max_size=6,
    unique_by=lambda field: field[0],
).map(lambda fields: "{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}")
WHOLE_POD = st.tuples(*(st.sampled_from(WORDS[:3]) for _ in range(3))).map(
    lambda names: '{{"namespace_name":"{}","pod_name":"{}","pod_id":"{}"}}'.format(*names)
)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """Log records of any fields."""
    fields = draw(
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from(NAMES), SMALL),
                st.tuples(st.sampled_from(["message", "log", "stream", "level", "source"]), STRINGS),
                st.tuples(
                    st.sampled_from(["log"]), st.text(max_size=5).map(lambda text: json.dumps(text + "\n"))
                ),
                st.tuples(st.sampled_from(["time", "@timestamp", "ts"]), st.sampled_from(TIMES)),
                st.tuples(st.sampled_from(["task_id", "stream"]), st.sampled_from(LABELS)),
                st.tuples(st.just("kubernetes"), st.one_of(KUBERNETES, WHOLE_POD, SMALL)),
            ),
            min_size=1,
            max_size=6,
            unique_by=lambda field: field[0],
        )
    )
    if draw(st.integers(0, 9)) == 0:
        fields.append(draw(st.sampled_from(fields)))
    comma, colon, edge = draw(SPACE), draw(SPACE), draw(SPACE)
    body = f"{comma},{comma}".join(f'"{name}"{colon}:{colon}{value}' for name, value in fields)
    return spoilt(draw, bytearray(f"{{{edge}{body}{edge}}}".encode("utf-8", "surrogatepass")))


def spoilt(draw: st.DrawFn, made: bytearray) -> bytes:
    """Now and then with a byte that is another, or missing."""
    if made and draw(st.integers(0, 7)) == 0:
        at = draw(st.integers(0, len(made) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                made[at] = draw(st.integers(0, 255))
            case 1:
                del made[at]
            case _:
                del made[at:]
    return bytes(made)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """What nobody has to write in JSON."""
    parts = draw(st.lists(st.sampled_from(LINE_PARTS), max_size=5))
    return spoilt(draw, bytearray(b"".join(parts)))


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """What is nearly always JSON of these fields, and often broken somewhere."""
    fields = draw(FIELDS)
    if draw(st.integers(0, 9)) == 0:
        fields.append(draw(st.sampled_from(fields)))
    comma, colon, edge = draw(SPACE), draw(SPACE), draw(SPACE)
    body = f"{comma},{comma}".join(f'"{name}"{colon}:{colon}{value}' for name, value in fields)
    made = bytearray(f"{{{edge}{body}{edge}}}".encode("utf-8", "surrogatepass"))
    return spoilt(draw, made)


def flat(some: Sequence[FakeRecord]) -> FlatRecords:
    data, starts = value_lines(some, PAD)
    return FlatRecords(data, starts, np.zeros(len(some), np.bool_), None)


def strictly(record: FakeRecord, into: Contents) -> list[LogRecord]:
    return read_record(record, NOW, into)


def together(some: Sequence[FakeRecord], into: Contents) -> list[LogRecord]:
    """The records of one poll, without those that are scanned a second time."""
    segments = RecordAssembler().read(some, NOW, into)
    return [record for segment in segments if not segment.again for record in segment.records()]


def plain(record: LogRecord) -> tuple[object, ...]:
    return record.text, record.rest, record.at, record.time, record.task_id, record.stream


@given(st.lists(st.one_of(values(), objects(), lines()), min_size=1, max_size=12))
def test_what_is_taken_is_what_the_strict_reader_reads(some: list[bytes]) -> None:
    made = records(some)
    found = flat(made)
    for number in np.flatnonzero(found.blank).tolist():
        assert not found.taken[number]
        assert strictly(made[number], contents := Contents()) == []
        assert contents == Contents()
    for number in np.flatnonzero(found.taken).tolist():
        assert_read_as_strictly(found, made[number], number)


@given(st.one_of(values(), objects(), lines()))
@example(b"[")
@example(b"[ ")
def test_what_stands_behind_the_padding_changes_nothing(value: bytes) -> None:
    data, starts = value_lines(records([value]), PAD)

    def read(behind: bytes) -> object:
        found = FlatRecords(data + behind, starts, np.zeros(1, np.bool_), None)
        if not found.taken[0]:
            return bool(found.blank[0])
        texts = found.texts(np.zeros(1, np.int64))
        return texts.data, texts.marked, texts.whereabouts(0), found.keys.tolist()

    assert read(b"") == read(b"{" * PAD) == read(b'"}' * PAD) == read(b"0" * PAD)


def assert_read_as_strictly(found: FlatRecords, record: FakeRecord, number: int) -> None:
    (wanted,) = texts_in(record, record.value or b"", NOW, BUNDLED)
    texts = found.texts(np.array([number]))
    assert texts.data == wanted.text
    assert (b"" if texts.rests is None else texts.rests.data) == wanted.rest
    assert texts.message(0).encode() == wanted.text.decode("utf-8", "replace").encode()
    assert texts.whereabouts(0) == (wanted.task_id, wanted.stream)
    assert texts.times.usable(NOW + MAX_FUTURE)[0].exactly(0) == wanted.time
    assert texts.marked or not goes_on(wanted.text)
    assert found.keys[number] == stream_key(wanted.task_id, wanted.stream)
    assert wanted.ends
    assert found.in_channels(np.array([number])) == (wanted.channel is not None)
    assert texts.origins is not None
    assert texts.origins(0) == wanted.origin


@given(
    st.lists(st.one_of(values(), objects(), lines()), min_size=1, max_size=24),
    st.integers(0, 30),
    st.randoms(use_true_random=False),
)
def test_a_poll_is_read_as_its_records_one_by_one(some: list[bytes], logs: int, rng: random.Random) -> None:
    usual = [b'{"time":"2026-05-31T23:59:00Z","task_id":"t","stream":"stdout","message":"one"}'] * logs
    mixed = [*some, *usual]
    rng.shuffle(mixed)
    made, together_into, apart_into = records(mixed), Contents(), Contents()
    seen = together(made, together_into)
    wanted = [log for record in made for log in strictly(record, apart_into)]
    # Of others, records wait for the rest of a line or a key.
    if all(log.ends and b"-----BEGIN " not in log.text for log in wanted):
        in_full = [plain(record)[2:] for record in seen]
        assert [(at, *rest) for at, *rest in in_full] == [plain(record)[2:] for record in wanted]
    key = [(letter.offset, letter.reason, letter.field) for letter in together_into.letters]
    assert sorted(key, key=str) == sorted(
        ((letter.offset, letter.reason, letter.field) for letter in apart_into.letters), key=str
    )
    assert together_into.formats == apart_into.formats


COMMON = [
    "a line",
    "  indented",
    "[INFO] a line",
    "\x1b[31mred",
    "2026-05-31T23:59:00Z a line",
    "2026-05-31T23:59:00.123456789Z stdout F a line",
    '{"log":"a line\\n","stream":"stdout","time":"2026-05-31T23:59:00.123456789Z"}',
    '{"level":"info","ts":1780271940.5,"logger":"a.b","caller":"x.go:1","msg":"a line","error":null,"n":[1,2]}',
    '{"level":30,"time":1780271940123,"pid":7,"hostname":"h","msg":"a line"}',
    '{"event":"a line","timestamp":"2026-05-31T23:59:00Z","level":"warning"}',
    '{"@timestamp":"2026-05-31T23:59:00Z","@version":"1","message":"a line","logger_name":"a.B","level":"INFO","level_value":20000}',
    '{"@timestamp":"2026-05-31T23:59:00.000Z","log":{"offset":1,"file":{"path":"/x"}},"stream":"stdout","message":"a line","kubernetes":{"namespace":"ci","pod":{"name":"b-7x2xk","uid":"u"},"labels":{"app":"x"},"container":{"name":"c"}}}',
    '{"date":1780271940.5,"log":"a line","stream":"stdout","kubernetes":{"pod_name":"b-7x2xk","namespace_name":"ci","pod_id":"u","labels":{"app.kubernetes.io/name":"x"},"container_image":"i"}}',
    '{"message":"plain"}',
    '{"time":"2026-05-31T23:59:00Z","task_id":"t","stream":"stdout","message":"one"}',
    '{"message": "with spaces", "time": "2026-05-31T23:59:00.5+02:00", "stream": null}',
    '{ "task_id": "é", "message": "tab\\t and \\"quotes\\" and \\u00e9 \\u003cb\\u003e \\u001b[0m é😀\\n" }',
]


@pytest.mark.parametrize("value", COMMON)
def test_common_forms_are_taken(value: str) -> None:
    assert flat(records([value.encode()])).taken.all()


def test_one_of_another_form_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[bytes | None] = []

    def counted(record: FakeRecord, *args: object, **kwargs: object) -> list[LogRecord]:
        alone.append(record.value)
        return read_record(record, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(kafka, "read_record", counted)
    odd = [
        b"",
        b"a line\n and more",
        b'{"msg":"x","log":"y","level":"info"}',
        b'{"message":"-----BEGIN RSA","task_id":"k"}',
        b'[{"message":"x"}]',
        b"<34>x",
        b"2026-05-31T23:59:00Z stdout P x",
    ]
    log = b'{"task_id":"t","message":"one"}'
    made = records([value for each in odd for value in (each, *[log] * 20)])
    assert len(together(made, Contents())) == 144  # the empty one is none, and the key and the part wait
    assert alone == odd
