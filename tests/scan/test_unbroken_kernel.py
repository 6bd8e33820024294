"""Runs without white space, quotes and commas are found as a regex finds them, and all that is looked for in them."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan.form_kernel import candidates
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.unbroken_kernel import runs_of
from detector.values.registrable import BREAKS
from detector.values.secrets import DeploymentKey, Secret

KEY = DeploymentKey.of(bytes(range(32)), "k1")
SECRET = b"tok_7Hq2xLw9ZpB5nKd4YcJmR8vTs3"
LOWER = b"0a1b2c3d4e5f60718293a4b5c6d7e8f9"

_SIZES = st.one_of(st.integers(0, 70), st.sampled_from([63, 64, 65, 4095, 4096, 4097, 8191, 9000]))
_TEXTS = st.lists(st.tuples(_SIZES, st.sampled_from([*sorted(BREAKS)]), st.integers(0, 255)), max_size=40)


def by_regex(data: bytes, shortest: int) -> list[tuple[int, int]]:
    return [
        match.span() for match in re.finditer(rb"[^%s]{%d,}" % (re.escape(bytes(BREAKS)), shortest), data)
    ]


@given(_TEXTS, st.sampled_from([1, 8, 20, 31, 64, 100, 5000]))
@settings(max_examples=300)
def test_runs_are_those_of_a_regex(parts: list[tuple[int, int, int]], shortest: int) -> None:
    data = b"".join(bytes([byte]) * size + bytes([gap]) for size, gap, byte in parts)
    for text in (data, data[:-1], data + b"x" * 33):
        rows = runs_of(np.frombuffer(text, np.uint8), shortest)
        assert [tuple(row) for row in rows.tolist()] == by_regex(text, shortest)


@pytest.mark.parametrize("pad", [0, 1, 31, 63, 64, 4000, 4090, 8180, 9000])
def test_secrets_of_each_shape_are_found_in_long_and_short_runs(pad: int) -> None:
    index = KnownIndex([KeyRing([KEY]).identifiers(Secret(secret))[0] for secret in (SECRET, LOWER)], [KEY])
    for secret in (SECRET, LOWER):
        for around in (b"x" * pad + b"%s" + b"y" * pad, b" " * pad + b"%s\n", b'a "' * pad + b"%s"):
            data = around % secret
            start = data.index(secret)
            assert index.seen(data)[0] == [(start, start + len(secret))]


def test_little_room_gives_the_same() -> None:
    data = b" ".join(b"/%s/a1B2:%s" % (SECRET, SECRET[::-1]) for _ in range(300)) + b" " + SECRET * 400
    view, lengths = np.frombuffer(data, np.uint8), np.array([16, 20, 30], np.int64)
    wanted = np.isin(np.arange(31), lengths)
    runs = runs_of(view, 16)

    def listed(room: int) -> list[list[int]]:
        at, found = np.zeros(2, np.int64), list[list[int]]()
        while at[0] < len(runs):
            out = np.empty((room, 2), np.int64)
            count = candidates(view, runs, at, lengths, wanted, out)
            if count < 0:
                room *= 2
            else:
                found += out[:count].tolist()
        return found

    assert listed(4) == listed(1 << 16)
    assert len(listed(4)) > len(runs)
