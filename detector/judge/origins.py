"""Where a credential comes from: in each address family, the address that it was issued to or first used from."""

from typing import NamedTuple

import msgspec

from detector.judge.time_order import Item, TimeOrder
from detector.values.events import CredentialIssued, CredentialUsed
from detector.values.networks import BITS, IPV4, Address, NetworkSet, address_of

_BEFORE_ALL = -(
    1 << 120
)  # earlier than any time that can be written: the issue's address comes before any use's


class NetworkPolicy(msgspec.Struct, frozen=True):
    """What counts as one network: addresses with the same first bits; and the networks that any use may come from."""

    ipv4_prefix: int = 24
    ipv6_prefix: int = 48
    expected: NetworkSet = NetworkSet()

    def prefix(self, version: int) -> int:
        """How many bits the addresses of one network share."""
        return self.ipv4_prefix if version == IPV4 else self.ipv6_prefix

    def apart(self, version: int, one: int, other: int) -> bool:
        """Whether two addresses of a family are in different networks."""
        return (one ^ other) >> (BITS[version] - self.prefix(version)) != 0


class Origin(NamedTuple):
    """One address, and what is known of who was there. `issued`: by the issue, else by a use of that time (ns)."""

    time: int
    source: str
    id: str
    number: int
    text: str
    workload: str | None
    user_agent: str | None = None

    @property
    def issued(self) -> bool:
        """Whether the credential was issued to this address."""
        return self.time == _BEFORE_ALL


class Origins:
    """The origins of one credential, at most one in each address family.

    It changes as uses become known, so whoever holds it sees them. `home` is the address that was last found in the
    network of its origin, None at first: most uses come from there again.
    """

    __slots__ = ("_home_since", "_v4", "_v6", "home")

    def __init__(self, issue: CredentialIssued) -> None:
        self._v4: Origin | None = None
        self._v6: Origin | None = None
        self.home: str | None = None
        self._home_since = 0
        caller = issue.issued_to
        if caller is None or caller.source_ip is None:
            return
        address = address_of(caller.source_ip)
        if address is not None:
            text, workload = caller.source_ip, caller.workload
            self._put(address[0], Origin(_BEFORE_ALL, "", "", address[1], text, workload))

    def note(self, use: CredentialUsed, networks: NetworkPolicy) -> bool:
        """Takes a use. Returns whether it moved an origin to another network, so that other uses must be judged again.

        Of several uses of a family the earliest counts, of several at one time the first by source and id.
        """
        text = use.source_ip
        if text is None or (text == self.home and use.time > self._home_since):
            return False
        address = address_of(text)
        if address is None:
            return False
        version, number = address
        known = self._of(version)
        if known is not None and known[:3] <= (use.time, use.source, use.id):
            return False
        self._put(version, Origin(use.time, use.source, use.id, number, text, use.workload, use.user_agent))
        return known is not None and networks.apart(version, known.number, number)

    def elsewhere(self, text: str, networks: NetworkPolicy) -> tuple[Address, Origin] | None:
        """The address and the origin, if a use from there is in neither the origin's network nor an expected one.

        None if it is, if the text is no address, or if there is no origin of its family.
        """
        address = address_of(text)
        if address is None:
            return None
        version, number = address
        origin = self._of(version)
        if origin is None:
            return None
        if not networks.apart(version, origin.number, number):
            self.home, self._home_since = text, origin.time
            return None
        return None if networks.expected.has(address) else (address, origin)

    def _of(self, version: int) -> Origin | None:
        return self._v4 if version == IPV4 else self._v6

    def _put(self, version: int, origin: Origin) -> None:
        self.home = None
        if version == IPV4:
            self._v4 = origin
        else:
            self._v6 = origin


def origins_of(issue: CredentialIssued) -> Origins | None:
    """The origins of a credential that its issue tells; None if it is bound to addresses, which decide then."""
    bound = issue.bound_to
    return None if bound is not None and bound.source_ips is not None else Origins(issue)


def earliest_located(uses: TimeOrder) -> list[Item]:
    """The earliest use with an address of each family."""
    found: dict[int, Item] = {}
    for item in uses:
        text = item[3].source_ip
        address = address_of(text) if text is not None else None
        if address is not None and address[0] not in found:
            found[address[0]] = item
            if len(found) == len(BITS):
                break
    return list(found.values())
