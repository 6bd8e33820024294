"""The compiled loops of `detector.decode`: where encoded text stands, and what it says.

Without numba the same functions run as plain Python over the lines concerned, except the two that look at every
byte (`base64_stretches`, `hex_stretches`): numpy does those.
"""
# ruff: noqa: PLR2004 - bytes are written as their codes, the character stands beside them

from typing import Any, Final

import numpy as np

from detector.jit import AVAILABLE, bare, compiled, place
from detector.kernels import BLOCK, ahead, pack

MIN_GROUPS: Final = 5  # of four base64 characters: 15 bytes of text in a row are no accident
MIN_PAIRS: Final = 16  # of hex digits
NONE: Final = 255


def _values(alphabet: bytes, extra: dict[int, int]) -> Any:
    table = np.full(256, NONE, np.uint8)
    table[list(alphabet)] = np.arange(len(alphabet), dtype=np.uint8)
    for byte, value in extra.items():
        table[byte] = value
    return table


# One table for both alphabets: what separates tokens in one is a digit in the other, and all alignments are tried.
BASE64: Final = _values(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", {ord("-"): 62, ord("_"): 63}
)
HEX: Final = _values(b"0123456789abcdef", {byte: 10 + index for index, byte in enumerate(b"ABCDEF")})
# Colours are part of text, and may stand within a secret.
PRINTABLE: Final = np.array([32 <= byte < 127 or byte in b"\t\n\r\x1b" for byte in range(256)], np.bool_)


@bare
def _marks(text: Any, in_hex: bool, member: Any, first: Any) -> None:  # noqa: FBT001 - numba takes no keywords
    """Of each byte, 0 or 1: is it a digit of the encoding; can it be the first of those that make a printable byte.

    Arithmetic on single bytes, without branches or tables: the compiler takes 32 or 64 at a time.
    """
    for at in range(text.size):
        byte = text[at]
        upper = np.uint8(byte & np.uint8(0xDF))  # letters in upper case; digits are told by `byte` itself
        decimal = np.uint8(byte - np.uint8(48)) < np.uint8(10)
        if in_hex:
            member[at] = decimal | (np.uint8(upper - np.uint8(65)) < np.uint8(6))
            first[at] = np.uint8(byte - np.uint8(48)) < np.uint8(8)  # 0 to 7
        else:
            member[at] = (
                decimal
                | (np.uint8(upper - np.uint8(65)) < np.uint8(26))
                | (byte == np.uint8(43))
                | (byte == np.uint8(45))
                | (byte == np.uint8(47))
                | (byte == np.uint8(95))
            )
            # I to Z and a to f begin 0x20 to 0x7E; C, D and G begin tab, newline, carriage return and escape.
            first[at] = (
                (np.uint8(byte - np.uint8(73)) < np.uint8(18))
                | (np.uint8(byte - np.uint8(97)) < np.uint8(6))
                | (np.uint8(byte - np.uint8(67)) < np.uint8(2))
                | (byte == np.uint8(71))
            )


@compiled
def _narrow(words: Any, other: Any, count: int, least: int, stride: int) -> None:
    """Keep the bits that begin `least` set bits, `stride` apart."""
    now = 1
    while now < least:
        by = min(now, least - now)
        ahead(words, other, count, by * stride)
        for word in range(count):
            words[word] &= other[word]
        now += by


@bare
def _group_is_text(data: Any, at: int, in_hex: bool) -> bool:  # noqa: FBT001 - numba takes no keywords
    """Whether the digits at `at` make printable bytes."""
    if at + (2 if in_hex else 4) > data.size:
        return False
    if in_hex:
        high, low = HEX[data[at]], HEX[data[at + 1]]
        return NONE not in (high, low) and bool(PRINTABLE[(high << 4 | low) & 255])
    first, second, third, fourth = (
        BASE64[data[at]],
        BASE64[data[at + 1]],
        BASE64[data[at + 2]],
        BASE64[data[at + 3]],
    )
    if NONE in (first, second, third, fourth):
        return False
    return bool(
        PRINTABLE[(first << 2 | second >> 4) & 255]
        and PRINTABLE[(second << 4 | third >> 2) & 255]
        and PRINTABLE[(third << 6 | fourth) & 255]
    )


