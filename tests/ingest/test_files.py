import bz2
import gzip
import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detector.ingest import files
from detector.ingest.event_ranges import read_events
from detector.ingest.formats import documents
from detector.ingest.inputs import find_sources
from detector.ingest.range_reader import RangeReader, Reading
from detector.ingest.units import Unit, units
from detector.values.events import CredentialUsed, TaskEnded
from tests.ingest.archives_made import zipped
from tests.ingest.collecting import NOW, Collector, Seen, collect

EVENT = {
    "specversion": "1.0", "id": "1", "source": "ci", "type": "task.ended",
    "time": "2026-05-01T00:00:00Z", "data": {"task_id": "t"},
}  # fmt: skip
TRAIL: dict[str, Any] = {
    "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "eventID": "e", "eventTime": "2026-05-01T00:00:00Z",
    "userIdentity": {"accessKeyId": "AKIAEXAMPLE000000000"},
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def writer(content: str | bytes | list[Any], name: str = "a.log") -> Path:
        if isinstance(content, list):
            content = "".join(f"{item if isinstance(item, str) else json.dumps(item)}\n" for item in content)
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return writer


def counts(sink: Collector) -> tuple[dict[str, int], dict[str, int]]:
    assert sink.range is not None
    return dict(sink.range.records), dict(sink.range.bytes)


# Text


def test_text_lines_have_the_time_they_begin_with_or_that_of_the_line_before(write: Any) -> None:
    path = write(["MARK one", "2026-05-01T00:00:00Z MARK two", "", "MARK three"])
    sink = collect(path)
    assert sink.marked() == [
        Seen("MARK one", 1, None),
        Seen("2026-05-01T00:00:00Z MARK two", 2, "2026-05-01T00:00:00Z"),
        Seen("MARK three", 4, "2026-05-01T00:00:00Z"),
    ]
    assert counts(sink) == ({"text": 4}, {"text": path.stat().st_size})
    assert sink.range is not None
    assert sink.range.lines == 4


def test_a_line_of_text_that_looks_like_an_event_is_text(write: Any) -> None:
    forged = {**EVENT, "type": "credential.revoked", "data": {"credential_id": "MARK"}}
    path = write(["build started", "step 1", "step 2", forged])
    sink = collect(path)
    assert sink.events == []
    assert [seen.line for seen in sink.marked()] == [4]
    (source,), _ = find_sources([str(path)])
    assert list(read_events(source, 0, source.size, NOW)) == []


def test_a_text_line_from_the_future_is_scanned_with_the_time_before_it(write: Any) -> None:
    sink = collect(write(["2026-05-01T00:00:00Z a", "2026-06-01T00:10:01Z MARK", "2026-06-01T00:10:00Z b"]))
    assert sink.marked() == [Seen("2026-06-01T00:10:01Z MARK", 2, "2026-05-01T00:00:00Z")]
    assert sink.dead_ones() == [(2, "future-time", None)]
    assert sink.range is not None
    assert sink.range.latest == NOW + 600 * 10**9


# JSON lines


def test_a_log_record_is_scanned_decoded_with_its_time_task_and_stream(write: Any) -> None:
    records = [
        {"time": "2026-05-01T00:00:00Z", "task_id": "t1", "stream": "stdout", "message": 'say "MARK"\né'},
        {"message": "MARK again"},
        {"message": "MARK third", "time": 1777593600},
    ]
    path = write(records)
    sink = collect(path)
    assert sink.marked() == [
        Seen('say "MARK"\né', 1, "2026-05-01T00:00:00Z", "t1", "stdout"),
        Seen("MARK again", 2, "2026-05-01T00:00:00Z"),
        Seen("MARK third", 3, "2026-05-01T00:00:00Z"),
    ]
    assert counts(sink) == ({"json": 3}, {"json": path.stat().st_size})


def test_every_text_in_a_record_is_scanned_whatever_the_field(write: Any) -> None:
    records: list[Any] = [
        {"message": "a\tb", "fields": {"list": [1, {"password": "MARK"}]}, "time": "2026-05-01T00:00:00Z"},
        {"event": "no message", "url": "x MARK y", "ts": 1777593600.5, "task_id": "t"},
        {"message": {"text": "MARK"}},
        {"MARK-as-a-rather-long-name": 1},
    ]
    sink = collect(write(records))
    seen = {each.line: each for each in sink.marked()}
    assert {line: each.task_id for line, each in seen.items()} == {1: None, 2: "t", 3: None, 4: None}
    assert seen[1].text == "a\tb\npassword=MARK"
    assert seen[2].time == "2026-05-01T00:00:00.500Z"


def test_a_key_printed_over_many_records_stands_line_under_line(write: Any) -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "MARK", "-----END RSA PRIVATE KEY-----"]
    records = [{"log": line, "pod": {"name": "web", "token": f"MARK {line[:3]}"}} for line in key]
    sink = collect(write(records))
    assert any("\n".join(key).encode() in batch.data for batch, _ in sink.batches)
    assert sorted((seen.line, seen.text) for seen in sink.marked() if "token" in seen.text) == [
        (number, f"name=web\ntoken=MARK {line[:3]}") for number, line in enumerate(key, start=1)
    ]


