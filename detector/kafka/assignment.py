"""Decides who holds which partitions, and who keeps standby copies of their state.

Partitions are shared evenly, and as few as possible move. A partition with state moves only to a member whose store is
near the end of the changelog, as in Kafka Streams (KIP-441). If balance asks for another member, that one gets a copy
first: it warms up, and joins again once it is near.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from detector.kafka.handlers import Partition

# Offsets, as `acceptable.recovery.lag` of Kafka Streams. A restore reads so many records in a tenth of a second.
NEAR: Final = 10_000

Shares = dict[str, list[Partition]]
Near = Mapping[Partition, AbstractSet[str]]
ANYWHERE: Final[Near] = MappingProxyType({})


class Member(msgspec.Struct, frozen=True):
    """A member of the group: the topics that it reads, and the partitions that it held before.

    `stores` has the offset to which its store of a partition has the changelog. `place` says where it runs, the widest
    part first: what is lost with a host is lost for all members there.
    """

    topics: frozenset[str]
    owned: frozenset[Partition] = frozenset()
    stores: Mapping[Partition, int] = {}
    place: tuple[str, ...] = ()


class Plan(NamedTuple):
    """The partitions that each member holds, those whose state it copies, and which of these it shall hold soon."""

    owners: Shares
    standbys: Shares
    warming: Shares


def plan(counts: Mapping[str, int], members: Mapping[str, Member], standbys: int = 0) -> Plan:
    """Who holds and copies what. `counts` has the partitions of each topic; of each there are so many `standbys`."""
    furthest = _furthest(members)
    near = {
        partition: frozenset(
            name
            for name, member in members.items()
            if member.stores.get(partition, 0) >= offset - NEAR and partition.topic in member.topics
        )
        for partition, offset in furthest.items()
    }
    owners = share(counts, members, near)
    warming: dict[str, set[Partition]] = {name: set() for name in owners}
    if any(len(some) < len(members) for some in near.values()):
        held = {
            name: msgspec.structs.replace(member, owned=frozenset(owners[name]))
            for name, member in members.items()
        }
        for name, wanted in share(counts, held).items():
            warming[name] = set(wanted) - set(owners[name])
    copies = _copies(owners, warming, members, standbys)
    return Plan(owners, _sorted(copies), _sorted(warming))


def share(counts: Mapping[str, int], members: Mapping[str, Member], near: Near = ANYWHERE) -> Shares:
    """The partitions of each member, by its id. One in `near` is held by one of those members.

    If two members both say that they held a partition, one of them is late, and neither is believed.
    """
    shares: dict[str, set[Partition]] = {member: set() for member in sorted(members)}
    claims = Counter(partition for member in members.values() for partition in member.owned)
    owner = {p: name for name, member in members.items() for p in member.owned if claims[p] == 1}
    left = []
    for topic in sorted(counts):
        for number in range(counts[topic]):
            partition = Partition(topic, number)
            holder = owner.get(partition)
            if (
                holder is not None
                and topic in members[holder].topics
                and holder in near.get(partition, members)
            ):
                shares[holder].add(partition)
            else:
                left.append(partition)
    for partition in left:
        able = near.get(partition, members)
        readers = [name for name in shares if partition.topic in members[name].topics and name in able]
        if readers:
            least = min(
                readers, key=lambda name: (len(shares[name]), _held(shares[name], partition.topic), name)
            )
            shares[least].add(partition)
    furthest = _furthest(members)
    while _move_one(shares, members, near, furthest):
        pass
    return _sorted(shares)


def _furthest(members: Mapping[str, Member]) -> dict[Partition, int]:
    """The offset of the store that is furthest, for each partition that anybody has a store of."""
    furthest: dict[Partition, int] = {}
    for member in members.values():
        stores = ((each, offset) for each, offset in member.stores.items() if each.topic in member.topics)
        for partition, offset in stores:
            furthest[partition] = max(offset, furthest.get(partition, 0))
    return furthest


def _sorted(shares: Mapping[str, Iterable[Partition]]) -> Shares:
    return {name: sorted(held) for name, held in shares.items()}


def _held(held: Iterable[Partition], topic: str) -> int:
    return sum(partition.topic == topic for partition in held)


def _move_one(
    shares: Mapping[str, set[Partition]],
    members: Mapping[str, Member],
    near: Near,
    furthest: Mapping[Partition, int],
) -> bool:
    """Moves a partition from a fuller member to an emptier one, of the topic that the fuller holds most of.

    Of several it is the one whose store there is least behind.
    """
    by_load = sorted(shares, key=lambda name: (len(shares[name]), name))
    for full in reversed(by_load):
        for empty in by_load:
            if len(shares[full]) - len(shares[empty]) <= 1:
                break
            stores, topics = members[empty].stores, members[empty].topics
            movable = [
                partition
                for partition in shares[full]
                if partition.topic in topics and empty in near.get(partition, members)
            ]
            if movable:
                most = Counter(partition.topic for partition in shares[full])
                ahead = {each: stores.get(each, 0) - furthest.get(each, 0) for each in movable}
                moved = max(movable, key=lambda each: (most[each.topic], ahead[each], each))
                shares[full].remove(moved)
                shares[empty].add(moved)
                return True
    return False


def _copies(
    owners: Shares,
    warming: Mapping[str, AbstractSet[Partition]],
    members: Mapping[str, Member],
    standbys: int,
) -> dict[str, set[Partition]]:
    """The partitions that each member copies: those that it warms up, and `standbys` copies of each beside these.

    They are as far from the owner and from each other as can be, then evenly shared, then where a store is.
    """
    copies = {name: set(some) for name, some in warming.items()}
    wanted = [(partition, name) for name, held in owners.items() for partition in held]
    most = -(-len(wanted) * min(standbys, len(members) - 1) // len(members))
    counted = dict.fromkeys(members, 0)
    taken: dict[Partition, list[str]] = {partition: [owner] for partition, owner in wanted}
    for _ in range(standbys):
        for partition, _owner in sorted(wanted):
            able = [
                name
                for name, member in members.items()
                if partition.topic in member.topics
                and name not in taken[partition]
                and partition not in copies[name]
            ]
            if not able:
                continue
            chosen = min(
                able,
                key=lambda name: (
                    max(_nearness(members[name].place, members[other].place) for other in taken[partition]),
                    counted[name] >= most,
                    -members[name].stores.get(partition, 0),
                    counted[name],
                    name,
                ),
            )
            taken[partition].append(chosen)
            copies[chosen].add(partition)
            counted[chosen] += 1
    return copies


def _nearness(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts two places share, from the widest on."""
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    return shared


def whole(counts: Mapping[str, int], members: Mapping[str, Member]) -> Shares:
    """All partitions to one member, the others none: to whom held most of them before, else to the first by name."""
    held = {name: len(member.owned) for name, member in members.items()}
    one = min(members, key=lambda name: (-held[name], name))
    everything = [
        Partition(topic, number)
        for topic in sorted(members[one].topics)
        for number in range(counts.get(topic, 0))
    ]
    return {name: everything if name == one else [] for name in members}
