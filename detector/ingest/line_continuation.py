"""Finds lines that end in many digits of base64 or hex: their text may go on in the next line."""

from typing import Final

import numpy as np

from detector.records.timestamps import Bytes, Ints

LEAST: Final = 40
MOST: Final = 160
HASHES: Final = (40, 56, 64, 96, 128)  # hex digits of them
DIGITS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_IS_DIGIT: Final = np.isin(np.arange(256), np.frombuffer(DIGITS, np.uint8))
_ENDS: Final = frozenset(b'\n\r"\\')  # behind a line, or behind what a string of JSON says
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_NUMBERS: Final = frozenset(b"0123456789")
_LOWER: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_UPPER: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def lines_ending_in_digits(data: bytes, starts: Ints) -> list[int]:
    """The numbers of the lines at `starts` that end in 40 to 160 digits, or hold a string that does."""
    view: Bytes = np.frombuffer(data, np.uint8)
    edges = np.flatnonzero(np.diff(_IS_DIGIT[view], prepend=False, append=False))
    lows, highs = edges[::2], edges[1::2]
    fits = np.flatnonzero((highs - lows >= LEAST) & (highs - lows <= MOST))
    found = [
        low
        for low, high in zip(lows[fits].tolist(), highs[fits].tolist(), strict=True)
        if (high == len(data) or data[high] in _ENDS) and _varied(data[low:high])
    ]
    if not found:
        return []
    numbers = np.searchsorted(starts, found, side="right") - 1
    first: list[int] = numbers[np.diff(numbers, prepend=-1) > 0].tolist()  # they ascend
    return first


def _varied(digits: bytes) -> bool:
    """Whether the digits are no hash, and no path or name that has only small letters or only capitals."""
    if _HEX.issuperset(digits):
        return len(digits) not in HASHES
    return not any(kind.isdisjoint(digits) for kind in (_NUMBERS, _LOWER, _UPPER))
