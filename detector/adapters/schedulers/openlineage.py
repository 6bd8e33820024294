"""OpenLineage run events: the starts and ends of tasks of Airflow, Spark, dbt and other writers.

Fields are those of OpenLineage's `RunEvent` (spec 2-0-2) with the facets `parent`, `ownership`, `jobType`, and
Airflow's `airflow` and `airflowDagRun` (apache-airflow-providers-openlineage). The task is the run id, which Airflow's
macro `lineage_run_id` gives to a credential issuer. If a facet names the try of an Airflow task, the event is also one
of that task: an issuer may know either name, and some versions of the provider leave the facet out at the end.
"""

from typing import Any, Final

import msgspec

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted

_OUTCOMES: Final = {"COMPLETE": "succeeded", "FAIL": "failed", "ABORT": "cancelled"}
_TYPES: Final = frozenset({"START", "RUNNING", "OTHER", *_OUTCOMES})


def looks_like(record: Record) -> bool:
    """Whether an object is a run event."""
    return (
        isinstance(record.get("eventType"), str)
        and isinstance(record.get("job"), dict)
        and isinstance(find(record, "run.runId"), str)
    )


def known(record: Record) -> bool:
    """Whether the specification has its type."""
    return str(record["eventType"]).upper() in _TYPES


class RunName(msgspec.Struct, frozen=True):
    """One name of a run as a task, with its kind and its parent."""

    task_id: str
    kind: str
    parent: str | None


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of a run, under each of its names.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    kind = text(record, "eventType").upper()
    if kind != "START" and kind not in _OUTCOMES:
        return []
    when, run = time(record, "eventTime", now), text(record, "run.runId")
    source = f"openlineage/{text(record, 'job.namespace')}"
    events: list[CanonicalEvent] = []
    for number, name in enumerate(_names(record, run)):
        event_id = f"{run}/{kind.lower()}/{when}/{number}"
        if kind == "START":
            events.append(
                TaskStarted(
                    time=when,
                    source=source,
                    id=event_id,
                    task_id=name.task_id,
                    kind=name.kind,
                    owner=_owner(record),
                    workload=text(record, "job.name"),
                    parent_task_id=name.parent,
                )
            )
        else:
            events.append(
                TaskEnded(
                    time=when, source=source, id=event_id, task_id=name.task_id, outcome=_OUTCOMES[kind]
                )
            )
    return events


def _names(record: Record, run: str) -> list[RunName]:
    parent = maybe_text(record, "run.facets.parent.run.runId")
    names = [RunName(f"openlineage/{run}", "openlineage-run", f"openlineage/{parent}" if parent else None)]
    for facet in ("airflow", "airflowDagRun"):
        dag, dag_run = (
            maybe_text(record, f"run.facets.{facet}.dagRun.{key}") for key in ("dag_id", "run_id")
        )
        if dag and dag_run:
            parts = [maybe_text(record, f"run.facets.{facet}.{path}") for path in _TRY]
            names.append(airflow_name(dag, dag_run, *parts))
            break
    return names


_TRY: Final = ("task.task_id", "taskInstance.try_number", "taskInstance.map_index")


def airflow_name(
    dag: str, run: str, task: str | None, number: str | None, index: str | None = None
) -> RunName:
    """A try of an Airflow task instance as a task; without a task or try, the run of its DAG."""
    run_id = f"airflow/{dag}/{run}"
    if task is None or number is None:
        return RunName(run_id, "airflow-dag-run", None)
    mapped = f"/{index}" if index is not None and index != "-1" else ""
    return RunName(f"{run_id}/{task}/{number}{mapped}", "airflow-task", run_id)


def _owner(record: Record) -> str | None:
    owners = find(record, "job.facets.ownership.owners")
    first: Any = owners[0] if isinstance(owners, list) and owners else None
    return maybe_text(first, "name") if isinstance(first, dict) else None


ADAPTER: Final = Adapter("openlineage", (b'"runId"',), looks_like, translate, known, type_at=("eventType",))
