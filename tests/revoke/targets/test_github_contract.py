"""GitHub's contract, not GitHub itself: requests and answers are checked against its OpenAPI description."""

import json
import re
import time
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import RSAKey
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.github import GitHub, GitHubOptions
from detector.values.events import Identifier
from detector.values.times import SECOND, format_rfc3339, parse_rfc3339
from tests.revoke.targets.commands import command
from tests.revoke.targets.scripted_provider import Reply, Request, ScriptedProvider, scripted

MADE = "2026-05-01T08:00:00Z"
DESCRIPTION = Path(__file__).parents[2] / "fixtures" / "github_api" / "revocations.json"


@cache
def described() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DESCRIPTION.read_text())
    return read


def operation_of(request: Request) -> str:
    """The operation of GitHub's that a request is, with its path, query and body as they are described."""
    for name, each in described()["operations"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(each["path"]))
        if request.method == each["method"] and re.fullmatch(pattern, request.path):
            assert {key.removesuffix("[]") for key in request.query} <= set(each["query"])
            if name in described()["bodies"]:
                Draft202012Validator(described()["bodies"][name]).validate(request.body)
            else:
                assert request.body is None
            return str(name)
    raise AssertionError(f"GitHub has no {request.method} {request.path}")


class FakeGitHub:
    """What the description's own examples have, for one token, one run and one deploy key."""

    def __init__(self) -> None:
        user = {"login": "octocat", "id": 1, "node_id": "x", "type": "User", "site_admin": False}
        user |= {"gravatar_id": ""}
        urls = ("avatar", "html", "followers", "following", "gists", "starred", "subscriptions")
        user |= {f"{name}_url": "https://x" for name in (*urls, "organizations", "repos", "events")}
        user |= {"received_events_url": "https://x", "url": "https://x"}
        self.grants: list[dict[str, Any]] = [{
            "id": 25381, "owner": user, "repository_selection": "all", "repositories_url": "https://x",
            "permissions": {}, "access_granted_at": MADE, "token_id": 98716, "token_name": "Some Token",
            "token_expired": False, "token_expires_at": None, "token_last_used_at": None,
        }]  # fmt: skip
        self.authorizations: list[dict[str, Any]] = [{
            "login": "octocat", "credential_id": 161195, "credential_type": "personal access token",
            "credential_authorized_at": MADE, "credential_accessed_at": None, "authorized_credential_id": 555,
        }]  # fmt: skip
        self.run: dict[str, Any] = {
            "id": 30433642, "status": "in_progress", "conclusion": None, "run_attempt": 2,
            "run_started_at": MADE, "created_at": MADE,
            "repository": {"id": 1, "name": "app", "full_name": "octo/app"},
        }  # fmt: skip
        self.keys: list[dict[str, Any]] = [{
            "id": 17, "key": "ssh-ed25519 AAAA", "url": "https://x", "title": "deploy", "verified": True,
            "created_at": MADE, "read_only": True,
        }]  # fmt: skip
        self.stubborn = False
        self.lies = False
        self.status: int | None = None
        self.done: list[str] = []
        self.app_tokens: list[str] = []
        self.app_token_life = 3600 * SECOND

    def answer(self, request: Request) -> Reply:
        name = operation_of(request)
        self.done.append(name)
        if self.status is not None:
            return Reply(self.status, {"message": "no"})
        reply: Reply = getattr(self, f"on_{name}")(request)
        if reply.status == 200:
            Draft202012Validator(described()["answers"][name]).validate(reply.body)
        elif reply.status not in described()["operations"][name]["statuses"]:
            assert reply.status == 404
        return reply

    def listing(self, request: Request, values: list[dict[str, Any]]) -> Reply:
        size, page = int(request.query["per_page"]), int(request.query["page"])
        return Reply(200, values[(page - 1) * size : page * size])

    def on_grants(self, request: Request) -> Reply:
        wanted = request.query["token_id[]"]
        return self.listing(request, [each for each in self.grants if str(each["token_id"]) == wanted])

    def on_run(self, _: Request) -> Reply:
        return Reply(200, self.run)

    def on_app_token(self, request: Request) -> Reply:
        self.app_tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        end = format_rfc3339(time.time_ns() + self.app_token_life)
        return Reply(201, {"token": f"ghs_{len(self.app_tokens)}", "expires_at": end})

    def on_authorizations(self, request: Request) -> Reply:
        return self.listing(request, self.authorizations)

    def on_revoke_grant(self, _: Request) -> Reply:
        if not self.lies:
            self.grants.clear()
        return Reply(204)

    def on_remove_authorization(self, _: Request) -> Reply:
        self.authorizations.clear()
        return Reply(204)

    def on_cancel_run(self, _: Request) -> Reply:
        if self.run["status"] == "completed":
            return Reply(409, {"message": "Cannot cancel a workflow run that is completed."})
        if not self.stubborn:
            self.run |= {"status": "completed", "conclusion": "cancelled"}
        return Reply(202, {})

    def on_force_cancel_run(self, _: Request) -> Reply:
        self.run |= {"status": "completed", "conclusion": "cancelled"}
        return Reply(202, {})

    def on_deploy_key(self, request: Request) -> Reply:
        found = [each for each in self.keys if request.path.endswith(f"/{each['id']}")]
        return Reply(200, found[0]) if found else Reply(404, {"message": "Not Found"})

    def on_deploy_keys(self, _: Request) -> Reply:
        return Reply(200, self.keys)

    def on_delete_deploy_key(self, _: Request) -> Reply:
        self.keys.clear()
        return Reply(204)


