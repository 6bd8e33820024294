"""Tekton's CloudEvents (`dev.tekton.event.taskrun.started.v1` and so on): task runs and pipeline runs.

Types are those of Tekton's "Events in Tekton". The data is the run itself under `taskRun`, `pipelineRun` or
`customRun`, with `status` as in its API. The times in the status count if they are there, because the event comes a
little later.
"""

import re  # over durations, whose length is bounded
from collections.abc import Mapping
from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted
from detector.values.times import HOUR, MINUTE, SECOND

_PREFIX: Final = "dev.tekton.event."
_RUNS: Final = {"taskrun": "taskRun", "pipelinerun": "pipelineRun", "customrun": "customRun"}
_STARTS: Final = frozenset({"started", "running"})
_ENDS: Final = {"successful": "succeeded", "failed": "failed"}
_NOTHING: Final = frozenset({"queued", "unknown", "runnning"})  # Tekton's own page spelled it so
_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})(?:\.[0-9]{1,9})?s)?")
_MAX_DURATION: Final = 40  # characters


def _kind(record: Record) -> tuple[str, str] | None:
    """The run and the state in a type such as `dev.tekton.event.taskrun.started.v1`."""
    named = record.get("type")
    parts = named.removeprefix(_PREFIX).split(".") if isinstance(named, str) else []
    return (parts[0], parts[1]) if len(parts) > 1 else None


def looks_like(record: Record) -> bool:
    """Whether a CloudEvent is one of Tekton's."""
    named = record.get("type")
    return isinstance(named, str) and named.startswith(_PREFIX) and "specversion" in record


def known(record: Record) -> bool:
    """Whether its type is known."""
    kind = _kind(record)
    if kind is None or kind[0] not in _RUNS:
        return False
    return kind[1] in _STARTS or kind[1] in _ENDS or kind[1] in _NOTHING


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of a run.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    run, state = _kind(record) or ("", "")
    if run not in _RUNS or (state not in _STARTS and state not in _ENDS):
        return []
    path = f"data.{_RUNS[run]}"
    held = find(record, path)
    if not isinstance(held, dict):
        raise bad(MISSING_FIELD, path)
    namespace, name = text(record, f"{path}.metadata.namespace"), text(record, f"{path}.metadata.name")
    task_id = f"tekton/{namespace}/{name}" if run == "taskrun" else f"tekton/{namespace}/{run}/{name}"
    source = f"tekton/{namespace}"
    event_id = f"{maybe_text(held, 'metadata.uid') or name}/{state}"
    if state in _ENDS:
        when = _time(record, f"{path}.status.completionTime", now)
        return [
            TaskEnded(time=when, source=source, id=event_id, task_id=task_id, outcome=_outcome(held, state))
        ]
    began = _time(record, f"{path}.status.startTime", now)
    pod = maybe_text(held, "status.podName")
    return [
        TaskStarted(
            time=began,
            source=source,
            id=event_id,
            task_id=task_id,
            kind=f"tekton-{run}",
            owner=maybe_text(held, "spec.serviceAccountName")
            or maybe_text(held, "spec.taskRunTemplate.serviceAccountName"),
            workload=f"{namespace}/{pod}" if pod else None,
            parent_task_id=_parent(held, namespace),
            deadline=_deadline(held, began),
        )
    ]


def _time(record: Record, path: str, now: int) -> int:
    return time(record, path if find(record, path) else "time", now)


def _parent(run: Mapping[str, Any], namespace: str) -> str | None:
    labels = find(run, "metadata.labels")
    pipeline = labels.get("tekton.dev/pipelineRun") if isinstance(labels, dict) else None
    return f"tekton/{namespace}/pipelinerun/{pipeline}" if isinstance(pipeline, str) and pipeline else None


def _outcome(run: Mapping[str, Any], state: str) -> str:
    """The outcome, by the reason of `Succeeded`: Tekton says `failed` of what was cancelled or timed out, too."""
    conditions = find(run, "status.conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        reason = condition.get("reason") if isinstance(condition, dict) else None
        if isinstance(reason, str):
            if "Timeout" in reason:
                return "timed_out"
            if "Cancelled" in reason or "Stopped" in reason:
                return "cancelled"
    return _ENDS[state]


def _deadline(run: Mapping[str, Any], began: int) -> int | None:
    """The start plus the timeout: a Go duration such as `1h0m0s`; `0s` means none."""
    written = maybe_text(run, "spec.timeout") or maybe_text(run, "spec.timeouts.pipeline") or ""
    match = _DURATION.fullmatch(written) if len(written) <= _MAX_DURATION else None
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    took = hours * HOUR + minutes * MINUTE + seconds * SECOND
    return began + took if took else None


ADAPTER: Final = Adapter("tekton", (_PREFIX.encode(),), looks_like, translate, known, type_at=("type",))
