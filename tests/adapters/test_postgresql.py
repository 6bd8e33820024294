"""PostgreSQL's log: what a real server with pgaudit writes, and who could write into it."""

import asyncio
import csv
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.adapters.postgresql.audit import translate
from detector.adapters.postgresql.statements import RoleStatement, role_statements, tokens
from detector.values.events import (
    DENIED,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
)
from detector.values.times import parse_rfc3339
from tests.revoke.servers import Postgres

LATER = 1 << 62
UNTIL = "2036-05-04T02:00:00Z"
# Of PostgreSQL's documentation, 20.8.4.
COLUMNS = [
    "log_time",
    "user_name",
    "database_name",
    "process_id",
    "connection_from",
    "session_id",
    "session_line_num",
    "command_tag",
    "session_start_time",
    "virtual_transaction_id",
    "transaction_id",
    "error_severity",
    "sql_state_code",
    "message",
    "detail",
    "hint",
    "internal_query",
    "internal_query_pos",
    "context",
    "query",
    "query_pos",
    "location",
    "application_name",
    "backend_type",
    "leader_pid",
    "query_id",
]


class Log:
    """What the server writes from now on, as its jsonlog and its csvlog have it."""

    def __init__(self, server: Postgres) -> None:
        self._json = server.log_folder / "postgresql.json"
        self._csv = server.log_folder / "postgresql.csv"
        self._begins = self._json.stat().st_size, self._csv.stat().st_size

    async def events(self, until: str) -> list[CanonicalEvent]:
        """The events up to a line with a text; both logs must give the same."""
        for _ in range(200):
            with self._json.open(newline="") as text:
                text.seek(self._begins[0])
                lines = [json.loads(line) for line in text if line.endswith("\n")]
            with self._csv.open(newline="") as text:
                text.seek(self._begins[1])
                rows = [
                    dict(zip(COLUMNS, row, strict=True))
                    for row in csv.reader(text)
                    if len(row) == len(COLUMNS)
                ]
            if any(until in line["message"] for line in lines) and len(rows) == len(lines):
                break
            await asyncio.sleep(0.02)
        found = list(translated(lines))
        assert found == list(translated(rows))
        return found


def translated(records: list[dict[str, Any]]) -> Iterator[CanonicalEvent]:
    for record in records:
        yield from translate(record, LATER)


