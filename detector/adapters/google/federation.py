"""Google Cloud's workload identity federation: tokens exchanged for those of a CI job or pod, and their uses.

Entries of Cloud Logging with `google.cloud.audit.AuditLog` (cloud.google.com, "Example logs for Workload Identity
Federation"). Three say something: `ExchangeToken` of the Security Token Service, `GenerateAccessToken` for a service
account, and every call that a federated principal made, by itself or through a service account.

No entry has an id of the token. All that an exchange and a use have in common is the **principal**, the subject that the
pool maps the job's token to. So the credential is the principal, issued again with each exchange; through a service
account it is a second one. A subject that all jobs of a branch share names no job. One that has the job's id (`github-
job-71`, or a GitHub subject with `check_run_id`) does, and then the credential ends with the job.
"""

from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import task_named, task_of_subject
from detector.adapters.fields import find, maybe_text, text, time
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialUsed,
    Identifier,
)
from detector.values.times import HOUR, SECOND

PRINCIPAL: Final = "gcp-principal"
_EXCHANGE: Final = ".SecurityTokenService.ExchangeToken"
_GENERATE: Final = "GenerateAccessToken"
_FORM: Final = "principal://iam.googleapis.com/projects/"
_POOLS: Final = "/workloadIdentityPools/"
_SUBJECT: Final = "/subject/"
_REFUSED: Final = frozenset({7, 16})  # PERMISSION_DENIED, UNAUTHENTICATED (google.rpc.Code)
_LONGEST: Final = 43_200  # seconds: the longest lifetime that a request may ask for
_MAX_DELEGATES: Final = 16


def looks_like(record: Record) -> bool:
    """Whether an object is an audit entry about a federated principal of a workload."""
    payload = record.get("protoPayload")
    if not isinstance(payload, dict) or "methodName" not in payload:
        return False
    return _is_exchange(payload) or _principal(payload) is not None


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use of a principal's token, and the token that an exchange gave.

    Raises:
        BadRecordError: a field that such an entry has is missing or wrong.
    """
    entry = _Entry(record, now)
    if _is_exchange(entry.payload):
        mapped = _mapped(entry.payload)
        if entry.code != 0 or (mapped is not None and _POOLS not in mapped):
            return []
        if mapped is None:
            raise bad(MISSING_FIELD, "protoPayload.metadata.mapped_principal")
        return [entry.issued(mapped, None, HOUR)]
    return list(_called(entry))


def _called(entry: "_Entry") -> Iterator[CanonicalEvent]:
    principal = _principal(entry.payload) or ""
    account = maybe_text(entry.payload, "authenticationInfo.principalEmail")
    outcome = DENIED if entry.code in _REFUSED else SUCCESS
    yield CredentialUsed(
        time=entry.time,
        source=entry.source,
        id=entry.id,
        identifier=Identifier(PRINCIPAL, _name(principal, account)),
        action=text(entry.payload, "methodName"),
        resource=maybe_text(entry.payload, "resourceName"),
        outcome=outcome,
        source_ip=maybe_text(entry.payload, "requestMetadata.callerIp"),
        user_agent=maybe_text(entry.payload, "requestMetadata.callerSuppliedUserAgent"),
    )
    if text(entry.payload, "methodName").endswith(_GENERATE) and entry.code == 0:
        asked = maybe_text(entry.record, "resource.labels.email_id")
        asked = asked or text(entry.payload, "request.name").rpartition("/")[2]
        yield entry.issued(principal, asked, _lifetime(entry.payload))


class _Entry:
    """What the events of one entry share."""

    def __init__(self, record: Record, now: int) -> None:
        self.record, self.payload = record, record["protoPayload"]
        self.time = time(record, "timestamp", now)
        self.id = text(record, "insertId")
        project = maybe_text(record, "resource.labels.project_id")
        self.source = f"google.audit/{project}" if project else "google.audit"
        code = find(self.payload, "status.code")
        self.code = code if isinstance(code, int) else 0

    def issued(self, principal: str, account: str | None, lives: int) -> CredentialIssued:
        """The token of a principal, or of a service account for a principal; it lives so many ns."""
        pool, _, subject = principal.partition(_POOLS)[2].partition(_SUBJECT)
        task = task_named(subject) or task_of_subject(subject)
        name = _name(principal, account)
        return CredentialIssued(
            time=self.time,
            source=self.source,
            id=f"{self.id}/issued",
            credential_id=f"gcp/{name}",
            task_id=task or f"gcp/principal/{pool}/{subject}",
            identifiers=(Identifier(PRINCIPAL, name),),
            kind="gcp-federated-token" if account is None else "gcp-service-account-token",
            expires_at=self.time + lives,
            revocation=_revocation(principal, account),
            unjoined=None
            if task is not None
            else f"pool `{pool}`: the subject names no job; map `google.subject` to `'github-job-' + "
            "assertion.check_run_id`",
        )


def _revocation(principal: str, account: str | None) -> dict[str, Any]:
    """No token can be revoked alone: a revoker takes the principal's binding away, or denies it."""
    named = {"provider": "gcp", "method": "deny-principal", "principal": principal}
    return named if account is None else {**named, "service_account": account}


def _name(principal: str, account: str | None) -> str:
    return principal if account is None else f"{principal} {account}"


def _is_exchange(payload: Record) -> bool:
    method = payload.get("methodName")
    return isinstance(method, str) and method.endswith(_EXCHANGE)


def _mapped(payload: Record) -> str | None:
    """The principal that the token's subject was mapped to."""
    found = (maybe_text(payload, f"metadata.{name}") for name in ("mapped_principal", "mappedPrincipal"))
    return next((name for name in found if name), None)


def _principal(payload: Record) -> str | None:
    """The federated principal of a workload that called, by itself or through service accounts."""
    direct = find(payload, "authenticationInfo.principalSubject")
    chain = find(payload, "authenticationInfo.serviceAccountDelegationInfo")
    delegates = [
        find(each, path)
        for each in (chain[:_MAX_DELEGATES] if isinstance(chain, list) else ())
        if isinstance(each, dict)
        for path in ("principalSubject", "firstPartyPrincipal.principalSubject")
    ]
    return next(
        (
            one
            for one in (direct, *delegates)
            if isinstance(one, str) and one.startswith(_FORM) and _POOLS in one and _SUBJECT in one
        ),
        None,
    )


def _lifetime(payload: Record) -> int:
    """How long a service account's token lives (ns): `request.lifetime`, as `3600s`; an hour if it is not there."""
    asked = find(payload, "request.lifetime")
    digits = asked.removesuffix("s") if isinstance(asked, str) else ""
    seconds = int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 6 else 0  # noqa: PLR2004 - digits
    return seconds * SECOND if 0 < seconds <= _LONGEST else HOUR


ADAPTER: Final = Adapter(
    "google",
    (b"principal://iam.googleapis.com/", b"SecurityTokenService.ExchangeToken"),
    looks_like,
    translate,
)
