"""Partitions are assigned evenly, and as few as possible move when members come and go."""

import msgspec
from aiokafka.cluster import ClusterMetadata
from hypothesis import given
from hypothesis import strategies as st

from detector.kafka.assignor import Member, StickyAssignor, share, whole
from detector.kafka.handlers import Partition

COUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 12))
NAMES = st.lists(st.sampled_from(["m1", "m2", "m3", "m4", "m5"]), unique=True, min_size=1)


def everyone(names: list[str], topics: str = "abc") -> dict[str, Member]:
    return {name: Member(frozenset(topics)) for name in names}


def again(before: dict[str, list[Partition]], names: list[str]) -> dict[str, Member]:
    return {name: Member(frozenset("abc"), frozenset(before.get(name, ()))) for name in names}


def all_of(counts: dict[str, int]) -> set[Partition]:
    return {Partition(topic, number) for topic, count in counts.items() for number in range(count)}


@given(COUNTS, NAMES)
def test_every_partition_has_one_reader_and_loads_differ_by_one_at_most(
    counts: dict[str, int], names: list[str]
) -> None:
    shares = share(counts, everyone(names))
    held = [partition for some in shares.values() for partition in some]
    assert len(held) == len(set(held))
    assert set(held) == all_of(counts)
    loads = [len(some) for some in shares.values()]
    assert max(loads) - min(loads) <= 1


@given(COUNTS, NAMES, NAMES)
def test_who_stays_loses_only_what_balance_asks_for(
    counts: dict[str, int], before: list[str], after: list[str]
) -> None:
    first = share(counts, everyone(before))
    second = share(counts, again(first, after))
    least = len(all_of(counts)) // len(after)
    for name in set(before) & set(after):
        kept = len(set(first[name]) & set(second[name]))
        assert kept >= min(len(first[name]), least)


@given(COUNTS, NAMES)
def test_the_same_members_keep_what_they_have(counts: dict[str, int], names: list[str]) -> None:
    first = share(counts, everyone(names))
    assert share(counts, again(first, names)) == first


@given(COUNTS, NAMES, NAMES)
def test_exclusively_one_has_all_and_keeps_it_while_it_is_there(
    counts: dict[str, int], before: list[str], after: list[str]
) -> None:
    first = whole(counts, everyone(before))
    (holder,) = (name for name, held in first.items() if held) if all_of(counts) else (before[0],)
    assert set(first[holder]) == all_of(counts)
    second = whole(counts, again(first, after))
    assert sorted(len(held) for held in second.values())[:-1] == [0] * (len(after) - 1)
    if holder in after and all_of(counts):
        assert second[holder] == first[holder]


def test_two_that_claim_the_same_are_both_disbelieved() -> None:
    claim = frozenset({Partition("a", 0), Partition("a", 1)})
    shares = share({"a": 2}, {name: Member(frozenset("a"), claim) for name in ("m1", "m2")})
    assert [len(some) for some in shares.values()] == [1, 1]


def test_nobody_is_given_a_topic_it_does_not_read() -> None:
    members = {"m1": Member(frozenset("a")), "m2": Member(frozenset("b")), "m3": Member(frozenset("b"))}
    shares = share({"a": 6, "b": 2, "c": 3}, members)
    assert {name: {partition.topic for partition in some} for name, some in shares.items()} == {
        "m1": {"a"},
        "m2": {"b"},
        "m3": {"b"},
    }


class Cluster(ClusterMetadata):  # type: ignore[misc]  # aiokafka has no types
    def partitions_for_topic(self, topic: str) -> set[int]:
        return {"a": {0, 1, 2}}.get(topic, set())


def test_what_it_was_given_goes_into_the_next_join() -> None:
    assignors = {"m1": StickyAssignor("one"), "m2": StickyAssignor("two")}
    for _ in range(2):
        said = {name: assignor.metadata({"a"}) for name, assignor in assignors.items()}
        given_out = assignors["m1"].assign(Cluster(), said)
        for name, assignor in assignors.items():
            assignor.on_assignment(given_out[name])
    assert sorted(tp for each in given_out.values() for tp in each.partitions()) == [
        ("a", 0),
        ("a", 1),
        ("a", 2),
    ]
    assert msgspec.msgpack.decode(assignors["m1"].metadata({"a"}).user_data) == ["one", [["a", 0], ["a", 2]]]
    assert [each.live for each in assignors.values()] == [{"one", "two"}] * 2


def test_a_member_that_talks_nonsense_owned_nothing() -> None:
    assignor = StickyAssignor()
    said = assignor.metadata({"a"})
    for nonsense in (b"", b"\xff", msgspec.msgpack.encode({"a": 1}), None):
        said.user_data = nonsense
        given = assignor.assign(Cluster(), {"m": said})["m"]
        assert len(given.partitions()) == 3
        given.user_data = nonsense
        assignor.on_assignment(given)
        assert assignor.live == frozenset()
