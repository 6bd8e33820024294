"""CircleCI: jobs and workflows as tasks, from webhooks; its audit log is recognised and counted.

Fields are those of `job-completed` and `workflow-completed` (circleci.com/docs, "Outbound webhooks reference"). There
is no webhook for a start: each tells of both at the end. A job that is rerun has a new id. The jobs of a project are
a group, by the ids of organisation and project, as the subjects of OIDC tokens name them.

Records of the audit log ("Audit logs", "Audit log fields") say who changed or read which context. The document shows
neither what `target` is nor what `payload` holds, so they give no event; their texts are scanned.
"""

from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import circleci_group, circleci_job, circleci_workflow
from detector.adapters.fields import find, maybe_text, maybe_time, text, time
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.values.events import CanonicalEvent

_JOB: Final = "job-completed"
_WORKFLOW: Final = "workflow-completed"
_OUTCOMES: Final = {
    "success": "succeeded",
    "failed": "failed",
    "error": "failed",
    "unauthorized": "failed",
    "canceled": "cancelled",
}
# What records of the audit log may be about: the beginnings of their actions.
_ENTITIES: Final = frozenset(
    {"build", "checkout", "context", "group", "orb", "org", "organization", "project", "schedule", "trigger"}
    | {"webhook", "workflow"}
)


def _is_webhook(record: Record) -> bool:
    return (
        isinstance(record.get("type"), str)
        and isinstance(record.get("webhook"), dict)
        and "happened_at" in record
    )


def looks_like(record: Record) -> bool:
    """Whether an object is a webhook, or a record of the audit log."""
    if _is_webhook(record):
        return True
    parts = (record.get(name) for name in ("actor", "target", "organization"))
    return (
        isinstance(record.get("action"), str)
        and "occurred_at" in record
        and "success" in record
        and all(isinstance(part, dict) for part in parts)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and end of a job or workflow that a webhook tells.

    Raises:
        BadRecordError: a field that such a webhook has is missing or wrong.
    """
    kind = record.get("type") if _is_webhook(record) else None
    if kind == _JOB:
        return _run(record, "job", "started_at", now).events()
    return _run(record, "workflow", "created_at", now).events() if kind == _WORKFLOW else []


def _run(record: Record, what: str, start: str, now: int) -> TaskRun:
    is_job = what == "job"
    began, end, name = f"{what}.{start}", f"{what}.stopped_at", text(record, f"{what}.id")
    above = maybe_text(record, "workflow.id")  # not there for GitLab and GitHub's App
    return TaskRun(
        source="circleci",
        task_id=circleci_job(name) if is_job else circleci_workflow(name),
        kind="ci",
        started=maybe_time(record, began, now),  # of a job that did not run there is none
        ended=time(record, end if find(record, end) else "happened_at", now),
        outcome=_OUTCOMES.get(maybe_text(record, f"{what}.status") or ""),
        owner=maybe_text(record, "pipeline.trigger_parameters.circleci.actor_id"),
        workload=maybe_text(record, "project.slug"),
        parent=circleci_workflow(above) if is_job and above is not None else None,
        group=_group(record) if is_job else None,
    )


def _group(record: Record) -> str:
    return circleci_group(text(record, "organization.id"), text(record, "project.id"))


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says: messages of commits and payloads may hold secrets."""
    job = find(record, "job.id")
    at = record.get("happened_at") or record.get("occurred_at")
    return whole_record(record, at, circleci_job(job) if isinstance(job, str) else None)


def _kind(record: Record) -> str | None:
    """What a record that gives no event is about."""
    if _is_webhook(record):
        return "webhook"
    entity = str(record["action"]).replace("-", ".").partition(".")[0]
    return entity if entity in _ENTITIES else None


ADAPTER: Final = Adapter(
    "circleci",
    (b'"happened_at"', b'"occurred_at"'),
    looks_like,
    translate,
    text=scanned,
    kind=_kind,
    type_at=("type", "action"),
)
