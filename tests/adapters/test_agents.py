"""Agents over their lives: a gateway's key used after its run ended, a secret in a tool's arguments, whole traces."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted
from detector.values.secrets import Secret, sha256_hex
from tests.adapters.test_samples import FOLDER, NOW
from tests.scenarios.telling import told

UNTIL = "2026-05-02T00:00:00Z"
RUN = "1b64098b-4ab7-43f6-afee-992304f198d8"
TOKEN = "sk-" + "Jq8Zr2LxT0vNc4Wm7YpKdA"
SESSION = "0d9f1c"


def sample(name: str, number: int) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())[number]["record"]
    return record


def lines(*records: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


def made(**values: Any) -> dict[str, Any]:
    """The audit record of a key made for the run."""
    held = {
        "key_alias": "research-42",
        "expires": "2026-05-01T09:00:00Z",
        "metadata": {"task_id": f"langsmith/{RUN}"},
    }
    key = sha256_hex(Secret(TOKEN.encode()))
    change = {**sample("litellm", 0), "object_id": key, "changed_by_api_key": ""}
    return {**change, "updated_values": json.dumps({**held, **values})}


def request(at: str) -> dict[str, Any]:
    whole = sample("litellm", 5)
    key = {"user_api_key_hash": sha256_hex(Secret(TOKEN.encode()))}
    return {**whole, "startTime": at, "metadata": {**whole["metadata"], **key}}


def test_a_key_that_calls_a_tool_after_its_agent_ended_is_found(tmp_path: Path) -> None:
    files = {
        "runs.jsonl": lines(sample("langsmith", 0), sample("langsmith", 1)),
        "litellm.jsonl": lines(made(), request("2026-05-01 08:20:00")),
    }
    found = told(tmp_path / "in", files, until=UNTIL)
    assert found.rules == {"outlives-task", "use-after-termination"}
    late = found.finding("use-after-termination")
    assert late.evidences[0].event.resource == "weather/get_weather"  # type: ignore[union-attr]
    (command,) = found.result.commands
    assert command.credential.revocation == {
        "provider": "litellm",
        "method": "delete-key",
        "key_alias": "research-42",
    }
    assert sha256_hex(Secret(TOKEN.encode())) not in command.credential.credential_id


def test_a_request_while_the_agent_runs_is_none(tmp_path: Path) -> None:
    revoked = {**sample("litellm", 1), "object_id": made()["object_id"], "updated_at": "2026-05-01 08:05:30"}
    files = {
        "runs.jsonl": lines(sample("langsmith", 0)),
        "litellm.jsonl": lines(made(), request("2026-05-01 08:02:00"), revoked),
    }
    assert told(tmp_path / "in", files, until=UNTIL).rules == set()


def issued() -> dict[str, Any]:
    digest = {"scheme": "sha256", "value": sha256_hex(Secret(TOKEN.encode())), "length": len(TOKEN)}
    data = {"credential_id": "research/key", "task_id": f"langsmith/{RUN}", "identifiers": [digest]}
    envelope = {"specversion": "1.0", "type": "credential.issued", "source": "broker", "id": "1"}
    return {
        **envelope,
        "time": "2026-05-01T08:00:00Z",
        "data": {**data, "expires_at": "2026-05-01T08:05:00Z"},
    }


CALLED: dict[str, dict[str, Any]] = {
    "langsmith": {**sample("langsmith", 1), "inputs": {"headers": {"Authorization": f"Bearer {TOKEN}"}}},
    "langfuse": {**sample("langfuse", 6), "input": {"args": [{"key": TOKEN}]}},
    "litellm": {**sample("litellm", 5), "response": {"content": [{"type": "text", "text": f"found {TOKEN}"}]}},
    "agentcore": {**sample("agentcore", 0), "body": {"requestBody": f"{{params={{arguments={{key={TOKEN}}}}}}}"}},
    "json": {
        "jsonrpc": "2.0", "id": 3, "method": "tools/call", "time": "2026-05-01T08:01:00Z", "mcp.session.id": SESSION,
        "params": {"name": "fetch", "arguments": {"headers": [f"Authorization: Bearer {TOKEN}"]}},
    },
}  # fmt: skip
TASKS = {
    "langsmith": f"langsmith/{sample('langsmith', 1)['id']}",
    "langfuse": f"langfuse/{sample('langfuse', 6)['traceId']}/{sample('langfuse', 6)['id']}",
    "litellm": "agent/sess-abc123",
    "agentcore": sample("agentcore", 0)["trace_id"],
    "json": f"agent/{SESSION}",
}


@pytest.mark.parametrize("name", CALLED)
def test_a_credential_in_a_tools_arguments_or_result_leaks(name: str, tmp_path: Path) -> None:
    files = {"issues.jsonl": lines(issued()), "calls.jsonl": lines(CALLED[name])}
    found = told(tmp_path / "in", files, until=UNTIL)
    (evidence,) = found.finding("leaked-credential").evidences
    assert evidence.event.task_id == TASKS[name]  # type: ignore[union-attr]
    (read,) = BUNDLED.read_object(lines(CALLED[name]), NOW)
    assert read.format == name


def test_a_span_of_a_session_is_of_its_task() -> None:
    attributes = [{"key": "mcp.session.id", "value": {"stringValue": SESSION}}]
    span = {"name": "tools/call fetch", "traceId": "0" * 31 + "1", "attributes": attributes}
    (read,) = BUNDLED.read_object(lines({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}), NOW)
    assert read.log is not None
    assert read.log.task_id == f"agent/{SESSION}"


@pytest.mark.parametrize(
    ("name", "later"),
    [("agentcore", {"event_timestamp": 4_000_000_000_000}), ("litellm", {"startTime": 4e9})],
)
def test_a_time_that_is_still_to_come_is_none(name: str, later: dict[str, Any]) -> None:
    (read,) = BUNDLED.read_object(lines({**CALLED[name], **later}), NOW)
    assert read.log is not None
    assert read.log.time is None
    assert TOKEN.encode() in read.log.text


def test_what_a_tool_returned_as_json_in_text_is_read(tmp_path: Path) -> None:
    text = json.dumps({"stdout": f"export API_KEY={TOKEN}\n"})
    result = {"content": [{"type": "text", "text": text}], "isError": False}
    answer = {"jsonrpc": "2.0", "id": 2, "time": "2026-05-01T08:01:00Z", "result": result}
    files = {"issues.jsonl": lines(issued()), "calls.jsonl": lines(answer)}
    assert "leaked-credential" in told(tmp_path / "in", files, until=UNTIL).rules


def events(record: dict[str, Any]) -> tuple[CanonicalEvent, ...]:
    return tuple(event for read in BUNDLED.read_object(lines(record), NOW) for event in read.events)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["2026-05-01T08:02:00Z", "2026-05-01T08:07:00Z", None]), min_size=1, max_size=4)
)
def test_a_trace_given_whole_ends_with_its_last_observation_and_not_before(ends: list[str | None]) -> None:
    root = sample("langfuse", 6)
    trace = root["traceId"]
    parts = [{**root, "id": str(number), "endTime": end} for number, end in enumerate(ends)]
    record = {"id": trace, "timestamp": "2026-05-01T08:00:00Z", "observations": parts}
    found = [event for event in events(record) if isinstance(event, TaskEnded)]
    own = [event.time for event in found if event.task_id == f"langfuse/{trace}"]
    each = [event.time for event in found if event.task_id != f"langfuse/{trace}"]
    assert len(each) == sum(end is not None for end in ends)
    assert own == ([] if None in ends else [max(each)])


@pytest.mark.parametrize("claimed", ["github/job/71", "../../github/job/71", "k8s/ci/a\n"])
def test_an_agents_record_names_no_task_of_another_source(claimed: str) -> None:
    langfuse = {**sample("langfuse", 7), "traceId": claimed, "id": claimed, "parentObservationId": claimed}
    langsmith = {
        **sample("langsmith", 1),
        "trace_id": claimed,
        "id": claimed + "/x",
        "parent_run_id": claimed,
    }
    for name, record in (("langfuse", langfuse), ("langsmith", langsmith)):
        for event in events(record):
            assert isinstance(event, TaskStarted | TaskEnded)
            parent = event.parent_task_id if isinstance(event, TaskStarted) else None
            assert all(task.startswith(f"{name}/") for task in (event.task_id, parent) if task is not None)


def test_copies_of_a_run_from_api_and_sdk_are_one_event() -> None:
    sent = sample("langfuse", 2)
    given_by_api = {**sample("langfuse", 6), "id": "s-1", "endTime": sent["body"]["endTime"]}
    ids = {(event.source, event.id) for record in (sent, given_by_api) for event in events(record)}
    assert len(ids) == 2
