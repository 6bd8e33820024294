"""Prefect: flow runs and task runs, from its events.

Events are `prefect.flow-run.STATE` and `prefect.task-run.STATE` (docs.prefect.io, "Flow run events", "Task run
events"); `prefect events stream --format json` prints them. The names of a resource's labels have dots. A run that is
retried keeps its id and goes on: a failed try with another to come is `AwaitingRetry`, and no end.
"""

from collections.abc import Mapping
from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import maybe_text, time
from detector.adapters.task_runs import TaskRun
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.records.log_records import LogText, whole_record
from detector.values.events import CanonicalEvent

_ID: Final = "prefect.resource.id"
_RUNS: Final = ("prefect.flow-run.", "prefect.task-run.")
_RUNNING: Final = "RUNNING"
_OUTCOMES: Final = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "cancelled",
}
_KINDS: Final = frozenset(
    {"flow-run", "task-run", "deployment", "work-pool", "work-queue", "worker", "automation"}
    | {"artifact", "asset", "automation-action", "block", "block-document", "block-schema", "block-type"}
    | {"concurrency-limit", "flow", "log", "runner", "variable"}
)
_OWN: Final = ("prefect.", "prefect-cloud.")  # whoever runs flows sends events of other names
_MOST: Final = 100  # related resources


def looks_like(record: Record) -> bool:
    """Whether an object is an event."""
    resource = record.get("resource")
    return (
        isinstance(record.get("event"), str)
        and "occurred" in record
        and isinstance(resource, dict)
        and isinstance(resource.get(_ID), str)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of a run.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    state = _label(record["resource"], "prefect.state-type")
    if not record["event"].startswith(_RUNS) or (state != _RUNNING and state not in _OUTCOMES):
        return []
    task_id = _task(record["resource"][_ID])
    if task_id is None:
        raise bad(WRONG_FIELD, "resource", "not the id of a run")
    when = time(record, "occurred", now)
    flow_run = maybe_text(record, "payload.task_run.flow_run_id")
    run = TaskRun(
        source="prefect",
        task_id=task_id,
        kind=f"prefect-{task_id.split('/')[1]}",
        started=when if state == _RUNNING else None,
        ended=None if state == _RUNNING else when,
        outcome=_OUTCOMES.get(state),
        workload=_label(_related(record, "flow"), "prefect.resource.name") or None,
        parent=f"prefect/flow-run/{flow_run}" if flow_run else _task(_related(record, "task-run").get(_ID)),
    )
    return run.events()


def _task(resource: object) -> str | None:
    """The task id of `prefect.flow-run.UUID` or `prefect.task-run.UUID`."""
    if not isinstance(resource, str) or not resource.startswith(_RUNS):
        return None
    kind, _, name = resource.removeprefix("prefect.").partition(".")
    return f"prefect/{kind}/{name}" if name else None


def _label(resource: Mapping[str, Any], name: str) -> str:
    """A label of a resource; empty if it has none."""
    value = resource.get(name)
    return value if isinstance(value, str) else ""


def _related(record: Record, role: str) -> Mapping[str, Any]:
    """The first related resource of a role; empty if there is none."""
    related = record.get("related")
    for one in related[:_MOST] if isinstance(related, list) else ():
        if isinstance(one, dict) and one.get("prefect.resource.role") == role:
            return one
    return {}


def scanned(record: Record, _now: int) -> LogText:
    """All that an event says: messages of states and inputs of tasks may hold secrets."""
    return whole_record(record, record["occurred"], _task(record["resource"][_ID]))


def _kind(record: Record) -> str | None:
    """What an event is about."""
    if not record["event"].startswith(_OWN):
        return "event of a flow"
    kind = record["event"].partition(".")[2].partition(".")[0]
    return kind if kind in _KINDS else None


ADAPTER: Final = Adapter(
    "prefect", (f'"{_ID}"'.encode(),), looks_like, translate, text=scanned, kind=_kind, type_at=("event",)
)
