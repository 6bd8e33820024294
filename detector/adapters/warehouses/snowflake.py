"""Snowflake's account usage: tokens and key pairs, logins with them, sessions, and what was done in these.

One object is a row of a view of ACCOUNT_USAGE or ORGANIZATION_USAGE, with the names of its columns in upper case, or
all in lower case: LOGIN_HISTORY, SESSIONS, QUERY_HISTORY, CREDENTIALS (docs.snowflake.com, "Account Usage", and
"Using programmatic access tokens for authentication": the id of a credential is in CREDENTIAL_ID and in
FIRST_AUTHENTICATION_FACTOR_ID). Rows of grants and transfers are known, and say nothing of credentials.

A row of a query names its session, and a session its login, but no row of a query names the credential. So a session is
a credential of its own. It ends four hours after its last query, unless a policy of the account says otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import task_named
from detector.adapters.fields import maybe_text, maybe_time, text, time
from detector.adapters.warehouses.user_statements import UserChange, user_change
from detector.records.log_records import LogText, whole_record
from detector.records.record_ids import record_id
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.values.times import HOUR

CREDENTIAL: Final = "snowflake-credential-id"
TOKEN_NAME: Final = "snowflake-token-name"  # noqa: S105 - the scheme of an identifier
SESSION: Final = "snowflake-session-id"
_LOGINS, _SESSIONS, _QUERIES, _CREDENTIALS = "logins", "sessions", "queries", "credentials"
# By kind of row, the columns that it has in any export. Columns without a value may be left out.
_ROWS: Final = {
    _LOGINS: ("REPORTED_CLIENT_TYPE", "EVENT_TYPE", "IS_SUCCESS"),
    _SESSIONS: ("LOGIN_EVENT_ID", "SESSION_ID", "CREATED_ON"),
    _QUERIES: ("EXECUTION_STATUS", "QUERY_TYPE", "USER_NAME"),
    _CREDENTIALS: ("CREDENTIAL_ID", "USER_NAME", "TYPE", "CREATED_ON"),
    "grants": ("GRANTEE_NAME", "GRANTED_TO"),
    "transfers": ("TRANSFER_TYPE", "SOURCE_CLOUD"),
}
_MARKS: Final = tuple(
    f'"{name}"'.encode() for columns in _ROWS.values() for name in (columns[0], columns[0].lower())
)
_TOKEN, _KEYS = "snowflake-token", "snowflake-key-pair"
_KINDS: Final = {"PAT": _TOKEN, "KEYPAIR": _KEYS}
_ENDS: Final = {_TOKEN: "remove-token", _KEYS: "unset-public-key"}
_INTERNAL: Final = "0.0.0.0"  # noqa: S104 - where Snowflake's own services log in from
_IDLE: Final = 4 * HOUR
_REFUSED: Final = "SQL access control error"
_ENVIRONMENT: Final = 1 << 14  # characters of what a client says of itself
_NO_NAME: Final = "neither the user nor the session is named after a job; set `application` to `github-job-…`, or `task_group`"
_SHARED: Final = (
    "a token of Snowflake names its user and no job; name token or user after the job, or set `task_group`"
)


def _kind(record: Record) -> str:
    """Which view a row is of; empty if none."""
    for kind, columns in _ROWS.items():
        if columns[0] in record or columns[0].lower() in record:
            upper = all(name in record for name in columns)
            return kind if upper or all(name.lower() in record for name in columns) else ""
    return ""


def looks_like(record: Record) -> bool:
    """Whether an object is a row of one of the views."""
    return _kind(record) != ""


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """What a row tells of a credential or a session.

    Raises:
        BadRecordError: a column that such a row has is missing or wrong.
    """
    row, kind = _upper(record), _kind(record)
    if kind == _LOGINS:
        return list(_login(row, now))
    if kind == _SESSIONS:
        return [_session(row, now)]
    if kind == _QUERIES:
        return list(_query(row, now))
    return list(_credential(row, now)) if kind == _CREDENTIALS else []


def _upper(record: Record) -> Record:
    """A row with names in upper case; what stands there in upper case already counts."""
    return {**{name.upper(): value for name, value in record.items()}, **record}


def _account(row: Record) -> str | None:
    """The account, which only rows of ORGANIZATION_USAGE name."""
    return maybe_text(row, "ACCOUNT_NAME") or maybe_text(row, "ACCOUNT_LOCATOR")


def _source(row: Record) -> str:
    account = _account(row)
    return f"snowflake/{account}" if account else "snowflake"


def _login(row: Record, now: int) -> Iterator[CanonicalEvent]:
    """The use of the token or key pair that somebody logged in with."""
    credential = maybe_text(row, "FIRST_AUTHENTICATION_FACTOR_ID")
    if credential is None or row.get("EVENT_TYPE") != "LOGIN":
        return
    address = maybe_text(row, "CLIENT_IP")
    client = (maybe_text(row, "REPORTED_CLIENT_TYPE"), maybe_text(row, "REPORTED_CLIENT_VERSION"))
    yield CredentialUsed(
        time=time(row, "EVENT_TIMESTAMP", now),
        source=_source(row),
        id=f"login/{text(row, 'EVENT_ID')}",
        identifier=Identifier(CREDENTIAL, credential),
        action="LOGIN",
        resource=maybe_text(row, "USER_NAME"),
        outcome=SUCCESS if row.get("IS_SUCCESS") in ("YES", True) else DENIED,
        source_ip=None if address == _INTERNAL else address,
        user_agent=" ".join(part for part in client if part) or None,
    )


def _session(row: Record, now: int) -> CredentialIssued:
    session, user, at = text(row, "SESSION_ID"), text(row, "USER_NAME"), time(row, "CREATED_ON", now)
    named = task_named(_application(row)) or _job_of(user)
    return CredentialIssued(
        time=at,
        source=_source(row),
        id=f"session/{session}",
        credential_id=f"snowflake/session/{session}",
        task_id=named or _user(row, user),
        identifiers=(Identifier(SESSION, session),),
        kind="snowflake-session",
        expires_at=at + _IDLE,
        revocation={"provider": "snowflake", "method": "abort-session", "session_id": session, "user": user},
        groups=(_user(row, user),),
        unjoined=None if named else _NO_NAME,
    )


def _application(row: Record) -> str:
    """The name that a client gave itself: `application` of a connection."""
    told: Any = row.get("CLIENT_ENVIRONMENT")
    if isinstance(told, str) and len(told) <= _ENVIRONMENT:
        try:
            told = msgspec.json.decode(told)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return ""
    name = told.get("APPLICATION") if isinstance(told, dict) else None
    return name if isinstance(name, str) else ""


def _query(row: Record, now: int) -> Iterator[CanonicalEvent]:
    """The use of a session, and the end of what the statement revokes."""
    session, done = maybe_text(row, "SESSION_ID"), row.get("EXECUTION_STATUS") == "SUCCESS"
    change = user_change(row.get("QUERY_TEXT"), text(row, "USER_NAME")) if done else None
    if session is None and change is None:
        return
    at = time(row, "START_TIME" if row.get("START_TIME") else "P_EVENT_TIME", now)
    number = maybe_text(row, "QUERY_ID") or record_id(row)
    if session is not None:
        yield from _used(row, session, at, number)
    if change is not None:
        yield CredentialRevoked(time=at, source=_source(row), id=f"{number}/revoked", **_whom(row, change))


def _used(row: Record, session: str, at: int, number: str) -> Iterator[CanonicalEvent]:
    identifier = Identifier(SESSION, session)
    refused = (maybe_text(row, "ERROR_MESSAGE") or "").startswith(_REFUSED)
    names = (maybe_text(row, "DATABASE_NAME"), maybe_text(row, "SCHEMA_NAME"))
    yield CredentialUsed(
        time=at,
        source=_source(row),
        id=number,
        identifier=identifier,
        action=maybe_text(row, "QUERY_TYPE"),
        resource="/".join(name for name in names if name) or None,
        outcome=DENIED if refused else SUCCESS,
    )
    yield CredentialRenewed(
        time=at,
        source=_source(row),
        id=f"{number}/renewed",
        identifier=identifier,
        expires_at=at + _IDLE,
    )


def _whom(row: Record, change: UserChange) -> Mapping[str, Any]:
    """A token by its name, or all that a user has."""
    if change.token is None:
        return {"group": _user(row, change.user)}
    return {"identifier": _token_name(row, change.user, change.token)}


def _credential(row: Record, now: int) -> Iterator[CanonicalEvent]:
    """A token or a key pair. Its row may come again, with another end."""
    kind = _KINDS.get(str(row.get("TYPE")))
    if kind is None:
        return
    credential, user, name = text(row, "CREDENTIAL_ID"), text(row, "USER_NAME"), maybe_text(row, "NAME")
    until = maybe_time(row, "EXPIRATION_DATE")
    named = _job_of(name or "") or _job_of(user)
    identifiers, method = [Identifier(CREDENTIAL, credential)], _ENDS[kind]
    if name is not None and kind == _TOKEN:
        identifiers.append(_token_name(row, user, name))
    yield CredentialIssued(
        time=time(row, "CREATED_ON", now),
        source=_source(row),
        id=f"credential/{credential}/{until}",
        credential_id=f"snowflake/credential/{credential}",
        task_id=named or _user(row, user),
        identifiers=tuple(identifiers),
        kind=kind,
        expires_at=until,
        revocation={"provider": "snowflake", "method": method, "user": user, "name": name},
        groups=(_user(row, user),),
        unjoined=None if named else _SHARED,
    )


def _job_of(name: str) -> str | None:
    """The job that a user or a token is named after. Snowflake writes names in upper case, and `_` needs no quotes."""
    return task_named(name.lower().replace("_", "-"))


def _user(row: Record, name: str) -> str:
    """All that a user of the account has."""
    return f"{_source(row)}/user/{name}"


def _token_name(row: Record, user: str, token: str) -> Identifier:
    account = _account(row)
    return Identifier(TOKEN_NAME, f"{account}/{user}/{token}" if account else f"{user}/{token}")


def scanned(record: Record, _now: int) -> LogText:
    """All that a row says: statements may have passwords in them."""
    row = _upper(record)
    at = next((row[name] for name in ("START_TIME", "EVENT_TIMESTAMP", "CREATED_ON") if row.get(name)), None)
    return whole_record(record, at)


ADAPTER: Final = Adapter("snowflake", _MARKS, looks_like, translate, text=scanned, kind=_kind)
