"""Jobs (`batch/v1`) as tasks: the job controller writes their state, and the audit log shows what it wrote.

Fields are those of `JobStatus` (kubernetes.io, "Job" in the API reference): `startTime`, `completionTime`, and the
conditions `Complete` and `Failed`, whose reason is `DeadlineExceeded` where `activeDeadlineSeconds` ran out. The
state is in the request, which the level `Request` shows.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.kubernetes.pods import EventContext, is_trial, job_task
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted
from detector.values.times import SECOND

KIND: Final = "kubernetes-job"
_OUTCOMES: Final = {"Complete": "succeeded", "Failed": "failed"}
_DEADLINE: Final = "DeadlineExceeded"
_LONGEST: Final = 1 << 31  # seconds


def job_events(record: Mapping[str, Any], context: EventContext, now: int) -> Iterator[CanonicalEvent]:
    """The start and the end of the job whose state a successful request writes.

    Raises:
        BadRecordError: a field that such a state has is missing or wrong.
    """
    state = find(record, "requestObject.status")
    if find(record, "objectRef.subresource") != "status" or not isinstance(state, dict) or is_trial(record):
        return
    name = text(record, "objectRef.name")
    uid = maybe_text(record, "requestObject.metadata.uid") or text(record, "objectRef.uid")
    task_id = job_task(text(record, "objectRef.namespace"), name, uid)
    if state.get("startTime"):
        started = time(record, "requestObject.status.startTime", now)
        yield TaskStarted(
            time=started,
            source=context.source,
            id=f"{task_id}/started/{started}",
            task_id=task_id,
            kind=KIND,
            workload=name,
            deadline=_deadline(record, started),
        )
    over = _over(state)
    if over is not None:
        done = "requestObject.status.completionTime" if state.get("completionTime") else None
        yield TaskEnded(
            time=context.time if done is None else time(record, done, now),
            source=context.source,
            id=f"{task_id}/ended",
            task_id=task_id,
            outcome=_outcome(over),
        )


def _deadline(record: Mapping[str, Any], started: int) -> int | None:
    seconds = find(record, "requestObject.spec.activeDeadlineSeconds")
    known = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < _LONGEST
    return started + seconds * SECOND if known else None


def _over(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The condition that says that the job is over; None if it is not."""
    conditions = state.get("conditions")
    return next(
        (
            one
            for one in (conditions if isinstance(conditions, list) else ())
            if isinstance(one, dict) and one.get("type") in _OUTCOMES and one.get("status") == "True"
        ),
        None,
    )


def _outcome(condition: Mapping[str, Any]) -> str:
    return "timed_out" if condition.get("reason") == _DEADLINE else _OUTCOMES[condition["type"]]
