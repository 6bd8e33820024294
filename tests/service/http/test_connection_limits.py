"""Which connections stay when there are too many: the arithmetic, without sockets."""

import random

import pytest

from detector.service.http.connection_limits import Limits, OpenConnections, client_of


def test_the_oldest_of_a_client_goes_for_its_next() -> None:
    held: OpenConnections[int] = OpenConnections(Limits(connections=10, share=2))
    assert held.admit(1, "a") is None
    assert held.admit(2, "a") is None
    assert held.admit(3, "b") is None
    assert held.admit(4, "a") == (1, "a", "share")
    held.progressed(2)
    assert held.admit(5, "a") == (4, "a", "share")
    assert len(held) == 3


def test_whoever_has_most_gives_way_when_all_are_taken() -> None:
    held: OpenConnections[int] = OpenConnections(Limits(connections=4, share=3))
    for number, client in enumerate(("quiet", "busy", "busy", "busy")):
        held.admit(number, client)
    assert held.admit(4, "new") == (1, "busy", "full")
    assert held.admit(5, "newer") == (2, "busy", "full")
    # Now each has one: the oldest of all goes.
    assert held.admit(6, "newest") == (0, "quiet", "full")


def test_what_ended_makes_room() -> None:
    held: OpenConnections[int] = OpenConnections(Limits(connections=1, share=1))
    held.admit(1, "a")
    held.remove(1)
    held.remove(1)
    held.progressed(1)
    assert len(held) == 0
    assert held.admit(2, "b") is None


def test_never_more_than_the_limits() -> None:
    rng = random.Random(12)
    limits = Limits(connections=12, share=4)
    held: OpenConnections[int] = OpenConnections(limits)
    owners: dict[int, str] = {}
    for number in range(3000):
        client = f"client {min(rng.randrange(9), rng.randrange(9))}"
        going = held.admit(number, client)
        owners[number] = client
        if going is not None:
            assert owners.pop(going[0]) == going[1]
        for other in [each for each in owners if rng.random() < 0.02]:
            held.remove(other)
            del owners[other]
        assert len(held) == len(owners) <= limits.connections
        assert max(list(owners.values()).count(each) for each in {*owners.values(), client}) <= limits.share


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "no address", False),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    assert (client_of(one) == client_of(other)) == same
