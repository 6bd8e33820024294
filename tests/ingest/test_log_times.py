"""Whose time a log record has, and how late it may be: Kafka, carriers, archives, files."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.archives import MemberTimes, unpacked
from detector.ingest.classify import BUNDLED
from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents, kafka_time
from detector.scan.leaks import RecordAt
from detector.values.times import MILLISECOND, MINUTE, SECOND, SKEW, format_rfc3339, parse_rfc3339
from tests.fake_records import NOW, TOPIC, FakeRecord, records
from tests.ingest.collecting import Collector, collect

KAFKA = NOW - 60 * SECOND  # when Kafka got a fake record
LONG_AGO = parse_rfc3339("1999-01-01T00:00:00Z")
MEMBER = parse_rfc3339("2026-05-01T00:00:00Z")


def stamp(time: int) -> str:
    return format_rfc3339(time)


def line(time: int) -> bytes:
    return stamp(time).encode() + b" MARK"


def logged(time: int, **more: Any) -> bytes:
    return json.dumps({"message": "MARK", "time": stamp(time), **more}).encode()


def cri(time: int) -> bytes:
    return stamp(time).encode() + b" stdout F MARK"


def docker(time: int) -> bytes:
    return json.dumps({"log": "MARK\n", "stream": "stdout", "time": stamp(time)}).encode()


def syslog(time: int) -> bytes:
    return b"<34>1 " + stamp(time).encode() + b" host app 1 - - MARK"


def journald(time: int) -> bytes:
    return json.dumps({"MESSAGE": "MARK", "__REALTIME_TIMESTAMP": str(time // 1000)}).encode()


def eventbridge(time: int, envelope: int) -> bytes:
    detail = {"message": "MARK", "time": stamp(time)}
    return json.dumps({"detail-type": "log", "detail": detail, "time": stamp(envelope)}).encode()


def otlp(**times: int) -> bytes:
    item = {"body": {"stringValue": "MARK"}, **{name: str(time) for name, time in times.items()}}
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [item]}]}]}).encode()


def in_kafka(*some: FakeRecord) -> list[RecordAt]:
    hold, contents = RecordAssembler(), Contents()
    batch = batch_of(TOPIC, 0, [*hold.read(some, NOW, contents), *hold.flush()])
    found, at = [], batch.data.find(b"MARK")
    while at >= 0:
        found.append(batch.locate(at))
        at = batch.data.find(b"MARK", at + 1)
    return found


def told(found: RecordAt) -> tuple[int | None, str | None]:
    return found.time, found.time_origin


@pytest.mark.parametrize("many", [1, 40])  # one by one, and as a block
@pytest.mark.parametrize(
    ("written", "origin"),
    [
        (line, "record"),
        (logged, "record"),
        (cri, "carrier"),
        (docker, "carrier"),
        (syslog, "carrier"),
        (journald, "carrier"),
    ],
)
def test_kafka_bounds_a_time_from_above_and_never_from_below(written: Any, origin: str, many: int) -> None:
    for time, expected in (
        (LONG_AGO, (LONG_AGO, origin)),
        (KAFKA + SKEW, (KAFKA + SKEW, origin)),
        (KAFKA + SKEW + MILLISECOND, (KAFKA, "kafka")),
        (KAFKA + 9 * MINUTE, (KAFKA, "kafka")),
        (NOW + 9 * MINUTE, (KAFKA, "kafka")),
        (NOW + 11 * MINUTE, (KAFKA, "kafka")),  # a dead letter, and scanned
        (parse_rfc3339("9999-12-31T23:59:59Z"), (KAFKA, "kafka")),
    ):
        if written is journald and time < 0:
            continue
        found = in_kafka(*records([written(time)] * many))
        assert {told(one) for one in found} == {expected}
        assert {one.received for one in found} == {KAFKA}
        assert len(found) == many


def test_a_record_without_a_time_has_kafkas() -> None:
    for value in (b"MARK", b'{"message": "MARK"}', b'{"message": "MARK", "time": "yesterday"}', otlp()):
        (found,) = in_kafka(FakeRecord(value))
        assert told(found) == (KAFKA, "kafka")


@pytest.mark.parametrize("ahead", [-1, 0, 5, 6, 540, 10**9])
def test_a_producer_dates_no_record_after_now(ahead: int) -> None:
    """With CreateTime the producer sets Kafka's timestamp."""
    stamped = (NOW + ahead * SECOND) // MILLISECOND
    record = FakeRecord(line(NOW + 9 * MINUTE), timestamp=stamped)
    (found,) = in_kafka(record)
    assert found.time == (NOW + ahead * SECOND if ahead <= 5 else NOW)
    assert kafka_time(record, NOW) == found.received == found.time


@pytest.mark.parametrize("timestamp", [-1, 0, -(1 << 62)])
def test_no_timestamp_of_kafka_is_now(timestamp: int) -> None:
    (found,) = in_kafka(FakeRecord(b"MARK", timestamp=timestamp))
    assert told(found) == (NOW, "kafka")


