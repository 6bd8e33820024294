"""OpenAI's audit log of an organisation: API keys created, deleted, and what was administered with them.

Records as `GET /v1/organization/audit_logs` gives them, in its pages or alone (platform.openai.com, API reference,
"Audit logs"). What a record of a type says stands in a field of the type's name, and `effective_at` is in seconds. A
key's tracking id is not part of the key. Requests to models are not in this log, and a key has no name in it.
"""

from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import maybe_text, text, time
from detector.adapters.pages import pages_of
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

KEY: Final = "openai-key-id"
_MARKS: Final = (b'"effective_at"',)
_CREATED, _DELETED, _ARCHIVED = "api_key.created", "api_key.deleted", "project.archived"
_OF_KEYS: Final = ("created", "deleted", "updated")
_KINDS: Final = frozenset(
    {
        "api_key",
        "certificate",
        "certificates",
        "checkpoint",
        "external_key",
        "group",
        "invite",
        "ip_allowlist",
        "login",
        "logout",
        "organization",
        "project",
    }
    | {"rate_limit", "resource", "role", "scim", "service_account", "tunnel", "user"}
)
_UNJOINED: Final = "a key of OpenAI names no task; register it for the task that gets it"


def _looks_like(record: Record) -> bool:
    return (
        isinstance(record.get("effective_at"), int)
        and isinstance(record.get("type"), str)
        and isinstance(record.get("actor"), dict)
        and isinstance(record.get("id"), str)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The key that was created or deleted, and the use of the key that the actor had.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    return [*_changed(record, now), *_used(record, now)]


def _changed(record: Record, now: int) -> Iterator[CanonicalEvent]:
    kind = record["type"]
    if kind not in (_CREATED, _DELETED, _ARCHIVED):
        return
    said = _details(record)
    name = text(said, "id")
    if kind == _CREATED:
        yield _issued(record, name, now)
    elif kind == _DELETED:
        yield _revoked(record, now, identifier=Identifier(KEY, name))
    else:
        yield _revoked(record, now, group=_project(name))


def _details(record: Record) -> dict[str, Any]:
    """What a record says beside who did it and when. Its field's name has a dot, so that it is no path."""
    said = record.get(record["type"])
    return said if isinstance(said, dict) else {}


def _issued(record: Record, key: str, now: int) -> CredentialIssued:
    project = maybe_text(record, "project.id")
    owner = "openai" if project is None else _project(project)
    return CredentialIssued(
        time=time(record, "effective_at", now),
        source="openai",
        id=f"{record['id']}/issued",
        credential_id=f"openai/key/{key}",
        task_id=owner,
        identifiers=(Identifier(KEY, key),),
        kind="openai-api-key",
        revocation={"provider": "openai", "method": "delete-key", "key_id": key, "project": project}
        if project is not None
        else None,
        groups=() if project is None else (owner,),
        unjoined=_UNJOINED,
    )


def _revoked(record: Record, now: int, **whom: Any) -> CredentialRevoked:
    return CredentialRevoked(
        time=time(record, "effective_at", now), source="openai", id=f"{record['id']}/revoked", **whom
    )


def _used(record: Record, now: int) -> Iterator[CanonicalEvent]:
    actor = record["actor"]
    key = maybe_text(record, "actor.api_key.id") if actor.get("type") == "api_key" else None
    if key is not None:
        yield CredentialUsed(
            time=time(record, "effective_at", now),
            source="openai",
            id=f"{record['id']}/used",
            identifier=Identifier(KEY, key),
            action=record["type"],
            resource=maybe_text(_details(record), "id"),
        )


def _project(name: str) -> str:
    return f"openai/project/{name}"


def _kind(record: Record) -> str | None:
    """The family of a type; None if OpenAI documents none such, or says what else became of a key."""
    kind, _, what = str(record["type"]).partition(".")
    if kind == "api_key" and what not in _OF_KEYS:
        return None
    return kind if kind in _KINDS else None


ADAPTER: Final = Adapter("openai", _MARKS, _looks_like, translate, kind=_kind, type_at=("type",))
CARRIERS: Final = (pages_of("openai", _MARKS, _looks_like),)