def test_each_object_is_what_its_shape_says(write: Any) -> None:
    records: list[Any] = [
        EVENT,
        TRAIL,
        {"action": "queued", "workflow_job": {"id": 1}},
        {"message": "MARK log"},
        "MARK text",
        {**EVENT, "type": "com.example.other"},
    ]
    path = write(records)
    sink = collect(path)
    assert [type(event) for event in sink.events] == [TaskEnded, CredentialUsed]
    assert [seen.line for seen in sink.marked()] == [4, 5]
    assert counts(sink)[0] == {"cloudevents": 2, "cloudtrail": 1, "github": 1, "json": 1, "text": 1}
    assert sum(counts(sink)[1].values()) == path.stat().st_size
    assert sink.range is not None
    assert sink.range.unknown == 1


def test_an_event_inside_a_message_or_a_field_is_no_event(write: Any) -> None:
    sink = collect(write([{"message": json.dumps(EVENT) + "MARK"}, {"message": "MARK", "inner": EVENT}]))
    assert sink.events == []
    assert [seen.line for seen in sink.marked()] == [1, 2]


def test_as_log_records_only_nothing_is_an_event(write: Any) -> None:
    sink = collect(write([{**EVENT, "subject": "MARK"}]), "json-log")
    assert sink.events == []
    assert len(sink.marked()) == 1


def test_json_that_cannot_be_read_is_a_dead_letter_and_scanned_as_text(write: Any) -> None:
    deep = '{"a":' * 10_000 + '"MARK"' + "}" * 10_000
    good = {"message": "fine"}
    sink = collect(write([good, '{"message": "MARK', '{"message": MARK}', deep, good, good, good]))
    assert sink.dead_ones() == [(2, "truncated-json", None), (3, "not-json", None), (4, "too-deep", None)]
    assert [seen.line for seen in sink.marked()] == [2, 3, 4]


def test_bytes_that_are_no_utf8_are_scanned_all_the_same(write: Any) -> None:
    sink = collect(write(b'{"message": "fine"}\n{"message": "\xff MARK"}\n{"message": "fine"}\n'))
    assert sink.dead_ones() == [(2, "not-utf8", None)]
    assert [seen.line for seen in sink.marked()] == [2]
    assert [seen.line for seen in collect(write(b"\xff\xfe\x80 text\nMARK \xc3\n")).marked()] == [2]


def test_a_wrong_event_is_a_dead_letter_that_names_the_field(write: Any) -> None:
    wrong = {**EVENT, "data": {}}
    sink = collect(write([EVENT, wrong, {**TRAIL, "eventTime": None}, EVENT]))
    assert sink.dead_ones() == [(2, "missing-field", "data.task_id"), (3, "missing-field", "eventTime")]
    assert len(sink.events) == 2


@pytest.mark.parametrize("extra", [{}, {"level": "info"}, {"level": "in\tfo"}])
def test_a_log_time_that_is_bad_or_in_the_future_is_told_and_replaced(
    write: Any, extra: dict[str, str]
) -> None:
    records = [
        {"message": "MARK", "time": "yesterday", **extra},
        {"message": "MARK", "time": "2026-05-01 00:00:00", **extra},
        {"message": "MARK", "time": "2027-01-01T00:00:00Z", **extra},
        {"message": "MARK", "time": None, **extra},
    ]
    sink = collect(write(records))
    assert [seen.time for seen in sink.marked()] == [None, *["2026-05-01T00:00:00Z"] * 3]
    assert sorted(sink.dead_ones(), key=str) == [
        (1, "bad-time", "time"),
        (3, "future-time", sink.letters[-1].field),
    ]


