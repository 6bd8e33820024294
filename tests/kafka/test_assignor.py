"""Partitions are assigned evenly, and as few as possible move when members come and go."""

import msgspec
from aiokafka.cluster import ClusterMetadata
from hypothesis import given
from hypothesis import strategies as st

from detector.kafka.assignment import NEAR, Member, Plan, plan, share, whole
from detector.kafka.assignor import StickyAssignor
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
    said_next = msgspec.msgpack.decode(assignors["m1"].metadata({"a"}).user_data)
    assert (said_next["instance"], said_next["owned"]) == ("one", [["a", 0], ["a", 2]])
    assert [each.live for each in assignors.values()] == [{"one", "two"}] * 2


def test_the_leader_tells_who_keeps_copies_of_what() -> None:
    far = {Partition("a", number): 50_000 for number in range(3)}
    stores = {"m1": {}, "m2": far}
    assignors = {
        name: StickyAssignor(name, place=(name,), copies=1, stores=lambda name=name: stores[name])  # type: ignore[misc]
        for name in stores
    }
    given = assignors["m2"].assign(
        Cluster(), {name: each.metadata({"a"}) for name, each in assignors.items()}
    )
    for name, assignor in assignors.items():
        assignor.on_assignment(given[name])
    assert given["m1"].partitions() == []
    assert assignors["m1"].standbys == far.keys()
    assert assignors["m1"].warming == {Partition("a", 2)}
    assert assignors["m2"].standbys == frozenset()


def test_a_member_that_talks_nonsense_owned_nothing() -> None:
    assignor = StickyAssignor()
    said = assignor.metadata({"a"})
    for nonsense in (b"", b"\xff", msgspec.msgpack.encode({"live": 1, "owned": 1}), None):
        said.user_data = nonsense
        given = assignor.assign(Cluster(), {"m": said})["m"]
        assert len(given.partitions()) == 3
        given.user_data = nonsense
        assignor.on_assignment(given)
        assert assignor.live == frozenset()


A = [Partition("a", number) for number in range(6)]
TOPICS = frozenset("a")


def at(offset: int, partitions: list[Partition] = A) -> dict[Partition, int]:
    return dict.fromkeys(partitions, offset)


def test_without_any_store_it_is_shared_as_ever() -> None:
    members = everyone(["m1", "m2"])
    assert plan({"a": 6}, members) == Plan(
        share({"a": 6}, members), {"m1": [], "m2": []}, {"m1": [], "m2": []}
    )


@given(NAMES, st.integers(0, 3))
def test_every_partition_has_so_many_copies_on_others_evenly_shared(names: list[str], standbys: int) -> None:
    planned = plan({"a": 12}, {name: Member(TOPICS) for name in names}, standbys)
    copies = [partition for some in planned.standbys.values() for partition in some]
    assert all(copies.count(Partition("a", number)) == min(standbys, len(names) - 1) for number in range(12))
    for name, held in planned.owners.items():
        assert not set(held) & set(planned.standbys[name])
    loads = [len(some) for some in planned.standbys.values()]
    assert max(loads) - min(loads) <= 2


def test_the_copies_of_a_partition_stay_where_they_are_when_the_same_members_meet_again() -> None:
    members = {name: Member(TOPICS) for name in ("m1", "m2", "m3")}
    first = plan({"a": 6}, members, 1)
    again = {
        name: Member(
            TOPICS,
            frozenset(first.owners[name]),
            at(50_000, first.owners[name]) | at(49_000, first.standbys[name]),
        )
        for name in members
    }
    assert plan({"a": 6}, again, 1) == first


def test_who_has_the_furthest_store_goes_on_when_the_holder_is_gone() -> None:
    members = {
        "m1": Member(TOPICS, frozenset(A[:2]), at(90_000, A[:2]) | at(90_000, A[3:5])),
        "m2": Member(TOPICS, frozenset(A[2:3]), at(90_000, A[2:3]) | at(90_000, A[5:]) | at(30_000, A[3:5])),
    }
    assert plan({"a": 6}, members).owners == {"m1": [*A[:2], *A[3:5]], "m2": [A[2], A[5]]}


def test_stores_that_are_near_each_other_count_alike() -> None:
    members = {
        "m1": Member(TOPICS, stores=at(50_000)),
        "m2": Member(TOPICS, stores=at(50_000 - NEAR)),
    }
    assert [len(held) for held in plan({"a": 6}, members).owners.values()] == [3, 3]


def test_one_that_comes_warms_up_first_and_then_takes_over_just_that() -> None:
    members = {"m1": Member(TOPICS, frozenset(A), at(50_000)), "m2": Member(TOPICS)}
    coming = plan({"a": 6}, members)
    assert coming.owners == {"m1": A, "m2": []}
    assert len(coming.warming["m2"]) == 3
    assert coming.standbys == coming.warming
    half = {"m1": members["m1"], "m2": Member(TOPICS, stores=at(20_000, coming.warming["m2"][:1]))}
    assert plan({"a": 6}, half).warming["m2"] == coming.warming["m2"]
    warm = {"m1": members["m1"], "m2": Member(TOPICS, stores=at(45_000, coming.warming["m2"]))}
    assert plan({"a": 6}, warm).owners["m2"] == coming.warming["m2"]
    assert plan({"a": 6}, warm).warming == {"m1": [], "m2": []}


def test_warming_up_takes_nothing_from_the_standby_copies() -> None:
    members = {
        "m1": Member(TOPICS, frozenset(A[:3]), at(50_000)),
        "m2": Member(TOPICS, frozenset(A[3:]), at(50_000)),
        "m3": Member(TOPICS),
    }
    planned = plan({"a": 6}, members, 1)
    assert planned.owners == {"m1": A[:3], "m2": A[3:], "m3": []}
    assert len(planned.warming["m3"]) == 2
    kept = {partition for name in ("m1", "m2") for partition in planned.standbys[name]}
    assert kept >= set(planned.warming["m3"])


def test_a_holder_that_has_to_begin_anew_leaves_it_to_one_that_is_there() -> None:
    members = {"m1": Member(TOPICS, frozenset(A), at(50_000, A[1:])), "m2": Member(TOPICS, stores=at(50_000))}
    assert A[0] in plan({"a": 6}, members).owners["m2"]


def test_copies_are_on_another_host_if_there_is_one_and_on_another_instance_else() -> None:
    places = {"m1": ("h1", "i1"), "m2": ("h1", "i1"), "m3": ("h1", "i2"), "m4": ("h2", "i3")}
    members = {name: Member(TOPICS, place=place) for name, place in places.items()}
    planned = plan({"a": 8}, members, 1)
    for name in ("m1", "m2", "m3"):
        assert all(partition in planned.standbys["m4"] for partition in planned.owners[name])
    del members["m4"]
    planned = plan({"a": 8}, members, 1)
    for name in ("m1", "m2"):
        assert all(partition in planned.standbys["m3"] for partition in planned.owners[name])
    del members["m3"]
    planned = plan({"a": 8}, members, 1)
    assert planned.standbys == {"m1": planned.owners["m2"], "m2": planned.owners["m1"]}
