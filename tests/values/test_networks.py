"""Networks as numbers, held to Python's own `ipaddress`."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.values.networks import NetworkSet, address_of, network_around, split_port

FEW_V4 = st.integers(0, 255).map(lambda last: f"10.0.0.{last}")
FEW_V6 = st.integers(0, 255).map(lambda last: f"2001:db8::{last:x}")
ANY = st.ip_addresses().filter(lambda address: getattr(address, "ipv4_mapped", None) is None).map(str)
ADDRESSES = FEW_V4 | FEW_V6 | ANY
NETWORKS = st.builds(
    lambda address, bits: str(
        ipaddress.ip_network(f"{address}/{min(bits, 32) if '.' in address else 96 + bits}", strict=False)
    ),
    FEW_V4 | FEW_V6,
    st.integers(0, 32),
)


@given(st.lists(NETWORKS | ADDRESSES, max_size=12), ADDRESSES)
def test_a_set_has_the_addresses_that_one_of_its_networks_has(cidrs: list[str], text: str) -> None:
    address = address_of(text)
    assert address is not None
    expected = any(ipaddress.ip_address(text) in ipaddress.ip_network(cidr) for cidr in cidrs)
    assert NetworkSet(cidrs).has(address) == expected


@given(ADDRESSES, st.integers(0, 32))
def test_the_network_around_an_address_is_that_of_ipaddress(text: str, prefix: int) -> None:
    address = address_of(text)
    assert address is not None
    assert network_around(address, prefix) == str(ipaddress.ip_network(f"{text}/{prefix}", strict=False))


def test_an_ipv4_mapped_address_or_network_is_ipv4() -> None:
    assert address_of("::ffff:203.0.113.9") == address_of("203.0.113.9")
    mapped = address_of("::ffff:203.0.113.9")
    assert mapped is not None
    assert NetworkSet(["203.0.113.0/24"]).has(mapped)
    assert NetworkSet(["::ffff:203.0.113.0/120"]).has(mapped)
    assert not NetworkSet(["::/0"]).has(mapped)


@given(ADDRESSES, st.integers(0, 65_535))
def test_a_port_behind_an_address_is_dropped(text: str, port: int) -> None:
    endpoint = f"{text}:{port}" if "." in text else f"[{text}]:{port}"
    assert address_of(endpoint) == address_of(text)
    assert split_port(endpoint) == (text, port)
    assert split_port(text) == (text, None)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[2001:db8::1]", "2001:db8::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("[::ffff:203.0.113.9]:443", "203.0.113.9"),
        ("2001:db8::1:443", "2001:db8::1:443"),  # without brackets it is an address
    ],
)
def test_an_address_in_brackets(text: str, address: str) -> None:
    assert address_of(text) == address_of(address) is not None


@pytest.mark.parametrize(
    "text",
    [
        "10.1.2.3:",
        "10.1.2.3:65536",
        "10.1.2.3:80:80",
        "10.1.2.3:http",
        "10.1.2:80",
        "10.1.2.3, 10.9.9.9",
        "[10.1.2.3]:80",
        "[2001:db8::1]443",
        "[2001:db8::1]:",
        "[[::1]]:1",
        "[]:1",
        "10.1.2.3:٨٠",
        "db.example:443",
        "[" + "1:" * 500 + "]:443",
    ],
)
def test_what_is_no_address_with_a_port_is_no_address(text: str) -> None:
    assert address_of(text) is None


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "sts.example", "10.0.0.1:443", "1" * 500])
def test_what_is_no_network_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network") as error:
        NetworkSet([text])
    assert len(str(error.value)) < 160


def test_sets_are_equal_if_their_texts_are() -> None:
    assert NetworkSet(["10.0.0.0/8"]) == NetworkSet(["10.0.0.0/8"])
    assert hash(NetworkSet(["10.0.0.0/8"])) == hash(NetworkSet(["10.0.0.0/8"]))
    assert NetworkSet(["10.0.0.0/8"]) != NetworkSet()