def handle(method: str, **fields: Any) -> RevocationCommand:
    issued_at = fields.pop("issued_at", parse_rfc3339(MADE))
    named = {name: value for name, value in fields.items() if value is not None}
    return command({"provider": "github", "method": method, **named}, issued_at=issued_at)


def token(**fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"user": "octocat", "org": "octo", "token_id": "98716", "grant_id": "25381"}
    return handle("revoke-token", **(known | fields))


def run(**fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"repo": "octo/app", "run_id": "30433642", "run_attempt": "2"}
    return handle("cancel-run", **(known | fields))


def key(**fields: Any) -> RevocationCommand:
    return handle("delete-deploy-key", **({"repo": "octo/app", "key_id": "17"} | fields))


@pytest.fixture
def fake() -> FakeGitHub:
    return FakeGitHub()


@pytest_asyncio.fixture
async def served(fake: FakeGitHub) -> AsyncIterator[ScriptedProvider]:
    async with scripted(fake.answer) as provider:
        yield provider


def made(served: ScriptedProvider, tmp_path: Path, *, sso: bool) -> GitHub:
    (tmp_path / "token").write_text("ghs_of-the-revoker")
    options = {"url": served.url, "token_file": str(tmp_path / "token"), "sso": sso}
    return GitHub(msgspec.convert(options, GitHubOptions))


@pytest_asyncio.fixture
async def github(served: ScriptedProvider, tmp_path: Path) -> AsyncIterator[GitHub]:
    github = made(served, tmp_path, sso=False)
    yield github
    await github.close()


@pytest_asyncio.fixture
async def sso(served: ScriptedProvider, tmp_path: Path) -> AsyncIterator[GitHub]:
    github = made(served, tmp_path, sso=True)
    yield github
    await github.close()


@pytest.mark.parametrize(
    ("asked", "operation"),
    [
        (token(), "revoke_grant"),
        (token(user="OctoCat", grant_id=None), "revoke_grant"),
        (run(), "cancel_run"),
        (run(run_attempt=None), "cancel_run"),
        (key(), "delete_deploy_key"),
    ],
    ids=["grant", "token", "run", "any-attempt", "key"],
)
async def test_contract_it_is_looked_up_revoked_and_looked_up_again(
    github: GitHub, fake: FakeGitHub, served: ScriptedProvider, asked: RevocationCommand, operation: str
) -> None:
    assert github.accepts(asked)
    assert github.plan(asked).proof
    assert (await github.probe(asked)).state == "live"
    await github.revoke(asked, 0)
    gone = "absent" if operation == "delete_deploy_key" else "dead"
    assert (await github.probe(asked)).state == gone
    await github.revoke(asked, 0)  # again, as after a crash
    assert (await github.probe(asked)).state == gone
    assert operation in fake.done
    assert all(each.headers["Authorization"] == "Bearer ghs_of-the-revoker" for each in served.requests)


async def test_contract_an_authorisation_for_single_sign_on_is_removed(sso: GitHub, fake: FakeGitHub) -> None:
    asked = token(token_id="555", grant_id=None)
    with pytest.raises(RefusedError, match="another person"):
        await sso.probe(token(token_id="555", user="hubot"))
    assert (await sso.probe(asked)).state == "live"
    await sso.revoke(asked, 0)
    assert (await sso.probe(asked)).state == "dead"
    assert fake.done[-3:] == ["authorizations", "remove_authorization", "authorizations"]


async def test_contract_a_list_that_is_no_longer_shown_is_no_proof(github: GitHub, fake: FakeGitHub) -> None:
    assert (await github.probe(token())).state == "live"
    fake.status = 404
    with pytest.raises(RefusedError, match="does not show this list"):
        await github.probe(token())


