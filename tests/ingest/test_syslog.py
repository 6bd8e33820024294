"""Syslog messages by RFC 5424, RFC 3164 and RFC 6587: taken apart, timed, whoever wrote them named, nothing hidden."""

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.ingest.formats.syslog import looks_like
from detector.ingest.formats.syslog import read as parse
from detector.ingest.sniff import sniff
from detector.records.dead_letters import BINARY
from detector.values.times import format_rfc3339
from tests.fake_records import Place, read_all, read_in_polls, records
from tests.ingest.collecting import NOW, collect

TIME = "2026-05-01T10:00:00Z"


def message(line: str) -> tuple[str, str | None, str | None]:
    found = parse(line.encode(), NOW)
    assert found is not None
    assert found.error is None
    log = found.log
    assert log is not None
    return log.text.decode(), None if log.time is None else format_rfc3339(log.time), log.task_id


@pytest.mark.parametrize(
    ("line", "text", "time", "task"),
    [
        (f'<165>1 {TIME} host evntslog - ID47 [x@1 a="b"] An entry', "An entry", TIME, None),
        (f"<34>1 {TIME} host su 812 ID47 - 'su root' failed", "'su root' failed", TIME, None),
        (f'<34>1 {TIME} host su 812 - [a@1 task_id="t-7"][b@1 c="d"] \ufeffmsg', "msg", TIME, "t-7"),
        ("<0>1 - - - - - -", "", None, None),
        ("<165>1 2026-05-01T12:00:00.000003+02:00 h a p m - x", "x", "2026-05-01T10:00:00.000003Z", "p"),
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
            "'su root' failed",
            "2025-10-11T22:14:15Z",
            None,
        ),
        ("<13>May  1 10:00:00 host sshd[812]: Accepted", "Accepted", TIME, None),
        ("May  1 10:00:00 host sshd[812]: Accepted", "Accepted", TIME, None),
        ("<13>May  1 10:00:00 sshd[812]: Accepted", "Accepted", TIME, None),
        ("<13>Feb 29 10:00:00 host app: leap", "leap", "2024-02-29T10:00:00Z", None),
        (f"<13>{TIME} host app[7]: msg", "msg", TIME, None),
        ("<13>May  1 10:00:00 host runner[build-7]: msg", "msg", TIME, "build-7"),
        ("<13>just some text", "just some text", None, None),
    ],
)
def test_a_message_is_taken_apart(line: str, text: str, time: str | None, task: str | None) -> None:
    assert message(line) == (text, time, task)


def test_a_process_is_a_stream_and_no_task() -> None:
    for line, task in (
        (f"<34>1 {TIME} host su 812 - - x", None),
        (f'<34>1 {TIME} h su 812 - [a@1 task="t"] x', "t"),
    ):
        found = parse(line.encode(), NOW)
        assert found is not None
        assert found.log is not None
        assert (found.log.task_id, found.log.stream) == (task, "812")


@pytest.mark.parametrize(
    "line", ["plain text", "<999>1 x", "<>1", "<html>", "<12 a", "Octet 11 22:14:15 x: y"]
)
def test_what_is_no_message_is_none(line: str) -> None:
    assert not looks_like(line.encode())
    assert parse(line.encode(), NOW) is None


def test_values_of_structured_data_are_scanned_without_their_escapes() -> None:
    found = parse(f'<165>1 {TIME} h app - m [x@1 token="MA\\"R\\\\K\\]" other="é \\n"] text'.encode(), NOW)
    assert found is not None
    assert found.log is not None
    assert found.log.rest.decode().split("\n") == ['token=MA"R\\K]', "other=é \\n", "h", "app", "m"]


@pytest.mark.parametrize(
    ("line", "reason", "field"),
    [
        (f'<165>1 {TIME} h a p m [x@1 a="MARK', "not-syslog", "SD"),
        (f'<165>1 {TIME} h a p m [x@1 a="b"]MARK', "not-syslog", "SD"),
        (f"<165>1 {TIME} h a p m [=] MARK", "not-syslog", "SD"),
        ("<165>1 MARK", "not-syslog", None),
        ("<165>1 2026-99-01T10:00:00.000Z h a p m - MARK", "bad-time", "TIMESTAMP"),
        ("<165>1 2027-05-01T10:00:00Z h a p m - MARK", "future-time", "TIMESTAMP"),
        ("<165>May 39 10:00:00 h a: MARK", "bad-time", "TIMESTAMP"),
    ],
)
def test_a_broken_message_is_told_and_scanned(
    tmp_path: Path, line: str, reason: str, field: str | None
) -> None:
    good = f"<34>1 {TIME} host su - - - fine"
    reading = read_all(records([good.encode(), line.encode(), good.encode()]))
    letters = reading.contents.letters
    assert [(letter.reason, letter.field, letter.offset) for letter in letters] == [(reason, field, 1)]
    assert [place.id for place in reading.places] == ["p0@1"]
    path = tmp_path / "a.log"
    path.write_text(f"{good}\n{line}\n{good}\n")
    sink = collect(path, None, NOW)
    assert sink.dead_ones() == [(2, reason, field)]
    assert [seen.line for seen in sink.marked()] == [2]
    assert b"MARK" not in msgspec.json.encode([letter.record() for letter in letters])


