"""GitHub Actions with AWS as most people set it up: no session names its job, since all are called `GitHubActions`.

GitHub's webhooks report the jobs of a repository, CloudTrail the sessions and what was done with them. A session
belongs to one of the jobs that ran in its repository when it was issued. A theft is seen once the last of them has
ended.
"""

import json
import random
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.judge.policy import Policy
from detector.judge.routing import route
from detector.outputs.ocsf import finding_record
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import CanonicalEvent, CredentialIssued
from detector.values.times import MINUTE, parse_rfc3339
from tests.scenarios.telling import ReportedFinding, told
from tests.service.judge.judge_without_kafka import World, longer, run

THEIRS, OURS = "203.0.113.99", "192.0.2.44"
HOUR_LONG = "[kinds.aws-session]\ngrace_period = '1h'\n"  # as README.md says: a session lives out its hour


def at(clock: str) -> str:
    """A time of the day on which all of it happens: `08:10`, or `08:10:30`."""
    return f"2026-05-04T{clock}{':00' if clock.count(':') == 1 else ''}Z"


def job(number: int, start: str, end: str | None, repository: str = "Octo/App") -> Iterable[dict[str, Any]]:
    """The webhooks about a job."""
    facts = {"id": number, "run_id": number * 10, "run_attempt": 1, "started_at": at(start)}
    around = {"repository": {"full_name": repository}, "sender": {"login": "mona"}}
    yield {"action": "in_progress", "workflow_job": facts, **around}
    if end is not None:
        done = {**facts, "completed_at": at(end), "conclusion": "success"}
        yield {"action": "completed", "workflow_job": done, **around}


def session(
    key: str, clock: str, *, name: str = "GitHubActions", subject: str | None = None
) -> dict[str, Any]:
    """CloudTrail's event of a session that a job got by its OIDC token; it lives an hour."""
    hours, _, rest = clock.partition(":")
    return {
        "eventTime": at(clock),
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRoleWithWebIdentity",
        "eventID": f"issue-{key}",
        "recipientAccountId": "111122223333",
        "sourceIPAddress": OURS,
        "userIdentity": {"type": "WebIdentityUser"},
        "requestParameters": {"roleArn": "arn:aws:iam::111122223333:role/deploy", "roleSessionName": name},
        "responseElements": {
            "credentials": {"accessKeyId": key, "expiration": at(f"{int(hours) + 1:02d}:{rest}")},
            "assumedRoleUser": {"assumedRoleId": f"AROAEXAMPLEDEPLOY:{name}"},
            "subjectFromWebIdentityToken": subject or "repo:octo/app:ref:refs/heads/main",
        },
    }


def call(key: str, clock: str, address: str = OURS) -> dict[str, Any]:
    """CloudTrail's event of something done with a session's key."""
    return {
        "eventTime": at(clock),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventID": f"call-{key}-{clock}",
        "recipientAccountId": "111122223333",
        "sourceIPAddress": address,
        "userAgent": "aws-cli/2.31",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLEDEPLOY:GitHubActions",
            "accessKeyId": key,
        },
    }


def comes_of(
    folder: Path, webhooks: Iterable[dict[str, Any]], trail: list[dict[str, Any]], settings: str = HOUR_LONG
) -> ReportedFinding:
    folder.mkdir(exist_ok=True)
    configuration = folder / "curfewd.toml"
    configuration.write_text(settings)
    loaded = Settings.load(str(configuration), {})
    files = {
        "webhooks.jsonl": "".join(f"{json.dumps(one)}\n" for one in webhooks),
        "CloudTrail.json": json.dumps({"Records": trail}),
    }
    classifier = configured_classifier(loaded.sources)
    return told(folder / "in", files, until=at("12:00"), policy=loaded.policy, classifier=classifier)


def message(found: ReportedFinding) -> tuple[str, dict[str, Any]]:
    """The message of the only finding about a use after the end, and `unmapped` of its record."""
    record = finding_record(found.finding("use-after-termination"), {}, lambda text: text)
    return record["message"], record["unmapped"]


FIRST, SECOND, THIRD = "ASIAEXAMPLEFIRST0001", "ASIAEXAMPLESECOND002", "ASIAEXAMPLETHIRD0003"


def test_a_key_used_after_the_only_job_ended(tmp_path: Path) -> None:
    found = comes_of(
        tmp_path,
        job(71, "08:00", "08:10"),
        [session(FIRST, "08:01"), call(FIRST, "08:05"), call(FIRST, "08:40", THEIRS)],
    )
    assert ("use-after-termination", FIRST, 1, "critical") in found.findings
    assert found.commands == ((FIRST, False, ("use-after-termination",)),)
    said, fields = message(found)
    assert fields["candidate_task_ids"] == ["github/job/71"]
    assert "task_id" not in fields
    assert said


THREE = [*job(71, "08:00", "08:10"), *job(72, "08:01", "08:30"), *job(73, "08:02", "08:20")]
THREE_SESSIONS = [session(FIRST, "08:03"), session(SECOND, "08:03:10"), session(THIRD, "08:03:20")]


def test_a_key_used_after_the_last_of_three_jobs_that_ran_at_once(tmp_path: Path) -> None:
    found = comes_of(tmp_path, THREE, [*THREE_SESSIONS, call(FIRST, "08:40", THEIRS)])
    assert [finding for finding in found.findings if finding[0] == "use-after-termination"] == [
        ("use-after-termination", FIRST, 1, "critical")
    ]
    said, fields = message(found)
    assert fields["candidate_task_ids"] == ["github/job/71", "github/job/72", "github/job/73"]
    assert "one of 3" in said


