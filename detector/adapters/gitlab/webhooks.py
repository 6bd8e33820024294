"""GitLab: jobs and pipelines as tasks, from webhooks, each job with its `CI_JOB_TOKEN`.

Fields are those of the job and pipeline events (docs.gitlab.com, "Webhook events"). A retried job has a new id. A
pipeline keeps its id when its jobs are retried, so its first end counts. GitLab makes a token for a job when it starts
and revokes it when it ends (docs.gitlab.com, "CI/CD job token"). The token is known by its job's id, as the audit log
names it. The jobs of a project are a group: an ID token names the project. `audit_events` reads the audit events.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import gitlab_group, gitlab_job, gitlab_pipeline
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.gitlab import audit_events as gitlab_audit
from detector.adapters.gitlab.audit_events import JOB_TOKEN, job_token
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.log_records import LogText
from detector.records.timestamps import log_time
from detector.values.events import (
    MAX_FUTURE,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY

KIND: Final = "ci"
SOURCE: Final = "gitlab"
_KINDS: Final = frozenset({"build", "pipeline"})
_OUTCOMES: Final = {
    "success": "succeeded",
    "failed": "failed",
    "canceled": "cancelled",
    "skipped": "cancelled",
}
_RAN: Final = frozenset({"success", "failed"})
_TIMEOUTS: Final = frozenset({"job_execution_timeout", "stuck_or_timeout_failure"})
_MAX_LISTED: Final = 10_000
# A job's token ends with the job. No event has the job's timeout; a month is the longest that GitLab allows.
_LONGEST_JOB: Final = 31 * DAY


class _Project(NamedTuple):
    """A project's id, and the group of its jobs, as far as an event has them."""

    id: str | None
    group: str | None


class _Names(NamedTuple):
    """The names of the fields about a job in one kind of event."""

    job: str
    status: str
    started: tuple[str, ...]
    finished: tuple[str, ...]
    reason: str


_HOOK: Final = _Names(
    "build_id",
    "build_status",
    ("build_started_at", "build_started_at_iso"),
    ("build_finished_at", "build_finished_at_iso"),
    "build_failure_reason",
)
_LISTED: Final = _Names("id", "status", ("started_at",), ("finished_at",), "failure_reason")


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of a webhook, or of a streamed audit event."""
    if isinstance(record.get("object_kind"), str):
        return any(name in record for name in ("project_id", "project", "object_attributes"))
    return gitlab_audit.looks_like(record)


def known(record: Record) -> bool:
    """Whether it is about a job, a pipeline or a token."""
    kind = record.get("object_kind")
    return kind in _KINDS if isinstance(kind, str) else gitlab_audit.known(record)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one webhook delivery or audit event; none if nothing starts, ends or is used.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    kind = record.get("object_kind")
    if kind == "build":
        pipeline = maybe_text(record, "pipeline_id")
        project = _Project(maybe_text(record, "project_id"), _group(record))
        return list(_job(record, _HOOK, pipeline, project, now))
    if kind == "pipeline":
        return list(_pipeline(record, now))
    return gitlab_audit.translate(record, now)


def _job(
    record: Record, names: _Names, pipeline: str | None, project: _Project, now: int
) -> Iterator[CanonicalEvent]:
    """A job's start and end, and those of its token. Their ids are the same however often GitLab reports them."""
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
    if status not in _OUTCOMES:
        return
    finished = _maybe_time(record, names.finished, now)
    if finished is None and status in _RAN:
        raise bad(MISSING_FIELD, names.finished[0])
    if finished is None:
        return
    timed_out = maybe_text(record, names.reason) in _TIMEOUTS and status == "failed"
    outcome = "timed_out" if timed_out else _OUTCOMES[status]
    yield TaskEnded(time=finished, source=SOURCE, id=f"{base}/ended", task_id=task_id, outcome=outcome)
    if started is not None:
        yield CredentialRevoked(
            time=finished, source=SOURCE, id=f"{base}/revoked", credential_id=job_token(job)
        )


def _group(record: Record) -> str | None:
    """The group of the project's jobs. Job events of older versions have the path in the repository's address alone."""
    path = maybe_text(record, "project.path_with_namespace")
    if path is None:
        address = find(record, "repository.homepage")
        path = _path(address) if isinstance(address, str) else ""
    return gitlab_group(path) if "/" in path else None


def _path(address: str) -> str:
    try:
        return urlsplit(address).path.strip("/")
    except ValueError:
        return ""


def _maybe_time(record: Record, names: tuple[str, ...], now: int) -> int | None:
    """The first of a job's time fields that has a time."""
    present = next((name for name in names if find(record, name) not in (None, "")), None)
    return None if present is None else time(record, present, now)


def _revocation(job: str, project: str | None) -> dict[str, Any]:
    fields = {"provider": "gitlab", "method": "cancel-job", "project_id": project, "job_id": job}
    return {name: value for name, value in fields.items() if value is not None}


def _pipeline(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """A pipeline's start and end, and those of its jobs, which every event of it lists."""
    pipeline, status = text(record, "object_attributes.id"), text(record, "object_attributes.status")
    task_id, base = gitlab_pipeline(pipeline), f"pipeline/{pipeline}"
    above = maybe_text(record, "source_pipeline.pipeline_id")
    yield TaskStarted(
        time=time(record, "object_attributes.created_at", now),
        source=SOURCE,
        id=f"{base}/started",
        task_id=task_id,
        kind=KIND,
        owner=maybe_text(record, "user.username"),
        parent_task_id=gitlab_pipeline(above) if above else None,
    )
    finished = find(record, "object_attributes.finished_at")
    if status in _OUTCOMES and finished not in (None, ""):
        at = time(record, "object_attributes.finished_at", now)
        yield TaskEnded(
            time=at, source=SOURCE, id=f"{base}/ended/{at}", task_id=task_id, outcome=_OUTCOMES[status]
        )
    project = _Project(maybe_text(record, "project.id"), _group(record))
    builds = record.get("builds")
    for build in builds[:_MAX_LISTED] if isinstance(builds, list) else ():
        if isinstance(build, dict):
            yield from _job(build, _LISTED, pipeline, project, now)


def scanned(record: Record, now: int) -> LogText | None:
    """The variables that a pipeline was started with: its events show them in clear to every receiver."""
    variables = find(record, "object_attributes.variables")
    if record.get("object_kind") != "pipeline" or not isinstance(variables, list):
        return None
    pairs = [
        (each.get("key"), each.get("value")) for each in variables[:_MAX_LISTED] if isinstance(each, dict)
    ]
    lines = [f"{key}={value}" for key, value in pairs if isinstance(key, str) and isinstance(value, str)]
    if not lines:
        return None
    pipeline = find(record, "object_attributes.id")
    at = log_time(find(record, "object_attributes.created_at"))
    return LogText(
        "\n".join(lines).encode("utf-8", "replace"),
        at if at is not None and at <= now + MAX_FUTURE else None,
        gitlab_pipeline(str(pipeline)) if isinstance(pipeline, int) else None,
    )


ADAPTER: Final = Adapter(
    "gitlab", (b'"object_kind"', b'"entity_type"'), looks_like, translate, known, text=scanned
)
