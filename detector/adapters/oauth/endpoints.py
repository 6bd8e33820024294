"""OAuth 2 authorization servers: requests to their token, introspection and revocation endpoints, with the answers.

Servers have no common log format, so this reads the protocol's own messages, as a server, a gateway or a sidecar logs
them: one object with the request's form fields and the response's JSON.

    {"time": …, "id": …, "issuer": …, "endpoint": "token" | "introspection" | "revocation" (or a path that ends so),
     "request": {"grant_type": …, "client_id": …, "subject_token": …}, "response": {"access_token": …, "expires_in": …}}

RFC 6749 (token), RFC 8693 (token exchange, `act`), RFC 7662 (introspection), RFC 7009 (revocation). Tokens are hashed
here, decoded if they are JWTs (JWT-SVIDs too), and never kept. If a log has no token, `…_sha256` and `jti` beside it
identify it, and `response.claims` may have its claims.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text
from detector.adapters.oauth.claims import group_of_claims, task_of_claims
from detector.adapters.oauth.messages import INTROSPECTION, REVOCATION, Message, endpoint_of, fields_of
from detector.adapters.token_values import moment, session_group, subject_group
from detector.patterns.pattern import JWT_ID
from detector.records.dead_letters import MISSING_FIELD, WRONG_FIELD, bad
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskStarted,
)
from detector.values.times import SECOND

KIND: Final = "oauth-token"
ACTOR: Final = "oauth-actor"
# Tokens that a request may show, and the action of each: RFC 8693, 7523 (twice), 6749.
_SHOWN: Final = {
    "subject_token": "token-exchange",
    "assertion": "jwt-bearer",
    "client_assertion": "client-assertion",
    "refresh_token": "refresh",
}
_UNJOINED: Final = "no claim of the token names a job, a pod or an actor; issue tokens with the job's claims, or write `task_id`"
_MAX_ACTORS: Final = 16  # of a chain
_MAX_DIGITS: Final = 12  # of a number of seconds: thirty thousand years


def looks_like(record: Record) -> bool:
    """Whether an object is a request to one of the three endpoints, with its response."""
    if "request" not in record or "response" not in record:
        return False
    endpoint = endpoint_of(record)
    return endpoint in INTROSPECTION or endpoint in REVOCATION or "grant_type" in fields_of(record, "request")


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one message: a token issued, used or revoked, and the starts of its actors.

    Raises:
        BadRecordError: a field that such a message has is missing or wrong.
    """
    message, endpoint = Message.of(record, now), endpoint_of(record)
    if endpoint in INTROSPECTION:
        return _introspected(message)
    return _revoked(message) if endpoint in REVOCATION else _asked(message)


def _asked(message: Message) -> list[CanonicalEvent]:
    """A request to the token endpoint: it uses the token that it shows, and may issue one."""
    shown = _shown(message)
    events: list[CanonicalEvent] = []
    identifier = message.identifier("request", shown)
    if identifier is not None:
        events.append(_use(message, identifier, _SHOWN[shown], _wanted(message)))
    if message.failed:
        return events
    identifiers = message.identifiers("response", "access_token")
    if not identifiers:
        raise bad(MISSING_FIELD, "response.access_token")
    claims = _claims(message)
    jti = next((one.value for one in identifiers if one.scheme == JWT_ID), None)
    credential_id = jti or f"{message.source}/{message.id}"
    task, actors = _task(message, claims, credential_id)
    events.extend(actors)
    events.append(
        CredentialIssued(
            time=message.time,
            source=message.source,
            id=f"{message.id}/issued",
            credential_id=credential_id,
            **task._asdict(),
            identifiers=(*identifiers, *_refresh(message)),
            kind=KIND,
            expires_at=_expiry(message, claims),
            groups=_groups(message, claims),
            revocation=_present(
                provider="oauth",
                method="rfc7009",
                issuer=message.issuer,
                client_id=message.client,
                jti=jti,
                session_id=_session(message, claims),
                user_id=_text(claims.get("sub")),
            ),
        )
    )
    return events


def _shown(message: Message) -> str:
    """The field of the request that holds the token that it shows."""
    return next((name for name in _SHOWN if message.record["request"].get(name)), "subject_token")


def _wanted(message: Message) -> str | None:
    return maybe_text(message.record, "request.audience") or maybe_text(message.record, "request.resource")


def _refresh(message: Message) -> tuple[Identifier, ...]:
    """A new refresh token is the same credential. One that was only returned has been reported before."""
    fields = (message.token(part, "refresh_token") for part in ("response", "request"))
    given, shown = (token.identifiers if token is not None else () for token in fields)
    return () if given == shown else given


