"""CDEvents of pipeline, task, build and test runs (`dev.cdevents.pipelinerun.started.0.2.0` and so on).

Fields are those of the CDEvents specification 0.1 to 0.5; Jenkins (its CDEvents plugin), Tekton, Spinnaker, Testkube
and Harness write them. They come as CloudEvents with the event as data, or bare.
"""

from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted

_PREFIX: Final = "dev.cdevents."
_SUBJECTS: Final = frozenset({"pipelinerun", "taskrun", "build", "testcaserun", "testsuiterun"})
_PREDICATES: Final = frozenset({"queued", "started", "finished"})
# What else the specification has events about. No task runs in it.
_THINGS: Final = frozenset(
    {
        "artifact",
        "branch",
        "change",
        "environment",
        "incident",
        "repository",
        "service",
        "testoutput",
        "ticket",
    }
)
_HAPPENED: Final = frozenset(
    {"abandoned", "closed", "created", "deleted", "deployed", "detected", "downloaded", "merged", "modified"}
    | {
        "packaged",
        "published",
        "removed",
        "reported",
        "resolved",
        "reviewed",
        "rolledback",
        "signed",
        "updated",
    }
    | {"upgraded"}
)
_OUTCOMES: Final = {
    "success": "succeeded",
    "pass": "succeeded",
    "failure": "failed",
    "fail": "failed",
    "error": "failed",
    "cancel": "cancelled",
}


def _body(record: Record) -> Record:
    """The event itself, from the CloudEvent that carries it."""
    data = record.get("data")
    return data if isinstance(data, dict) else record


def looks_like(record: Record) -> bool:
    """Whether an object is a CDEvent, or a CloudEvent with one."""
    named = find(_body(record), "context.type")
    return isinstance(named, str) and named.startswith(_PREFIX)


def _kind(record: Record) -> tuple[str, str]:
    """Subject and predicate."""
    subject, _, rest = str(find(_body(record), "context.type")).removeprefix(_PREFIX).partition(".")
    return subject, rest.partition(".")[0]


def known(record: Record) -> bool:
    """Whether the specification has its type."""
    subject, predicate = _kind(record)
    if subject in _SUBJECTS:
        return predicate in _PREDICATES
    return subject in _THINGS and predicate in _HAPPENED


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of a run.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    subject, predicate = _kind(record)
    if subject not in _SUBJECTS or predicate not in ("started", "finished"):
        return []
    body = _body(record)
    when, source = time(body, "context.timestamp", now), text(body, "context.source")
    run_source = maybe_text(body, "subject.source") or source
    task_id = f"cdevents/{run_source}/{text(body, 'subject.id')}"
    event_id = text(body, "context.id")
    if predicate == "finished":
        outcome = _OUTCOMES.get(maybe_text(body, "subject.content.outcome") or "")
        return [TaskEnded(time=when, source=source, id=event_id, task_id=task_id, outcome=outcome)]
    return [
        TaskStarted(
            time=when,
            source=source,
            id=event_id,
            task_id=task_id,
            kind=f"cdevents-{subject}",
            workload=maybe_text(body, "subject.content.pipelineName")
            or maybe_text(body, "subject.content.taskName"),
            parent_task_id=_parent(body, run_source),
        )
    ]


def _parent(body: Record, run_source: str) -> str | None:
    pipeline = maybe_text(body, "subject.content.pipelineRun.id")
    if pipeline is None:
        return None
    return f"cdevents/{maybe_text(body, 'subject.content.pipelineRun.source') or run_source}/{pipeline}"


ADAPTER: Final = Adapter(
    "cdevents",
    (_PREFIX.encode(),),
    looks_like,
    translate,
    known,
    type_at=("context.type", "data.context.type"),
)
