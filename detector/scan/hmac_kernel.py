"""HMAC-SHA-256 and SHA-256 of very many short sub-tokens at once, compiled (FIPS 180-4, RFC 2104).

For one digest hashlib is faster. Here hundreds are computed side by side: each vector instruction works on many, and no
sub-token becomes a Python object.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - numba cannot see into a struct; the numbers are the standards' own

from typing import Any, Final

import numpy as np

from detector.jit import compiled

LANES: Final = 256
_BLOCK: Final = 64


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root_bits(number: int, root: int) -> int:
    """The first 32 bits of the fraction of a root of `number`: how FIPS 180-4 makes its constants."""
    low, high = 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**root <= number << (32 * root) else (low, middle)
    return low & 0xFFFFFFFF


_ROUND: Final = np.array([_root_bits(prime, 3) for prime in _primes(64)], np.uint32)
_START: Final = np.array([_root_bits(prime, 2) for prime in _primes(8)], np.uint32)


@compiled
def _turned(word: Any, by: int) -> Any:
    return np.uint32(word >> np.uint32(by)) | np.uint32(word << np.uint32(32 - by))


@compiled
def _round(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, constant: Any, words: Any) -> None:
    for lane in range(LANES):
        x = e[lane]
        one = np.uint32(
            h[lane]
            + np.uint32(_turned(x, 6) ^ _turned(x, 11) ^ _turned(x, 25))
            + np.uint32((x & f[lane]) ^ (~x & g[lane]))
            + constant
            + words[lane]
        )
        y = a[lane]
        two = np.uint32(
            np.uint32(_turned(y, 2) ^ _turned(y, 13) ^ _turned(y, 22))
            + np.uint32((y & b[lane]) ^ (y & c[lane]) ^ (b[lane] & c[lane]))
        )
        d[lane] = np.uint32(d[lane] + one)
        h[lane] = np.uint32(one + two)


@compiled
def _schedule(word: Any, back2: Any, back7: Any, back15: Any) -> None:
    for lane in range(LANES):
        x, y = back15[lane], back2[lane]
        word[lane] = np.uint32(
            word[lane]
            + np.uint32(_turned(x, 7) ^ _turned(x, 18) ^ np.uint32(x >> np.uint32(3)))
            + back7[lane]
            + np.uint32(_turned(y, 17) ^ _turned(y, 19) ^ np.uint32(y >> np.uint32(10)))
        )


@compiled
def _compress(state: Any, work: Any, words: Any) -> None:
    """Updates `state` by one block for each lane. The block is the 16 rows of `words`, which are overwritten."""
    work[:] = state
    for turn in range(64):
        row = turn & 15
        if turn >= 16:
            _schedule(words[row], words[(turn - 2) & 15], words[(turn - 7) & 15], words[(turn - 15) & 15])
        _round(
            work[(0 - turn) & 7],
            work[(1 - turn) & 7],
            work[(2 - turn) & 7],
            work[(3 - turn) & 7],
            work[(4 - turn) & 7],
            work[(5 - turn) & 7],
            work[(6 - turn) & 7],
            work[(7 - turn) & 7],
            _ROUND[turn],
            words[row],
        )


@compiled
def _hashed(
    data: Any, spans: Any, first: int, count: int, keyed: int, state: Any, work: Any, words: Any
) -> None:
    """Updates `state` by `count` spans from the `first` on, a lane each, of which `keyed` bytes were hashed before."""
    blocks = 0
    for lane in range(count):
        blocks = max(blocks, (spans[first + lane, 1] - spans[first + lane, 0] + 72) // _BLOCK)
    for block in range(blocks):
        for lane in range(count):
            _load(data, spans[first + lane, 0], spans[first + lane, 1], block, keyed, words, lane)
        before = state.copy()
        _compress(state, work, words)
        for row in range(8):
            for lane in range(count):
                length = spans[first + lane, 1] - spans[first + lane, 0]
                ends = (length + 72) // _BLOCK
                done = block >= ends
                state[row, lane] = (
                    before[row, lane] if done else np.uint32(before[row, lane] + work[row, lane])
                )


@compiled
def _write_heads(high: Any, low: Any, first: int, count: int, out: Any) -> None:
    for lane in range(count):
        out[first + lane] = np.uint64(high[lane]) << np.uint64(32) | np.uint64(low[lane])


@compiled
def _keyed(data: Any, spans: Any, first: int, count: int, inner: Any, outer: Any) -> Any:
    """The HMACs of `count` spans from the `first` on: 8 rows of words, a lane each."""
    state = np.empty((8, LANES), np.uint32)
    work = np.empty((8, LANES), np.uint32)
    words = np.zeros((16, LANES), np.uint32)
    for row in range(8):
        state[row, :] = inner[row]
    _hashed(data, spans, first, count, _BLOCK, state, work, words)
    for row in range(8):
        words[row] = state[row]
        state[row, :] = outer[row]
    words[8:] = 0
    words[8] = np.uint32(0x80000000)
    words[15] = np.uint32((_BLOCK + 32) * 8)
    _compress(state, work, words)
    return state + work


@compiled
def heads(data: Any, spans: Any, inner: Any, outer: Any, out: Any) -> None:
    """Writes to `out` the first 8 bytes of each span's HMAC, big-endian. `inner` and `outer` are the keyed states.

    Sort the spans by `blocks`: a group takes as many steps as its longest span.
    """
    for first in range(0, spans.shape[0], LANES):
        count = min(LANES, spans.shape[0] - first)
        state = _keyed(data, spans, first, count, inner, outer)
        _write_heads(state[0], state[1], first, count, out)


@compiled
def halves(data: Any, spans: Any, inner: Any, outer: Any, out: Any) -> None:
    """Writes the first 16 bytes of each span's HMAC to a row of two numbers. The rest is as in `heads`."""
    for first in range(0, spans.shape[0], LANES):
        count = min(LANES, spans.shape[0] - first)
        state = _keyed(data, spans, first, count, inner, outer)
        _write_heads(state[0], state[1], first, count, out[:, 0])
        _write_heads(state[2], state[3], first, count, out[:, 1])


