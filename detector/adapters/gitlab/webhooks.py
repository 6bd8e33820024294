"""GitLab: jobs and pipelines as tasks, from webhooks.

Fields are those of the job and pipeline events (docs.gitlab.com, "Webhook events"). The jobs of a project are a
group: an ID token names the project. `jobs` makes the events, `audit_events` reads the audit events, `requests` the
logs of requests, `api` what the REST API answers about jobs and pipelines.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import gitlab_group, gitlab_pipeline
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.gitlab import api as gitlab_api
from detector.adapters.gitlab import audit_events as gitlab_audit
from detector.adapters.gitlab import requests as gitlab_requests
from detector.adapters.gitlab.audit_types import WEBHOOKS
from detector.adapters.gitlab.jobs import HOOK, KIND, LISTED, SOURCE, Project, job_events, pipeline_end
from detector.records.log_records import LogText, whole_record
from detector.records.timestamps import log_time
from detector.values.events import MAX_FUTURE, CanonicalEvent, TaskStarted

_MAX_LISTED: Final = 10_000


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of a webhook, an audit event, a logged request, or an API's answer."""
    if isinstance(record.get("object_kind"), str):
        return any(name in record for name in ("project_id", "project", "object_attributes"))
    return any(part.looks_like(record) for part in (gitlab_audit, gitlab_api, gitlab_requests))


def known(record: Record) -> bool:
    """Whether GitLab documents its kind. Most are about no job, pipeline or token."""
    kind = record.get("object_kind")
    if isinstance(kind, str):
        return kind in WEBHOOKS
    return any(part.looks_like(record) for part in (gitlab_api, gitlab_requests)) or gitlab_audit.known(
        record
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one webhook delivery or audit event; none if nothing starts, ends or is used.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    kind = record.get("object_kind")
    if kind == "build":
        pipeline = maybe_text(record, "pipeline_id")
        project = Project(maybe_text(record, "project_id"), _group(record))
        return list(job_events(record, HOOK, pipeline, project, now))
    if kind == "pipeline":
        return list(_pipeline(record, now))
    if isinstance(kind, str):
        return []
    if gitlab_api.looks_like(record):
        return gitlab_api.translate(record, now)
    if gitlab_requests.looks_like(record):
        return [*gitlab_requests.translate(record, now)]
    return gitlab_audit.translate(record, now)


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


def _pipeline(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """A pipeline's start and end, and those of its jobs, which every event of it lists."""
    pipeline = text(record, "object_attributes.id")
    above = maybe_text(record, "source_pipeline.pipeline_id")
    yield TaskStarted(
        time=time(record, "object_attributes.created_at", now),
        source=SOURCE,
        id=f"pipeline/{pipeline}/started",
        task_id=gitlab_pipeline(pipeline),
        kind=KIND,
        owner=maybe_text(record, "user.username"),
        parent_task_id=gitlab_pipeline(above) if above else None,
    )
    yield from pipeline_end(record, "object_attributes.", now)
    project = Project(maybe_text(record, "project.id"), _group(record))
    builds = record.get("builds")
    for build in builds[:_MAX_LISTED] if isinstance(builds, list) else ():
        if isinstance(build, dict):
            yield from job_events(build, LISTED, pipeline, project, now)


def scanned(record: Record, now: int) -> LogText | None:
    """What an event shows in clear: a pipeline's variables, and all of a line of a log."""
    if gitlab_requests.looks_like(record):
        return whole_record(record, record["time"])
    return gitlab_audit.scanned(record) if gitlab_audit.looks_like(record) else _variables(record, now)


def _variables(record: Record, now: int) -> LogText | None:
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
    "gitlab",
    (b'"object_kind"', b'"entity_type"', *gitlab_api.MARKS, *gitlab_requests.MARKS),
    looks_like,
    translate,
    known,
    text=scanned,
    type_at=("object_kind", "event_type", "event_name", "details.event_name", "status"),
)
