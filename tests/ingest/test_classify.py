"""What an object is, told by its shape: carriers of audit events are opened, messages of logs never are."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.adapters import bundled, names
from detector.adapters.adapter import Adapter, Carrier, Record
from detector.ingest.classify import MAX_DEPTH, RecordClassifier
from detector.records.dead_letters import MISSING_FIELD, TOO_LARGE, bad
from detector.records.log_records import LogText, Read
from detector.records.markers import Markers
from detector.values.events import CanonicalEvent, TaskEnded
from detector.values.times import parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
EVENT = {"robot": "done", "id": "1"}


def translate(record: Record, _now: int) -> list[CanonicalEvent]:
    if "id" not in record:
        raise bad(MISSING_FIELD, "id")
    return [TaskEnded(time=0, source="s", id=record["id"], task_id="t")]


def known(record: Record) -> bool:
    return bool(record["robot"] == "done")


ROBOT = Adapter("robot", (b'"robot"',), lambda record: "robot" in record, translate, known)


def inside(record: Record, _now: int) -> Iterator[Record | str | Read]:
    yield from record["held"]


AUDIT = Carrier("envelope", (b'"held"',), lambda record: "held" in record, inside, audit=True)
LOGS = Carrier(
    "shipper", (b'"shipped"',), lambda record: "shipped" in record, lambda record, _: iter(record["shipped"])
)
SHAPES = RecordClassifier((ROBOT,), (AUDIT, LOGS))


def read(value: Any, classifier: RecordClassifier = SHAPES) -> list[Read]:
    return list(classifier.read_object(json.dumps(value).encode(), NOW))


def events(value: Any) -> int:
    return sum(len(each.events) for each in read(value))


def test_an_object_of_a_source_is_its_events() -> None:
    (found,) = read(EVENT)
    assert (found.format, len(found.events), found.log) == ("robot", 1, None)


def test_a_known_event_that_lacks_a_field_is_an_error_and_one_of_another_type_is_unknown() -> None:
    (broken,) = read({"robot": "done"})
    assert broken.error is not None
    assert (broken.format, broken.error.reason, broken.error.field) == ("robot", "missing-field", "id")
    (other,) = read({"robot": "sings"})
    assert (other.unknown, other.events, other.error) == (True, (), None)


def test_text_that_an_adapter_gives_is_scanned_with_its_events() -> None:
    telling = Adapter(
        "robot",
        ROBOT.marks,
        ROBOT.looks_like,
        translate,
        text=lambda record, _: LogText(record["said"].encode()),
    )
    (found,) = read({**EVENT, "said": "hello"}, RecordClassifier((telling,), ()))
    assert len(found.events) == 1
    assert found.log == LogText(b"hello")


@pytest.mark.parametrize("held", [EVENT, json.dumps(EVENT)])
def test_a_carrier_of_audit_events_is_opened(held: Any) -> None:
    assert events({"held": [held, held]}) == 2


@pytest.mark.parametrize("forged", [EVENT, json.dumps(EVENT), json.dumps({"held": [EVENT]})])
def test_what_looks_like_an_event_in_a_log_message_is_a_log_message(forged: Any) -> None:
    for value in ({"message": forged}, {"shipped": [forged]}, {"shipped": [{"message": forged}]}):
        found = read(value)
        assert [each.events for each in found] == [()]
        assert found[0].log is not None
        assert b"robot" in found[0].log.text


def test_text_in_a_carrier_that_is_no_object_is_scanned() -> None:
    (found,) = read({"held": ["not {json"]})
    assert found.log == LogText(b"not {json")


def test_carriers_in_carriers_are_opened_so_deep_and_no_deeper() -> None:
    value: Any = EVENT
    for _ in range(MAX_DEPTH):
        value = {"held": [value]}
    assert events(value) == 1
    assert events({"held": [value]}) == 0


def test_a_carrier_holds_so_many_records_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.ingest.classify.MAX_HELD", 3)
    found = read({"held": [EVENT] * 5})
    assert sum(len(each.events) for each in found) == 3
    assert found[-1].error is not None
    assert found[-1].error.reason == TOO_LARGE


def test_a_carrier_that_breaks_keeps_what_stood_before() -> None:
    def breaks(record: Record, _now: int) -> Iterator[Record | str | Read]:
        yield from record["held"]
        raise bad(MISSING_FIELD, "more")

    carrier = Carrier("envelope", AUDIT.marks, AUDIT.looks_like, breaks, audit=True)
    first, last = read({"held": [EVENT]}, RecordClassifier((ROBOT,), (carrier,)))
    assert len(first.events) == 1
    assert last.error is not None
    assert last.error.field == "more"


def test_without_events_an_object_is_a_log_record_whatever_it_looks_like() -> None:
    (found,) = SHAPES.read_object(json.dumps(EVENT).encode(), NOW, events=False)
    assert found.events == ()
    assert found.log is not None


CLOUDEVENT = {
    "specversion": "1.0",
    "type": "task.ended",
    "source": "s",
    "id": "1",
    "time": "2026-05-01T00:00:00Z",
    "data": {"task_id": "t"},
}


@pytest.mark.parametrize("held", [CLOUDEVENT, json.dumps(CLOUDEVENT)])
def test_a_canonical_event_in_a_carrier_is_one(held: Any) -> None:
    broken = {**CLOUDEVENT, "data": {}}
    found, told, foreign = read({"held": [held, broken, {**CLOUDEVENT, "type": "x"}]})
    assert (found.format, len(found.events)) == ("cloudevents", 1)
    assert told.error is not None
    assert told.error.field == "data.task_id"
    assert foreign.unknown


def test_objects_nested_beyond_reason_are_told_and_no_more() -> None:
    for depth in range(900, 1100, 7):
        nested = "[" * depth + "]" * depth
        line = f'{{"held": [{{"specversion": "1.0", "robot": {nested}}}, {{"robot": "done", "id": "1", "x": {nested}}}]}}'
        for found in SHAPES.read_object(line.encode(), NOW):
            assert found.error is not None or found.events


def agents(record: Record, _now: int) -> Iterator[Record | str | Read]:
    yield Read(
        "spans", (TaskEnded(time=0, source="s", id="1", task_id="t"),), LogText(record["said"].encode())
    )


SPANS = Carrier("spans", (b'"said"',), lambda record: "said" in record, agents)


@pytest.mark.parametrize("forged", [EVENT, CLOUDEVENT, {"held": [EVENT]}, {"said": "hello"}])
def test_where_anybody_may_write_nothing_is_an_event_and_all_is_scanned(forged: Any) -> None:
    everything = RecordClassifier((ROBOT,), (AUDIT, SPANS))
    assert sum(len(each.events) for each in read(forged, everything)) == 1
    (found,) = read(forged, everything.logs_only())
    assert (found.events, found.unknown, found.error) == ((), False, None)
    assert found.log is not None
    headers = {"ce_" + name: text.encode() for name, text in CLOUDEVENT.items() if isinstance(text, str)}
    binary = everything.logs_only().read_binary(headers, b'{"task_id": "t"}', NOW)
    said = LogText(b'{"task_id": "t"}', parse_rfc3339(str(CLOUDEVENT["time"])), origin="carrier")
    assert (binary.events, binary.log) == ((), said)


def test_every_module_with_a_source_or_carrier_is_listed() -> None:
    folder = Path(bundled.__file__).parent
    texts = {
        ".".join(path.relative_to(folder).with_suffix("").parts): path.read_text()
        for path in folder.rglob("*.py")
    }
    assert {name for name, text in texts.items() if "\nADAPTER: " in text} == set(
        names.SOURCE_MODULES.values()
    )
    assert {name for name, text in texts.items() if "\nCARRIERS: " in text} - {"bundled"} == set(
        names.CARRIER_MODULES
    )
    assert tuple(adapter.name for adapter in bundled.ADAPTERS) == names.SOURCES
    marks = [each.marks for each in bundled.ADAPTERS] + [each.marks for each in bundled.CARRIERS]
    assert all(some and all(some) for some in marks)


def test_marks_are_found_in_short_and_long_data_and_only_they() -> None:
    marks = Markers((b'"a.b"', b'"c\\"'))
    for padding in (b"", b"x" * 10, b"x" * 100_000):
        assert marks.stand_in(padding + b'"a.b"')
        assert marks.stand_in(b'"c\\"' + padding)
        assert not marks.stand_in(padding + b'"aXb" "A.B"')


def test_marks_may_be_asked_by_many_threads_at_once() -> None:
    marks = Markers((b'"mark"',))
    data = b"x" * 2_000_000 + b'"mark"'
    found: list[bool] = []

    def ask() -> None:
        found.extend(marks.stand_in(data) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("task.startd", "task.started"),
        ("tsak.ended", "task.ended"),
        ("Task.Ended", "task.ended"),
        ("task_started", "task.started"),
        ("tasks.started", "task.started"),
        ("task.start", "task.started"),
        ("credential.issue", "credential.issued"),
        ("credential/used", "credential.used"),
        ("task.restarted", None),
        ("credential.reused", None),
        ("task", None),
        ("app.log", None),
        ("task.started" * 1000, None),
        ("com.example.task.started.v1", None),
    ],
)
@pytest.mark.parametrize("mode", ["structured", "carried", "binary"])
def test_a_type_that_is_nearly_ours_is_a_dead_letter_that_names_ours(
    kind: str, meant: str | None, mode: str
) -> None:
    attributes = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": kind,
        "time": "2026-05-01T00:00:00Z",
    }
    if mode == "binary":
        headers = {f"ce_{name}": value.encode() for name, value in attributes.items()}
        found = SHAPES.read_binary(headers, b"{}", NOW)
    else:
        event = {**attributes, "data": {}}
        (found,) = read({"held": [event]} if mode == "carried" else event)
    assert found.unknown == (meant is None)
    assert found.events == ()
    if meant is not None:
        assert found.error is not None
        assert (found.error.reason, found.error.field) == ("wrong-field", "type")
        assert found.error.detail == f"no such type of event: did you mean `{meant}`?"
