"""Builds of Cloud Build and executions of Cloud Run jobs as tasks.

- A `Build` as Cloud Build publishes it to the topic `cloud-builds` with each change of its state (cloud.google.com,
  "Subscribe to build notifications", "REST Resource: projects.builds").
- An entry `/Jobs.RunJob` of the log `system_event`, whose response is the `Execution` (cloud.google.com, Cloud Run,
  "REST Resource: namespaces.executions").

Neither names a credential: what runs there has the tokens of its service account, which no entry tells apart. The
task's id is what the job knows of itself: `$BUILD_ID`, `$CLOUD_RUN_EXECUTION`.
"""

from collections.abc import Mapping
from typing import Any, Final

from detector.adapters.adapter import Record
from detector.adapters.fields import find, maybe_text, maybe_time, text, time
from detector.adapters.google.entries import Entry
from detector.adapters.task_runs import TaskRun
from detector.values.events import CanonicalEvent
from detector.values.times import SECOND

RUN_JOB: Final = "/Jobs.RunJob"
BUILD_MARK: Final = b'"logUrl"'
_EXECUTIONS: Final = "/executions/"
_OUTCOMES: Final = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "INTERNAL_ERROR": "failed",
    "TIMEOUT": "timed_out",
    "CANCELLED": "cancelled",
    "EXPIRED": "cancelled",
}
_STATES: Final = frozenset({*_OUTCOMES, "PENDING", "QUEUED", "WORKING", "STATUS_UNKNOWN"})
_DIGITS: Final = 6  # of a timeout in seconds: a day


def is_build(record: Record) -> bool:
    """Whether an object is a build."""
    status = record.get("status")
    return isinstance(status, str) and status in _STATES and {"id", "projectId", "logUrl"} <= record.keys()


def build_events(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and the end of a build, as far as it says; nothing of one that waits.

    Raises:
        BadRecordError: a field that such a build has is missing or wrong.
    """
    started, lasts = maybe_time(record, "startTime", now), _seconds(record)
    status = text(record, "status")
    return TaskRun(
        source=f"google.build/{text(record, 'projectId')}",
        task_id=f"cloud-build/{text(record, 'id')}",
        kind="cloud-build",
        started=started,
        ended=time(record, "finishTime", now) if status in _OUTCOMES else None,
        outcome=_OUTCOMES.get(status),
        owner=maybe_text(record, "serviceAccount"),
        workload=maybe_text(record, "substitutions.TRIGGER_NAME") or maybe_text(record, "buildTriggerId"),
        deadline=None if started is None or lasts is None else started + lasts,
    ).events()


def _seconds(record: Record) -> int | None:
    """Its timeout in ns, `600s`."""
    told = record.get("timeout")
    digits = told.removesuffix("s") if isinstance(told, str) else ""
    known = digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS
    return int(digits) * SECOND if known else None


def execution_events(entry: Entry, now: int) -> list[CanonicalEvent]:
    """The start and the end of an execution of a job; nothing of an entry that names none.

    Raises:
        BadRecordError: a time is none.
    """
    name = (maybe_text(entry.payload, "resourceName") or "").rpartition(_EXECUTIONS)[2]
    state = find(entry.payload, "response.status")
    if not name or not isinstance(state, dict):
        return []
    over, done = _over(state), maybe_time(entry.payload, "response.status.completionTime", now)
    return TaskRun(
        source=entry.source,
        task_id=f"cloud-run/{name}",
        kind="cloud-run-execution",
        started=maybe_time(entry.payload, "response.status.startTime", now),
        ended=None if over is None else done or entry.time,
        outcome=over,
        workload=maybe_text(entry.record, "resource.labels.job_name"),
    ).events()


def _over(state: Mapping[str, Any]) -> str | None:
    """The outcome of an execution that is over; None if it is not."""
    conditions = state.get("conditions")
    completed = next(
        (
            one.get("status")
            for one in (conditions if isinstance(conditions, list) else ())
            if isinstance(one, dict) and one.get("type") == "Completed"
        ),
        None,
    )
    if completed == "True":
        return "succeeded"
    if completed == "False":
        return "cancelled" if state.get("cancelledCount") else "failed"
    return None