_texts = st.text(st.characters(codec="utf-8"), max_size=12)
_times = st.sampled_from(
    [None, "2026-05-01T00:00:00Z", "2026-05-01T00:00:01.5+01:00", 1777593600, 1.5e9, "bad", 7e9]
)
_records = st.fixed_dictionaries(
    {"message": st.builds("{}MARK{}".format, _texts, _texts)},
    optional={"time": _times, "task_id": _texts, "stream": st.sampled_from(["stdout", None])},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the file is rewritten each time
@given(st.lists(_records, min_size=1, max_size=8))
@example([{"message": "MARK\n"}])
def test_blocks_at_once_and_lines_one_by_one_read_alike(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    at_once = collect(path)
    path.write_text("a line of text\n" + "".join(json.dumps(record) + "\n" for record in records))
    by_line = collect(path, "jsonl")
    expected = [
        Seen(seen.text, (seen.line or 0) - 1, seen.time, seen.task_id, seen.stream)
        for seen in by_line.marked()
    ]
    assert at_once.marked() == expected
    assert len(at_once.dead_ones()) == len(by_line.dead_ones())


def test_a_json_line_too_large_to_decode_is_told_and_scanned_in_pieces(write: Any) -> None:
    large = '{"message": "' + "filler " * 2_600_000 + "MARK " + "filler " * 10 + '"}'
    sink = collect(
        write([{"message": "before", "time": "2026-05-01T00:00:00Z"}, large, {"message": "MARK after"}])
    )
    assert sink.dead_ones() == [(2, "too-large", None)]
    assert {seen.line for seen in sink.marked()} == {2, 3}
    assert {seen.time for seen in sink.marked()} == {"2026-05-01T00:00:00Z"}


def test_a_line_of_a_hundred_megabytes_is_scanned_piece_by_piece(write: Any) -> None:
    path = write(b"2026-05-01T00:00:00Z " + b"filler " * 15_000_000 + b"MARK\nMARK next\n")
    sink = collect(path)
    assert max(len(batch.data) for batch, _ in sink.batches) <= 2 * 1024 * 1024
    assert {(seen.line, seen.time) for seen in sink.marked()} == {
        (1, "2026-05-01T00:00:00Z"),
        (2, "2026-05-01T00:00:00Z"),
    }
    parts = [part for _, part in sink.batches]
    assert parts == [*range(1, len(parts)), 0]
    assert counts(sink) == ({"text": 2}, {"text": path.stat().st_size})


# Documents


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "wrap", [lambda all_: {"Records": all_}, lambda all_: all_], ids=["records", "array"]
)
def test_documents_give_their_events_and_name_what_is_wrong(
    write: Any, indent: int | None, wrap: Any
) -> None:
    path = write(json.dumps(wrap([TRAIL, {**TRAIL, "eventTime": "MARK"}, EVENT]), indent=indent))
    sink = collect(path)
    assert [type(event) for event in sink.events] == [CredentialUsed, TaskEnded]
    ((line, reason, field),) = sink.dead_ones()
    prefix = "Records" if "Records" in path.read_text() else ""
    assert (reason, field) == ("bad-time", f"{prefix}[1].eventTime")
    text = path.read_text().split("\n")
    assert line is not None
    assert "{" in text[line - 1]
    (source,), _ = find_sources([str(path)])
    assert list(read_events(source, 0, source.size, NOW)) == sink.events


def test_one_event_printed_over_many_lines_or_several_after_another(write: Any) -> None:
    for events in ([EVENT], [EVENT, TRAIL]):
        sink = collect(write("\n".join(json.dumps(event, indent=2) for event in events)))
        assert len(sink.events) == len(events)
        assert sink.letters == []


def test_a_document_that_is_no_json_is_a_dead_letter_and_scanned_as_text(write: Any) -> None:
    sink = collect(write(json.dumps({**TRAIL, "note": "MARK"}, indent=1)[:-1]))
    assert sink.dead_ones() == [(1, "truncated-json", None)]
    assert len(sink.marked()) == 1


def test_a_document_too_long_is_read_as_text(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT", 100)
    sink = collect(write(json.dumps([TRAIL, {"x": "MARK"}], indent=1)))
    assert sink.dead_ones() == [(1, "too-large", None)]
    assert len(sink.marked()) == 1


# Archives


@pytest.mark.parametrize(
    "lines", [["text MARK"], [{"message": "MARK"}], ["2026-05-01T00:00:00Z stdout F MARK"]]
)
def test_a_truncated_archive_gives_what_could_be_read(write: Any, lines: list[Any]) -> None:
    whole = gzip.compress(write(lines * 4).read_bytes() + b"x" * 99)
    sink = collect(write(whole[:-12], "a.gz"))
    assert len(sink.marked()) == 4
    assert sink.dead_ones()[-1] == (None, "truncated-archive", None)


@pytest.mark.parametrize("indent", [None, 1])
def test_events_of_a_document_whose_archive_has_a_wrong_checksum_are_read(
    write: Any, indent: int | None
) -> None:
    whole = gzip.compress(json.dumps([EVENT, TRAIL], indent=indent).encode())
    path = write(whole[:-8] + b"\0\0\0\0" + whole[-4:], "a.gz")
    sink = collect(path)
    assert [type(event) for event in sink.events] == [TaskEnded, CredentialUsed]
    assert sink.dead_ones() == [(None, "corrupt-archive", None)]
    (source,), _ = find_sources([str(path)])
    assert list(read_events(source, 0, source.size, NOW)) == sink.events


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bzip2", bz2.compress(b"text MARK\n")),
        ("xz", lzma.compress(b"text MARK\n")),
        ("7-Zip", b"7z\xbc\xaf\x27\x1c MARK"),
        ("RAR", b"Rar!\x1a\x07\x01\x00 MARK"),
    ],
    ids=["bzip2", "xz", "7-Zip", "RAR"],
)
def test_an_archive_that_is_not_unpacked_is_told(write: Any, name: str, content: bytes) -> None:
    sink = collect(write(content))
    (letter,) = sink.letters
    assert (letter.line, letter.reason) == (None, "unsupported-archive")
    assert name in letter.detail
    assert len(sink.marked()) == (name != "bzip2")  # its bytes are scanned as they stand


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(99) + b"MARK", "binary"),
        (b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(9999) + b"MARK", "binary"),
        (gzip.compress(b"\0\1\2MARK", mtime=0), "binary"),
        (b"MARK text\n", None),
        (b"\x1b[31mMARK\x1b[0m\r\n\tred\x08\n", None),
        ("MARK auf Deutsch: äöüß\n".encode("latin-1"), None),
        ("MARK \u65e5\u672c\u8a9e\n".encode("shift-jis"), None),
        ("MARK\n".encode("utf-16") * 20, None),
        (b"\xef\xbb\xbfMARK\n", None),
    ],
    ids=range(11),
)
def test_what_is_no_text_is_told_and_scanned(write: Any, content: bytes, reason: str | None) -> None:
    sink = collect(write(content))
    assert [letter.reason for letter in sink.letters] == ([] if reason is None else [reason])
    assert len(sink.marked()) >= (reason != "empty")


