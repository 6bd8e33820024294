"""Secrets and certificates of applications and service principals in Entra: added and removed.

Records of the category `AuditLogs` (learn.microsoft.com, "Microsoft Entra audit log activity reference", core
directory). A change of credentials has the property `KeyDescription`, whose old and new values list all that there were
and are: `[KeyIdentifier=…,KeyType=Password,KeyUsage=Verify,DisplayName=…]`. The difference is what was added and
removed. The key's id is in each sign-in with it (`servicePrincipalCredentialKeyId`). The log does not tell how long a
secret lives: two years are assumed, the longest that the portal gives.
"""

from collections.abc import Iterator
from typing import Any, Final

import re2

from detector.adapters.adapter import Record
from detector.adapters.azure.records import source_of
from detector.adapters.ci_names import task_named
from detector.adapters.fields import maybe_text, text, time
from detector.values.events import CanonicalEvent, CredentialIssued, CredentialRevoked, Identifier
from detector.values.times import DAY

KEY_ID: Final = "azure-credential-key-id"
_KEYS: Final = "KeyDescription"
_KEY: Final = re2.compile(r"KeyIdentifier=([0-9A-Fa-f-]{36})(?:,KeyType=(\w{1,40}))?")
_PASSWORD: Final = "Password"  # noqa: S105 - a type of key
_LIVES: Final = 730 * DAY
_MOST: Final = 1 << 20  # characters of a list of keys
_REMOVED: Final = frozenset(
    {
        "Delete application",
        "Hard Delete application",
        "Remove service principal",
        "Hard delete service principal",
    }
)
_OWNERS: Final = {"Application": "application", "ServicePrincipal": "service_principal"}
_UNJOINED: Final = "a secret of an application belongs to no task; let jobs sign in by federated credentials"


def secrets_changed(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """What a record of the audit log says of secrets and certificates; nothing if it failed or is about other things.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    properties = record.get("properties")
    if not isinstance(properties, dict) or properties.get("result") not in (None, "", "success"):
        return
    targets = properties.get("targetResources")
    target = targets[0] if isinstance(targets, list) and targets else None
    if not isinstance(target, dict):
        return
    activity = properties.get("activityDisplayName") or record.get("operationName")
    gone = isinstance(activity, str) and activity.strip() in _REMOVED
    changed = _changed(target.get("modifiedProperties"))
    if not gone and changed is None:
        return
    change = _Change(record, target, now)
    if gone:
        yield change.revoked(0, group=change.group)
        return
    before, after = changed or ({}, {})
    for key_id, kind in after.items():
        if key_id not in before:
            yield change.issued(key_id, kind)
    for number, key_id in enumerate(one for one in before if one not in after):
        yield change.revoked(number, identifier=Identifier(KEY_ID, key_id))


class _Change:
    """What the events of one record share: when, where from, and whose secrets."""

    def __init__(self, record: Record, target: dict[str, Any], now: int) -> None:
        self.time = time(record, "properties.activityDateTime" if _has_time(record) else "time", now)
        self.source, self.tenant = source_of(record), maybe_text(record, "tenantId")
        self.id = maybe_text(record, "properties.id") or text(record, "correlationId")
        self.owner = text(target, "id")
        self.name = maybe_text(target, "displayName")
        kind = target.get("type")
        self.owner_field = _OWNERS.get(kind, "application") if isinstance(kind, str) else "application"
        self.group = f"azure/{self.owner_field.replace('_', '-')}/{self.owner}"

    def issued(self, key_id: str, kind: str) -> CredentialIssued:
        """A secret or certificate that was added."""
        task = task_named(self.name or "")
        secret = kind == _PASSWORD
        revocation = {
            "provider": "azure",
            "method": "remove-secret" if secret else "remove-certificate",
            self.owner_field: self.owner,
            "key_id": key_id,
        }
        return CredentialIssued(
            time=self.time,
            source=self.source,
            id=f"{self.id}/issued/{key_id}",
            credential_id=f"azure/key/{key_id}",
            task_id=task or self.group,
            identifiers=(Identifier(KEY_ID, key_id),),
            kind="azure-secret" if secret else "azure-certificate",
            expires_at=self.time + _LIVES,
            groups=(self.group,),
            revocation=revocation if self.tenant is None else {**revocation, "tenant": self.tenant},
            unjoined=None if task is not None else _UNJOINED,
        )

    def revoked(self, number: int, **whom: Any) -> CredentialRevoked:
        """What was removed; `number` tells several apart."""
        suffix = f"/{number}" if number else ""
        return CredentialRevoked(time=self.time, source=self.source, id=f"{self.id}/revoked{suffix}", **whom)


def _has_time(record: Record) -> bool:
    return bool(record["properties"].get("activityDateTime"))


def _changed(properties: object) -> tuple[dict[str, str], dict[str, str]] | None:
    """The keys before and after, each id with its type; None if the record says nothing of keys."""
    for one in properties if isinstance(properties, list) else ():
        if isinstance(one, dict) and one.get("displayName") == _KEYS:
            before, after = (_listed(one.get(name)) for name in ("oldValue", "newValue"))
            return before, after
    return None


def _listed(value: object) -> dict[str, str]:
    if not isinstance(value, str) or len(value) > _MOST:
        return {}
    return {key_id.lower(): kind or "" for key_id, kind in _KEY.findall(value)}
