"""A Kafka record becomes events, text or a dead letter, whatever is in it and however the polls fall."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.kafka_records import Contents, kafka_time, latest_kafka_time, read_record
from detector.records.dead_letters import EMPTY
from detector.records.made_columns import columns_of
from detector.values.events import CredentialUsed, TaskStarted
from detector.values.times import MILLISECOND, SECOND
from tests.fake_records import NOW, FakeRecord, read_all, read_in_polls, records
from tests.ingest.collecting import collect

TIME = "2026-05-01T10:00:00Z"
KAFKA_TIME = "2026-05-31T23:59:00Z"
STARTED = {
    "specversion": "1.0",
    "type": "task.started",
    "source": "s",
    "id": "1",
    "time": TIME,
    "data": {"task_id": "t"},
}


def read(value: bytes | None, **fields: Any) -> Contents:
    contents = Contents()
    read_record(FakeRecord(value, **fields), NOW, contents)
    return contents


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_cloud_event_in_structured_mode() -> None:
    (pair,) = read(dumps(STARTED)).events
    assert pair[0] == 0
    assert isinstance(pair[1], TaskStarted)


def test_a_byte_order_mark_before_a_record_or_a_line_of_it_changes_nothing() -> None:
    mark, value = b"\xef\xbb\xbf", dumps(STARTED)
    assert len(read(mark + value).events) == 1
    assert len(read(value + b"\n" + mark + value).events) == 2
    for others in ([], [b"2026-05-01T10:00:00Z text"] * 40, [b'{"message": "m"}'] * 40):
        reading = read_all(
            records([*others, mark + value, *others, mark + b'{"message": "a MARK"}', *others])
        )
        assert len(reading.contents.events) == 1
        assert len(reading.places) == 1
        assert reading.contents.letters == []


def test_a_cloud_event_in_binary_mode() -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"credential.used"),
        ("ce_source", b"s"),
        ("ce_id", b"7"),
        ("ce_time", TIME.encode()),
        ("other", None),
    ]
    (pair,) = read(b'{"credential_id": "c"}', headers=headers).events
    assert isinstance(pair[1], CredentialUsed)
    assert pair[1].credential_id == "c"
    contents = Contents()
    logs = read_record(FakeRecord(b"{}", headers=headers[:-2]), NOW, contents)
    assert [(letter.reason, letter.field) for letter in contents.letters] == [("missing-field", "time")]
    assert not logs


def test_a_sources_cloud_event_in_binary_mode() -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"dev.tekton.event.taskrun.started.v1"),
        ("ce_source", b"s"),
        ("ce_id", b"7"),
        ("ce_time", TIME.encode()),
    ]
    run = {"metadata": {"namespace": "ci", "name": "build"}}
    (pair,) = read(dumps({"taskRun": run}), headers=headers).events
    assert isinstance(pair[1], TaskStarted)
    other = read(dumps({"customRun": run}), headers=headers)
    assert [(letter.reason, letter.field) for letter in other.letters] == [("missing-field", "data.taskRun")]
    assert read(b"{}", headers=[*headers[:1], ("ce_type", b"com.example"), *headers[2:]]).unknown == 1


def test_many_objects_in_one_record_are_one_record() -> None:
    log = {"message": "MARK", "time": TIME}
    for value in (
        dumps([STARTED, log]),
        dumps(STARTED) + b"\n" + dumps(log) + b"\n",
        json.dumps([log, STARTED], indent=2).encode(),
    ):
        reading = read_all(records([b"no", value]))
        assert [pair[0] for pair in reading.contents.events] == [1]
        assert [place.id for place in reading.places] == ["p0@1"]
        assert not reading.contents.letters


def test_an_object_over_many_lines_is_one() -> None:
    reading = read_all(records([json.dumps(STARTED, indent=2).encode()]))
    assert len(reading.contents.events) == 1
    assert not reading.contents.letters


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (b"MARK", KAFKA_TIME),
        (b"2026-05-01T10:00:00Z MARK", TIME),
        (b"first line\nMARK\n", KAFKA_TIME),
        (dumps({"message": "MARK"}), KAFKA_TIME),
        (dumps({"message": "MARK", "time": TIME}), TIME),
        (dumps({"msg": "x", "other": "MARK", "ts": TIME}), TIME),
        (dumps({"log": "MARK\n", "stream": "stdout", "time": TIME}), TIME),
        (b"2026-05-01T10:00:00Z stdout F MARK", TIME),
        (dumps({"message": "MARK", "time": "yesterday"}), KAFKA_TIME),
        (dumps({"message": "MARK", "time": "9999-12-31T23:59:59Z"}), KAFKA_TIME),
        (b"9999-12-31T23:59:59Z MARK", KAFKA_TIME),
    ],
)
def test_a_record_without_a_time_has_kafkas(value: bytes, time: str) -> None:
    for some in (records([value]), records([value, b'{"specversion" '])):
        assert [place.time for place in read_all(some).places] == [time]


def test_a_timestamp_that_cannot_be_true_is_now() -> None:
    for timestamp in (-1, 253_402_300_799_000):
        reading = read_all([FakeRecord(b"MARK", timestamp=timestamp)])
        assert [place.time for place in reading.places] == ["2026-06-01T00:00:00Z"]


POISON = {
    "truncated": (b'{"message": "MARK', ["truncated-json"], 1),
    "not utf-8": (b'{"message": "\xff\xfeMARK"}', ["not-utf8"], 1),
    "no json": (b"{MARK", ["not-json"], 1),
    "deep": (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b',"m":"MARK"}', ["too-deep"], 1),
    "deep array": (b"[" * 10_000 + b"MARK", [], 1),
    "year 9999": (
        dumps({**STARTED, "time": "9999-12-31T23:59:59Z", "data": {"task_id": "MARK"}}),
        ["future-time"],
        0,
    ),
    "missing field": (dumps({**STARTED, "data": {}}), ["missing-field"], 0),
    "wrong field": (dumps({**STARTED, "data": {"task_id": 7}}), ["wrong-field"], 0),
    "no id": (dumps({**STARTED, "id": ""}), ["wrong-field"], 0),
    "bad time": (dumps({"message": "MARK", "time": "MARK"}), ["bad-time"], 1),
    "huge number": (b'{"message": "MARK", "time": 1' + b"0" * 400 + b"}", ["bad-time"], 1),
    "huge": (b'{"message": "MARK' + b"x" * (1 << 24) + b'"}', ["too-large"], 1),
    "all zeros": (b"\0" * 1000 + b"MARK", [], 1),
    "empty": (b"", [], 0),
    "white": (b" \n\t\r\n", [], 0),
    "tombstone": (None, [], 0),
    "many bad lines": (b"\n".join([b"{MARK"] * 1000), ["not-json"], 1000),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_a_dead_letter_and_is_scanned_all_the_same(name: str) -> None:
    value, reasons, marks = POISON[name]
    good = dumps({"message": "MARK", "time": TIME})
    reading = read_all(records([good, value, good]))
    letters = reading.contents.letters
    assert [letter.reason for letter in letters] == reasons
    assert all((letter.source, letter.partition, letter.offset) == ("logs", 0, 1) for letter in letters)
    assert b"MARK" not in msgspec.json.encode([letter.record() for letter in letters])
    assert sorted(place.id for place in reading.places) == ["p0@0", *["p0@1"] * marks, "p0@2"]


def test_dead_letters_of_one_record_are_bounded() -> None:
    bad = {**STARTED, "data": {}}
    assert len(read(dumps([bad] * 1000)).letters) == 16


def test_split_lines_are_joined_by_stream_and_key() -> None:
    lines = [
        (b"a", b"2026-05-01T10:00:00Z stdout P MA"),
        (b"b", b"2026-05-01T10:00:01Z stdout F nothing"),
        (b"a", b"2026-05-01T10:00:01Z stderr F other"),
        (b"a", b"2026-05-01T10:00:02Z stdout F RK"),
    ]
    some = [FakeRecord(value, offset, key=key) for offset, (key, value) in enumerate(lines)]
    for number in range(20):
        reading = read_in_polls(some, random.Random(number))
        (place,) = reading.places
        assert (place.id, place.time, place.stream) == ("p0@0", TIME, "stdout")


def test_a_split_line_without_end_is_scanned_in_pieces() -> None:
    part = dumps({"log": "x" * 4000 + "MARK", "stream": "stdout", "time": TIME})
    reading = read_all(records([part] * 2000))
    assert {place.id for place in reading.places} == {"p0@0"}
    assert len(reading.places) >= 2000


def test_a_key_block_waits_for_its_end_and_not_for_ever() -> None:
    reading = read_all(records([b"before MARK"]))
    lines = [b"before", b"-----BEGIN X-----", b"MARK", b"-----END X-----"]
    for value in range(3):
        reading.poll([FakeRecord(lines[value], value)])
    assert reading.hold.oldest == 1
    assert len(reading.places) == 1
    reading.poll([FakeRecord(lines[3], 3)])
    assert not reading.hold
    assert [place.id for place in reading.places] == ["p0@0", "p0@2"]
    reading.poll([FakeRecord(b"-----BEGIN X-----", 4)])
    for offset in range(5, 30):
        reading.poll([FakeRecord(b"x" * 1000, offset)])
    assert not reading.hold


def stamped(number: int) -> str:
    return f"2026-05-01T10:{number // 60:02}:{number % 60:02}Z"


def json_line(kind: int, number: int) -> bytes:
    line: dict[str, Any] = {"message": f"MARK {number}", "time": stamped(number)}
    if kind == 1:
        line |= {"task_id": f"t{number}", "stream": "stdout"}
    elif kind == 2:
        line |= {"other": 'a "quoted" text'}
    elif kind == 3:
        line |= {"level": "info", "logger": "x"}
    elif kind == 4:
        return dumps({**STARTED, "id": str(number)})
    elif kind == 6:
        line |= {"message": "-----BEGIN X-----\nMARK" if number % 2 else "MARK -----END X-----"}
    return dumps(line)


@given(kinds=st.lists(st.sampled_from([0] * 8 + [1, 2, 3, 4, 6]), max_size=700), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_json_lines_give_what_replay_reads_however_they_are_polled(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[int], seed: int
) -> None:
    lines = [json_line(kind, number) for number, kind in enumerate(kinds)]
    check(tmp_path_factory.mktemp("lines") / "a.jsonl", lines, "jsonl", seed)


@given(
    kinds=st.lists(st.sampled_from(["F"] * 6 + ["P", "begin", "end"]), max_size=400),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_cri_lines_give_what_replay_reads_however_they_are_polled(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], seed: int
) -> None:
    words = {"begin": ("F", "-----BEGIN X-----"), "end": ("F", "-----END X-----")}
    lines = []
    for number, kind in enumerate(kinds):
        mark, word = words.get(kind, (kind, ""))
        stream = "stdout" if number % 3 else "stderr"
        lines.append(f"{stamped(number)} {stream} {mark} {word} MARK{number}".encode())
    check(tmp_path_factory.mktemp("lines") / "a.log", lines, "cri", seed)


@given(
    kinds=st.lists(st.sampled_from(["whole"] * 6 + ["part", "begin", "end", "later"]), max_size=400),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_docker_lines_give_what_replay_reads_however_they_are_polled(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], seed: int
) -> None:
    words = {"begin": "-----BEGIN X-----", "end": "-----END X-----", "later": 'é "x"'}
    lines = [
        dumps(
            {
                "log": f"{words.get(kind, '')} MARK{number}{'' if kind == 'part' else chr(10)}",
                "stream": "stdout" if number % 3 else "stderr",
                "time": stamped(number),
            }
        )
        for number, kind in enumerate(kinds)
    ]
    check(tmp_path_factory.mktemp("lines") / "a.log", lines, "docker", seed)


def test_a_docker_line_whose_time_cannot_be_read_has_kafkas() -> None:
    line = dumps({"log": "MARK\n", "stream": "stdout", "time": "soon"})
    for count in (1, 20):
        reading = read_all(records([line] * count))
        assert {(place.time, place.stream) for place in reading.places} == {(KAFKA_TIME, "stdout")}
        assert [(letter.reason, letter.field) for letter in reading.contents.letters] == [
            ("bad-time", "time")
        ] * count


def check(path: Path, lines: list[bytes], format_name: str, seed: int) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    replayed = collect(path, format_name, NOW)
    reading = read_in_polls(records(lines), random.Random(seed))
    wanted = sorted(
        (f"p0@{(seen.line or 0) - 1}", seen.time, seen.task_id or "", seen.stream or "")
        for seen in replayed.marked()
    )
    assert sorted(msgspec.structs.astuple(place) for place in reading.places) == wanted
    assert [event for _, event in reading.contents.events] == replayed.events
    found = [((letter.offset or 0) + 1, letter.reason, letter.field) for letter in reading.contents.letters]
    # A file without a line is told as empty; nothing is wrong with a topic that nobody wrote to.
    assert found == [letter for letter in replayed.dead_ones() if letter[1] != EMPTY]


@given(st.lists(st.integers(-2, 3 * NOW // MILLISECOND), min_size=1, max_size=5), st.integers(0, 9 * SECOND))
def test_the_latest_time_of_columns_is_that_of_their_records(stamps: list[int], skew: int) -> None:
    some = [FakeRecord(b"line", number, timestamp=stamp) for number, stamp in enumerate(stamps)]
    expected = max(kafka_time(record, NOW, skew) for record in some)
    assert latest_kafka_time(some, NOW, skew) == expected
    assert latest_kafka_time(columns_of("logs", 0, some), NOW, skew) == expected
