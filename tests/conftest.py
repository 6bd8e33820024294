"""What tests of more than one module start: a real broker, once a session, when the first test asks for it."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from tests.broker import Cluster
from tests.browser import launched

# How long an example takes says nothing about the code on a busy machine.
settings.register_profile("curfewd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("curfewd")

# The commands that tests start keep the bytecode of the package: half a second of CPU each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts what waits for brokers where two of four workers begin, beside two that compute all the while.

    Each worker gets a run of the tests and takes of another's end when it is done. In alphabetical order all the waiting
    is left for last, and the processors are idle.
    """
    waiting = [item for item in items if item.get_closest_marker("xdist_group")]
    busy = [item for item in items if not item.get_closest_marker("xdist_group")]
    part = len(waiting) // 2
    rest = max(0, len(items) // 2 - part)
    items[:] = [*waiting[:part], *busy[:rest], *waiting[part:], *busy[rest:]]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests share it: each makes topics and groups of its own."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. Tests share it: each opens pages in a profile of its own."""
    async with launched() as chromium:
        yield chromium
