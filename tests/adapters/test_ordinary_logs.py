"""An ordinary log of each source ends in an all-clear; with a record of a type that nobody documents it does not."""

import copy
import json
from pathlib import Path
from typing import Any, Final

import pytest

from detector.adapters import names
from detector.adapters.github import audit_actions
from detector.adapters.gitlab import audit_types
from detector.configuration.settings import Settings
from detector.explain.explained import IDLE, UNKNOWN
from detector.explain.reading import explain
from detector.ingest.classify import BUNDLED
from detector.outputs.summary import Summary
from detector.replay.plan import Plan
from detector.replay.replay import replay
from detector.replay.replay_command import Request, planned
from detector.terminal.progress import NoMeter
from detector.values.times import parse_rfc3339
from tests.bundled import bundled_scanner

SAMPLES: Final = Path(__file__).parent / "samples"
NOW: Final = parse_rfc3339("2026-06-01T00:00:00Z")
STRANGE: Final = "vexed.moonbeam"  # no source documents it
# Where the type of a record stands, if not in `type`.
TYPED: Final = {
    "airflow": ("state",),
    "azure": ("category",),
    "azure-devops": ("actionId",),
    "cdevents": ("context", "type"),
    "circleci": ("action",),
    "cloudtrail": ("eventType",),
    "dagster": ("dagster_event", "event_type_value"),
    "databricks": ("serviceName",),
    "github": ("action",),
    "gitlab": ("object_kind",),
    "google": ("logName",),
    "jenkins": ("build", "phase"),
    "kubernetes": ("stage",),
    "nomad": ("Topic",),
    "okta": ("eventType",),
    "openlineage": ("eventType",),
    "prefect": ("event",),
    "secevents": ("events",),
    "spire": ("service",),
    "teleport": ("event",),
}
# How it begins where that makes it the source's at all.
PREFIXED: Final = {
    "cdevents": "dev.cdevents.",
    "claude": "platform_api_key_",
    "prefect": "prefect.",
    "secevents": "https://schemas.openid.net/secevent/",
    "tekton": "dev.tekton.event.",
}
# Their records have no types: what a record says of a credential or task stands in fields that all of them have.
WITHOUT_TYPES: Final = frozenset(
    {"argo", "awstasks", "buildkite", "langfuse", "langsmith", "litellm", "oauth", "postgresql", "snowflake"}
)
MORE: Final[dict[str, list[dict[str, Any]]]] = {
    "airflow": [
        {"dag_id": "d", "dag_run_id": "r", "task_id": "t", "try_number": 1, "state": "queued"},
    ],
    "cdevents": [{"context": {"type": "dev.cdevents.artifact.published.0.2.0"}}],
    "cloudtrail": [
        {"eventID": "e-1", "insightDetails": {"eventName": "CreateUser"}},
        {"eventID": "e-2", "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn"},
    ],
    "gitlab": [{"object_kind": kind, "project_id": 7} for kind in sorted(audit_types.WEBHOOKS - {"build", "pipeline"})],
    "jenkins": [{"url": "job/a/", "build": {"phase": "QUEUED", "number": 1, "queue_id": 4}}],
    "okta": [
        {"published": "2026-05-04T08:00:00Z", "eventType": "user.session.start", "actor": {"id": "u"}},
    ],
    "openai": [
        {"id": "log-1", "effective_at": 1777882560, "type": "login.succeeded", "actor": {"type": "session"}},
    ],
    "openlineage": [{"eventType": "RUNNING", "job": {"name": "j"}, "run": {"runId": "r"}}],
    "tekton": [{"specversion": "1.0", "type": "dev.tekton.event.taskrun.unknown.v1", "source": "t", "id": "1"}],
    "secevents": [{"jti": "1", "events": {"https://schemas.openid.net/secevent/risc/event-type/account-enabled": {}}}],
    "vault": [
        {"type": "request", "auth": {"client_token": ""}, "request": {"id": "1", "operation": "update", "path": "sys/audit/test"}, "time": "2026-05-04T08:00:00Z"},
    ],
}  # fmt: skip


def github(action: str) -> dict[str, Any]:
    return {
        "@timestamp": 1777882560000,
        "_document_id": action,
        "action": action,
        "org": "octo",
        "actor": "mona",
    }


def ordinary(source: str) -> list[dict[str, Any]]:
    """The source's records that tell of no credential and no task: what most of its log is."""
    path = SAMPLES / f"{source}.json"
    samples = json.loads(path.read_text()) if path.exists() else []
    told = [one["record"] for one in samples if not one.get("events") and "error" not in one]
    return [*told, *MORE.get(source, ())]


def strange(source: str) -> dict[str, Any]:
    """One of them, of a type that nobody knows."""
    way = TYPED.get(source, ("type",))
    record: dict[str, Any] = copy.deepcopy(next(one for one in reversed(ordinary(source)) if one.get(way[0])))
    if source == "secevents":
        return {**record, "events": {f"{PREFIXED[source]}{STRANGE}": {}}}
    if source == "azure":  # a resource has categories of its own: only what names a token may be a use of it
        return {**record, "category": STRANGE, "identity": {"claims": {"uti": "AAAA"}}}
    held = record
    for name in way[:-1]:
        held = held[name]
    held[way[-1]] = f"{PREFIXED.get(source, '')}{STRANGE}"
    return record