@compiled
def sha256_heads(data: Any, starts: Any, length: int, out: Any) -> None:
    """Writes to `out` the first 8 bytes of the SHA-256 of the `length` bytes at each of `starts`, big-endian.

    One length at a time: no lane waits for a longer one, and the padding is the same in all.
    """
    state = np.empty((8, LANES), np.uint32)
    work = np.empty((8, LANES), np.uint32)
    words = np.zeros((16, LANES), np.uint32)
    count_of_blocks = (length + 72) // _BLOCK
    for first in range(0, starts.size, LANES):
        count = min(LANES, starts.size - first)
        for row in range(8):
            state[row, :] = _START[row]
        for block in range(count_of_blocks):
            _load_equal(data, starts[first : first + count], length, block, words)
            _compress(state, work, words)
            for row in range(8):
                for lane in range(LANES):
                    state[row, lane] += work[row, lane]
        _write_heads(state[0], state[1], first, count, out)


@compiled
def _load_equal(data: Any, starts: Any, length: int, block: int, words: Any) -> None:
    """Loads one block of the `length` bytes at each of `starts`, and its padding, into `words`."""
    three, two, one = (
        np.uint64(3),
        np.uint64(2),
        np.uint64(1),
    )  # unsigned places need no test for negative ones
    for row in range(16):
        at = block * _BLOCK + 4 * row
        if at + 4 <= length:
            for lane in range(starts.size):
                place = np.uint64(starts[lane] + at)
                words[row, lane] = (
                    np.uint32(data[place]) << np.uint32(24)
                    | np.uint32(data[place + one]) << np.uint32(16)
                    | np.uint32(data[place + two]) << np.uint32(8)
                    | np.uint32(data[place + three])
                )
            continue
        words[row, :] = 0
        for byte in range(4):
            shift = np.uint32(24 - 8 * byte)
            if at + byte < length:
                for lane in range(starts.size):
                    words[row, lane] |= np.uint32(data[np.uint64(starts[lane] + at + byte)]) << shift
            elif at + byte == length:
                words[row, :] |= np.uint32(0x80) << shift
    if block == (length + 72) // _BLOCK - 1:
        words[15, :] = np.uint32(length * 8)


@compiled
def _load(data: Any, start: int, end: int, block: int, keyed: int, words: Any, lane: int) -> None:
    """Loads one block of data[start:end] and its padding into `words`. `keyed` bytes came before it."""
    length = end - start
    for row in range(16):
        at = block * _BLOCK + 4 * row
        word = np.uint32(0)
        if at + 4 <= length:
            place = start + at
            word = np.uint32(
                np.uint32(data[place]) << np.uint32(24)
                | np.uint32(data[place + 1]) << np.uint32(16)
                | np.uint32(data[place + 2]) << np.uint32(8)
                | np.uint32(data[place + 3])
            )
        elif at <= length:
            for byte in range(4):
                value = data[start + at + byte] if at + byte < length else 0x80 if at + byte == length else 0
                word = np.uint32(word << np.uint32(8) | np.uint32(value))
        words[row, lane] = word
    if block == (length + 72) // _BLOCK - 1:
        words[15, lane] = np.uint32((keyed + length) * 8)


def blocks(spans: Any) -> Any:
    """How many blocks of SHA-256 each span fills, with its padding, after the block of key."""
    return (spans[:, 1] - spans[:, 0] + 72) >> 6


def keyed_states(material: bytes) -> tuple[Any, Any]:
    """The states after the inner and the outer block of the key. `material` has at most 64 bytes."""
    padded = np.frombuffer(material.ljust(_BLOCK, b"\0"), np.uint8)
    states = []
    for mask in (0x36, 0x5C):
        words = np.zeros((16, LANES), np.uint32)
        words[:] = (padded ^ mask).view(">u4").astype(np.uint32)[:, None]
        state = np.repeat(_START[:, None], LANES, axis=1)
        work = np.empty_like(state)
        _compress(state, work, words)
        states.append(state[:, 0] + work[:, 0])
    return states[0], states[1]
