"""Real servers on loopback at which credentials are revoked: started, stopped and killed by pid."""

from tests.revoke.servers.keycloak import KeycloakServer
from tests.revoke.servers.oauth import OAuthServer
from tests.revoke.servers.postgresql import Postgres
from tests.revoke.servers.process import ServerError
from tests.revoke.servers.redis import RedisServer

__all__ = ["KeycloakServer", "OAuthServer", "Postgres", "RedisServer", "ServerError"]
