"""Claude's activity feed of an organisation: API keys created, disabled, deleted, and what was done with them.

Records as `GET /v1/compliance/activities` gives them, in its pages or alone (platform.claude.com, Compliance API,
"Query compliance activities"). Each has an `actor`, of one of a dozen types, and the fields of its `type` beside it. A
key's id is not part of the key. Requests to models are not in this feed.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import maybe_text, text, time
from detector.adapters.pages import pages_of
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

KEY: Final = "anthropic-key-id"
_MARKS: Final = (b'_actor"',)
_ADMIN: Final = "admin_api_key_id"
_CREATED: Final = frozenset({"api_key_created", "platform_api_key_created", "admin_api_key_created"})
_UPDATED: Final = frozenset({"platform_api_key_updated", "admin_api_key_updated"})
_DELETED: Final = "admin_api_key_deleted"
_ENDED: Final = ("inactive", "archived")
_ACTORS: Final = {"api_actor": "api_key_id", "admin_api_key_actor": _ADMIN}
_REFUSED: Final = (401, 403)
_KINDS: Final = frozenset(
    {"admin", "api", "claude", "compliance", "org", "platform", "role", "scim", "sso", "user"}
)
_OF_CREDENTIALS: Final = ("key", "token", "secret", "credential")
_OF_KEYS: Final = ("created", "deleted", "listed", "updated", "viewed")  # what may become of an API key
_UNJOINED: Final = (
    "a key of Claude names no task; let jobs sign in by their OIDC tokens, or register it for its task"
)


def _looks_like(record: Record) -> bool:
    actor, name = record.get("actor"), record.get("id")
    kind = actor.get("type") if isinstance(actor, dict) else None
    return (
        isinstance(kind, str)
        and kind.endswith("_actor")
        and isinstance(record.get("type"), str)
        and isinstance(name, str)
        and name.startswith("activity_")
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The key that was created or ended, and the use of the key that the actor had.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    return [*_changed(record, now), *_used(record, now)]


def _changed(record: Record, now: int) -> Iterator[CanonicalEvent]:
    kind = record["type"]
    if kind in _CREATED:
        yield _issued(record, now)
    elif kind == _DELETED or (kind in _UPDATED and _was_ended(record)):
        yield CredentialRevoked(
            time=time(record, "created_at", now),
            source=_source(record),
            id=f"{record['id']}/revoked",
            identifier=Identifier(KEY, _key(record)),
        )


def _was_ended(record: Record) -> bool:
    """Whether an update of a key made it inactive. One that is active again is the old one to its holder."""
    updates = record.get("updates")
    return any(
        isinstance(one, dict) and one.get("type") == "status" and one.get("current_value") in _ENDED
        for one in (updates if isinstance(updates, list) else ())
    )


def _key(record: Record) -> str:
    return text(record, _ADMIN if record["type"].startswith("admin_") else "api_key_id")


def _issued(record: Record, now: int) -> CredentialIssued:
    key = _key(record)
    admin = record["type"].startswith("admin_")
    return CredentialIssued(
        time=time(record, "created_at", now),
        source=_source(record),
        id=f"{record['id']}/issued",
        credential_id=f"claude/key/{key}",
        task_id=_source(record),
        identifiers=(Identifier(KEY, key),),
        kind="anthropic-admin-key" if admin else "anthropic-api-key",
        # The Admin API has no call that ends an admin key.
        revocation=None if admin else {"provider": "anthropic", "method": "disable-key", "key_id": key},
        unjoined=_UNJOINED,
    )


def _used(record: Record, now: int) -> Iterator[CanonicalEvent]:
    field = _ACTORS.get(record["actor"]["type"])
    key = maybe_text(record, f"actor.{field}") if field is not None else None
    if key is not None:
        yield CredentialUsed(
            time=time(record, "created_at", now),
            source=_source(record),
            id=f"{record['id']}/used",
            identifier=Identifier(KEY, key),
            action=record["type"],
            resource=maybe_text(record, "organization_id"),
            outcome=DENIED if record.get("status_code") in _REFUSED else SUCCESS,
            source_ip=maybe_text(record, "actor.ip_address"),
            user_agent=maybe_text(record, "actor.user_agent"),
        )


def _source(record: Record) -> str:
    organization = maybe_text(record, "organization_id") or maybe_text(record, "organization_uuid")
    return f"claude/{organization}" if organization else "claude"


def _kind(record: Record) -> str | None:
    """The family of an activity. There are hundreds of types; None is one about a credential that is not known."""
    named = str(record["type"])
    kind = named.partition("_")[0]
    if "api_key_" in named and not named.endswith(_OF_KEYS):
        return None
    if kind in _KINDS:
        return kind
    return None if any(word in named for word in _OF_CREDENTIALS) else "activity"


ADAPTER: Final = Adapter("claude", _MARKS, _looks_like, translate, kind=_kind, type_at=("type",))
CARRIERS: Final = (pages_of("claude", _MARKS, _looks_like),)