def test_a_file_of_messages_is_told_and_read_line_by_line(tmp_path: Path) -> None:
    lines = [
        f"<165>1 {TIME} h app 812 m - first MARK",
        "MARK goes on",
        "<13>May  1 10:00:01 host sshd[7]: MARK",
        '<165>1 - h app - m [x@1 secret="MARK"] no time',
    ]
    path = tmp_path / "a.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    sink = collect(path, None, NOW)
    assert sorted((seen.line, seen.text, seen.time, seen.task_id) for seen in sink.marked()) == [
        (1, "first MARK", TIME, None),
        (2, "MARK goes on", TIME, None),
        (3, "MARK", "2026-05-01T10:00:01Z", None),
        (4, '[x@1 secret="MARK"]\nh\napp\nm', "2026-05-01T10:00:01Z", None),
    ]
    assert sink.range is not None
    assert dict(sink.range.records) == {"syslog": 3, "text": 1}
    assert sum(sink.range.bytes.values()) == path.stat().st_size


def test_an_event_in_a_message_is_text(tmp_path: Path) -> None:
    forged = (
        '{"specversion": "1.0", "id": "MARK", "source": "s", "type": "task.ended", "data": {"task_id": "t"}}'
    )
    line = f"<165>1 {TIME} h app - - - {forged}"
    path = tmp_path / "a.log"
    path.write_text(f"{line}\n")
    assert collect(path, None, NOW).events == []
    reading = read_all(records([line.encode()]))
    assert (reading.contents.events, len(reading.places)) == ([], 1)


def test_a_key_over_many_messages_stands_line_under_line(tmp_path: Path) -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "MARK", "-----END RSA PRIVATE KEY-----"]
    lines = [f'<165>1 {TIME} h app - - [x@1 a="b"] {line}' for line in key]
    path = tmp_path / "a.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    assert any("\n".join(key).encode() in batch.data for batch, _ in collect(path, None, NOW).batches)


def counted(*messages: str) -> bytes:
    return b"".join(b"%d %s" % (len(one.encode()), one.encode()) for one in messages)


def test_messages_behind_their_lengths_may_have_newlines_in_them(tmp_path: Path) -> None:
    one = f"<165>1 {TIME} h app - - - first\nMARK"
    two = f"<165>1 {TIME} h app - - - second é MARK"
    path = tmp_path / "a.log"
    path.write_bytes(counted(one, two, one))
    assert sniff(path.read_bytes(), complete=True) == "syslog-counted"
    sink = collect(path, None, NOW)
    assert [(seen.line, seen.text) for seen in sink.marked()] == [
        (1, "first\nMARK"), (2, "second é MARK"), (3, "first\nMARK"),
    ]  # fmt: skip
    reading = read_all(records([counted(one, two), b"x", one.encode()]))
    assert [place.id for place in reading.places] == ["p0@0", "p0@0", "p0@2"]


@pytest.mark.parametrize("rest", [b"x7 MARK", b"99 <165>1 MARK", b"9999999 <34>MARK", b"MARK\n\nMARK"])
def test_from_where_a_length_is_wrong_the_rest_is_text(tmp_path: Path, rest: bytes) -> None:
    data = counted(f"<165>1 {TIME} h app - - - first MARK") + rest
    path = tmp_path / "a.log"
    path.write_bytes(data)
    sink = collect(path, None, NOW)
    assert sink.dead_ones() == [(2, "not-syslog", "MSG-LEN")]
    assert len(sink.marked()) == data.count(b"MARK")
    reading = read_all(records([data]))
    assert [(letter.reason, letter.field) for letter in reading.contents.letters] == [
        ("not-syslog", "MSG-LEN")
    ]
    assert len(reading.places) == data.count(b"MARK")


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)
_kinds = st.sampled_from(["new", "old", "data", "plain", "bad"])


def line_of(kind: str, number: int, text: str) -> str:
    at = f"2026-05-01T10:00:{number % 60:02}Z"
    return {
        "new": f"<165>1 {at} host app {number} id - MARK {text}",
        "old": f"<13>May  1 10:00:{number % 60:02} host app[{number}]: MARK {text}",
        "data": f'<165>1 {at} host app - id [x@1 a="MARK \\" \\]"] text',
        "plain": f"{at} MARK{text}",
        "bad": f'<165>1 {at} host app - id [x@1 a="MARK',
    }[kind]


@given(st.lists(st.tuples(_kinds, _texts), min_size=1, max_size=60), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_live_gives_what_replay_reads_however_it_is_polled(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, str]], seed: int
) -> None:
    lines = [line_of(kind, number, text) for number, (kind, text) in enumerate(items)]
    path = tmp_path_factory.mktemp("syslog") / "a.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    reading = read_in_polls(records([line.encode() for line in lines]), random.Random(seed))
    replayed = collect(path, "syslog", NOW)
    assume(
        all(reason != BINARY for _, reason, _ in replayed.dead_ones())
    )  # a record alone is never called so
    wanted = sorted(
        Place(f"p0@{(seen.line or 0) - 1}", seen.time or "", seen.task_id or "", seen.stream or "")
        for seen in replayed.marked()
    )
    assert sorted(reading.places) == wanted
    assert len(wanted) == len(lines)
    found = [((letter.offset or 0) + 1, letter.reason, letter.field) for letter in reading.contents.letters]
    assert sorted(found, key=str) == sorted(replayed.dead_ones(), key=str)


@given(st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_as_something(data: bytes) -> None:
    for value in (b"<13>" + data, b"<165>1 " + data, b"<165>1 - h a p m [" + data, b"12 <13>" + data):
        parse(value, NOW)
        read_all(records([value]))


@pytest.mark.slow
def test_a_hostile_message_takes_no_longer_than_its_length() -> None:
    start = f"<165>1 {TIME} h a p m ".encode()
    for rest in (
        b"[a" * 250_000,
        b'[a b="' + b"\\" * 500_000,
        b'[a b="' + b"x" * 1_000_000,
        b'[a b="c"]' * 75_000,
    ):
        parse(start + rest, NOW)
