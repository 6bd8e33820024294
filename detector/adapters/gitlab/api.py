"""GitLab's REST API: jobs and pipelines as it answers them.

`GET /projects/:id/jobs`, `…/pipelines/:pipeline_id/jobs` and `…/jobs/:job_id` give jobs, `…/pipelines` and
`…/pipelines/:pipeline_id` pipelines (docs.gitlab.com, "Jobs API" and "Pipelines API"). A job gives the very events that
its webhooks give. A pipeline does not say what started it, so its start has an id of its own, and a webhook's governs.
A list of pipelines has no ends: each pipeline by itself has.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from detector.adapters.adapter import Record
from detector.adapters.ci_names import gitlab_group, gitlab_pipeline
from detector.adapters.fields import maybe_text, text
from detector.adapters.gitlab.jobs import (
    KIND,
    LISTED,
    SOURCE,
    Project,
    job_events,
    pipeline_end,
    whole_second,
)
from detector.values.events import CanonicalEvent, TaskStarted

MARKS: Final = (b'"allow_failure"', b"/-/pipelines/")
_PIPELINE: Final = "/-/pipelines/"
_MAX_URL: Final = 2048


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of a job or a pipeline."""
    return is_job(record) or _is_pipeline(record)


def is_job(record: Any) -> bool:
    """Whether an object is a job, or the trigger of another pipeline."""
    return (
        isinstance(record, dict)
        and "allow_failure" in record
        and isinstance(record.get("pipeline"), dict)
        and "stage" in record
        and isinstance(record.get("status"), str)
    )


def _is_pipeline(record: Record) -> bool:
    url = record.get("web_url")
    return (
        isinstance(url, str)
        and _PIPELINE in url[:_MAX_URL]
        and "project_id" in record
        and "sha" in record
        and isinstance(record.get("status"), str)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and end of a job, of its token, or of a pipeline. A trigger of another pipeline has neither.

    Raises:
        BadRecordError: a field that such an object has is missing or wrong.
    """
    if not is_job(record):
        return _pipeline(record, now)
    if "downstream_pipeline" in record:
        return []
    project = Project(maybe_text(record, "pipeline.project_id"), _group(record))
    return list(job_events(record, LISTED, maybe_text(record, "pipeline.id"), project, now))


def _group(record: Record) -> str | None:
    """The group of the project's jobs, by the job's address: it has the project's path nowhere else."""
    address = record.get("web_url")
    if not isinstance(address, str) or len(address) > _MAX_URL:
        return None
    try:
        path, _, job = urlsplit(address).path.partition("/-/")
    except ValueError:
        return None
    return gitlab_group(path.strip("/")) if job and "/" in path.strip("/") else None


def _pipeline(record: Record, now: int) -> list[CanonicalEvent]:
    pipeline = text(record, "id")
    start = TaskStarted(
        time=whole_second(record, "created_at", now),
        source=SOURCE,
        id=f"pipeline/{pipeline}/started/api",
        task_id=gitlab_pipeline(pipeline),
        kind=KIND,
        owner=maybe_text(record, "user.username"),
    )
    return [start, *pipeline_end(record, "", now)]
