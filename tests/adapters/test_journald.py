"""Entries of systemd's journal: text, bytes and repeated fields, time and unit, and what Docker cut."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
from tests.fake_records import read_all, records
from tests.ingest.collecting import NOW, collect

MICROS = "1777629600000001"  # 2026-05-01T10:00:00.000001Z
ENTRY = {
    "__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": MICROS, "_SYSTEMD_UNIT": "web.service",
    "_SYSTEMD_INVOCATION_ID": "ab" * 16, "PRIORITY": "6", "_PID": "812",
}  # fmt: skip


def read(value: dict[str, Any]) -> Read:
    (found,) = BUNDLED.read_object(json.dumps(value).encode(), NOW)
    return found


def test_an_entry_is_its_message_with_the_rest_beside_it() -> None:
    found = read({**ENTRY, "MESSAGE": "hello", "_CMDLINE": "app --token x"})
    assert (found.format, found.error) == ("journald", None)
    assert found.log is not None
    assert (found.log.text, found.log.time, found.log.task_id) == (
        b"hello",
        1_777_629_600_000_001_000,
        "ab" * 16,
    )
    assert b"_CMDLINE=app --token x" in found.log.rest.split(b"\n")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (list("MARK é".encode()), "MARK é"),
        ([27, 91, 48, 109, 77, 65, 82, 75, 255], "\x1b[0mMARK\ufffd"),
        ("", ""),
    ],
)
def test_a_message_may_be_an_array_of_bytes(message: Any, text: str) -> None:
    found = read({**ENTRY, "MESSAGE": message})
    assert found.error is None
    assert found.log is not None
    assert found.log.text.decode() == text


def test_a_field_may_be_there_many_times_and_each_as_bytes() -> None:
    found = read({**ENTRY, "MESSAGE": "x", "TOKEN": ["MARK-1", list(b"MARK-2"), None]})
    assert found.log is not None
    assert b"TOKEN=MARK-1\nTOKEN=MARK-2" in found.log.rest


@pytest.mark.parametrize(
    ("entry", "task"),
    [
        ({"INVOCATION_ID": "cd" * 16}, "cd" * 16),
        ({"_SYSTEMD_UNIT": "a.service"}, "a.service"),
        ({"CONTAINER_ID_FULL": "ef" * 32, "_SYSTEMD_UNIT": "docker.service"}, "ef" * 32),
        ({}, None),
    ],
)
def test_the_task_is_the_container_or_the_run_of_the_unit(entry: dict[str, Any], task: str | None) -> None:
    found = read({"__REALTIME_TIMESTAMP": MICROS, "MESSAGE": "x", **entry})
    assert found.log is not None
    assert found.log.task_id == task


@pytest.mark.parametrize(
    ("fields", "reason", "name"),
    [
        ({"__REALTIME_TIMESTAMP": "yesterday"}, "bad-time", "__REALTIME_TIMESTAMP"),
        ({"__REALTIME_TIMESTAMP": None}, "bad-time", "__REALTIME_TIMESTAMP"),
        ({"__REALTIME_TIMESTAMP": "9777629600000001"}, "future-time", "__REALTIME_TIMESTAMP"),
        ({"MESSAGE": {"text": "MARK"}}, "wrong-field", "MESSAGE"),
        ({"MESSAGE": None, "TOKEN": "MARK"}, "missing-field", "MESSAGE"),
    ],
)
def test_a_broken_entry_is_told_and_scanned(fields: dict[str, Any], reason: str, name: str) -> None:
    reading = read_all(records([json.dumps({**ENTRY, "MESSAGE": "MARK", **fields}).encode()]))
    assert [(letter.reason, letter.field) for letter in reading.contents.letters] == [(reason, name)]
    assert len(reading.places) == 1


def test_an_event_in_an_entry_is_text(tmp_path: Path) -> None:
    forged = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "task.ended",
        "data": {"task_id": "MARK"},
    }
    lines = [
        {**ENTRY, "MESSAGE": json.dumps(forged)},
        {**ENTRY, "MESSAGE": list(json.dumps(forged).encode())},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sink = collect(path, None, NOW)
    assert (sink.events, [seen.line for seen in sink.marked()]) == ([], [1, 2])
    assert sink.range is not None
    assert dict(sink.range.records) == {"journald": 2}


def test_a_key_over_many_entries_stands_line_under_line(tmp_path: Path) -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "MARK", "-----END RSA PRIVATE KEY-----"]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({**ENTRY, "MESSAGE": line}) + "\n" for line in key))
    assert any("\n".join(key).encode() in batch.data for batch, _ in collect(path, None, NOW).batches)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["MESSAGE", "__REALTIME_TIMESTAMP", "_PID", "CONTAINER_PARTIAL_ID"]), _values
    )
)
@settings(max_examples=200, deadline=None)
def test_any_entry_is_read_as_something(value: dict[str, Any]) -> None:
    read({"__REALTIME_TIMESTAMP": MICROS, **value})
