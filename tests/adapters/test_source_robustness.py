"""Whatever stands in a field of any source's record: it is read, or told why not, and nothing breaks."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.adapters import names
from detector.ingest.classify import BUNDLED
from detector.records.dead_letters import REASONS
from detector.records.log_records import Read
from detector.values.times import parse_rfc3339
from tests.scenarios import test_carriers, test_oauth, test_schedulers
from tests.scenarios.telling import STORIES

SAMPLES = Path(__file__).parent / "samples"
NOW = parse_rfc3339("2026-06-01T00:00:00Z")
STRANGE: tuple[Any, ...] = (
    None, "", "x", 0, -1, 1 << 70, 1.5, True, [], {}, [None], ["x"], {"x": "y"}, [{}], [[]], "2026-05-01T00:00:00Z", "\ud800", "\0",
)  # fmt: skip


@cache
def records() -> tuple[tuple[str, dict[str, Any]], ...]:
    """(source, record) of every object in the stories, and in the samples of sources without a story."""
    found = []
    for text in _texts():
        if text.startswith("{"):
            (first, *_) = BUNDLED.read_object(text.strip().encode(), NOW)
            found.append((first.format, json.loads(text)))
    told = {source for source, _ in found}
    for path in sorted(SAMPLES.glob("*.json")):
        if path.stem not in told:
            found += [(path.stem, sample["record"]) for sample in json.loads(path.read_text())]
    return tuple(found)


def _texts() -> Iterator[str]:
    for path in (path for name in sorted(STORIES) for path in sorted(STORIES[name].rglob("*"))):
        if path.suffix in (".json", ".jsonl", ".log"):
            yield from [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines()
    for story in test_oauth.STORY.values():
        yield from story.splitlines()
    schedulers = test_schedulers
    for record in (
        schedulers.lineage("START", schedulers.START),
        schedulers.instance("success"),
        schedulers.workflow("Succeeded"),
        schedulers.tekton("successful", schedulers.END),
        schedulers.cdevent("finished", schedulers.END),
        schedulers.build("FINALIZED", schedulers.END_MS),
    ):
        yield json.dumps(record)
    yield from test_carriers.exported(test_carriers.CALL, test_carriers.RUN).splitlines()


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value, as the names and numbers on the way."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield (*way, name)
        yield from places(item, (*way, name))


def unlike() -> list[dict[str, Any]]:
    """Of records of a source with the same fields and the same kinds of events, one."""
    found: dict[Any, dict[str, Any]] = {}
    for source, record in records():
        fields = frozenset(tuple(name for name in way if isinstance(name, str)) for way in places(record))
        told = tuple((one.error and one.error.field, *map(type, one.events)) for one in read(record))
        found.setdefault((source, fields, told), record)
    return copy.deepcopy(list(found.values()))


def with_changed(record: dict[str, Any], way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    node: Any = changed
    for name in way[:-1]:
        node = node[name]
    node[way[-1]] = value
    return changed


def read(record: dict[str, Any]) -> list[Read]:
    return list(BUNDLED.read_object(json.dumps(record).encode(), NOW))


def test_the_stories_have_records_of_many_sources() -> None:
    assert {source for source, _ in records()} >= set(names.SOURCES)
    assert len(records()) > 60


@pytest.mark.slow
def test_any_value_in_a_field_is_read_or_told() -> None:
    for record in unlike():
        for way in list(places(record)):
            node, name = _at(record, way[:-1]), way[-1]
            kept = node[name]
            for value in STRANGE:  # in place: copies would take as long as the reading
                node[name] = value
                _check(record)
            node[name] = kept


@settings(max_examples=200)
@given(st.data())
def test_any_values_in_some_fields_are_read_or_told(data: st.DataObject) -> None:
    _, record = data.draw(st.sampled_from(records()))
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(list(places(record))))
        record = with_changed(record, way, data.draw(st.sampled_from(STRANGE)))
    _check(record)


def _check(record: dict[str, Any]) -> None:
    for found in read(record):
        if found.error is not None:
            assert found.error.reason in REASONS
            assert found.events == ()
            assert found.error.field != ""


@pytest.mark.parametrize("extra", ["x", None, {"a": {"b": []}}, [1, {"c": None}]], ids=repr)
def test_fields_that_nobody_knows_are_ignored(extra: Any) -> None:
    for _, record in (each for each in records() if each[0] in names.SOURCES):
        objects = [(), *(way for way in places(record) if isinstance(_at(record, way), dict))]
        for way in objects:
            wider = with_changed(record, (*way, "x-unheard-of"), extra)
            assert [each.events for each in read(wider)] == [each.events for each in read(record)], way


def _at(record: Any, way: tuple[Any, ...]) -> Any:
    for name in way:
        record = record[name]
    return record


@pytest.mark.parametrize("source", sorted({source for source, _ in records()} & set(names.SOURCES)))
def test_a_field_that_an_event_needs_is_named_where_it_is_missing(source: str) -> None:
    """Some field of each source is needed, and the dead letter has its name, which is that of a field."""
    told = set()
    for _, record in (each for each in records() if each[0] == source):
        for way in places(record):
            for found in read(with_changed(record, way, None)):
                if found.error is not None:
                    assert found.error.field
                    told.add(found.error.field)
    assert told
