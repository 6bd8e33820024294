"""IP addresses and networks as numbers, so that many can be compared quickly.

An IPv4-mapped IPv6 address (`::ffff:203.0.113.9`) counts as IPv4. A port behind an address is no part of it.
"""

import ipaddress
import re  # one anchored pattern without a repeat in a repeat, over a text of at most 72 characters
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

_CACHE_SIZE: Final = 65_536
_LONGEST_ADDRESS: Final = 64  # IPv6 with a zone or a prefix length
_LONGEST_ENDPOINT: Final = _LONGEST_ADDRESS + len("[]:65535")
_LAST_PORT: Final = 65_535
_ENDPOINT: Final = re.compile(r"(?:\[([^\[\]]*:[^\[\]]*)\]|([0-9.]+)(?=:))(?::([0-9]{1,5}))?")
_IPV4_MAPPED_BITS: Final = 96  # ::ffff:0:0/96 holds the IPv4-mapped addresses
IPV4, IPV6 = 4, 6
BITS: Final = {IPV4: 32, IPV6: 128}

Address: TypeAlias = tuple[int, int]  # version, number
Network: TypeAlias = tuple[int, int, int]  # version, network, shift


def address_of(text: str) -> Address | None:
    """(version, number) of an IP address, an IPv4-mapped one as IPv4. None if the text is not an address.

    The text may have a port, as `split_port` reads it.
    """
    return _address_of(text) if len(text) <= _LONGEST_ENDPOINT else None


def split_port(text: str) -> tuple[str, int | None]:
    """The parts of `10.1.2.3:5555` or `[2001:db8::1]:443`; any other text as it is, without a port.

    `2001:db8::1:443` is an address: a port behind IPv6 needs the brackets.
    """
    match = _ENDPOINT.fullmatch(text) if len(text) <= _LONGEST_ENDPOINT else None
    if match is None:
        return text, None
    port = None if match[3] is None else int(match[3])
    return (text, None) if port is not None and port > _LAST_PORT else (match[1] or match[2], port)


@lru_cache(maxsize=_CACHE_SIZE)
def _address_of(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(split_port(text)[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


def network_of(cidr: str) -> Network | None:
    """A CIDR network or a single address, an IPv4-mapped one as IPv4. None if the text is neither."""
    if len(cidr) > _LONGEST_ADDRESS:
        return None
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None
    first, prefix = network.network_address, network.prefixlen
    if isinstance(first, ipaddress.IPv6Address):
        if first.ipv4_mapped is not None and prefix >= _IPV4_MAPPED_BITS:
            shift = 128 - prefix
            return IPV4, int(first.ipv4_mapped) >> shift, shift
        return IPV6, int(first) >> (128 - prefix), 128 - prefix
    return IPV4, int(first) >> (32 - prefix), 32 - prefix


def network_around(address: Address, prefix: int) -> str:
    """The network of an address in CIDR notation: the address with all but the first `prefix` bits cleared."""
    version, number = address
    shift = BITS[version] - prefix
    first: ipaddress.IPv4Address | ipaddress.IPv6Address
    first = (ipaddress.IPv4Address if version == IPV4 else ipaddress.IPv6Address)(number >> shift << shift)
    return f"{first}/{prefix}"


class NetworkSet:
    """A set of networks. Asking whether it has an address costs one bisection, however many there are.

    Sets of equal texts are equal.
    """

    __slots__ = ("_lasts", "_starts", "cidrs")

    def __init__(self, cidrs: Iterable[str] = ()) -> None:
        """Takes networks and single addresses.

        Raises:
            ValueError: one is neither.
        """
        self.cidrs = tuple(cidrs)
        ranges: dict[int, list[tuple[int, int]]] = {IPV4: [], IPV6: []}
        for cidr in self.cidrs:
            network = network_of(cidr)
            if network is None:
                raise ValueError(f"{cidr[:_LONGEST_ADDRESS]!r} is not a network such as 203.0.113.0/24")
            version, prefix, shift = network
            ranges[version].append((prefix << shift, (prefix + 1 << shift) - 1))
        self._starts: dict[int, list[int]] = {}
        self._lasts: dict[int, list[int]] = {}  # the last address of each range, by version
        for version, found in ranges.items():
            starts: list[int] = []
            lasts: list[int] = []
            for start, last in sorted(found):
                if lasts and start <= lasts[-1] + 1:
                    lasts[-1] = max(lasts[-1], last)
                else:
                    starts.append(start)
                    lasts.append(last)
            self._starts[version], self._lasts[version] = starts, lasts

    def has(self, address: Address) -> bool:
        """Whether one of the networks has this address."""
        version, number = address
        at = bisect_right(self._starts[version], number)
        return at > 0 and number <= self._lasts[version][at - 1]

    def has_all(self, version: int) -> bool:
        """Whether the networks cover all addresses of a family."""
        return self._starts[version] == [0] and self._lasts[version] == [(1 << BITS[version]) - 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkSet) and self.cidrs == other.cidrs

    def __hash__(self) -> int:
        return hash(self.cidrs)

    def __repr__(self) -> str:
        return f"NetworkSet({list(self.cidrs)!r})"
