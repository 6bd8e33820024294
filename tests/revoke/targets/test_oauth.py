"""OAuth 2 against oidc-provider, a real authorization server. The token's state is asked as a resource server asks."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, Target, UnavailableError
from detector.revoke.targets.oauth import OAuth, OAuthOptions
from detector.values.times import SECOND
from tests.revoke.servers import OAuthServer
from tests.revoke.servers.oauth import secret
from tests.revoke.targets.commands import command
from tests.revoke.targets.hostile_server import answer, answering

Make = Callable[..., OAuth]


class Kept:
    """The folder in which the issuer of the tests keeps tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, token: str, name: str = "run-7", refresh: str | None = None) -> RevocationCommand:
        (self.folder / name).write_text(token)
        if refresh is not None:
            (self.folder / f"{name}.refresh").write_text(refresh)
        return asked(token_name=name)


def asked(issued_at: int | None = 0, **fields: Any) -> RevocationCommand:
    revocation = {"provider": "oauth", "method": "rfc7009", "client_id": "task", **fields}
    return command(revocation) if issued_at == 0 else command(revocation, issued_at=issued_at)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    (tmp_path / "tokens").mkdir()
    return Kept(tmp_path / "tokens")


@pytest_asyncio.fixture
async def target(oauth_server: OAuthServer, kept: Kept, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[OAuth] = []

    def make(client: str = "revoker", control: str | None = None, **options: Any) -> OAuth:
        (tmp_path / client).write_text(secret(client))
        values: dict[str, Any] = {
            "url": oauth_server.issuer,
            "client_id": client,
            "client_secret_file": str(tmp_path / client),
            "token_folder": str(kept.folder),
            "revocation_path": "/token/revocation",
            "introspection_path": "/token/introspection",
        }
        if control is not None:
            (tmp_path / "control").write_text(control)
            values["control_token_file"] = str(tmp_path / "control")
        made.append(OAuth(msgspec.convert(values | options, OAuthOptions)))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def test_it_is_a_target(target: Make) -> None:
    made: Target = target()
    assert made.accepts(asked())
    assert not made.accepts(command({"provider": "vault", "method": "revoke-accessor"}))


async def test_a_token_that_worked_is_dead_after_and_a_control_goes_on(
    oauth_server: OAuthServer, kept: Kept, target: Make
) -> None:
    token, control = oauth_server.token(), oauth_server.token()
    asking, oauth = kept.keep(token), target(control=control)
    assert oauth.plan(asking).steps[0].words.startswith("hand in the token run-7 at 127.0.0.1:")
    assert (await oauth.probe(asking)).state == "live"
    assert oauth_server.active(token)
    assert "proves nothing" in await oauth.revoke(asking, 0)
    seen = await oauth.probe(asking)
    assert (seen.state, seen.control) == ("dead", True)
    assert not oauth_server.active(token)
    assert oauth_server.active(control)
    await oauth.revoke(asking, 0)  # again, as after a crash: it harms nothing
    assert (await oauth.probe(asking)).state == "dead"


async def test_after_a_crash_a_dead_token_is_known_by_the_control_only(
    oauth_server: OAuthServer, kept: Kept, target: Make
) -> None:
    token = oauth_server.token()
    asking = kept.keep(token)
    oauth_server.post("/token/revocation", "revoker", token=token)
    assert (await target().probe(asking)).state == "unknown"
    assert (await target(control=oauth_server.token()).probe(asking)).state == "dead"
    blind = await target("blind", control=oauth_server.token()).probe(asking)
    assert (blind.state, blind.control) == ("unknown", False)


async def test_inactive_proves_nothing_to_a_client_that_may_not_ask(
    oauth_server: OAuthServer, kept: Kept, target: Make
) -> None:
    token = oauth_server.token()
    seen = await target("blind").probe(kept.keep(token))
    assert seen.state == "unknown"
    assert oauth_server.active(token)


async def test_200_proves_nothing(oauth_server: OAuthServer, kept: Kept, target: Make) -> None:
    token = oauth_server.token()
    asking, mute = kept.keep(token), target("mute")
    await mute.probe(asking)
    await mute.revoke(asking, 0)
    assert (await mute.probe(asking)).state == "live"
    assert oauth_server.active(token)


async def test_a_refresh_token_goes_first_and_takes_its_grant_along(
    oauth_server: OAuthServer, kept: Kept, target: Make
) -> None:
    access, refresh = oauth_server.grant()
    asking, oauth = kept.keep(access, refresh=refresh), target()
    assert (await oauth.probe(asking)).state == "live"
    assert oauth_server.userinfo(access) == 200
    assert await oauth.revoke(asking, 0) == (
        "handed in access_token and refresh_token; the server answered 200, which proves nothing yet"
    )
    assert (await oauth.probe(asking)).state == "dead"
    assert oauth_server.userinfo(access) == 401
    assert not oauth_server.active(refresh)


async def test_a_forged_command_cannot_aim_it_at_another_token(
    oauth_server: OAuthServer, kept: Kept, target: Make
) -> None:
    token, oauth = oauth_server.token(), target()
    kept.keep(token)
    for forged, reason in (
        (asked(token_name="run-7", client_id="other"), "another client"),
        (asked(token_name="run-7", issued_at=1), "another time"),
        (asked(token_name="run-7", issued_at=None), "nothing shows whose"),
        (command({"provider": "oauth", "token_name": "run-7"}), "nothing shows whose"),
        (asked(token_name="run-8"), "keeps no token"),
    ):
        with pytest.raises(RefusedError, match=reason):
            await oauth.probe(forged)
    access, refresh = oauth_server.grant()
    oauth_server.post("/token/revocation", "revoker", token=token)
    asking = kept.keep(token, refresh=refresh)
    with pytest.raises(RefusedError, match="whose refresh token"):
        await oauth.probe(asking)
    assert oauth_server.active(access)


def jwt(**claims: Any) -> str:
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.c2lnbmF0dXJl"


async def test_a_kept_jwt_with_another_jti_is_another_token(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    body = json.dumps({"active": False}).encode()
    async with answering(answer("200 OK", body)) as server:
        options = {"url": server.url, "client_id": "c", "client_secret_file": str(tmp_path / "secret")}
        oauth = OAuth(msgspec.convert(options | {"token_folder": str(kept.folder)}, OAuthOptions))
        kept.keep(jwt(jti="a", azp="task", iat=1), "a")
        assert (await oauth.probe(asked(jti="a"))).state == "unknown"
        kept.keep(jwt(jti="b", azp="task", iat=1), "a")
        with pytest.raises(RefusedError, match="another jti"):
            await oauth.probe(asked(jti="a"))
        await oauth.close()


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", ".hidden", "/etc/passwd", "a\x00", "x" * 300, "tür", 7, None, ["a"]]
)
def test_no_name_leads_out_of_the_folder(target: Make, name: Any) -> None:
    with pytest.raises(RefusedError, match="can name a file"):
        target().plan(asked(token_name=name))


def test_it_says_what_to_configure_for_a_bare_jti(target: Make) -> None:
    with pytest.raises(RefusedError, match="set token_folder"):
        target(token_folder=None).plan(asked(jti="abc"))
    with pytest.raises(RefusedError, match="another server"):
        target().plan(asked(jti="abc", issuer="https://other.example"))


async def test_a_server_that_revokes_for_the_tokens_own_client_only_is_named(
    kept: Kept, target: Make, tmp_path: Path
) -> None:
    kept.keep("opaque")
    for error, reason in (("invalid_request", "credentials of the client"), ("a-token-perhaps", "HTTP 400")):
        refusal = answer("400 Bad Request", json.dumps({"error": error}).encode())
        async with answering(refusal) as server:
            oauth = target(url=server.url)
            with pytest.raises(RefusedError, match=reason) as raised:
                await oauth.revoke(asked(token_name="run-7"), 0)
            assert "perhaps" not in str(raised.value)
    with pytest.raises(UnavailableError, match="revocation_path"):
        await target(revocation_path="/nowhere").revoke(asked(token_name="run-7"), 0)
    made = target()
    (tmp_path / "revoker").write_text("wrong")
    with pytest.raises(UnavailableError, match="own token"):
        await made.revoke(asked(token_name="run-7"), 0)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"active": "no"}', b'{"active": 0}', b"{}", b"<html>"])
async def test_an_answer_that_does_not_say_active_is_no_proof(kept: Kept, target: Make, body: bytes) -> None:
    asking = kept.keep("opaque")
    async with answering(answer("200 OK", body)) as server:
        with pytest.raises(UnavailableError):
            await target(url=server.url).probe(asking)


async def test_a_server_that_echoes_the_token_is_not_quoted(kept: Kept, target: Make) -> None:
    token = "opaque-token-that-must-not-be-shown"
    asking = kept.keep(token)
    for status in (
        "200 OK",
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "500 Internal Server Error",
    ):
        async with answering(answer(status, token.encode(), Location=token)) as server:
            oauth = target(url=server.url)
            for call in (oauth.probe(asking), oauth.revoke(asking, 0)):
                try:
                    said = str(await call)
                except (RefusedError, UnavailableError) as error:
                    said = str(error)
                assert token not in said


async def test_clocks_may_differ_a_little(oauth_server: OAuthServer, kept: Kept, target: Make) -> None:
    asking = kept.keep(oauth_server.token())
    assert asking.issued_at is not None
    late = msgspec.structs.replace(asking, issued_at=asking.issued_at - 50 * SECOND)
    assert (await target().probe(late)).state == "live"
