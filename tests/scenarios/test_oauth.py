"""A CI job buys itself a token, told by an authorization server, a resource server, GitHub and an identity provider."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detector.values.events import CredentialUsed, TaskStarted
from tests.scenarios.telling import told

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GITHUB = "https://token.actions.githubusercontent.com"
AS = "https://sts.example"
SUBJECT = "repo:octo/app:ref:refs/heads/main"


def jwt(claims: Mapping[str, Any]) -> str:
    parts = (json.dumps({"alg": "ES256"}), json.dumps(claims), "a made-up signature, long enough")
    return ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


IDENTITY = jwt({"iss": GITHUB, "sub": SUBJECT, "jti": "gh-1", "check_run_id": "71", "exp": 1778058300})
# Of the job's own token: until 11:00, though the job is done at 09:10.
TOKEN = jwt({"iss": AS, "sub": "deployer", "jti": "sts-1", "check_run_id": "71", "exp": 1778065200})
# Of the token that an agent got for it, of the agent's kind until 09:30.
HANDED = jwt(
    {
        "iss": AS,
        "sub": "deployer",
        "jti": "sts-2",
        "exp": 1778059800,
        "act": {"sub": "agent-run-5", "act": {"sub": "planner-run-5"}},
    }
)


def message(id_: str, at: str, request: Any, response: Any, **fields: Any) -> str:
    around = {"time": f"2026-05-06T{at}Z", "id": id_, "issuer": AS}
    return json.dumps({**around, "request": request, "response": response, **fields}) + "\n"


def job(action: str, **fields: Any) -> str:
    around = {"repository": {"full_name": "octo/app"}, "sender": {"login": "mona"}}
    held = {"id": 71, "run_id": 5, "run_attempt": 1, **fields}
    return json.dumps({"action": action, "workflow_job": held, **around}) + "\n"


STORY = {
    "github.jsonl": job("in_progress", started_at="2026-05-06T09:00:00Z")
    + job("completed", completed_at="2026-05-06T09:10:00Z", conclusion="success"),
    "sts.jsonl": message(
        "m-1",
        "09:01:00",
        {"grant_type": EXCHANGE, "subject_token": IDENTITY, "audience": "https://deploy.example"},
        {"access_token": TOKEN, "expires_in": 7140, "token_type": "Bearer"},
    )
    + message(
        "m-2",
        "09:02:00",
        f"grant_type={EXCHANGE}&subject_token={TOKEN}&client_id=agent-run-5&audience=https%3A%2F%2Fdeploy.example",
        json.dumps({"access_token": HANDED, "expires_in": 1680}),
    ),
    # What the resource server asked of it: in the job's time; long after it; and once more after it was revoked.
    "deploy-api.jsonl": "".join(
        message(id_, at, {"token": TOKEN}, {"active": True}, endpoint="introspection", client_id="deploy-api")
        for id_, at in (("m-3", "09:05:00"), ("m-4", "10:00:00"), ("m-5", "10:20:00"))
    ),
    "sets.jsonl": json.dumps(
        {
            "iss": "https://idp.example/",
            "jti": "set-1",
            "iat": 1778062200,
            "sub_id": {"format": "jwt_id", "iss": AS, "jti": "sts-1"},
            "events": {
                "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
                    "event_timestamp": 1778062200
                }
            },
        }
    ),
}


def test_a_jobs_token_is_shown_after_the_job_and_after_it_was_revoked(tmp_path: Path) -> None:
    found = told(tmp_path, STORY)
    assert found.findings == (
        ("outlives-task", "sts-1", 1, "high"),
        ("use-after-termination", "sts-1", 2, "critical"),
    )
    assert found.commands == (
        ("sts-1", False, ("outlives-task",)),
        ("sts-1", True, ("use-after-termination",)),  # at 10:20 the server still said that it is active
    )
    uses = [use.event for use in found.finding("use-after-termination").evidences]
    assert [(use.action, use.resource) for use in uses if isinstance(use, CredentialUsed)] == [
        ("introspection", "deploy-api"),
        ("introspection", "deploy-api"),
    ]
    assert (found.dead, found.unresolved) == ((), {f"oauth/{AS}": 1})  # nobody told of the identity's issue


def test_whom_a_token_is_handed_to_is_a_task_of_who_handed_it_on(tmp_path: Path) -> None:
    found = told(tmp_path, STORY)
    assert {(event.task_id, event.parent_task_id) for event in found.events_of(TaskStarted)} >= {
        ("oauth/actor/agent-run-5", "oauth/actor/planner-run-5"),
        ("oauth/actor/planner-run-5", "github/job/71"),
    }


def test_a_token_that_was_revoked_in_time_is_no_finding(tmp_path: Path) -> None:
    revoked = message("m-9", "09:09:30", f"token={TOKEN}", {"status": 200}, path="/oauth2/revoke")
    calm = {
        "github.jsonl": STORY["github.jsonl"],
        "sts.jsonl": STORY["sts.jsonl"].splitlines()[0] + "\n" + revoked,
        "deploy-api.jsonl": STORY["deploy-api.jsonl"].splitlines()[0],
    }
    found = told(tmp_path, calm, until="2026-05-06T12:00:00Z")
    assert (found.findings, found.commands, found.dead) == ((), (), ())
