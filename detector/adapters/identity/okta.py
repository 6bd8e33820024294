"""Okta's System Log: API tokens and the tokens of machines, issued and revoked, and what was done with API tokens.

A record is a `LogEvent`, as `GET /api/v1/logs`, a log stream or an event hook gives it (developer.okta.com, System Log,
"LogEvent", "LogTransaction"; "Event hooks"; event types `system.api_token.*`, `app.oauth2.*`). `requestApiTokenId` of a
transaction names the API token of a request. A grant of a token has the token among its targets, with its id and
expiry; the id of a JWT is its `jti` ("Access token payload"). Requests do not name the access token that they had.
"""

from collections.abc import Container, Iterator
from typing import Any, Final

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.ci_names import task_named
from detector.adapters.fields import expiry, find, issued_to, maybe_text, text, time
from detector.patterns.pattern import JWT_ID
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.log_records import LogText, whole_record
from detector.records.record_ids import record_id
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.values.times import DAY

TOKEN: Final = "okta-token-id"  # noqa: S105 - the scheme of an identifier
CLIENT: Final = "okta-client-id"
_SOURCE: Final = "okta"
_HOOK: Final = "com.okta.event_hook"
_MARKS: Final = (b'"published"',)
_FAMILIES: Final = frozenset(
    {"access", "analytics", "app", "application", "certification", "core", "credential", "device", "directory"}
    | {"domain", "event_hook", "group", "iam", "inline_hook", "integration", "master_application", "mim", "oauth2"}
    | {"pam", "pki", "plugin", "policy", "scheduled_action", "security", "support", "system", "task", "user"}
    | {"workflow", "workflows", "zone"}
)  # fmt: skip
_API_TOKENS: Final = "system.api_token."
_OF_API_TOKENS: Final = frozenset({"create", "disable", "enable", "revoke", "update"})
_API_TOKEN: Final = "Token"  # noqa: S105 - a type of target
_TYPES: Final = ("eventType", "eventtype")
_OAUTH_TOKENS: Final = frozenset({"access_token", "refresh_token"})
_GRANTS: Final = ("app.oauth2.token.grant", "app.oauth2.as.token.grant")
_REVOKES: Final = ("app.oauth2.token.revoke", "app.oauth2.as.token.revoke")
# The others are of people: their tokens belong to no task.
_OF_MACHINES: Final = (
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
# With its user or its application, a token ends too.
_OWNERS_GONE: Final = {
    "user.lifecycle.deactivate": ("User", "user"),
    "application.lifecycle.deactivate": ("AppInstance", "client"),
    "application.lifecycle.delete": ("AppInstance", "client"),
}
_LONGEST: Final = DAY  # that an access token may live ("Access token lifetime" of a rule of an access policy)
_REFUSED: Final = ("DENY", "FAILURE")
_MOST: Final = 100  # targets that are looked at
_BY_USER: Final = "an API token belongs to no task; name it after its job (`github-job-71`), or let jobs get tokens by a client"
_BY_CLIENT: Final = "the client is not named after its job; give each repository a client of its own, and set `task_group` in `[sources.okta]`"


def _type_of(record: Record) -> str | None:
    """The event's type. Panther writes the names at the top in lower case."""
    kind = record.get("eventType") or record.get("eventtype")
    return kind if isinstance(kind, str) else None


def _debug(record: Record) -> dict[str, Any]:
    data = find(record, "debugContext.debugData") or find(record, "debugcontext.debugData")
    return data if isinstance(data, dict) else {}


def _looks_like(record: Record) -> bool:
    return "published" in record and _type_of(record) is not None and isinstance(record.get("actor"), dict)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The token that was issued or revoked, and the use of the API token that a request had.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    return [*_changed(record, now), *_used(record, now)]


def _changed(record: Record, now: int) -> Iterator[CanonicalEvent]:
    kind = _type_of(record) or ""
    if kind.startswith(_GRANTS):
        yield from _granted(record, now)
    elif find(record, "outcome.result") != "SUCCESS":
        return
    elif kind == "system.api_token.create":
        yield _created(record, now)
    elif kind == "system.api_token.revoke":
        yield _revoked(record, now, 0, identifier=Identifier(TOKEN, text(_api_token(record), "id")))
    elif kind.startswith(_REVOKES):
        for number, token in enumerate(_targets(record, _OAUTH_TOKENS)):
            yield _revoked(record, now, number, identifier=Identifier(TOKEN, text(token, "id")))
    elif kind in _OWNERS_GONE:
        of_type, name = _OWNERS_GONE[kind]
        for number, owner in enumerate(_targets(record, (of_type,))):
            yield _revoked(record, now, number, group=f"okta/{name}/{text(owner, 'id')}")


def _targets(record: Record, types: Container[str]) -> Iterator[dict[str, Any]]:
    targets = record.get("target")
    for one in targets[:_MOST] if isinstance(targets, list) else ():
        if isinstance(one, dict) and isinstance(kind := one.get("type"), str) and kind in types:
            yield one


def _api_token(record: Record) -> dict[str, Any]:
    found = next(_targets(record, (_API_TOKEN,)), None)
    if found is None:
        raise bad(MISSING_FIELD, "target")
    return found


def _created(record: Record, now: int) -> CredentialIssued:
    """An API token. It ends once nobody used it for 30 days, so it has no expiry."""
    token = _api_token(record)
    token_id, user = text(token, "id"), text(record, "actor.id")
    task = task_named(maybe_text(token, "displayName") or "")
    return CredentialIssued(
        time=time(record, "published", now),
        source=_SOURCE,
        id=f"{_id(record)}/issued",
        credential_id=f"okta/token/{token_id}",
        task_id=task or f"okta/user/{user}",
        identifiers=(Identifier(TOKEN, token_id),),
        kind="okta-api-token",
        revocation={"provider": "okta", "method": "revoke-api-token", "token_id": token_id},
        groups=(f"okta/user/{user}",),
        unjoined=None if task is not None else _BY_USER,
    )


def _granted(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """What a client got by itself: a use of the client, and the tokens among the targets."""
    if _debug(record).get("grantType") not in _OF_MACHINES:
        return
    client = text(record, "actor.id")
    granted = find(record, "outcome.result") == "SUCCESS"
    yield _use(record, now, "client", Identifier(CLIENT, client), denied=not granted)
    for token in _targets(record, _OAUTH_TOKENS) if granted else ():
        yield _token(record, token, client, now)


def _token(record: Record, token: dict[str, Any], client: str, now: int) -> CredentialIssued:
    token_id, when = text(token, "id"), time(record, "published", now)
    task = task_named(maybe_text(record, "actor.displayName") or "")
    expires = expiry(token, "detailEntry.expires")
    jwt = (Identifier(JWT_ID, token_id),) if token_id.startswith("AT.") else ()
    return CredentialIssued(
        time=when,
        source=_SOURCE,
        id=f"{_id(record)}/issued/{token_id}",
        credential_id=f"okta/token/{token_id}",
        task_id=task or f"okta/client/{client}/{token_id}",  # of its own: a client never ends
        identifiers=(Identifier(TOKEN, token_id), *jwt),
        kind="okta-token",
        expires_at=when + _LONGEST if expires is None else expires,
        revocation={"provider": "okta", "method": "deactivate-client", "client": client},
        groups=(f"okta/client/{client}",),
        issued_to=issued_to(maybe_text(record, "client.ipAddress")),
        unjoined=None if task is not None else _BY_CLIENT,
    )


def _revoked(record: Record, now: int, number: int, **whom: Any) -> CredentialRevoked:
    suffix = f"/{number}" if number else ""
    when = time(record, "published", now)
    return CredentialRevoked(time=when, source=_SOURCE, id=f"{_id(record)}/revoked{suffix}", **whom)


def _used(record: Record, now: int) -> Iterator[CanonicalEvent]:
    token = maybe_text(record, "transaction.detail.requestApiTokenId")
    if token is not None:
        denied = find(record, "outcome.result") in _REFUSED
        yield _use(record, now, "used", Identifier(TOKEN, token), denied=denied)


def _use(record: Record, now: int, suffix: str, of: Identifier, *, denied: bool) -> CredentialUsed:
    return CredentialUsed(
        time=time(record, "published", now),
        source=_SOURCE,
        id=f"{_id(record)}/{suffix}",
        identifier=of,
        action=_type_of(record),
        resource=maybe_text(_debug(record), "requestUri"),
        outcome=DENIED if denied else SUCCESS,
        source_ip=maybe_text(record, "client.ipAddress"),
        user_agent=maybe_text(record, "client.userAgent.rawUserAgent"),
    )


def _id(record: Record) -> str:
    return maybe_text(record, "uuid") or record_id(record)


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says, but `clientSecret`: Okta writes a hash there, which opens nothing."""
    beside = {name: value for name, value in record.items() if name not in ("debugContext", "debugcontext")}
    debug = {name: value for name, value in _debug(record).items() if name != "clientSecret"}
    return whole_record({**beside, "debugContext": debug}, record.get("published"))


def _kind(record: Record) -> str | None:
    """The family of its type; None if Okta documents none such, or says what else became of an API token."""
    named = _type_of(record) or ""
    kind = named.partition(".")[0]
    if named.startswith(_API_TOKENS) and named.removeprefix(_API_TOKENS) not in _OF_API_TOKENS:
        return None
    return kind if kind in _FAMILIES else None


def _is_hook(record: Record) -> bool:
    return record.get("eventType") == _HOOK and isinstance(find(record, "data.events"), list)


def _hooked(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["data"]["events"] if isinstance(one, dict))


ADAPTER: Final = Adapter("okta", _MARKS, _looks_like, translate, text=scanned, kind=_kind, type_at=_TYPES)
CARRIERS: Final = (Carrier("okta", (_HOOK.encode(),), _is_hook, _hooked, audit=True),)
