"""Jobs of GitHub take tokens of Google and Azure by their OIDC tokens. Somebody uses them after the job.

Told by GitHub's webhooks, Google's audit log, and Entra's and Azure's diagnostic logs.
"""

import json
from pathlib import Path
from typing import Any

from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.values.events import CredentialIssued
from tests.scenarios.telling import ReportedFinding, told

SAMPLES = Path(__file__).parents[1] / "adapters" / "samples"
WEBHOOKS = [
    {
        "action": action,
        "workflow_job": {
            "id": 71,
            "run_id": 5,
            "started_at": "2026-05-04T08:00:00Z",
            "completed_at": "2026-05-04T08:10:00Z",
            "conclusion": "success",
        },
        "repository": {"full_name": "octo/app-deploy"},
    }
    for action in ("in_progress", "completed")
]
STOLEN = "2026-05-04T08:40:00Z"


def sample(source: str, number: int) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((SAMPLES / f"{source}.json").read_text())[number]["record"]
    return record


def comes_of(folder: Path, records: list[dict[str, Any]], settings: str = "") -> ReportedFinding:
    configuration = folder / "curfewd.toml"
    configuration.write_text(settings)
    loaded = Settings.load(str(configuration), {})
    lines = {"webhooks.jsonl": WEBHOOKS, "audit.jsonl": records}
    files = {name: "".join(f"{json.dumps(one)}\n" for one in some) for name, some in lines.items()}
    classifier = configured_classifier(loaded.sources)
    return told(
        folder / "in", files, until="2026-05-04T09:00:00Z", policy=loaded.policy, classifier=classifier
    )


def test_googles_token_of_a_principal_that_names_its_job_is_used_after_it(tmp_path: Path) -> None:
    exchange, account, stolen = (sample("google", number) for number in (0, 2, 3))
    stolen["protoPayload"]["status"] = {}
    found = comes_of(tmp_path, [exchange, account, stolen])
    direct, through = sorted(issue.credential_id for issue in found.events_of(CredentialIssued))
    assert through == f"{direct} deploy@acme-prod.iam.gserviceaccount.com"
    ended = [finding for finding in found.findings if finding[0] == "use-after-termination"]
    assert ended == [("use-after-termination", through, 1, "critical")]
    assert found.unresolved == {}


def test_a_principal_that_all_jobs_share_is_known_and_nobody_can_tell_whose_it_is(tmp_path: Path) -> None:
    exchange = sample("google", 1)
    shared = exchange["protoPayload"]["metadata"]["mapped_principal"]
    use = sample("google", 3) | {"timestamp": STOLEN}
    use["protoPayload"] |= {"status": {}, "authenticationInfo": {"principalSubject": shared}}
    found = comes_of(tmp_path, [exchange, use])
    assert "use-after-termination" not in found.rules
    assert found.unresolved == {}
    (issue,) = found.events_of(CredentialIssued)
    assert issue.unjoined is not None
    assert "map `google.subject`" in issue.unjoined


def test_azures_token_is_judged_by_the_jobs_of_the_repository_that_the_configuration_names(
    tmp_path: Path,
) -> None:
    stolen = sample("azure", 3) | {"time": STOLEN}
    settings = "[sources.azure]\ntask_group = 'github:octo/{properties.servicePrincipalName}'\n"
    found = comes_of(tmp_path, [sample("azure", 0), stolen], settings)
    key = "azure/token/xMFjTVvJPE2OChJx_YE-AA"
    assert ("use-after-termination", key, 1, "critical") in found.findings
    told_of = found.finding("use-after-termination").candidates
    assert told_of is not None
    assert told_of.task_ids == ("github/job/71",)


def test_without_it_azures_token_has_no_task_and_says_what_to_set(tmp_path: Path) -> None:
    found = comes_of(tmp_path, [sample("azure", 0), sample("azure", 3) | {"time": STOLEN}])
    assert "use-after-termination" not in found.rules
    (issue,) = found.events_of(CredentialIssued)
    assert issue.unjoined is not None
    assert "set `task_group` in `[sources.azure]`" in issue.unjoined


def test_the_activity_log_and_both_forms_of_a_tokens_id_join_the_sign_in(tmp_path: Path) -> None:
    found = comes_of(tmp_path, [sample("azure", 1), sample("azure", 2), sample("azure", 3)])
    assert found.unresolved == {}
    issues = found.events_of(CredentialIssued)  # not the failed one
    assert {issue.credential_id for issue in issues} == {"azure/token/xMFjTVvJPE2OChJx_YE-AA"}
