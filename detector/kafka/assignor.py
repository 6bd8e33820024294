"""`assignment` as aiokafka calls it: what members tell the leader of their group, and what the leader tells them.

aiokafka has a sticky assignor, but its state belongs to the class (aiokafka issue 1175): the stages of one process
would overwrite each other's. Here each consumer has its own instance. A rebalance revokes everything from everyone
first, so a partition that stays where it was only pauses and needs no restore.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from detector import __version__
from detector.kafka.assignment import Member, Plan, plan, whole
from detector.kafka.handlers import Partition

VERSION: Final = 0
# Members work together only if they have the same protocol: the brokers refuse any other by its name. Raise it with a
# change that makes an instance misread what one of the version before writes while both are at work: to `work` and
# `state`, or here to each other. The first, up to 0.1, had no number.
PROTOCOL: Final = 2
STICKY: Final = f"curfewd-sticky-{PROTOCOL}"
EXCLUSIVE: Final = f"curfewd-exclusive-{PROTOCOL}"
OURS: Final = frozenset({STICKY, EXCLUSIVE})
Named = list[tuple[str, int]]
_Told = TypeVar("_Told")


class _Subscription(msgspec.Struct, frozen=True):
    """What a member says of itself: its instance, what it held, its stores with their offsets, and where it runs.

    `version` is for people.
    """

    instance: str = ""
    owned: Named = []
    stores: list[tuple[str, int, int]] = []
    place: tuple[str, ...] = ()
    version: str = ""


class _Assignment(msgspec.Struct, frozen=True):
    """What the leader tells beside the partitions: the instances of all members, and the copies that this one keeps."""

    live: list[str] = []
    standbys: Named = []
    warming: Named = []


class StickyAssignor:
    """`plan` as aiokafka calls it. Each consumer has its own instance.

    `instance` names the process's part in the group beyond its membership, `place` says where it runs. `stores` gives
    the offsets of the state that it has. `live`, `standbys` and `warming` are as the leader has told with the last
    assignment.
    """

    name = STICKY

    def __init__(
        self,
        instance: str = "",
        *,
        place: tuple[str, ...] = (),
        copies: int = 0,
        stores: Callable[[], Mapping[Partition, int]] = dict,
    ) -> None:
        self.live: frozenset[str] = frozenset()
        self.standbys: frozenset[Partition] = frozenset()
        self.warming: frozenset[Partition] = frozenset()
        self._instance = instance
        self._place = place
        self._copies = copies
        self._stores = stores
        self._owned: Named = []

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member says about itself when it joins."""
        stores = [(each.topic, each.number, offset) for each, offset in sorted(self._stores().items())]
        said = _Subscription(self._instance, self._owned, stores, self._place, __version__)
        return ConsumerProtocolMemberMetadata(VERSION, list(topics), msgspec.msgpack.encode(said))

    def on_assignment(self, assignment: Any) -> None:
        """Remembers what this member was assigned, and who the members are."""
        told = _decoded(assignment.user_data, _Assignment)
        self.live = frozenset(told.live)
        self.standbys = frozenset(Partition(*each) for each in told.standbys)
        self.warming = frozenset(Partition(*each) for each in told.warming)
        self._owned = [(each.topic, each.partition) for each in assignment.partitions()]

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:
        """The leader's part: the partitions of all members."""
        told = {name: _decoded(said.user_data, _Subscription) for name, said in members.items()}
        known = {
            name: Member(
                frozenset(said.subscription),
                frozenset(Partition(*each) for each in told[name].owned),
                {Partition(topic, number): offset for topic, number, offset in told[name].stores},
                told[name].place,
            )
            for name, said in members.items()
        }
        live = [each.instance for each in told.values()]
        topics = {topic for member in known.values() for topic in member.topics}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        planned = self._plan(counts, known)
        return {
            name: _wire(
                planned.owners[name],
                _Assignment(
                    live, _named(planned.standbys.get(name, ())), _named(planned.warming.get(name, ()))
                ),
            )
            for name in known
        }

    def _plan(self, counts: Mapping[str, int], members: Mapping[str, Member]) -> Plan:
        return plan(counts, members, self._copies)


class ExclusiveAssignor(StickyAssignor):
    """`whole`: one member works, the others wait."""

    name = EXCLUSIVE

    def _plan(self, counts: Mapping[str, int], members: Mapping[str, Member]) -> Plan:
        return Plan(whole(counts, members), {}, {})


def version_told(user_data: bytes | None) -> str:
    """The version that a member tells, empty if it tells none."""
    return _decoded(user_data, _Subscription).version


def _decoded(user_data: bytes | None, kind: type[_Told]) -> _Told:
    """What somebody has told; nothing if that cannot be read."""
    try:
        return msgspec.msgpack.decode(user_data or b"", type=kind)
    except msgspec.MsgspecError:
        return kind()


def _named(partitions: Iterable[Partition]) -> Named:
    return [(each.topic, each.number) for each in partitions]


def _wire(held: Sequence[Partition], told: _Assignment) -> Any:
    by_topic = defaultdict(list)
    for partition in held:
        by_topic[partition.topic].append(partition.number)
    return ConsumerProtocolMemberAssignment(VERSION, sorted(by_topic.items()), msgspec.msgpack.encode(told))
