"""The types of targets and their modules. Importing this loads none of them.

A module defines `TARGET`, a class of the protocol `detector.revoke.target.Target`, whose `name` is the type.
"""

from typing import Final

TARGET_MODULES: Final = {
    "vault": "vault",
    "aws": "aws",
    "google": "google",
    "azure": "azure",
    "kubernetes": "kubernetes",
    "oauth": "oauth",
    "keycloak": "keycloak",
    "github": "github",
    "gitlab": "gitlab",
    "postgresql": "postgresql",
    "redis": "redis",
    "minio": "minio",
    "webhook": "webhook",
    "shared-signals": "shared_signals",
    "program": "program",
}
LIBRARIES: Final = {"aws": "aiobotocore", "postgresql": "asyncpg", "redis": "redis", "minio": "minio"}
"""What asks the provider, by type; a plan asks nobody, and needs none of them."""
