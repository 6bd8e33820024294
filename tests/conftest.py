"""What tests of more than one module start: a real broker, once a session, when the first test asks for it."""

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
