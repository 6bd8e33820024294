"""Kubernetes audit events that are only a use of the caller's token, as all are that read, in a third of the time.

Whatever else there is about an event is for `detector.adapters.kubernetes.audit`.
"""

from typing import Any, Final, Literal

import msgspec

from detector.adapters.adapter import Plain
from detector.adapters.kubernetes.callers import identifier_of, workload_of
from detector.values.events import DENIED, SUCCESS, CredentialUsed
from detector.values.times import parse_rfc3339

_REFUSED: Final = 400  # the lowest HTTP status of a refusal
_DECISION: Final = "authorization.k8s.io/decision"


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel", kw_only=True):
    """The fields of such an event, with what is looked at in their types. An event with others is not read here."""

    kind: Literal["Event"]
    api_version: Literal["audit.k8s.io/v1", "audit.k8s.io/v1beta1"]
    audit_id: str = msgspec.field(name="auditID")
    verb: Literal["get", "list", "watch"]
    user: dict[str, Any]
    request_received_timestamp: str
    stage: Literal["ResponseComplete", ""] | None = None
    request_uri: str | None = msgspec.field(name="requestURI", default=None)
    source_ips: Any = msgspec.field(name="sourceIPs", default=None)
    user_agent: str | None = None
    object_ref: dict[str, Any] | None = None
    response_status: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    stage_timestamp: Any = None
    level: Any = None
    impersonated_user: Any = None


def _use(event: _Event) -> CredentialUsed | None:
    """The use that it is, as `audit.translate` gives it.

    None says nothing: it may be of another kind, or have a mistake.
    """
    extra = event.user.get("extra")
    identifier = identifier_of(extra)
    code = None if event.response_status is None else event.response_status.get("code")
    username = event.user.get("username")
    uri = event.request_uri
    if (
        identifier is None
        or not event.audit_id
        or type(username) is not str
        or not (code is None or type(code) is int)
        or (uri is not None and "command=" in uri)
    ):
        return None
    resource = uri.partition("?")[0] or None if uri else None
    if event.object_ref is not None:
        named = _object(event.object_ref)
        if named is None:
            return None
        resource = named
    forbidden = event.annotations is not None and event.annotations.get(_DECISION) == "forbid"
    addresses = event.source_ips
    address = addresses[-1] if isinstance(addresses, list) and addresses else None
    return CredentialUsed(
        time=parse_rfc3339(event.request_received_timestamp),
        source="kubernetes.audit",
        id=event.audit_id,
        identifier=identifier,
        action=event.verb,
        resource=resource,
        outcome=DENIED if forbidden or (code is not None and code >= _REFUSED) else SUCCESS,
        workload=workload_of(username or None, extra),
        source_ip=address if isinstance(address, str) and address else None,
        user_agent=event.user_agent or None,
    )


def _object(reference: dict[str, Any]) -> str | None:
    """The path of the object, None if one of its names is no text, or its kind is missing or a job's."""
    resource, namespace = reference.get("resource"), reference.get("namespace")
    parts = (
        reference.get("apiGroup"),
        namespace,
        resource,
        reference.get("name"),
        reference.get("subresource"),
    )
    if not resource or resource == "jobs" or any(type(part) is not str for part in parts if part is not None):
        return None
    group, _, _, name, below = parts
    spaced = f"namespaces/{namespace}" if namespace else None
    return "/".join(part for part in (group, spaced, resource, name, below) if part)


PLAIN: Final = Plain(b"audit.k8s.io/", _Event, _use)
