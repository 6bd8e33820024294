"""The samples of each source and carrier: an object as it is written, and the events and log texts that it gives.

`tests/adapters/samples/NAME.json` is a list of samples:

    {"record": {…}, "events": [{"type": "task.started", "time": "2026-05-01T08:00:00Z", …}]}

`events` and `logs` say all that the record gives, without fields that are not set. Instead, `error` may name the
field that makes the record a dead letter. `from` is the address of the page that documents such a record.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from detector.adapters import bundled, names
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.records.log_records import Read
from detector.values.times import format_rfc3339, parse_rfc3339

FOLDER = Path(__file__).parent / "samples"
NOW = parse_rfc3339("2026-06-01T00:00:00Z")
TIMES: Final = {"time", "deadline", "not_before", "not_after", "expires_at", "issued_before"}
CARRIERS = {carrier.name for carrier in bundled.CARRIERS}


def shown(value: Any) -> Any:
    """An event as samples have it: its type, and the fields that are set."""
    if not isinstance(value, msgspec.Struct):
        return [shown(one) for one in value] if isinstance(value, tuple) else value
    tag = value.__struct_config__.tag
    made: dict[str, Any] = {"type": tag} if tag is not None else {}
    for field in msgspec.structs.fields(value):
        one = getattr(value, field.name)
        if one != field.default:
            is_time = field.name in TIMES and one is not None
            made[field.name] = format_rfc3339(one) if is_time else shown(one)
    return made


def read(record: dict[str, Any], classifier: RecordClassifier = BUNDLED) -> list[Read]:
    return list(classifier.read_object(json.dumps(record).encode(), NOW))


def gives(record: dict[str, Any], classifier: RecordClassifier = BUNDLED) -> dict[str, Any]:
    """What a record gives, as a sample says it."""
    made: dict[str, Any] = {}
    for one in read(record, classifier):
        if one.error is not None:
            made["error"] = one.error.field
        made.setdefault("events", []).extend(shown(event) for event in one.events)
        if one.log is not None:
            made.setdefault("logs", []).append(one.log.text.decode())
    return {name: value for name, value in made.items() if value}


SAMPLES = [
    pytest.param(path.stem, sample, id=f"{path.stem}-{number}")
    for path in sorted(FOLDER.glob("*.json"))
    for number, sample in enumerate(json.loads(path.read_text()))
]


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_sample_gives_what_it_says(name: str, sample: dict[str, Any]) -> None:
    said = {part: sample[part] for part in ("events", "logs", "error") if sample.get(part)}
    assert gives(sample["record"]) == said
    if name in names.SOURCES:
        assert {one.format for one in read(sample["record"])} == {name}


def test_every_source_has_a_sample_with_an_event() -> None:
    told = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert {name for name, samples in told.items() if any(one.get("events") for one in samples)} >= set(
        names.SOURCES
    )
    assert told.keys() <= {*names.SOURCES, *CARRIERS}