def test_an_envelope_bounds_what_it_carries() -> None:
    envelope = KAFKA - MINUTE
    for time, expected in (
        (LONG_AGO, (LONG_AGO, "record")),
        (envelope + SKEW, (envelope + SKEW, "record")),
        (envelope + SKEW + 1, (envelope, "carrier")),
        (KAFKA, (envelope, "carrier")),
    ):
        assert [told(one) for one in in_kafka(FakeRecord(eventbridge(time, envelope)))] == [expected]
        (seen,) = in_kafka(FakeRecord(otlp(timeUnixNano=time, observedTimeUnixNano=envelope)))
        assert told(seen) == expected
    (late,) = in_kafka(FakeRecord(otlp(observedTimeUnixNano=KAFKA + MINUTE)))
    assert told(late) == (KAFKA, "kafka")


def test_the_envelope_of_a_cloudevent_gives_text_its_time() -> None:
    headers = {"ce_specversion": b"1.0", "ce_time": stamp(KAFKA - MINUTE).encode()}
    log = BUNDLED.logs_only().read_binary(headers, b"MARK", NOW).log
    assert log is not None
    assert (log.time, log.origin) == (KAFKA - MINUTE, "carrier")
    for unusable in (b"\xff", b"", stamp(NOW + 11 * MINUTE).encode()):
        log = BUNDLED.logs_only().read_binary({**headers, "ce_time": unusable}, b"MARK", NOW).log
        assert log is not None
        assert log.time is None


def seen_in(path: Path, **options: Any) -> tuple[list[tuple[str | None, str | None]], Collector]:
    sink = collect(path, **options)
    places = sorted(
        (one for _, found in sink.places for one in found.values()), key=lambda one: one.line or 0
    )
    return [(None if at.time is None else stamp(at.time), at.time_origin) for at in places], sink


@pytest.mark.parametrize("written", [line, logged, cri, docker, syslog])
def test_an_archive_bounds_the_times_of_its_member(tmp_path: Path, written: Any) -> None:
    origin = "record" if written in {line, logged} else "carrier"
    times = (MEMBER + SKEW, MEMBER + SKEW + MILLISECOND, LONG_AGO, MEMBER + MINUTE)
    text = b"".join(written(time) + b"\n" for time in times)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text, mtime=MEMBER // SECOND))
    places, sink = seen_in(tmp_path / "a.gz")
    assert places == [
        (stamp(MEMBER + SKEW), origin),
        (stamp(MEMBER), "archive-member"),
        (stamp(LONG_AGO), origin),
        (stamp(MEMBER), "archive-member"),
    ]
    assert sink.range is not None
    assert sink.range.latest == MEMBER + SKEW
    (tmp_path / "b.gz").write_bytes(gzip.compress(text, mtime=0))  # states no time
    places, sink = seen_in(tmp_path / "b.gz")
    assert [time for time, _ in places] == [stamp(time) for time in times]
    assert sink.range is not None
    assert sink.range.latest == MEMBER + MINUTE


def test_an_inherited_time_is_bounded_too(tmp_path: Path) -> None:
    text = b"MARK\n" + stamp(MEMBER + MINUTE).encode() + b" hi\nMARK\n" + line(LONG_AGO) + b"\nMARK\n"
    (tmp_path / "a.gz").write_bytes(gzip.compress(text, mtime=MEMBER // SECOND))
    assert seen_in(tmp_path / "a.gz")[0] == [
        (stamp(MEMBER), "archive-member"),
        (stamp(MEMBER), "earlier-record"),
        (stamp(LONG_AGO), "record"),
        (stamp(LONG_AGO), "earlier-record"),
    ]
    (tmp_path / "plain").write_bytes(text)
    os.utime(tmp_path / "plain", ns=(MEMBER, MEMBER))
    assert seen_in(tmp_path / "plain")[0] == [
        (None, None),  # the replay fills it in
        (stamp(MEMBER + MINUTE), "earlier-record"),
        (stamp(LONG_AGO), "record"),
        (stamp(LONG_AGO), "earlier-record"),
    ]


@pytest.mark.parametrize("piece", [1, 3, 5000])
def test_of_several_members_the_latest_time_bounds_all_that_was_read(piece: int) -> None:
    def latest(*mtimes: int) -> int | None:
        data = b"".join(gzip.compress(b"x" * 100, mtime=mtime) for mtime in mtimes)
        times = MemberTimes()
        list(unpacked((data[at : at + piece] for at in range(0, len(data), piece)), "gzip", times))
        return times.latest

    assert latest(5) == 5 * SECOND
    assert latest(5, 9, 7) == 9 * SECOND
    assert latest(5, 0) is None
    assert latest(0) is None


@pytest.mark.parametrize("mtime", [1, 2**32 - 1])
def test_a_member_time_that_cannot_be_true_changes_little(tmp_path: Path, mtime: int) -> None:
    """One of 1970 dates all back, so each leak is judged as at its issue; one of the future bounds nothing."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(line(MEMBER) + b"\n", mtime=mtime))
    expected = (stamp(SECOND), "archive-member") if mtime == 1 else (stamp(MEMBER), "record")
    assert seen_in(tmp_path / "a.gz")[0] == [expected]
