"""GitHub's audit log, streamed or from the API: uses of tokens, tokens issued and revoked, workflow runs.

A record's `hashed_token` is the base64 of the token's SHA-256 (docs.github.com, "Identifying audit log events
performed by an access token"). So a use, or a leak, joins its credential without the token itself.

If a token made the request, the record has `programmatic_access_type`, and `hashed_token` and `token_id` are that
token's. If a person created or revoked a token in the browser, it has none, and they are those of the token that the
record is about.

Panther's copies leave out a record's id, and write `@timestamp` as `at_sign_timestamp`. Then two equal records are one
event. `exports` tells records that have neither id nor token.
"""

from typing import Any, Final

from detector.adapters.adapter import Record
from detector.adapters.ci_names import github_run
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.github import exports
from detector.adapters.github.audit_actions import DOCUMENTED
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.records.log_records import LogText
from detector.records.record_ids import record_id
from detector.records.timestamps import log_time
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.secrets import normal_sha256
from detector.values.times import format_rfc3339

KIND: Final = "ci"
TOKEN_ID: Final = "github-token-id"  # noqa: S105 - the scheme of an identifier
_PANTHER: Final = "GitHub.Audit"
_OWN: Final = (
    "hashed_token",
    "programmatic_access_type",
    "_document_id",
    "actor_is_bot",
    "at_sign_timestamp",
)
MARKS: Final = (*(f'"{name}"'.encode() for name in (*_OWN, _PANTHER)), *exports.MARKS)
_OUTCOMES: Final = {
    "success": "succeeded",
    "neutral": "succeeded",
    "failure": "failed",
    "startup_failure": "failed",
    "action_required": "failed",
    "cancelled": "cancelled",
    "skipped": "cancelled",
    "stale": "cancelled",
    "timed_out": "timed_out",
}
_RUNS: Final = frozenset({"workflows.created_workflow_run", "workflows.completed_workflow_run"})
# Classic personal access tokens are `oauth_access`, fine-grained ones `personal_access_token`.
_ISSUED: Final = frozenset(
    {
        "oauth_access.create",
        "oauth_access.regenerate",
        "personal_access_token.access_granted",
        "personal_access_token.create",
        "personal_access_token.credential_regenerated",
    }
)
_REVOKED: Final = frozenset(
    {
        "oauth_access.destroy",
        "oauth_access.revoke",
        "personal_access_token.access_revoked",
        "personal_access_token.credential_revoked",
        "personal_access_token.destroy",
    }
)
_ABOUT_TOKENS: Final = _ISSUED | _REVOKED
_TIMES: Final = ("@timestamp", "created_at", "at_sign_timestamp", "p_event_time")
_PERSONAL: Final = "a personal access token belongs to its user and to no job"
_REFUSED: Final = 400  # the lowest HTTP status of a refused request


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of an audit log record."""
    return "action" in record and (
        any(name in record for name in _OWN)
        or record.get("p_log_type") == _PANTHER
        or exports.looks_like(record)
    )


def scanned(record: Record, _now: int) -> LogText | None:
    """All that a record of an export says. In a streamed one hashes look like secrets."""
    return None if any(name in record for name in _OWN) else exports.scanned(record)


def known(record: Record) -> bool:
    """Whether it has a token, or an action that GitHub documents: most of these are about neither token nor run."""
    action = record.get("action")
    named = isinstance(action, str) and action in DOCUMENTED
    return named or bool(record.get("hashed_token") or record.get("token_id"))


def outcome_of(record: Record, path: str) -> str | None:
    """The task's outcome; None for an unknown conclusion, as GitHub may add some. The task has ended all the same."""
    return _OUTCOMES.get(maybe_text(record, path) or "")


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one record.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    action = text(record, "action")
    if action in _RUNS:
        return [_run(record, action, now)]
    about, by_token = action in _ABOUT_TOKENS, maybe_text(record, "programmatic_access_type") is not None
    if about and not by_token:
        return _lifecycle(record, action, _token(record), now)
    identifier = _used(record)
    events: list[CanonicalEvent] = [_use(record, action, identifier, now)] if identifier is not None else []
    if about and (token := maybe_text(record, "user_programmatic_access_id")) is not None:
        events += _lifecycle(record, action, [Identifier(TOKEN_ID, token)], now)
    return events


def _source(record: Record) -> str:
    owner = maybe_text(record, "org") or maybe_text(record, "business")
    return f"github.audit/{owner}" if owner else "github.audit"


def _id(record: Record) -> str:
    return maybe_text(record, "_document_id") or record_id(record)


