"""Token requests in Kubernetes audit events: which pod got which token, and how long it really lives.

From `pkg/registry/core/serviceaccount/storage/token.go`: the admission plugin asks for tokens of 3607 seconds for the
API server. Such a token lives a year (`--service-account-extend-token-expiration`, true by default), although
`status.expirationTimestamp` says an hour. If the log has the token, its own `exp` counts. Otherwise this module counts
a year for those, and also where the log does not show the request's body (level `Metadata`, as on EKS, AKS and GKE).
There a token request does not name the pod; but a pod's creation, logged with its answer, shows that it has a token.

A token that is bound to no pod, or to one that the log does not show, belongs to one of the pods that run as the
service account: they are a group.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from detector.adapters.fields import find, maybe_text, text
from detector.adapters.kubernetes.pods import KIND, EventContext, is_trial, pod_credential
from detector.adapters.token_values import Token, read_token
from detector.patterns.pattern import JWT_ID
from detector.records.dead_letters import MISSING_FIELD, WRONG_FIELD, bad
from detector.records.pod_names import pod_task, service_account_group
from detector.values.events import CredentialIssued, CredentialRevoked, Identifier, TaskStarted
from detector.values.times import DAY, SECOND

BY_POD: Final = "known_by_pod"  # a carrier of a managed cluster adds this to each event
EXTENDED_DAYS: Final = "extended_days"  # and this: the lifetime of its extended tokens, if not a year
TOKEN: Final = "kubernetes-token"  # noqa: S105 - the kind of credential, not one
OTHER_AUDIENCE: Final = "kubernetes-oidc-token"
POD_UID: Final = "kubernetes-pod-uid"
_CREDENTIAL_ID: Final = (
    "authentication.kubernetes.io/issued-credential-id",
    "authentication.k8s.io/issued-credential-id",  # Kubernetes 1.29
)
_BOUND: Final = "requestObject.spec.boundObjectRef"
_ASKED_BY_ADMISSION: Final = 3607  # seconds
_DEFAULT_SECONDS: Final = 3600
_YEAR: Final = 365  # days
_MAX_SECONDS: Final = 1 << 32  # of a token request, by its validation
# Audiences of API servers, or parts of them: kubeadm and EKS, GKE, AKS, k3s, RKE2.
_API_AUDIENCES: Final = (
    "kubernetes.default",
    "container.googleapis.com/v1/projects",
    ".azmk8s.io",
    "k3s",
    "rke2",
)


class _Bound(NamedTuple):
    """The object that a token is bound to, and dies with, as the request names it."""

    kind: str | None
    name: str | None
    uid: str | None


def is_token_request(record: Mapping[str, Any]) -> bool:
    """Whether a request is for a service account's token."""
    return (
        record.get("verb") == "create"
        and find(record, "objectRef.resource") == "serviceaccounts"
        and find(record, "objectRef.subresource") == "token"
    )


def token_issued(record: Mapping[str, Any], context: EventContext) -> CredentialIssued | None:
    """The token that a successful request gave; None if it is a pod's and the log never says which pod's.

    The pod's creation reports those. As tokens of the service account they would pile up without an end: each lives a
    year.

    Raises:
        BadRecordError: the record does not say which token that is, or for which pod.
    """
    namespace, account = text(record, "objectRef.namespace"), text(record, "objectRef.name")
    if record.get(BY_POD) is True and _by_node(record) and find(record, _BOUND) is None:
        return None
    token = read_token(find(record, "responseObject.status.token"))
    bound = _Bound(*(maybe_text(record, f"{_BOUND}.{key}") for key in _Bound._fields))
    pod = bound.name if bound.kind == "Pod" else None
    task_id = pod_task(namespace, pod, bound.uid) if pod is not None else None
    if pod is not None and task_id is None:
        raise bad(MISSING_FIELD, f"{_BOUND}.uid")
    ours = not _is_for_others(record, token)
    identifiers = _identifiers(record, token)
    if pod is not None and ours and bound.uid:
        identifiers.append(Identifier(POD_UID, bound.uid))
    if not identifiers:
        raise bad(MISSING_FIELD, f"annotations.{_CREDENTIAL_ID[0]}")
    own_id = identifiers[0].value
    return CredentialIssued(
        time=context.time,
        source=context.source,
        id=f"{context.id}/issued",
        credential_id=pod_credential(task_id) if task_id is not None and ours else own_id,
        task_id=task_id,
        task_group=service_account_group(namespace, account) if task_id is None else None,
        unjoined=_unjoined(record) if task_id is None else None,
        identifiers=tuple(identifiers),
        kind=TOKEN if ours else OTHER_AUDIENCE,
        groups=_groups(namespace, account, _presumed(record, bound)) if ours else (),
        expires_at=_expiry(record, context.time, token, bound_to_pod=pod is not None, ours=ours),
        revocation=_revocation(context, namespace, account, _presumed(record, bound)),
    )


