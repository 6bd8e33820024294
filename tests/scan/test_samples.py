"""Where bytes may be printed one by one and words are long: at every place, but not at digests, times and addresses."""

import base64
import random
import time
from typing import Any

import numpy as np
import pytest

from detector.byte_masks import class_of, mask_of, plane
from detector.jit import bare
from detector.scan import long_words
from detector.scan.triggers import APART, GRID, LISTED, LONG_WORD, found
from detector.scan.triggers import BEYOND as BEYOND_ASCII

SAID = b"token = tok_Zb81+kQ/x"
LISTS = {
    "hex": SAID.hex(" "),
    "hex with colons": SAID.hex(":"),
    "words": SAID[:20].hex(" ", -2),
    "words of four bytes": SAID[:20].hex(" ", -4),
    "with 0x": ", ".join(f"0x{byte:02x}" for byte in SAID),
    "decimal": " ".join(map(str, SAID)),
    "decimal with commas": ",".join(map(str, SAID)),
    "octal": " ".join(f"{byte:03o}" for byte in SAID),
    "bits": " ".join(f"{byte:08b}" for byte in SAID),
    "bits without blanks": "".join(f"{byte:08b}" for byte in SAID),
    "characters": "".join(f"   {byte:c}" for byte in SAID),
}
OTHERS = {
    "digest": "sha256:50a6fcb1d2e3f4a5968778695a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b",
    "addresses": "10.187.79.59 - - 10.187.79.60 - - 192.168.100.250 - -",
    "time": "2026-05-01 10:00:00,123 - 2026-05-01 10:00:00,124 - 2026",
    "versions": "1.24.3 1.25.0 10.11.12 1.26.1 2.0.0 3.11.7 3.12.1",
}


@pytest.mark.parametrize("form", sorted(LISTS))
@pytest.mark.parametrize("offset", range(8))
def test_a_list_is_seen_at_every_place(form: str, offset: int) -> None:
    data = b"y" * (16 + offset) + LISTS[form].encode() + b"yyyy" * 8
    assert LISTED in found(data)


@pytest.mark.parametrize("kind", sorted(OTHERS))
@pytest.mark.parametrize("offset", range(8))
def test_what_is_no_list_is_not_looked_at(kind: str, offset: int) -> None:
    """Logs are full of them: each place costs as much as a list that is read."""
    data = b"y" * (16 + offset) + b"\n" + OTHERS[kind].encode() + b"\n" + b"yyyy" * 8
    assert LISTED not in found(data)


CLEAN = {
    "uuid": (GRID, b"image 0673dd71-34c5-4fbb-86c4-40623fbe45b4 at"),
    "uuid as a list": (LISTED, b"image 0673dd71-34c5-4fbb-86c4-40623fbe45b4 at"),
    "place of a node": (GRID, b"node R12-M0-N0-C:J13-U01 RAS KERNEL INFO"),
    "line of signs": (GRID, b"x = '--------------------------------'"),
    "empty columns": (APART, b"[req-addc1839 - - - - - -] 10.11.21.125"),
    "path": (LONG_WORD + long_words.XORED_BASE64, b"copying /Lib/encodings/utf_32_be"),
}


@pytest.mark.parametrize("name", sorted(CLEAN))
@pytest.mark.parametrize("offset", range(8))
def test_no_decoder_looks_at_clean_text(name: str, offset: int) -> None:
    """Each call of a decoder costs as much as kilobytes of text."""
    kind, text = CLEAN[name]
    assert kind not in found(b"y" * (16 + offset) + b" " + text + b"\n" + b"yyyy" * 8)


GROUPS = b"tok7 Zb81 kQx5 Tq9L mN2w R7vH"
BEYOND = "tok7\u200bZb81".encode()


@pytest.mark.parametrize("size", [0, 100, 5000, 9000])
def test_what_stands_before_and_behind_changes_nothing(size: int) -> None:
    """Text is looked at in blocks, and its end by itself."""
    dump = LISTS["hex"].encode()
    for offset in (0, 1, 8, 63, 64, 4031, 4064, 4090, 4096, 8191):
        before, behind = b"y" * offset, b"y" * size
        assert LISTED in found(before + dump + behind)
        assert GRID in found(before + GROUPS + behind)
        assert found(before + BEYOND + behind)[BEYOND_ASCII].tolist() == [offset + 4]


WORDS = {
    long_words.BASE32: base64.b32encode(SAID).rstrip(b"="),
    long_words.REVERSED_HEX: SAID.hex().encode()[::-1],
}


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("size", [0, 1, 8, 24, 100, 5000])
def test_a_long_word_is_seen_at_every_place(kind: int, size: int) -> None:
    word = WORDS[kind]
    for offset in (*range(80), 4031, 4064, 4090, 4096, 8191):
        data = b"y " * (offset // 2) + b" " * (offset % 2) + word + b" y" * size
        assert found(data)[LONG_WORD + kind].tolist() == [[offset, offset + len(word)]]


def test_no_word_ends_behind_the_text() -> None:
    """The rest of the last block is filled with a letter."""
    for size in range(200):
        assert not found(b"j" * size)


_word = mask_of((0x30, 10, 0), (0x41, 26, 0x20), (0x5F, 1, 0))
_plane0, _plane1, _plane2, _plane3 = (plane(1 << bit) for bit in range(4))
_plane4, _plane5, _plane6, _plane7 = (plane(1 << bit) for bit in range(4, 8))
_CLASS = b"\0\x7f\x80\xff09AZaz_@`QRST"
_members = class_of(_CLASS)


@pytest.mark.parametrize("digits", ["0123456789", "0123456789abcdef"])
def test_a_line_of_hex_digits_is_looked_at_once(digits: str) -> None:
    """Each of its many samples that may say something asks for the whole word: once is enough."""
    line = "".join(random.Random(7).choices(digits, k=1 << 19)).encode()
    found(line[:4096])
    start = time.thread_time()
    assert max(found(line), default=0) < LONG_WORD
    assert time.thread_time() - start < 0.5  # 5 s before it was so


def test_which_bytes_are_of_a_class() -> None:
    """Each byte at each place of 64, against numpy."""
    values = np.arange(256, dtype=np.uint8)
    for shift in range(64):
        data = np.roll(values, shift)
        told = [masks(np.frombuffer(data.tobytes(), np.uint8), at) for at in range(0, 256, 64)]
        word, members = np.array(told, np.uint64).T
        assert_bits(word, np.isin(data, [byte for byte in range(128) if chr(byte).isalnum() or byte == 0x5F]))
        assert_bits(members, np.isin(data, list(_CLASS)))


@bare
def masks(data: Any, at: int) -> tuple[Any, Any]:
    members = _members(
        _plane0(data, at),
        _plane1(data, at),
        _plane2(data, at),
        _plane3(data, at),
        _plane4(data, at),
        _plane5(data, at),
        _plane6(data, at),
        _plane7(data, at),
    )
    return _word(data, at), members


def assert_bits(words: Any, expected: Any) -> None:
    assert np.ascontiguousarray(words).tobytes() == np.packbits(expected, bitorder="little").tobytes()