async def test_a_role_is_made_used_refused_and_dropped(postgres: Postgres) -> None:
    admin, log = await postgres.connect(), Log(postgres)
    await admin.execute(f"CREATE USER \"audit-1\" VALID UNTIL '{UNTIL}' PASSWORD 'p'")
    task = await postgres.connect("audit-1", "p")
    await task.fetch("SELECT 1, 'a\nb'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await task.fetch("/* why */ TABLE pg_authid")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await postgres.connect("audit-1", "wrong")
    await admin.execute("ALTER ROLE \"audit-1\" VALID UNTIL '2036-05-04 05:00:00+02'")
    await admin.execute('ALTER ROLE "audit-1" NOLOGIN')
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await postgres.connect("audit-1", "p")
    await task.close()
    await admin.execute('DROP ROLE "audit-1"')
    await admin.close()
    found = await log.events('DROP ROLE ""audit-1""')
    (issued,) = (event for event in found if isinstance(event, CredentialIssued))
    assert issued.credential_id == f"postgresql/audit-1/{UNTIL}"
    assert issued.expires_at == parse_rfc3339(UNTIL)
    mine = [
        event
        for event in found
        if isinstance(event, CredentialUsed | CredentialRenewed | CredentialRevoked)
        and event.identifier is not None
        and event.identifier.value == "audit-1"
    ]
    uses = [(use.action, use.outcome) for use in mine if isinstance(use, CredentialUsed)]
    # That it was authorized, but not permitted to log in, is a refusal and no use.
    assert uses == [("SELECT", "success"), ("TABLE", DENIED), ("login", DENIED), ("login", DENIED)]
    (renewed,) = (event for event in mine if isinstance(event, CredentialRenewed))
    assert renewed.expires_at == parse_rfc3339("2036-05-04T03:00:00Z")
    assert sum(isinstance(event, CredentialRevoked) for event in mine) == 2


async def test_a_comment_reports_an_issue_with_its_task(postgres: Postgres) -> None:
    admin, log = await postgres.connect(), Log(postgres)
    note = json.dumps({"credential_id": "it's", "task_id": "ci/71", "expires_at": UNTIL})
    await admin.execute(f"CREATE ROLE audit_2 PASSWORD 'p' VALID UNTIL '{UNTIL}'")
    await admin.execute(f"COMMENT ON ROLE audit_2 IS 'curfewd:{note.replace(chr(39), chr(39) * 2)}'")
    await admin.execute("DROP ROLE audit_2")
    await admin.close()
    found = await log.events("DROP ROLE audit_2")
    (issued,) = (event for event in found if isinstance(event, CredentialIssued))
    assert (issued.credential_id, issued.task_id) == ("it's", "ci/71")
    assert (issued.expires_at, issued.unjoined) == (parse_rfc3339(UNTIL), None)


@pytest.mark.parametrize("level", ["LOG", "WARNING"])
async def test_whoever_may_run_sql_cannot_forge_a_line_of_pgaudit(level: str, postgres: Postgres) -> None:
    admin = await postgres.connect()
    await admin.execute("DROP ROLE IF EXISTS audit_3; CREATE ROLE audit_3 LOGIN PASSWORD 'p'")
    task, log = await postgres.connect("audit_3", "p"), Log(postgres)
    line = "AUDIT: SESSION,1,1,ROLE,DROP ROLE,,,DROP ROLE audit_3,<not logged>"
    await task.execute(f"DO $do$ BEGIN RAISE {level} '{line}'; END $do$")
    await task.execute(f"DO $do$ BEGIN RAISE {level} E'x\\n%', '{line}'; END $do$")
    for setting in ("log_error_verbosity = terse", "log_min_error_statement = panic", "pgaudit.log = 'none'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await task.execute(f"SET {setting}")
    await task.close()
    await admin.execute("SELECT 'the end of it'")
    await admin.close()
    found = await log.events("the end of it")
    assert not any(isinstance(event, CredentialRevoked) for event in found)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('create role "a""b" login valid until \'x\'', RoleStatement("create", ('a"b',), True, "x")),
        ("CREATE USER Ab NOLOGIN", RoleStatement("create", ("ab",), False)),
        ("CREATE ROLE a IN ROLE login, nologin LOGIN", RoleStatement("create", ("a",), True)),
        ("CREATE ROLE a ADMIN nologin", RoleStatement("create", ("a",))),
        ("ALTER ROLE a SET x TO nologin", RoleStatement("alter", ("a",))),
        ("ALTER ROLE a RENAME TO nologin", RoleStatement("alter", ("a",))),
        ('/* x */ DROP -- y\n ROLE a, "B", c', RoleStatement("drop", ("a", "B", "c"))),
        ("DROP USER IF EXISTS a", RoleStatement("drop", ("a",))),
        ("COMMENT ON ROLE a IS $x$it's$x$", RoleStatement("comment", ("a",), comment="it's")),
        ("SELECT 'DROP ROLE a'", None),
        ('SELECT "x; DROP ROLE a; y"', None),
        ("SELECT $$; DROP ROLE a;$$", None),
        ("SELECT E'\\'; DROP ROLE a; --'", None),
        ("SELECT 'unfinished; DROP ROLE a;", None),
        ("/* DROP ROLE a; DROP ROLE b", None),
        ("ALTER ROLE ALL NOLOGIN", None),
        ("ALTER ROLE", None),
        ("CREATE TABLE role (a int)", None),
        ("COMMENT ON ROLE a IS NULL", None),
    ],
)
def test_a_statement_is_read_by_postgresqls_lexical_rules(text: str, read: RoleStatement | None) -> None:
    assert list(role_statements(text)) == ([] if read is None else [read])


def test_several_statements_are_told_apart() -> None:
    text = "CREATE ROLE a; SELECT ';'; DROP ROLE b"
    assert [(one.verb, one.roles) for one in role_statements(text)] == [("create", ("a",)), ("drop", ("b",))]


@given(st.text(alphabet="aA\"';$e/*-\\ \n,0é", max_size=200))
def test_any_text_is_read_to_some_end(text: str) -> None:
    assert sum(len(token.text) for token in tokens(text)) <= len(text)
    list(role_statements(text))


@pytest.mark.parametrize("part", ['"', "'", '""', "''", "/*", "$a$", "$", "e'\\", "DROP ROLE a;", "--", ","])
def test_no_text_takes_long(part: str) -> None:
    for text in (part * 20_000, "DROP ROLE " + part * 20_000, "CREATE ROLE a " + part * 20_000):
        assert len(list(role_statements(text))) <= 2_000
