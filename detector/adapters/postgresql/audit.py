"""PostgreSQL with pgaudit: what roles did, and which were made, renewed and revoked.

One object is one line of `jsonlog`, or a row of `csvlog` with the names of its columns. Names are those of PostgreSQL's
documentation (20.8, Error Reporting and Logging) and of pgaudit's README.

Whoever may run SQL can write a line `AUDIT: …` with RAISE LOG. Then PostgreSQL adds the statement and the context,
which pgaudit hides: such a line is not an event. In the log for people (`stderr`) both stand on lines of their own, so
that one is read as text.

`connection authorized` is no use: PostgreSQL writes it before it looks whether the role may log in.
"""

import csv
import io
import re  # over the end of one time
from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.credential_note import CredentialNote, read_note
from detector.adapters.fields import maybe_text, text, time
from detector.adapters.postgresql.roles import KIND, PROVIDER, ROLE_ID, credential_of
from detector.adapters.postgresql.statements import RoleStatement, role_statements, tokens
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.records.log_records import LogText
from detector.records.timestamps import log_time
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

_AUDIT: Final = "AUDIT: "
_KINDS: Final = frozenset({"SESSION", "OBJECT"})
_FIELDS: Final = 8  # of pgaudit's line, the parameters aside
_LONGEST: Final = 1 << 16  # characters of a line that are looked at
_NO_LOGIN: Final = frozenset({"28000", "28P01"})
_NO_RIGHT: Final = "42501"
_VERBS: Final = {"CREATE ROLE": "create", "ALTER ROLE": "alter", "DROP ROLE": "drop", "COMMENT": "comment"}
_ZONED: Final = re.compile(r"(?:[zZ]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)\Z")
_UNJOINED: Final = (
    "a role says nothing of its task: put `task_id` into its comment, or let the issuer register it"
)
# Of jsonlog, and the same in csvlog.
_NAMES: Final = {
    "timestamp": "log_time",
    "user": "user_name",
    "dbname": "database_name",
    "remote_host": "connection_from",
    "line_num": "session_line_num",
    "state_code": "sql_state_code",
    "statement": "query",
}


