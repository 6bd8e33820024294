"""Kubernetes audit events (`audit.k8s.io/v1`): tokens issued to pods, uses of them, and pods and jobs that ended.

Fields are those of the audit `Event` reference and of KEP-4193 (credential ids, Kubernetes 1.29 on).

The credential is the pod's, not a single token. A pod gets a new token about every 48 minutes; all of them die with
the pod, and none can be revoked alone. So the tokens of a pod for the API server are one credential. It is issued
again and again, with the id of each token as an identifier, and the pod's deletion revokes it. A token for another
audience (Vault, AWS) is a credential of its own, because its verifier may accept it until it expires.

Only the stage `ResponseComplete` counts, at the time when the request arrived. A watch is one use, reported when it
ends. Some exporters leave out the stage: then it is taken for this one.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, text
from detector.adapters.kubernetes.callers import identifier_of, workload_of
from detector.adapters.kubernetes.jobs import job_events
from detector.adapters.kubernetes.plain_audit import PLAIN
from detector.adapters.kubernetes.pods import EventContext, context_of, pod_events
from detector.adapters.kubernetes.tokens import (
    BY_POD,
    is_token_request,
    issued_with_pod,
    pod_with_token,
    token_issued,
    tokens_voided,
)
from detector.records.log_records import LogText
from detector.records.timestamps import log_time
from detector.values.events import DENIED, SUCCESS, CanonicalEvent, CredentialUsed, Identifier

_COMPLETE: Final = "ResponseComplete"
_STAGES: Final = frozenset({"RequestReceived", "ResponseStarted", _COMPLETE, "Panic"})
_CHANGES: Final = ("create", "delete", "patch", "update")
_CHANGED: Final = ("pods", "jobs", "serviceaccounts", "secrets")
_MAX_WORDS: Final = 1000  # of a command line
_REFUSED: Final = 400  # the lowest HTTP status of a refusal


def looks_like(record: Record) -> bool:
    """Whether an object is an audit event."""
    version = record.get("apiVersion")
    return record.get("kind") == "Event" and isinstance(version, str) and version.startswith("audit.k8s.io/")


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one audit event: a use of the caller's credential, a token issued, a pod's start or end.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    if (maybe_text(record, "stage") or _COMPLETE) != _COMPLETE:
        return []
    identifier = _caller(record)
    if identifier is None and not _is_change(record):
        return []
    context = context_of(record, now)
    refused = _is_refused(record)
    events: list[CanonicalEvent] = []
    if identifier is not None:
        events.append(_use(record, context, identifier, DENIED if refused else SUCCESS))
    if not refused:
        tokens: tuple[CanonicalEvent | None, ...] = (
            (token_issued(record, context), pod_with_token(record, context))
            if is_token_request(record)
            else (issued_with_pod(record, context),)
        )
        tasks = job_events(record, context, now) if _is_of_job(record) else pod_events(record, context)
        more = (*tokens, *tasks, tokens_voided(record, context))
        events.extend(event for event in more if event is not None)
    return events


def _kind(record: Record) -> str | None:
    """What an event is that says nothing; None in a stage that Kubernetes does not have."""
    stage = record.get("stage") or _COMPLETE
    if not isinstance(stage, str) or stage not in _STAGES:
        return None
    return "call of nobody's token" if stage == _COMPLETE else "earlier stage"


def _is_change(record: Record) -> bool:
    """Whether a request may start or end a pod or a job, or give or void a token."""
    return record.get("verb") in _CHANGES and maybe_text(record, "objectRef.resource") in _CHANGED


def _is_of_job(record: Record) -> bool:
    reference = record.get("objectRef")
    return isinstance(reference, dict) and (reference.get("resource"), reference.get("apiGroup")) == (
        "jobs",
        "batch",
    )


def _is_refused(record: Record) -> bool:
    if _annotation(record, "authorization.k8s.io/decision") == "forbid":
        return True
    code = maybe_text(record, "responseStatus.code")
    return code is not None and code.isdecimal() and int(code) >= _REFUSED


def _annotation(record: Record, key: str) -> Any:
    annotations = record.get("annotations")
    return annotations.get(key) if isinstance(annotations, dict) else None


def _caller(record: Record) -> Identifier | None:
    """An identifier of the caller's credential.

    Managed clusters do not log which token went to which pod, so there the pod comes first.
    """
    return identifier_of(find(record, "user.extra"), by_pod=record.get(BY_POD) is True)


def _use(record: Record, context: EventContext, identifier: Identifier, outcome: str) -> CredentialUsed:
    address = _address(record)
    return CredentialUsed(
        time=context.time,
        source=context.source,
        id=context.id,
        identifier=identifier,
        action=text(record, "verb"),
        resource=_resource(record),
        outcome=outcome,
        workload=_workload(record),
        source_ip=address,
        user_agent=maybe_text(record, "userAgent"),
    )


def _address(record: Record) -> str | None:
    """The address that connected, the last of `sourceIPs`. Any client can set those before it by `X-Forwarded-For`."""
    addresses = record.get("sourceIPs")
    address = addresses[-1] if isinstance(addresses, list) and addresses else None
    return address if isinstance(address, str) and address else None


def _resource(record: Record) -> str | None:
    """The object's path without versions (`apps/namespaces/ci/deployments/web/scale`), else the path of the URL."""
    resource = maybe_text(record, "objectRef.resource")
    if resource is None:
        path = maybe_text(record, "requestURI")
        return path.partition("?")[0] or None if path else None
    namespace = maybe_text(record, "objectRef.namespace")
    parts = (
        maybe_text(record, "objectRef.apiGroup"),
        f"namespaces/{namespace}" if namespace else None,
        resource,
        maybe_text(record, "objectRef.name"),
        maybe_text(record, "objectRef.subresource"),
    )
    return "/".join(part for part in parts if part)


def _workload(record: Record) -> str | None:
    return workload_of(maybe_text(record, "user.username"), find(record, "user.extra"))


def commands_run(record: Record, _now: int) -> LogText | None:
    """The command lines of `kubectl exec`. They are in the URL, so a secret in one stays in the log."""
    uri = record.get("requestURI")
    if record.get("stage", _COMPLETE) != _COMPLETE or not isinstance(uri, str) or "command=" not in uri:
        return None
    try:
        fields = parse_qsl(uri.partition("?")[2], max_num_fields=_MAX_WORDS)
    except ValueError:
        return LogText(uri.encode("utf-8", "replace"), log_time(record.get("requestReceivedTimestamp")))
    words = " ".join(value for name, value in fields if name == "command")
    return LogText(words.encode("utf-8", "replace"), log_time(record.get("requestReceivedTimestamp")))


ADAPTER: Final = Adapter(
    "kubernetes",
    (b"audit.k8s.io/",),
    looks_like,
    translate,
    text=commands_run,
    kind=_kind,
    type_at=("stage",),
    plain=PLAIN,
)
