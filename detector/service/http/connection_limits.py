"""Which connections of a port stay: a number in all, and a share of it for each client.

A new connection is never turned away: the one that has waited longest for its client goes instead. So a client that
opens connections and asks nothing cuts off its own, and a request that comes beside them is answered.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Final, Generic, Literal, TypeVar

import msgspec

_T = TypeVar("_T")
_SITE_BITS: Final = 64  # of an IPv6 address: who has one has the other 64 too

Refusal = Literal[
    "share", "full", "slow-request", "slow-reader", "too-long", "malformed", "unread-body"
]  # docs/metrics.md says what each means


class Limits(msgspec.Struct, frozen=True):
    """How many connections a port has, and how many of them one client.

    A connection is closed after so many `requests`, or when it brings none for `idle_seconds`; None: the port's own.
    """

    connections: int
    share: int
    requests: int | None = None
    idle_seconds: float | None = None


class Refused(msgspec.Struct, frozen=True):
    """A connection that was cut off or a request that was refused, of which client and why."""

    reason: Refusal
    client: str


class OpenConnections(Generic[_T]):
    """The connections of a port, the one that made no progress for longest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._clients: dict[_T, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[_T]:
        return iter(tuple(self._clients))

    def admit(self, connection: _T, client: str) -> tuple[_T, str, Refusal] | None:
        """Takes a new connection. Gives the one that has to go for it, its client and why; None if there is room."""
        going: tuple[_T, str, Refusal] | None = None
        if self._counts[client] >= self._limits.share:
            going = (*self._oldest(self._counts[client], client), "share")
        elif len(self._clients) >= self._limits.connections:
            going = (*self._oldest(max(self._counts.values())), "full")
        if going is not None:
            self.remove(going[0])
        self._clients[connection] = client
        self._counts[client] += 1
        return going

    def progressed(self, connection: _T) -> None:
        """A request has arrived whole: the connection is as good as new."""
        client = self._clients.pop(connection, None)
        if client is not None:
            self._clients[connection] = client

    def remove(self, connection: _T) -> None:
        """The connection ended, or counts no longer."""
        client = self._clients.pop(connection, None)
        if client is not None:
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client]

    def _oldest(self, count: int, client: str | None = None) -> tuple[_T, str]:
        """The oldest connection of a client, or of any client that has so many."""
        return next(
            (each, owner)
            for each, owner in self._clients.items()
            if (self._counts[owner] == count if client is None else owner == client)
        )


def client_of(host: str) -> str:
    """Whom an address stands for: an IPv6 client has a whole /64, and an IPv4 address may be written as IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _SITE_BITS), strict=False))
