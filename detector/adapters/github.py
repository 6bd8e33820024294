"""GitHub: workflow jobs and runs as tasks (webhooks), and uses of tokens (audit log).

Webhook fields are those of GitHub's `workflow_job` and `workflow_run` payloads; a re-run is a job of its own id, and a
run with another `run_attempt`. An audit record's `hashed_token` is the base64 of the token's SHA-256, so a use joins
its credential, and a leak of it, without the token.
"""

from collections.abc import Mapping
from typing import Any, Final

from detector.adapters.adapter import Adapter
from detector.adapters.fields import find, maybe_text, text, time
from detector.deadletters import WRONG_FIELD, bad
from detector.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialUsed,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.secrets import normal_sha256

KIND: Final = "ci"
_OUTCOMES: Final = {
    "success": "succeeded",
    "neutral": "succeeded",
    "failure": "failed",
    "startup_failure": "failed",
    "action_required": "failed",
    "cancelled": "cancelled",
    "skipped": "cancelled",
    "stale": "cancelled",
    "timed_out": "timed_out",
}
_DENIED_STATUS: Final = frozenset({"401", "403"})
_AUDIT_TIMES: Final = ("@timestamp", "created_at", "at_sign_timestamp")


def looks_like(record: Mapping[str, Any]) -> bool:
    """Whether an object has the shape of a webhook about a job or run, or of an audit record with a token."""
    if "action" not in record:
        return False
    return any(isinstance(record.get(name), Mapping) for name in ("workflow_job", "workflow_run")) or (
        "hashed_token" in record
    )


def translate(record: Mapping[str, Any], now: int) -> list[CanonicalEvent]:
    """The events in one webhook delivery or audit record; none for actions that start, end or use nothing.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if isinstance(record.get("workflow_job"), Mapping):
        return _job(record, now)
    if isinstance(record.get("workflow_run"), Mapping):
        return _run(record, now)
    return _use(record, now)


def _job(record: Mapping[str, Any], now: int) -> list[CanonicalEvent]:
    action = text(record, "action")
    if action not in ("in_progress", "completed"):
        return []
    repository = text(record, "repository.full_name")
    job = text(record, "workflow_job.id")
    task_id, source = f"github/{repository}/job/{job}", f"github/{repository}"
    event_id = f"workflow_job/{job}/{action}"
    if action == "completed":
        at = time(record, "workflow_job.completed_at", now)
        outcome = _outcome(record, "workflow_job.conclusion")
        return [TaskEnded(time=at, source=source, id=event_id, task_id=task_id, outcome=outcome)]
    run = maybe_text(record, "workflow_job.run_id")
    attempt = maybe_text(record, "workflow_job.run_attempt") or "1"
    return [
        TaskStarted(
            time=time(record, "workflow_job.started_at", now),
            source=source,
            id=event_id,
            task_id=task_id,
            kind=KIND,
            owner=maybe_text(record, "sender.login"),
            workload=maybe_text(record, "workflow_job.runner_name"),
            parent_task_id=_run_task(repository, run, attempt) if run else None,
        )
    ]


def _run(record: Mapping[str, Any], now: int) -> list[CanonicalEvent]:
    action = text(record, "action")
    if action not in ("in_progress", "completed"):
        return []
    repository = text(record, "repository.full_name")
    run = text(record, "workflow_run.id")
    attempt = maybe_text(record, "workflow_run.run_attempt") or "1"
    task_id, source = _run_task(repository, run, attempt), f"github/{repository}"
    event_id = f"workflow_run/{run}/{attempt}/{action}"
    if action == "completed":
        at = time(record, "workflow_run.updated_at", now)
        outcome = _outcome(record, "workflow_run.conclusion")
        return [TaskEnded(time=at, source=source, id=event_id, task_id=task_id, outcome=outcome)]
    return [
        TaskStarted(
            time=time(record, "workflow_run.run_started_at", now),
            source=source,
            id=event_id,
            task_id=task_id,
            kind=KIND,
            owner=maybe_text(record, "sender.login"),
        )
    ]


def _run_task(repository: str, run: str, attempt: str) -> str:
    return f"github/{repository}/run/{run}/{attempt}"


def _outcome(record: Mapping[str, Any], path: str) -> str | None:
    """The task's outcome; None for a conclusion that GitHub may yet invent: the task has ended all the same."""
    return _OUTCOMES.get(maybe_text(record, path) or "")


def _use(record: Mapping[str, Any], now: int) -> list[CanonicalEvent]:
    if not maybe_text(record, "hashed_token"):
        return []
    digest = normal_sha256(text(record, "hashed_token"))
    if digest is None:
        raise bad(WRONG_FIELD, "hashed_token", "not the base64 of a SHA-256")
    action = text(record, "action")
    if action == "api.request":
        method, route = maybe_text(record, "request_method"), maybe_text(record, "route")
        action = " ".join(part for part in (method, route) if part) or action
    when = next((name for name in _AUDIT_TIMES if find(record, name) is not None), _AUDIT_TIMES[0])
    owner = maybe_text(record, "org") or maybe_text(record, "business")
    return [
        CredentialUsed(
            time=time(record, when, now),
            source=f"github.audit/{owner}" if owner else "github.audit",
            id=text(record, "_document_id"),
            identifier=Identifier("sha256", digest),
            action=action,
            resource=maybe_text(record, "repo") or maybe_text(record, "repository"),
            outcome=DENIED if maybe_text(record, "status_code") in _DENIED_STATUS else SUCCESS,
            source_ip=maybe_text(record, "actor_ip"),
            user_agent=maybe_text(record, "user_agent"),
        )
    ]


ADAPTER: Final = Adapter(
    "github", (b'"workflow_job"', b'"workflow_run"', b'"hashed_token"'), looks_like, translate
)
