"""The target `vault` against answers as the API documents them: contract only.

tests/clusters/test_vault.py has the same against a Vault.
"""

from pathlib import Path
from typing import Any

import pytest

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.vault import VaultOptions, VaultTarget
from detector.values.times import SECOND, format_rfc3339
from tests.revoke.targets.scripted_provider import Reply, Request, scripted

ISSUED = 1_790_000_000 * SECOND
TOKEN = "the-revokers-vault-token"
ACCESSOR = "8fQ2kLw9ZpB5nHd7YcJ3vX8r"
REVOCATION = {"provider": "vault", "method": "revoke-accessor", "accessor": ACCESSOR, "namespace": "ci/"}
LEASE_ID = "database/creds/app/2f6a614c-4aa2-7b19-24b9-ad944a8d4de6"
LEASE = {"provider": "vault", "method": "revoke-lease", "lease_id": LEASE_ID}
LOOKUPS = ("/v1/auth/token/lookup-accessor", "/v1/sys/leases/lookup")


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return str(path)


class Vault:
    """One token and one lease."""

    def __init__(self) -> None:
        self.token: dict[str, Any] | None = {
            "accessor": ACCESSOR,
            "creation_time": ISSUED // SECOND,
            "display_name": "approle",
            "meta": {"task_id": "t-1"},
            "policies": ["ci", "default"],
            "type": "service",
        }
        self.lease: dict[str, Any] | None = {"id": LEASE_ID, "issue_time": format_rfc3339(ISSUED)}
        self.own = Reply(200, {"data": {"accessor": "the-own-accessor"}})

    def answer(self, request: Request) -> Reply:
        if request.headers["X-Vault-Token"] != TOKEN:
            return Reply(403, {"errors": ["permission denied"]})
        path = request.path.removeprefix("/v1/")
        if path == "auth/token/lookup-self":
            return self.own
        known, words = self.token, "invalid accessor"
        if path.startswith("sys/leases"):
            known, words = self.lease, "invalid lease"
        if path.endswith(("lookup", "lookup-accessor")):
            return Reply(400, {"errors": [words]}) if known is None else Reply(200, {"data": known})
        self.token, self.lease = (None, self.lease) if known is self.token else (self.token, None)
        return Reply(204)


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"id": "c", "time": ISSUED, "credential_id": "x", "issued_at": ISSUED, **fields}
    return RevocationCommand(revocation=revocation, **known)


def target(url: str, token_file: str, **options: Any) -> VaultTarget:
    return VaultTarget(VaultOptions(url=url, token_file=token_file, **options))


@pytest.mark.parametrize("revocation", [REVOCATION, LEASE], ids=["token", "lease"])
async def test_contract_it_looks_up_revokes_and_proves(revocation: dict[str, Any], token_file: str) -> None:
    vault, asked = Vault(), command(revocation, task_ids=("t-1",))
    async with scripted(vault.answer) as api:
        made = target(api.url, token_file)
        assert (await made.probe(asked)).state == "live"
        assert "revoked the" in await made.revoke(asked, 0)
        dead = await made.probe(asked)
        with pytest.raises(GoneError):  # Vault itself would answer 204 again
            await made.revoke(asked, 0)
        await made.close()
    assert (dead.state, dead.control) == ("absent", True)
    assert api.requests[0].headers.get("X-Vault-Namespace") == revocation.get("namespace")
    assert sum("/revoke" in request.path for request in api.requests) == 1
    assert not any("prefix" in request.path or "force" in request.path for request in api.requests)


async def test_contract_a_lease_is_revoked_before_the_answer(token_file: str) -> None:
    async with scripted(Vault().answer) as api:
        made = target(api.url, token_file)
        await made.revoke(command(LEASE), 0)
        await made.close()
    assert api.requests[-1].body == {"lease_id": LEASE_ID, "sync": True}


