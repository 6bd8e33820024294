"""What tests of more than one module start: a real broker, once a session, when the first test asks for it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.broker import Cluster

# How long an example takes says nothing about the code on a busy machine.
settings.register_profile("curfewd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("curfewd")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests share it: each makes topics and groups of its own."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster
