"""Where bytes may be printed one by one, and where long words stand: eight bytes at a time, without branches.

What it says is *maybe*; the decoders look closer. Nothing is missed that has 23 bytes in a row of the kind.
"""

from typing import Any, Final

import numpy as np

from detector.jit import compiled, place

_EIGHT: Final = 8


@compiled
def _samples(eights: Any, out: Any) -> None:
    """Into `out` what each eight bytes may be of, a bit each.

    1: digits of hex and what stands between them. 2: no blank, and few signs. 4: no two characters side by side.
    """
    high = np.uint64(0x8080808080808080)
    seven, above, blanks = (
        np.uint64(0x7F7F7F7F7F7F7F7F),
        np.uint64(0x5050505050505050),
        np.uint64(0x2020202020202020),
    )
    one, three, four, byte = np.uint64(1), np.uint64(3), np.uint64(4), np.uint64(8)
    none = np.uint64(0)
    for index in range(out.size):
        eight = eights[index]
        bit6 = eight << one
        # Below 0x40, a to g and x to z: digits of hex, `0x`, blanks, commas, colons, line feeds.
        listed = ~(bit6 & ((eight << three) ^ (eight << four))) & high
        long = ((eight & seven) + above) & high
        shown = (((eight ^ blanks) & seven) + seven | eight) & high  # a bit for each byte that is no blank
        apart = (shown & (shown >> byte)) == none
        out[index] = (
            np.uint8(listed == high)
            | np.uint8(long == high) << np.uint8(1)
            | np.uint8(apart & (shown != none)) << np.uint8(2)
        )


@compiled
def _pairs(flags: Any, count: int, lists: Any, words: Any) -> tuple[int, int]:
    """Fill `lists` and `words` with the places where two samples in a row are of a kind; how many of each."""
    found = long = 0
    byte = np.uint64(8)
    eights = flags.view(np.uint64)
    for word in range((count + 7) >> 3):
        bits = eights[word]
        bits &= bits >> byte | np.uint64(flags[8 * word + 8]) << np.uint64(56)
        while bits != np.uint64(0):
            at = int(place(bits)) >> 3
            kind = bits >> np.uint64(8 * at) & np.uint64(255)
            bits &= ~(np.uint64(255) << np.uint64(8 * at))
            if kind & np.uint64(5):
                lists[found] = 8 * (8 * word + at)
                found += 1
            if kind & np.uint64(2):
                words[long] = 8 * (8 * word + at)
                long += 1
    return found, long


def sampled(data: bytes) -> tuple[Any, Any]:
    """The places in order around which bytes may be printed one by one, and those within long words."""
    count = len(data) // _EIGHT
    flags = np.zeros((count // _EIGHT + 2) * _EIGHT, np.uint8)
    _samples(np.frombuffer(data, np.uint64, count), flags[:count])
    lists, words = np.empty((2, count), np.int64)
    found, long = _pairs(flags, count, lists, words)
    return lists[:found], words[:long]
