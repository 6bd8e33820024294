"""Assigns partitions to the members of a group: evenly, and moving as few as possible, or all of them to one.

aiokafka has a sticky assignor, but its state belongs to the class (aiokafka issue 1175): the stages of one process
would overwrite each other's. Here each consumer has its own instance. A rebalance revokes everything from everyone
first, so a partition that stays where it was only pauses and needs no restore.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from detector.kafka.handlers import Partition

VERSION: Final = 0
Owned = list[tuple[str, int]]


class Member(msgspec.Struct, frozen=True):
    """A member of the group: the topics that it reads, and the partitions that it held before."""

    topics: frozenset[str]
    owned: frozenset[Partition] = frozenset()


def share(counts: Mapping[str, int], members: Mapping[str, Member]) -> dict[str, list[Partition]]:
    """The partitions of each member, by its id. `counts` has the partitions of each topic.

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
            if holder is not None and topic in members[holder].topics:
                shares[holder].add(partition)
            else:
                left.append(partition)
    for partition in left:
        readers = [name for name in shares if partition.topic in members[name].topics]
        if readers:
            least = min(
                readers, key=lambda name: (len(shares[name]), _held(shares[name], partition.topic), name)
            )
            shares[least].add(partition)
    while _move_one(shares, members):
        pass
    return {name: sorted(held) for name, held in shares.items()}


def _held(held: Iterable[Partition], topic: str) -> int:
    return sum(partition.topic == topic for partition in held)


def _move_one(shares: Mapping[str, set[Partition]], members: Mapping[str, Member]) -> bool:
    """Moves a partition from a fuller member to an emptier one, of the topic that the fuller holds most of."""
    by_load = sorted(shares, key=lambda name: (len(shares[name]), name))
    for full in reversed(by_load):
        for empty in by_load:
            if len(shares[full]) - len(shares[empty]) <= 1:
                break
            movable = [partition for partition in shares[full] if partition.topic in members[empty].topics]
            if movable:
                most = Counter(partition.topic for partition in shares[full])
                moved = max(movable, key=lambda partition: (most[partition.topic], partition))
                shares[full].remove(moved)
                shares[empty].add(moved)
                return True
    return False


def whole(counts: Mapping[str, int], members: Mapping[str, Member]) -> dict[str, list[Partition]]:
    """All partitions to one member, the others none: to whom held most of them before, else to the first by name."""
    held = {name: len(member.owned) for name, member in members.items()}
    one = min(members, key=lambda name: (-held[name], name))
    everything = [
        Partition(topic, number)
        for topic in sorted(members[one].topics)
        for number in range(counts.get(topic, 0))
    ]
    return {name: everything if name == one else [] for name in members}


class StickyAssignor:
    """`share` as aiokafka calls it. Each consumer has its own instance.

    `instance` names the process's part in the group beyond its membership. `live` are those of all members, as the
    leader has told with the last assignment.
    """

    name = "curfewd-sticky"
    share = staticmethod(share)

    def __init__(self, instance: str = "") -> None:
        self.live: frozenset[str] = frozenset()
        self._instance = instance
        self._owned: Owned = []

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member says about itself when it joins."""
        return ConsumerProtocolMemberMetadata(
            VERSION, list(topics), msgspec.msgpack.encode((self._instance, self._owned))
        )

    def on_assignment(self, assignment: Any) -> None:
        """Remembers what this member was assigned, and who the members are."""
        self.live = _live(assignment.user_data)
        self._owned = [(each.topic, each.partition) for each in assignment.partitions()]

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:
        """The leader's part: the partitions of all members."""
        told = {name: _told(said.user_data) for name, said in members.items()}
        known = {
            name: Member(frozenset(said.subscription), frozenset(Partition(*each) for each in told[name][1]))
            for name, said in members.items()
        }
        live = [instance for instance, _ in told.values()]
        topics = {topic for member in known.values() for topic in member.topics}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        return {name: _wire(held, live) for name, held in self.share(counts, known).items()}


class ExclusiveAssignor(StickyAssignor):
    """`whole`: one member works, the others stand by."""

    name = "curfewd-exclusive"
    share = staticmethod(whole)


def _told(user_data: bytes | None) -> tuple[str, Owned]:
    """What a member says of itself: its instance, and the partitions that it held; nothing if that cannot be read."""
    try:
        return msgspec.msgpack.decode(user_data or b"", type=tuple[str, Owned])
    except msgspec.MsgspecError:
        return "", []


def _live(user_data: bytes | None) -> frozenset[str]:
    """The instances of all members; none if that cannot be read."""
    try:
        return frozenset(msgspec.msgpack.decode(user_data or b"", type=list[str]))
    except msgspec.MsgspecError:
        return frozenset()


def _wire(held: Sequence[Partition], live: Sequence[str]) -> Any:
    by_topic = defaultdict(list)
    for partition in held:
        by_topic[partition.topic].append(partition.number)
    return ConsumerProtocolMemberAssignment(VERSION, sorted(by_topic.items()), msgspec.msgpack.encode(live))
