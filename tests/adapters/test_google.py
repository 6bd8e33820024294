"""Google's audit entries about federated principals. The samples have the common forms; here are their edges."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.google.federation import looks_like, translate
from detector.values.events import DENIED, SUCCESS, CredentialIssued, CredentialUsed
from detector.values.times import HOUR, SECOND, parse_rfc3339

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


def test_people_service_accounts_and_other_entries_are_not_read() -> None:
    exchange = entry(0, metadata={"mapped_principal": PEOPLE})
    assert translate(exchange, NOW) == []
    for told in (
        {"principalEmail": "deploy@acme-prod.iam.gserviceaccount.com"},
        {"principalSubject": PEOPLE},
        {"principalSubject": ["x"], "serviceAccountDelegationInfo": "x"},
        {"serviceAccountDelegationInfo": [7, None, {"principalSubject": 7, "firstPartyPrincipal": "x"}]},
    ):
        assert not looks_like(entry(3, authenticationInfo=told))
    others: tuple[dict[str, Any], ...] = (
        {"protoPayload": []},
        {"protoPayload": {}},
        {"protoPayload": {"methodName": 7}},
        {},
    )
    assert not any(map(looks_like, others))


def test_a_refused_request_for_an_accounts_token_is_a_use_and_gives_none() -> None:
    (use,) = translate(entry(2, status={"code": 7}), NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == DENIED
