"""How the brokers are reached, as every client of this package takes it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.configuration.kafka_settings import Security
from detector.kafka.security import security_options

MILLI: Final = 1000


class ConnectionSettings(msgspec.Struct, frozen=True):
    """The brokers, and how long they may take to answer.

    `security` is what aiokafka takes for TLS and SASL, as `security_options` makes it. `cert_file` is our certificate:
    an error can then say that it has expired.
    """

    bootstrap: str | tuple[str, ...]
    client_id: str = "curfewd"
    security: Mapping[str, Any] = {}
    cert_file: str | None = None
    request_seconds: float = 15.0
    metadata_seconds: float = 30.0

    @property
    def addresses(self) -> tuple[str, ...]:
        """Each `host:port` to begin with; a text has them between commas."""
        return tuple(self.bootstrap.split(",")) if isinstance(self.bootstrap, str) else self.bootstrap

    @property
    def user(self) -> str:
        """Whom the brokers take us for, as far as we can tell: only they know whom a certificate or token names."""
        if "sasl_plain_username" in self.security:
            return str(self.security["sasl_plain_username"])
        if "sasl_oauth_token_provider" in self.security:
            return "that the token names"
        return "ANONYMOUS" if self.cert_file is None else f"that the certificate {self.cert_file} names"

    def client_options(self, *, extra_seconds: float = 0.0) -> dict[str, Any]:
        """What aiokafka's consumers, producers and admin clients take for the connection.

        A request may take `extra_seconds` longer than `request_seconds`.
        """
        return {
            "bootstrap_servers": list(self.addresses),
            "client_id": self.client_id,
            "request_timeout_ms": int((self.request_seconds + extra_seconds) * MILLI),
            "metadata_max_age_ms": int(self.metadata_seconds * MILLI),
            **self.security,
        }


def secured(
    bootstrap: tuple[str, ...], security: Security, *, client_id: str, request_seconds: float
) -> ConnectionSettings:
    """The connection to brokers that ask for TLS or SASL, or for neither.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    return ConnectionSettings(
        bootstrap=bootstrap,
        client_id=client_id,
        security=security_options(security),
        cert_file=security.cert_file,
        request_seconds=request_seconds,
    )
