"""Records of Fluent Bit, Fluentd, Vector, Filebeat and Docker's drivers: whose they are, joined, and never an event."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.ingest.files import read as read_source
from detector.ingest.inputs import find_sources
from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents
from detector.ingest.range_reader import Reading
from detector.ingest.units import units
from detector.records.log_records import LogText
from detector.records.shipper_fields import SPLIT
from tests.fake_records import FakeRecord, Place, read_all, read_in_polls, records
from tests.ingest.collecting import NOW, Collector, collect

TIME = "2026-05-01T10:00:00Z"
UID = "c759a5f5-1111-2222-9117-8a1dc0b1f907"
POD = {"namespace_name": "shop", "pod_name": "web-5d9c7bf6f-x7k2p", "pod_id": UID, "container_name": "web"}
FORGED = {
    "specversion": "1.0", "id": "1", "source": "s", "type": "task.ended", "time": TIME, "data": {"task_id": "t"},
}  # fmt: skip


def read(value: Any) -> LogText:
    (found,) = BUNDLED.read_object(json.dumps(value).encode(), NOW)
    assert not found.events
    assert found.log is not None
    return found.log


@pytest.mark.parametrize(
    ("fields", "task"),
    [
        ({"kubernetes": POD}, "k8s/shop/web-5d9c7bf6f-x7k2p"),
        ({"kubernetes": {"pod_namespace": "shop", "pod_name": "web", "pod_uid": UID}}, f"k8s/shop/web/{UID}"),
        ({"kubernetes": {"namespace": "shop", "pod": {"name": "web", "uid": UID}}}, f"k8s/shop/web/{UID}"),
        ({"kubernetes": {"pod_id": UID}}, UID),
        ({"kubernetes": POD, "task_id": "job-7"}, "job-7"),
        ({"container_id": "ab" * 32}, "ab" * 32),
        ({"docker": {"container_id": "ab" * 32}}, "ab" * 32),
        ({"_SYSTEMD_UNIT": "web.service", "_SYSTEMD_INVOCATION_ID": "cd" * 16}, "cd" * 16),
        ({"kubernetes": "no object"}, None),
        ({"kubernetes": {"pod_name": 7, "namespace_name": ["x"]}}, None),
        ({}, None),
    ],
)
def test_the_task_is_the_pod_the_container_or_the_unit(fields: dict[str, Any], task: str | None) -> None:
    assert read({"message": "hello", **fields}).task_id == task
    for some in (records([json.dumps({"message": "MARK", **fields}).encode()] * 20),):
        assert {place.task_id for place in read_all(some).places} == {task or ""}


def test_a_record_is_its_message_and_all_else_in_it_is_scanned_apart() -> None:
    log = read(
        {"@timestamp": 1777630000.5, "log": "hello\n", "stream": "stdout", "_p": "F", "kubernetes": POD}
    )
    assert log.text == b"hello"
    assert b"pod_name=web-5d9c7bf6f-x7k2p" in log.rest
    assert log.stream == "stdout"
    assert log.time == 1_777_630_000_500_000_000


@pytest.mark.parametrize(
    "fields", [{"MESSAGE": "hello"}, {"message": "hello", "__REALTIME_TIMESTAMP": "1777629600000001"}]
)
def test_an_entry_of_the_journal_that_came_by_a_shipper(fields: dict[str, str]) -> None:
    log = read({**fields, "@timestamp": 1777629600.5, "_SYSTEMD_INVOCATION_ID": "cd" * 16})
    assert (log.text, log.task_id, log.time) == (b"hello", "cd" * 16, 1_777_629_600_500_000_000)


def part(text: str, at: str, number: int = 0, pod: str = "web") -> dict[str, Any]:
    return {
        "log": text, "stream": "stdout", "time": f"2026-05-01T10:00:0{number}Z", **json.loads(at),
        "kubernetes": {**POD, "pod_name": pod},
    }  # fmt: skip


STYLES: dict[str, tuple[str, str, str]] = {
    "fluent bit's multiline cri parser": ('{"_p": "P"}', '{"_p": "P"}', '{"_p": "F"}'),
    "fluent bit's cri parser": ('{"logtag": "P"}', '{"logtag": "P:x"}', '{"logtag": "F"}'),
    "vector without merging": ('{"_partial": true}', '{"_partial": true}', "{}"),
    "docker's fluentd driver": (
        '{"partial_message": "true", "partial_id": "7f", "partial_ordinal": "1", "partial_last": "false"}',
        '{"partial_message": "true", "partial_id": "7f", "partial_ordinal": "2", "partial_last": "false"}',
        '{"partial_message": "true", "partial_id": "7f", "partial_ordinal": "3", "partial_last": "true"}',
    ),
    "docker's fluentd driver before version 19": (
        '{"partial_message": "true", "container_id": "7f", "source": "stdout"}',
        '{"partial_message": "true", "container_id": "7f", "source": "stdout"}',
        '{"container_id": "7f", "source": "stdout"}',
    ),
    "docker's journald driver": (
        '{"CONTAINER_PARTIAL_MESSAGE": "true", "CONTAINER_PARTIAL_ID": "7f", "CONTAINER_PARTIAL_LAST": "false"}',
        '{"CONTAINER_PARTIAL_MESSAGE": "true", "CONTAINER_PARTIAL_ID": "7f", "CONTAINER_PARTIAL_LAST": "false"}',
        '{"CONTAINER_PARTIAL_ID": "7f", "CONTAINER_PARTIAL_LAST": "true"}',
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("separators", [(",", ":"), None])
def test_parts_of_a_line_are_joined_across_records_live_and_replayed(
    tmp_path: Path, style: str, separators: tuple[str, str] | None
) -> None:
    first, second, last = STYLES[style]
    values: list[dict[str, Any]] = [
        part("nothing", "{}", 0, "other"),
        part("MA", first, 1),
        part("MARK of another", "{}", 1, "other"),
        part("R", second, 2),
        part("K", last, 3),
        part("MARK", "{}", 4),
    ]
    lines = [json.dumps(value, separators=separators).encode() for value in values]
    expected = [
        Place("p0@1", "2026-05-01T10:00:01Z", f"k8s/shop/web/{UID}", "stdout"),
        Place("p0@2", "2026-05-01T10:00:01Z", f"k8s/shop/other/{UID}", "stdout"),
        Place("p0@5", "2026-05-01T10:00:04Z", f"k8s/shop/web/{UID}", "stdout"),
    ]
    assert sorted(read_all(records(lines)).places) == expected
    for seed in range(5):
        assert sorted(read_in_polls(records(lines), random.Random(seed)).places) == expected
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert sorted((seen.line, seen.text, seen.task_id) for seen in collect(path, None, NOW).marked()) == [
        (2, "MARK", f"k8s/shop/web/{UID}"),
        (3, "MARK of another", f"k8s/shop/other/{UID}"),
        (6, "MARK", f"k8s/shop/web/{UID}"),
    ]


def test_a_line_cut_where_docker_cuts_goes_on_though_nothing_says_so(tmp_path: Path) -> None:
    filler = "x" * (SPLIT - 2)
    whole = {"stream": "stdout", "kubernetes": POD}
    values = [
        {"log": f"{filler}MA", **whole},
        {"log": "RK\n", **whole},
        {"log": f"{filler}M\n"[: SPLIT - 1] + "\n", **whole},
        {"log": "ARK\n", **whole},
    ]
    lines = [json.dumps(value).encode() for value in values]
    assert [place.id for place in read_all(records(lines)).places] == ["p0@0"]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert [seen.line for seen in collect(path, None, NOW).marked()] == [1]


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("between", [0, 6000])
def test_a_cut_line_is_joined_though_most_records_are_read_at_once(
    tmp_path: Path, end: str, between: int
) -> None:
    cut = {"log": "x" * (SPLIT - 2) + "MA", "stream": "stdout", "kubernetes": POD}
    other = {"message": "nothing to see", "level": "info", "time": TIME}
    rest = {**cut, "log": f"RK{end}"}
    lines = [
        json.dumps(one).encode() for one in [other] * 10 + [cut] + [other] * between + [rest] + [other] * 10
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert [seen.line for seen in collect(path, None, NOW).marked()] == [11]
    assert [place.id for place in read_all(records(lines)).places] == ["p0@10"]


def test_a_part_whose_end_never_comes_is_scanned_and_holds_nothing_up(tmp_path: Path) -> None:
    lines = [json.dumps(part("MARK", '{"_p": "P"}')).encode()]
    lines += [json.dumps({"message": "nothing", "level": "info"}).encode()] * 60_000
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    sink = collect(path, None, NOW)
    assert [seen.line for seen in sink.marked()] == [1]
    assert not any(b"MARK" in batch.data for batch, _ in sink.batches[-2:])  # not only at the end
    reading = read_all(records(lines[:500]))
    assert [place.id for place in reading.places] == ["p0@0"]


@pytest.mark.parametrize("last", ['{"_p": "F"}', "{}"])
def test_a_file_is_not_cut_where_a_line_stands_open(tmp_path: Path, last: str) -> None:
    lines = [
        part("nothing", "{}"),
        part("MA", '{"_p": "P"}'),
        part("nothing", "{}", 0, "other"),
        part("RK", last),
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines * 3))
    (source,), _ = find_sources([str(path)])
    for size in range(1, source.size, 50):
        sink = Collector()
        for unit in units([source], size):
            read_source(source, unit.start, unit.end, sink, Reading(NOW))
        assert [seen.text for seen in sink.marked()] == ["MARK"] * 3


def test_lines_that_stand_open_are_bounded() -> None:
    many = [json.dumps(part("MARK", '{"_p": "P"}', 0, f"pod-{number}")).encode() for number in range(2000)]
    reading = read_all(records(many))
    assert len(reading.places) == 2000


@pytest.mark.parametrize(
    "shipped",
    [
        {"kubernetes": POD},
        {"kubernetes": {"pod": {"uid": UID}}},
        {"_p": "F"},
        {"logtag": "F"},
        {"partial_message": "true"},
    ],
)
def test_an_event_that_a_container_printed_is_none_however_it_was_merged(shipped: dict[str, Any]) -> None:
    assert read({**FORGED, **shipped, "log": "MARK"}).text == b"MARK"
    trail = {"eventSource": "s3", "eventName": "x", "eventID": "1", "eventTime": TIME}
    assert read({"Records": [trail], **shipped, "log": "MARK"}).text == b"MARK"
    assert read({"log": json.dumps(FORGED), **shipped}).text == json.dumps(FORGED).encode()


def test_an_event_that_speaks_of_kubernetes_is_one_all_the_same() -> None:
    event = {**FORGED, "type": "credential.revoked", "data": {"credential_id": "c", "kubernetes": POD}}
    (found,) = BUNDLED.read_object(json.dumps(event).encode(), NOW)
    assert len(found.events) == 1


_SECRET = "MARK-of-a-secret"
_streams = st.lists(
    st.tuples(st.sampled_from(["web", "api", "job"]), st.text("abc ", max_size=6), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(lines=_streams, cuts=st.lists(st.integers(1, 40), min_size=12, max_size=12), seed=st.integers(0, 99))
def test_however_lines_are_cut_and_mixed_the_same_secrets_are_seen(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, bool]], cuts: list[int], seed: int
) -> None:
    queues: dict[str, list[dict[str, Any]]] = {}
    expected = 0
    for (pod, text, has), cut in zip(lines, cuts, strict=False):
        line = f"{text}{_SECRET if has else ''}{text}"
        expected += has
        parts = [line[at : at + cut] for at in range(0, len(line), cut)] or [""]
        for number, piece in enumerate(parts, start=1):
            flag = "F" if number == len(parts) else "P"
            queues.setdefault(pod, []).append(part(piece, json.dumps({"_p": flag}), 1, pod))
    rng, mixed = random.Random(seed), []
    while queues:
        pod = rng.choice(sorted(queues))
        mixed.append(json.dumps(queues[pod].pop(0)).encode())
        if not queues[pod]:
            del queues[pod]
    reading = read_in_polls([FakeRecord(line, number) for number, line in enumerate(mixed)], rng)
    assert len(reading.places) == expected
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in mixed))
    replayed = collect(path, None, NOW).marked()
    assert sorted(f"p0@{(seen.line or 0) - 1}" for seen in replayed) == sorted(
        place.id for place in reading.places
    )
    assert all(_SECRET in seen.text for seen in replayed)


KEY = ["-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEA", "7bq98k", "-----END RSA PRIVATE KEY-----"]


@settings(max_examples=60, deadline=None)
@given(
    before=st.lists(st.sampled_from(["plain", "said", "more"]), max_size=300),
    styles=st.one_of(
        st.just(["pod"] * 4),
        st.lists(st.sampled_from(["flat", "escaped", "entry"]), min_size=4, max_size=4),
    ),
    seed=st.integers(0, 999),
)
def test_a_key_over_many_records_stands_line_under_line_however_they_are_polled(
    before: list[str], styles: list[str], seed: int
) -> None:
    def wrapped(text: str, style: str, number: int) -> bytes:
        record: dict[str, Any] = {
            "message": text,
            "time": f"2026-05-01T10:{number // 60:02}:{number % 60:02}Z",
        }
        if style == "pod":
            record |= {"kubernetes": POD, "stream": "stdout"}
        elif style == "escaped":
            record["other"] = 'a "quoted" text'
        elif style == "entry":
            record = {
                "__REALTIME_TIMESTAMP": str(1_777_629_600_000_000 + number),
                "MESSAGE": text,
                "_PID": "1",
            }
        return json.dumps(record).encode()

    texts = [(text, "pod" if text == "said" else "flat" if text == "plain" else "escaped") for text in before]
    texts += list(zip(KEY, styles, strict=True))
    texts += texts[: len(before)]
    some = records([wrapped(text, style, number) for number, (text, style) in enumerate(texts)])
    rng, hold, batches, at = random.Random(seed), RecordAssembler(), [], 0
    while at < len(some):
        size = rng.randint(1, max(1, len(some) // 2))
        batches.append(batch_of("logs", 0, hold.read(some[at : at + size], NOW, Contents())).data)
        at += size
    batches.append(batch_of("logs", 0, hold.flush()).data)
    assert sum("\n".join(KEY).encode() in data for data in batches) == 1
    beside = b"\n".join(batches)
    assert beside.count(b"pod_id") == sum(style == "pod" for _, style in texts)
