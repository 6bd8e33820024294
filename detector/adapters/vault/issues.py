"""Tokens, wrapping tokens and leases that a response of Vault or OpenBao issued or renewed, and their tasks."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from detector.adapters.ci_names import group_of_subject, task_of_subject
from detector.adapters.fields import find, text, time
from detector.adapters.oauth.claims import group_of_claims, task_of_claims
from detector.adapters.vault import paths
from detector.adapters.vault.entry import ACCESSOR, HMAC, LEASE, AuditEntry, token_identifier
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.values.events import CredentialIssued, CredentialRenewed, Identifier, IssuedTo

_AWS_KEY_IDS: Final = ("AKIA", "ASIA")
_AWS_KEY_ID_LENGTH: Final = 20


def issued_token(entry: AuditEntry) -> CredentialIssued:
    """The token in the response to a login, a creation, or an unwrapping.

    Raises:
        BadRecordError: nothing identifies it.
    """
    accessor, token = entry.get("response.auth.accessor"), entry.get("response.auth.client_token")
    if token is None and accessor is None:
        raise bad(MISSING_FIELD, "response.auth.client_token")
    identifiers = [Identifier(ACCESSOR, accessor)] if accessor else []
    if token is not None:
        identifiers.append(token_identifier(token))
    batch = entry.get("response.auth.token_type") == "batch"
    ttl = entry.seconds("response.auth.token_ttl")
    since = (
        time(entry.record, "response.auth.token_issue_time")
        if entry.get("response.auth.token_issue_time")
        else entry.time
    )
    return entry.issued(
        credential_id=_credential_id(accessor, token) or f"vault/request/{entry.id}",
        **_owner(entry, "response.auth")._asdict(),
        issued_to=_issued_to(entry),
        identifiers=tuple(identifiers),
        kind="vault-batch-token" if batch else "vault-token",
        expires_at=None if ttl is None else since + ttl,
        revocation=entry.revocation("none", reason="a batch token cannot be revoked")
        if batch or not accessor
        else entry.revocation("revoke-accessor", **_accessor(accessor)),
        groups=_under(entry, paths.UNDER) if paths.makes_child(entry.path, entry.record) else (),
    )


def _issued_to(entry: AuditEntry) -> IssuedTo | None:
    """Who got a token by a login or an unwrapping.

    Whoever creates one with another token may do so for somebody else.
    """
    address = entry.get("request.remote_address")
    if address is None or not (paths.is_login(entry.path) or entry.path in paths.SPENDS_WRAPPING):
        return None
    return IssuedTo(address, entry.get("response.auth.display_name"))


def _credential_id(accessor: str | None, token: str | None) -> str | None:
    """The id of a token. A raw token without an accessor gives none: its hash must not be written."""
    value = accessor or (token if token is not None and token.startswith(HMAC) else None)
    return None if value is None else f"vault/{value}"


def _accessor(accessor: str) -> dict[str, Any]:
    """The accessor for the revoker, who has to look up an HMAC with `sys/audit-hash`."""
    return {"accessor": accessor, "accessor_is_hmac": accessor.startswith(HMAC)}


def wrapping_token(entry: AuditEntry) -> CredentialIssued:
    """The token that holds a wrapped response. It can be used once."""
    token, accessor = text(entry.record, "response.wrap_info.token"), entry.get("response.wrap_info.accessor")
    ttl = entry.seconds("response.wrap_info.ttl")
    identifiers = ([Identifier(ACCESSOR, accessor)] if accessor else []) + [token_identifier(token)]
    return entry.issued(
        part="wrapping",
        credential_id=_credential_id(accessor, token) or f"vault/wrapping/{entry.id}",
        **_owner(entry, "auth")._asdict(),
        identifiers=tuple(identifiers),
        kind="vault-wrapping-token",
        expires_at=None if ttl is None else entry.time + ttl,
        revocation=entry.revocation("revoke-accessor", **_accessor(accessor)) if accessor else None,
    )


def issued_lease(entry: AuditEntry, lease: str) -> CredentialIssued:
    """A dynamic secret. The device does not log a lease's duration: at the latest it ends with the caller's token."""
    identifiers = [Identifier(LEASE, lease)]
    key_id = find(entry.record, "response.data.access_key")
    if isinstance(key_id, str) and key_id.startswith(_AWS_KEY_IDS) and len(key_id) == _AWS_KEY_ID_LENGTH:
        identifiers.append(
            Identifier("aws-access-key-id", key_id)
        )  # if the mount's keys are tuned to be unhashed
    ttl = entry.seconds("response.data.ttl") or entry.seconds("auth.token_ttl")
    return entry.issued(
        credential_id=f"vault/lease/{lease}",
        **_owner(entry, "auth")._asdict(),
        identifiers=tuple(identifiers),
        kind="vault-lease",
        expires_at=None if ttl is None else entry.time + ttl,
        revocation=entry.revocation("revoke-lease", lease_id=lease),
        groups=(
            *_under(entry, paths.UNDER, paths.LEASES),
            *(entry.group(place) for place in paths.prefixes(lease)),
        ),
    )


def _under(entry: AuditEntry, *kinds: str) -> tuple[str, ...]:
    """The groups that end with the caller's token, by both of its names, because either can revoke it."""
    accessor, token = entry.get("request.client_token_accessor"), entry.get("auth.client_token") or ""
    names = (accessor or entry.get("auth.accessor"), token if token.startswith(HMAC) else None)
    return tuple(entry.group(f"{kind}/{name}") for kind in kinds for name in names if name is not None)