async def test_contract_204_and_202_prove_nothing(github: GitHub, fake: FakeGitHub) -> None:
    fake.lies = fake.stubborn = True
    for asked in (token(), run()):
        assert "proves nothing" in await github.revoke(asked, 0)
        assert (await github.probe(asked)).state == "live"
    assert github.plan(run()).steps[1].delay == 60
    await github.revoke(run(), 1)
    assert (await github.probe(run())).state == "dead"
    assert await github.revoke(run(), 1) == "nothing: the run has ended"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (token(user="mallory"), "another person"),
        (token(grant_id="7"), "another grant"),
        (token(token_id="404"), "lists no such token"),
        (run(run_attempt="3"), "no such attempt"),
        (run(run_attempt=None, issued_at=parse_rfc3339(MADE) - 61 * SECOND), "started after"),
        (run(issued_at=None), "no time of issue"),
        (key(issued_at=parse_rfc3339(MADE) + 61 * SECOND), "another time"),
        (key(issued_at=None), "no time of issue"),
    ],
)
async def test_contract_what_belongs_to_somebody_else_is_refused(
    github: GitHub, asked: RevocationCommand, reason: str
) -> None:
    with pytest.raises(RefusedError, match=reason):
        await github.probe(asked)


async def test_contract_an_older_attempt_has_ended(github: GitHub) -> None:
    assert (await github.probe(run(run_attempt="1"))).state == "dead"


async def test_a_handle_that_does_not_fit_its_credential_is_refused(github: GitHub) -> None:
    asked = msgspec.structs.replace(token(), identifiers=(Identifier("github-token-id", "1"),))
    with pytest.raises(RefusedError, match="not that of the credential"):
        await github.probe(asked)


async def test_contract_a_revoker_without_rights_says_which_it_needs(
    github: GitHub, fake: FakeGitHub
) -> None:
    for status, error in ((403, RefusedError), (401, UnavailableError), (422, UnavailableError)):
        fake.status = status
        for asked in (token(), run(), key()):
            with pytest.raises(error):
                await github.probe(asked)
    fake.status = 404  # as GitHub answers about what one may not see
    for asked in (token(), run(), key()):
        with pytest.raises(RefusedError):
            await github.probe(asked)


async def test_contract_a_list_is_read_to_its_end(sso: GitHub, fake: FakeGitHub) -> None:
    one = fake.authorizations[0]
    others = [
        one | {"authorized_credential_id": number, "credential_id": number} for number in range(1000, 1250)
    ]
    fake.authorizations = [*others, one]
    asked = token(token_id="555", grant_id=None)
    assert (await sso.probe(asked)).state == "live"
    fake.authorizations = others * 9
    with pytest.raises(UnavailableError, match="more than 2000"):
        await sso.probe(asked)


@pytest.mark.parametrize(
    "asked",
    [
        token(org="octo/../x"),
        token(org=None),
        token(user=""),
        token(token_id="1 OR 1"),
        run(repo="octo"),
        run(repo="../app"),
        run(run_id="1/cancel"),
        key(key_id=None),
        key(repo="octo/.."),
    ],
)
async def test_what_cannot_be_revoked_is_refused_and_asks_nobody(
    github: GitHub, served: ScriptedProvider, asked: RevocationCommand
) -> None:
    for call in (github.probe, lambda each: github.revoke(each, 0)):
        with pytest.raises(RefusedError):
            await call(asked)
    assert served.requests == []


async def test_contract_an_app_signs_for_its_tokens_and_renews_them(
    fake: FakeGitHub, served: ScriptedProvider, tmp_path: Path
) -> None:
    key = RSAKey.generate_key(2048)
    (tmp_path / "app.pem").write_bytes(key.as_pem(private=True))
    app = {"app_id": "12", "installation_id": "34", "private_key_file": str(tmp_path / "app.pem")}
    github = GitHub(msgspec.convert({"url": served.url, **app}, GitHubOptions))
    await github.probe(token())
    await github.probe(run())
    (signed,) = fake.app_tokens
    claims = jwt.decode(signed, key, ["RS256"]).claims
    assert claims["iss"] == "12"
    assert claims["iat"] <= time.time() < claims["exp"] <= time.time() + 600
    assert served.requests[0].path == "/app/installations/34/access_tokens"
    assert [each.headers["Authorization"] for each in served.requests[1:]] == ["Bearer ghs_1"] * 2
    fake.status = 401  # somebody revoked the token
    with pytest.raises(UnavailableError):
        await github.probe(run())
    fake.status, fake.app_token_life = None, 200 * SECOND
    await github.probe(run())
    await github.probe(run())  # a token that ends soon is renewed
    assert len(fake.app_tokens) == 3
    (tmp_path / "app.pem").write_text("no key")
    with pytest.raises(UnavailableError, match="no private RSA key"):
        await github.probe(run())
    await github.close()


@pytest.mark.parametrize(
    "options",
    [{}, {"app_id": "1"}, {"token_file": "t", "app_id": "1"}, {"app_id": "1", "installation_id": "2"}],
)
def test_either_a_token_or_an_app_is_configured(options: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError, match="either token_file, or app_id"):
        msgspec.convert(options, GitHubOptions)
