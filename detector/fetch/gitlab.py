"""Brings a project's pipelines, their jobs and the jobs' traces from GitLab.

`HOST/GROUP/PROJECT/gitlab-pipeline-ID.jsonl` has a pipeline, then its jobs; `gitlab-job-ID.log` a job's trace, which a
replay knows by this name. A list of pipelines has no child pipelines unless it is asked for them (docs.gitlab.com,
"Pipelines API").
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import re2

from detector.fetch.answers import ApiError, GoneError
from detector.fetch.client import ApiClient
from detector.fetch.history import (
    NOT_DOCUMENTED,
    PER_PAGE,
    Fetcher,
    Log,
    count_logs,
    each_of,
    fetch_logs,
    listed,
    names_of,
    number,
    stored,
    subject,
    whole_seconds,
    write_unit,
)
from detector.records.timestamps import log_time

API: Final = "https://gitlab.com/api/v4"
_PART: Final = re2.compile(r"[A-Za-z0-9_.-]{1,255}")
_DOTS: Final = frozenset({".", ".."})
_MAX_PARTS: Final = 22  # GitLab nests groups 20 deep
_ENDED: Final = frozenset({"success", "failed", "canceled", "skipped"})
_SOURCES: Final = (None, "parent_pipeline")


def headers(token: str | None) -> dict[str, str]:
    """What goes with each request."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def is_path(name: str) -> bool:
    """Whether a text is a project's or a group's path, or its id."""
    parts = name.split("/")
    return len(parts) <= _MAX_PARTS and all(_PART.fullmatch(part) and part not in _DOTS for part in parts)


async def projects_of(client: ApiClient, group: str) -> list[str]:
    """The projects of a group and the groups below it that the token may see.

    Raises:
        ApiError: there is no such group, or it cannot be asked.
    """
    path, gone = (
        f"/groups/{quote(group, safe='')}/projects",
        f"no group {group}, or the token may not see it: check its path",
    )
    return await names_of(
        client, path, {"include_subgroups": "true", "order_by": "id"}, "path_with_namespace", gone
    )


async def fetch(fetcher: Fetcher, project: str) -> None:
    """Brings one project's history into the folder.

    Raises:
        ApiError: it is not there, or cannot be asked.
    """
    client = fetcher.client
    gone = (
        f"no project {project}, or the token may not see it: check its path, and that the token has read_api"
    )
    answer, name = await subject(client, f"/projects/{quote(project, safe='')}", "path_with_namespace", gone)
    if not is_path(name):
        raise ApiError(f"{client.url.host}: {NOT_DOCUMENTED}")
    base = f"/projects/{number(answer, 'id')}"
    fetcher.meter.stage(f"{name}: pipelines", 0)
    pipelines = await _pipelines(fetcher, base)
    folder = fetcher.folder.below(client.place, *name.split("/"))
    fetcher.meter.stage(name, len(pipelines))

    async def one(pipeline: dict[str, Any]) -> None:
        await _fetch_pipeline(fetcher, base, folder, pipeline)

    await each_of(fetcher, pipelines, one)


async def _pipelines(fetcher: Fetcher, base: str) -> list[dict[str, Any]]:
    """The pipelines that changed since the window began and were created before it ends, by id."""
    found: dict[int, dict[str, Any]] = {}
    for source in _SOURCES:
        parameters = {"updated_after": whole_seconds(fetcher.window.since), "order_by": "id", "sort": "asc"}
        parameters |= {"per_page": PER_PAGE} | ({} if source is None else {"source": source})
        try:
            async for page in fetcher.client.pages(f"{base}/pipelines", parameters):
                found |= {number(each, "id"): each for each in listed(page)}
        except GoneError:
            raise ApiError(
                f"{fetcher.client.url.host}: no pipelines: CI/CD is off in this project, or the token may not see it"
            ) from None
    return [
        found[key]
        for key in sorted(found)
        if (log_time(found[key].get("created_at")) or 0) <= fetcher.window.until
    ]


async def _fetch_pipeline(fetcher: Fetcher, base: str, folder: Path, listed_one: dict[str, Any]) -> None:
    """One pipeline, unless it is there and has not changed since."""
    counts, pipeline_id = fetcher.counts, number(listed_one, "id")
    path = folder / f"gitlab-pipeline-{pipeline_id}.jsonl"
    before = stored(path)
    if before and _is_same(listed_one, before[0]):
        jobs = before[1:]
        counts.units, counts.present, counts.jobs = (
            counts.units + 1,
            counts.present + 1,
            counts.jobs + len(jobs),
        )
        count_logs(counts, folder, _traces(base, jobs))
        return
    within = f"{base}/pipelines/{pipeline_id}"
    try:
        pipeline = await fetcher.client.json(within)
        pages = fetcher.client.pages(f"{within}/jobs", {"include_retried": "true", "per_page": PER_PAGE})
        jobs = [job async for page in pages for job in listed(page)]
    except GoneError:  # it was deleted since it was listed
        counts.missing += 1
        return
    number(pipeline, "id")
    jobs.sort(key=lambda job: number(job, "id"))
    complete = await fetch_logs(fetcher, folder, _traces(base, jobs))
    counts.running += sum(job.get("status") == "running" for job in jobs)
    if complete:
        write_unit(path, [pipeline, *jobs])
        counts.units, counts.jobs = counts.units + 1, counts.jobs + len(jobs)


def _is_same(listed_one: dict[str, Any], before: dict[str, Any]) -> bool:
    return listed_one.get("status") in _ENDED and all(
        listed_one.get(each) == before.get(each) for each in ("status", "updated_at")
    )


def _traces(base: str, jobs: Sequence[dict[str, Any]]) -> Iterator[Log]:
    """The traces of the jobs that ran and have ended."""
    for job in jobs:
        if job.get("started_at") and job.get("finished_at"):
            job_id = number(job, "id")
            yield Log(f"{base}/jobs/{job_id}/trace", f"gitlab-job-{job_id}.log")
