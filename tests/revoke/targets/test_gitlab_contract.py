"""GitLab's contract as docs.gitlab.com has it, not GitLab itself: what is asked, and what its answers are taken for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.gitlab import GitLab, GitLabOptions
from detector.values.times import SECOND, format_rfc3339, parse_rfc3339
from tests.revoke.targets.commands import command
from tests.revoke.targets.scripted_provider import Reply, Request, ScriptedProvider, scripted

MADE = "2026-05-01T08:00:00.151Z"


class FakeGitLab:
    """One token of each kind and one job, as their documentation shows them."""

    def __init__(self) -> None:
        self.token: dict[str, Any] | None = {
            "id": 42,
            "name": "deploy",
            "revoked": False,
            "created_at": MADE,
            "description": None,
            "scopes": ["api"],
            "user_id": 141,
            "last_used_at": None,
            "active": True,
            "expires_at": "2027-01-31",
        }
        self.job: dict[str, Any] = {
            "id": 7,
            "status": "running",
            "created_at": MADE,
            "started_at": MADE,
            "name": "build",
        }
        self.after_cancel = "canceling"
        self.status: int | None = None

    def answer(self, request: Request) -> Reply:
        if self.status is not None:
            return Reply(self.status, {"message": "403 Forbidden", "error": "insufficient_scope"})
        if request.path.endswith("/cancel"):
            self.job["status"] = "canceled" if request.query else self.after_cancel
            return Reply(201, self.job)
        if "/jobs/" in request.path:
            return Reply(200, self.job)
        if self.token is None:
            return Reply(404, {"message": "404 Not Found"})
        if request.method == "DELETE":
            self.token |= {"revoked": True, "active": False}
            return Reply(204)
        return Reply(200, self.token)


def token(kind: str = "project_access_token", issued: str = MADE, **fields: Any) -> RevocationCommand:
    handle = {"provider": "gitlab", "method": "revoke-token", "token_kind": kind, "token_id": "42"}
    if not kind.startswith("personal"):
        handle |= {"entity_type": "Group" if kind.startswith("group") else "Project", "entity_id": "3"}
    return command(handle | fields, issued_at=parse_rfc3339(issued))


def job(**fields: Any) -> RevocationCommand:
    handle = {"provider": "gitlab", "method": "cancel-job", "project_id": "3", "job_id": "7", **fields}
    return command(handle, issued_at=parse_rfc3339(MADE) // SECOND * SECOND)


@pytest.fixture
def fake() -> FakeGitLab:
    return FakeGitLab()


@pytest_asyncio.fixture
async def served(fake: FakeGitLab) -> AsyncIterator[ScriptedProvider]:
    async with scripted(fake.answer) as provider:
        yield provider


@pytest_asyncio.fixture
async def gitlab(served: ScriptedProvider, tmp_path: Path) -> AsyncIterator[GitLab]:
    (tmp_path / "token").write_text("glpat-of-the-revoker")
    options = {"url": f"{served.url}/api/v4", "token_file": str(tmp_path / "token")}
    made = GitLab(msgspec.convert(options, GitLabOptions))
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("personal_access_token", "/api/v4/personal_access_tokens/42"),
        ("project_access_token", "/api/v4/projects/3/access_tokens/42"),
        ("group_access_token", "/api/v4/groups/3/access_tokens/42"),
    ],
)
async def test_contract_a_token_is_looked_up_revoked_and_looked_up_again(
    gitlab: GitLab, served: ScriptedProvider, kind: str, path: str
) -> None:
    asked = token(kind)
    assert gitlab.accepts(asked)
    assert path.removeprefix("/api/v4/") in gitlab.plan(asked).steps[0].words
    assert (await gitlab.probe(asked)).state == "live"
    await gitlab.revoke(asked, 0)
    assert (await gitlab.probe(asked)).state == "dead"
    assert [(each.method, each.path) for each in served.requests] == [
        ("GET", path),
        ("DELETE", path),
        ("GET", path),
    ]
    assert served.requests[0].headers["Authorization"] == "Bearer glpat-of-the-revoker"


async def test_contract_a_token_that_vanishes_was_there_before(gitlab: GitLab, fake: FakeGitLab) -> None:
    await gitlab.probe(token())
    fake.token = None
    assert "404" in await gitlab.revoke(token(), 0)
    assert (await gitlab.probe(token())).state == "dead"


async def test_contract_404_proves_nothing_to_a_revoker_that_may_not_look(
    gitlab: GitLab, fake: FakeGitLab
) -> None:
    fake.token = None
    with pytest.raises(RefusedError, match="may not see it"):
        await gitlab.probe(token())


async def test_contract_another_token_under_that_id_is_refused(gitlab: GitLab) -> None:
    later = format_rfc3339(parse_rfc3339(MADE) + 61 * SECOND)
    with pytest.raises(RefusedError, match="another time"):
        await gitlab.probe(token(issued=later))
    with pytest.raises(RefusedError, match="no time of issue"):
        await gitlab.probe(msgspec.structs.replace(token(), issued_at=None))


async def test_contract_a_job_that_is_being_cancelled_still_has_its_token(
    gitlab: GitLab, served: ScriptedProvider
) -> None:
    asked = job()
    assert [step.delay for step in gitlab.plan(asked).steps] == [0, 30]
    assert (await gitlab.probe(asked)).state == "live"
    await gitlab.revoke(asked, 0)
    assert (await gitlab.probe(asked)).state == "live"
    await gitlab.revoke(asked, 1)
    assert (await gitlab.probe(asked)).state == "dead"
    assert [dict(each.query) for each in served.requests if each.method == "POST"] == [{}, {"force": "true"}]
    assert await gitlab.revoke(asked, 1) == "nothing: the job has ended"


@pytest.mark.parametrize("status", ["success", "failed", "canceled", "skipped"])
async def test_contract_a_job_that_has_ended_has_no_token(
    gitlab: GitLab, fake: FakeGitLab, status: str
) -> None:
    fake.job["status"] = status
    assert (await gitlab.probe(job())).state == "dead"


async def test_contract_a_revoker_without_rights_says_which_it_needs(
    gitlab: GitLab, fake: FakeGitLab
) -> None:
    fake.status = 403
    for asked in (token(), job()):
        with pytest.raises(RefusedError, match="scope api"):
            await gitlab.probe(asked)
        with pytest.raises(RefusedError, match="scope api"):
            await gitlab.revoke(asked, 0)
    fake.status = 404
    with pytest.raises(UnavailableError, match="404"):
        await gitlab.revoke(job(), 0)


async def test_contract_odd_answers_prove_nothing(gitlab: GitLab, fake: FakeGitLab) -> None:
    assert fake.token is not None
    for odd in ({"revoked": None, "active": None}, {"created_at": None}, {"id": 43}, {"created_at": 7}):
        before, fake.token = fake.token, fake.token | odd
        with pytest.raises(UnavailableError):
            await gitlab.probe(token())
        fake.token = before
    fake.job["status"] = ""
    assert (await gitlab.probe(job())).state == "live"
    fake.job |= {"status": ["canceled"]}
    for call in (gitlab.probe(job()), gitlab.revoke(job(), 1)):
        with pytest.raises(UnavailableError, match="status"):
            await call


@pytest.mark.parametrize(
    "asked",
    [
        token(token_id="42/../43"),
        token(token_id=42),
        token(token_id=""),
        token("deploy_token"),
        token("feed_token"),
        token(entity_type="User"),
        token(entity_id="acme/app"),
        job(project_id=None),
        job(job_id="7?force=true"),
    ],
    ids=["path", "number", "none", "deploy", "feed", "user", "name", "no-project", "query"],
)
async def test_what_cannot_be_revoked_is_refused_and_asks_nobody(
    gitlab: GitLab, served: ScriptedProvider, asked: RevocationCommand
) -> None:
    for call in (gitlab.probe, lambda each: gitlab.revoke(each, 0)):
        with pytest.raises(RefusedError):
            await call(asked)
    with pytest.raises(RefusedError):
        gitlab.plan(asked)
    assert served.requests == []


async def test_contract_it_says_whose_token_and_job_an_id_is(gitlab: GitLab, fake: FakeGitLab) -> None:
    assert (await gitlab.probe(token())).found == {"name": "deploy", "user_id": "141"}
    fake.job["user"] = {"username": "ann"}
    assert (await gitlab.probe(job())).found == {"name": "build", "username": "ann"}
