"""What schedulers tell of their tasks: OpenLineage, Airflow, Argo Workflows, Tekton, CDEvents, Jenkins."""

import json
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted
from detector.values.times import HOUR, MINUTE, parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
END = parse_rfc3339("2026-05-01T08:30:00Z")
WRITTEN, WRITTEN_END = "2026-05-01T08:00:00Z", "2026-05-01T08:30:00Z"


def read(record: Any) -> Read:
    (found,) = BUNDLED.read_object(json.dumps(record).encode(), NOW)
    return found


def events(record: Any) -> tuple[CanonicalEvent, ...]:
    return read(record).events


def failing(record: Any) -> tuple[str, str | None]:
    error = read(record).error
    assert error is not None
    assert "marker" not in str(error)
    return error.reason, error.field


def without(record: Any, path: str, value: Any = None) -> Any:
    """The record with another value at a path."""
    copy = json.loads(json.dumps(record))
    *parents, last = path.split("/")
    at = copy
    for name in parents:
        at = at[name]
    at[last] = value
    return copy


# OpenLineage

RUN = "d46e465b-d358-4d32-83d4-df660ff614dd"
LINEAGE: dict[str, Any] = {
    "eventType": "START",
    "eventTime": "2026-05-01T18:00:00.000+10:00",
    "producer": "https://github.com/OpenLineage/OpenLineage/blob/v1-0-0/client",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": RUN, "facets": {"parent": {"run": {"runId": "p-1"}, "job": {"name": "etl"}}}},
    "job": {
        "namespace": "prod",
        "name": "etl.load",
        "facets": {"ownership": {"owners": [{"name": "team:data"}]}},
    },
    "inputs": [],
}
AIRFLOW_FACET = {
    "dag": {"dag_id": "etl", "owner": "data"},
    "dagRun": {"dag_id": "etl", "run_id": "scheduled__2026-05-01T00:00:00+00:00"},
    "task": {"task_id": "load"},
    "taskInstance": {"try_number": 2, "map_index": -1},
}


def test_a_run_event_starts_a_task_of_its_parent() -> None:
    assert events(LINEAGE) == (
        TaskStarted(
            time=AT,
            source="openlineage/prod",
            id=f"{RUN}/start/{AT}/0",
            task_id=f"openlineage/{RUN}",
            kind="openlineage-run",
            owner="team:data",
            workload="etl.load",
            parent_task_id="openlineage/p-1",
        ),
    )


@pytest.mark.parametrize(
    ("kind", "outcome"), [("COMPLETE", "succeeded"), ("FAIL", "failed"), ("ABORT", "cancelled")]
)
def test_a_run_event_ends_a_task(kind: str, outcome: str) -> None:
    (found,) = events({**LINEAGE, "eventType": kind})
    assert isinstance(found, TaskEnded)
    assert (found.time, found.task_id, found.outcome) == (AT, f"openlineage/{RUN}", outcome)


def test_airflow_is_told_by_its_own_names_too() -> None:
    told = without(LINEAGE, "run/facets/airflow", AIRFLOW_FACET)
    assert [
        (one.task_id, one.kind, one.parent_task_id) for one in events(told) if isinstance(one, TaskStarted)
    ] == [
        (f"openlineage/{RUN}", "openlineage-run", "openlineage/p-1"),
        (
            "airflow/etl/scheduled__2026-05-01T00:00:00+00:00/load/2",
            "airflow-task",
            "airflow/etl/scheduled__2026-05-01T00:00:00+00:00",
        ),
    ]
    dag = without(LINEAGE, "run/facets", {"airflowDagRun": {"dagRun": AIRFLOW_FACET["dagRun"]}})
    assert [one.task_id for one in events(dag) if isinstance(one, TaskStarted)][1] == (
        "airflow/etl/scheduled__2026-05-01T00:00:00+00:00"
    )