def _groups(message: Message, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The groups of a session's token: the tokens of that session, and those of all sessions of its subject."""
    session = _session(message, claims)
    if session is None:
        return ()
    issuer, sub = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(sub, str):
        return (session_group(session),)
    return (session_group(session), subject_group(issuer, sub))


def _session(message: Message, claims: Mapping[str, Any]) -> str | None:
    return _text(claims.get("sid") or maybe_text(message.record, "response.session_state"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _expiry(message: Message, claims: Mapping[str, Any]) -> int | None:
    said = moment(claims.get("exp"))
    if said is not None:
        return said
    seconds = maybe_text(message.record, "response.expires_in")
    if seconds is None:
        return None
    if not seconds.isdecimal() or len(seconds) > _MAX_DIGITS:
        raise bad(WRONG_FIELD, "response.expires_in")
    return message.time + int(seconds) * SECOND


class _Owner(NamedTuple):
    """The task of a token, else the group of its task, and why nothing else reports such a task."""

    task_id: str | None
    task_group: str | None = None
    unjoined: str | None = None


def _task(
    message: Message, claims: Mapping[str, Any], credential_id: str
) -> tuple[_Owner, list[CanonicalEvent]]:
    """The task of a token, and the starts of its actors.

    It is the `task_id` of the record; else what the token's claims name (a CI job, a pod); else its current actor
    (`act.sub`, whose parent is the actor before it); else what the claims of the exchanged token name. If none is
    there, the claims of either name a group, such as a repository. Else it is the subject or the client. These two
    never end. So each of their tokens is a task of its own: one task for all of a client's tokens would grow for
    ever.
    """
    named = maybe_text(message.record, "task_id") or task_of_claims(claims)
    subject = message.token("request", _shown(message))
    before = task_of_claims(subject.claims) if subject is not None else None
    actors = _actors(claims)
    starts: list[CanonicalEvent] = [
        TaskStarted(
            time=message.time,
            source=message.source,
            id=f"{message.id}/actor/{number}",
            task_id=actor,
            kind=ACTOR,
            parent_task_id=parent,
        )
        for number, (actor, parent) in enumerate(zip(actors, [*actors[1:], before], strict=False))
        if parent != actor
    ]
    if named is not None:
        return _Owner(named), starts
    if actors:
        return _Owner(actors[0]), starts
    if before is not None:
        return _Owner(before), starts
    group = group_of_claims(claims) or (group_of_claims(subject.claims) if subject is not None else None)
    if group is not None:
        return _Owner(None, group, _UNJOINED), starts
    sub = claims.get("sub")
    if isinstance(sub, str) and sub:
        return _Owner(f"oauth/subject/{sub}/{credential_id}", None, _UNJOINED), starts
    if message.client is None:
        raise bad(MISSING_FIELD, "request.client_id")
    return _Owner(f"oauth/client/{message.client}/{credential_id}", None, _UNJOINED), starts


def _actors(claims: Mapping[str, Any]) -> list[str]:
    """The chain of actors, the current one first (RFC 8693, section 4.1)."""
    actors: list[str] = []
    act = claims.get("act")
    while isinstance(act, dict) and len(actors) < _MAX_ACTORS:
        sub = act.get("sub") or act.get("client_id")
        if isinstance(sub, str) and sub:
            actors.append(task_of_claims(act) or f"oauth/actor/{sub}")
        act = act.get("act")
    return actors


def _introspected(message: Message) -> list[CanonicalEvent]:
    """A resource server asked about a token. Active: a use. Not active, and not just expired: a revocation."""
    if message.failed:
        return []
    identifier = message.identifier("request", "token") or message.identifier("response", "token")
    active = find(message.record, "response.active")
    if not isinstance(active, bool):
        raise bad(MISSING_FIELD if active is None else WRONG_FIELD, "response.active")
    if identifier is None:
        raise bad(MISSING_FIELD, "request.token")
    if active:
        use = _use(message, identifier, "introspection", message.client)
        # Who asked is the resource server: its address says nothing about who holds the token.
        return [msgspec.structs.replace(use, source_ip=None, user_agent=None)]
    token = message.token("request", "token")
    expiry = token.expires_at if token is not None else None
    return [] if expiry is not None and expiry <= message.time else [_revocation(message, identifier)]


def _revoked(message: Message) -> list[CanonicalEvent]:
    """A token was handed in for revocation. The server answers 200 for an unknown token too."""
    if message.failed:
        return []
    identifier = message.identifier("request", "token")
    if identifier is None:
        raise bad(MISSING_FIELD, "request.token")
    return [_revocation(message, identifier)]


def _revocation(message: Message, identifier: Identifier) -> CredentialRevoked:
    return CredentialRevoked(
        time=message.time, source=message.source, id=f"{message.id}/revoked", identifier=identifier
    )


def _use(message: Message, identifier: Identifier, action: str, resource: str | None) -> CredentialUsed:
    return CredentialUsed(
        time=message.time,
        source=message.source,
        id=message.id,
        identifier=identifier,
        action=action,
        resource=resource,
        outcome=DENIED if message.failed else SUCCESS,
        workload=message.client,
        source_ip=maybe_text(message.record, "source_ip"),
        user_agent=maybe_text(message.record, "user_agent"),
    )


def _claims(message: Message) -> Mapping[str, Any]:
    """The claims of the issued token: its own, else those in the log."""
    token = message.token("response", "access_token")
    if token is not None and token.claims:
        return token.claims
    claims = find(message.record, "response.claims")
    return claims if isinstance(claims, dict) else {}


def _present(**fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


ADAPTER: Final = Adapter(
    "oauth",
    (b"grant_type", b"introspect", b'revocation"', b'revoke"', b"/revoke?"),
    looks_like,
    translate,
)
