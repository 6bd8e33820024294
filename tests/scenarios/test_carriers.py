"""Log carriers bring a pod's token in lines that Fluent Bit ships in parts, and an agent's in its tool's arguments."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from detector.adapters.otlp.agent_spans import CONVERSATIONS, OFF
from detector.adapters.otlp.requests import Otlp
from detector.ingest.classify import RecordClassifier
from detector.values.events import Leak, TaskEnded, TaskStarted
from detector.values.secrets import Secret
from tests.scenarios.telling import KEY, ReportedFinding, story, told

# A pod's token, in what its program prints

POD = {
    "pod_name": "nightly-29627520-x7k2p",
    "namespace_name": "ci",
    "pod_id": "40665854-f9a8-42c8-9963-b418ef66af39",
    "container_name": "nightly",
}
TOKEN = "k8s/ci/nightly-29627520-x7k2p/token"
FORGED = {
    "specversion": "1.0", "type": "credential.revoked", "source": "me", "id": "1", "time": "2026-05-04T02:00:02Z",
    "data": {"credential_id": TOKEN},
}  # fmt: skip


def printed(
    text: str, at: str, part: str = "F", merged: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """As Fluent Bit's Kafka output writes it with the `cri` parser; `merged` is what `Merge_Log` took from the text."""
    return {
        "@timestamp": 1,
        "time": at,
        "stream": "stdout",
        "_p": part,
        "log": text,
        "kubernetes": POD,
        **merged,
    }


def jwt(claims: dict[str, Any]) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "k1", "typ": "JWT"}, claims)]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature" * 20))


def shown(found: ReportedFinding) -> Leak:
    (evidence,) = found.finding("leaked-credential").evidences
    assert isinstance(evidence.event, Leak)
    return evidence.event


def shipped(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def test_a_pods_token_that_its_program_prints_leaks_though_its_line_was_cut(tmp_path: Path) -> None:
    token = jwt(
        {
            "iss": "https://kubernetes.default.svc",
            "sub": "system:serviceaccount:ci:runner",
            "aud": ["https://kubernetes.default.svc"],
            "exp": 1_809_396_001,
            "jti": "948a22f3-7fa7-4c2f-915f-849dafb39af0",
            "kubernetes.io": {"namespace": "ci", "pod": {"name": POD["pod_name"], "uid": POD["pod_id"]}},
        }
    )
    line = f"+ curl -H 'Authorization: Bearer {token}' https://api.internal/v1/builds"
    cut = line.index(token) + len(token) // 2
    log = shipped(
        printed("build started", "2026-05-04T02:00:05Z"),
        printed(line[:cut], "2026-05-04T02:30:00Z", "P"),
        {**printed("meanwhile", "2026-05-04T02:30:00Z"), "kubernetes": {**POD, "pod_name": "other-0"}},
        printed(line[cut:], "2026-05-04T02:30:00.1Z"),
        printed(json.dumps(FORGED), "2026-05-04T02:31:00Z", merged=FORGED),  # nobody believes it
    )
    found = told(tmp_path, {**story("kubernetes"), "pods.jsonl": log})
    # Without the log, the token outlives its job and is used after it; with it, it is known to have leaked at 02:30.
    assert found.findings == (
        ("leaked-credential", TOKEN, 1, "critical"),
        ("outlives-task", TOKEN, 1, "high"),
        ("use-after-termination", TOKEN, 3, "critical"),
        ("use-from-elsewhere", TOKEN, 3, "high"),
    )
    assert found.commands == (
        (TOKEN, False, ("leaked-credential",)),
        (TOKEN, True, ("use-after-termination",)),
    )
    assert found.dead == ()
    leak = shown(found)
    assert "‹jwt-kubernetes-service-account:" in leak.excerpt
    assert (leak.line, leak.task_id) == (2, "k8s/ci/nightly-29627520-x7k2p")


# An agent, by its spans

SECRET = "bq_live_Zk3vT9xQwL2mN8rP5sYd"
BROKER = {"specversion": "1.0", "source": "token-broker"}
ISSUED = {
    **BROKER, "type": "credential.issued", "id": "1", "time": "2026-05-05T10:00:01Z",
    "data": {
        "credential_id": "warehouse-81", "task_id": "agent/conv_5j66", "expires_at": "2026-05-05T11:00:00Z",
        "identifiers": [{"scheme": "hmac-sha256", "value": KEY.fingerprint(Secret(SECRET.encode())), "length": len(SECRET)}],
    },
}  # fmt: skip
USED = {
    **BROKER, "type": "credential.used", "id": "2", "time": "2026-05-05T10:25:00Z",
    "data": {"credential_id": "warehouse-81", "action": "query", "resource": "orders"},
}  # fmt: skip


def span(number: int, began: str, ended: str, name: str, **values: str) -> dict[str, Any]:
    """A span of a trace on the 5th of May, as OTLP's JSON has it."""
    midnight = 1_777_939_200
    times = [midnight + int(at[:2]) * 3600 + int(at[3:]) * 60 for at in (began, ended)]
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": f"{number:016x}",
        "parentSpanId": "" if number == 1 else f"{1:016x}",
        "name": name,
        "startTimeUnixNano": f"{times[0]}000000000",
        "endTimeUnixNano": f"{times[1]}000000000",
        "attributes": [
            {"key": key.replace("__", "."), "value": {"stringValue": value}}
            for key, value in {"gen_ai__conversation__id": "conv_5j66", **values}.items()
        ],
    }


