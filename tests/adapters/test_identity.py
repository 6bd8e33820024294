"""Records of identity providers that are unlike most. The samples have the common forms."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.identity import auth0, okta
from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.values.events import CredentialIssued
from detector.values.times import parse_rfc3339
from tests.adapters.test_samples import FOLDER, gives

NOW = parse_rfc3339("2026-06-01T00:00:00Z")


def sample(source: str, number: int) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((FOLDER / f"{source}.json").read_text())[number]["record"]
    return record


def test_a_token_of_a_client_in_okta_is_of_its_repositorys_jobs(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text("[sources.okta]\ntask_group = 'github:octo/{actor.displayName}'\n")
    record = sample("okta", 5)
    record["actor"]["displayName"] = "shop"
    issue = gives(record, configured_classifier(Settings.load(str(path), {}).sources))["events"][1]
    assert issue["task_group"] == "github:octo/shop"
    assert issue["task_id"] is None


def test_a_token_of_a_client_in_okta_is_a_task_of_its_own_if_nothing_names_its_job() -> None:
    record = sample("okta", 5)
    record["actor"]["displayName"] = "shop"
    record["target"][0]["detailEntry"] = None
    _, issue = okta.translate(record, NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.task_id == f"okta/client/0oa1client0g4/{record['target'][0]['id']}"
    assert issue.unjoined is not None
    assert issue.expires_at == parse_rfc3339("2026-05-02T08:00:00Z")


@pytest.mark.parametrize("result", ["FAILURE", "DENY", "SKIPPED", None])
def test_in_okta_nothing_is_made_or_revoked_by_what_did_not_succeed(result: str | None) -> None:
    for number in (0, 4, 8, 9):
        assert okta.translate({**sample("okta", number), "outcome": {"result": result}}, NOW) == []


def test_the_hash_of_a_clients_secret_in_okta_is_not_scanned() -> None:
    record = sample("okta", 5)
    said = okta.scanned(record, NOW).rest.decode()
    assert record["debugContext"]["debugData"]["clientSecret"] not in said
    assert "/oauth2/default/v1/token" in said


def test_what_a_person_does_at_auth0_is_no_use_of_a_clients_token() -> None:
    call = sample("auth0", 4)
    assert len(auth0.translate(call, NOW)) == 2
    call["details"]["request"]["auth"]["user"] = {"user_id": "auth0|1"}
    assert auth0.translate(call, NOW) == []


@pytest.mark.parametrize(
    "path", ["/api/v2/clients/x/credentials/y", "/api/v2/clients/x/rotate-secret", "/api/v2/clients/", "/x"]
)
def test_only_the_deletion_of_a_client_at_auth0_ends_it(path: str) -> None:
    call = sample("auth0", 7)
    call["details"]["request"]["path"] = path
    assert auth0.translate(call, NOW) == []


def test_a_client_that_auth0_did_not_make_is_not_issued() -> None:
    call = sample("auth0", 0)["data"]
    call["details"]["response"]["statusCode"] = 409
    assert auth0.translate(call, NOW) == []
