"""Records of identity providers that are unlike most. The samples have the common forms."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.identity import auth0, okta, spire, teleport
from detector.configuration.settings import Settings
from detector.ingest.classify import BUNDLED
from detector.ingest.mapped_adapter import configured_classifier
from detector.values.events import CredentialIssued, CredentialRevoked, CredentialUsed
from detector.values.times import HOUR, parse_rfc3339
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


@pytest.mark.parametrize("kind", ["session.end", "db.session.end", "session.data", "client.disconnect"])
def test_the_end_of_a_session_in_teleport_is_no_use(kind: str) -> None:
    assert teleport.translate({**sample("teleport", 7), "event": kind}, NOW) == []


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, "success"),
        ({"success": False}, "denied"),
        ({"response_code": 401}, "denied"),
        ({"response_code": 404}, "success"),
        ({"event": "session.rejected"}, "denied"),
        ({"event": "cert.generation_mismatch"}, "denied"),
        ({"event": "exec", "code": "T3002E", "exitCode": "1"}, "success"),
    ],
    ids=repr,
)
def test_what_a_bot_of_teleport_was_refused(fields: dict[str, Any], outcome: str) -> None:
    (use,) = teleport.translate({**sample("teleport", 7), **fields}, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.outcome == outcome


def test_a_join_token_of_teleport_whose_name_is_not_masked_is_not_written_anywhere() -> None:
    made, joined = sample("teleport", 15), sample("teleport", 3)
    assert teleport.translate({**made, "name": "4f1dsecret"}, NOW) == []
    (issue,) = teleport.translate({**joined, "token_name": "4f1dsecret"}, NOW)
    assert "4f1dsecret" not in repr(issue)


@pytest.mark.parametrize(
    ("attributes", "task", "group"),
    [
        ({"sub": "p", "project_path": "acme/app", "job_id": "9"}, "gitlab/job/9", None),
        ({"sub": "repo:Octo/App:ref:refs/heads/main"}, None, "github:octo/app"),
        (
            {"sub": "organization:o:project:p:workspace:w:run_phase:apply", "terraform_run_id": "run-1"},
            "terraform/run/run-1",
            None,
        ),
        ({"account": "1234", "arn": "arn:aws:sts::1234:assumed-role/r/i-1"}, "own", None),
        ("text", "own", None),
    ],
    ids=["gitlab", "github", "terraform", "iam", "odd"],
)
def test_the_task_of_a_bot_of_teleport(attributes: Any, task: str | None, group: str | None) -> None:
    (issue,) = teleport.translate({**sample("teleport", 0), "attributes": attributes}, NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.task_id == (issue.credential_id if task == "own" else task)
    assert issue.task_group == group
    assert (issue.unjoined is None) == (task not in (None, "own"))


def test_an_event_of_teleport_without_its_place_in_a_session_is_one() -> None:
    """As the documentation, and what it was copied to, writes events: without `ei`, and some without `uid`."""
    bare = {"code": "TB003I", "event": "bot.delete", "name": "deployer", "time": "2026-05-01T08:00:00Z"}
    (read,) = BUNDLED.read_object(json.dumps(bare).encode(), NOW)
    assert (read.format, [type(event) for event in read.events]) == ("teleport", [CredentialRevoked])


@pytest.mark.parametrize("other", [{"code": "T1000"}, {"code": "E1000I"}, {"event": "order.create"}], ids=str)
def test_what_only_resembles_an_event_of_teleport_is_none(other: dict[str, str]) -> None:
    bare = {"code": "TB003I", "event": "bot.delete", "name": "deployer", "time": "2026-05-01T08:00:00Z"}
    (read,) = BUNDLED.read_object(json.dumps({**bare, **other}).encode(), NOW)
    assert not read.of_source


def test_a_command_of_a_session_in_teleport_is_scanned() -> None:
    event = {
        "ei": 1,
        "event": "session.command",
        "code": "T4000I",
        "time": "2026-05-01T08:00:00Z",
        "argv": ["-p", "x"],
    }
    assert b"argv" in teleport.scanned(event, NOW).rest


@pytest.mark.parametrize(
    ("workload", "task", "group"),
    [
        ("spiffe://example.org/ci/github-job-71", "github/job/71", None),
        ("spiffe://example.org/ns/ci/sa/runner/gitlab-job-9", "gitlab/job/9", None),
        ("spiffe://example.org/ns/ci/sa/runner/pod/build-1-x7k2p", "k8s/ci/build-1-x7k2p", None),
        ("spiffe://example.org/ns/ci/pod/bare", "own", None),  # it may come again under its name
        ("spiffe://example.org/ns/ci/sa/runner", None, "kubernetes:ci/runner"),
        ("spiffe://example.org/cluster-1/ns/ci/sa/runner", None, "kubernetes:ci/runner"),
        ("spiffe://example.org/db", "own", None),
    ],
)
def test_the_task_of_an_svid_of_spire(workload: str, task: str | None, group: str | None) -> None:
    issue = spire.translate({**sample("spire", 1), "spiffe_id": workload}, NOW)[0]
    assert isinstance(issue, CredentialIssued)
    assert issue.task_id == (issue.credential_id if task == "own" else task)
    assert issue.task_group == group
    # What tasks share is told apart by the request, else by the name.
    assert issue.identifiers[0].scheme == ("spiffe-id" if task not in (None, "own") else "spire-csr")


def test_the_entries_of_a_batch_of_spire_are_uses_of_their_own() -> None:
    first, second = (spire.translate({**sample("spire", 1), "csr": csr}, NOW)[1].id for csr in ("aa", "bb"))
    assert first != second


@pytest.mark.parametrize("expires", ["0001-01-01T00:00:00Z", 0, None, "soon"])
def test_a_certificate_that_states_no_expiry_renews_nothing(expires: Any) -> None:
    certificate = sample("teleport", 6)
    certificate["identity"]["expires"] = expires
    assert [type(event) for event in teleport.translate(certificate, NOW)] == [CredentialUsed]
    svid = spire.translate({**sample("spire", 1), "expires_at": expires}, NOW)[0]
    assert isinstance(svid, CredentialIssued)
    assert svid.expires_at == svid.time + HOUR


@pytest.mark.parametrize(
    ("target", "group"),
    [
        ({"user": "bot-deployer"}, "teleport/root.example.com/user/bot-deployer"),
        ({"join_token": "deployer", "role": ""}, "teleport/root.example.com/join-token/deployer"),
        ({"user": "bot-deployer", "server_id": "x"}, None),
        ({"role": "access"}, None),
        (None, None),
    ],
    ids=repr,
)
def test_what_a_lock_of_teleport_ends(target: Any, group: str | None) -> None:
    found = gives({**sample("teleport", 12), "target": target}).get("events")
    assert [event["group"] for event in found or ()] == ([] if group is None else [group])


def test_a_join_token_of_which_nothing_is_told_is_none() -> None:
    """Of a secret of fewer than 16 characters Teleport shows stars alone: those of others may look alike."""
    assert teleport.translate({**sample("teleport", 15), "name": "*" * 12}, NOW) == []
    joined = teleport.translate({**sample("teleport", 3), "token_name": "*" * 12}, NOW)
    assert [type(event) for event in joined] == [CredentialIssued]


def test_a_bot_of_another_cluster_of_teleport_is_another() -> None:
    """Both clusters may have a bot of that name: what is locked or deleted in one goes on in the other."""
    joined, locked, deleted = (
        teleport.translate({**sample("teleport", number), "cluster_name": "leaf"}, NOW)
        for number in (0, 13, 17)
    )
    assert joined[-1].groups[0] == locked[0].group == "teleport/leaf/user/bot-deployer"  # type: ignore[union-attr]
    assert deleted[0].group == "teleport/leaf/user/bot-jarvis"  # type: ignore[union-attr]


def test_a_grant_of_okta_as_panther_writes_it() -> None:
    record = sample("okta", 5)
    record |= {"eventtype": record.pop("eventType"), "debugcontext": record.pop("debugContext")}
    assert [event["type"] for event in gives(record)["events"]] == ["credential.used", "credential.issued"]
