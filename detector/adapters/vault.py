"""HashiCorp Vault and OpenBao: the audit device's requests and responses.

Tokens and leases are issued, renewed and revoked by responses without an error. Every request with a token is a use of
it, and the two halves of a pair are one: what was allowed is told by the request, what was refused by the response, which
alone says so in all versions. Tokens and accessors are HMACs under the device's own salt: equal within a device, and only
there, so one device should be read. Fields are those of the audit devices' documentation and of OpenBao's formatter
(`internal/audit/format.go`).

A token's task is what its metadata says (see `claims`), else its creator's, else its entity.
"""

from collections.abc import Iterator
from typing import Any, Final

from detector.adapters import vault_paths as paths
from detector.adapters.adapter import Adapter, Record
from detector.adapters.claims import task_of_claims
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.pod_names import service_account_task
from detector.deadletters import MISSING_FIELD, bad
from detector.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.objects import LogText, texts
from detector.secrets import Secret, sha256_hex
from detector.stamps import log_time
from detector.times import SECOND

ACCESSOR: Final = "vault-accessor"
TOKEN: Final = "vault-hmac"  # noqa: S105 - a scheme's name
LEASE: Final = "vault-lease-id"
_HMAC: Final = "hmac-sha256:"
_TYPES: Final = ("request", "response")
_TOKENS: Final = ("auth.client_token", "request.client_token", "response.auth.client_token")
_AWS_KEY_IDS: Final = ("AKIA", "ASIA")
_AWS_KEY_ID_LENGTH: Final = 20


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of an entry of an audit device."""
    request, auth = record.get("request"), record.get("auth")
    return (
        isinstance(record.get("type"), str)
        and isinstance(request, dict)
        and "path" in request
        and (
            "mount_type" in request
            or "client_token" in request
            or (isinstance(auth, dict) and "token_type" in auth)
        )
    )


def known(record: Record) -> bool:
    """Whether it is of a type that is translated; Enterprise has others."""
    return record["type"] in _TYPES


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use of the caller's token, and what a response issued, renewed or revoked.

    Raises:
        BadRecordError: a field that such an entry has is missing or wrong.
    """
    entry = _Entry(record, now)
    events: list[CanonicalEvent] = []
    caller = entry.caller()
    response, denied = record["type"] == "response", _denied(entry)
    told = denied if response else not (denied or entry.error)
    if told and caller is not None and not paths.is_login(entry.path):
        events.append(_use(entry, caller, DENIED if denied else SUCCESS))
    if response and not entry.failed:
        events.extend(_done(entry, caller))
    return events


class _Entry:
    """One entry, and what all of its events share."""

    def __init__(self, record: Record, now: int) -> None:
        self.record = record
        self.time = time(record, "time", now)
        self.id = text(record, "request.id")
        self.namespace = (maybe_text(record, "request.namespace.path") or "").strip("/")
        path = text(record, "request.path")
        self.path = path.removeprefix(f"{self.namespace}/") if self.namespace else path
        self.source = f"vault/{self.namespace}" if self.namespace else "vault"
        self.error = maybe_text(record, "error") or ""
        self.failed = bool(self.error) or find(record, "response.data.error") is not None

    def get(self, path: str) -> str | None:
        """Text at a path, if any."""
        return maybe_text(self.record, path)

    def seconds(self, path: str) -> int | None:
        """A number of seconds, as nanoseconds; None if there is none, or zero, which is for ever."""
        value = find(self.record, path)
        return (
            value * SECOND if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
        )

    def caller(self) -> Identifier | None:
        """The token that the request came with, by its accessor where it has one; None if it came with none.

        What stands in `auth` is the caller's, but after a login it is the new token's.
        """
        accessor, token = self.get("request.client_token_accessor"), self.get("request.client_token")
        held = self.get("auth.client_token")
        fresh = held == self.get("response.auth.client_token") and not paths.renews_token(self.path)
        if not fresh and (token is None or token == held):
            accessor, token = accessor or self.get("auth.accessor"), held
        if accessor is not None:
            return Identifier(ACCESSOR, accessor)
        return None if token is None else _token(token)

    def issued(self, **fields: Any) -> CredentialIssued:
        """An issue; further ones of the same entry are told apart by `part` of the id."""
        part = fields.pop("part", "issued")
        return CredentialIssued(time=self.time, source=self.source, id=f"{self.id}/{part}", **fields)

    def revoked(self, identifier: Identifier) -> CredentialRevoked:
        """A revocation."""
        return CredentialRevoked(
            time=self.time, source=self.source, id=f"{self.id}/revoked", identifier=identifier
        )

    def revocation(self, method: str, **fields: Any) -> dict[str, Any]:
        """What a revoker is handed."""
        given = {"provider": "vault", "method": method, "namespace": self.namespace or None, **fields}
        return {name: value for name, value in given.items() if value is not None}