def renewed_token(entry: AuditEntry) -> Iterator[CredentialRenewed]:
    """A token's new expiry, counted from now; None if it never expires.

    Raises:
        BadRecordError: nothing identifies it.
    """
    accessor, token = entry.get("response.auth.accessor"), entry.get("response.auth.client_token")
    ttl = entry.seconds("response.auth.token_ttl")
    if accessor is None and token is None:
        raise bad(MISSING_FIELD, "response.auth.accessor")
    if ttl is not None:
        named = Identifier(ACCESSOR, accessor) if accessor else token_identifier(token or "")
        yield _renewal(entry, named, ttl)


def renewed_lease(entry: AuditEntry, lease: str) -> Iterator[CredentialRenewed]:
    """A lease's new expiry: at the latest that of the caller's token."""
    ttl = entry.seconds("auth.token_ttl")
    if ttl is not None:
        yield _renewal(entry, Identifier(LEASE, lease), ttl)


def _renewal(entry: AuditEntry, named: Identifier, ttl: int) -> CredentialRenewed:
    return CredentialRenewed(
        time=entry.time,
        source=entry.source,
        id=f"{entry.id}/renewed",
        identifier=named,
        expires_at=entry.time + ttl,
    )


class _Owner(NamedTuple):
    """The task of a token or lease, else the group of its task, and why nothing else reports such a task."""

    task_id: str | None
    task_group: str | None = None
    unjoined: str | None = None


def _owner(entry: AuditEntry, auth: str) -> _Owner:
    """The task from the metadata of `auth`, else its creator's; else their group; else a task of its own.

    A task of its own never ends. One task for all tokens of an identity would grow for ever.
    """
    group = None
    for place in dict.fromkeys((auth, "auth")):
        metadata = find(entry.record, f"{place}.metadata")
        claims = metadata if isinstance(metadata, dict) else {}
        # A JWT mount logs the token's subject after its own name, and the subject may name the job or its repository.
        shown = entry.get(f"{place}.display_name") or ""
        task = task_of_claims(claims) or task_of_subject(shown)
        if task is not None:
            return _Owner(task)
        group = group or group_of_claims(claims) or group_of_subject(shown)
    why = _unjoined(entry, group)
    if group is not None:
        return _Owner(None, group, why)
    token = entry.get(f"{auth}.client_token") or ""
    name = entry.get(f"{auth}.accessor") or (token if token.startswith(HMAC) else entry.id)
    return _Owner(f"{_identity(entry, auth)}/{name}", None, why)


def _identity(entry: AuditEntry, auth: str) -> str:
    """The identity that a token was given to, as far as the entry says it."""
    for place in dict.fromkeys((auth, "auth")):
        if entity := entry.get(f"{place}.entity_id"):
            return f"vault/entity/{entity}"
    return f"vault/name/{entry.get(f'{auth}.display_name') or entry.get('auth.display_name') or 'unknown'}"


def _unjoined(entry: AuditEntry, group: str | None) -> str:
    """What to set, by the way in which the token was got."""
    kind = (group or "").partition(":")[0]
    if kind == "kubernetes":
        return "a login by the Kubernetes method names no pod; use a JWT role, and map the claims of the pod's token"
    if not paths.is_login(entry.path):
        return "the metadata of the token names no job, nor that of the token that made it"
    mount = entry.path.partition("/login")[0].partition("/oidc/")[0]
    if kind or entry.get("request.mount_type") in _WITH_CLAIMS:
        claims = _MAPPED.get(kind, "the claims that name the job")
        return f"a login at `{mount}` names no job; map {claims} in `claim_mappings` of the role"
    return f"a login at `{mount}` names no job; let jobs log in with their OIDC token, by a JWT role"


_WITH_CLAIMS: Final = frozenset({"jwt", "oidc"})
# The claims to map, by the beginning of the group.
_MAPPED: Final = {
    "github": "`run_id`, `run_attempt` and `check_run_id`",
    "gitlab": "`job_id` and `pipeline_id`",
    "buildkite": "`job_id` and `pipeline_slug`",
    "azure-devops": "`prj_id` and `run_id`",
    "circleci": "`oidc.circleci.com/job-id`",
    "terraform": "`terraform_run_id`",
}