@pytest.mark.parametrize(
    ("token", "extra", "fields", "words"),
    [
        ({"creation_time": ISSUED // SECOND - 100}, {}, {}, "another time"),
        ({"creation_time": ISSUED // SECOND + 100}, {}, {}, "another time"),
        ({"display_name": "root"}, {"display_name": "approle"}, {}, "display_name"),
        ({"path": "auth/token/create"}, {"path": "auth/approle/login"}, {}, "path"),
        ({"policies": ["root"]}, {"policies": ["ci", "default"]}, {}, "policies"),
        ({}, {"display_name": ["x"]}, {}, "display_name"),
        ({"meta": {"task_id": "t-9\x1b[31m"}}, {}, {"task_ids": ("t-1",)}, "not of the command's"),
        ({"type": "batch"}, {}, {}, "batch token"),
    ],
    ids=["older", "younger", "name", "path", "policies", "list", "task", "batch"],
)
async def test_contract_a_token_that_does_not_fit_the_command_is_refused(
    token: dict[str, Any], extra: dict[str, Any], fields: dict[str, Any], words: str, token_file: str
) -> None:
    vault, asked = Vault(), command({**REVOCATION, **extra}, **fields)
    vault.token = {**(vault.token or {}), **token}
    async with scripted(vault.answer) as api:
        made = target(api.url, token_file)
        with pytest.raises(RefusedError, match=words) as refused:
            await made.revoke(asked, 0)
        with pytest.raises(RefusedError, match=words):
            await made.probe(asked)
        await made.close()
    assert str(refused.value).isprintable()
    assert vault.token is not None


async def test_contract_it_never_revokes_itself(token_file: str) -> None:
    vault = Vault()
    vault.own = Reply(200, {"data": {"accessor": ACCESSOR}})
    async with scripted(vault.answer) as api:
        made = target(api.url, token_file)
        with pytest.raises(RefusedError, match="own token"):
            await made.revoke(command(REVOCATION), 0)
        await made.close()
    assert vault.token is not None


@pytest.mark.parametrize(
    ("revocation", "words"),
    [
        ({"method": "none", "reason": "a batch token cannot be revoked"}, "batch token cannot be revoked"),
        ({"method": "revoke-prefix"}, "`method`"),
        ({"method": "revoke-accessor"}, "`accessor`"),
        ({"method": "revoke-accessor", "accessor": "hmac-sha256:" + "0" * 64}, "hmac_accessor=false"),
        ({"method": "revoke-lease", "lease_id": "hmac-sha256:" + "0" * 64}, "hashed"),
        ({"method": "revoke-lease", "lease_id": "database/creds/app/"}, "`lease_id`"),
        ({"method": "revoke-lease", "lease_id": "database/creds/../../x"}, "`lease_id`"),
        ({"method": "revoke-lease", "lease_id": "database"}, "`lease_id`"),
        ({"method": "revoke-accessor", "accessor": ACCESSOR, "namespace": "a\r\nX: y"}, "`namespace`"),
        ({"method": "revoke-accessor", "accessor": "a/b" * 10}, "`accessor`"),
    ],
    ids=["batch", "prefix", "none", "hmac", "hmac-lease", "slash", "dots", "mount", "header", "path"],
)
async def test_what_cannot_be_revoked_is_refused_and_asks_nobody(
    revocation: dict[str, Any], words: str, token_file: str
) -> None:
    made = target("http://127.0.0.1:9", token_file)
    with pytest.raises(RefusedError, match=words):
        made.plan(command({"provider": "vault", **revocation}))
    with pytest.raises(RefusedError, match=words):
        await made.probe(command({"provider": "vault", **revocation}))


async def test_contract_a_revoker_without_rights_proves_nothing(token_file: str) -> None:
    vault = Vault()
    async with scripted(
        lambda _: Reply(403, {"errors": ["1 error occurred:\n\t* permission denied"]})
    ) as api:
        made = target(api.url, token_file)
        with pytest.raises(RefusedError, match=r"vault\.hcl"):
            await made.probe(command(REVOCATION))
        await made.close()
    vault.token, vault.own = None, Reply(403, {"errors": ["permission denied"]})
    async with scripted(vault.answer) as api:
        made = target(api.url, token_file)
        assert (await made.probe(command(REVOCATION))).control is False
        await made.close()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400, b"Bad Request"),
        Reply(400, {"errors": ["missing client token"]}),
        Reply(200, {"data": {"accessor": "another"}}),
        Reply(200, {"data": None}),
        Reply(503, {"errors": ["Vault is sealed"]}),
        Reply(200, {"data": {"accessor": ACCESSOR, "creation_time": "soon"}}),
        Reply(404, {"errors": []}),
    ],
    ids=["text", "other-error", "other-token", "nothing", "sealed", "time", "no-such-path"],
)
async def test_contract_odd_answers_prove_nothing(reply: Reply, token_file: str) -> None:
    async with scripted(lambda _: reply) as api:
        made = target(api.url, token_file)
        with pytest.raises(UnavailableError) as failed:
            await made.probe(command(REVOCATION))
        await made.close()
    assert TOKEN not in str(failed.value)


async def test_contract_it_says_whose_token_an_accessor_is(token_file: str) -> None:
    """The rails see it; and a token that is called otherwise by then is left alone."""
    vault, asked = Vault(), command(REVOCATION)
    names = {"display_name": "root", "entity_id": "e-1", "path": "auth/token/root"}
    vault.token = {**(vault.token or {}), **names}
    async with scripted(vault.answer) as api:
        made = target(api.url, token_file)
        seen = await made.probe(asked)
        assert seen.found == names
        vault.token["display_name"] = "other"
        with pytest.raises(RefusedError, match="display_name"):
            await made.revoke(command({**REVOCATION, **seen.found}), 0)
        await made.close()