TEXT = b"2026-05-01T00:00:00Z MARK a line\n"
LINE = b'{"time": "2026-05-01T00:00:00Z", "message": "MARK"}\n'
BEHIND = {
    "a ZIP": zipped({"a.log": b"hidden\n"}),
    "gzip": gzip.compress(random.Random(1).randbytes(999), mtime=0),
}


@pytest.mark.parametrize("before", [TEXT, TEXT * 200, TEXT * 20_000, LINE * 20_000], ids=range(4))
@pytest.mark.parametrize("behind", sorted(BEHIND))
def test_an_archive_behind_a_text_is_told(write: Any, before: bytes, behind: str) -> None:
    (source,), _ = find_sources([str(write(before + BEHIND[behind]))])
    assert source.doubt is not None
    assert source.doubt.reason == "binary"
    assert len(collect(write(before)).marked()) == before.count(b"MARK")
    (source,), _ = find_sources([str(write(before))])
    assert source.doubt is None


def test_a_file_that_vanishes_is_a_dead_letter(write: Any) -> None:
    path = write(["text"])
    (source,), _ = find_sources([str(path)])
    path.unlink()
    from detector.ingest.files import read  # noqa: PLC0415 - only here

    sink = Collector()
    read(source, 0, source.size, sink, Reading(NOW))
    assert sink.dead_ones() == [(None, "unreadable", None)]
    assert list(units([source], 2)) == [Unit(0, 0, 5)]  # where it would be cut in two


@given(
    st.lists(
        st.sampled_from(
            [
                "MARK plain text",
                "2026-05-01T10:00:00Z MARK with a time",
                "  MARK indented",
                "",
                '{"message": "MARK record", "time": "2026-05-01T11:00:00Z"}',
                '{"message": "MARK escaped \\" quote", "level": "info"}',
                '{"msg": "MARK other", "time": "2026-05-01T12:00:00Z", "n": 1, "task_id": "t"}',
                '{"message": "MARK broken',
                ' {"message": "MARK behind a space"}',
            ],
        ).flatmap(lambda line: st.integers(1, 12).map(lambda times: [line] * times)),
        max_size=12,
    ),
)
def test_runs_of_text_and_records_are_placed_and_timed_as_line_by_line(runs: list[list[str]]) -> None:
    data = "".join(f"{line}\n" for run in runs for line in run).encode()

    def told(read_all: Callable[[RangeReader], None]) -> tuple[object, ...]:
        sink = Collector()
        reader = RangeReader("f", None, sink, Reading(NOW))
        read_all(reader)
        reader.end()
        seen = sorted((one.line, one.time, one.task_id, one.stream) for one in sink.marked())
        return seen, sorted(map(str, sink.dead_ones())), reader.records, reader.bytes, reader.latest

    def one_by_one(reader: RangeReader) -> None:
        files._json_lines(data, 0, reader, events=True)

    def in_runs(reader: RangeReader) -> None:
        files.read_json_lines([data] if data else [], reader, events=True)

    assert told(in_runs) == told(one_by_one)
