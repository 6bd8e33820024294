"""A deploy job on GitHub takes a token of Google Cloud by its OIDC token, and a service account's by that.

Both are stolen. Told by GitHub's webhooks and Google's audit log. While it runs, the job makes a key of another
account; a person deletes the key, but the token that somebody exchanged it for lives on.
"""

import base64
import json
from pathlib import Path

from detector.values.events import CredentialIssued
from tests.scenarios.telling import ReportedFinding, story, told

UNTIL = "2026-05-04T09:00:00Z"
JOB = "gcp/123456789012/github/github-job-71"
ACCOUNT = f"{JOB} deploy@acme-prod.iam.gserviceaccount.com"
KEY = "gcp/key/5e1f0a9c7d3b4826a1c0e9f8d7b6a5948372615f"


def check_the_deploy_job(found: ReportedFinding) -> None:
    # The job is done at 08:10. At 08:40 somebody elsewhere reads a secret with its token, and tries to make an account.
    # Both tokens live out their hour. The key is deleted at 08:50, and its token reads a dump at 08:55.
    assert found.findings == (
        ("overlong-credential", KEY, 1, "medium"),
        ("use-after-termination", ACCOUNT, 2, "critical"),
        ("use-from-elsewhere", ACCOUNT, 2, "high"),
        ("use-from-elsewhere", KEY, 1, "high"),
        ("use-after-revocation", KEY, 1, "critical"),
    )
    assert found.dead == ()
    assert found.unresolved == {}


def test_tokens_of_a_job_and_a_key_that_it_made_are_used_by_somebody_else(tmp_path: Path) -> None:
    found = told(tmp_path, story("google"), until=UNTIL)
    check_the_deploy_job(found)
    assert {command[0] for command in found.commands} == {ACCOUNT, KEY}
    assert (KEY, True, ("use-after-revocation",)) in found.commands
    issued = {issue.credential_id: issue for issue in found.events_of(CredentialIssued)}
    assert issued[JOB].task_id == issued[ACCOUNT].task_id == "github/job/71"
    assert issued[KEY].unjoined is not None


def test_what_a_revoker_is_told(tmp_path: Path) -> None:
    commands = told(tmp_path, story("google"), until=UNTIL).result.commands
    told_of = {one.credential.credential_id: one.credential.revocation for one in commands}
    assert told_of[KEY] == {
        "provider": "gcp",
        "method": "disable-service-account-key",
        "service_account": "backup@acme-prod.iam.gserviceaccount.com",
        "key_id": KEY.removeprefix("gcp/key/"),
    }
    assert (told_of[ACCOUNT] or {})["service_account"] == "deploy@acme-prod.iam.gserviceaccount.com"


def test_as_pubsub_pushes_it_in_any_order(tmp_path: Path) -> None:
    files = story("google")
    entries = files.pop("audit.jsonl").splitlines()
    pushed = [
        {
            "message": {"data": base64.b64encode(entry).decode(), "publishTime": "2026-05-04T09:00:00Z"},
            "subscription": "projects/acme-prod/subscriptions/curfewd",
        }
        for entry in reversed(entries)
    ]
    lines = "\n".join(map(json.dumps, pushed))
    check_the_deploy_job(told(tmp_path, {**files, "pushed.jsonl": lines}, until=UNTIL))


def test_a_principal_that_jobs_share_is_not_from_elsewhere_on_each_runner(tmp_path: Path) -> None:
    """Each job of a branch runs on another machine, and the log does not tell their tokens apart."""
    files = story("google")
    shared = files["audit.jsonl"].replace(
        b"subject/github-job-71", b"subject/repo:octo/app:ref:refs/heads/main"
    )
    found = told(tmp_path, {**files, "audit.jsonl": shared}, until=UNTIL)
    assert {(rule, key) for rule, key, _, _ in found.findings} == {
        ("overlong-credential", KEY),
        ("use-after-revocation", KEY),
        ("use-from-elsewhere", KEY),
    }
