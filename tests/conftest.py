"""What tests of more than one module start: real servers, once a session, when the first test asks for one."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from tests.broker import Cluster
from tests.browser import launched
from tests.revoke.servers import KeycloakServer, OAuthServer, Postgres, RedisServer

# How long an example takes says nothing about the code on a busy machine.
settings.register_profile("curfewd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("curfewd")

# The commands that tests start keep the bytecode of the package: half a second of CPU each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# What a test needs that takes long to start follows from its fixtures: no test has to say it again.
MARKS: Final = {
    "broker": {"broker", "secure", "guarded", "three", "upgraded", "live_demo", "loop_demo"},
    "browser": {"browser"},
    "clusters": {"keycloak_server", "kubernetes", "vault"},
    "servers": {"loop_demo", "oauth_server", "postgres", "redis_server"},
}


@pytest.hookimpl(tryfirst=True)  # `-m` selects by these marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by their fixtures, and spreads those with a broker over two of four workers.

    Each worker starts with a slice of the tests, and takes some of another's when it is done. In alphabetical order all
    tests that wait for brokers would come last, and the processors would be idle.
    """
    for item in items:
        for mark, fixtures in MARKS.items():
            if fixtures.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(mark)
    waiting = [item for item in items if item.get_closest_marker("broker")]
    busy = [item for item in items if not item.get_closest_marker("broker")]
    part = len(waiting) // 2
    rest = max(0, len(items) // 2 - part)
    items[:] = [*waiting[:part], *busy[:rest], *waiting[part:], *busy[rest:]]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests share it: each makes topics and groups of its own."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL with pgaudit. Tests share it: each makes roles of its own, and starts it again if it stops it."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def oauth_server() -> Iterator[OAuthServer]:
    """An OAuth 2 server. Tests share it: each gets tokens of its own."""
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Redis with users in an ACL file. Tests share it: each makes users of its own, and starts it again if it stops it."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def keycloak_server() -> Iterator[KeycloakServer]:
    """A Keycloak. Tests share it: each gets tokens of its own."""
    with KeycloakServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. Tests share it: each opens pages in a profile of its own."""
    async with launched() as chromium:
        yield chromium
