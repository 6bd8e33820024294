"""The servers, once a session."""

from collections.abc import Iterator

import pytest

from tests.clusters.servers import KubernetesServer, VaultServer


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[KubernetesServer]:
    """An API server. Tests share it: each makes a namespace of its own."""
    with KubernetesServer() as server:
        yield server


@pytest.fixture(scope="session")
def vault() -> Iterator[VaultServer]:
    """A Vault, with the policy of deploy/revoke."""
    with VaultServer() as server:
        yield server
