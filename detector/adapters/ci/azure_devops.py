"""Azure DevOps: runs of pipelines and their jobs as tasks, from service hooks; uses of tokens, from its audit log.

Fields of the hooks are those of `build.complete`, `ms.vss-pipelines.run-state-changed-event` and
`…job-state-changed-event` (learn.microsoft.com, "Service hook events"). A run's id is unique in its organisation; a
task has the project's id before it, which is unique everywhere. The number of a job's attempt is in what the service
sends, though not in the document (the receiver of OpenTelemetry's collector has it); without it the attempt is the
first.

The runs of a project are a group by the **names** of organisation and project, as the subjects of service connections
and pipelines have them (`sc://ORGANISATION/PROJECT/…`, `p://…`). Events about runs have the project's id instead. So
they tell the end only, and `build.complete`, which has the names, tells the start as well. Jobs are below their run,
and in no group.
"""

from typing import Final
from urllib.parse import unquote

import re2

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci import azure_devops_audit
from detector.adapters.ci_names import azure_devops_group, azure_devops_run
from detector.adapters.fields import UUID, find, maybe_text, maybe_time, text, time
from detector.adapters.pages import pages_of
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.values.events import CanonicalEvent

_MARKS: Final = (b'"publisherId"', *azure_devops_audit.MARKS)
_BUILD: Final = "build.complete"
_RUN: Final = "ms.vss-pipelines.run-state-changed-event"
_JOB: Final = "ms.vss-pipelines.job-state-changed-event"
_KINDS: Final = {
    _BUILD: "build",
    _RUN: "run without the project's name",
    _JOB: "unstarted job",
    "ms.vss-pipelines.stage-state-changed-event": "stage",
}
_OUTCOMES: Final = {
    "succeeded": "succeeded",
    "partiallysucceeded": "succeeded",
    "failed": "failed",
    "rejected": "failed",
    "canceled": "cancelled",
    "stopped": "cancelled",
    "skipped": "cancelled",
}
_PLACE: Final = re2.compile(
    r"https://(?:[^/@]+@)?(?:dev\.azure\.com/([^/]+)|([^/.]+)\.visualstudio\.com)/(?:DefaultCollection/)?([^/]+)/"
)
_GUID: Final = re2.compile(f"(?i:{UUID})")
_RUN_IN_ADDRESS: Final = re2.compile(r"/runs/(\d{1,20})$")
_MOST: Final = 2048  # characters of an address


def _is_hook(record: Record) -> bool:
    return (
        isinstance(record.get("eventType"), str)
        and isinstance(record.get("resource"), dict)
        and "publisherId" in record
    )


def looks_like(record: Record) -> bool:
    """Whether an object is a service hook's event, or a record of the audit log."""
    return _is_hook(record) or azure_devops_audit.looks_like(record)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and end of a run or job, or the uses that a record of the audit log tells.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if not _is_hook(record):
        return azure_devops_audit.translate(record, now)
    kind = record["eventType"]
    if kind == _BUILD:
        return _build(record, now).events()
    if kind == _RUN:
        return _run(record, now).events()
    return _job(record, now).events() if kind == _JOB else []


def _build(record: Record, now: int) -> TaskRun:
    """A run, at its end."""
    place = _place(maybe_text(record, "resource.url"))
    project = maybe_text(record, "resource.project.name")
    return TaskRun(
        source="azure-devops",
        task_id=azure_devops_run(text(record, "resource.project.id"), text(record, "resource.id")),
        kind="ci",
        started=maybe_time(record, "resource.startTime", now),
        ended=time(
            record, "resource.finishTime" if find(record, "resource.finishTime") else "createdDate", now
        ),
        outcome=_outcome(record, "resource"),
        owner=maybe_text(record, "resource.requestedFor.uniqueName"),
        workload=maybe_text(record, "resource.definition.name"),
        group=azure_devops_group(place[0], project) if place is not None and project is not None else None,
    )


def _run(record: Record, now: int) -> TaskRun:
    """A run, as the pipelines' own event has it."""
    group = _group(record)
    ended = maybe_text(record, "resource.run.state") == "completed"
    return TaskRun(
        source="azure-devops",
        task_id=_run_id(record),
        kind="ci",
        started=time(record, "resource.run.createdDate", now) if group is not None else None,
        ended=time(record, "resource.run.finishedDate", now) if ended else None,
        outcome=_outcome(record, "resource.run"),
        workload=_pipeline(record),
        group=group,
    )


def _job(record: Record, now: int) -> TaskRun:
    """A job of a run; nothing of one that waits, or never ran."""
    started = maybe_time(record, "resource.job.startTime", now)
    run = _run_id(record)
    attempt = maybe_text(record, "resource.job.attempt") or "1"
    return TaskRun(
        source="azure-devops",
        task_id=f"{run}/{text(record, 'resource.job.id')}/{attempt}",
        kind="ci",
        started=started,
        ended=None if started is None else maybe_time(record, "resource.job.finishTime", now),
        outcome=_outcome(record, "resource.job"),
        workload=_pipeline(record),
        parent=run,
    )


def _run_id(record: Record) -> str:
    """The task id of the run that an event of the pipelines is about."""
    project = maybe_text(record, "resource.projectId") or text(record, "resourceContainers.project.id")
    address = find(record, "resource.run.url")
    match = _RUN_IN_ADDRESS.search(address[-_MOST:]) if isinstance(address, str) else None
    run = maybe_text(record, "resource.run.id") or (match[1] if match else text(record, "resource.run.id"))
    return azure_devops_run(project, run)


def _pipeline(record: Record) -> str | None:
    return maybe_text(record, "resource.pipeline.name") or maybe_text(record, "resource.run.pipeline.name")


def _group(record: Record) -> str | None:
    """The project by names, if the address of the run's page has them."""
    place = _place(find(record, "resource.run._links.web.href"))
    return None if place is None or _GUID.fullmatch(place[1]) else azure_devops_group(*place)


def _place(address: object) -> tuple[str, str] | None:
    """The organisation in an address, and what stands for the project."""
    match = _PLACE.match(address[:_MOST]) if isinstance(address, str) else None
    return None if match is None else (match[1] or match[2], unquote(match[3]))


def _outcome(record: Record, thing: str) -> str | None:
    result = maybe_text(record, f"{thing}.result") or maybe_text(record, f"{thing}.status") or ""
    return _OUTCOMES.get(result.lower())


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says: messages of commits and data of the audit log may hold secrets."""
    at = next(
        (record[name] for name in ("createdDate", "timestamp", "TimeGenerated") if name in record), None
    )
    return whole_record(record, at)


def _kind(record: Record) -> str | None:
    """What a record that gives no event is about."""
    return _KINDS.get(record["eventType"]) if _is_hook(record) else azure_devops_audit.area(record)


ADAPTER: Final = Adapter(
    "azure-devops",
    _MARKS,
    looks_like,
    translate,
    text=scanned,
    kind=_kind,
    type_at=("eventType", "actionId", "OperationName"),
)
CARRIERS: Final = (
    pages_of("azure-devops", _MARKS, azure_devops_audit.looks_like, "decoratedAuditLogEntries"),
)
