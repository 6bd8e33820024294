"""Expected networks: listed, in files of the forms that providers publish, and what is said about mistakes."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.entry_warnings import entry_warnings
from detector.configuration.settings import Settings, problems
from detector.judge.origins import NetworkPolicy
from detector.judge.policy import Policy
from detector.values.networks import NetworkSet, address_of

# The forms that GitHub's /meta and AWS's ip-ranges.json have, with made-up networks.
GITHUB_META = {
    "verifiable_password_authentication": False,
    "ssh_keys": ["ssh-ed25519 AAAA"],
    "hooks": ["192.0.2.0/24"],
    "actions": ["198.51.100.0/24", "2001:db8:7::/48"],
    "domains": {"website": ["*.github.com"]},
}
AWS_RANGES = {
    "syncToken": "1700000000",
    "prefixes": [
        {"ip_prefix": "203.0.113.0/28", "region": "eu-west-1", "service": "CODEBUILD"},
        {"ip_prefix": "203.0.113.0/24", "region": "eu-west-1", "service": "AMAZON"},
    ],
    "ipv6_prefixes": [{"ipv6_prefix": "2001:db8:9::/48", "region": "eu-west-1", "service": "CODEBUILD"}],
}


def loaded(folder: Path, text: str, **files: Any) -> Policy:
    return Settings.load(str(written(folder, text, files)), {}).policy


def mistakes(folder: Path, text: str, **files: Any) -> list[str]:
    return [str(error) for error in problems(str(written(folder, text, files)), {})]


def written(folder: Path, text: str, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    path = folder / "curfewd.toml"
    path.write_text(text)
    return path


def has(networks: NetworkPolicy, text: str) -> bool:
    address = address_of(text)
    assert address is not None
    return networks.expected.has(address)


def test_without_a_word_a_network_is_a_24_or_a_48_and_none_is_expected(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").networks == NetworkPolicy(24, 48, NetworkSet())


def test_a_list_and_files_add_up(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        """
        ipv4_prefix = 16
        expected_networks = ["192.0.2.7"]
        expected_networks_files = ["nat.txt", "meta#actions", "ranges#CODEBUILD", "list"]
        """,
        **{"nat.txt": "# our gateways\n10.1.0.0/16  # office\n\n10.2.0.0/16\n"},
        meta=GITHUB_META,
        ranges=AWS_RANGES,
        list=["172.16.0.0/12"],
    )
    assert policy.networks.ipv4_prefix == 16
    inside = ("192.0.2.7", "10.1.2.3", "10.2.9.9", "198.51.100.1", "2001:db8:7::1", "203.0.113.15")
    assert all(has(policy.networks, text) for text in (*inside, "2001:db8:9::1", "172.31.0.1"))
    outside = ("192.0.2.8", "10.3.0.1", "203.0.113.16", "2001:db8:8::1")
    assert not any(has(policy.networks, text) for text in outside)


def test_what_is_set_for_a_kind_replaces_what_is_set_for_all(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        """
        ipv6_prefix = 64
        expected_networks = ["10.0.0.0/8"]
        [kinds.job]
        ipv4_prefix = 20
        expected_networks = ["192.0.2.0/24"]
        [kinds.token]
        expected_networks = []
        """,
    )
    assert policy.resolve(None, "job").networks == NetworkPolicy(20, 64, NetworkSet(["192.0.2.0/24"]))
    assert policy.resolve("token", "job").networks == NetworkPolicy(20, 64, NetworkSet())
    assert policy.resolve("other", None).networks == NetworkPolicy(24, 64, NetworkSet(["10.0.0.0/8"]))


@pytest.mark.parametrize(
    ("text", "content", "said"),
    [
        ('expected_networks = "10.0.0.0/8"', "", "expected_networks: write a list of networks"),
        ('expected_networks = ["10.0.0.0/40"]', "", '"10.0.0.0/40" is no network; write one such as'),
        ("expected_networks = [7]", "", "a value of type int is no network"),
        ("ipv4_prefix = 33", "", "ipv4_prefix: write a whole number from 0 to 32"),
        ('expected_networks_files = ["none"]', "", "none: cannot be read: "),
        ('expected_networks_files = ["f"]', "10.0.0.0/8\n\nhello\n", 'f: line 3: "hello" is no network'),
        ('expected_networks_files = ["f#actions"]', "10.0.0.0/8\n", "only JSON has lists with names"),
        ('expected_networks_files = ["f"]', "{", "f: cannot be read as JSON"),
        (
            'expected_networks_files = ["f"]',
            '{"a":' * 99_999,
            "f: cannot be read as JSON: it is nested too deeply",
        ),
        (
            'expected_networks_files = ["f"]',
            GITHUB_META,
            "has several lists: name one of actions, hooks, as in",
        ),
        ('expected_networks_files = ["f#action"]', GITHUB_META, "has no list action (did you mean actions?)"),
        ('expected_networks_files = ["f#EC2"]', AWS_RANGES, "has no list EC2: name one of AMAZON, CODEBUILD"),
        ('expected_networks_files = ["f"]', {"a": 1}, "has no list of networks"),
        (
            'expected_networks_files = ["f"]',
            ["10.0.0.0/8", None],
            "item 2: a value of type NoneType is no network",
        ),
        ('expected_networks_files = ["f#a"]', {"a": ["::/0", "x"]}, 'item 2 of a: "x" is no network'),
    ],
    ids=itertools.count(),
)
def test_a_mistake_is_said_in_one_line_at_its_place(
    tmp_path: Path, text: str, content: Any, said: str
) -> None:
    (error,) = mistakes(tmp_path, f"\n{text}\n", f=content)
    assert said in error
    assert "curfewd.toml:2: " in error
    assert "\n" not in error
    (for_a_kind,) = mistakes(tmp_path, f"[kinds.job]\n{text}\n", f=content)
    assert "kinds.job.expected_networks" in for_a_kind or "kinds.job.ipv4_prefix" in for_a_kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('expected_networks = ["0.0.0.0/0"]', ["expected_networks covers all IPv4"]),
        (
            'expected_networks = ["0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8"]',
            ["expected_networks covers all IPv4"],
        ),
        ('expected_networks = ["::ffff:0:0/96"]', ["expected_networks covers all IPv4"]),
        ('expected_networks = ["::/0"]', ["expected_networks covers all IPv6"]),
        ('expected_networks = ["0.0.0.0/1", "::/1"]', []),
        ("ipv4_prefix = 0", ["ipv4_prefix = 0 covers all IPv4"]),
        ("[kinds.a]\nipv6_prefix = 0\n[kinds.b]\nskew = 1", ["[kinds.a] ipv6_prefix = 0 covers all IPv6"]),
        ("", []),
    ],
)
def test_networks_that_cover_a_whole_family_are_named(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text(text)
    warnings = entry_warnings(Settings.load(str(path), {}), 0)
    assert [warning.partition(" addresses")[0] for warning in warnings] == said
