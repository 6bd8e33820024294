"""A deploy job of each CI service gets a session of AWS by its OIDC token.

It ends, and somebody goes on with the session. The service's webhooks tell of the job, CloudTrail of the session. The
session is named after the job, or else its token's subject names the pipeline or project, and the job is the only one
of it that ran.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.judge.joins import OTHER_GROUP
from detector.values.events import CredentialIssued
from tests.adapters.test_samples import FOLDER
from tests.scenarios.telling import story, told
from tests.scenarios.test_azure import TOKEN, comes_of

KEY, OURS, THEIRS = "ASIAEXAMPLECIJOB0001", "192.0.2.44", "203.0.113.99"
BUILDKITE = "0190a1b2-71aa-4c4d-8e8f-5a6b7c8d9e0f"
CIRCLE = "8b91f9a8-7975-4e60-916c-f0152ccbc937"
RUN = "271ef6f7-5998-4b0f-86fb-4b54d9129990/5152"
JOBS = {
    "buildkite": f"buildkite/job/{BUILDKITE}",
    "circleci": f"circleci/job/{CIRCLE}",
    "azure-devops": f"azure-devops/run/{RUN}",
}
AGENT = "arn:aws:iam::111122223333:oidc-provider/agent.buildkite.com"
DEFAULT = "aws-sdk-js-session-1777881660000"


def webhooks(source: str) -> Iterator[str]:
    """The records of a source's samples that tell of the story's job: it runs from 08:00 to 08:10."""
    for sample in json.loads((FOLDER / f"{source}.json").read_text()):
        if {event["type"] for event in sample.get("events", ())} & {"task.started", "task.ended"}:
            yield json.dumps(sample["record"])


def trail(name: str, subject: str, **more: Any) -> Iterator[str]:
    """CloudTrail's events: the session's issue, and its use at 08:05 and, from elsewhere, at 08:40."""
    common = {"recipientAccountId": "111122223333", "eventSource": "sts.amazonaws.com"}
    yield json.dumps(
        {
            **common,
            "eventTime": "2026-05-04T08:01:00Z",
            "eventName": "AssumeRoleWithWebIdentity",
            "eventID": "issue",
            "sourceIPAddress": OURS,
            "userIdentity": {"type": "WebIdentityUser", "identityProvider": AGENT},
            "requestParameters": {
                "roleArn": "arn:aws:iam::111122223333:role/deploy",
                "roleSessionName": name,
                **more,
            },
            "responseElements": {
                "credentials": {"accessKeyId": KEY, "expiration": "2026-05-04T09:01:00Z"},
                "subjectFromWebIdentityToken": subject,
            },
        }
    )
    for clock, address in (("08:05", OURS), ("08:40", THEIRS)):
        caller = {"type": "AssumedRole", "accessKeyId": KEY}
        yield json.dumps(
            {
                **common,
                "eventTime": f"2026-05-04T{clock}:00Z",
                "eventName": "GetCallerIdentity",
                "eventID": clock,
                "sourceIPAddress": address,
                "userIdentity": caller,
            }
        )


IN_BUILDKITE = "organization:acme:pipeline:deploy:ref:refs/heads/main:commit:9f31:step:deploy"
IN_CIRCLE = (
    "org/f22b6566-597d-46d5-ba74-99ef5bb3d85c/project/84996744-a854-4f5e-aea3-04e2851dc1d2/user/6a19122c"
)


@pytest.mark.parametrize(
    ("source", "name", "subject", "tags"),
    [
        ("buildkite", f"buildkite-job-{BUILDKITE}", IN_BUILDKITE, {}),
        ("buildkite", DEFAULT, IN_BUILDKITE, {}),
        ("buildkite", "anything", "0191f956", {"job_id": BUILDKITE}),
        ("circleci", f"circleci-job-{CIRCLE}", IN_CIRCLE, {}),
        ("circleci", DEFAULT, IN_CIRCLE, {}),
        (
            "azure-devops",
            f"azure-devops-run-{RUN.replace('/', '-')}",
            "/eid1/c/pub/t/Mi/a/rI/sc/0ca3/6417",
            {},
        ),
        ("azure-devops", DEFAULT, "sc://acme/Shop Web/aws", {}),
    ],
    ids=[
        "buildkite-name",
        "buildkite-group",
        "buildkite-tags",
        "circleci-name",
        "circleci-group",
        "azure-name",
        "azure-group",
    ],
)
def test_a_jobs_session_is_used_after_the_job(
    tmp_path: Path, source: str, name: str, subject: str, tags: dict[str, str]
) -> None:
    more = {"principalTags": tags} if tags else {}
    files = {
        "hooks.jsonl": "\n".join(webhooks(source)),
        "trail.jsonl": "\n".join(trail(name, subject, **more)),
    }
    found = told(tmp_path, files, until="2026-05-04T09:00:00Z")
    about = sorted(finding for finding in found.findings if finding[1] == KEY)
    assert about == [
        ("use-after-termination", KEY, 1, "critical"),
        ("use-from-elsewhere", KEY, 1, "high"),
    ]
    assert (KEY, False, ("use-after-termination",)) in found.commands
    (issue,) = (one for one in found.events_of(CredentialIssued) if one.credential_id == KEY)
    candidates = found.finding("use-after-termination", KEY).candidates
    assert (
        (issue.task_id,) == (JOBS[source],) if candidates is None else candidates.task_ids == (JOBS[source],)
    )


@pytest.mark.parametrize(
    ("source", "name", "subject"),
    [
        ("buildkite", f"buildkite-job-{BUILDKITE}", IN_BUILDKITE.replace("deploy:ref", "other:ref")),
        ("circleci", f"circleci-job-{CIRCLE}", "org/f22b6566/project/0b1c/user/6a19122c"),
        ("azure-devops", f"azure-devops-run-{RUN.replace('/', '-')}", "sc://acme/other/aws"),
    ],
)
def test_a_name_that_the_tokens_subject_belies_is_not_believed(
    tmp_path: Path, source: str, name: str, subject: str
) -> None:
    files = {"hooks.jsonl": "\n".join(webhooks(source)), "trail.jsonl": "\n".join(trail(name, subject))}
    found = told(tmp_path, files, until="2026-05-04T09:00:00Z")
    assert found.result.summary.coverage.by_join[OTHER_GROUP] == 1


def test_a_service_connection_of_azure_devops_signs_in_to_entra(tmp_path: Path) -> None:
    """The sign-in names the application, which is named after its project; the story is that of `test_azure`."""
    (hook, *_) = webhooks("azure-devops")
    files = {
        "hub.jsonl": story("azure")["hub.jsonl"],
        "hooks.jsonl": hook.replace("Shop Web", "app-deploy").encode(),
    }
    settings = "[sources.azure]\ntask_group = 'azure-devops:acme/{properties.servicePrincipalName}'\n"
    found = comes_of(tmp_path, files, settings)
    finding = found.finding("use-after-termination", TOKEN)
    assert finding.count == 2
    assert finding.candidates is not None
    assert finding.candidates.task_ids == (JOBS["azure-devops"],)
