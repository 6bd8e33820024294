"""GitHub: workflow jobs and runs as tasks, from webhooks; uses of tokens and their lifecycle, from the audit log.

Webhook fields are those of the `workflow_job` and `workflow_run` payloads (docs.github.com, "Webhook events and
payloads"). A re-run has a new job id and another `run_attempt`, so it is a new task. The jobs of a repository are a
group: a token of OpenID Connect names no more than that by default. `audit_log` reads the audit log, `api` what the
REST API answers about jobs and runs.
"""

from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import github_group, github_job, github_run
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.github import api as github_api
from detector.adapters.github import audit_log as github_audit
from detector.adapters.github.plain_audit_log import PLAIN
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted

_SENT: Final = ("workflow_job", "workflow_run")
_STATES: Final = ("completed", "in_progress", "pending", "queued", "requested", "waiting")


def looks_like(record: Record) -> bool:
    """Whether an object looks like a webhook about a job or run, an audit log record, or an API's answer."""
    if github_api.looks_like(record):
        return True
    if "action" not in record:
        return False
    return any(isinstance(record.get(name), dict) for name in _SENT) or github_audit.looks_like(record)


def known(record: Record) -> bool:
    """Whether it is about a job or a run in a state that GitHub documents, or of a known action of the audit log."""
    if github_api.looks_like(record):
        state = record.get("status")
        return github_api.known(record) and (state is None or state in _STATES)
    if any(isinstance(record.get(name), dict) for name in _SENT):
        return record["action"] in _STATES
    return github_audit.known(record)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one webhook delivery or audit record; none for actions that start, end or use nothing.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if github_api.known(record):
        return github_api.translate(record, now)
    if isinstance(record.get("workflow_job"), dict):
        return _job(record, now)
    if isinstance(record.get("workflow_run"), dict):
        return _run(record, now)
    return github_audit.translate(record, now)


def _job(record: Record, now: int) -> list[CanonicalEvent]:
    action = text(record, "action")
    if action not in ("in_progress", "completed"):
        return []
    repository = text(record, "repository.full_name")
    source = f"github/{repository}"
    job = text(record, "workflow_job.id")
    task_id, event_id = github_job(job), f"workflow_job/{job}/{action}"
    ended: list[CanonicalEvent] = []
    if action == "completed":
        at = time(record, "workflow_job.completed_at", now)
        outcome = github_audit.outcome_of(record, "workflow_job.conclusion")
        ended.append(TaskEnded(time=at, source=source, id=event_id, task_id=task_id, outcome=outcome))
        # The delivery that said that it runs may be lost. Without it the job would be no candidate of its credentials.
        if find(record, "workflow_job.started_at") is None or not github_api.has_run(record["workflow_job"]):
            return ended
        event_id = f"workflow_job/{job}/in_progress/completed"
    run = maybe_text(record, "workflow_job.run_id")
    attempt = maybe_text(record, "workflow_job.run_attempt") or "1"
    return [
        TaskStarted(
            time=time(record, "workflow_job.started_at", now),
            source=source,
            id=event_id,
            task_id=task_id,
            kind=github_audit.KIND,
            owner=maybe_text(record, "sender.login"),
            workload=maybe_text(record, "workflow_job.runner_name"),
            parent_task_id=github_run(run, attempt) if run else None,
            group=github_group(repository),
        ),
        *ended,
    ]


def _run(record: Record, now: int) -> list[CanonicalEvent]:
    action = text(record, "action")
    if action not in ("in_progress", "completed"):
        return []
    source = f"github/{text(record, 'repository.full_name')}"
    run = text(record, "workflow_run.id")
    attempt = maybe_text(record, "workflow_run.run_attempt") or "1"
    task_id, event_id = github_run(run, attempt), f"workflow_run/{run}/{attempt}/{action}"
    if action == "completed":
        at = time(record, "workflow_run.updated_at", now)
        outcome = github_audit.outcome_of(record, "workflow_run.conclusion")
        return [TaskEnded(time=at, source=source, id=event_id, task_id=task_id, outcome=outcome)]
    return [
        TaskStarted(
            time=time(record, "workflow_run.run_started_at", now),
            source=source,
            id=event_id,
            task_id=task_id,
            kind=github_audit.KIND,
            owner=maybe_text(record, "sender.login"),
        )
    ]


ADAPTER: Final = Adapter(
    "github",
    (b'"workflow_job"', b'"workflow_run"', *github_audit.MARKS, *github_api.MARKS),
    looks_like,
    translate,
    known,
    text=github_audit.scanned,
    type_at=("action", "status"),
    plain=PLAIN,
)
