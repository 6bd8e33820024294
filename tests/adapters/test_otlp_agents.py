"""Spans of agents as tasks: only where it is configured, under names that no other source gives, strictly read."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.otlp.agent_spans import CONVERSATIONS, OFF, RUNS
from detector.adapters.otlp.requests import Otlp
from detector.configuration.settings import Settings
from detector.ingest.classify import BUNDLED
from detector.ingest.mapped_adapter import configured_classifier
from detector.records.log_records import Read
from detector.values.events import TaskEnded, TaskStarted
from tests.adapters.test_otlp import NANOS, SPAN, TRACE, attributes, proto
from tests.ingest.collecting import NOW

MINUTE = 60 * 10**9


def span(values: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "a span",
        "startTimeUnixNano": str(NANOS),
        "endTimeUnixNano": str(NANOS + MINUTE),
        "attributes": attributes(values),
        **fields,
    }


def request(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": attributes({"service.name": "planner", "k8s.pod.name": "planner-0"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def read(mode: str, *spans: dict[str, Any]) -> list[Read]:
    value = request(*spans)
    reads = list(Otlp(mode).read_json(value, NOW))
    assert [each.events for each in reads] == [
        each.events for each in Otlp(mode).read_protobuf(proto(value), NOW) or ()
    ]
    return reads


def tasks(mode: str, *spans: dict[str, Any]) -> list[tuple[str, str, str | None, int]]:
    found: list[tuple[str, str, str | None, int]] = []
    for event in (event for each in read(mode, *spans) for event in each.events):
        assert isinstance(event, TaskStarted | TaskEnded)
        if isinstance(event, TaskStarted):
            found.append(("start", event.task_id, event.parent_task_id, event.time - NANOS))
        else:
            found.append(("end", event.task_id, event.outcome, event.time - NANOS))
    return found


INVOKED = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Planner"}
CALLED = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "call_7"}
CONVERSATION = {"gen_ai.conversation.id": "conv_5"}
RUN = f"agent/{TRACE}/{SPAN}"


def test_off_nothing_is_a_task_and_a_broken_span_is_no_error() -> None:
    assert tasks(OFF, span({**INVOKED, **CONVERSATION}), span(CALLED)) == []
    (only,) = Otlp(OFF).read_json(request(span(INVOKED, traceId="x")), NOW)
    assert only.error is None


def test_by_runs_a_conversation_begins_and_each_of_its_runs_ends() -> None:
    assert tasks(RUNS, span({**INVOKED, **CONVERSATION})) == [
        ("start", "agent/conv_5", None, 0),
        ("start", RUN, "agent/conv_5", 0),
        ("end", RUN, "succeeded", MINUTE),
    ]
    assert tasks(RUNS, span(INVOKED)) == [("start", RUN, None, 0), ("end", RUN, "succeeded", MINUTE)]


def test_by_conversations_its_one_run_ends_it() -> None:
    workflow = {"gen_ai.operation.name": "invoke_workflow", **CONVERSATION}
    for values in ({**INVOKED, **CONVERSATION}, workflow):
        assert tasks(CONVERSATIONS, span(values)) == [
            ("start", "agent/conv_5", None, 0),
            ("end", "agent/conv_5", "succeeded", MINUTE),
        ]


@pytest.mark.parametrize(
    ("values", "fields", "task", "parent"),
    [
        ({**CALLED, **CONVERSATION}, {}, "agent/conv_5/call_7", "agent/conv_5"),
        (CALLED, {"parentSpanId": "ab" * 8}, f"agent/{TRACE}/{'ab' * 8}/call_7", f"agent/{TRACE}/{'ab' * 8}"),
        ({"gen_ai.operation.name": "execute_tool"}, {}, f"agent/{TRACE}/{SPAN}", None),
        ({"mcp.method.name": "tools/call", "mcp.session.id": "s1"}, {}, f"agent/s1/{SPAN}", "agent/s1"),
    ],
)
@pytest.mark.parametrize("mode", [RUNS, CONVERSATIONS])
def test_a_tool_call_is_a_task_of_its_conversation_session_or_parent(
    mode: str, values: dict[str, Any], fields: dict[str, Any], task: str, parent: str | None
) -> None:
    assert tasks(mode, span(values, **fields)) == [
        ("start", task, parent, 0),
        ("end", task, "succeeded", MINUTE),
    ]


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_a_span_with_an_error_has_failed(code: Any) -> None:
    events = next(Otlp(RUNS).read_json(request(span(INVOKED, status={"code": code})), NOW)).events
    assert [event.outcome for event in events if isinstance(event, TaskEnded)] == ["failed"]


def test_who_and_where_are_told_and_the_same_span_is_the_same_event() -> None:
    (first,), (second,) = (read(CONVERSATIONS, span({**INVOKED, **CONVERSATION})) for _ in range(2))
    assert first.events == second.events
    start = first.events[0]
    assert isinstance(start, TaskStarted)
    assert (start.owner, start.workload, start.kind) == ("Planner", "planner-0", "agent")
    assert {(event.source, event.id) for event in first.events} == {
        ("otlp/planner", f"{TRACE}/{SPAN}/started"),
        ("otlp/planner", f"{TRACE}/{SPAN}/ended"),
    }


@pytest.mark.parametrize("values", [{"gen_ai.operation.name": "chat"}, {}, {"mcp.method.name": "initialize"}])
def test_other_spans_are_no_tasks(values: dict[str, Any]) -> None:
    assert tasks(RUNS, span(values)) == []


@pytest.mark.parametrize(
    ("fields", "reason", "name"),
    [
        ({"traceId": ""}, "missing-field", "traceId"),
        ({"spanId": "0" * 16}, "wrong-field", "spanId"),
        ({"spanId": "xyz"}, "wrong-field", "spanId"),
        ({"startTimeUnixNano": "0"}, "missing-field", "startTimeUnixNano"),
        ({"endTimeUnixNano": "soon"}, "bad-time", "endTimeUnixNano"),
        ({"endTimeUnixNano": str(2 * NANOS)}, "future-time", "endTimeUnixNano"),
    ],
)
def test_a_span_of_an_agent_that_lacks_something_is_told_and_scanned(
    fields: dict[str, Any], reason: str, name: str
) -> None:
    (only,) = Otlp(RUNS).read_json(request(span({**INVOKED, "secret": "MARK"}, **fields)), NOW)
    assert only.events == ()
    assert only.error is not None
    assert (only.error.reason, only.error.field) == (
        reason,
        f"resourceSpans[0].scopeSpans[0].spans[0].{name}",
    )
    assert only.log is not None
    assert b"secret=MARK" in only.log.rest


def test_the_configuration_switches_it_on_and_names_tasks_of_logs(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("""[logs]\nagents = "conversations"\ntask_id = ['ci/{"ci.job.id"}', "{labels.job}"]\n""")
    classifier = configured_classifier(Settings.load(str(file), {}).sources)
    value = request(span({**INVOKED, **CONVERSATION, "ci.job.id": 7}))
    (only,) = classifier.read_object(json.dumps(value).encode(), NOW)
    assert len(only.events) == 2
    (encoded,) = list(classifier.read_encoded(proto(value), NOW) or ())
    for found in (only, encoded):
        assert found.log is not None
        assert found.log.task_id == "ci/7"
    for record, task in (
        ({"message": "x", "labels": {"job": "j"}}, "j"),
        ({"message": "x", "labels": {"job": "j"}, "task_id": "own"}, "own"),
        ({"message": "x", "kubernetes": {"pod_id": "u"}}, "u"),
        ({"MESSAGE": "x", "__REALTIME_TIMESTAMP": "1", "labels": {"job": "j"}}, "j"),
    ):
        (found,) = classifier.read_object(json.dumps(record).encode(), NOW)
        assert found.log is not None
        assert found.log.task_id == task
    assert not next(BUNDLED.read_object(json.dumps(value).encode(), NOW)).events
    assert not next(classifier.logs_only().read_encoded(proto(value), NOW) or iter(())).events


def test_a_wrong_word_in_the_configuration_is_told(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[logs]\nagents = "all"\n')
    with pytest.raises(Exception, match=r"logs.agents"):
        Settings.load(str(file), {})
