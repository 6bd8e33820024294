"""Snowflake's rows and Databricks' events: a job's token, used after its end. The samples have the common forms."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.warehouses.databricks import looks_like as is_databricks
from detector.adapters.warehouses.databricks import translate as databricks
from detector.adapters.warehouses.snowflake import TOKEN_NAME
from detector.adapters.warehouses.snowflake import looks_like as is_snowflake
from detector.adapters.warehouses.snowflake import translate as snowflake
from detector.adapters.warehouses.user_statements import UserChange, user_change
from detector.values.events import (
    DENIED,
    SUCCESS,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.values.times import parse_rfc3339
from tests.scenarios.telling import told

UNTIL = "2026-05-04T06:00:00Z"
NOW = parse_rfc3339("2026-06-01T00:00:00Z")
JOB = [
    {"action": "in_progress", "workflow_job": {"id": 71, "run_id": 5, "started_at": "2026-05-04T01:00:00Z"},
     "repository": {"full_name": "octo/app"}},
    {"action": "completed", "workflow_job": {"id": 71, "run_id": 5, "conclusion": "success",
     "completed_at": "2026-05-04T01:10:00Z"}, "repository": {"full_name": "octo/app"}},
]  # fmt: skip


def lines(records: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, records))


def login(number: int, at: str, address: str) -> dict[str, Any]:
    return {
        "EVENT_ID": number, "EVENT_TIMESTAMP": at, "EVENT_TYPE": "LOGIN", "USER_NAME": "DEPLOY", "CLIENT_IP": address,
        "REPORTED_CLIENT_TYPE": "PYTHON_DRIVER", "FIRST_AUTHENTICATION_FACTOR": "PROGRAMMATIC_ACCESS_TOKEN",
        "FIRST_AUTHENTICATION_FACTOR_ID": 4711, "IS_SUCCESS": "YES",
    }  # fmt: skip


def query(at: str, session: int, statement: str) -> dict[str, Any]:
    return {
        "QUERY_ID": f"q-{at}", "QUERY_TEXT": statement, "QUERY_TYPE": statement.partition(" ")[0], "SESSION_ID": session,
        "USER_NAME": "DEPLOY", "EXECUTION_STATUS": "SUCCESS", "START_TIME": at,
    }  # fmt: skip


SNOWFLAKE = [
    {"CREDENTIAL_ID": 4711, "NAME": "GITHUB_JOB_71", "USER_NAME": "DEPLOY", "TYPE": "PAT",
     "CREATED_ON": "2026-05-04 01:00:10 Z", "EXPIRATION_DATE": "2026-05-05 01:00:10 Z"},
    login(1, "2026-05-04 01:01:00 Z", "192.0.2.4"),
    {"SESSION_ID": 8, "CREATED_ON": "2026-05-04 01:01:00 Z", "USER_NAME": "DEPLOY", "LOGIN_EVENT_ID": 1,
     "CLIENT_ENVIRONMENT": '{"APPLICATION": "github-job-71"}'},
    query("2026-05-04 01:02:00 Z", 8, "SELECT 1"),
    login(2, "2026-05-04 02:00:00 Z", "203.0.113.9"),
    query("2026-05-04 02:05:00 Z", 8, "COPY INTO @out FROM orders"),
    query("2026-05-04 02:10:00 Z", 9, "ALTER USER deploy REMOVE PAT github_job_71"),
    login(3, "2026-05-04 02:30:00 Z", "203.0.113.9"),
]  # fmt: skip


def test_a_token_and_a_session_of_snowflake_are_used_after_the_jobs_end(tmp_path: Path) -> None:
    found = told(tmp_path / "in", {"jobs.jsonl": lines(JOB), "usage.jsonl": lines(SNOWFLAKE)}, until=UNTIL)
    token, session = "snowflake/credential/4711", "snowflake/session/8"
    assert found.findings == (
        ("outlives-task", token, 1, "high"),
        ("outlives-task", session, 1, "high"),
        ("use-from-elsewhere", token, 2, "high"),
        ("use-after-termination", token, 2, "critical"),
        ("use-after-termination", session, 1, "critical"),
    )
    assert {(name, escalated) for name, escalated, _ in found.commands} == {
        (token, False),
        (token, True),
        (session, False),
    }
    assert found.dead == ()


def test_rows_in_lower_case_tell_the_same(tmp_path: Path) -> None:
    lower = [{name.lower(): value for name, value in row.items()} for row in SNOWFLAKE]
    upper = told(tmp_path / "upper", {"jobs.jsonl": lines(JOB), "usage.jsonl": lines(SNOWFLAKE)}, until=UNTIL)
    found = told(tmp_path / "lower", {"jobs.jsonl": lines(JOB), "usage.jsonl": lines(lower)}, until=UNTIL)
    assert (found.findings, found.commands) == (upper.findings, upper.commands)


def test_a_user_of_another_account_is_another() -> None:
    token = {**SNOWFLAKE[0], "ACCOUNT_NAME": "EU"}
    (issued,) = snowflake(token, NOW)
    assert isinstance(issued, CredentialIssued)
    drop, remove = (
        snowflake({**query("2026-05-04 02:10:00 Z", 9, said), "ACCOUNT_NAME": "EU"}, NOW)[-1]
        for said in ("DROP USER deploy", "ALTER USER deploy REMOVE PAT github_job_71")
    )
    assert isinstance(drop, CredentialRevoked)
    assert isinstance(remove, CredentialRevoked)
    assert issued.groups == (drop.group,) == ("snowflake/EU/user/DEPLOY",)
    assert remove.identifier == issued.identifiers[1] == Identifier(TOKEN_NAME, "EU/DEPLOY/GITHUB_JOB_71")


@pytest.mark.parametrize(
    ("statement", "ended"),
    [
        ("alter user if exists Deploy remove programmatic access token Job_71", UserChange("DEPLOY", "JOB_71")),
        ('ALTER USER "deploy" MODIFY PAT "job-71" SET DISABLED = TRUE', UserChange("deploy", "job-71")),
        ("ALTER USER REMOVE PAT job_71", UserChange("ANN", "JOB_71")),
        ("/* off */ ALTER USER deploy SET DISABLED = TRUE -- gone", UserChange("DEPLOY")),
        ("DROP USER IF EXISTS deploy", UserChange("DEPLOY")),
        ("ALTER USER deploy MODIFY PAT job_71 SET DISABLED = FALSE", None),
        ("ALTER USER deploy ROTATE PAT job_71", None),
        ("ALTER USER deploy SET COMMENT = 'SET DISABLED = TRUE'", None),
        ("SELECT 'ALTER USER deploy REMOVE PAT job_71'", None),
        ("ALTER USER", None),
        ("DROP USER", None),
        ("ALTER USER deploy REMOVE PAT", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_a_statement_ends(statement: object, ended: UserChange | None) -> None:
    assert user_change(statement, "ANN") == ended


def test_a_long_statement_is_cut() -> None:
    assert user_change("/*" + "*" * 1_000_000 + "*/ DROP USER deploy", "ANN") is None


HASH = "5f1d0a9c7d3b4826a1c0e9f8d7b6a594"


def event(number: int, at: str, action: str, service: str = "accounts", **params: str) -> dict[str, Any]:
    return {
        "event_time": at, "workspace_id": 6, "service_name": service, "action_name": action, "event_id": f"e-{number}",
        "source_ip_address": "203.0.113.9", "user_identity": {"email": "deploy@example.com"}, "request_params": params,
        "response": {"status_code": 200},
    }  # fmt: skip


def test_a_token_of_databricks_is_used_after_the_end_of_the_run_that_it_was_registered_for(
    tmp_path: Path,
) -> None:
    registered = {
        "specversion": "1.0", "type": "credential.issued", "source": "issuer", "id": "i-1", "time": "2026-05-04T01:00:30Z",
        "data": {"credential_id": "load/501", "task_id": "databricks/6/501", "expires_at": "2026-05-04T05:00:00Z",
                 "identifiers": [{"scheme": "databricks-token-id", "value": HASH}]},
    }  # fmt: skip
    audit = [
        event(1, "2026-05-04T01:00:00Z", "runStart", "jobs", jobId="9", runId="501", taskKey="load"),
        event(2, "2026-05-04T01:01:00Z", "tokenLogin", tokenId=HASH),
        event(3, "2026-05-04T01:10:00Z", "runSucceeded", "jobs", jobId="9", runId="501"),
        event(4, "2026-05-04T02:00:00Z", "tokenLogin", tokenId=HASH),
        event(5, "2026-05-04T02:10:00Z", "revokeDbToken", tokenHash=HASH),
        event(6, "2026-05-04T02:20:00Z", "tokenLogin", tokenId=HASH),
    ]
    files = {"issuer.jsonl": lines([registered]), "audit.jsonl": lines(audit)}
    found = told(tmp_path / "in", files, until=UNTIL)
    assert found.findings == (
        ("outlives-task", "load/501", 1, "high"),
        ("use-after-termination", "load/501", 2, "critical"),
    )
    assert [escalated for _, escalated, _ in found.commands] == [False, True]


@pytest.mark.parametrize(
    ("status", "outcome"), [(403, DENIED), ("401", DENIED), (500, SUCCESS), (None, SUCCESS)]
)
def test_what_a_status_of_databricks_says(status: object, outcome: str) -> None:
    told = {
        **event(1, "2026-05-04T01:00:00Z", "tokenLogin", tokenId=HASH),
        "response": {"status_code": status},
    }
    (use,) = databricks(told, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == outcome


def test_a_column_in_both_cases_is_the_one_in_upper_case() -> None:
    (use,) = snowflake({**login(1, "2026-05-04 01:00:00 Z", "192.0.2.1"), "is_success": "NO"}, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == SUCCESS


def test_others_rows_and_events_are_not_theirs() -> None:
    assert not is_snowflake({"CREDENTIAL_ID": 1})
    assert not is_snowflake({"credential_id": "c", "user_name": "u", "type": "credential.used"})
    assert not is_snowflake({"EXECUTION_STATUS": "SUCCESS"})
    assert not is_databricks({"actionName": "click", "serviceName": "shop"})
    assert not is_databricks({"action_name": 1, "service_name": "s", "response": {}})
