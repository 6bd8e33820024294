"""The `[service]` table: the ports, the log and the disk of the service."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.configuration.fields import (
    FILE,
    FLAG,
    Field,
    FieldReader,
    ValueType,
    duration_between,
    one_of,
    text,
    whole_number,
)
from detector.configuration.secret_references import secret_of_file, secret_of_variable
from detector.configuration.urls import loopback
from detector.values.secrets import Secret
from detector.values.times import HOUR, MINUTE

VIEW_TOKEN_VARIABLE: Final = "CURFEWD_VIEW_TOKEN"  # noqa: S105 - a variable's name
_PORTS: Final = range(65536)
_SHORTEST_TOKEN: Final = 16
_TOKEN: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
)  # RFC 6750


class Address(msgspec.Struct, frozen=True):
    """The address of a socket that listens. Port 0 is any free port."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ServiceSettings(msgspec.Struct, frozen=True):
    """Everything under `[service]`. Durations are in ns; `state` is relative to the configuration's folder.

    `worker` is the number of a process among `workers`, None if it is the only one.
    Without a `view_token` the live view is open, but only to this machine.
    """

    listen: Address = Address("127.0.0.1", 9464)
    probes: Address = Address("127.0.0.1", 9465)
    log_format: str = "auto"
    log_level: str = "info"
    state: str = "curfewd-state"
    cache_size: int = 100_000
    store_memory_bytes: int = 128 << 20
    ready_lag: int = MINUTE
    registry_snapshot: int = HOUR
    standbys: int = 0
    workers: int = 1
    worker: int | None = None
    view: bool = False
    view_token: Secret | None = None
    warnings: tuple[str, ...] = ()


def _address(value: Any) -> Address:
    host, _, port = text(value).rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    wrong = not bare or not port.isascii() or not port.isdecimal() or int(port) not in _PORTS
    if wrong or (":" in host and bare == host) or any(c in host for c in "/@ "):
        raise ValueError('write "host:port", an IPv6 address in brackets')
    return Address(bare, int(port))


ADDRESS: Final = ValueType("host:port", _address)
SERVICE_FIELDS: Final = {
    "listen": Field(
        ADDRESS,
        "address of /metrics and the live view. The metrics have no login: whoever reaches the port can read them",
        '"127.0.0.1:9464"',
    ),
    "probes": Field(
        ADDRESS,
        "address of /healthz and /readyz, for whoever restarts the process; nobody else needs to reach it",
        '"127.0.0.1:9465"',
    ),
    "log_format": Field(
        one_of("auto", "json", "console"),
        "format of the log on standard error; `auto` is `console` on a terminal, else `json`",
        '"auto"',
    ),
    "log_level": Field(
        one_of("debug", "info", "warning", "error"),
        "lowest level to log; `debug` has a line for each partition that comes and goes",
        '"info"',
    ),
    "state": Field(
        FILE,
        "folder for the judge stage's store, a copy of the `state` topic, and for a snapshot of the registry; created if "
        "missing",
        '"curfewd-state"',
    ),
    "cache_size": Field(
        whole_number(1000, 100_000_000),
        "entries of state kept in memory for each partition of `work`, about 2 KB each; the rest is on disk",
        "100000",
    ),
    "store_memory_bytes": Field(
        whole_number(1 << 25, 1 << 40),
        "bytes in memory for all stores of a process together: half of them for what is not on disk yet, the rest for "
        "what was read; [what else it holds](sizing.md#memory)",
        "134217728",
    ),
    "ready_lag": Field(
        duration_between("1s", "24h"), "how far behind a stage may be and still count as ready", '"1min"'
    ),
    "registry_snapshot": Field(
        duration_between("0s", "6h"),
        "how often to write a snapshot of the registry, from which the next start resumes instead of reading the whole "
        "`registry` topic; `0s`: never",
        '"1h"',
    ),
    "standbys": Field(
        whole_number(0, 8),
        "how many other processes of the judge stage keep a copy of a partition's state and go on from it when its process "
        "is gone; each copy takes the disk of the state once more",
        "0",
    ),
    "workers": Field(
        whole_number(1, 256),
        "processes that share the work behind these ports, each with a registry of its own in memory; as many as there "
        "are cores for them. The live view and approvals need 1",
        "1",
    ),
    "view": Field(
        FLAG,
        "whether to serve the live view at /view: findings and commands as they come. Without a token, `listen` has to "
        "be a loopback address",
        "false",
    ),
    "view_token_file": Field(
        FILE,
        f"file with the token for the live view; {VIEW_TOKEN_VARIABLE} does the same",
    ),
}


def read_service(reader: FieldReader, value: Any, environ: Mapping[str, str]) -> ServiceSettings:
    """The settings that can be read. A view that others could open without a token is an error."""
    values = reader.fields(reader.table(value, "service"), SERVICE_FIELDS, "service")
    if "state" in values:
        values["state"] = str(reader.folder / values["state"])
    token_file = values.pop("view_token_file", None)
    settings = ServiceSettings(**values)
    if settings.probes == settings.listen and settings.probes.port:
        reader.fail(f"service.probes: {settings.probes} is service.listen too", "service", "probes")
    if not settings.view:
        return settings
    if settings.workers > 1:
        reader.fail("service.view: it shows one process, so it needs workers = 1", "service", "view")
    unmet = len(reader.unmet)
    token = _view_token(reader, token_file, environ)
    warnings: tuple[str, ...] = ()
    if not settings.listen.loopback:
        if token is None and len(reader.unmet) == unmet:
            reader.missing(
                f"{settings.listen} can be reached from elsewhere: set view_token_file or {VIEW_TOKEN_VARIABLE}, or "
                "listen on 127.0.0.1",
                "service",
                "view",
            )
        warnings = (
            f"service.view: on {settings.listen} the token and the view are sent in the clear; put TLS in front of it",
        )
    return msgspec.structs.replace(settings, view_token=token, warnings=warnings)


def _view_token(reader: FieldReader, token_file: str | None, environ: Mapping[str, str]) -> Secret | None:
    if token_file is not None:
        keys: tuple[str, str] = ("service", "view_token_file")
        token = secret_of_file(reader, token_file, *keys)
    elif VIEW_TOKEN_VARIABLE in environ:
        keys = ("service", "view")
        token = secret_of_variable(reader, VIEW_TOKEN_VARIABLE, environ, *keys)
    else:
        return None
    # A header must be able to carry it, and nobody may guess it.
    if token is not None and (len(token) < _SHORTEST_TOKEN or not _TOKEN.issuperset(token.reveal())):
        reader.missing(
            f"the view's token needs at least {_SHORTEST_TOKEN} characters, letters, digits and -._~+/= alone; "
            "`openssl rand -hex 32` makes one",
            *keys,
        )
    return token
