"""The servers that tests start: that they are what the tests take them for."""

import asyncpg
import pytest

from tests.revoke.servers import OAuthServer, Postgres


async def test_postgresql_asks_for_passwords_and_audits(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await postgres.connect(password="a wrong one")
    session = await postgres.connect()
    try:
        assert await session.fetchval("SHOW shared_preload_libraries") == "pgaudit"
        await session.execute("CREATE ROLE of_the_servers_test")
        await session.execute("DROP ROLE of_the_servers_test")
    finally:
        await session.close()
    assert "AUDIT: SESSION" in (postgres.log_folder / "postgresql.log").read_text()


async def test_postgresql_comes_back_with_all_it_knew(postgres: Postgres) -> None:
    session = await postgres.connect()
    postgres.kill()
    with pytest.raises((asyncpg.PostgresError, ConnectionError, asyncpg.InterfaceError)):
        await session.fetchval("SELECT 1")
    postgres.start()
    session = await postgres.connect()
    assert await session.fetchval("SELECT 1") == 1
    await session.close()


def test_the_oauth_server_revokes_for_some_and_answers_200_to_all(oauth_server: OAuthServer) -> None:
    """RFC 7009 and 7662, as curfewd meets them: neither a 200 nor `active: false` proves anything alone."""
    token = oauth_server.token()
    assert oauth_server.active(token)
    assert not oauth_server.introspected(token, "blind")["active"]
    assert oauth_server.post("/token/revocation", "revoker", token="unknown") == {}
    assert oauth_server.post("/token/revocation", "mute", token=token) == {}
    assert oauth_server.active(token)
    assert oauth_server.post("/token/revocation", "revoker", token=token) == {}
    assert not oauth_server.active(token)


def test_a_revoked_refresh_token_takes_its_access_token_along(oauth_server: OAuthServer) -> None:
    access, refresh = oauth_server.grant()
    assert oauth_server.userinfo(access) == 200
    oauth_server.post("/token/revocation", "revoker", token=refresh)
    assert oauth_server.userinfo(access) == 401
