"""HashiCorp Vault and OpenBao: the requests and responses that an audit device logs.

Responses without an error issue, renew and revoke tokens and leases. Every request with a token is a use of it, and
the two halves of a pair are one use: the request reports an allowed one; the response reports a refused one, because
only it says so in all versions. Tokens and accessors are HMACs under the device's own salt, so read only one device.
Fields are those of the audit devices' documentation and of OpenBao's formatter (`internal/audit/format.go`).

The task of a token is in its metadata (see `oauth.claims`), else it is its creator's, else its entity.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, text
from detector.adapters.vault import paths
from detector.adapters.vault.entry import ACCESSOR, HMAC, LEASE, TOKEN, AuditEntry, token_identifier
from detector.adapters.vault.issues import (
    issued_lease,
    issued_token,
    renewed_lease,
    renewed_token,
    wrapping_token,
)
from detector.records.log_records import LogText, record_time, texts
from detector.values.events import DENIED, SUCCESS, CanonicalEvent, CredentialUsed, Identifier

_TYPES: Final = ("request", "response")
_PUBLIC: Final = ("access_key=", "accessor=", "lease_id=")  # names of secrets, not secrets
_TOKENS: Final = ("auth.client_token", "request.client_token", "response.auth.client_token")


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of an audit device's entry."""
    request, auth = record.get("request"), record.get("auth")
    return (
        isinstance(record.get("type"), str)
        and isinstance(request, dict)
        and "path" in request
        and isinstance(auth, dict)
        and (
            "token_type" in auth  # 1.0 has no types yet
            or "client_token" in auth
            or "client_token" in request
            or {"id", "operation"} <= request.keys()  # without a token: the entry that tests the device
        )
    )


def known(record: Record) -> bool:
    """Whether its type is translated. Enterprise has others."""
    return record["type"] in _TYPES


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use of the caller's token, and what a response issued, renewed or revoked.

    Raises:
        BadRecordError: a field that such an entry has is missing or wrong.
    """
    entry = AuditEntry(record, now)
    events: list[CanonicalEvent] = []
    caller = entry.caller()
    response = record["type"] == "response"
    outcome = _outcome(entry, response=response)
    user = entry.wrapping() or caller
    if outcome is not None and user is not None and not paths.is_login(entry.path):
        events.append(_use(entry, user, outcome))
    if response and not entry.failed:
        events.extend(_done(entry, caller))
    if response and caller is not None:
        events.extend(_spent(entry, caller))
    return events


def _use(entry: AuditEntry, caller: Identifier, outcome: str) -> CredentialUsed:
    return CredentialUsed(
        time=entry.time,
        source=entry.source,
        id=entry.id,
        identifier=caller,
        action=entry.get("request.operation"),
        resource=f"{entry.namespace}/{entry.path}" if entry.namespace else entry.path,
        outcome=outcome,
        source_ip=entry.get("request.remote_address"),
        user_agent=_user_agent(entry.record),
    )


def _outcome(entry: AuditEntry, *, response: bool) -> str | None:
    """The outcome that this half of the pair reports; None if the other half reports it.

    Vault finds out whether a wrapping token is still valid only after it has logged the request.
    """
    if paths.is_wrapping(entry.path):
        return (DENIED if entry.failed else SUCCESS) if response else None
    denied = _denied(entry)
    if response:
        return DENIED if denied else None
    return None if denied or entry.error else SUCCESS


def _denied(entry: AuditEntry) -> bool:
    """Whether the token was refused. A request that failed for another reason was allowed."""
    allowed = find(entry.record, "auth.policy_results.allowed")
    return not allowed if isinstance(allowed, bool) else "permission denied" in entry.error


def _user_agent(record: Record) -> str | None:
    """The header, if the device is configured to log it."""
    values = find(record, "request.headers")
    found = values.get("user-agent") if isinstance(values, dict) else None
    return found[0] if isinstance(found, list) and found and isinstance(found[0], str) else None


def _done(entry: AuditEntry, caller: Identifier | None) -> Iterator[CanonicalEvent]:
    """What a response without an error issued, renewed or revoked."""
    path = entry.path
    if isinstance(find(entry.record, "response.auth"), dict):
        yield from renewed_token(entry) if paths.renews_token(path) else (issued_token(entry),)
    elif lease := entry.get("response.secret.lease_id"):
        yield from (
            renewed_lease(entry, lease) if paths.renews_lease(path) else (issued_lease(entry, lease),)
        )
    if entry.get("response.wrap_info.token"):
        yield wrapping_token(entry)
    identifier = _taken_away(entry, caller)
    if identifier is not None:
        yield entry.revoked(identifier)
        if paths.revokes_token(path):
            # A token's leases end with it, and its children too, unless they become orphans.
            yield from _with_it(
                entry, identifier, paths.LEASES if path == paths.REVOKE_ORPHAN else paths.UNDER
            )
    elif prefix := paths.revoked_prefix(path):
        yield entry.group_revoked(f"{paths.PREFIX}/{prefix}")


def _with_it(entry: AuditEntry, token: Identifier, kind: str) -> Iterator[CanonicalEvent]:
    """The groups that end with a token."""
    if token.scheme in (ACCESSOR, TOKEN):
        yield entry.group_revoked(f"{kind}/{token.value}")


def _spent(entry: AuditEntry, caller: Identifier) -> Iterator[CanonicalEvent]:
    """The end of a token with limited uses: it had one use left, and this was it, allowed or not."""
    if find(entry.record, "auth.remaining_uses") == 1:
        yield entry.revoked(caller, "spent")
        yield from _with_it(entry, caller, paths.UNDER)


def _taken_away(entry: AuditEntry, caller: Identifier | None) -> Identifier | None:
    """The token or lease that was revoked."""
    path = entry.path
    if path == paths.REVOKE_SELF:
        return caller
    if path in paths.SPENDS_WRAPPING:
        return entry.wrapping() or caller
    if path in paths.REVOKE_TOKEN:
        return token_identifier(text(entry.record, "request.data.token"))
    accessor = paths.revoked_accessor(path)
    if accessor is not None:
        return Identifier(ACCESSOR, accessor or text(entry.record, "request.data.accessor"))
    lease = paths.revoked_lease(path)
    if lease is None:
        return None
    lease = lease or text(entry.record, "request.data.lease_id")
    return Identifier(TOKEN if lease.startswith(HMAC) else LEASE, lease)


def shown(record: Record, now: int) -> LogText | None:
    """Values that the device logs unhashed (`log_raw`, or tuned keys): secrets can leak there."""
    tokens = (find(record, path) for path in _TOKENS)
    lines = [
        f"client_token={token}" for token in tokens if isinstance(token, str) and not token.startswith(HMAC)
    ]
    for path in ("request.data", "response.data"):
        lines += [
            line
            for line in texts(path, find(record, path))
            if f"={HMAC}" not in line and not line.startswith(_PUBLIC)
        ]
    if not lines:
        return None
    return LogText("\n".join(lines).encode("utf-8", "replace"), record_time(record, now, strict=False)[0])


ADAPTER: Final = Adapter(
    "vault", (b'"token_type"', b'"client_token"'), looks_like, translate, known, shown, type_at=("type",)
)
