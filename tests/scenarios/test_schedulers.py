"""One job as each scheduler tells it, with a credential that its issuer told of: it works on after the job."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.telling import told

START, END = "2026-05-07T01:00:00Z", "2026-05-07T01:20:00Z"
START_MS, END_MS = 1778115600000, 1778116800000


def lineage(kind: str, at: str) -> dict[str, Any]:
    facet = {
        "dagRun": {"dag_id": "etl", "run_id": "scheduled__2026-05-07"},
        "task": {"task_id": "load"},
        "taskInstance": {"try_number": 1},
    }
    return {
        "eventType": kind,
        "eventTime": at,
        "run": {"runId": "0197-run", "facets": {"airflow": facet} if kind == "START" else {}},
        "job": {"namespace": "prod", "name": "etl.load"},
    }


def instance(state: str) -> dict[str, Any]:
    return {
        "dag_id": "etl",
        "dag_run_id": "scheduled__2026-05-07",
        "task_id": "load",
        "try_number": 1,
        "map_index": -1,
        "state": state,
        "start_date": START,
        "end_date": None if state == "running" else END,
    }


def workflow(phase: str) -> dict[str, Any]:
    status = {"phase": phase, "startedAt": START, "finishedAt": END if phase == "Succeeded" else None}
    held = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"namespace": "ml", "name": "train-x7k2p"},
        "status": status,
    }
    return {"type": "MODIFIED", "object": held}


def tekton(state: str, at: str) -> dict[str, Any]:
    run = {"metadata": {"namespace": "ci", "name": "build-x7k2p"}, "status": {"startTime": START}}
    return {
        "specversion": "1.0",
        "id": state,
        "source": "/apis/tekton.dev/v1/namespaces/ci/taskruns/build-x7k2p",
        "type": f"dev.tekton.event.taskrun.{state}.v1",
        "time": at,
        "data": {"taskRun": run},
    }


def cdevent(kind: str, at: str) -> dict[str, Any]:
    named = f"dev.cdevents.pipelinerun.{kind}.0.2.0"
    context = {"version": "0.4.1", "id": kind, "source": "/jenkins", "type": named, "timestamp": at}
    data = {"context": context, "subject": {"id": "app/18", "type": "pipelineRun", "content": {}}}
    return {"specversion": "1.0", "id": kind, "source": "/jenkins", "type": named, "data": data}


def build(phase: str, at: int) -> dict[str, Any]:
    held = {"full_url": "https://ci.example/job/app/18/", "number": 18, "phase": phase, "timestamp": at}
    return {"name": "app", "url": "job/app/", "build": held}


def allocation(status: str) -> dict[str, Any]:
    state = {"State": "dead", "StartedAt": START, "FinishedAt": END if status == "complete" else None}
    held = {"ID": "5456bd7a", "ClientStatus": status, "TaskStates": {"load": state}}
    return {"Events": [{"Topic": "Allocation", "FilterKeys": None, "Payload": {"Allocation": held}}]}


def prefect(state: str, at: str) -> dict[str, Any]:
    labels = {"prefect.resource.id": "prefect.flow-run.e3755d32", "prefect.state-type": state.upper()}
    return {"occurred": at, "event": f"prefect.flow-run.{state}", "resource": labels, "id": state}


def dagster(kind: str, at: float) -> dict[str, Any]:
    return {
        "__class__": "EventLogEntry",
        "dagster_event": {"__class__": "DagsterEvent", "event_type_value": kind, "pipeline_name": "etl"},
        "message": "",
        "run_id": "25cf3789",
        "timestamp": at,
    }


def credential(kind: str, at: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}/{at}",
        "source": "broker",
        "type": f"credential.{kind}",
        "time": at,
        "data": data,
    }


@pytest.mark.parametrize(
    ("task_id", "told_by_scheduler"),
    [
        ("openlineage/0197-run", [lineage("START", START), lineage("COMPLETE", END)]),
        ("airflow/etl/scheduled__2026-05-07/load/1", [instance("running"), instance("success")]),
        ("argo/ml/train-x7k2p", [workflow("Running"), workflow("Running"), workflow("Succeeded")]),
        ("tekton/ci/build-x7k2p", [tekton("started", START), tekton("successful", END)]),
        ("cdevents//jenkins/app/18", [cdevent("started", START), cdevent("finished", END)]),
        (
            "jenkins/app/18",
            [build("STARTED", START_MS), build("COMPLETED", END_MS), build("FINALIZED", END_MS)],
        ),
        ("nomad/5456bd7a", [allocation("running"), allocation("complete")]),
        ("nomad/5456bd7a/load", [allocation("running"), allocation("complete")]),
        ("prefect/flow-run/e3755d32", [prefect("Running", START), prefect("Completed", END)]),
        (
            "dagster/25cf3789",
            [dagster("PIPELINE_START", START_MS / 1000), dagster("PIPELINE_SUCCESS", END_MS / 1000)],
        ),
    ],
)
def test_a_credential_that_works_on_after_its_job(
    tmp_path: Path, task_id: str, told_by_scheduler: list[dict[str, Any]]
) -> None:
    identifiers = [{"scheme": "key-id", "value": "k-1"}]
    broker = [
        credential(
            "issued",
            "2026-05-07T01:00:30Z",
            credential_id="c-1",
            task_id=task_id,
            identifiers=identifiers,
            expires_at="2026-05-08T00:00:00Z",
        ),
        credential("used", "2026-05-07T01:10:00Z", identifier=identifiers[0], action="read", task_id=task_id),
        credential("used", "2026-05-07T01:30:00Z", identifier=identifiers[0], action="read"),
    ]
    lines = {
        "broker.jsonl": "\n".join(map(json.dumps, broker)),
        "scheduler.jsonl": "\n".join(map(json.dumps, reversed(told_by_scheduler))),
    }
    found = told(tmp_path, lines)
    assert found.findings == (
        ("outlives-task", "c-1", 1, "high"),
        ("use-after-termination", "c-1", 1, "critical"),
    )
    assert found.commands == (("c-1", False, ("outlives-task",)),)
    assert (found.dead, found.unresolved) == ((), {})
