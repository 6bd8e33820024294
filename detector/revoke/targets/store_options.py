"""What the targets of data stores have in common: how they are reached, and which cluster a command is for."""

from collections.abc import Iterable
from typing import Final

import msgspec

from detector.configuration.urls import loopback
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, State
from detector.revoke.targets.delays import Delay, delay_of

SECONDS_TO_PROVE: Final = 1.0
"""A step waits for the ends of sessions itself: what is still there after that began meanwhile."""
_LONGEST: Final = 120  # seconds


class Address(msgspec.Struct, frozen=True):
    """Where a server listens. Its text is for a person."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, port: int) -> "Address":
        """`HOST`, `HOST:PORT` or `[IPV6]:PORT`; `port` is the one that a text without any means.

        Raises:
            ValueError: it has another form.
        """
        host, colon, number = text.rpartition(":")
        if not colon or text.endswith("]") or (":" in host and not host.endswith("]")):
            host, number = text, str(port)
        host = host.removeprefix("[").removesuffix("]")
        if not host or not number.isascii() or not number.isdecimal() or not 0 < int(number) < 1 << 16:
            raise ValueError(f"{text}: write HOST or HOST:PORT")
        return cls(host, int(number))

    @property
    def local(self) -> bool:
        """Whether it is on this machine: nobody can listen on the way."""
        return loopback(self.host)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class StoreOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What each target of a data store may be told.

    - `password_file`: the revoker's password. It is read for each session, so it can be rotated.
    - `cluster`: the name that `revocation.cluster` of a command must have. Set it if you have more than one cluster.
    - `ca_file`: the authorities to trust, in PEM form; by default the system's. Without it, a server on this machine is
      spoken to in the clear.
    - `control_user`, `control_password_file`: a login that must go on working; it is tried with each probe.
    - `drop_after`: a duration after which the user is dropped; by default it is kept, so that a person can undo it.
    - `timeout`: seconds for one answer, at most 120.
    """

    password_file: str
    cluster: str = ""
    ca_file: str | None = None
    control_user: str | None = None
    control_password_file: str | None = None
    drop_after: Delay | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        """Checks what can be checked without asking anybody.

        Raises:
            ValueError: a value cannot be used.
        """
        if not 0 < self.timeout <= _LONGEST:
            raise ValueError("timeout: write seconds, more than 0 and at most 120")
        delay_of("drop_after", self.drop_after)
        if (self.control_user is None) != (self.control_password_file is None):
            raise ValueError("control_user and control_password_file: write both or none")

    @property
    def delay(self) -> float | None:
        """Seconds after which the user is dropped; None if it is kept."""
        return delay_of("drop_after", self.drop_after)

    def named(self, command: RevocationCommand, field: str) -> str:
        """The user, role or key of this cluster that a command names; empty if it is no text.

        Raises:
            RefusedError: the command is for another cluster: what is not here might live there.
        """
        if command.text("cluster") != self.cluster:
            raise RefusedError(
                "the command is for another cluster, or does not say for which: `cluster` of its revocation must be that"
                " of the target"
            )
        return command.text(field)


def state_of(servers: Iterable[State]) -> State:
    """How a credential is, by how it is at each of the servers that know their users themselves: the worst counts."""
    states = set(servers)
    return next(state for state in ("live", "unknown", "dead", "absent") if state in states)


def encodable(name: str) -> bytes:
    """A name as bytes; none if a server could not be asked for it."""
    try:
        return b"" if "\0" in name else name.encode()
    except UnicodeEncodeError:
        return b""