def test_while_one_of_the_jobs_still_runs_nobody_can_tell(tmp_path: Path) -> None:
    """The key may be the running job's. A session name of its own tells: see the next test."""
    found = comes_of(tmp_path, THREE, [*THREE_SESSIONS, call(FIRST, "08:25")])
    assert found.findings == ()
    assert found.commands == ()


def test_a_session_that_names_its_job_is_judged_by_that_job_alone(tmp_path: Path) -> None:
    trail = [session(FIRST, "08:03", name="github-job-71"), *THREE_SESSIONS[1:], call(FIRST, "08:25")]
    found = comes_of(tmp_path, THREE, trail)
    assert found.findings == (("use-after-termination", FIRST, 1, "critical"),)
    assert message(found)[1]["task_id"] == "github/job/71"


def test_jobs_that_end_before_and_start_after_the_issue_are_no_candidates(tmp_path: Path) -> None:
    webhooks = [
        *job(70, "07:40", "07:59"),
        *job(71, "08:00", "08:10"),
        *job(72, "08:30", None),  # still runs; had it been a candidate, nothing would ever end
        *job(80, "08:00", None, repository="octo/other"),
    ]
    found = comes_of(tmp_path, webhooks, [session(FIRST, "08:01"), call(FIRST, "08:40", THEIRS)])
    assert ("use-after-termination", FIRST, 1, "critical") in found.findings
    assert message(found)[1]["candidate_task_ids"] == ["github/job/71"]


def test_a_day_on_which_nothing_is_wrong_gives_nothing(tmp_path: Path) -> None:
    """Jobs of two repositories, alone and at once, with all forms of subjects, whose keys rest after their jobs."""
    webhooks: list[dict[str, Any]] = []
    trail: list[dict[str, Any]] = []
    for number in range(60):
        start, minute = 60 + 9 * number, number % 7
        repository = ("Octo/App", "octo/web")[number % 2]
        key = f"ASIAEXAMPLEQUIET{number:04d}"
        clocks = [
            f"{(start + more) // 60:02d}:{(start + more) % 60:02d}"
            for more in (0, 1, 2, 8 + minute, 10 + minute)
        ]
        begin, issue, early, late, end = clocks
        subject = (
            f"repo:{repository}:ref:refs/heads/main",
            f"repo:{repository.replace('/', '@17/')}@{number}:environment:prod",
            f"repo:{repository}:pull_request",
        )[number % 3]
        webhooks += job(number, begin, end, repository)
        trail += [session(key, issue, subject=subject), call(key, early), call(key, late)]
    found = comes_of(tmp_path, webhooks, trail)
    assert found.findings == ()
    assert found.commands == ()
    assert found.dead == ()
    assert found.unresolved == {}
    assert {issue.task_group for issue in found.events_of(CredentialIssued)} == {
        "github:octo/app",
        "github:octo/web",
    }


def test_without_webhooks_nothing_is_found_and_the_reason_is_in_each_issue(tmp_path: Path) -> None:
    found = comes_of(tmp_path, [], [session(FIRST, "08:01"), call(FIRST, "08:40", THEIRS)])
    assert found.rules <= {"use-from-elsewhere"}
    (issue,) = found.events_of(CredentialIssued)
    assert issue.unjoined == (
        "role `deploy`: session name `GitHubActions` names no job; "
        "set `role-session-name: github-job-${{ job.check_run_id }}`"
    )


def test_a_task_that_the_configuration_names_comes_before_the_group(tmp_path: Path) -> None:
    settings = HOUR_LONG + "[sources.cloudtrail]\ntask_id = 'deploys/{requestParameters.roleSessionName}'\n"
    found = comes_of(tmp_path, job(71, "08:00", "08:10"), [session(FIRST, "08:01", name="n-1")], settings)
    (issue,) = found.events_of(CredentialIssued)
    assert (issue.task_id, issue.task_group, issue.unjoined) == ("deploys/n-1", None, None)


@pytest.mark.parametrize("seed", range(4))
def test_the_service_finds_the_same_when_cloudtrail_comes_late_and_in_any_order(
    tmp_path: Path, seed: int
) -> None:
    found = comes_of(tmp_path, THREE, [*THREE_SESSIONS, call(SECOND, "08:05"), call(FIRST, "08:40", THEIRS)])
    chance = random.Random(seed)
    policy = longer(Policy())

    def arrival(event: CanonicalEvent) -> int:
        return event.time + (chance.randrange(15 * MINUTE) if event.source.startswith("aws.") else 0)

    async def heard() -> None:
        await world.open()
        registry = CredentialRegistry()
        for when, event in sorted(((arrival(event), event) for event in found.events), key=itemgetter(0)):
            world.clock = when
            for key, payload in route(event, registry):
                world.send(key, payload)
            if isinstance(event, CredentialIssued):
                registry.add(event)
            await world.drain()
            await world.tick()
        await world.settle(parse_rfc3339(at("09:00")), policy)
        await world.close()

    world = World(policy, found.events[0].time)
    try:
        run(heard())
        standing = [
            record
            for record in world.standing().values()
            if record["finding_info"]["analytic"]["uid"] == "use-after-termination"
        ]
    finally:
        world.remove()
    (stolen,) = standing
    assert stolen["unmapped"]["credential_id"] == FIRST
    assert stolen["unmapped"]["candidate_task_ids"] == ["github/job/71", "github/job/72", "github/job/73"]
    assert stolen["severity"] == "Critical"