def test_other_run_events_say_nothing_and_those_of_no_known_type_are_counted() -> None:
    assert (
        events({**LINEAGE, "eventType": "RUNNING"}),
        read({**LINEAGE, "eventType": "RUNNING"}).unknown,
    ) == (
        (),
        False,
    )
    assert read({**LINEAGE, "eventType": "PAUSED"}).unknown


# Airflow

INSTANCE: dict[str, Any] = {
    "dag_id": "etl",
    "dag_run_id": "manual__1",
    "task_id": "load",
    "try_number": 1,
    "map_index": 3,
    "state": "running",
    "start_date": "2026-05-01T08:00:00+00:00",
    "end_date": None,
    "hostname": "worker-1",
    "operator": "BashOperator",
}


def test_a_task_instance_that_runs_is_a_task_of_its_dag_run() -> None:
    assert events(INSTANCE) == (
        TaskStarted(
            time=AT,
            source="airflow",
            id=f"airflow/etl/manual__1/load/1/3/started/{AT}",
            task_id="airflow/etl/manual__1/load/1/3",
            kind="airflow-task",
            workload="worker-1",
            parent_task_id="airflow/etl/manual__1",
        ),
    )


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("success", "succeeded"),
        ("failed", "failed"),
        ("up_for_retry", "failed"),  # the next try is another task
        ("skipped", "cancelled"),
    ],
)
def test_a_task_instance_that_ended_is_a_task_that_ended(state: str, outcome: str) -> None:
    (found,) = events({**INSTANCE, "state": state, "end_date": WRITTEN_END})
    assert isinstance(found, TaskEnded)
    assert (found.time, found.task_id, found.outcome) == (END, "airflow/etl/manual__1/load/1/3", outcome)


@pytest.mark.parametrize(("state", "unknown"), [("deferred", False), (None, False), ("levitating", True)])
def test_a_task_instance_that_waits_goes_on(state: str | None, unknown: bool) -> None:  # noqa: FBT001 - parametrized
    found = read({**INSTANCE, "state": state})
    assert (found.events, found.unknown, found.error) == ((), unknown, None)


# Argo Workflows

WORKFLOW: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {
        "name": "train-x7k2p",
        "namespace": "ml",
        "uid": "w-1",
        "labels": {"workflows.argoproj.io/creator": "mona"},
    },
    "spec": {"activeDeadlineSeconds": 3600},
    "status": {
        "phase": "Running",
        "startedAt": WRITTEN,
        "finishedAt": None,
        "nodes": {
            "train-x7k2p": {"type": "Steps", "phase": "Running", "startedAt": WRITTEN},
            "train-x7k2p-123": {
                "type": "Pod",
                "phase": "Succeeded",
                "startedAt": WRITTEN,
                "finishedAt": WRITTEN_END,
            },
            "train-x7k2p-456": {"type": "Pod", "phase": "Pending", "startedAt": None},
        },
    },
}


def test_a_workflow_and_its_pods_are_tasks() -> None:
    workflow, node, ended = events(WORKFLOW)
    assert workflow == TaskStarted(
        time=AT,
        source="argo/ml",
        id="w-1/started",
        task_id="argo/ml/train-x7k2p",
        kind="argo-workflow",
        owner="mona",
        deadline=AT + HOUR,
    )
    assert isinstance(node, TaskStarted)
    assert (node.task_id, node.parent_task_id) == (
        "argo/ml/train-x7k2p/train-x7k2p-123",
        "argo/ml/train-x7k2p",
    )
    assert isinstance(ended, TaskEnded)
    assert (ended.time, ended.task_id, ended.outcome) == (END, node.task_id, "succeeded")


@pytest.mark.parametrize(
    ("status", "spec", "outcome"),
    [
        ({"phase": "Succeeded"}, {}, "succeeded"),
        ({"phase": "Error"}, {}, "failed"),
        ({"phase": "Failed", "message": "Max duration limit exceeded"}, {}, "timed_out"),
        ({"phase": "Failed", "message": "Stopped"}, {"shutdown": "Terminate"}, "cancelled"),
    ],
)
def test_a_workflow_ends_as_it_says(status: dict[str, Any], spec: dict[str, Any], outcome: str) -> None:
    done = {**WORKFLOW, "spec": spec, "status": {"startedAt": WRITTEN, "finishedAt": WRITTEN_END, **status}}
    (ended,) = (one for one in events(done) if isinstance(one, TaskEnded))
    assert (ended.time, ended.task_id, ended.outcome) == (END, "argo/ml/train-x7k2p", outcome)


