"""GitLab's jobs and pipelines as tasks, each job with its `CI_JOB_TOKEN`: the same events from webhooks and the API.

A retried job has a new id. A pipeline keeps its id when its jobs are retried, so its first end counts. GitLab makes a
token for a job when it starts and revokes it when it ends (docs.gitlab.com, "CI/CD job token"). The token is known by
its job's id, as the audit log names it.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from detector.adapters.adapter import Record
from detector.adapters.ci_names import gitlab_job, gitlab_pipeline
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.gitlab.audit_events import JOB_TOKEN, job_token
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, SECOND

KIND: Final = "ci"
SOURCE: Final = "gitlab"
OUTCOMES: Final = {
    "success": "succeeded",
    "failed": "failed",
    "canceled": "cancelled",
    "skipped": "cancelled",
}
_RAN: Final = frozenset({"success", "failed"})
_TIMEOUTS: Final = frozenset({"job_execution_timeout", "stuck_or_timeout_failure"})
# A job's token ends with the job. No event has the job's timeout; a month is the longest that GitLab allows.
_LONGEST_JOB: Final = 31 * DAY


class Project(NamedTuple):
    """A project's id, and the group of its jobs, as far as a record has them."""

    id: str | None
    group: str | None


class Names(NamedTuple):
    """The names of the fields about a job in one kind of record."""

    job: str
    status: str
    started: tuple[str, ...]
    finished: tuple[str, ...]
    reason: str


HOOK: Final = Names(
    "build_id",
    "build_status",
    ("build_started_at", "build_started_at_iso"),
    ("build_finished_at", "build_finished_at_iso"),
    "build_failure_reason",
)
LISTED: Final = Names("id", "status", ("started_at",), ("finished_at",), "failure_reason")


def job_events(
    record: Record, names: Names, pipeline: str | None, project: Project, now: int
) -> Iterator[CanonicalEvent]:
    """A job's start and end, and those of its token. Their ids are the same however often GitLab reports them.

    Raises:
        BadRecordError: a field that such a job has is missing or wrong.
    """
    job, status = text(record, names.job), text(record, names.status)
    task_id, base = gitlab_job(job), f"job/{job}"
    started = _maybe_time(record, names.started, now)
    if started is None and status == "running":
        raise bad(MISSING_FIELD, names.started[0])
    if started is not None:
        yield TaskStarted(
            time=started,
            source=SOURCE,
            id=f"{base}/started",
            task_id=task_id,
            kind=KIND,
            owner=maybe_text(record, "user.username"),
            workload=maybe_text(record, "runner.description"),
            parent_task_id=gitlab_pipeline(pipeline) if pipeline else None,
            group=project.group,
        )
        yield CredentialIssued(
            time=started,
            source=SOURCE,
            id=f"{base}/issued",
            credential_id=job_token(job),
            task_id=task_id,
            identifiers=(Identifier(JOB_TOKEN, job),),
            kind="gitlab-job-token",
            expires_at=started + _LONGEST_JOB,
            revocation=_revocation(job, project.id),
        )
    if status not in OUTCOMES:
        return
    finished = _maybe_time(record, names.finished, now)
    if finished is None and status in _RAN:
        raise bad(MISSING_FIELD, names.finished[0])
    if finished is None:
        return
    timed_out = maybe_text(record, names.reason) in _TIMEOUTS and status == "failed"
    outcome = "timed_out" if timed_out else OUTCOMES[status]
    yield TaskEnded(time=finished, source=SOURCE, id=f"{base}/ended", task_id=task_id, outcome=outcome)
    if started is not None:
        yield CredentialRevoked(
            time=finished, source=SOURCE, id=f"{base}/revoked", credential_id=job_token(job)
        )


def whole_second(record: Record, name: str, now: int) -> int:
    """A time as webhooks tell it, in whole seconds; the API has more digits of the same one.

    Raises:
        BadRecordError: it is missing, no time, or too far in the future.
    """
    return time(record, name, now) // SECOND * SECOND


def _maybe_time(record: Record, names: tuple[str, ...], now: int) -> int | None:
    """The first of a job's time fields that has a time."""
    present = next((name for name in names if find(record, name) not in (None, "")), None)
    return None if present is None else whole_second(record, present, now)


def _revocation(job: str, project: str | None) -> dict[str, Any]:
    fields = {"provider": "gitlab", "method": "cancel-job", "project_id": project, "job_id": job}
    return {name: value for name, value in fields.items() if value is not None}


def pipeline_end(record: Record, within: str, now: int) -> Iterator[TaskEnded]:
    """A pipeline's end, if it has one; its fields begin with `within`.

    Raises:
        BadRecordError: a field that a pipeline has is missing or wrong.
    """
    pipeline, status = text(record, f"{within}id"), text(record, f"{within}status")
    if status in OUTCOMES and find(record, f"{within}finished_at") not in (None, ""):
        at = whole_second(record, f"{within}finished_at", now)
        yield TaskEnded(
            time=at,
            source=SOURCE,
            id=f"pipeline/{pipeline}/ended/{at}",
            task_id=gitlab_pipeline(pipeline),
            outcome=OUTCOMES[status],
        )
