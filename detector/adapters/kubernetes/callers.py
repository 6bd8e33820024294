"""Who made a request, as the authenticators of the API server say it in `user.extra` (KEP-4193)."""

from typing import Any, Final

from detector.adapters.kubernetes.tokens import POD_UID
from detector.patterns.pattern import JWT_ID
from detector.values.events import Identifier

X509: Final = "x509-sha256"
SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_SCHEMES: Final = {"JTI": JWT_ID, "X509SHA256": X509}
_PREFIXES: Final = ("authentication.kubernetes.io/", "authentication.k8s.io/")


def told(extra: Any, name: str) -> str | None:
    """The first value of a name in `user.extra`, whatever that is."""
    if not isinstance(extra, dict):
        return None
    for prefix in _PREFIXES:
        values = extra.get(prefix + name)
        if isinstance(values, list) and values and isinstance(values[0], str) and values[0]:
            return values[0]
    return None


def identifier_of(extra: Any, *, by_pod: bool = False) -> Identifier | None:
    """An identifier of the caller's credential: its id, else (before 1.29) the pod that it is bound to.

    With `by_pod` the pod comes first.
    """
    uid = told(extra, "pod-uid")
    if uid is not None and by_pod:
        return Identifier(POD_UID, uid)
    credential = told(extra, "credential-id")
    if credential is not None:
        kind, _, value = credential.partition("=")
        scheme = _SCHEMES.get(kind, "kubernetes-credential-id") if value else JWT_ID
        if scheme == X509:
            return Identifier(X509, value.lower())
        return Identifier(scheme, credential if value else f"JTI={credential}")
    return Identifier(POD_UID, uid) if uid is not None else None


def workload_of(username: str | None, extra: Any) -> str | None:
    """The caller: of a service account's token its pod, as `namespace/name`."""
    pod = told(extra, "pod-name")
    if pod is not None and username is not None and username.startswith(SERVICE_ACCOUNT):
        return f"{username.removeprefix(SERVICE_ACCOUNT).partition(':')[0]}/{pod}"
    return username