def _token(value: str) -> Identifier:
    """A token as the device shows it: its HMAC, or, with `log_raw`, itself, of which the hash is kept."""
    if value.startswith(_HMAC):
        return Identifier(TOKEN, value)
    secret = value.encode()
    return Identifier("sha256", sha256_hex(Secret(secret)), length=len(secret))


def _use(entry: _Entry, caller: Identifier, outcome: str) -> CredentialUsed:
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


def _denied(entry: _Entry) -> bool:
    """Whether the token was refused; a request that failed for another reason was allowed."""
    allowed = find(entry.record, "auth.policy_results.allowed")
    return not allowed if isinstance(allowed, bool) else "permission denied" in entry.error


def _user_agent(record: Record) -> str | None:
    """The header, where the device is configured to write it."""
    values = find(record, "request.headers")
    found = values.get("user-agent") if isinstance(values, dict) else None
    return found[0] if isinstance(found, list) and found and isinstance(found[0], str) else None


def _done(entry: _Entry, caller: Identifier | None) -> Iterator[CanonicalEvent]:
    """What a response without an error did."""
    path = entry.path
    if isinstance(find(entry.record, "response.auth"), dict):
        yield from _renewed_token(entry) if paths.renews_token(path) else (_issued_token(entry),)
    elif lease := entry.get("response.secret.lease_id"):
        yield from (
            _renewed_lease(entry, lease) if paths.renews_lease(path) else (_issued_lease(entry, lease),)
        )
    if entry.get("response.wrap_info.token"):
        yield _wrapping_token(entry)
    identifier = _taken_away(entry, caller)
    if identifier is not None:
        yield entry.revoked(identifier)


def _issued_token(entry: _Entry) -> CredentialIssued:
    accessor, token = entry.get("response.auth.accessor"), entry.get("response.auth.client_token")
    if token is None and accessor is None:
        raise bad(MISSING_FIELD, "response.auth.client_token")
    identifiers = [Identifier(ACCESSOR, accessor)] if accessor else []
    if token is not None:
        identifiers.append(_token(token))
    batch = entry.get("response.auth.token_type") == "batch"
    ttl = entry.seconds("response.auth.token_ttl")
    since = (
        time(entry.record, "response.auth.token_issue_time")
        if entry.get("response.auth.token_issue_time")
        else entry.time
    )
    return entry.issued(
        credential_id=_credential_id(accessor, token) or f"vault/request/{entry.id}",
        task_id=_task(entry, "response.auth"),
        identifiers=tuple(identifiers),
        kind="vault-batch-token" if batch else "vault-token",
        expires_at=None if ttl is None else since + ttl,
        revocation=entry.revocation("none", reason="a batch token cannot be revoked")
        if batch or not accessor
        else entry.revocation("revoke-accessor", **_accessor(accessor)),
    )


def _credential_id(accessor: str | None, token: str | None) -> str | None:
    """The name of a token; one that is shown raw and has no accessor gets none from it: its hash must not be written."""
    value = accessor or (token if token is not None and token.startswith(_HMAC) else None)
    return None if value is None else f"vault/{value}"


def _accessor(accessor: str) -> dict[str, Any]:
    """As a revoker needs it: an HMAC must be looked up, among the accessors that `sys/audit-hash` gives it for."""
    return {"accessor": accessor, "accessor_is_hmac": accessor.startswith(_HMAC)}


def _wrapping_token(entry: _Entry) -> CredentialIssued:
    """The token that holds a wrapped response: to be used once."""
    token, accessor = text(entry.record, "response.wrap_info.token"), entry.get("response.wrap_info.accessor")
    ttl = entry.seconds("response.wrap_info.ttl")
    identifiers = ([Identifier(ACCESSOR, accessor)] if accessor else []) + [_token(token)]
    return entry.issued(
        part="wrapping",
        credential_id=_credential_id(accessor, token) or f"vault/wrapping/{entry.id}",
        task_id=_task(entry, "auth"),
        identifiers=tuple(identifiers),
        kind="vault-wrapping-token",
        expires_at=None if ttl is None else entry.time + ttl,
        revocation=entry.revocation("revoke-accessor", **_accessor(accessor)) if accessor else None,
    )


