"""Google's audit entries about federated principals. The samples have the common forms; here are their edges."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.google.audit import looks_like, translate
from detector.ingest.classify import BUNDLED
from detector.values.errors import BadRecordError
from detector.values.events import (
    DENIED,
    SUCCESS,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.values.times import HOUR, SECOND, parse_rfc3339
from tests.scenarios import telling

NOW = parse_rfc3339("2026-06-01T00:00:00Z")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "google.json").read_text())
POOL = (
    "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/"
)
PEOPLE = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/mona@example.com"


def entry(number: int, **payload: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(SAMPLES[number]["record"]))
    record["protoPayload"] |= payload
    return record


def issued(record: dict[str, Any]) -> CredentialIssued:
    (found,) = (event for event in translate(record, NOW) if isinstance(event, CredentialIssued))
    return found


@pytest.mark.parametrize(
    ("subject", "task"),
    [
        ("github-job-71", "github/job/71"),
        ("github-run-5-2", "github/run/5/2"),
        ("gitlab-job-9", "gitlab/job/9"),
        (
            "circleci-job-8b91f9a8-7975-4e60-916c-f0152ccbc937",
            "circleci/job/8b91f9a8-7975-4e60-916c-f0152ccbc937",
        ),
        ("repo:octo/app:ref:refs/heads/main:check_run_id:71", "github/job/71"),
        ("repo:octo/app:ref:refs/heads/main", None),
        ("ns/ci/sa/runner", None),  # GKE's own pools
    ],
)
def test_the_principal_belongs_to_the_job_that_its_subject_names(subject: str, task: str | None) -> None:
    issue = issued(entry(0, metadata={"mapped_principal": POOL + subject}))
    assert issue.task_id == (task or f"gcp/principal/ci/{subject}")
    assert issue.task_group is None  # the next exchange of the same principal is another job's
    assert (issue.unjoined is None) == (task is not None)


@pytest.mark.parametrize(
    ("subject", "claim"),
    [
        ("repo:octo/app:ref:refs/heads/main", "check_run_id"),
        (
            "organization:acme:pipeline:web:ref:refs/heads/main:commit:9f:step:build",
            "buildkite-job-' + assertion.job_id",
        ),
        ("org/0b1c/project/7d3f/user/9a8b", "oidc.circleci.com/job-id"),
        ("p://acme/shop/deploy", "assertion.prj_id"),
    ],
)
def test_what_to_map_is_said_by_whoever_issued_the_token(subject: str, claim: str) -> None:
    assert claim in (issued(entry(0, metadata={"mapped_principal": POOL + subject})).unjoined or "")


@pytest.mark.parametrize(
    ("lifetime", "lives"),
    [
        ("900s", 900 * SECOND),
        ("43200s", 12 * HOUR),
        ("43201s", HOUR),
        ("0s", HOUR),
        ("1e9s", HOUR),
        ("\u0669\u0660\u0660s", HOUR),
        (900, HOUR),
        (None, HOUR),
    ],
)
def test_a_service_accounts_token_lives_as_long_as_was_asked(lifetime: Any, lives: int) -> None:
    record = entry(2)
    record["protoPayload"]["request"]["lifetime"] = lifetime
    issue = issued(record)
    assert issue.expires_at == issue.time + lives


@pytest.mark.parametrize(
    "told",
    [
        {"principalSubject": POOL + "github-job-71"},
        {"serviceAccountDelegationInfo": [{}, {"principalSubject": POOL + "github-job-71"}]},
        {
            "serviceAccountDelegationInfo": [
                {"firstPartyPrincipal": {"principalSubject": POOL + "github-job-71"}}
            ]
        },
    ],
)
def test_a_call_is_a_use_of_the_principal_wherever_the_entry_names_it(told: dict[str, Any]) -> None:
    record = entry(3, authenticationInfo=told)
    assert looks_like(record)
    (use,) = translate(record, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.identifier is not None
    assert use.identifier.value == POOL + "github-job-71"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(7, DENIED), (16, DENIED), (5, SUCCESS), (0, SUCCESS), (None, SUCCESS), ("7", SUCCESS)],
)
def test_only_a_refusal_is_denied(code: Any, outcome: str) -> None:
    (use,) = translate(entry(3, status={"code": code}), NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == outcome


@pytest.mark.parametrize(
    "told",
    [
        {"principalEmail": "mona@example.com", "principalSubject": "user:mona@example.com"},
        {"principalEmail": "service-1@gcp-sa-logging.iam.gserviceaccount.com"},
        {"principalEmail": "1@cloudservices.gserviceaccount.com"},
        {"principalSubject": PEOPLE},
        {"serviceAccountDelegationInfo": [7, None, {"principalSubject": 7, "firstPartyPrincipal": "x"}]},
        {"serviceAccountDelegationInfo": "x"},
        {},
    ],
)
def test_a_call_of_a_person_or_of_googles_own_is_known_and_gives_nothing(told: dict[str, Any]) -> None:
    record = entry(3, authenticationInfo=told)
    assert looks_like(record)
    assert translate(record, NOW) == []


def test_an_exchange_for_a_person_gives_nothing() -> None:
    assert translate(entry(0, metadata={"mapped_principal": PEOPLE}), NOW) == []


def test_what_is_no_entry_of_the_audit_log_is_not_googles() -> None:
    others: tuple[dict[str, Any], ...] = (
        {"protoPayload": []},
        {"protoPayload": {}},
        {"protoPayload": {"@type": "type.googleapis.com/google.appengine.logging.v1.RequestLog"}},
        {"type": "google.cloud.audit.log.v1.written", "data": "x"},
        {},
    )
    assert not any(map(looks_like, others))
    assert looks_like({"protoPayload": {"at_sign_type": "type.googleapis.com/google.cloud.audit.AuditLog"}})


ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
KEY_NAME = f"//iam.googleapis.com/projects/acme-prod/serviceAccounts/{ACCOUNT}/keys/0a1b2c3d"


@pytest.mark.parametrize(
    ("told", "scheme", "value"),
    [
        ({"principalEmail": ACCOUNT}, "gcp-principal", ACCOUNT),
        ({"principalSubject": f"serviceAccount:{ACCOUNT}"}, "gcp-principal", ACCOUNT),
        (
            {"principalEmail": ACCOUNT, "serviceAccountKeyName": KEY_NAME},
            "gcp-service-account-key",
            "0a1b2c3d",
        ),
        (
            {
                "principalEmail": ACCOUNT,
                "serviceAccountDelegationInfo": [
                    {"firstPartyPrincipal": {"principalEmail": "ci@acme-prod.iam.gserviceaccount.com"}},
                    {"firstPartyPrincipal": {"principalEmail": "mid@acme-prod.iam.gserviceaccount.com"}},
                ],
            },
            "gcp-principal",
            f"ci@acme-prod.iam.gserviceaccount.com {ACCOUNT}",
        ),
        (
            {
                "principalEmail": ACCOUNT,
                "serviceAccountDelegationInfo": [
                    {"principalSubject": "serviceAccount:acme-prod.svc.id.goog[ci/runner]"}
                ],
            },
            "gcp-principal",
            f"acme-prod.svc.id.goog[ci/runner] {ACCOUNT}",
        ),
    ],
)
def test_a_call_names_its_credential_by_the_key_the_chain_or_the_account(
    told: dict[str, Any], scheme: str, value: str
) -> None:
    (use,) = translate(entry(3, authenticationInfo=told), NOW)
    assert isinstance(use, CredentialUsed)
    assert use.identifier == Identifier(scheme, value)


def test_the_end_of_an_operation_that_began_earlier_is_no_second_use() -> None:
    """It may come when the job is long over."""
    ended, whole = ({"id": "o", "last": True}, {"id": "o", "first": True, "last": True})
    assert translate({**entry(3), "operation": ended}, NOW) == []
    assert len(translate({**entry(3), "operation": whole}, NOW)) == 1
    assert len(translate({**entry(3), "operation": {"id": "o", "first": True}}, NOW)) == 1


@pytest.mark.parametrize(
    ("told", "expires"),
    [
        ({"valid_before_time": {"seconds": 253402300799}}, None),
        ({"valid_before_time": {"seconds": 1780000000.0}}, 1780000000 * SECOND),
        ({"validBeforeTime": "9999-12-31T23:59:59Z"}, None),
        ({"validBeforeTime": "2026-06-01T00:00:00Z"}, NOW),
        ({"valid_before_time": {"seconds": 1 << 70}}, None),
        ({"valid_before_time": {"seconds": True}}, None),
        ({"valid_before_time": [7]}, None),
        ({}, None),
    ],
)
def test_a_key_lives_as_long_as_iam_says(told: dict[str, Any], expires: int | None) -> None:
    record = key("CreateServiceAccountKey")
    record["protoPayload"]["response"] = {"name": KEY_NAME.removeprefix("//iam.googleapis.com/"), **told}
    issue = issued(record)
    assert (issue.credential_id, issue.expires_at) == ("gcp/key/0a1b2c3d", expires)
    assert issue.task_id == f"gcp/service-account/{ACCOUNT}"
    assert issue.unjoined is not None


def key(call: str, **payload: Any) -> dict[str, Any]:
    told = {"authenticationInfo": {"principalEmail": "mona@example.com"}, "status": {}}
    record = entry(3, methodName=f"google.iam.admin.v1.{call}", **told, **payload)
    record["resource"] = {
        "type": "service_account",
        "labels": {"email_id": ACCOUNT, "project_id": "acme-prod"},
    }
    return record


def test_a_key_of_an_account_that_is_named_after_its_job_belongs_to_the_job() -> None:
    record = key("CreateServiceAccountKey", response={"name": KEY_NAME})
    record["resource"]["labels"]["email_id"] = "github-job-71@acme-prod.iam.gserviceaccount.com"
    issue = issued(record)
    assert (issue.task_id, issue.unjoined) == ("github/job/71", None)


@pytest.mark.parametrize("call", ["DeleteServiceAccountKey", "DisableServiceAccountKey"])
def test_a_key_that_is_gone_is_known_by_its_name(call: str) -> None:
    name = "projects/-/serviceAccounts/115030/keys/0a1b2c3d"
    for where in ({"request": {"name": name}}, {"resourceName": name}):
        (revoked,) = translate(key(call, **where), NOW)
        assert isinstance(revoked, CredentialRevoked)
        assert revoked.identifier == Identifier("gcp-service-account-key", "0a1b2c3d")
    with pytest.raises(BadRecordError) as raised:
        translate(key(call, request={"name": "projects/-/serviceAccounts/115030"}), NOW)
    assert raised.value.field == "protoPayload.request.name"


def test_a_key_that_somebody_had_no_right_to_delete_is_not_gone() -> None:
    refused = key("DeleteServiceAccountKey", request={"name": KEY_NAME}) | {}
    refused["protoPayload"]["status"] = {"code": 7}
    assert translate(refused, NOW) == []


def test_an_account_that_is_gone_takes_its_keys_and_tokens_along() -> None:
    (revoked,) = translate(key("DeleteServiceAccount"), NOW)
    assert isinstance(revoked, CredentialRevoked)
    assert revoked.group in issued(key("CreateServiceAccountKey", response={"name": KEY_NAME})).groups


def test_entries_without_an_id_get_one_by_what_they_say() -> None:
    record = entry(3)
    del record["insertId"]
    (first,), (second,) = translate(record, NOW), translate(record, NOW)
    (other,) = translate({**record, "timestamp": "2026-05-04T08:41:00Z"}, NOW)
    assert first.id == second.id != other.id


@pytest.mark.parametrize("data", ["%%%", "", "AAAA_", base64.b64encode(b"\xff").decode()])
def test_a_message_whose_data_cannot_be_read_is_told(data: str) -> None:
    envelope = {"message": {"data": data, "publishTime": "2026-05-04T08:00:00Z"}, "subscription": "s"}
    (read,) = BUNDLED.read_object(json.dumps(envelope).encode(), NOW)
    if data:
        assert read.error is not None
        assert read.error.field == "message.data"
    assert read.events == ()


def test_a_refused_request_for_an_accounts_token_is_a_use_and_gives_none() -> None:
    (use,) = translate(entry(2, status={"code": 7}), NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == DENIED


BUILD: dict[str, Any] = {
    "id": "b-1",
    "projectId": "acme-prod",
    "status": "SUCCESS",
    "startTime": "2026-05-04T08:00:00Z",
    "finishTime": "2026-05-04T08:10:00Z",
    "logUrl": "https://console.cloud.google.com/cloud-build/builds/b-1",
}


def test_a_token_that_a_build_registers_is_used_after_its_end(tmp_path: Path) -> None:
    issue = {
        "specversion": "1.0", "type": "credential.issued", "source": "vault", "id": "i", "time": "2026-05-04T08:01:00Z",
        "data": {"credential_id": "npm", "task_id": "cloud-build/b-1", "expires_at": "2026-05-04T12:00:00Z",
                 "identifiers": [{"scheme": "npm-token-id", "value": "7"}]},
    }  # fmt: skip
    use = {
        "specversion": "1.0", "type": "credential.used", "source": "npm", "id": "u", "time": "2026-05-04T09:00:00Z",
        "data": {"identifier": {"scheme": "npm-token-id", "value": "7"}, "action": "publish"},
    }  # fmt: skip
    files = {"builds.json": json.dumps([BUILD]), "events.jsonl": f"{json.dumps(issue)}\n{json.dumps(use)}"}
    found = telling.told(tmp_path, files, until="2026-05-04T10:00:00Z")
    assert ("use-after-termination", "npm", 1, "critical") in found.findings


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"status": "QUEUED", "startTime": None}, []),
        ({"status": "WORKING"}, ["TaskStarted"]),
        ({"status": "EXPIRED", "startTime": None}, ["TaskEnded"]),
        ({"timeout": "x" * 50}, ["TaskStarted", "TaskEnded"]),
        ({"timeout": "9999999s"}, ["TaskStarted", "TaskEnded"]),
    ],
)
def test_what_a_build_tells(fields: dict[str, Any], kinds: list[str]) -> None:
    events = translate({**BUILD, **fields}, NOW)
    assert [type(event).__name__ for event in events] == kinds
    assert all(getattr(event, "deadline", None) is None for event in events)


def test_what_is_no_build() -> None:
    assert looks_like(BUILD)
    assert not looks_like({**BUILD, "status": "closed"})
    assert not looks_like({"id": 1, "status": "SUCCESS", "projectId": "p"})


def test_names_in_lower_case_are_read_as_the_others() -> None:
    record = entry(0)
    lower = {name.lower(): value for name, value in record.items()}
    assert lower.keys() != record.keys()
    assert translate(lower, NOW) == translate(record, NOW) != []
