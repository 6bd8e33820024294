"""How settings reach the stages."""

from pathlib import Path

import pytest

from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.service.composition import classifier_in_topics
from detector.service.topics import check_topics, plans
from detector.values.errors import StopError
from detector.values.times import parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
CONFIGURATION = """
[kafka]
bootstrap = "127.0.0.1:9092"
event_topics = ["audit", "lifecycle-?"]
log_topics = ["ci-logs", "pods.*"]

[[source]]
name = "robots"
match = [{ path = "robot", exists = true }]

[[source.event]]
type = "task.ended"
time = "{at}"
id = "{id}"
task_id = "{robot}"
"""
LINE = b'{"robot": "r2", "at": "2026-05-01T00:00:00Z", "id": 1}'


def test_events_are_believed_from_topics_of_events_alone(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text(CONFIGURATION)
    settings = Settings.load(str(path), {})
    classifier_of = classifier_in_topics(settings.live(), configured_classifier(settings.sources))
    events = {
        topic: sum(len(read.events) for read in classifier_of(topic).read_object(LINE, NOW))
        for topic in ("audit", "lifecycle-2", "ci-logs", "pods.web", "pods")
    }
    assert events == {"audit": 1, "lifecycle-2": 1, "ci-logs": 0, "pods.web": 0, "pods": 0}


def test_what_is_missing_is_told_to_whom_it_concerns(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text(f'{CONFIGURATION}[kafka.redacted]\ntopics = ["ci-*"]\n')
    live = Settings.load(str(path), {}).live()
    found = {topic.name: topic.partitions for topic in live.topics.all()}
    with pytest.raises(StopError, match=r"there is no topic ci-logs\.redacted: run curfewd topics create"):
        check_topics(live, found)
    assert check_topics(live, found, scans=False) == []  # who only judges may see none of them
    found |= {"ci-logs.redacted": 2, "ci-logs": 2}
    assert check_topics(live, found) == ["audit"]


def test_a_topic_that_carries_events_and_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text(CONFIGURATION.replace('"lifecycle-?"', '"*.audit"'))
    live = Settings.load(str(path), {}).live()
    found = {topic.name: topic.partitions for topic in live.topics.all()}
    assert check_topics(live, {**found, "audit": 1, "ci-logs": 1, "ci.audit": 1}) == []
    both = {**found, "pods.audit": 1}
    for refuse in (check_topics, plans):
        with pytest.raises(StopError, match=r"^pods\.audit: matches event_topics and log_topics"):
            refuse(live, both)
    assert check_topics(live, both, scans=False) == []
    assert not live.carries_events("pods.audit")  # if it is made later, it is text
