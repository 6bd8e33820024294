"""The networks that uses came from: /24 for IPv4, /48 for IPv6, as many as a person reads."""

import ipaddress
from functools import lru_cache
from typing import Final

from detector.suggest.task_sample import TaskSample
from detector.values.networks import address_of

MOST: Final = 256
_SIZES: Final = ((24, 48), (16, 32), (8, 16), (0, 0))  # prefix lengths (IPv4, IPv6), from the narrowest on
_LONGEST_NAME: Final = 256

_Place = tuple[int, int]  # version, number of the network; (0, 0) for what is no address

_address: Final = lru_cache(maxsize=65_536)(address_of)


class NetworkUses:
    """How often a network was used from, and by which tasks."""

    __slots__ = ("tasks", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.tasks = TaskSample()


class Networks:
    """Uses by network. Where there are more than `MOST`, wider ones are kept, the same for any order.

    `services` are uses from names that are no address, such as a provider's own service.
    """

    def __init__(self, most: int = MOST) -> None:
        self.services = NetworkUses()
        self._most = most
        self._level = 0
        self._found: dict[_Place, NetworkUses] = {}

    def add(self, source_ip: str, task: int, uses: int) -> None:
        """Adds uses from an address."""
        address = _address(source_ip) if len(source_ip) <= _LONGEST_NAME else None
        if address is None:
            self.services.uses += uses
            self.services.tasks.add(task)
            return
        place = _network(address, self._level)
        found = self._found.get(place)
        if found is None:
            found = self._found[place] = NetworkUses()
        found.uses += uses
        found.tasks.add(task)
        while len(self._found) > self._most and self._level < len(_SIZES) - 1:
            self._widen()

    def _widen(self) -> None:
        self._level += 1
        wider: dict[_Place, NetworkUses] = {}
        for (version, number), found in self._found.items():
            place = _network((version, number), self._level)
            kept = wider.setdefault(place, NetworkUses())
            kept.uses += found.uses
            kept.tasks.merge(found.tasks)
        self._found = wider

    def listed(self) -> list[tuple[str, NetworkUses]]:
        """Each network as CIDR, the most used first."""
        sizes = _SIZES[self._level]
        ordered = sorted(self._found.items(), key=lambda item: (-item[1].uses, item[0]))
        return [(_cidr(place, sizes), found) for place, found in ordered]


def _network(address: _Place, level: int) -> _Place:
    version, number = address
    bits, size = (32, _SIZES[level][0]) if version == 4 else (128, _SIZES[level][1])  # noqa: PLR2004 - IPv4
    return version, number >> (bits - size) << (bits - size)


def _cidr(place: _Place, sizes: tuple[int, int]) -> str:
    version, number = place
    if version == 4:  # noqa: PLR2004 - IPv4
        return f"{ipaddress.IPv4Address(number)}/{sizes[0]}"
    return f"{ipaddress.IPv6Address(number)}/{sizes[1]}"
