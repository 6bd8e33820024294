"""The target `vault` against a Vault, which enforces the policy of deploy/revoke/vault.hcl."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError
from detector.revoke.targets.provider_http import HttpOptions, ProviderHttp
from detector.revoke.targets.vault import VaultOptions, VaultTarget
from detector.values.times import SECOND, parse_rfc3339
from tests.clusters.servers import VaultServer

POLICY = Path(__file__).parent.parent.parent / "deploy/revoke/vault.hcl"


class Client:
    """A Vault as its operator uses it."""

    def __init__(self, server: VaultServer, folder: Path) -> None:
        self.server, self.revoker_file = server, folder / "revoker"
        self._http = ProviderHttp(HttpOptions(url=server.url, timeout=14), scheme="")

    async def ask(self, token: str, method: str, path: str, json: Any = None) -> tuple[int, dict[str, Any]]:
        parts = ("v1", *path.split("/"))
        answer = await self._http.ask(method, parts, json=json, headers={"X-Vault-Token": token})
        return answer.status, answer.fields() if answer.body else {}

    async def root(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        status, body = await self.ask(self.server.root_file.read_text(), method, path, json)
        assert status in (200, 204), body
        return body

    async def token(self, **fields: Any) -> dict[str, Any]:
        made = await self.root("POST", "auth/token/create", fields)
        found: dict[str, Any] = made["auth"]
        return found

    async def works(self, token: str) -> bool:
        return (await self.ask(token, "GET", "auth/token/lookup-self"))[0] == 200

    def target(self) -> VaultTarget:
        return VaultTarget(VaultOptions(url=self.server.url, token_file=str(self.revoker_file), timeout=14))

    async def close(self) -> None:
        await self._http.close()


@pytest_asyncio.fixture
async def client(vault: VaultServer, tmp_path: Path) -> AsyncIterator[Client]:
    made = Client(vault, tmp_path)
    await made.root("POST", "sys/policies/acl/curfewd-revoke", {"policy": POLICY.read_text()})
    mounts = await made.root("GET", "sys/mounts")
    if "leased/" not in mounts["data"]:
        await made.root("POST", "sys/mounts/leased", {"type": "leased"})
    own = await made.token(policies=["curfewd-revoke"], no_default_policy=True, no_parent=True)
    made.revoker_file.write_text(own["client_token"])
    yield made
    await made.close()


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    now = time.time_ns()
    known: dict[str, Any] = {"id": "c", "time": now, "credential_id": "x", "issued_at": now, **fields}
    return RevocationCommand(revocation={"provider": "vault", **revocation}, **known)


def accessor(token: dict[str, Any]) -> dict[str, Any]:
    return {"method": "revoke-accessor", "accessor": token["accessor"]}


async def test_a_token_and_its_children_are_refused_after(client: Client) -> None:
    parent = await client.token(policies=["root"], meta={"task_id": "t-1"}, display_name="job")
    _, answer = await client.ask(
        parent["client_token"], "POST", "auth/token/create", {"policies": ["default"]}
    )
    child, other = answer["auth"], await client.token(policies=["default"])
    asked, target = command({**accessor(parent), "policies": ["root"]}, task_ids=("t-1",)), client.target()
    assert (await target.probe(asked)).state == "live"
    await target.revoke(asked, 0)
    seen = await target.probe(asked)
    assert (seen.state, seen.control) == ("absent", True)
    assert [await client.works(one["client_token"]) for one in (parent, child, other)] == [False, False, True]
    with pytest.raises(GoneError):
        await target.revoke(asked, 0)
    again = await client.root(
        "POST", "auth/token/revoke-accessor", {"accessor": parent["accessor"]}
    )  # the trap: Vault has no objection
    assert again.get("errors") is None
    await target.close()


@pytest.mark.parametrize(
    ("extra", "fields", "words"),
    [
        ({}, {"issued_at": time.time_ns() - 1000 * SECOND}, "another time"),
        ({}, {"task_ids": ("another",)}, "not of the command's"),
        ({"display_name": "token-other"}, {}, "display_name"),
        ({"policies": ["ci"]}, {}, "policies"),
    ],
    ids=["time", "task", "name", "policies"],
)
async def test_a_token_of_another_task_lives_on(
    client: Client, extra: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    bystander = await client.token(policies=["default"], meta={"task_id": "t-9"}, display_name="mine")
    target = client.target()
    with pytest.raises(RefusedError, match=words):
        await target.revoke(command({**accessor(bystander), **extra}, **fields), 0)
    assert await client.works(bystander["client_token"])
    await target.close()


async def test_it_never_revokes_itself(client: Client) -> None:
    own = await client.ask(client.revoker_file.read_text(), "GET", "auth/token/lookup-self")
    target = client.target()
    with pytest.raises(RefusedError, match="own token"):
        await target.revoke(command(accessor(own[1]["data"])), 0)
    await target.close()


async def test_a_batch_token_has_nothing_to_revoke_it_by(client: Client) -> None:
    batch = await client.token(type="batch", policies=["default"], no_parent=True, ttl="1h")
    assert batch["accessor"] == ""
    target = client.target()
    with pytest.raises(RefusedError, match="batch token cannot be revoked"):
        target.plan(command({"method": "none", "reason": "a batch token cannot be revoked"}))
    assert await client.works(batch["client_token"])
    await target.close()


async def test_a_lease_is_gone_after_and_its_neighbour_is_not(client: Client) -> None:
    await client.root("POST", "leased/app", {"value": "x", "ttl": "1h"})
    leases = [(await client.root("GET", "leased/app"))["lease_id"] for _ in range(2)]
    target = client.target()
    asked = command({"method": "revoke-lease", "lease_id": leases[0]})
    assert (await target.probe(asked)).state == "live"
    await target.revoke(asked, 0)
    seen = await target.probe(asked)
    assert (seen.state, seen.control) == ("absent", True)
    looked = await client.root("POST", "sys/leases/lookup", {"lease_id": leases[1]})
    assert parse_rfc3339(looked["data"]["issue_time"]) > time.time_ns() - 100 * SECOND
    with pytest.raises(RefusedError, match="another time"):
        await target.revoke(
            command(
                {"method": "revoke-lease", "lease_id": leases[1]}, issued_at=time.time_ns() - 900 * SECOND
            ),
            0,
        )
    await target.close()


async def test_a_revoker_without_the_policy_proves_nothing(client: Client) -> None:
    token, poor = await client.token(policies=["default"]), await client.token(policies=["default"])
    client.revoker_file.write_text(poor["client_token"])
    target = client.target()
    with pytest.raises(RefusedError, match=r"vault\.hcl"):
        await target.probe(command(accessor(token)))
    await target.close()


async def test_the_policy_allows_no_more_than_the_target_does(client: Client) -> None:
    token = client.revoker_file.read_text()
    refused = [
        ("POST", "auth/token/create", {}),
        ("POST", "auth/token/lookup", {"token": token}),
        ("POST", "auth/token/revoke", {"token": "x"}),
        ("POST", "auth/token/renew-self", {}),
        ("POST", "sys/leases/revoke-prefix/leased", {}),
        ("POST", "sys/leases/revoke-force/leased", {}),
        ("GET", "leased/app", None),
        ("GET", "sys/policies/acl/curfewd-revoke", None),
        ("GET", "sys/mounts", None),
    ]
    assert [(await client.ask(token, *each))[0] for each in refused] == [403] * len(refused)