def _issued_lease(entry: _Entry, lease: str) -> CredentialIssued:
    """A dynamic secret. An audit device tells no lease's duration: it ends with the caller's token at the latest."""
    identifiers = [Identifier(LEASE, lease)]
    key_id = find(entry.record, "response.data.access_key")
    if isinstance(key_id, str) and key_id.startswith(_AWS_KEY_IDS) and len(key_id) == _AWS_KEY_ID_LENGTH:
        identifiers.append(
            Identifier("aws-access-key-id", key_id)
        )  # if the mount's keys are tuned not to be hashed
    ttl = entry.seconds("response.data.ttl") or entry.seconds("auth.token_ttl")
    return entry.issued(
        credential_id=f"vault/lease/{lease}",
        task_id=_task(entry, "auth"),
        identifiers=tuple(identifiers),
        kind="vault-lease",
        expires_at=None if ttl is None else entry.time + ttl,
        revocation=entry.revocation("revoke-lease", lease_id=lease),
    )


def _renewed_token(entry: _Entry) -> Iterator[CredentialRenewed]:
    accessor, token = entry.get("response.auth.accessor"), entry.get("response.auth.client_token")
    ttl = entry.seconds("response.auth.token_ttl")
    if accessor is None and token is None:
        raise bad(MISSING_FIELD, "response.auth.accessor")
    if ttl is not None:
        named = Identifier(ACCESSOR, accessor) if accessor else _token(token or "")
        yield _renewal(entry, named, ttl)


def _renewed_lease(entry: _Entry, lease: str) -> Iterator[CredentialRenewed]:
    ttl = entry.seconds("auth.token_ttl")
    if ttl is not None:
        yield _renewal(entry, Identifier(LEASE, lease), ttl)


def _renewal(entry: _Entry, named: Identifier, ttl: int) -> CredentialRenewed:
    return CredentialRenewed(
        time=entry.time,
        source=entry.source,
        id=f"{entry.id}/renewed",
        identifier=named,
        expires_at=entry.time + ttl,
    )


def _taken_away(entry: _Entry, caller: Identifier | None) -> Identifier | None:
    """The token or lease that is no more."""
    path = entry.path
    if path == paths.REVOKE_SELF:
        return caller
    if path == paths.UNWRAP:
        token = entry.get("request.data.token")
        return caller if token is None else _token(token)
    if path in paths.REVOKE_TOKEN:
        return _token(text(entry.record, "request.data.token"))
    accessor = paths.revoked_accessor(path)
    if accessor is not None:
        return Identifier(ACCESSOR, accessor or text(entry.record, "request.data.accessor"))
    lease = paths.revoked_lease(path)
    if lease is None:
        return None
    lease = lease or text(entry.record, "request.data.lease_id")
    return Identifier(TOKEN if lease.startswith(_HMAC) else LEASE, lease)


def _task(entry: _Entry, auth: str) -> str:
    """Whose a token or lease is: by the metadata of `auth`, else of whoever made it, else the identity it is of."""
    for place in dict.fromkeys((auth, "auth")):
        metadata = find(entry.record, f"{place}.metadata")
        task = task_of_claims(metadata) if isinstance(metadata, dict) else None
        if task is not None:
            return task
    for place in dict.fromkeys((auth, "auth")):
        namespace, name = (
            entry.get(f"{place}.metadata.service_account_{part}") for part in ("namespace", "name")
        )
        if namespace is not None and name is not None:
            return service_account_task(namespace, name)
        if entity := entry.get(f"{place}.entity_id"):
            return f"vault/entity/{entity}"
    return f"vault/name/{entry.get(f'{auth}.display_name') or entry.get('auth.display_name') or 'unknown'}"


def shown(record: Record, _now: int) -> LogText | None:
    """What the device shows unhashed (`log_raw`, or keys tuned so), which is a place where secrets leak."""
    leaves = [
        value
        for path in _TOKENS
        if isinstance(value := find(record, path), str) and not value.startswith(_HMAC)
    ]
    lines = [f"client_token={value}" for value in leaves]
    for path in ("request.data", "response.data"):
        lines += [line for line in texts(path, find(record, path)) if f"={_HMAC}" not in line]
    if not lines:
        return None
    when = find(record, "time")
    return LogText(
        "\n".join(lines).encode("utf-8", "replace"), log_time(when) if isinstance(when, str) else None
    )


ADAPTER: Final = Adapter(
    "vault", (b'"token_type"', b'"mount_type"', b'"client_token"'), looks_like, translate, known, shown
)
