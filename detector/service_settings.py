"""The `[service]` table: what the process itself needs beside Kafka - its port, its logs, its disk."""

from typing import Any, Final

import msgspec

from detector.fields import FILE, Field, Kind, between, one_of, text, whole
from detector.times import MINUTE

_PORTS: Final = range(65536)


class Address(msgspec.Struct, frozen=True):
    """Where a socket listens. Port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ServiceSettings(msgspec.Struct, frozen=True):
    """Everything under `[service]`. `caught_up` is in ns; `state` is resolved against the configuration's folder."""

    listen: Address = Address("127.0.0.1", 9464)
    log_format: str = "auto"
    log_level: str = "info"
    state: str = "curfewd-state"
    cached: int = 100_000
    caught_up: int = MINUTE


def _address(value: Any) -> Address:
    host, _, port = text(value).rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    wrong = not bare or not port.isascii() or not port.isdecimal() or int(port) not in _PORTS
    if wrong or (":" in host and bare == host) or any(c in host for c in "/@ "):
        raise ValueError('write "host:port", an IPv6 address in brackets')
    return Address(bare, int(port))


SERVICE_FIELDS: Final = {
    "listen": Field(
        Kind("host:port", _address),
        "where /metrics, /healthz and /readyz are served, to anyone who can reach it: there is no login",
        '"127.0.0.1:9464"',
    ),
    "log_format": Field(
        one_of("auto", "json", "console"),
        "of the log on standard error; auto is console on a terminal, else json",
        '"auto"',
    ),
    "log_level": Field(
        one_of("debug", "info", "warning", "error"), "the least severe that is logged", '"info"'
    ),
    "state": Field(
        FILE,
        "folder for the judge stage's state, a copy of the state topic; made if missing",
        '"curfewd-state"',
    ),
    "cached": Field(
        whole(1000, 100_000_000),
        "things kept in memory for each partition of work, about 2 KB each; the rest is on disk",
        "100000",
    ),
    "caught_up": Field(
        between("1s", "24h"), "how far behind a stage may be and still count as ready", '"1min"'
    ),
}
