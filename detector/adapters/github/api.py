"""GitHub's REST API: runs and jobs as it lists them, and webhook deliveries as it keeps them.

`GET /repos/{owner}/{repo}/actions/runs` and `…/runs/{run_id}/jobs` answer pages, `…/actions/jobs/{job_id}` one job,
and `GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}` a webhook as it was sent (docs.github.com,
"REST API endpoints for GitHub Actions" and "… for repository webhooks").

A job or run that a webhook told too is the same task. An end of a job has the same id, as all of it is the same. What
the API knows less exactly has an id of its own, so the webhook governs in whatever order the two are read: a job does
not say who started it, and a run's `updated_at` may move after its end.
"""

from collections.abc import Iterator
from typing import Any, Final

import re2

from detector.adapters.adapter import Carrier, Record
from detector.adapters.ci_names import github_group, github_job, github_run
from detector.adapters.fields import maybe_text, text, time
from detector.adapters.github.audit_log import KIND, outcome_of
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted

MARKS: Final = (b'"check_run_url"', b'"jobs_url"', b'"delivered_at"')
_RUNNING: Final = "in_progress"
_DONE: Final = "completed"
_SKIPPED: Final = "skipped"
_REPOSITORY: Final = re2.compile(r"/repos/([^/?#]{1,100}/[^/?#]{1,100})/actions/(?:runs|jobs)/")
_MAX_URL: Final = 2048
# A job that was cancelled or skipped before a runner took it has times all the same.
_RUNNER: Final = ("runner_id", "runner_name", "steps")


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of a run, a job, or a delivery in a list."""
    return is_job(record) or is_run(record) or _is_delivery(record)


def known(record: Record) -> bool:
    """Whether it is a run or a job. A delivery in a list has no payload; ask for it by its id."""
    return is_job(record) or is_run(record)


def is_job(record: Any) -> bool:
    """Whether an object is a workflow job."""
    return isinstance(record, dict) and (
        "check_run_url" in record
        and "run_id" in record
        and isinstance(record.get("run_url"), str)
        and isinstance(record.get("status"), str)
    )


def is_run(record: Any) -> bool:
    """Whether an object is a workflow run, or one attempt of it."""
    return isinstance(record, dict) and (
        "workflow_id" in record and "run_number" in record and isinstance(record.get("jobs_url"), str)
    )


def _is_delivery(record: Record) -> bool:
    return isinstance(record.get("delivered_at"), str) and "guid" in record and "redelivery" in record


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and end of a job or a run; none while it waits.

    Raises:
        BadRecordError: a field that such an object has is missing or wrong.
    """
    return list(_job(record, now) if is_job(record) else _run(record, now))


def has_run(record: Record) -> bool:
    """Whether a runner took a job: one that was skipped or cancelled in the queue has neither runner nor steps."""
    if record.get("conclusion") == _SKIPPED:
        return False
    said = [record[name] for name in _RUNNER if name in record]
    return not said or any(said)


def _job(record: Record, now: int) -> Iterator[CanonicalEvent]:
    job, status = text(record, "id"), text(record, "status")
    if status not in (_RUNNING, _DONE):
        return
    repository, task_id = _repository(record, "run_url"), github_job(job)
    source = f"github/{repository}"
    if has_run(record):
        run, attempt = text(record, "run_id"), maybe_text(record, "run_attempt") or "1"
        yield TaskStarted(
            time=time(record, "started_at", now),
            source=source,
            id=f"workflow_job/{job}/in_progress/api",
            task_id=task_id,
            kind=KIND,
            workload=maybe_text(record, "runner_name"),
            parent_task_id=github_run(run, attempt),
            group=github_group(repository),
        )
    if status == _DONE:
        yield TaskEnded(
            time=time(record, "completed_at", now),
            source=source,
            id=f"workflow_job/{job}/completed",
            task_id=task_id,
            outcome=outcome_of(record, "conclusion"),
        )


def _run(record: Record, now: int) -> Iterator[CanonicalEvent]:
    run, status = text(record, "id"), maybe_text(record, "status")
    if status not in (_RUNNING, _DONE):
        return
    attempt = maybe_text(record, "run_attempt") or "1"
    source, task_id = f"github/{_repository(record, 'jobs_url')}", github_run(run, attempt)
    base = f"workflow_run/{run}/{attempt}"
    yield TaskStarted(
        time=time(record, "run_started_at" if record.get("run_started_at") else "created_at", now),
        source=source,
        id=f"{base}/in_progress/api",
        task_id=task_id,
        kind=KIND,
        owner=maybe_text(record, "triggering_actor.login") or maybe_text(record, "actor.login"),
    )
    if status == _DONE:
        yield TaskEnded(
            time=time(record, "updated_at", now),
            source=source,
            id=f"{base}/completed/api",
            task_id=task_id,
            outcome=outcome_of(record, "conclusion"),
        )


def _repository(record: Record, name: str) -> str:
    """`OWNER/REPO`, which a job has in its addresses only."""
    url = text(record, name)
    found = _REPOSITORY.search(url) if len(url) <= _MAX_URL else None
    if found is None:
        raise bad(WRONG_FIELD, name)
    return str(found[1])


def _is_page(record: Record) -> bool:
    return isinstance(record.get("total_count"), int) and any(
        isinstance(held := record.get(name), list) and all(map(is_one, held[:1]))
        for name, is_one in _LISTS.items()
    )


def _listed(record: Record, _now: int) -> Iterator[Record]:
    for name in _LISTS:
        held: Any = record.get(name)
        for each in held if isinstance(held, list) else ():
            if isinstance(each, dict):
                yield each


def _is_sent(record: Record) -> bool:
    request = record.get("request")
    return _is_delivery(record) and isinstance(request, dict) and isinstance(request.get("payload"), dict)


def _payload(record: Record, _now: int) -> Iterator[Record]:
    yield record["request"]["payload"]


_LISTS: Final = {"workflow_runs": is_run, "jobs": is_job}
CARRIERS: Final = (
    Carrier("github-page", (b'"total_count"',), _is_page, _listed, audit=True),
    Carrier("github-delivery", (b'"delivered_at"',), _is_sent, _payload, audit=True),
)
