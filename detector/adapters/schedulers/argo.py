"""Argo Workflows: a `Workflow` object, and with it each of its pods' nodes.

Fields are those of `argoproj.io/v1alpha1`. Objects come from a watch of the API server or from Argo Events' `resource`
source. Both wrap them, and both send the same object again and again, with the same start and end each time. Nodes
that Argo keeps compressed or in its database (`compressedNodes`, `offloadNodeStatusVersion`) are not seen.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.fields import find, maybe_text, maybe_time, text, time
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted
from detector.values.times import SECOND

_OUTCOMES: Final = {
    "Succeeded": "succeeded",
    "Failed": "failed",
    "Error": "failed",
    "Skipped": "cancelled",
    "Omitted": "cancelled",
}
_CREATORS: Final = ("creator-preferred-username", "creator-email", "creator")
_TIMED_OUT: Final = "Max duration limit exceeded"


def looks_like(record: Record) -> bool:
    """Whether an object is a workflow."""
    version = record.get("apiVersion")
    return (
        record.get("kind") == "Workflow" and isinstance(version, str) and version.startswith("argoproj.io/")
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The starts and ends that a workflow reports: its own and its pods'.

    Raises:
        BadRecordError: a field that such an object has is missing or wrong.
    """
    namespace, name = text(record, "metadata.namespace"), text(record, "metadata.name")
    task_id = f"argo/{namespace}/{name}"
    source = f"argo/{namespace}"
    status = record.get("status")
    if not isinstance(status, dict):
        return []
    key = maybe_text(record, "metadata.uid") or name
    events: list[CanonicalEvent] = []
    began = maybe_time(status, "startedAt", now)
    if began is not None:
        events.append(
            TaskStarted(
                time=began,
                source=source,
                id=f"{key}/started",
                task_id=task_id,
                kind="argo-workflow",
                owner=_creator(record),
                deadline=_deadline(record, began),
            )
        )
    if maybe_text(status, "phase") in _OUTCOMES:
        events.append(
            TaskEnded(
                time=time(record, "status.finishedAt", now),
                source=source,
                id=f"{key}/ended",
                task_id=task_id,
                outcome=_outcome(record, status),
            )
        )
    nodes = status.get("nodes")
    for node_id, node in nodes.items() if isinstance(nodes, dict) else ():
        if isinstance(node, dict) and node.get("type") == "Pod":
            events.extend(_node(node, task_id, f"{task_id}/{node_id}", now))
    return events


def _node(node: Mapping[str, Any], parent: str, task_id: str, now: int) -> Iterator[CanonicalEvent]:
    source = parent.rpartition("/")[0]
    began, ended = (maybe_time(node, name, now) for name in ("startedAt", "finishedAt"))
    if began is not None:
        yield TaskStarted(
            time=began,
            source=source,
            id=f"{task_id}/started",
            task_id=task_id,
            kind="argo-node",
            parent_task_id=parent,
        )
    outcome = _OUTCOMES.get(maybe_text(node, "phase") or "")
    if ended is not None and outcome is not None:
        yield TaskEnded(time=ended, source=source, id=f"{task_id}/ended", task_id=task_id, outcome=outcome)


def _outcome(record: Record, status: Mapping[str, Any]) -> str:
    if maybe_text(record, "spec.shutdown"):
        return "cancelled"
    if (maybe_text(status, "message") or "").startswith(_TIMED_OUT):
        return "timed_out"
    return _OUTCOMES[text(status, "phase")]


def _creator(record: Record) -> str | None:
    labels = find(record, "metadata.labels")
    for name in _CREATORS if isinstance(labels, dict) else ():
        creator = labels.get(f"workflows.argoproj.io/{name}")
        if isinstance(creator, str) and creator:
            return creator
    return None


def _deadline(record: Record, began: int) -> int | None:
    seconds = find(record, "spec.activeDeadlineSeconds")
    if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < 1 << 32:
        return began + seconds * SECOND
    return None


def _wraps(name: str) -> Carrier:
    """Objects that hold a workflow under a name: `object` in a watch, `body` in Argo Events."""

    def is_one(record: Record) -> bool:
        held = record.get(name)
        return isinstance(held, dict) and isinstance(record.get("type"), str) and looks_like(held)

    def unwrap(record: Record, _now: int) -> Iterator[Record]:
        yield record[name]

    return Carrier("argo", _MARKS, is_one, unwrap, audit=True)


_MARKS: Final = (b"argoproj.io/v1alpha1",)
ADAPTER: Final = Adapter("argo", _MARKS, looks_like, translate)
CARRIERS: Final = (_wraps("object"), _wraps("body"))
