"""Whatever a provider answers, and whatever a command says, a target raises its own errors and guesses nothing."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, Target, UnavailableError
from detector.revoke.targets.github import GitHub, GitHubOptions
from detector.revoke.targets.gitlab import GitLab, GitLabOptions
from detector.revoke.targets.keycloak import Keycloak, KeycloakOptions
from detector.revoke.targets.oauth import OAuth, OAuthOptions
from detector.revoke.targets.webhook import Webhook, WebhookOptions
from tests.revoke.targets.commands import command
from tests.revoke.targets.scripted_provider import Reply, Request, scripted

KNOWN = (RefusedError, GoneError, UnavailableError)
HANDLES: dict[str, dict[str, Any]] = {
    "oauth": {"provider": "oauth", "client_id": "task", "token_name": "run"},
    "keycloak": {"provider": "oauth", "client_id": "task", "user_id": "u", "session_id": "s"},
    "gitlab": {
        "provider": "gitlab",
        "method": "revoke-token",
        "token_kind": "personal_access_token",
        "token_id": "4",
    },
    "gitlab-job": {"provider": "gitlab", "method": "cancel-job", "project_id": "3", "job_id": "4"},
    "github": {"provider": "github", "method": "revoke-token", "org": "o", "user": "u", "token_id": "4"},
    "github-run": {"provider": "github", "method": "cancel-run", "repo": "o/r", "run_id": "4"},
    "github-key": {"provider": "github", "method": "delete-deploy-key", "repo": "o/r", "key_id": "4"},
    "webhook": {"provider": "shipit"},
}
# Words of the answers, so that what is made of them is sometimes nearly right.
NAMES = [
    "active",
    "client_id",
    "iat",
    "jti",
    "id",
    "revoked",
    "created_at",
    "started_at",
    "status",
    "run_attempt",
    "run_started_at",
    "token_id",
    "owner",
    "login",
    "username",
    "notBefore",
    "clients",
    "start",
    "state",
    "control",
    "refused",
    "access_token",
    "expires_in",
    "how",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS: st.SearchStrategy[str] = st.sampled_from(
    ("", "4", "task", "2026-05-01T08:00:00Z", "dead", "completed", "u", "\x1b[2J", "’")
) | st.text(max_size=9)
ANSWERS = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8),
    max_leaves=20,
)
STATUSES = st.sampled_from(
    (200, 200, 200, 200, 201, 202, 204, 301, 400, 403, 404, 409, 410, 418, 422, 429, 500)
)


def target_of(name: str, url: str, folder: Path) -> Target:
    secret = str(folder / "secret")
    client = {"url": url, "client_id": "c", "client_secret_file": secret}
    if name == "oauth":
        control = {"token_folder": str(folder), "control_token_file": secret}
        return OAuth(msgspec.convert(client | control, OAuthOptions))
    if name == "keycloak":
        return Keycloak(msgspec.convert(client | {"realm": "r"}, KeycloakOptions))
    if name.startswith("gitlab"):
        return GitLab(GitLabOptions(url=url, token_file=secret))
    if name.startswith("github"):
        return GitHub(GitHubOptions(url=url, token_file=secret))
    return Webhook(WebhookOptions(url=url, secret_file=secret, probes=True))


async def asked(name: str, answers: list[tuple[int, Any]], command_: RevocationCommand, folder: Path) -> None:
    left = list(answers)

    def answer(_: Request) -> Reply:
        status, body = left.pop(0) if left else (404, None)
        return Reply(status, body)

    async with scripted(answer) as provider:
        target = target_of(name, provider.url, folder)
        for _ in range(2):
            for step in (None, 0, 1):
                try:
                    said: object = await (
                        target.probe(command_) if step is None else target.revoke(command_, step)
                    )
                except KNOWN as error:
                    said = str(error)
                assert "secret-of-the-revoker" not in str(said)
        await target.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    (made / "secret").write_text("whsec_c2VjcmV0LW9mLXRoZS1yZXZva2VyLXRvLXNpZ24=")
    (made / "run").write_text("opaque-secret-of-the-revoker")
    return made


@pytest.mark.parametrize("name", HANDLES)
@settings(max_examples=12)
@given(data=st.data())
def test_any_answer_is_judged_or_refused(name: str, folder: Path, data: st.DataObject) -> None:
    answers = data.draw(st.lists(st.tuples(STATUSES, ANSWERS), max_size=12))
    asyncio.run(asked(name, answers, command(HANDLES[name]), folder))


@pytest.mark.parametrize("name", HANDLES)
@settings(max_examples=25)
@given(data=st.data())
def test_any_handle_is_planned_or_refused(name: str, folder: Path, data: st.DataObject) -> None:
    hostile = st.text(max_size=20) | st.integers() | st.none() | st.lists(st.text(max_size=3), max_size=2)
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(HANDLES[name])), hostile, max_size=3))
    made = command(HANDLES[name] | changed, issued_at=data.draw(st.none() | st.integers(-(2**70), 2**70)))
    target = target_of(name, "http://127.0.0.1:1/", folder)
    if not target.accepts(made):
        return
    try:
        plan = target.plan(made)
    except RefusedError:
        return
    assert all(step.words.isprintable() for step in plan.steps)
