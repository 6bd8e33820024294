"""Keys of Google Cloud's service accounts: created, uploaded, disabled, deleted, and gone with their account.

Entries of `google.iam.admin.v1` (cloud.google.com, "Example logs for service accounts", "IAM audit logging"). A key's
id is in its name, `projects/P/serviceAccounts/A/keys/K`, and in `private_key_id` of the file that has it. A key or an
account that is enabled again is a new credential, but nothing tells it from the old one.
"""

from collections.abc import Callable
from typing import Any, Final

from detector.adapters.ci_names import task_named
from detector.adapters.fields import find, maybe_text
from detector.adapters.google.callers import KEY, key_id_of
from detector.adapters.google.entries import Entry
from detector.adapters.google.tokens import account_group, account_task
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.timestamps import log_time
from detector.values.events import CanonicalEvent, CredentialIssued, CredentialRevoked, Identifier
from detector.values.times import SECOND

KIND: Final = "gcp-service-account-key"
_LATEST: Final = (1 << 63) // SECOND  # seconds; a key that never expires does so at the end of the year 9999
_UNJOINED: Final = (
    "a key of a service account belongs to no task; let jobs ask for tokens by their OIDC tokens"
)


def _created(entry: Entry) -> CanonicalEvent:
    name = maybe_text(entry.payload, "response.name")
    key_id, account = key_id_of(name), _account(entry)
    if key_id is None:
        raise bad(MISSING_FIELD, "protoPayload.response.name")
    named = task_named(account.partition("@")[0])
    return CredentialIssued(
        time=entry.time,
        source=entry.source,
        id=f"{entry.id}/issued",
        credential_id=f"gcp/key/{key_id}",
        task_id=account_task(account),
        identifiers=(Identifier(KEY, key_id),),
        kind=KIND,
        expires_at=_expiry(entry),
        revocation={
            "provider": "gcp",
            "method": "disable-service-account-key",
            "service_account": account,
            "key_id": key_id,
        },
        groups=(account_group(account),),
        unjoined=_UNJOINED if named is None else None,
    )


def _account(entry: Entry) -> str:
    """The account's address. In names it may be a number, but the entry's labels and answer have the address."""
    answered = (maybe_text(entry.payload, f"{part}.name") or "" for part in ("response", "request"))
    named = (name.partition("/serviceAccounts/")[2].partition("/")[0] for name in answered)
    names = [maybe_text(entry.record, "resource.labels.email_id") or "", *named]
    account = next((name for name in names if "@" in name), None) or next(filter(None, names), None)
    if account is None:
        raise bad(MISSING_FIELD, "resource.labels.email_id")
    return account


def _expiry(entry: Entry) -> int | None:
    """When a key ends; most never do."""
    for name in ("response.valid_before_time", "response.validBeforeTime"):
        value: Any = find(entry.payload, name)
        if isinstance(value, dict):  # a protobuf Timestamp
            value = value.get("seconds")
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LATEST:
                return int(value) * SECOND
        elif isinstance(value, str):
            read = log_time(value)
            return read if read is not None and read < _LATEST * SECOND else None
    return None


def _key_gone(entry: Entry) -> CanonicalEvent:
    names = (maybe_text(entry.payload, path) for path in ("request.name", "resourceName"))
    key_id = next(filter(None, map(key_id_of, names)), None)
    if key_id is None:
        raise bad(MISSING_FIELD, "protoPayload.request.name")
    return _revoked(entry, identifier=Identifier(KEY, key_id))


def _account_gone(entry: Entry) -> CanonicalEvent:
    return _revoked(entry, group=account_group(_account(entry)))


def _revoked(entry: Entry, **whom: Any) -> CredentialRevoked:
    return CredentialRevoked(time=entry.time, source=entry.source, id=f"{entry.id}/revoked", **whom)


CALLS: Final[dict[str, Callable[[Entry], CanonicalEvent]]] = {
    "google.iam.admin.v1.CreateServiceAccountKey": _created,
    "google.iam.admin.v1.UploadServiceAccountKey": _created,
    "google.iam.admin.v1.DeleteServiceAccountKey": _key_gone,
    "google.iam.admin.v1.DisableServiceAccountKey": _key_gone,
    "google.iam.admin.v1.DeleteServiceAccount": _account_gone,
    "google.iam.admin.v1.DisableServiceAccount": _account_gone,
}
"""By method, what a call that succeeded did to keys."""
