"""Pods as tasks: their names, and their starts and ends in Kubernetes audit events.

The kubelet says when a pod ends (`pkg/kubelet/status/status_manager.go`): by a status of `Succeeded` or `Failed`, or
by deleting the object without grace and for one uid. The deletion that a controller or a person asks for only begins a
graceful end. If the log shows neither its body nor its answer, the pod gets the default of 30 seconds.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.adapters.fields import find, maybe_text, text, time
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.pod_names import pod_task, service_account_group
from detector.records.record_ids import record_id
from detector.values.events import CanonicalEvent, CredentialRevoked, TaskEnded, TaskStarted
from detector.values.times import SECOND

KIND: Final = "kubernetes-pod"
_OUTCOMES: Final = {"Succeeded": "succeeded", "Failed": "failed"}
_GRACE: Final = 30 * SECOND
_COLLECTOR: Final = "system:serviceaccount:kube-system:pod-garbage-collector"
_TASK_RUN: Final = "tekton.dev/taskRun"
_WORKFLOW: Final = "workflows.argoproj.io/workflow"
_JOB: Final = ("batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid")


class EventContext(msgspec.Struct, frozen=True):
    """What the events of one record share: when the request arrived (ns), source, audit id, and cluster if known."""

    time: int
    source: str
    id: str
    cluster: str | None


def context_of(record: Mapping[str, Any], now: int) -> EventContext:
    """The shared facts of a record's events. An exporter may leave out the id: then two equal records are one event.

    Raises:
        BadRecordError: the time is missing, or something is wrong.
    """
    cluster = maybe_text(record, "cluster") or maybe_text(record, "cluster_name")
    source = f"kubernetes.audit/{cluster}" if cluster else "kubernetes.audit"
    received = "requestReceivedTimestamp" if record.get("requestReceivedTimestamp") else "stageTimestamp"
    at = time(record, received if record.get(received) else "requestReceivedTimestamp", now)
    return EventContext(at, source, maybe_text(record, "auditID") or record_id(record), cluster)


def pod_credential(task_id: str) -> str:
    """The id of the credential that a pod's tokens for the API server make up together."""
    return f"{task_id}/token"


def job_task(namespace: str, name: str, uid: str) -> str:
    """The task id of a job. Its uid is in it: a name may come again."""
    return f"k8s-job/{namespace}/{name}/{uid}"


def pod_events(record: Mapping[str, Any], context: EventContext) -> list[CanonicalEvent]:
    """The start or end of the pod that a successful request is about.

    Raises:
        BadRecordError: it ends a pod and does not say which.
    """
    if find(record, "objectRef.resource") != "pods":
        return []
    verb, part = find(record, "verb"), find(record, "objectRef.subresource")
    if verb == "create" and not part:
        return _started(record, context)
    if verb == "delete" and not part:
        return _deleted(record, context)
    if verb in ("patch", "update") and part == "status":
        return _finished(record, context)
    return []


def _started(record: Mapping[str, Any], context: EventContext) -> list[CanonicalEvent]:
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
            time=context.time,
            source=context.source,
            id=f"{context.id}/started",
            task_id=task_id,
            kind=KIND,
            owner=None if creator.startswith("system:") else creator or None,
            workload=f"{namespace}/{name}",
            parent_task_id=_parent(namespace, find(record, "requestObject.metadata.labels")),
            group=_group(record, namespace or ""),
        )
    ]


def _group(record: Mapping[str, Any], namespace: str) -> str | None:
    """The group of the pods that run as the same service account; None if the log shows no specification."""
    specifications = [
        specification
        for name in ("responseObject", "requestObject")
        if isinstance(specification := find(record, f"{name}.spec"), dict)
    ]
    named = (
        maybe_text(each, name) for each in specifications for name in ("serviceAccountName", "serviceAccount")
    )
    account = next((name for name in named if name), "default")
    return service_account_group(namespace, account) if specifications else None


def _parent(namespace: str | None, labels: object) -> str | None:
    """The Tekton task run, the Argo workflow or the job that a pod was made for."""
    if not isinstance(labels, dict):
        return None
    for label, source in ((_TASK_RUN, "tekton"), (_WORKFLOW, "argo")):
        name = labels.get(label)
        if isinstance(name, str) and name:
            return f"{source}/{namespace}/{name}"
    job, uid = (labels.get(label) for label in _JOB)
    if not (namespace and isinstance(job, str) and job and isinstance(uid, str) and uid):
        return None
    return job_task(namespace, job, uid)


def _finished(record: Mapping[str, Any], context: EventContext) -> list[CanonicalEvent]:
    outcome = _OUTCOMES.get(maybe_text(record, "requestObject.status.phase") or "")
    if outcome is None or not _by_kubelet(record):
        return []
    uid = maybe_text(record, "requestObject.metadata.uid") or maybe_text(
        record, "responseObject.metadata.uid"
    )
    task_id = pod_task(text(record, "objectRef.namespace"), text(record, "objectRef.name"), uid)
    if task_id is None:
        raise bad(MISSING_FIELD, "requestObject.metadata.uid")
    return [_ended(context, context.time, task_id, outcome)]


def _deleted(record: Mapping[str, Any], context: EventContext) -> list[CanonicalEvent]:
    gone = None if is_trial(record) else _gone(record, context.time)
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
        _ended(context, gone, task_id, outcome),
        CredentialRevoked(
            time=gone,
            source=context.source,
            id=f"{context.id}/revoked",
            credential_id=pod_credential(task_id),
        ),
    ]


def _ended(context: EventContext, when: int, task_id: str, outcome: str | None) -> TaskEnded:
    return TaskEnded(
        time=when, source=context.source, id=f"{context.id}/ended", task_id=task_id, outcome=outcome
    )


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
    """Whether a request is a dry run."""
    return "dryRun=All" in (maybe_text(record, "requestURI") or "") or bool(
        find(record, "requestObject.dryRun")
    )