def looks_like(record: Record) -> bool:
    """Whether an object is a line of PostgreSQL's log."""
    return (
        isinstance(record.get("error_severity"), str)
        and isinstance(record.get("session_id"), str)
        and "message" in record
        and ("line_num" in record or "session_line_num" in record)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use that a line reports, and what became of roles.

    Raises:
        BadRecordError: a field that such a line has is missing or wrong.
    """
    message, code = maybe_text(record, "message") or "", _get(record, "state_code")
    severity = text(record, "error_severity")
    if message.startswith(_AUDIT):
        forged = _get(record, "statement") is not None or maybe_text(record, "context") is not None
        return [] if forged else list(_audited(record, message, now))
    if severity == "FATAL" and code in _NO_LOGIN:
        return list(_used(record, now, "login", None, DENIED))
    if severity == "ERROR" and code == _NO_RIGHT:
        return list(_used(record, now, _first_word(_get(record, "statement")), None, DENIED))
    return []


def scanned(record: Record, _now: int) -> LogText | None:
    """What people wrote into the line: failed statements may have passwords in them, and pgaudit hides only its own."""
    found = (_text(record, name) for name in ("message", "detail", "statement", "context"))
    lines = [line for line in found if line]
    if not lines:
        return None
    return LogText("\n".join(lines).encode("utf-8", "replace"), log_time(_text(record, "timestamp")))


def _audited(record: Record, message: str, now: int) -> Iterator[CanonicalEvent]:
    fields = _row(message)
    command, resource, statement = fields[4], fields[6], fields[7]
    yield from _used(record, now, command, resource or None, SUCCESS)
    verb = _VERBS.get(command)
    if verb is None:
        return
    mine = [(one, role) for one in role_statements(statement) if one.verb == verb for role in one.roles]
    for number, (one, role) in enumerate(mine):
        event = _event(record, f"{_id(record)}/{number}", one, role, now)
        if event is not None:
            yield event


def _row(message: str) -> list[str]:
    """The fields of pgaudit's line. Only its statement and parameters may hold line breaks."""
    try:
        row = next(csv.reader(io.StringIO(message[len(_AUDIT) : _LONGEST], newline="")), [])
    except csv.Error:
        row = []
    if len(row) < _FIELDS or row[0] not in _KINDS:
        raise bad(WRONG_FIELD, "message", "not a line of pgaudit")
    return row


def _used(
    record: Record, now: int, action: str | None, name: str | None, outcome: str
) -> Iterator[CredentialUsed]:
    user = _get(record, "user")
    if user is None:  # a worker of the server
        return
    database = _get(record, "dbname")
    yield CredentialUsed(
        time=_time(record, now),
        source=PROVIDER,
        id=_id(record),
        identifier=Identifier(ROLE_ID, user),
        action=action,
        resource="/".join(part for part in (database, name) if part) or None,
        outcome=outcome,
        source_ip=_address(record),
        user_agent=maybe_text(record, "application_name"),
    )


def _event(
    record: Record, event_id: str, statement: RoleStatement, role: str, now: int
) -> CanonicalEvent | None:
    """What a statement does to a role: issue, renew or revoke it."""
    when, identifier = _time(record, now), Identifier(ROLE_ID, role)
    until = _moment(statement.valid_until)
    if statement.verb == "comment":
        return _noted(statement.comment, role, when, event_id)
    if statement.verb == "drop" or (statement.verb == "alter" and statement.login is False):
        return CredentialRevoked(time=when, source=PROVIDER, id=event_id, identifier=identifier)
    if until is None:
        return None
    if statement.verb == "alter":
        return CredentialRenewed(
            time=when, source=PROVIDER, id=event_id, identifier=identifier, expires_at=until
        )
    if not statement.login:
        return None
    return _issued(CredentialNote(credential_of(role, until)), role, until, when, event_id)


def _noted(comment: str | None, role: str, when: int, event_id: str) -> CredentialIssued | None:
    """The issue that a comment reports: only one with a task does."""
    try:
        note = read_note(comment)
    except ValueError:
        raise bad(WRONG_FIELD, "message", "the comment is not a note of curfewd's") from None
    if note is None or not note.task_id:
        return None
    return _issued(note, role, _moment(note.expires_at), when, event_id)


def _issued(note: CredentialNote, role: str, until: int | None, when: int, event_id: str) -> CredentialIssued:
    return CredentialIssued(
        time=when,
        source=PROVIDER,
        id=event_id,
        credential_id=note.credential_id,
        task_id=note.task_id or f"{PROVIDER}/{role}",
        identifiers=(Identifier(ROLE_ID, role),),
        kind=KIND,
        expires_at=until,
        revocation={"provider": PROVIDER, "method": "disable-role", "role": role},
        unjoined=None if note.task_id else _UNJOINED,
    )


def _moment(value: str | None) -> int | None:
    """A time with a zone; None for `infinity`, or one in a zone that only the session knows."""
    return log_time(value) if value and _ZONED.search(value) else None


def _first_word(statement: str | None) -> str | None:
    first = next(tokens((statement or "")[:_LONGEST]), None)
    return first.text.upper() if first is not None and first.kind == "word" else None


def _id(record: Record) -> str:
    line = _get(record, "line_num")
    if line is None:
        raise bad(WRONG_FIELD, "line_num")
    return f"{text(record, 'session_id')}/{line}"


def _time(record: Record, now: int) -> int:
    return time(record, "timestamp" if "timestamp" in record else _NAMES["timestamp"], now)


def _get(record: Record, name: str) -> str | None:
    return maybe_text(record, name if name in record else _NAMES[name])


def _text(record: Record, name: str) -> str | None:
    value = record.get(name, record.get(_NAMES.get(name, name)))
    return value if isinstance(value, str) else None


def _address(record: Record) -> str | None:
    """The client's address; None for a socket of this machine (`[local]`)."""
    host = maybe_text(record, "remote_host")
    if host is None:
        host = (maybe_text(record, _NAMES["remote_host"]) or "").rpartition(":")[0]
    return None if not host or host.startswith("[local]") else host


ADAPTER: Final = Adapter(PROVIDER, (b'"error_severity"',), looks_like, translate, text=scanned)
