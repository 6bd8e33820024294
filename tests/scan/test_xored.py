"""Text that was XORed with one byte, in hex and base64."""

import base64
import random
import string
from collections.abc import Callable

import pytest

from detector.scan.decode import decoded
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.shares import SECOND_LOOK, Share
from detector.scan.sightings import NoPatterns, sightings_in
from detector.values.secrets import DeploymentKey, Secret

SECRET = b"ghp_tnMYtF6KlEaTwcT6WdCXAkHlk50dbv0UXTR9"


def _said(line: bytes) -> list[bytes]:
    return [one.data for one in decoded(line) if one.encodings[-1] == "xor"]


@pytest.mark.parametrize("key", [1, 7, 0x20, 0x5A, 0x80, 0xAA, 0xFF])
def test_hex_of_xored_tokens_says_each_among_few_others(key: int) -> None:
    rng = random.Random(7)
    for _ in range(20):
        text = "".join(rng.choices(string.ascii_letters + string.digits, k=40)).encode()
        said = _said(b"data " + bytes(byte ^ key for byte in text).hex().encode() + b" sent")
        assert text in said
        assert len(said) <= 4


@pytest.mark.parametrize("key", [0x80, 0x9B, 0xC3, 0xFF])
def test_the_keys_tried_are_those_that_make_most_letters_and_digits(key: int) -> None:
    rng = random.Random(key)
    worth = (string.ascii_letters + string.digits + " -_").encode()
    printable = {*range(32, 127), *b"\t\n\r\x1b"}
    for size in (65, 66, 67, 300):
        text = "".join(rng.choices(string.ascii_letters + string.digits + "+/=: _", k=size)).encode()
        hidden = bytes(byte ^ key for byte in text)
        keys = [other for other in range(1, 256) if printable.issuperset(byte ^ other for byte in hidden)]
        keys.sort(key=lambda other: -sum((byte ^ other) in worth for byte in hidden))
        expected = [bytes(byte ^ other for byte in hidden) for other in keys[:4]]
        assert _said(hidden.hex().encode()) == expected
        assert _said(base64.b64encode(hidden).rstrip(b"=")) == expected


@pytest.mark.parametrize(
    "encode", [lambda text: text.hex().encode(), base64.b64encode], ids=["hex", "base64"]
)
@pytest.mark.parametrize("key", [1, 0x20, 0x5A, 0xFF])
def test_a_registered_credential_is_found(encode: Callable[[bytes], bytes], key: int) -> None:
    ring = KeyRing([DeploymentKey.of(bytes(range(32)))])
    known = KnownIndex(ring.identifiers(Secret(SECRET)), ring.keys)
    line = b"sent data: " + encode(bytes(byte ^ key for byte in b"export TOKEN=" + SECRET)) + b"\n"
    seen, limited = sightings_in(line, NoPatterns(), known, SECOND_LOOK)
    assert [(one.secret.reveal(), one.encodings[-1]) for one in seen] == [(SECRET, "xor")]
    assert not limited


@pytest.mark.parametrize("secret", [b"8aQ7xW2pL9vRk4tsD8hBn3Ycd6mJf1zZ", b"8ac31b7e904d5f26ac31907e5f2b46d8"])
def test_a_text_that_begins_as_json_by_chance_is_found(secret: bytes) -> None:
    hidden = bytes(byte ^ 0x43 for byte in secret)
    assert hidden.startswith(b'{"')
    assert secret in _said(hidden.hex().encode())
    assert secret in _said(base64.b64encode(hidden))


@pytest.mark.parametrize(
    "text",
    [
        b"token = the hex of text as it stands 1234".hex().encode(),
        b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        b"00000001000000020000000300000004",
        bytes(range(64)).hex().encode(),
    ],
)
def test_hex_of_text_of_digests_and_of_numbers_is_left_alone(text: bytes) -> None:
    assert not _said(text)


@pytest.mark.parametrize(
    "encode", [lambda text: text.hex().encode(), base64.b64encode], ids=["hex", "base64"]
)
@pytest.mark.parametrize("key", [1, 7, 0x3A, 0x5A, 0x9B, 0xFF])
def test_each_key_of_a_short_password_with_signs_is_tried(encode: Callable[[bytes], bytes], key: int) -> None:
    rng = random.Random(key)
    for _ in range(20):
        password = "".join(
            rng.choices(string.ascii_letters + string.digits + 2 * string.punctuation, k=24)
        ).encode()
        line = b"sent data: " + encode(bytes(byte ^ key for byte in password)) + b"\n"
        assert password in [one.data for one in decoded(line)], password


@pytest.mark.parametrize("before", range(5))
def test_base64_of_xored_text_is_seen_among_signs(before: int) -> None:
    text = b"dfe685aa-bfc7-404b-a2c9-6805cb65e332"
    digits = base64.b64encode(bytes(byte ^ 0xCB for byte in text))
    assert b"/" in digits[:24]
    assert b"+" in digits[:24]
    assert text in _said(b"x" * before + b" payload: " + digits + b"\n")


def test_a_line_of_short_words_with_many_keys_is_cut_short_and_says_so() -> None:
    rng = random.Random(5)
    words = [
        bytes(byte ^ 0x9B for byte in rng.choices(string.punctuation.encode(), k=32)) for _ in range(400)
    ]
    line = b" ".join(base64.b64encode(word) for word in words) + b"\n"
    share = Share(1 << 10, 1, 1 << 10)
    _, limited = sightings_in(line, NoPatterns(), KnownIndex(), share)
    assert [(one.start, one.reason) for one in limited] == [(0, "decoding")]
