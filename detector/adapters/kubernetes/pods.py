"""Pods as tasks: their names, and their starts and ends in Kubernetes audit events.

The end of a pod is what the kubelet says (`pkg/kubelet/status/status_manager.go`): a status of `Succeeded` or `Failed`,
or the deletion of the object, without grace and for one uid. The deletion that a controller or a person asks for only
begins a graceful end; where the log shows neither its body nor its answer, the pod is given the default of 30 seconds.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.adapters.fields import find, maybe_text, text, time
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.pod_names import pod_task
from detector.values.events import CanonicalEvent, CredentialRevoked, TaskEnded, TaskStarted
from detector.values.times import SECOND

KIND: Final = "kubernetes-pod"
_OUTCOMES: Final = {"Succeeded": "succeeded", "Failed": "failed"}
_GRACE: Final = 30 * SECOND
_COLLECTOR: Final = "system:serviceaccount:kube-system:pod-garbage-collector"
_TASK_RUN: Final = "tekton.dev/taskRun"
_WORKFLOW: Final = "workflows.argoproj.io/workflow"


class At(msgspec.Struct, frozen=True):
    """Where an event stands: its time (ns; when the request came), its source, its audit id, and the cluster if known."""

    time: int
    source: str
    id: str
    cluster: str | None


def at(record: Mapping[str, Any], now: int) -> At:
    """Where an event stands.

    Raises:
        BadRecordError: time or id are missing or wrong.
    """
    cluster = maybe_text(record, "cluster") or maybe_text(record, "cluster_name")
    source = f"kubernetes.audit/{cluster}" if cluster else "kubernetes.audit"
    return At(time(record, "requestReceivedTimestamp", now), source, text(record, "auditID"), cluster)


def pod_credential(task_id: str) -> str:
    """The id of what a pod's tokens for the API server are together."""
    return f"{task_id}/token"


def pod_events(record: Mapping[str, Any], here: At) -> list[CanonicalEvent]:
    """The start or end of the pod that a successful request is about.

    Raises:
        BadRecordError: it ends a pod and does not say which.
    """
    if find(record, "objectRef.resource") != "pods":
        return []
    verb, part = find(record, "verb"), find(record, "objectRef.subresource")
    if verb == "create" and not part:
        return _started(record, here)
    if verb == "delete" and not part:
        return _deleted(record, here)
    if verb in ("patch", "update") and part == "status":
        return _finished(record, here)
    return []


def _started(record: Mapping[str, Any], here: At) -> list[CanonicalEvent]:
    namespace = maybe_text(record, "objectRef.namespace")
    name = maybe_text(record, "responseObject.metadata.name") or maybe_text(record, "objectRef.name")
    task_id = (
        pod_task(namespace, name, maybe_text(record, "responseObject.metadata.uid"))
        if namespace and name
        else None
    )
    if task_id is None or is_trial(record):
        return []
    creator = maybe_text(record, "user.username") or ""
    return [
        TaskStarted(
            time=here.time,
            source=here.source,
            id=f"{here.id}/started",
            task_id=task_id,
            kind=KIND,
            owner=None if creator.startswith("system:") else creator or None,
            workload=f"{namespace}/{name}",
            parent_task_id=_parent(namespace, find(record, "requestObject.metadata.labels")),
        )
    ]


def _parent(namespace: str | None, labels: object) -> str | None:
    """The Tekton task run or the Argo workflow that a pod was made for."""
    if not isinstance(labels, dict):
        return None
    for label, source in ((_TASK_RUN, "tekton"), (_WORKFLOW, "argo")):
        name = labels.get(label)
        if isinstance(name, str) and name:
            return f"{source}/{namespace}/{name}"
    return None


def _finished(record: Mapping[str, Any], here: At) -> list[CanonicalEvent]:
    outcome = _OUTCOMES.get(maybe_text(record, "requestObject.status.phase") or "")
    if outcome is None or not _by_kubelet(record):
        return []
    uid = maybe_text(record, "requestObject.metadata.uid") or maybe_text(
        record, "responseObject.metadata.uid"
    )
    task_id = pod_task(text(record, "objectRef.namespace"), text(record, "objectRef.name"), uid)
    if task_id is None:
        raise bad(MISSING_FIELD, "requestObject.metadata.uid")
    return [_ended(here, here.time, task_id, outcome)]


def _deleted(record: Mapping[str, Any], here: At) -> list[CanonicalEvent]:
    gone = None if is_trial(record) else _gone(record, here.time)
    if gone is None:
        return []
    uid = next(
        (
            uid
            for path in (
                "requestObject.preconditions.uid",
                "responseObject.metadata.uid",
                "responseObject.details.uid",
                "objectRef.uid",
            )
            if (uid := maybe_text(record, path))
        ),
        None,
    )
    task_id = pod_task(text(record, "objectRef.namespace"), text(record, "objectRef.name"), uid)
    if task_id is None:
        raise bad(MISSING_FIELD, "requestObject.preconditions.uid")
    outcome = _OUTCOMES.get(maybe_text(record, "responseObject.status.phase") or "")
    return [
        _ended(here, gone, task_id, outcome),
        CredentialRevoked(
            time=gone, source=here.source, id=f"{here.id}/revoked", credential_id=pod_credential(task_id)
        ),
    ]


def _ended(here: At, when: int, task_id: str, outcome: str | None) -> TaskEnded:
    return TaskEnded(time=when, source=here.source, id=f"{here.id}/ended", task_id=task_id, outcome=outcome)


def _gone(record: Mapping[str, Any], when: int) -> int | None:
    """When the pod is gone, in ns; None for a deletion that only begins a graceful end."""
    graces = (
        find(record, "requestObject.gracePeriodSeconds"),
        find(record, "responseObject.metadata.deletionGracePeriodSeconds"),
    )
    if (
        0 in graces
        or _by_kubelet(record)
        or find(record, "user.username") == _COLLECTOR
        or maybe_text(record, "responseObject.status.phase") in _OUTCOMES
    ):
        return when
    shown = any(isinstance(record.get(name), dict) for name in ("requestObject", "responseObject"))
    return None if shown else when + _GRACE


def _by_kubelet(record: Mapping[str, Any]) -> bool:
    return (maybe_text(record, "user.username") or "").startswith("system:node:")


def is_trial(record: Mapping[str, Any]) -> bool:
    """Whether a request only asked what would happen."""
    return "dryRun=All" in (maybe_text(record, "requestURI") or "") or bool(
        find(record, "requestObject.dryRun")
    )
