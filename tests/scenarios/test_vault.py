"""Two runs of a CI workflow take tokens from Vault: one forgets its token and database lease, one gives them back."""

import json
from pathlib import Path

from detector.values.events import CredentialIssued, CredentialUsed
from tests.scenarios.telling import story, told

FORGOTTEN = "vault/hmac-sha256:" + "cd" * 32
GIVEN_BACK = "vault/hmac-sha256:" + "1c" * 32
LEASE = "vault/lease/database/creds/orders/h3kd8Wq1LxTz"


def test_a_token_that_outlives_its_run_and_is_used_from_elsewhere(tmp_path: Path) -> None:
    found = told(tmp_path, story("vault"))
    assert [issue.task_id for issue in found.events_of(CredentialIssued)] == [
        "github/run/5001/1",  # the token that the first run got by its OIDC token
        "github/run/5001/1",  # and the database user that it asked for
        "github/run/5002/1",
        "github/run/5002/1",  # whose database user ends with the token, and so is no finding
    ]
    assert len(found.events_of(CredentialUsed)) == 7  # of fourteen halves
    assert found.findings == (
        ("outlives-task", LEASE, 1, "high"),
        ("outlives-task", FORGOTTEN, 1, "high"),
        ("use-from-elsewhere", FORGOTTEN, 1, "high"),
        ("use-after-termination", FORGOTTEN, 1, "critical"),
        ("use-after-termination", GIVEN_BACK, 1, "medium"),  # refused: it had been revoked
        ("use-from-elsewhere", GIVEN_BACK, 1, "medium"),
    )
    assert found.commands == (
        (FORGOTTEN, False, ("outlives-task",)),
        (LEASE, False, ("outlives-task",)),
    )
    assert (found.dead, found.unresolved) == ((), {})
    token, lease = (command.credential.revocation for command in found.result.commands)
    assert token is not None
    assert token["method"] == "revoke-accessor"
    assert lease == {
        "provider": "vault",
        "method": "revoke-lease",
        "lease_id": "database/creds/orders/h3kd8Wq1LxTz",
    }
    (used,) = found.finding("use-after-termination", FORGOTTEN).evidences
    assert isinstance(used.event, CredentialUsed)
    assert used.event.source_ip == "203.0.113.9"


RAW = "hvs.CAESIBx7Qm2vLr9kTz4WpYd8NcHfJgUa1oSeR3iKb6MtXw0ZGh4KHGh2cy5QcTdWbkxyWmtUeTJXcEpkOE5jSGY"  # made up


def test_a_device_that_shows_tokens_is_where_they_leak(tmp_path: Path) -> None:
    auth = {
        "client_token": RAW,
        "accessor": "k3Lm9QpR2sTu7VwX",
        "metadata": {"run_id": "7"},
        "token_ttl": 900,
    }
    login = {
        "time": "2026-05-04T08:00:00Z",
        "type": "response",
        "auth": {**auth, "token_type": "service"},
        "request": {"id": "r-1", "path": "auth/jwt/login", "operation": "update"},
        "response": {"auth": auth},
    }
    printed = {
        "time": "2026-05-04T08:01:00Z",
        "message": f"+ curl -H 'X-Vault-Token: {RAW}' https://vault:8200",
    }
    found = told(tmp_path, {"audit.log": json.dumps(login), "job.log": json.dumps(printed)})
    assert found.findings == (("leaked-credential", "vault/k3Lm9QpR2sTu7VwX", 2, "critical"),)
    assert found.commands == (("vault/k3Lm9QpR2sTu7VwX", False, ("leaked-credential",)),)
    assert RAW not in repr(found)
