"""A deploy job on GitHub takes keys of AWS by its OIDC token, hands them on to another account, and ends; they do not.

Told by GitHub's webhooks and CloudTrail's files, which come late and in no order.
"""

import json
import random
from base64 import b64encode
from itertools import chain
from operator import itemgetter
from pathlib import Path

import pytest

from detector.judge.policy import Policy
from detector.judge.routing import route
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import CanonicalEvent, CredentialIssued, CredentialUsed
from detector.values.times import MINUTE, parse_rfc3339
from tests.scenarios.telling import ReportedFinding, story, told
from tests.service.judge.judge_without_kafka import World, longer, run

JOB, DEPLOY = "ASIAEXAMPLEJOB710000", "ASIAEXAMPLEPROD71000"


def check_the_deploy_job(found: ReportedFinding) -> None:
    # Both sessions live out their hour, the one that the job had by OIDC and the one that it chained from it under a
    # name that boto made up. At 08:40 somebody elsewhere reads a secret with the second, and tries to make a user
    # with the first, which its session policy never allowed. The role's sessions are revoked; five minutes later that
    # is not in force yet.
    assert found.findings == (
        ("use-after-termination", DEPLOY, 2, "critical"),
        ("use-from-elsewhere", DEPLOY, 2, "high"),
        ("use-after-termination", JOB, 1, "medium"),
        ("use-from-elsewhere", JOB, 1, "medium"),
        ("use-outside-scope", JOB, 1, "medium"),
    )
    assert found.commands == (
        (DEPLOY, False, ("use-after-termination",)),
        (JOB, False, ("use-after-termination",)),
        (DEPLOY, True, ("use-after-termination",)),
    )
    assert found.dead == ()
    assert found.unresolved == {"aws.cloudtrail/444455556666": 1}  # the administrator's own session


def test_sessions_that_outlive_the_job_that_asked_for_them(tmp_path: Path) -> None:
    found = told(tmp_path, story("aws"))
    check_the_deploy_job(found)
    issued = {issue.credential_id: issue for issue in found.events_of(CredentialIssued)}
    assert {issue.task_id for issue in issued.values()} == {"github/job/71"}
    assert [grant.resources for grant in issued[JOB].grants or ()] == [
        ("arn:aws:s3:::artifacts/*",),
        ("arn:aws:iam::444455556666:role/deploy",),
    ]
    stolen = [
        use.event
        for use in found.finding("use-outside-scope").evidences
        if isinstance(use.event, CredentialUsed)
    ]
    assert [(use.action, use.source_ip) for use in stolen] == [("iam:CreateUser", "203.0.113.99")]


def test_what_a_revoker_is_told(tmp_path: Path) -> None:
    commands = told(tmp_path, story("aws")).result.commands
    told_of = {one.credential.credential_id: one.credential.revocation for one in commands}
    assert told_of[DEPLOY] == {
        "provider": "aws",
        "method": "deny-session",
        "account": "444455556666",
        "access_key_id": DEPLOY,
        "role_arn": "arn:aws:iam::444455556666:role/deploy",
        "assumed_role_id": "AROAEXAMPLEDEPLOY:botocore-session-1777881960",
    }


def test_single_events_in_any_order_as_a_bus_hands_them_on(tmp_path: Path) -> None:
    files = story("aws")
    records = chain.from_iterable(
        json.loads(files.pop(name))["Records"] for name in sorted(files) if name.startswith("CloudTrail")
    )
    lines = [
        json.dumps({"detail-type": "AWS API Call via CloudTrail", "source": "aws.any", "detail": record})
        for record in records
    ]
    check_the_deploy_job(told(tmp_path, {**files, "bus.jsonl": "\n".join(reversed(lines))}))


@pytest.mark.parametrize("name", ["migrate", "GitHubActions", "aws-go-sdk-1688990082523310002"])
def test_a_session_that_a_jobs_session_asked_for_stays_with_the_job(tmp_path: Path, name: str) -> None:
    files = {
        path: text.replace(b"botocore-session-1777881960", name.encode())
        for path, text in story("aws").items()
    }
    check_the_deploy_job(told(tmp_path, files))


def test_a_session_token_that_cloudtrail_shows_whole_is_known_when_a_log_shows_it(tmp_path: Path) -> None:
    token = "IQoJb3JpZ2luX2VjE" + b64encode(random.Random(7).randbytes(600)).decode()
    files = story("aws")
    files["CloudTrail_0805Z.json"] = files["CloudTrail_0805Z.json"].replace(
        b'"sessionToken": ""', f'"sessionToken": "{token}"'.encode(), 1
    )
    line = f"2026-05-04T08:10:00Z + export AWS_SESSION_TOKEN={token}\n"
    found = told(tmp_path, {**files, "job.log": line.encode()})
    assert ("leaked-credential", JOB, 1, "critical") in found.findings
    assert "leaked-secret" not in found.rules
    (leak,) = found.finding("leaked-credential").evidences
    assert token not in repr(leak)


@pytest.mark.parametrize("seed", range(5))
def test_fifteen_minutes_late_and_out_of_order_is_the_same_live(tmp_path: Path, seed: int) -> None:
    """GitHub's webhooks come at once, CloudTrail's events whenever they do: the judge stage hears the end first."""
    found = told(tmp_path, story("aws"))
    chance, policy = random.Random(seed), longer(Policy())

    def arrival(event: CanonicalEvent) -> int:
        late = event.source.startswith("aws.")
        return event.time + (chance.randrange(15 * MINUTE) if late else 0)

    async def heard() -> None:
        await world.open()
        registry = CredentialRegistry()
        for at, event in sorted(((arrival(event), event) for event in found.events), key=itemgetter(0)):
            world.clock = at
            for key, payload in route(event, registry):
                world.send(key, payload)
            if isinstance(event, CredentialIssued):
                registry.add(event)
            await world.drain()
            await world.tick()
        await world.settle(parse_rfc3339("2026-05-04T08:50:00Z"), policy)
        await world.close()

    world = World(policy, found.events[0].time)
    try:
        run(heard())
        standing = [
            (
                record["finding_info"]["analytic"]["uid"],
                record["unmapped"]["credential_id"],
                record["count"],
                record["severity"].lower(),
            )
            for record in world.standing().values()
        ]
        commands = {(one["data"]["credential_id"], one["data"]["escalated"]) for one in world.commands}
    finally:
        world.remove()
    assert sorted(standing) == sorted(found.findings)
    assert commands == {command[:2] for command in found.commands}