def _unjoined(record: Mapping[str, Any]) -> str:
    if _by_node(record):
        return "a pod's token without the pod; log `serviceaccounts/token` at level `Request`"
    return "a service account's token that is bound to no pod; ask for one with a `boundObjectRef`"


def pod_with_token(record: Mapping[str, Any], context: EventContext) -> TaskStarted | None:
    """The start of the pod that a token was given to; None if the log shows no pod.

    A pod gets its first token before its containers start. Where its creation is logged with its name, that is earlier
    and counts. Else only this says that the pod runs, and as whom.
    """
    bound = _Bound(*(maybe_text(record, f"{_BOUND}.{key}") for key in _Bound._fields))
    namespace = text(record, "objectRef.namespace")
    task_id = pod_task(namespace, bound.name, bound.uid) if bound.kind == "Pod" and bound.name else None
    if task_id is None:
        return None
    return TaskStarted(
        time=context.time,
        source=context.source,
        id=f"{context.id}/started",
        task_id=task_id,
        kind=KIND,
        workload=f"{namespace}/{bound.name}",
        group=service_account_group(namespace, text(record, "objectRef.name")),
    )


def _presumed(record: Mapping[str, Any], bound: _Bound) -> _Bound:
    """A node asks for pods' tokens only, whether or not the log shows for which pod."""
    return bound._replace(kind="Pod") if _by_node(record) and bound.kind is None else bound


def _by_node(record: Mapping[str, Any]) -> bool:
    return (maybe_text(record, "user.username") or "").startswith("system:node:")


def issued_with_pod(record: Mapping[str, Any], context: EventContext) -> CredentialIssued | None:
    """The token of a pod whose creation is logged with the answer: the token is among the pod's volumes."""
    if (
        record.get("verb") != "create"
        or find(record, "objectRef.resource") != "pods"
        or find(record, "objectRef.subresource")
        or is_trial(record)
    ):
        return None
    seconds = _mounted(find(record, "responseObject.spec.volumes"))
    namespace, name, uid = (
        maybe_text(record, f"responseObject.metadata.{key}") for key in ("namespace", "name", "uid")
    )
    if seconds is None or not namespace or not name or not uid:
        return None
    account = maybe_text(record, "responseObject.spec.serviceAccountName") or "default"
    task_id = pod_task(namespace, name, uid) or ""
    bound = _Bound("Pod", name, uid)
    lives = _extended(record) if seconds == _ASKED_BY_ADMISSION else seconds * SECOND
    return CredentialIssued(
        time=context.time,
        source=context.source,
        id=f"{context.id}/issued",
        credential_id=pod_credential(task_id),
        task_id=task_id,
        identifiers=(Identifier(POD_UID, uid),),
        kind=TOKEN,
        expires_at=context.time + lives,
        revocation=_revocation(context, namespace, account, bound),
    )


def _mounted(volumes: object) -> int | None:
    """The requested lifetime, in seconds, of a pod's token for the API server; None if the pod mounts none."""
    for volume in volumes if isinstance(volumes, list) else ():
        sources = find(volume, "projected.sources") if isinstance(volume, dict) else None
        for source in sources if isinstance(sources, list) else ():
            token = source.get("serviceAccountToken") if isinstance(source, dict) else None
            if isinstance(token, dict) and not token.get("audience"):
                seconds = token.get("expirationSeconds")
                return seconds if type(seconds) is int and 0 < seconds <= _MAX_SECONDS else _DEFAULT_SECONDS
    return None