def test_a_workflow_comes_in_a_watch_or_by_argo_events() -> None:
    watched = {"type": "MODIFIED", "object": WORKFLOW}
    sent = {"type": "UPDATE", "group": "argoproj.io", "resource": "workflows", "body": WORKFLOW}
    assert events(watched) == events(sent) == events(WORKFLOW)


def test_a_workflow_that_has_not_begun_says_nothing() -> None:
    assert events({**WORKFLOW, "status": {"phase": "Pending", "startedAt": None}}) == ()
    assert events({**WORKFLOW, "status": None}) == ()


# Tekton

TASK_RUN: dict[str, Any] = {
    "metadata": {
        "name": "build-x7k2p-compile",
        "namespace": "ci",
        "uid": "t-1",
        "labels": {"tekton.dev/pipelineRun": "build-x7k2p"},
    },
    "spec": {"serviceAccountName": "builder", "timeout": "1h0m0s"},
    "status": {"podName": "build-x7k2p-compile-pod", "startTime": WRITTEN},
}


def tekton(kind: str, state: str, run: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "77f78ae7-ff6d-4e39-9d05-b9a0b7850527",
        "source": "/apis/tekton.dev/v1/namespaces/ci/taskruns/build-x7k2p-compile",
        "type": f"dev.tekton.event.{kind.lower()}.{state}.v1",
        "subject": "build-x7k2p-compile",
        "time": "2026-05-01T08:31:00Z",
        "datacontenttype": "application/json",
        "data": {kind: run},
    }


def test_a_task_run_is_a_task_of_its_pipeline_run() -> None:
    assert events(tekton("taskRun", "started", TASK_RUN)) == (
        TaskStarted(
            time=AT,
            source="tekton/ci",
            id="t-1/started",
            task_id="tekton/ci/build-x7k2p-compile",
            kind="tekton-taskrun",
            owner="builder",
            workload="ci/build-x7k2p-compile-pod",
            parent_task_id="tekton/ci/pipelinerun/build-x7k2p",
            deadline=AT + HOUR,
        ),
    )
    pipeline = {
        "metadata": {"name": "build-x7k2p", "namespace": "ci"},
        "spec": {"timeouts": {"pipeline": "1h30m"}},
        "status": {"startTime": WRITTEN},
    }
    (found,) = events(tekton("pipelineRun", "running", pipeline))
    assert isinstance(found, TaskStarted)
    assert (found.task_id, found.deadline) == ("tekton/ci/pipelinerun/build-x7k2p", AT + 90 * MINUTE)


def test_a_timeout_of_nothing_is_no_deadline() -> None:
    (found,) = events(tekton("taskRun", "started", {**TASK_RUN, "spec": {"timeout": "0s"}}))
    assert isinstance(found, TaskStarted)
    assert found.deadline is None


@pytest.mark.parametrize(
    ("state", "reason", "outcome"),
    [
        ("successful", "Succeeded", "succeeded"),
        ("failed", "Failed", "failed"),
        ("failed", "TaskRunTimeout", "timed_out"),
        ("failed", "TaskRunCancelled", "cancelled"),
        ("failed", "StoppedRunningFinally", "cancelled"),
    ],
)
def test_a_task_run_ends_as_its_condition_says(state: str, reason: str, outcome: str) -> None:
    status = {"completionTime": WRITTEN_END, "conditions": [{"type": "Succeeded", "reason": reason}]}
    (found,) = events(tekton("taskRun", state, {**TASK_RUN, "status": status}))
    assert isinstance(found, TaskEnded)
    assert (found.time, found.task_id, found.outcome) == (END, "tekton/ci/build-x7k2p-compile", outcome)