def _time(record: Record, now: int) -> int:
    return time(record, next((name for name in _TIMES if find(record, name) is not None), _TIMES[0]), now)


def _run(record: Record, action: str, now: int) -> CanonicalEvent:
    run, attempt = text(record, "workflow_run_id"), maybe_text(record, "run_attempt") or "1"
    source, event_id = _source(record), f"{action}/{run}/{attempt}"
    task_id = github_run(run, attempt)
    if action == "workflows.completed_workflow_run":
        at = _own_time(record, "completed_at", now)
        outcome = outcome_of(record, "conclusion")
        return TaskEnded(time=at, source=source, id=event_id, task_id=task_id, outcome=outcome)
    return TaskStarted(
        time=_own_time(record, "started_at", now),
        source=source,
        id=event_id,
        task_id=task_id,
        kind=KIND,
        owner=maybe_text(record, "actor"),
    )


def _own_time(record: Record, name: str, now: int) -> int:
    return _time(record, now) if find(record, name) in (None, "") else time(record, name, now)


def _used(record: Record) -> Identifier | None:
    """The token that made the request: its hash; its id if there is no valid hash."""
    token = maybe_text(record, "token_id")
    if maybe_text(record, "hashed_token"):
        digest = normal_sha256(text(record, "hashed_token"))
        if digest is not None:
            return Identifier("sha256", digest)
        if token is None:
            raise bad(WRONG_FIELD, "hashed_token", "not the base64 of a SHA-256")
    return Identifier(TOKEN_ID, token) if token is not None else None


def _use(record: Record, action: str, identifier: Identifier, now: int) -> CredentialUsed:
    if action == "api.request":
        method, route = maybe_text(record, "request_method"), maybe_text(record, "route")
        action = " ".join(part for part in (method, route) if part) or action
    status = maybe_text(record, "status_code") or ""
    refused = len(status) == 3 and status.isdecimal() and int(status) >= _REFUSED  # noqa: PLR2004 - digits
    return CredentialUsed(
        time=_time(record, now),
        source=_source(record),
        id=_id(record),
        identifier=identifier,
        action=action,
        resource=maybe_text(record, "repo") or maybe_text(record, "repository"),
        outcome=DENIED if refused else SUCCESS,
        source_ip=maybe_text(record, "actor_ip"),
        user_agent=maybe_text(record, "user_agent"),
    )


def _token(record: Record) -> list[Identifier]:
    """The token that a record is about, by its id and its hash."""
    token = maybe_text(record, "user_programmatic_access_id") or maybe_text(record, "token_id")
    found = [Identifier(TOKEN_ID, token)] if token is not None else []
    digest = normal_sha256(maybe_text(record, "hashed_token") or "")
    return found if digest is None else [*found, Identifier("sha256", digest)]


def _lifecycle(record: Record, action: str, identifiers: list[Identifier], now: int) -> list[CanonicalEvent]:
    """A token issued or revoked; nothing if the record does not identify it."""
    if not identifiers:
        return []
    at, source, document = _time(record, now), _source(record), _id(record)
    if action in _REVOKED:
        return [
            CredentialRevoked(time=at, source=source, id=f"{document}/revoked/{each.scheme}", identifier=each)
            for each in identifiers
        ]
    first = identifiers[0]
    user = maybe_text(record, "user") or text(record, "actor")
    named = maybe_text(record, "_document_id") or f"{user}/{format_rfc3339(at)}"
    return [
        CredentialIssued(
            time=at,
            source=source,
            id=f"{document}/issued",
            # A hash must not be in an output, as an id is.
            credential_id=f"github/token/{first.value if first.scheme == TOKEN_ID else named}",
            task_id=f"github/user/{user}",
            identifiers=tuple(identifiers),
            kind="github-token",
            expires_at=_expiry(record, at),
            revocation=_revocation(record, user),
            unjoined=_PERSONAL,
        )
    ]


def _expiry(record: Record, issued: int) -> int | None:
    """When a token expires, if the record has it as a time."""
    found = log_time(record.get("token_expiration"))
    return found if found is not None and found > issued else None


def _revocation(record: Record, user: str) -> dict[str, Any]:
    fields = {
        "provider": "github",
        "method": "revoke-token",
        "user": user,
        "org": maybe_text(record, "org"),
        "token_id": maybe_text(record, "user_programmatic_access_id") or maybe_text(record, "token_id"),
        "grant_id": maybe_text(record, "organization_programmatic_access_grant_id"),
    }
    return {name: value for name, value in fields.items() if value is not None}