@bare
def _run(data: Any, at: int, table: Any) -> tuple[int, int]:
    """The run of digits around `at`."""
    start, end = at, at
    while start > 0 and table[data[start - 1]] != NONE:
        start -= 1
    while end < data.size and table[data[end]] != NONE:
        end += 1
    return start, end


@compiled
def _stretches(data: Any, in_hex: bool, out: Any) -> int:  # noqa: FBT001 - numba takes no keywords
    """Fill `out` with the rows of `base64_stretches` or `hex_stretches`; how many, or -1 if there is no room."""
    stride, least, table = (2, MIN_PAIRS, HEX) if in_hex else (4, MIN_GROUPS, BASE64)
    total = BLOCK >> 6
    flags = np.zeros((2, BLOCK), np.uint8)
    member = np.zeros(total + 2, np.uint64)
    first = np.zeros(total + 2, np.uint64)
    other = np.zeros(total + 2, np.uint64)
    ends: Any = np.zeros(4, np.int64)  # where the last stretch of each alignment ended
    run, stop = 0, 0
    count = 0
    done = 0
    while done < data.size:
        size = min(BLOCK, data.size - done)
        if size < BLOCK:
            flags[:] = 0
        _marks(data[done : done + size], in_hex, flags[0], flags[1])
        pack(flags[0], member, total)
        pack(flags[1], first, total)
        _narrow(member, other, total, stride * least, 1)
        _narrow(first, other, total, least, stride)
        usable = total if done + size == data.size else total - 1
        for word in range(usable):
            bits = member[word] & first[word]
            while bits != np.uint64(0):
                start = done + (word << 6) + int(place(bits))
                bits &= bits - np.uint64(1)
                phase = start & (stride - 1)
                end = start
                while start >= ends[phase] and _group_is_text(data, end, in_hex):
                    end += stride
                if end - start < stride * least:
                    continue
                ends[phase] = end
                if count == out.shape[0]:
                    return -1
                if start >= stop:
                    run, stop = _run(data, start, table)
                out[count, 0] = start
                out[count, 1] = end
                out[count, 2] = run
                out[count, 3] = stop
                count += 1
        done += size if usable == total else usable << 6
    return count


def base64_stretches(data: Any, *, fast: bool = AVAILABLE) -> Any:
    """Rows (start, end, start of the run, its end): groups of four characters that decode to printable ASCII.

    At least `MIN_GROUPS` groups in a row, at any alignment, within a run of characters of either alphabet.
    """
    if fast:
        return _all(data, in_hex=False)
    values = BASE64[data].astype(np.int64)
    first, second, third, fourth = values[:-3], values[1:-2], values[2:-1], values[3:]
    good = (values != NONE)[:-3] & (second != NONE) & (third != NONE) & (fourth != NONE)
    good &= PRINTABLE[(first << 2 | second >> 4) & 255]
    good &= PRINTABLE[(second << 4 | third >> 2) & 255] & PRINTABLE[(third << 6 | fourth) & 255]
    return _rows(good, 4, MIN_GROUPS, values)


def hex_stretches(data: Any, *, fast: bool = AVAILABLE) -> Any:
    """The same for at least `MIN_PAIRS` pairs of hex digits in a row."""
    if fast:
        return _all(data, in_hex=True)
    values = HEX[data].astype(np.int64)
    good = (values[:-1] != NONE) & (values[1:] != NONE)
    good &= PRINTABLE[(values[:-1] << 4 | values[1:]) & 255]
    return _rows(good, 2, MIN_PAIRS, values)


def _all(data: Any, *, in_hex: bool) -> Any:
    room = 64
    while True:
        out = np.empty((room, 4), np.int64)
        count = _stretches(data, in_hex, out)
        if count >= 0:
            return out[:count]
        room *= 16


def _rows(good: Any, stride: int, least: int, values: Any) -> Any:
    found = [np.empty((0, 2), np.int64)]
    for phase in range(stride):
        flags = np.concatenate([[False], good[phase::stride], [False]])
        edges = np.flatnonzero(flags[1:] != flags[:-1]).reshape(-1, 2)
        found.append(edges[edges[:, 1] - edges[:, 0] >= least] * stride + phase)
    rows = np.concatenate(found)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    breaks = np.concatenate([[-1], np.flatnonzero(values == NONE), [values.size]])
    after = np.searchsorted(breaks, rows[:, 0])
    return np.column_stack([rows, breaks[after - 1] + 1, breaks[after]])
