"""States of ECS tasks, Batch jobs, executions and builds. The samples have the common forms; here are their edges."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.aws.task_states import translate
from detector.ingest.classify import BUNDLED
from detector.values.errors import BadRecordError
from detector.values.events import TaskEnded, TaskStarted
from detector.values.times import HOUR, parse_rfc3339
from tests.scenarios.telling import told

NOW = parse_rfc3339("2026-06-01T00:00:00Z")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "awstasks.json").read_text())
TASK = "c13b4cb40f1f4fe4a2971f76ae5a47ad"


def record(number: int, **detail: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(SAMPLES[number]["record"]))
    found["detail"] |= detail
    return found


def ended(of: dict[str, Any]) -> TaskEnded:
    (found,) = (event for event in translate(of, NOW) if isinstance(event, TaskEnded))
    return found


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ({}, "succeeded"),
        ({"containers": [{"exitCode": 0}, {"exitCode": 137}]}, "failed"),
        ({"containers": [{"exitCode": 0}, {"name": "never ran"}]}, "failed"),
        ({"containers": "x"}, "failed"),
        ({"stopCode": "UserInitiated"}, "cancelled"),
        ({"stopCode": "TaskFailedToStart", "containers": []}, "failed"),
    ],
)
def test_an_ecs_task_succeeded_if_all_its_containers_did(detail: dict[str, Any], outcome: str) -> None:
    assert ended(record(2, **detail)).outcome == outcome


def test_the_same_state_told_again_is_the_same_event() -> None:
    first, again = (
        translate(record(1), NOW),
        translate(record(1, version=3) | {"time": "2026-05-04T08:01:00Z"}, NOW),
    )
    assert first == again
    start, _ = translate(record(2), NOW)
    assert [start] == first


def test_a_task_that_never_ran_only_ends() -> None:
    stopped = record(2, startedAt=None, executionStoppedAt=None)
    (end,) = translate(stopped, NOW)
    assert isinstance(end, TaskEnded)
    assert end.time == parse_rfc3339("2026-05-04T08:10:29Z")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("SUCCEEDED", "succeeded"), ("STOPPED", "cancelled"), ("TIMED_OUT", "timed_out"), ("FAULT", "failed")],
)
def test_a_build_ends_by_its_status(status: str, outcome: str) -> None:
    assert ended(record(5, **{"build-status": status})).outcome == outcome


def test_a_build_has_the_deadline_of_its_timeout() -> None:
    (start,) = translate(record(5, **{"build-status": "IN_PROGRESS"}), NOW)
    assert isinstance(start, TaskStarted)
    assert start.deadline == start.time + HOUR
    odd = {"additional-information": {"build-start-time": "x", "timeout-in-minutes": 1e300}}
    (other,) = translate(record(5, **{"build-status": "IN_PROGRESS"}, **odd), NOW)
    assert isinstance(other, TaskStarted)
    assert (other.time, other.deadline) == (parse_rfc3339("2026-05-04T08:10:02Z"), None)


def test_other_events_of_a_bus_are_opened_as_before() -> None:
    (read,) = BUNDLED.read_object(json.dumps({"detail-type": "EC2 Spot", "detail": {"x": "y"}}).encode(), NOW)
    assert (read.format, read.events) == ("json", ())


def session_of(name: str, role: str, caller: dict[str, str]) -> str:
    """A session under a name, issued at 08:00:15, and its use at 08:40, from elsewhere."""
    shared = {
        "eventSource": "sts.amazonaws.com",
        "awsRegion": "us-east-1",
        "recipientAccountId": "111122223333",
    }
    issue = {
        **shared,
        "eventName": "AssumeRole",
        "eventID": "a-1",
        "eventTime": "2026-05-04T08:00:15Z",
        "userIdentity": caller,
        "requestParameters": {
            "roleArn": f"arn:aws:iam::111122223333:role/{role}",
            "roleSessionName": name,
        },
        "responseElements": {
            "credentials": {"accessKeyId": "ASIAEXAMPLEECS710000", "expiration": "May 4, 2026, 2:00:15 PM"}
        },
    }
    use = {
        **shared,
        "eventName": "GetCallerIdentity",
        "eventID": "a-2",
        "eventTime": "2026-05-04T08:40:00Z",
        "sourceIPAddress": "203.0.113.99",
        "userIdentity": {"type": "AssumedRole", "accessKeyId": "ASIAEXAMPLEECS710000"},
    }
    return "\n".join(map(json.dumps, (issue, use)))


def test_a_session_of_an_ecs_task_is_judged_by_the_task(tmp_path: Path) -> None:
    """ECS takes sessions of the task's role under the task's id, which CloudTrail has."""
    states = "\n".join(json.dumps(record(number)) for number in (0, 1, 2))
    ecs = {"type": "AWSService", "invokedBy": "ecs-tasks.amazonaws.com"}
    files = {"bus.jsonl": states, "trail.jsonl": session_of(TASK, "migrate", ecs)}
    found = told(tmp_path, files, until="2026-05-04T09:00:00Z")
    assert ("use-after-termination", "ASIAEXAMPLEECS710000", 1, "critical") in found.findings
    assert found.dead == ()


REQUEST = "c2a6f2ae-7dbb-4d22-8782-d0485c9877e2"


def telemetry(kind: str, at: str, **told: str) -> dict[str, Any]:
    return {"time": at, "type": f"platform.{kind}", "record": {"requestId": REQUEST, **told}}


def test_a_session_that_is_named_after_an_invocation_is_judged_by_it(tmp_path: Path) -> None:
    """A failed try comes first: Lambda tries again under the same id, so it ends nothing."""
    states = [
        {**telemetry("initStart", "2026-05-04T07:57:00Z"), "record": {"phase": "init"}},
        telemetry("start", "2026-05-04T07:58:00Z"),
        telemetry("runtimeDone", "2026-05-04T07:58:02Z", status="timeout"),
        telemetry("start", "2026-05-04T08:00:10Z"),
        telemetry("runtimeDone", "2026-05-04T08:00:30Z", status="success"),
        telemetry("report", "2026-05-04T08:00:31Z", status="success"),
    ]
    caller = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:purge",
        "accessKeyId": "ASIAEXAMPLELAMBDA000",
    }
    files = {"lambda.json": json.dumps(states), "trail.jsonl": session_of(REQUEST, "orders", caller)}
    found = told(tmp_path, files, until="2026-05-04T09:00:00Z")
    assert ("use-after-termination", "ASIAEXAMPLEECS710000", 1, "critical") in found.findings
    assert [ended.time for ended in found.events_of(TaskEnded)] == [
        parse_rfc3339("2026-05-04T08:00:30Z"),
        parse_rfc3339("2026-05-04T08:00:31Z"),
    ]


def test_what_is_no_invocation() -> None:
    at = "2026-05-04T08:00:00Z"
    for other in ({"type": "platform.start", "record": "x"}, {"type": "function", "record": {}}):
        (read,) = BUNDLED.read_object(json.dumps({**other, "time": at}).encode(), NOW)
        assert read.format == "json"
    strange = {**telemetry("start", "2026-05-04T08:00:00Z"), "detail-type": "ECS Task State Change"}
    (read,) = BUNDLED.read_object(json.dumps(strange).encode(), NOW)
    assert read.format == "json"


@pytest.mark.parametrize("source", ["my.app", "lambda", "aws", None])
def test_no_state_is_believed_that_whoever_may_put_events_could_write(source: str | None) -> None:
    """EventBridge keeps the sources `aws.…` for AWS; a job that may call `PutEvents` chooses the rest of an event."""
    (read,) = BUNDLED.read_object(json.dumps({**record(2), "source": source}).encode(), NOW)
    assert (read.format, read.events) == ("json", ())


def test_an_invocation_ends_no_task_of_another_name() -> None:
    """A function may write into its log group what the Telemetry API sends."""
    forged = telemetry("runtimeDone", "2026-05-04T08:00:30Z", status="success", requestId="github/job/71")
    with pytest.raises(BadRecordError, match=r"record\.requestId"):
        translate(forged, NOW)
