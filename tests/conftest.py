"""What tests of more than one module start: a real broker, once a session, when the first test asks for it."""

from collections.abc import Iterator

import pytest

from tests.broker import Cluster


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node of Apache Kafka. Tests share it: each makes topics and groups of its own."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster
