"""Targets of what reads records: the sources' adapters, and the carriers and file formats around log lines.

Every text that is put into a record has `CANARY` in it, which stands for a secret: no dead letter may say it.
"""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from detector.ingest.classify import BUNDLED
from detector.ingest.event_ranges import read_events
from detector.ingest.files import read
from detector.ingest.format_names import CHOICES
from detector.ingest.kafka_records import Contents, read_record
from detector.ingest.range_reader import Reading
from detector.ingest.sniff import sniff
from detector.ingest.sources import Source
from detector.records.dead_letters import REASONS
from detector.records.log_records import Read
from detector.scan.leaks import Batch
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE
from detector.values.times import MILLISECOND, SKEW
from tests.adapters.test_otlp import attributes, logs, proto
from tests.adapters.test_otlp import record as otlp_record
from tests.adapters.test_source_robustness import STRANGE, places, records, with_changed
from tests.fake_records import FakeRecord
from tests.ingest.collecting import NOW, Collector

CANARY = "Zq7canaryKd9"
_EDITS = 3
_LONGEST = 1 << 16
_STAMP = "2026-05-01T10:00:00.123456789Z"
_LINES = (
    f"{_STAMP} stdout F token={CANARY} done",
    f"{_STAMP} stderr P token={CANARY[:6]}\n{_STAMP} stderr F {CANARY[6:]} done",
    json.dumps({"log": f"token={CANARY}\n", "stream": "stdout", "time": _STAMP}),
    json.dumps({"log": f"token={CANARY[:6]}", "stream": "stdout", "time": _STAMP})
    + "\n"
    + json.dumps({"log": f"{CANARY[6:]}\n", "stream": "stdout", "time": _STAMP}),
    json.dumps({"message": f"token={CANARY}", "time": _STAMP, "task_id": "t", "stream": "stdout"}),
    json.dumps({"message": [1, {"x": CANARY}], "time": 7}),
    f'<165>1 {_STAMP} host app 12 ID47 [x@1 task_id="t-7" k="\\"v]"] token={CANARY}',
    f"<34>Oct 11 22:14:15 host su[12]: token={CANARY}",
    f"48 <34>1 {_STAMP} h a p - - {CANARY}12 <34>1 - - - ",
    json.dumps({
        "__REALTIME_TIMESTAMP": "1777629600000001", "_SYSTEMD_UNIT": "web.service", "MESSAGE": list(CANARY.encode()),
        "_SYSTEMD_INVOCATION_ID": "ab" * 16, "CONTAINER_PARTIAL_MESSAGE": "true", "CONTAINER_ID_FULL": "cd" * 32,
    }),
    json.dumps({
        "kubernetes": {"namespace_name": "shop", "pod_name": "web-5d9c7bf6f-x7k2p", "pod_id": "u"}, "log": CANARY, "logtag": "P",
    }),
    json.dumps(logs(otlp_record(CANARY, attributes=attributes({"k": [1, True, {"n": CANARY}]})), resource={"service.name": "s"})),
    json.dumps({
        "specversion": "1.0", "id": "1", "source": "s", "type": "credential.used", "time": _STAMP,
        "data": {"credential_id": "c", "action": CANARY, "outcome": "denied", "source_ip": "::1"},
    }),
    json.dumps([{"message": CANARY}, {"message": "b"}], indent=1),
    f"plain text, token={CANARY}",
    f"\ufeff{_STAMP} level=info token={CANARY}",
)  # fmt: skip


def line_seeds() -> Iterator[bytes]:
    """A record of each carrier and format, in both modes."""
    for text in _LINES:
        for mode in range(len(CHOICES) + 2):
            yield bytes((mode,)) + text.encode() + b"\n"
    request = proto(logs(otlp_record(CANARY), otlp_record({"k": [CANARY, 1.5]}), resource={"a": "b"}))
    for mode in range(3):
        yield bytes((mode,)) + request
    for _, record in records():
        yield b"\0" + json.dumps(record).encode()
        yield b"\x02" + json.dumps(record, indent=1).encode()


def record_seeds() -> Iterator[bytes]:
    """Each record of the stories changed at some places, and as it is."""
    every = _records()
    for number, record in enumerate(every):
        for edit in range(4):
            yield bytes((number, 1, edit * 5, edit, 200 + edit)) + b"abc"
        yield b"\xff" + json.dumps(record).encode()


@cache
def _records() -> tuple[dict[str, Any], ...]:
    return tuple(record for _, record in records())[:250]


@cache
def _ways(number: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(places(_records()[number]))


class _Bytes:
    """An input as choices; when it is used up every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, limit: int) -> int:
        size = 1 if limit <= 256 else 2
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "big") % limit

    def some(self, most: int) -> bytes:
        size = self.below(most)
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken


def adapters(data: bytes) -> None:
    """Whatever stands in an object: events that can be written, log text, or dead letters that say nothing of it."""
    if data[:1] == b"\xff":
        line = data[1:_LONGEST].replace(b"\n", b" ")
    else:
        line = json.dumps(_changed(_Bytes(data))).encode()
    for found in BUNDLED.read_object(line, NOW):
        check_read(found)
    for found in BUNDLED.logs_only().read_object(line, NOW):
        assert not found.events
        check_read(found)


def _changed(choices: _Bytes) -> dict[str, Any]:
    number = choices.below(len(_records()))
    record, ways = _records()[number], _ways(number)
    for _ in range(1 + choices.below(_EDITS)):
        way = ways[choices.below(len(ways))]
        try:
            record = with_changed(record, way, _value(choices))
        except (KeyError, IndexError, TypeError):  # an edit before took that place away
            continue
    return record


def _value(choices: _Bytes) -> Any:
    kind = choices.below(256)
    if kind < 2 * len(STRANGE):
        return copy.deepcopy(STRANGE[kind // 2])
    text = choices.some(64).decode("utf-8", "replace")
    return (
        text,
        CANARY + text,
        {CANARY: text, text: CANARY},
        [CANARY + text, {"id": text}],
        int.from_bytes(text.encode()[:12], "big") * (1 if kind & 1 else -1),
        "2026-05-01T10:00:00" + text,
    )[kind % 6]


def check_read(found: Read) -> None:
    """What holds of everything that is read."""
    if found.error is not None:
        check_error(found.error)
        assert not found.events
    for event in found.events:
        assert msgspec.json.encode(event)
        assert event.time <= NOW + MAX_FUTURE
    if found.log is not None:
        assert isinstance(found.log.text, bytes)
        assert found.log.time is None or found.log.time <= NOW + MAX_FUTURE


def check_error(error: BadRecordError) -> None:
    """It has one of the reasons, and no value."""
    assert error.reason in REASONS
    assert CANARY not in f"{error} {error.detail} {error.field}"


def carriers(data: bytes) -> None:
    """Any bytes as a record of a topic, and as a file of any format: read to the end, and nothing in a dead letter."""
    mode, value = (data[0] if data else 0), data[1:_LONGEST]
    if mode % 2 == 0:
        _as_record(value, mode)
    if mode:
        _as_file(value, mode)


def _as_record(value: bytes, mode: int) -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"s"),
        ("ce_type", b"credential.used"),
    ]
    for classifier in (BUNDLED, BUNDLED.logs_only()):
        into = Contents()
        record = FakeRecord(value, headers=headers if mode & 0x40 else ())
        found = read_record(record, NOW, into, classifier)
        for letter in into.letters:
            check_error(BadRecordError(letter.reason, letter.detail, letter.field))
        assert classifier is BUNDLED or not into.events
        for log in found:
            assert log.time.time is not None
            assert log.time.time <= record.timestamp * MILLISECOND + SKEW


def _as_file(value: bytes, mode: int) -> None:
    name = CHOICES[mode % len(CHOICES)] if mode < 0x80 else sniff(value, complete=True)
    size = 4 + mode * 13

    def raw(start: int, end: int) -> Iterator[bytes]:
        return (value[at : min(at + size, end)] for at in range(start, end, size))

    source = Source("f", name, len(value), raw=raw)
    sink = Collector()
    read(source, 0, len(value), sink, Reading(NOW))
    for letter in sink.letters:
        check_error(BadRecordError(letter.reason, letter.detail, letter.field))
    for batch, _ in sink.batches:
        _check_places(batch)
    events = list(read_events(source, 0, len(value), NOW))
    assert sorted(map(msgspec.json.encode, events)) == sorted(map(msgspec.json.encode, sink.events))


def _check_places(batch: Batch) -> None:
    """Every byte belongs to a record that holds it."""
    for at in range(0, len(batch.data), 1 + len(batch.data) // 20):
        place = batch.locate(at)
        assert 0 <= place.start <= at <= place.end <= len(batch.data)
        assert place.time is None or place.time <= NOW + MAX_FUTURE