def tokens_voided(record: Mapping[str, Any], context: EventContext) -> CredentialRevoked | None:
    """What a deletion revokes besides a pod's tokens: a service account's tokens, or those bound to a secret."""
    resource = maybe_text(record, "objectRef.resource")
    if record.get("verb") != "delete" or resource not in _DELETED or find(record, "objectRef.subresource"):
        return None
    namespace, name = text(record, "objectRef.namespace"), maybe_text(record, "objectRef.name")
    if name is None or is_trial(record):
        return None
    group = f"k8s/{_DELETED[resource]}/{namespace}/{name}"
    return CredentialRevoked(
        time=context.time, source=context.source, id=f"{context.id}/revoked", group=group
    )


_DELETED: Final = {"serviceaccounts": "serviceaccount", "secrets": "secret"}


def _groups(namespace: str, account: str, bound: _Bound) -> tuple[str, ...]:
    """The groups of a token that is not a pod's. Pods' tokens have their pod; a group of those would grow too large."""
    if bound.kind == "Pod":
        return ()
    accounts = f"k8s/serviceaccount/{namespace}/{account}"
    return (accounts, f"k8s/secret/{namespace}/{bound.name}") if bound.kind == "Secret" else (accounts,)


def _identifiers(record: Mapping[str, Any], token: Token | None) -> list[Identifier]:
    """The token's id as audit logs print it, and as the token itself has it, and the token's hash if it was there."""
    jti = _credential_id(record) or (token.text("jti") if token is not None else None)
    found = [Identifier(JWT_ID, f"JTI={jti}"), Identifier(JWT_ID, jti)] if jti else []
    return [*found, *(one for one in (token.identifiers if token else ()) if one.scheme != JWT_ID)]


def _credential_id(record: Mapping[str, Any]) -> str | None:
    annotations = record.get("annotations")
    for key in _CREDENTIAL_ID:
        value = annotations.get(key) if isinstance(annotations, dict) else None
        if isinstance(value, str) and value:
            return value.removeprefix("JTI=")
    return None


def _is_for_others(record: Mapping[str, Any], token: Token | None) -> bool:
    """Whether a token is for a verifier other than the API server, which may not ask whether the pod lives."""
    if find(record, "requestObject.spec.expirationSeconds") == _ASKED_BY_ADMISSION:
        return False
    audiences = token.claims.get("aud") if token is not None else None
    if audiences is None:
        audiences = find(record, "requestObject.spec.audiences")
    texts = [one for one in audiences if isinstance(one, str) and one] if isinstance(audiences, list) else []
    if token is not None and token.text("iss") in texts:
        return False
    return bool(texts) and not any(mark in one for one in texts for mark in _API_AUDIENCES)


def _expiry(
    record: Mapping[str, Any], issued: int, token: Token | None, *, bound_to_pod: bool, ours: bool
) -> int:
    said = token.expires_at if token is not None else None
    if said is not None:
        return said
    # The server's answer counts: it may have shortened the requested lifetime.
    for path in ("responseObject.spec.expirationSeconds", "requestObject.spec.expirationSeconds"):
        seconds = find(record, path)
        if seconds is None:
            continue
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= _MAX_SECONDS:
            raise bad(WRONG_FIELD, path)
        if seconds == _ASKED_BY_ADMISSION and bound_to_pod and ours:
            break
        return issued + seconds * SECOND
    return issued + _extended(record)


def _extended(record: Mapping[str, Any]) -> int:
    days = record.get(EXTENDED_DAYS)
    return days * DAY if type(days) is int and 0 < days < _YEAR else _YEAR * DAY


def _revocation(context: EventContext, namespace: str, account: str, bound: _Bound) -> dict[str, Any]:
    """No token can be revoked alone: a revoker deletes the object that it is bound to, or recreates the account."""
    methods = {"Pod": "delete-pod", "Secret": "delete-secret"}
    told = {
        "provider": "kubernetes",
        "method": methods.get(bound.kind or "", "recreate-service-account"),
        "cluster": context.cluster,
        "namespace": namespace,
        "service_account": account,
        "name": bound.name,
        "uid": bound.uid,
    }
    return {key: value for key, value in told.items() if value is not None}
