"""Keycloak itself: sessions, offline sessions and service accounts, and what its introspection tells a third client."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.keycloak import Keycloak, KeycloakOptions
from detector.values.times import SECOND
from tests.revoke.servers.keycloak import REALM, REVOKER, KeycloakServer
from tests.revoke.targets.commands import command

Make = Callable[..., Keycloak]


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def asked(token: str, **fields: Any) -> RevocationCommand:
    """What the adapter makes of the token."""
    of = claims(token)
    handle = {"provider": "oauth", "method": "rfc7009", "issuer": of["iss"], "client_id": of["azp"]}
    handle |= {"jti": of["jti"], "session_id": of.get("sid"), "user_id": of["sub"]} | fields
    given = {name: value for name, value in handle.items() if value is not None}
    return command(given, issued_at=of["iat"] * SECOND)


@pytest_asyncio.fixture
async def target(keycloak_server: KeycloakServer, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Keycloak] = []

    def make(**options: Any) -> Keycloak:
        (tmp_path / "secret").write_text(f"{REVOKER}-secret")
        values: dict[str, Any] = {
            "url": keycloak_server.url,
            "realm": REALM,
            "client_id": REVOKER,
            "client_secret_file": str(tmp_path / "secret"),
        }
        made.append(Keycloak(msgspec.convert(values | options, KeycloakOptions)))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_a_session_is_ended_and_another_goes_on(keycloak_server: KeycloakServer, target: Make) -> None:
    token, control = keycloak_server.session_token(), keycloak_server.session_token()
    command_, keycloak = asked(token), target()
    assert keycloak.accepts(command_)
    assert "end the session" in keycloak.plan(command_).steps[0].words
    seen = await keycloak.probe(command_)
    assert (seen.state, seen.found) == ("live", {"username": "ann"})
    assert (keycloak_server.userinfo(token), keycloak_server.active(token)) == (200, True)
    await keycloak.revoke(command_, 0)
    assert (await keycloak.probe(command_)).state == "absent"
    assert (keycloak_server.userinfo(token), keycloak_server.active(token)) == (401, False)
    assert (keycloak_server.userinfo(control), keycloak_server.active(control)) == (200, True)
    assert "HTTP 404" in await keycloak.revoke(command_, 0)


async def test_introspection_calls_a_live_token_inactive_for_whoever_is_not_in_its_audience(
    keycloak_server: KeycloakServer,
) -> None:
    token = keycloak_server.session_token()
    assert not keycloak_server.active(token, "resource")
    assert keycloak_server.active(token, "task")
    assert keycloak_server.userinfo(token) == 200


async def test_an_offline_session_is_found_and_ended(keycloak_server: KeycloakServer, target: Make) -> None:
    token = keycloak_server.session_token("openid offline_access")
    command_, keycloak = asked(token), target()
    assert (await keycloak.probe(command_)).state == "live"
    await keycloak.revoke(command_, 0)
    assert (await keycloak.probe(command_)).state == "absent"
    assert not keycloak_server.active(token)


async def test_a_service_account_is_logged_out_if_that_is_allowed(
    keycloak_server: KeycloakServer, target: Make
) -> None:
    token = keycloak_server.service_token()
    command_ = asked(token)
    with pytest.raises(RefusedError, match="whole_users"):
        target().plan(command_)
    keycloak = target(whole_users=True)
    assert (await keycloak.probe(command_)).state == "live"
    started = time.monotonic()
    await keycloak.revoke(command_, 0)  # maybe in the very second of the issue
    assert time.monotonic() - started < 5
    assert (await keycloak.probe(command_)).state == "dead"
    assert not keycloak_server.active(token)
    assert keycloak_server.active(keycloak_server.service_token())


async def test_a_forged_command_cannot_aim_it_at_another_session(
    keycloak_server: KeycloakServer, target: Make
) -> None:
    token, keycloak = keycloak_server.session_token(), target(whole_users=True)
    early = msgspec.structs.replace(asked(token), issued_at=time.time_ns() - 120 * SECOND)
    for forged, reason in (
        (asked(token, client_id="resource"), "not one of the client"),
        (asked(token, client_id="nobody"), "no such client"),
        (early, "began after"),
        (asked(token, user_id="00000000-0000-0000-0000-000000000000"), "no such user"),
        (asked(token, session_id=None), "neither the client's service account"),
        (msgspec.structs.replace(asked(token), issued_at=None), "no time of issue"),
    ):
        with pytest.raises(RefusedError, match=reason):
            await keycloak.probe(forged)
    for forged, reason in (
        (asked(token, client_id=REVOKER), "own client"),
        (asked(token, issuer="https://other.example/realms/ci"), "another realm"),
        (asked(token, session_id="../users"), "form"),
        (asked(token, user_id=None), "no `user_id`"),
    ):
        with pytest.raises(RefusedError, match=reason):
            keycloak.plan(forged)
    assert keycloak_server.active(token)


async def test_a_revoker_without_the_right_roles_says_which_it_needs(
    keycloak_server: KeycloakServer, target: Make, tmp_path: Path
) -> None:
    token = keycloak_server.session_token()
    (tmp_path / "other").write_text("resource-secret")
    weak = target(client_id="resource", client_secret_file=str(tmp_path / "other"))
    for call in (weak.probe(asked(token)), weak.revoke(asked(token), 0)):
        with pytest.raises(RefusedError, match="manage-users and view-clients"):
            await call
    (tmp_path / "other").write_text("wrong")
    with pytest.raises(UnavailableError, match="own token"):
        await target(client_secret_file=str(tmp_path / "other")).probe(asked(token))
    assert keycloak_server.active(token)


@pytest.mark.parametrize("role", ["manage-users", "view-clients"])
async def test_the_revoker_needs_each_role_of_its_policy(
    keycloak_server: KeycloakServer, target: Make, role: str
) -> None:
    token = keycloak_server.session_token()
    keycloak_server.revoker_roles("DELETE", role)
    try:
        with pytest.raises(RefusedError, match="manage-users and view-clients"):
            await target().probe(asked(token))
    finally:
        keycloak_server.revoker_roles("POST", role)
    assert (await target().probe(asked(token))).state == "live"