def test_without_a_completion_time_the_event_has_one() -> None:
    (found,) = events(tekton("taskRun", "failed", {**TASK_RUN, "status": {}}))
    assert found.time == END + MINUTE


def test_tektons_events_in_binary_mode_are_the_same() -> None:
    whole = tekton("taskRun", "started", TASK_RUN)
    headers = {
        f"ce_{name}": str(whole[name]).encode() for name in ("specversion", "id", "source", "type", "time")
    }
    found = BUNDLED.read_binary(headers, json.dumps(whole["data"]).encode(), NOW)
    assert (found.format, found.events) == ("tekton", events(whole))
    other = BUNDLED.read_binary({**headers, "ce_type": b"com.example.other"}, b"{}", NOW)
    assert (other.format, other.unknown) == ("cloudevents", True)


@pytest.mark.parametrize(
    ("kind", "state", "unknown"),
    [
        ("taskRun", "queued", False),
        ("taskRun", "unknown", False),
        ("taskRun", "invented", True),
        ("eventListener", "started", True),
    ],
)
def test_other_events_of_tekton_start_and_end_nothing(kind: str, state: str, unknown: bool) -> None:  # noqa: FBT001 - parametrized
    found = read(tekton(kind, state, TASK_RUN))
    assert (found.format, found.events, found.unknown) == ("tekton", (), unknown)


# CDEvents

CDEVENT: dict[str, Any] = {
    "context": {
        "version": "0.4.1",
        "id": "271069a8-fc18-44f1-b38f-9d70a1695819",
        "source": "/jenkins/prod",
        "type": "dev.cdevents.taskrun.started.0.2.0",
        "timestamp": WRITTEN,
    },
    "subject": {
        "id": "job/app/18/compile",
        "source": "/jenkins/prod",
        "type": "taskRun",
        "content": {"taskName": "compile", "pipelineRun": {"id": "job/app/18"}},
    },
}


def cd(kind: str, **content: Any) -> dict[str, Any]:
    return {
        "context": {**CDEVENT["context"], "type": f"dev.cdevents.{kind}.0.2.0"},
        "subject": {**CDEVENT["subject"], "content": content},
    }


def test_a_cdevent_starts_a_task_bare_or_in_a_cloudevent() -> None:
    started = TaskStarted(
        time=AT,
        source="/jenkins/prod",
        id="271069a8-fc18-44f1-b38f-9d70a1695819",
        task_id="cdevents//jenkins/prod/job/app/18/compile",
        kind="cdevents-taskrun",
        workload="compile",
        parent_task_id="cdevents//jenkins/prod/job/app/18",
    )
    assert events(CDEVENT) == (started,)
    envelope = {"specversion": "1.0", "id": "1", "source": "/x", "type": CDEVENT["context"]["type"]}
    assert events({**envelope, "data": CDEVENT}) == (started,)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("success", "succeeded"),
        ("failure", "failed"),
        ("error", "failed"),
        ("cancel", "cancelled"),
        ("x", None),
    ],
)
def test_a_cdevent_ends_a_task(said: str, outcome: str | None) -> None:
    (found,) = events(cd("pipelinerun.finished", outcome=said))
    assert isinstance(found, TaskEnded)
    assert (found.task_id, found.outcome) == ("cdevents//jenkins/prod/job/app/18/compile", outcome)


def test_a_subject_without_a_source_is_of_the_events() -> None:
    (found,) = events(without(CDEVENT, "subject/source"))
    assert isinstance(found, TaskStarted)
    assert found.task_id == "cdevents//jenkins/prod/job/app/18/compile"


def test_cdevents_of_other_things_are_counted() -> None:
    assert read(cd("artifact.published")).idle == "cdevents/other"
    assert read(cd("artifact.vexed")).unknown
    assert (read(cd("pipelinerun.queued")).unknown, events(cd("pipelinerun.queued"))) == (False, ())


# Jenkins

