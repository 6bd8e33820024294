"""Who called Google Cloud, and with which credential, as far as an entry of the audit log tells.

`authenticationInfo` (cloud.google.com, "AuthenticationInfo") names the caller by `principalEmail`, or by
`principalSubject` if it has no address, such as a workload of a pool. A call through a service account names that
account, and in `serviceAccountDelegationInfo` those that were before it, the first one first. A call with a service
account's key, or with a token that the key was exchanged for, names the key.
"""

from typing import Final, NamedTuple

from detector.adapters.adapter import Record
from detector.adapters.fields import find, maybe_text
from detector.values.events import Identifier

PRINCIPAL: Final = "gcp-principal"
KEY: Final = "gcp-service-account-key"
FEDERATED: Final = "principal://iam.googleapis.com/projects/"
POOLS: Final = "/workloadIdentityPools/"
SUBJECT: Final = "/subject/"
_ACCOUNT: Final = ".gserviceaccount.com"
# Accounts by which Google's own services work in a project ("Service agents").
_AGENTS: Final = (
    "@gcp-sa-",
    "@system.gserv",
    "@cloudservices.gserv",
    "@containerregistry.iam.gserv",
    "-robot.iam.",
)
_POD: Final = ".svc.id.goog["
_KEYS: Final = "/keys/"
_MAX_DELEGATES: Final = 16


class Caller(NamedTuple):
    """`origin` is whose call it was in the end, and `account` the service account that it went through, if any."""

    origin: str | None
    account: str | None
    key_id: str | None

    @property
    def identifier(self) -> Identifier | None:
        """The credential of the call; None if it is a person's, an agent's of Google, or nobody's that is named."""
        if self.origin is None:
            return None
        if self.account is not None:
            return Identifier(PRINCIPAL, through(self.origin, self.account))
        if self.key_id is not None:
            return Identifier(KEY, self.key_id)
        return Identifier(PRINCIPAL, self.origin) if is_workload(self.origin) else None


def caller_of(payload: Record) -> Caller:
    """Who called.

    Raises:
        BadRecordError: a name is not text.
    """
    email = maybe_text(payload, "authenticationInfo.principalEmail")
    own = _name(email, maybe_text(payload, "authenticationInfo.principalSubject"))
    chain = find(payload, "authenticationInfo.serviceAccountDelegationInfo")
    names = [
        name
        for one in (chain[:_MAX_DELEGATES] if isinstance(chain, list) else ())
        if (name := _delegate(one))
    ]
    first = next(filter(is_federated, names), names[0] if names else None)
    if first is None and email is not None and is_federated(own):
        first, own = own, email
    key = (maybe_text(payload, "authenticationInfo.serviceAccountKeyName") or "").rpartition(_KEYS)[2]
    return Caller(own, None, key or None) if first in (None, own) else Caller(first, own, None)


def through(origin: str, account: str | None) -> str:
    """The name of what a caller has as itself, or as a service account."""
    return origin if account is None else f"{origin} {account}"


def is_federated(name: str | None) -> bool:
    """Whether it is a workload of a pool, and no person of a workforce."""
    return name is not None and name.startswith(FEDERATED) and POOLS in name and SUBJECT in name


def is_workload(name: str) -> bool:
    """Whether it is a workload: of a pool, a pod, or a service account that is not one of Google's own."""
    if name.endswith(_ACCOUNT):
        return not any(part in name for part in _AGENTS)
    return is_federated(name) or _POD in name


def key_id_of(name: str | None) -> str | None:
    """The id of a key in its name, `projects/P/serviceAccounts/A/keys/K`."""
    return (name or "").rpartition(_KEYS)[2] or None if _KEYS in (name or "") else None


def _delegate(one: object) -> str | None:
    """An authority of a chain; None if it is hidden."""
    if not isinstance(one, dict):
        return None
    inner = one.get("firstPartyPrincipal")
    names = inner if isinstance(inner, dict) else {}
    told = (one.get("principalSubject"), names.get("principalSubject"), names.get("principalEmail"))
    subject, inner_subject, email = (name if isinstance(name, str) else None for name in told)
    return _name(email, subject or inner_subject)


def _name(email: str | None, subject: str | None) -> str | None:
    """One name for who has an address and a subject: `serviceAccount:…` and `user:…` repeat the address."""
    if is_federated(subject):
        return subject
    kind, _, named = (subject or "").partition(":")
    return email or (named if kind in ("serviceAccount", "user") and named else subject) or None
