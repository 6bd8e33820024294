"""What is refused early: never what the checks let pass, and look-alikes of the usual kinds."""

from collections.abc import Sequence
from math import isclose

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.patterns.checks import (
    CharsetMix,
    Check,
    GithubCrc32,
    Length,
    MinEntropy,
    NotPlaceholder,
    NpmCrc32,
    Sighting,
)
from detector.patterns.checksums import crc32_base62
from detector.patterns.placeholders import LONG, TELLING
from detector.scan import check_prefilter as refusals
from detector.values.registrable import entropy

PIECES = st.sampled_from(
    (*TELLING, b"xxxx", b"XXXx", b"abcd", b"9876", b"aaaa", b"--", b"AbCd", b"x", b"Q7", b"k", b"\xff", b"-", b"zyxw12", b"6K9f", b"abcdefg", b"7654321")
)  # fmt: skip
SECRETS = st.one_of(
    st.lists(PIECES, min_size=1, max_size=12).map(b"".join),
    st.text("abcxyzABC019-_.~@", min_size=1, max_size=70).map(str.encode),
    st.binary(min_size=1, max_size=600),
)
"""Texts in which the checks see something, or nearly."""
PLACEHOLDER = NotPlaceholder()


def kept(secrets: Sequence[bytes], checks: Sequence[Check]) -> list[bool]:
    """Of each secret, whether it may pass."""
    data = b"".join(secrets)
    ends = np.cumsum([len(secret) for secret in secrets])
    starts = ends - [len(secret) for secret in secrets]
    rows = np.stack([starts, ends, starts, ends], axis=1).astype(np.int64)
    keep = np.empty(len(secrets), np.bool_)
    refusals.kept(
        np.frombuffer(data, np.uint8), rows, keep, *msgspec.structs.astuple(refusals.limits_of(checks))
    )
    return [bool(one) for one in keep]


def pass_all(secret: bytes, checks: Sequence[Check]) -> bool:
    return all(check(Sighting(secret, secret, b"")) for check in checks)


def as_npm(body: bytes) -> bytes:
    """A token with the checksum that its body asks for."""
    thirty = (body * 30)[:30]
    return b"npm_" + thirty + crc32_base62(thirty)


@given(st.lists(SECRETS, min_size=1, max_size=20), st.floats(0.1, 6), st.integers(0, 3))
@settings(max_examples=300)
def test_nothing_is_refused_that_the_checks_let_pass(secrets: list[bytes], bits: float, count: int) -> None:
    secrets += [as_npm(secret) for secret in secrets]
    mix = CharsetMix(digits=count, upper=3 - count, lower=count)
    for checks in (
        [PLACEHOLDER],
        [MinEntropy(bits)],
        [MinEntropy(bits), mix, PLACEHOLDER],
        [GithubCrc32()],
        [NpmCrc32()],
    ):
        for secret, keep in zip(secrets, kept(secrets, checks), strict=True):
            assert keep or not pass_all(secret, checks), (secret, checks)


@given(st.lists(SECRETS, min_size=1, max_size=20), st.floats(0.1, 6))
def test_what_the_checks_refuse_is_refused_early_but_references_and_shortened_and_long_texts(
    secrets: list[bytes], bits: float
) -> None:
    short = [
        secret
        for secret in secrets
        if len(secret) <= LONG and secret[:1] not in b"$<[{%_" and b"..." not in secret
    ]
    for checks in ([PLACEHOLDER], [MinEntropy(bits)], [NpmCrc32()], [CharsetMix(digits=1, upper=2, lower=1)]):
        for secret, keep in zip(short, kept(short, checks), strict=True):
            assert keep == pass_all(secret, checks) or isclose(entropy(secret), bits), (secret, checks)


def test_what_no_check_here_is_about_is_kept() -> None:
    assert kept([b"aaaa", b"postgres"], [Length(max=2)]) == [True, True]