BUILD: dict[str, Any] = {
    "name": "app",
    "display_name": "app",
    "url": "job/team/job/app/",
    "build": {
        "full_url": "https://ci.example/job/team/job/app/18/",
        "number": 18,
        "queue_id": 3,
        "timestamp": 1777622400000,
        "duration": 0,
        "phase": "STARTED",
        "url": "job/team/job/app/18/",
        "scm": {},
        "log": "",
    },
}


def build(**fields: Any) -> dict[str, Any]:
    return {**BUILD, "build": {**BUILD["build"], **fields}}


def test_a_build_is_a_task() -> None:
    assert events(BUILD) == (
        TaskStarted(
            time=AT,
            source="jenkins/ci.example",
            id="team/app/18/started",
            task_id="jenkins/team/app/18",
            kind="ci",
            workload="team/app",
        ),
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("SUCCESS", "succeeded"), ("UNSTABLE", "failed"), ("ABORTED", "cancelled"), (None, None)],
)
def test_a_build_ends_when_it_is_finalized(status: str | None, outcome: str | None) -> None:
    assert events(build(phase="COMPLETED", status=status)) == ()  # its post-build steps still work
    (found,) = events(build(phase="FINALIZED", status=status))
    assert isinstance(found, TaskEnded)
    assert (found.time, found.task_id, found.outcome) == (AT, "jenkins/team/app/18", outcome)


def test_the_log_that_comes_along_is_scanned() -> None:
    log = read(build(phase="FINALIZED", log="+ deploy --token abc\n")).log
    assert log is not None
    assert (log.text, log.time, log.task_id) == (b"+ deploy --token abc\n", AT, "jenkins/team/app/18")
    assert read(BUILD).log is None


# All of them


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (without(LINEAGE, "eventTime"), "missing-field", "eventTime"),
        (without(LINEAGE, "eventTime", "marker"), "bad-time", "eventTime"),
        (without(LINEAGE, "job/namespace"), "missing-field", "job.namespace"),
        (without(INSTANCE, "dag_id", ["marker"]), "wrong-field", "dag_id"),
        (without(INSTANCE, "start_date"), "missing-field", "start_date"),
        ({**INSTANCE, "state": "success"}, "missing-field", "end_date"),
        (without(WORKFLOW, "metadata/name"), "missing-field", "metadata.name"),
        (without(WORKFLOW, "status/phase", "Failed"), "missing-field", "status.finishedAt"),
        (without(WORKFLOW, "status/startedAt", "marker"), "bad-time", "startedAt"),
        (tekton("taskRun", "started", None), "missing-field", "data.taskRun"),
        (
            tekton("taskRun", "started", {"metadata": {"namespace": "ci"}}),
            "missing-field",
            "data.taskRun.metadata.name",
        ),
        (without(CDEVENT, "context/timestamp"), "missing-field", "context.timestamp"),
        (without(CDEVENT, "subject/id"), "missing-field", "subject.id"),
        (without(BUILD, "url", "marker"), "wrong-field", "url"),
        (without(BUILD, "build/timestamp", 1777680660001), "future-time", "build.timestamp"),
    ],
)
def test_a_known_event_that_lacks_a_field_names_it(record: Any, reason: str, field: str) -> None:
    assert failing(record) == (reason, field)


@pytest.mark.parametrize(
    "record",
    [
        {"eventType": "START", "run": "runId", "job": [], "x": {"runId": 1}},
        {"dag_run_id": 1, "message": "dag_id and task_id"},
        {"kind": "Workflow", "apiVersion": ["argoproj.io/v1alpha1"], "type": 1, "object": [], "body": 5},
        {"type": ["dev.tekton.event."], "message": "dev.tekton.event."},
        {"context": "dev.cdevents.", "data": ["dev.cdevents."]},
        {"build": {"phase": 5, "full_url": 1}, "queue_id": 1},
    ],
)
def test_what_only_resembles_an_event_is_a_log_record(record: Any) -> None:
    found = read(record)
    assert (found.format, found.events, found.log is not None) == ("json", (), True)