def plan_of(folder: Path, *records: dict[str, Any]) -> Plan:
    """A replay of the records, which somebody declares to be events."""
    path = folder / "audit.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    request = Request(config=None, paths=(str(path),), jobs=1, now=NOW, events=(str(path),))
    return planned(request, Settings.load(None), bundled_scanner())[0]


def summary_of(folder: Path, *records: dict[str, Any]) -> Summary:
    return replay(plan_of(folder, *records), NoMeter()).summary


@pytest.mark.parametrize("source", names.SOURCES)
def test_an_ordinary_log_ends_in_an_all_clear(source: str, tmp_path: Path) -> None:
    records = ordinary(source)
    if not records:
        assert source in WITHOUT_TYPES
        return
    summary = summary_of(tmp_path, *records)
    assert {key.partition("/")[0] for key in summary.idle} == {source}
    assert summary.gaps == ()


@pytest.mark.parametrize("source", [name for name in names.SOURCES if name not in WITHOUT_TYPES])
def test_with_a_record_of_an_unknown_type_it_does_not_and_the_type_is_named(
    source: str, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, *ordinary(source), strange(source))
    assert replay(plan, NoMeter()).summary.gaps == ("1 event of an unknown type was skipped",)
    found = [one for one in explain(plan, NoMeter(), 1000).records if one.became == UNKNOWN]
    assert [STRANGE in one.why for one in found] == [True]


def test_all_actions_that_github_documents_are_known(tmp_path: Path) -> None:
    records = [github(action) for action in sorted(audit_actions.DOCUMENTED)]
    runs = {"workflows.created_workflow_run", "workflows.completed_workflow_run"}
    summary = summary_of(tmp_path, *(one for one in records if one["action"] not in runs))
    assert summary.gaps == ()
    assert summary.idle == {"github/other": len(records) - len(runs)}


def test_all_types_that_gitlab_documents_are_known(tmp_path: Path) -> None:
    plain = {
        "id": "1",
        "author_id": 1,
        "entity_id": 2,
        "entity_type": "Project",
        "created_at": "2026-05-04T08:00:00Z",
    }
    tokens = {kind for kind in audit_types.DOCUMENTED if "token" in kind}
    records = [{**plain, "event_type": kind} for kind in sorted(audit_types.DOCUMENTED - tokens)]
    records += [
        {**plain, "details": details}  # of no type, as sign-ins and what was before 2022
        for details in ({"with": "standard"}, {"add": "user_access", "as": "Owner"}, {"change": "visibility"})
    ]
    summary = summary_of(tmp_path, *records)
    assert summary.gaps == ()
    assert summary.idle == {"gitlab/other": len(records)}


def test_a_used_token_is_a_use_whatever_the_action() -> None:
    for action in ("repo.create", STRANGE):
        record = {
            **github(action),
            "token_id": 7,
            "programmatic_access_type": "GitHub App server-to-server token",
        }
        (read,) = BUNDLED.read_object(json.dumps(record).encode(), NOW)
        assert [type(event).__name__ for event in read.events] == ["CredentialUsed"]
        assert not read.unknown


def test_a_token_that_github_revoked_itself_is_revoked() -> None:
    record = {**github("personal_access_token.credential_revoked"), "user_programmatic_access_id": 7}
    (read,) = BUNDLED.read_object(json.dumps(record).encode(), NOW)
    assert [type(event).__name__ for event in read.events] == ["CredentialRevoked"]


def test_a_groups_deploy_token_is_issued_and_revoked_like_a_projects() -> None:
    told = []
    for kind in ("group_deploy_token_created", "group_deploy_token_revoked", "group_deploy_token_destroyed"):
        record = {
            "id": kind,
            "author_id": 1,
            "entity_id": 2,
            "entity_type": "Group",
            "entity_path": "acme",
            "event_type": kind,
            "target_id": 9,
            "created_at": "2026-05-04T08:00:00Z",
        }
        (read,) = BUNDLED.read_object(json.dumps(record).encode(), NOW)
        told += [type(event).__name__ for event in read.events]
    assert told == ["CredentialIssued", "CredentialRevoked", "CredentialRevoked"]


def test_a_key_that_an_unknown_call_of_aws_gave_is_not_passed_over() -> None:
    call = {
        "eventID": "e",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeMoonbeam",
        "eventType": "AwsApiCall",
        "responseElements": {"credentials": {"accessKeyId": "ASIAEXAMPLE"}},
    }
    (read,) = BUNDLED.read_object(json.dumps(call).encode(), NOW)
    assert (read.unknown, read.type) == (True, "AssumeMoonbeam AwsApiCall")


def test_the_type_of_a_record_of_no_use_is_named_but_nothing_that_is_too_long_for_a_name(
    tmp_path: Path,
) -> None:
    made = explain(plan_of(tmp_path, github("repo.create"), github("a" * 201)), NoMeter(), 10)
    assert [(one.became, one.why) for one in made.records] == [
        (IDLE, "its type (repo.create) says nothing about tasks and their credentials"),
        (UNKNOWN, "its type is not known here"),
    ]
