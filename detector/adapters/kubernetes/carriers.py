"""Envelopes that managed clusters put around Kubernetes audit events. Each gives the event, with the cluster's name.

- `EventList`: posted by the API server's own webhook backend (`audit.k8s.io/v1`).
- AKS: Azure's diagnostic records, one or a batch from Event Hubs. The event is text in `properties.log` (Azure, "AKS
  monitoring data reference"), or the object itself if a shipper read it.
- EKS: CloudWatch Logs subscriptions. The event is text in `logEvents[].message` of a stream `kube-apiserver-audit…`.
- GKE: Cloud Logging entries. `protoPayload` is Google's own form of the event (`google.cloud.audit.AuditLog`). It has
  no `user.extra`, so it does not show which token made a request.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from detector.adapters.adapter import Carrier, Record
from detector.adapters.fields import find
from detector.adapters.kubernetes.tokens import BY_POD, EXTENDED_DAYS
from detector.records.repeated_names import has_repeated_name

_AKS: Final = frozenset({"kube-audit", "kube-audit-admin"})
_EKS_DAYS: Final = (
    90  # "the extended expiry period is 90 days" (EKS user guide, "Kubernetes service accounts")
)
_EKS_STREAM: Final = "kube-apiserver-audit"
# google.rpc.Code as the HTTP status of the API server's answer.
_STATUS: Final = {0: 200, 5: 404, 6: 409, 7: 403, 16: 401}
_OTHER_STATUS: Final = 500
_NAMED: Final = 2  # parts of a path that name a resource and one object of it


def _is_list(record: Record) -> bool:
    version = record.get("apiVersion")
    return (
        record.get("kind") == "EventList" and isinstance(version, str) and version.startswith("audit.k8s.io/")
    )


def _items(record: Record, _now: int) -> Iterator[Record]:
    items, typed = record.get("items"), {"kind": "Event", "apiVersion": record["apiVersion"]}
    # The API server writes no type into what is inside a list.
    yield from (typed | one for one in items if isinstance(one, dict)) if isinstance(items, list) else ()


def _is_aks(record: Record) -> bool:
    category = record.get("category")
    return (
        isinstance(category, str)
        and category in _AKS
        and isinstance(find(record, "properties.log"), str | dict)
    )


def _aks(record: Record, _now: int) -> Iterator[Record | str]:
    resource = record.get("resourceId")
    yield _named(
        find(record, "properties.log"), resource.rpartition("/")[2] if isinstance(resource, str) else None
    )


def _is_aks_batch(record: Record) -> bool:
    records = record.get("records")
    return isinstance(records, list) and any(isinstance(one, dict) and _is_aks(one) for one in records)


def _aks_batch(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["records"] if isinstance(one, dict))


def _is_eks(record: Record) -> bool:
    stream = record.get("logStream")
    return (
        isinstance(stream, str)
        and stream.startswith(_EKS_STREAM)
        and (isinstance(record.get("logEvents"), list) or isinstance(record.get("message"), str))
    )


def _eks(record: Record, _now: int) -> Iterator[Record | str]:
    group = record.get("logGroup")  # /aws/eks/<cluster>/cluster
    parts = group.split("/") if isinstance(group, str) else []
    cluster = parts[3] if parts[1:3] == ["aws", "eks"] and len(parts) > 3 else None  # noqa: PLR2004 - as above
    events = record.get("logEvents")
    for one in events if isinstance(events, list) else (record,):
        message = one.get("message") if isinstance(one, dict) else None
        if isinstance(message, str):
            yield _named(message, cluster, **{EXTENDED_DAYS: _EKS_DAYS})


def _named(text: str | dict[str, Any], cluster: str | None, **more: Any) -> Record | str:
    """The event in a managed cluster's text, with the cluster's name; the text itself if it is not an object."""
    if isinstance(text, dict):
        return _of_cluster(text, cluster, **more)
    try:
        event = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text
    if not isinstance(event, dict) or has_repeated_name(text.encode("utf-8", "replace")):
        return text
    return _of_cluster(event, cluster, **more)


def _of_cluster(event: dict[str, Any], cluster: str | None, **more: Any) -> Record:
    return {**event, **more, BY_POD: True, **({"cluster": cluster} if cluster else {})}


def _is_gke(record: Record) -> bool:
    method = find(record, "protoPayload.methodName")
    return (
        find(record, "protoPayload.serviceName") == "k8s.io"
        and isinstance(method, str)
        and method.startswith("io.k8s.")
    )


def _gke(record: Record, _now: int) -> Iterator[Record]:
    """The entry as the audit event that it was made from, as far as it has the fields."""
    payload = record["protoPayload"]
    operation = find(record, "operation")
    begun = isinstance(operation, dict) and bool(operation.get("first")) and not operation.get("last")
    yield {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        BY_POD: True,
        "auditID": find(record, "operation.id") or record.get("insertId"),
        "stage": "ResponseStarted" if begun else "ResponseComplete",
        "cluster": find(record, "resource.labels.cluster_name"),
        "verb": payload["methodName"].rpartition(".")[2],
        "user": {"username": find(payload, "authenticationInfo.principalEmail")},
        "sourceIPs": [find(payload, "requestMetadata.callerIp")],
        "userAgent": find(payload, "requestMetadata.callerSuppliedUserAgent"),
        "objectRef": _object_ref(payload.get("resourceName")),
        "requestObject": payload.get("request"),
        "responseObject": payload.get("response"),
        "responseStatus": {"code": _status(find(payload, "status.code"))},
        "annotations": record.get("labels"),
        "requestReceivedTimestamp": record.get("timestamp"),
    }


def _status(code: object) -> int:
    return _STATUS.get(code, _OTHER_STATUS) if isinstance(code, int) else _STATUS[0]


def _object_ref(path: object) -> dict[str, Any]:
    """The parts of a path such as `core/v1/namespaces/ci/serviceaccounts/runner/token`."""
    parts = path.split("/")[2:] if isinstance(path, str) else []
    found: dict[str, Any] = {}
    if parts[:1] == ["namespaces"] and len(parts) > _NAMED:
        found["namespace"], parts = parts[1], parts[2:]
    return found | dict(zip(("resource", "name", "subresource"), parts, strict=False))


_AUDIT: Final = (b"audit.k8s.io",)
CARRIERS: Final = (
    Carrier("kubernetes", _AUDIT, _is_list, _items, audit=True),
    Carrier("aks", (b'"kube-audit',), _is_aks, _aks, audit=True),
    Carrier("aks", (b'"kube-audit',), _is_aks_batch, _aks_batch, audit=True),
    Carrier("eks", (b"kube-apiserver-audit",), _is_eks, _eks, audit=True),
    Carrier("gke", (b'"io.k8s.',), _is_gke, _gke, audit=True),
)
