"""Tokens of Google Cloud: those exchanged for the token of a CI job or pod, and those of a service account.

`ExchangeToken` of the Security Token Service (cloud.google.com, "Example logs for Workload Identity Federation"), and
`GenerateAccessToken` of IAM credentials ("Example logs for service accounts").

No entry has an id of the token. All that an exchange and a use have in common is the **principal**, the subject that
the pool maps the job's token to. So the credential is the principal, issued again with each exchange; through a
service account it is a second one. A subject that all jobs of a branch share names no job. One that has the job's id
(`github- job-71`, or a GitHub subject with `check_run_id`) does, and then the credential ends with the job. So does a
service account that is named after its job.
"""

from typing import Any, Final

from detector.adapters.adapter import Record
from detector.adapters.ci_names import group_of_subject, task_named, task_of_subject
from detector.adapters.fields import find, issued_to, maybe_text, text
from detector.adapters.google.callers import (
    FEDERATED,
    POOLS,
    PRINCIPAL,
    SUBJECT,
    Caller,
    is_federated,
    is_workload,
    through,
)
from detector.adapters.google.entries import Entry
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.values.events import Binding, CredentialIssued, Identifier
from detector.values.times import HOUR, SECOND

EXCHANGE: Final = "ExchangeToken"
GENERATE: Final = "GenerateAccessToken"
_ANYWHERE: Final = Binding(
    source_ips=("0.0.0.0/0", "::/0")
)  # jobs that share a principal run on many machines
_LONGEST: Final = 43_200  # seconds: the longest lifetime that a request may ask for
_DIGITS: Final = 5
# What to map `google.subject` to, by the beginning of the group that the token's own subject names.
_NAMES: Final = {
    "github": "'github-job-' + assertion.check_run_id",
    "gitlab": "'gitlab-job-' + assertion.job_id",
    "buildkite": "'buildkite-job-' + assertion.job_id",
    "circleci": "'circleci-job-' + assertion['oidc.circleci.com/job-id']",
    "azure-devops": "'azure-devops-run-' + assertion.prj_id + '-' + assertion.run_id",
}


def exchanged(entry: Entry) -> CredentialIssued | None:
    """The token that a workload got for its own; None if a person did, or nobody.

    Raises:
        BadRecordError: the entry does not say which principal it is for.
    """
    mapped = _mapped(entry.payload)
    if entry.code != 0 or (mapped is not None and POOLS not in mapped):
        return None
    if mapped is None:
        raise bad(MISSING_FIELD, "protoPayload.metadata.mapped_principal")
    return _issued(entry, mapped, None, HOUR)


def generated(entry: Entry, caller: Caller) -> CredentialIssued | None:
    """The token of a service account that somebody asked for; None if nobody is named, or it was refused.

    Raises:
        BadRecordError: the entry does not say of which account.
    """
    if entry.code != 0 or caller.origin is None:
        return None
    account = maybe_text(entry.record, "resource.labels.email_id")
    account = account or text(entry.payload, "request.name").rpartition("/")[2]
    return _issued(entry, caller.origin, account, _lifetime(entry.payload))


def account_task(account: str) -> str:
    """The task of what belongs to a service account, unless it is named after a job (`github-job-71@…`)."""
    return task_named(account.partition("@")[0]) or account_group(account)


def account_group(account: str) -> str:
    """The keys and tokens of a service account."""
    return f"gcp/service-account/{account}"


def _issued(entry: Entry, origin: str, account: str | None, lives: int) -> CredentialIssued:
    """The token of a principal, or of a service account for one; it lives so many ns."""
    name, task = through(origin, account), _task(origin, account)
    address = entry.address if task is not None else None
    return CredentialIssued(
        time=entry.time,
        source=entry.source,
        id=f"{entry.id}/issued",
        credential_id=f"gcp/{through(_called(origin), account)}",
        task_id=task or _shared(origin),
        identifiers=(Identifier(PRINCIPAL, name),),
        kind="gcp-federated-token" if account is None else "gcp-service-account-token",
        expires_at=entry.time + lives,
        bound_to=_ANYWHERE if task is None else None,
        revocation=_revocation(origin, account),
        groups=() if task is None or account is None else (account_group(account),),
        issued_to=issued_to(address),
        unjoined=_unjoined(origin) if task is None else None,
    )


def _task(origin: str, account: str | None) -> str | None:
    """The job that the principal or the account is named after."""
    if is_federated(origin):
        subject = origin.partition(SUBJECT)[2]
        found = task_named(subject) or task_of_subject(subject)
    else:
        found = task_named(origin.partition("@")[0])
    return found or (task_named(account.partition("@")[0]) if account is not None else None)


def _called(origin: str) -> str:
    """A principal as a person tells it from others: `PROJECT-NUMBER/POOL/SUBJECT`.

    Its whole name is longer than a title.
    """
    if not is_federated(origin):
        return origin
    project, _, rest = origin.removeprefix(FEDERATED).partition("/")
    pool, _, subject = rest.partition(POOLS)[2].partition(SUBJECT)
    return f"{project}/{pool}/{subject}"


def _shared(origin: str) -> str:
    """The task of what many tasks share. The revoker knows it by its beginning."""
    pool, _, subject = origin.partition(POOLS)[2].partition(SUBJECT)
    return f"gcp/principal/{pool}/{subject}" if is_federated(origin) else f"gcp/principal/{origin}"


def _unjoined(origin: str) -> str:
    if is_federated(origin):
        pool, _, subject = origin.partition(POOLS)[2].partition(SUBJECT)
        named = _NAMES.get((group_of_subject(subject) or "").partition(":")[0], _NAMES["github"])
        return f"pool `{pool}`: the subject names no job; map `google.subject` to `{named}`"
    if is_workload(origin):
        return "a service account asked for it, which names no job; let jobs ask by their OIDC tokens"
    return "a person asked for it"


def _revocation(principal: str, account: str | None) -> dict[str, Any]:
    """No token can be revoked alone: a revoker takes the principal's binding away, or denies it."""
    named = {"provider": "gcp", "method": "deny-principal", "principal": principal}
    return named if account is None else {**named, "service_account": account}


def _mapped(payload: Record) -> str | None:
    """The principal that the token's subject was mapped to."""
    found = (maybe_text(payload, f"metadata.{name}") for name in ("mapped_principal", "mappedPrincipal"))
    return next((name for name in found if name), None)


def _lifetime(payload: Record) -> int:
    """How long a service account's token lives (ns): `request.lifetime`, as `3600s`; an hour if it is not there."""
    asked = find(payload, "request.lifetime")
    digits = asked.removesuffix("s") if isinstance(asked, str) else ""
    seconds = int(digits) if digits.isdecimal() and digits.isascii() and len(digits) <= _DIGITS else 0
    return seconds * SECOND if 0 < seconds <= _LONGEST else HOUR
