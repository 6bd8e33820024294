"""Base64 and hex digits, and where they say printable text: by a compiled loop from a place on, by numpy in a text."""
# ruff: noqa: PLR2004 - bytes are written as their codes, the character stands beside them

from typing import Any, Final

import numpy as np

from detector.jit import bare

MIN_GROUPS: Final = 5  # of four base64 characters: 15 bytes of text in a row are no accident
MIN_PAIRS: Final = 16  # of hex digits
NONE: Final = 255
_RUN, _STOP, COUNT = 4, 5, 6  # in the state of a search
STATE: Final = 7


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
def group_is_text(data: Any, at: int, in_hex: bool) -> bool:  # noqa: FBT001 - numba takes no keywords
    """Whether the digits at `at` make printable bytes."""
    if at + (2 if in_hex else 4) > data.size:
        return False
    if in_hex:
        high, low = HEX[data[at]], HEX[data[at + 1]]
        return NONE not in (high, low) and bool(PRINTABLE[(high << 4 | low) & 255])
    place = np.uint64(at)  # unsigned places need no test for Python's negative ones
    first, second = BASE64[data[place]], BASE64[data[place + np.uint64(1)]]
    third, fourth = BASE64[data[place + np.uint64(2)]], BASE64[data[place + np.uint64(3)]]
    if first | second | third | fourth == NONE:  # a digit has six bits
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


@bare
def add_stretch(data: Any, start: int, in_hex: bool, state: Any, rows: Any) -> bool:  # noqa: FBT001 - numba takes no keywords
    """Put the stretch of text whose first group is at `start` into `rows`, if it is one; False if there is no room.

    Called with places in order, none within a stretch of its alignment that is in `rows`, and with all that are the
    first of one. `state`, zeros at first: where the last stretch of each of four alignments ended, the last run and
    its end, how many rows there are.
    """
    stride, least, table = (2, MIN_PAIRS, HEX) if in_hex else (4, MIN_GROUPS, BASE64)
    end = start + stride
    while group_is_text(data, end, in_hex):
        end += stride
    if end - start < stride * least:
        return True
    count = state[COUNT]
    if count == rows.shape[0]:
        return False
    state[start & (stride - 1)] = end
    if start >= state[_STOP]:
        state[_RUN], state[_STOP] = _run(data, start, table)
    rows[count, 0], rows[count, 1], rows[count, 2], rows[count, 3] = start, end, state[_RUN], state[_STOP]
    state[COUNT] = count + 1
    return True


def base64_stretches(data: Any) -> Any:
    """Rows (start, end, start of the run, its end): groups of four characters that decode to printable ASCII.

    At least `MIN_GROUPS` groups in a row, at any alignment, within a run of characters of either alphabet.
    """
    values = BASE64[data].astype(np.int64)
    first, second, third, fourth = values[:-3], values[1:-2], values[2:-1], values[3:]
    good = (values != NONE)[:-3] & (second != NONE) & (third != NONE) & (fourth != NONE)
    good &= PRINTABLE[(first << 2 | second >> 4) & 255]
    good &= PRINTABLE[(second << 4 | third >> 2) & 255] & PRINTABLE[(third << 6 | fourth) & 255]
    return _rows(good, 4, MIN_GROUPS, values)


def hex_stretches(data: Any) -> Any:
    """The same for at least `MIN_PAIRS` pairs of hex digits in a row."""
    values = HEX[data].astype(np.int64)
    good = (values[:-1] != NONE) & (values[1:] != NONE)
    good &= PRINTABLE[(values[:-1] << 4 | values[1:]) & 255]
    return _rows(good, 2, MIN_PAIRS, values)


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
