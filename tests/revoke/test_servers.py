"""The servers that tests start: that they are what the tests take them for."""

import asyncpg
import pytest

from tests.revoke.servers import Postgres


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