def exported(*spans: dict[str, Any]) -> str:
    """One ExportTraceServiceRequest a line, as the Collector's file and Kafka exporters write it."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "planner"}}]}
    return "".join(
        json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]}) + "\n"
        for one in spans
    )


CALL = span(
    2, "10:04", "10:05", "execute_tool run_query",
    gen_ai__operation__name="execute_tool",
    gen_ai__tool__call__id="call_7",
    gen_ai__tool__call__arguments=json.dumps({"sql": "select 1", "password": SECRET}),
)  # fmt: skip
RUN = span(
    1, "10:00", "10:10", "invoke_agent Planner", gen_ai__operation__name="invoke_agent", gen_ai__agent__name="Planner"
)  # fmt: skip


def tell(folder: Path, agents: str) -> ReportedFinding:
    broker = "".join(json.dumps(event) + "\n" for event in (ISSUED, USED))
    files = {"broker.jsonl": broker, "spans.jsonl": exported(CALL, RUN)}
    return told(folder, files, classifier=RecordClassifier(carriers=(Otlp(agents).carrier(),)))


@pytest.mark.slow
def test_an_agents_token_leaks_in_a_tools_arguments_outlives_its_run_and_is_used_after_it(
    tmp_path: Path,
) -> None:
    found = tell(tmp_path, CONVERSATIONS)
    assert found.findings == (
        ("leaked-credential", "warehouse-81", 1, "critical"),
        ("outlives-task", "warehouse-81", 1, "high"),
        ("use-after-termination", "warehouse-81", 1, "critical"),
    )
    assert found.commands == (("warehouse-81", False, ("leaked-credential",)),)
    assert found.dead == ()
    assert [event.task_id for event in found.events_of(TaskStarted)] == [
        "agent/conv_5j66/call_7",
        "agent/conv_5j66",
    ]
    assert [event.task_id for event in found.events_of(TaskEnded)] == [
        "agent/conv_5j66/call_7",
        "agent/conv_5j66",
    ]
    leak = shown(found)
    assert leak.task_id == "agent/conv_5j66"
    assert SECRET not in leak.excerpt


def test_unless_the_configuration_says_so_a_span_ends_nothing(tmp_path: Path) -> None:
    found = tell(tmp_path, OFF)
    assert found.findings == (("leaked-credential", "warehouse-81", 1, "critical"),)
    assert found.events_of(TaskEnded) == []
