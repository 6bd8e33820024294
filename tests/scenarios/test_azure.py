"""A deploy job on GitHub signs in to Entra by its OIDC token. Somebody steals the token, and adds a secret with it.

Told by GitHub's webhooks, and by sign-ins, Graph's and Azure's activity and the tenant's audit log from Event Hubs.
"""

import json
from pathlib import Path

from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.values.events import CredentialIssued
from tests.scenarios.telling import STORIES, ReportedFinding, story, told

TOKEN = "azure/token/xMFjTVvJPE2OChJx_YE-AA"
SECRET = "azure/key/d747da7e-e11b-4af2-aede-0487c44067af"
SETTINGS = (STORIES["azure"] / "curfewd.toml").read_text()


def comes_of(folder: Path, files: dict[str, bytes], settings: str = SETTINGS) -> ReportedFinding:
    path = folder / "curfewd.toml"
    path.write_text(settings)
    loaded = Settings.load(str(path), {})
    classifier = configured_classifier(loaded.sources)
    until = "2026-05-04T09:00:00Z"
    return told(folder / "in", files, until=until, policy=loaded.policy, classifier=classifier)


def check_the_deploy_job(found: ReportedFinding) -> None:
    # The job is done at 08:10. At 08:40 somebody elsewhere adds a secret to the service principal with the job's token,
    # and is refused a vault. The secret is removed at 08:50, and Entra still lets somebody sign in with it at 08:55.
    assert found.findings == (
        ("use-after-termination", TOKEN, 2, "critical"),
        ("use-from-elsewhere", TOKEN, 2, "high"),
        ("use-after-revocation", SECRET, 1, "critical"),
    )
    assert {command[0] for command in found.commands} == {TOKEN, SECRET}
    assert (SECRET, True, ("use-after-revocation",)) in found.commands
    assert found.dead == ()
    assert found.unresolved == {}
    assert dict(found.result.summary.idle) == {"azure/SignInLogs": 1}  # of a person


def test_a_jobs_token_and_a_secret_that_was_added_with_it(tmp_path: Path) -> None:
    found = comes_of(tmp_path, story("azure"))
    check_the_deploy_job(found)
    candidates = found.finding("use-after-termination").candidates
    assert candidates is not None
    assert candidates.task_ids == ("github/job/71",)
    revocation = {one.credential.credential_id: one.credential.revocation for one in found.result.commands}
    assert revocation[SECRET] == {
        "provider": "azure",
        "method": "remove-secret",
        "service_principal": "b1c34143-e405-4058-8e29-84596ad737b8",
        "key_id": SECRET.removeprefix("azure/key/"),
        "tenant": "c0dd2fa0-71be-4df8-b2a6-24cee7de069a",
    }


def test_single_records_in_any_order(tmp_path: Path) -> None:
    files = story("azure")
    records = [one for line in files.pop("hub.jsonl").splitlines() for one in json.loads(line)["records"]]
    lines = "\n".join(json.dumps(one) for one in reversed(records)).encode()
    check_the_deploy_job(comes_of(tmp_path, {**files, "hub.jsonl": lines}))


def test_without_a_group_the_token_has_no_task_and_the_theft_is_from_elsewhere(tmp_path: Path) -> None:
    found = comes_of(tmp_path, story("azure"), "")
    assert found.rules == {"use-from-elsewhere", "use-after-revocation"}
    assert all(issue.unjoined for issue in found.events_of(CredentialIssued))
