"""Requests as a GitLab server of one's own logs them: uses of access and deploy tokens, allowed and refused.

The lines of `api_json.log` and `production_json.log` (docs.gitlab.com, "Log system"). Of a request with a token they
have `token_type` and `token_id`, of one whose token was refused `meta.auth_fail_token_id` (`PersonalAccessToken/12`;
"Identify expired access tokens from logs"). Of a job's token they have no id. Lines without a token are log text.
"""

from typing import Final

import re2

from detector.adapters.adapter import Record
from detector.adapters.fields import maybe_text, time
from detector.adapters.gitlab.audit_events import ACCESS_TOKEN, DEPLOY_TOKEN
from detector.records.record_ids import record_id
from detector.values.events import DENIED, SUCCESS, CredentialUsed, Identifier

_REFUSED_TOKEN: Final = "meta.auth_fail_token_id"  # noqa: S105 - a field's name; its dot is no path
MARKS: Final = (b'"token_id"', f'"{_REFUSED_TOKEN}"'.encode())
_SOURCE: Final = "gitlab.requests"
_TOKEN: Final = re2.compile(r"(\w{1,64})/(\d{1,20})")
# Tokens of projects and groups are personal ones of a bot.
_SCHEMES: Final = {"PersonalAccessToken": ACCESS_TOKEN, "DeployToken": DEPLOY_TOKEN}
_REFUSED: Final = (401, 403)


def looks_like(record: Record) -> bool:
    """Whether an object is a request whose line names its token."""
    path = record.get("path")
    return (
        isinstance(path, str)
        and path.startswith("/")
        and isinstance(record.get("method"), str)
        and "time" in record
        and (isinstance(record.get(_REFUSED_TOKEN), str) or {"token_type", "token_id"} <= record.keys())
    )


def translate(record: Record, now: int) -> list[CredentialUsed]:
    """The use of a request's token; nothing for a token of another kind.

    Raises:
        BadRecordError: a field that such a line has is missing or wrong.
    """
    refused = record.get(_REFUSED_TOKEN)
    identifier = _named(refused) if isinstance(refused, str) else _used(record)
    if identifier is None:
        return []
    denied = isinstance(refused, str) or record.get("status") in _REFUSED
    route = maybe_text(record, "route")
    return [
        CredentialUsed(
            time=time(record, "time", now),
            source=_SOURCE,
            id=maybe_text(record, "correlation_id") or record_id(record),
            identifier=identifier,
            action=f"{record['method']} {route}" if route else record["method"],
            resource=record["path"].partition("?")[0],
            outcome=DENIED if denied else SUCCESS,
            source_ip=_address(record),
            user_agent=maybe_text(record, "ua"),
        )
    ]


def _named(token: str) -> Identifier | None:
    match = _TOKEN.fullmatch(token)
    scheme = None if match is None else _SCHEMES.get(match[1])
    return None if match is None or scheme is None else Identifier(scheme, match[2])


def _used(record: Record) -> Identifier | None:
    kind, token = record["token_type"], maybe_text(record, "token_id")
    scheme = _SCHEMES.get(kind) if isinstance(kind, str) else None
    return None if scheme is None or token is None else Identifier(scheme, token)


def _address(record: Record) -> str | None:
    """The client's address. `remote_ip` may be a header's list, whose beginning the client wrote."""
    own, listed = record.get("meta.remote_ip"), record.get("remote_ip")
    if isinstance(own, str) and own:
        return own
    return listed if isinstance(listed, str) and listed and "," not in listed else None
