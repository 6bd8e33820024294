"""Records of the plainest form are read in one compiled pass just as the strict parser reads each of them."""

import json
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.ingest import kafka
from detector.ingest.classify import BUNDLED
from detector.ingest.formats.flat_records import FlatRecords, stream_key
from detector.ingest.kafka import Contents, RecordAssembler, read_record, texts_in
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


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """What is nearly always JSON of these fields, and often broken somewhere."""
    fields = draw(FIELDS)
    if draw(st.integers(0, 9)) == 0:
        fields.append(draw(st.sampled_from(fields)))
    comma, colon, edge = draw(SPACE), draw(SPACE), draw(SPACE)
    body = f"{comma},{comma}".join(f'"{name}"{colon}:{colon}{value}' for name, value in fields)
    made = bytearray(f"{{{edge}{body}{edge}}}".encode("utf-8", "surrogatepass"))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(made) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                made[at] = draw(st.integers(0, 255))
            case 1:
                del made[at]
            case _:
                del made[at:]
    return bytes(made)


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


@given(st.lists(values(), min_size=1, max_size=12))
def test_what_is_taken_is_what_the_strict_parser_reads(some: list[bytes]) -> None:
    made = records(some)
    found = flat(made)
    for number in np.flatnonzero(found.taken).tolist():
        (wanted,) = texts_in(made[number], some[number], NOW, BUNDLED)
        texts = found.texts(np.array([number]))
        assert texts.data == wanted.text
        assert texts.message(0).encode() == wanted.text
        assert (wanted.rest, wanted.channel) == (b"", None)
        assert texts.whereabouts(0) == (wanted.task_id, wanted.stream)
        assert texts.times.usable(NOW + MAX_FUTURE)[0].exactly(0) == wanted.time
        assert texts.marked or not goes_on(wanted.text)
        assert texts.keys is not None
        assert texts.keys[0] == stream_key(wanted.task_id, wanted.stream)


@given(st.lists(values(), min_size=1, max_size=24), st.integers(0, 30), st.randoms(use_true_random=False))
def test_a_poll_is_read_as_its_records_one_by_one(some: list[bytes], logs: int, rng: random.Random) -> None:
    usual = [b'{"time":"2026-05-31T23:59:00Z","task_id":"t","stream":"stdout","message":"one"}'] * logs
    mixed = [*some, *usual]
    rng.shuffle(mixed)
    made, together_into, apart_into = records(mixed), Contents(), Contents()
    seen = together(made, together_into)
    wanted = [log for record in made for log in strictly(record, apart_into)]
    if not any(b"-----BEGIN " in log.text for log in wanted):  # such records wait
        in_full = [plain(record)[2:] for record in seen]
        assert [(at, *rest) for at, *rest in in_full] == [plain(record)[2:] for record in wanted]
    key = [(letter.offset, letter.reason, letter.field) for letter in together_into.letters]
    assert sorted(key, key=str) == sorted(
        ((letter.offset, letter.reason, letter.field) for letter in apart_into.letters), key=str
    )
    assert together_into.formats == apart_into.formats


COMMON = [
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
        b"a line",
        b'{"msg":"x","level":"info"}',
        b'{"message":"-----BEGIN RSA","task_id":"k"}',
        b"[1]",
    ]
    log = b'{"task_id":"t","message":"one"}'
    made = records([value for each in odd for value in (each, *[log] * 20)])
    assert len(together(made, Contents())) == 103  # the empty one is none, and the key waits
    assert alone == odd
