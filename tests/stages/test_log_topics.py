"""Topics that carry text: nothing in them is an event, whatever carries it, and what looks like one is counted."""

import json
from typing import Any

import pytest

from detector.configuration.mapped_sources import LogSettings, SourceSettings
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.mapped_adapter import configured_classifier
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.stages.scan import PartitionScanner, ScanFacts
from tests.adapters.shippers import SHIPPERS
from tests.bundled import bundled_scanner
from tests.fake_records import NOW, FakeRecord

SECRET = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"  # made up
EVENT: dict[str, Any] = {
    "specversion": "1.0", "id": "1", "source": "s", "type": "task.ended", "time": "2026-05-31T10:00:00Z",
    "data": {"task_id": "t"},
}  # fmt: skip
REVOKED = {
    "time": "2026-05-04T08:04:30Z",
    "type": "response",
    "auth": {"token_type": "service"},
    "request": {
        "id": "f-1",
        "path": "auth/token/revoke-accessor",
        "data": {"accessor": "hmac-sha256:" + "cd" * 32},
    },
    "response": {},
}
SPAN = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b174",
                            "name": "invoke_agent planner",
                            "startTimeUnixNano": "1780221600000000000",
                            "endTimeUnixNano": "1780221660000000000",
                            "attributes": [
                                {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}},
                                {"key": "gen_ai.agent.name", "value": {"stringValue": "planner"}},
                            ],
                        }
                    ]
                }
            ]
        }
    ]
}
CARRIED: dict[str, Any] = {
    "an event": EVENT,
    "a source's event": REVOKED,
    "EventBridge": {
        "version": "0", "id": "1", "detail-type": "x", "source": "s", "account": "1", "time": EVENT["time"],
        "region": "eu-west-1", "resources": [], "detail": EVENT,
    },
    "Kafka Connect": {"schema": None, "payload": EVENT},
    "Kafka Connect around text": {"schema": None, "payload": json.dumps(EVENT)},
    "an array": [EVENT],
    "a span": SPAN,
}  # fmt: skip
CLASSIFIER = configured_classifier(SourceSettings(logs=LogSettings(agents="runs")))


def scanned(records: list[FakeRecord], classifier: RecordClassifier) -> ScanFacts:
    finder = LeakFinder(bundled_scanner(), KnownIndex([], []), [])
    return PartitionScanner("logs", 0, classifier).scan(records, finder, NOW)


@pytest.mark.parametrize("what", CARRIED)
def test_nothing_in_a_topic_of_text_is_an_event(what: str) -> None:
    value = json.dumps(CARRIED[what], separators=(",", ":")).encode()
    plain = b'{"message": "hello"}'
    records = [FakeRecord(each, offset) for offset, each in enumerate([plain, value, plain, value])]
    believed = scanned(records, CLASSIFIER)
    assert len(believed.events) >= 2
    assert believed.suspects == 0
    facts = scanned(records, CLASSIFIER.logs_only())
    assert facts.events == []
    assert facts.unknown == 0
    assert facts.suspects == 2


@pytest.mark.parametrize("shipper", SHIPPERS)
def test_what_a_shipper_merged_is_no_event(shipper: str) -> None:
    plain, merged = SHIPPERS[shipper]
    values = [plain("hello"), merged(EVENT), plain("again"), merged({**EVENT, "type": "credential.revoked"})]
    facts = scanned(
        [FakeRecord(json.dumps(value).encode(), offset) for offset, value in enumerate(values)],
        BUNDLED.logs_only(),
    )
    assert facts.events == []
    assert facts.formats["json"] == 4


@pytest.mark.parametrize("shipper", sorted(SHIPPERS.keys() - {"Fluent Bit"}))
def test_what_a_shipper_merged_is_no_event_among_events_either(shipper: str) -> None:
    """Fluent Bit's record without Kubernetes has nothing of its own but a `date`."""
    _, merged = SHIPPERS[shipper]
    values = [EVENT, merged({**EVENT, "id": "2"}), {**EVENT, "id": "3"}]
    for carried in (values, [{"schema": None, "payload": value} for value in values]):
        records = [
            FakeRecord(json.dumps(value, separators=(",", ":")).encode(), offset)
            for offset, value in enumerate(carried)
        ]
        assert [event.id for _, event in scanned(records, BUNDLED).events] == ["1", "3"]


def test_a_cloudevent_in_binary_mode_is_text_and_is_scanned() -> None:
    headers = [
        (f"ce_{name}", str(EVENT[name]).encode()) for name in ("specversion", "id", "source", "type", "time")
    ]
    record = FakeRecord(json.dumps({"task_id": SECRET}).encode(), headers=headers)
    facts = scanned([record], BUNDLED.logs_only())
    assert (facts.events, facts.suspects, len(facts.leaks)) == ([], 1, 1)
    assert len(scanned([record], BUNDLED).events) == 1


def test_the_text_of_what_looks_like_an_event_is_scanned() -> None:
    record = FakeRecord(json.dumps({**EVENT, "data": {"task_id": "t", "outcome": SECRET}}).encode())
    assert len(scanned([record], BUNDLED.logs_only()).leaks) == 1


def test_text_in_a_topic_of_events_is_scanned() -> None:
    line = FakeRecord(json.dumps({"message": SECRET}).encode(), 1)
    facts = scanned([FakeRecord(json.dumps(EVENT).encode(), 0), line], BUNDLED)
    assert (len(facts.events), len(facts.leaks)) == (1, 1)
