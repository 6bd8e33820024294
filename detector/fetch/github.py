"""Brings a repository's workflow runs, their jobs and the jobs' logs from GitHub.

`HOST/OWNER/REPO/github-run-ID.jsonl` has a run with all its attempts, then their jobs; `github-job-ID.log` a job's log,
which a replay knows by this name. The list of runs ends after 1,000, so a window with more is halved until each part
has fewer (docs.github.com, "List workflow runs for a repository").
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import re2

from detector.adapters.github.api import has_run
from detector.fetch.answers import ApiError, GoneError
from detector.fetch.client import ApiClient
from detector.fetch.history import (
    NOT_DOCUMENTED,
    PER_PAGE,
    Fetcher,
    Log,
    Window,
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
from detector.values.times import SECOND

API: Final = "https://api.github.com"
_NAME: Final = re2.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
_OWNER: Final = re2.compile(r"[A-Za-z0-9._-]{1,100}")
_DOTS: Final = frozenset({".", ".."})
_DONE: Final = "completed"
_LONGEST_LIST: Final = 1000
_MAX_ATTEMPTS: Final = 1000


def headers(token: str | None) -> dict[str, str]:
    """What goes with each request. The version of the API is the oldest that GitHub still has."""
    made = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    return made if token is None else made | {"Authorization": f"Bearer {token}"}


def is_repository(name: str) -> bool:
    """Whether a text is `OWNER/REPO`."""
    return bool(_NAME.fullmatch(name)) and not _DOTS.intersection(name.split("/"))


def is_owner(name: str) -> bool:
    """Whether a text is the name of an organisation."""
    return bool(_OWNER.fullmatch(name)) and name not in _DOTS


async def repositories_of(client: ApiClient, organisation: str) -> list[str]:
    """The repositories of an organisation that the token may see.

    Raises:
        ApiError: there is no such organisation, or it cannot be asked.
    """
    gone = f"no organisation {organisation}, or the token may not see it: check its name"
    return await names_of(client, f"/orgs/{organisation}/repos", {"sort": "full_name"}, "full_name", gone)


async def fetch(fetcher: Fetcher, repository: str) -> None:
    """Brings one repository's history into the folder.

    Raises:
        ApiError: it is not there, or cannot be asked.
    """
    client = fetcher.client
    gone = f"no repository {repository}, or the token may not see it: check the name, and that the token has access to it"
    _, name = await subject(client, f"/repos/{repository}", "full_name", gone)
    if not is_repository(name):
        raise ApiError(f"{client.url.host}: {NOT_DOCUMENTED}")
    fetcher.meter.stage(f"{name}: runs", 0)
    runs = {number(run, "id"): run async for run in _runs(fetcher, name, fetcher.window)}
    folder = fetcher.folder.below(client.place, *name.split("/"))
    fetcher.meter.stage(name, len(runs))

    async def one(run: dict[str, Any]) -> None:
        await _fetch_run(fetcher, name, folder, run)

    await each_of(fetcher, [runs[key] for key in sorted(runs)], one)


async def _runs(fetcher: Fetcher, name: str, window: Window) -> AsyncIterator[dict[str, Any]]:
    """The runs that were created in a window, in no order. Some may come twice."""
    created = f"{whole_seconds(window.since)}..{whole_seconds(window.until)}"
    parameters = {"created": created, "per_page": PER_PAGE, "exclude_pull_requests": "true"}
    total, got = 0, 0
    try:
        async for page in fetcher.client.pages(f"/repos/{name}/actions/runs", parameters):
            runs = listed(page, "workflow_runs")
            total, got = max(total, _total(page)), got + len(runs)
            halves = _halves(window) if max(total, got) >= _LONGEST_LIST else ()
            if halves:
                for half in halves:
                    async for run in _runs(fetcher, name, half):
                        yield run
                return
            for run in runs:
                yield run
    except GoneError:
        raise ApiError(
            f"{fetcher.client.url.host}: no runs of {name}: the token needs Actions: read (a classic one: repo)"
        ) from None
    fetcher.counts.missing += max(0, total - got)


def _total(page: dict[str, Any]) -> int:
    total = page.get("total_count")
    return total if isinstance(total, int) else 0


def _halves(window: Window) -> tuple[Window, ...]:
    """Both halves of a window, in whole seconds; none if it is one second."""
    since, until = window.since // SECOND, window.until // SECOND
    if since >= until:
        return ()
    middle = (since + until) // 2
    return (Window(since * SECOND, middle * SECOND), Window((middle + 1) * SECOND, until * SECOND))


async def _fetch_run(fetcher: Fetcher, name: str, folder: Path, run: dict[str, Any]) -> None:
    """One run, unless it is there and has not changed since."""
    counts, run_id = fetcher.counts, number(run, "id")
    path = folder / f"github-run-{run_id}.jsonl"
    before = stored(path)
    if before and _is_same(run, before):
        jobs = [line for line in before if "run_id" in line]
        counts.units, counts.present, counts.jobs = (
            counts.units + 1,
            counts.present + 1,
            counts.jobs + len(jobs),
        )
        count_logs(counts, folder, _logs(name, jobs))
        return
    base = f"/repos/{name}/actions/runs/{run_id}"
    try:
        attempts = [await fetcher.client.json(f"{base}/attempts/{each}") for each in _earlier_attempts(run)]
        pages = fetcher.client.pages(f"{base}/jobs", {"filter": "all", "per_page": PER_PAGE})
        jobs = [job async for page in pages for job in listed(page, "jobs")]
    except GoneError:  # it was deleted since it was listed
        counts.missing += 1
        return
    jobs.sort(key=lambda job: number(job, "id"))
    complete = await fetch_logs(fetcher, folder, _logs(name, jobs))
    counts.running += sum(job.get("status") != _DONE for job in jobs)
    if complete:
        write_unit(path, [*attempts, run, *jobs])
        counts.units, counts.jobs = counts.units + 1, counts.jobs + len(jobs)


def _is_same(run: dict[str, Any], before: Sequence[dict[str, Any]]) -> bool:
    """Whether the last attempt that was stored has ended and is the one that is listed now."""
    last: dict[str, Any] = next((line for line in reversed(before) if "run_id" not in line), {})
    return run.get("status") == _DONE and all(
        run.get(each) == last.get(each) for each in ("status", "run_attempt", "updated_at")
    )


def _earlier_attempts(run: dict[str, Any]) -> range:
    last = run.get("run_attempt")
    return range(1, min(last, _MAX_ATTEMPTS) if isinstance(last, int) else 1)


def _logs(name: str, jobs: Sequence[dict[str, Any]]) -> Iterator[Log]:
    """The logs of the jobs that ran and have ended."""
    for job in jobs:
        if job.get("status") == _DONE and has_run(job):
            job_id = number(job, "id")
            yield Log(f"/repos/{name}/actions/jobs/{job_id}/logs", f"github-job-{job_id}.log")
