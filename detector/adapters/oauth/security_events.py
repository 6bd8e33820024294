"""Security Event Tokens (RFC 8417): OpenID CAEP and RISC events that revoke a credential or a session.

Events are those of OpenID CAEP 1.0 and RISC 1.0, subjects those of RFC 9493. A record holds the decoded claims, or the
poll response of RFC 8936, whose tokens are read without verifying them: verify them before they get here.

An identifier says what is revoked. A token's `jti` (subject format `jwt_id`) joins the token. A session, a subject or
a URI joins credentials registered with that identifier. The end of a session also ends each token that `oauth` saw
issued in it (`sid`), and the end of all sessions of a subject each token issued to it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.token_values import read_token, session_group, subject_group
from detector.patterns.pattern import JWT_ID
from detector.records.dead_letters import MISSING_FIELD, WRONG_FIELD, bad
from detector.records.log_records import Read
from detector.values.events import CanonicalEvent, CredentialRevoked, Identifier

SESSION: Final = "session-id"
SUBJECT: Final = "oidc-subject"  # `<iss> <sub>`
URI: Final = "uri"
_PREFIX: Final = "https://schemas.openid.net/secevent/"
_CHANGE: Final = "caep/event-type/credential-change"
_VOIDING: Final = frozenset(
    {
        "caep/event-type/session-revoked",
        _CHANGE,
        "risc/event-type/credential-compromise",
        "risc/event-type/sessions-revoked",
    }
)
_ENDS_SESSIONS: Final = frozenset({"caep/event-type/session-revoked", "risc/event-type/sessions-revoked"})
_SAYS_NOTHING: Final = frozenset(
    {
        f"caep/event-type/{name}"
        for name in (
            "assurance-level-change",
            "device-compliance-change",
            "risk-level-change",
            "session-established",
            "session-presented",
            "token-claims-change",
        )
    }
    | {
        f"risc/event-type/{name}"
        for name in (
            "account-credential-change-required",
            "account-disabled",
            "account-enabled",
            "account-purged",
            "identifier-changed",
            "identifier-recycled",
            "opt-in",
            "opt-out-cancelled",
            "opt-out-effective",
            "opt-out-initiated",
            "recovery-activated",
            "recovery-information-changed",
        )
    }
    | {"ssf/event-type/stream-updated", "ssf/event-type/verification"}
)
_VOID_CHANGES: Final = frozenset({"revoke", "delete"})
# The parts of a complex subject that can be a credential, the most exact first.
_PARTS: Final = ("token", "session", "application", "device", "user")


def _named(record: Record) -> list[tuple[str, Mapping[str, Any]]]:
    """The events in a token: each name without its prefix, and its payload."""
    events = record.get("events")
    return [
        (name.removeprefix(_PREFIX), payload if isinstance(payload, dict) else {})
        for name, payload in (events.items() if isinstance(events, dict) else ())
        if isinstance(name, str) and name.startswith(_PREFIX)
    ]


def looks_like(record: Record) -> bool:
    """Whether an object is the claims of an OpenID security event token."""
    return bool(_named(record))


def known(record: Record) -> bool:
    """Whether at least one of its events is known."""
    return any(name in _VOIDING or name in _SAYS_NOTHING for name, _ in _named(record))


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The revocations in a token; empty if its subject cannot be a registered credential.

    Raises:
        BadRecordError: a field that such a token has is missing or wrong.
    """
    events: list[CanonicalEvent] = []
    for name, payload in _named(record):
        if name not in _VOIDING:
            continue
        if name == _CHANGE and text(payload, "change_type") not in _VOID_CHANGES:
            continue
        subject = record.get("sub_id") or payload.get("subject") or record.get("subject")
        if subject is None:
            raise bad(MISSING_FIELD, "sub_id")
        if not isinstance(subject, dict):
            raise bad(WRONG_FIELD, "sub_id")
        identifier = _identifier(subject)
        if identifier is None:
            continue
        said = CredentialRevoked(
            time=_time(record, payload, now),
            source=text(record, "iss"),
            id=f"{text(record, 'jti')}/{name.rpartition('/')[2]}",
            identifier=identifier,
        )
        events.append(said)
        group = _group(identifier) if name in _ENDS_SESSIONS else None
        if group is not None:
            together = msgspec.structs.replace(said, id=f"{said.id}/all", identifier=None, group=group)
            events.append(together)
    return events


def _group(identifier: Identifier) -> str | None:
    """The tokens that end with a session, or with all sessions of a subject."""
    if identifier.scheme == SESSION:
        return session_group(identifier.value)
    if identifier.scheme == SUBJECT:
        return subject_group(*identifier.value.split(" ", 1))
    return None


def _time(record: Record, payload: Mapping[str, Any], now: int) -> int:
    if payload.get("event_timestamp") is not None:
        return time(payload, "event_timestamp", now)
    return time(record, "toe" if record.get("toe") is not None else "iat", now)


def _identifier(subject: Mapping[str, Any]) -> Identifier | None:
    """The identifier of a subject (RFC 9493); None for a person's address and for unknown formats."""
    kind = maybe_text(subject, "format") or maybe_text(subject, "subject_type")
    if kind == "complex" or (kind is None and any(part in subject for part in _PARTS)):
        held = next((subject[part] for part in _PARTS if isinstance(subject.get(part), dict)), None)
        return _simple(held) if held is not None else None
    if kind == "aliases":
        held = find(subject, "identifiers")
        found = (_simple(one) for one in held if isinstance(one, dict)) if isinstance(held, list) else ()
        return next((one for one in found if one is not None), None)
    return _simple(subject)


def _simple(subject: Mapping[str, Any]) -> Identifier | None:
    kind = maybe_text(subject, "format") or maybe_text(subject, "subject_type")
    if kind == "jwt_id":
        return Identifier(JWT_ID, text(subject, "jti"))
    if kind == "opaque":
        return Identifier(SESSION, text(subject, "id"))
    if kind == "iss_sub":
        return Identifier(SUBJECT, f"{text(subject, 'iss')} {text(subject, 'sub')}")
    return Identifier(URI, text(subject, "uri")) if kind in ("uri", "account") else None


def _is_poll(record: Record) -> bool:
    sets = record.get("sets")
    return (
        isinstance(sets, dict)
        and bool(sets)
        and all(isinstance(one, str) and "." in one for one in sets.values())
    )


def _polled(record: Record, _now: int) -> Iterator[Record | Read]:
    for number, one in enumerate(record["sets"].values()):
        token = read_token(one)
        if token is None or not token.claims:
            yield Read("secevents", error=bad(WRONG_FIELD, f"sets[{number}]", "not a security event token"))
        else:
            yield token.claims


_MARK: Final = b"schemas.openid.net"
ADAPTER: Final = Adapter("secevents", (_MARK,), looks_like, translate, known, type_at=("events",))
CARRIERS: Final = (Carrier("secevents", (b'"sets"',), _is_poll, _polled, audit=True),)
