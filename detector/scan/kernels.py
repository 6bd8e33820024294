"""What several compiled loops of the scan share."""

from typing import Any, Final

import numpy as np

from detector.jit import compiled

ALNUM: Final = 1


def _classes() -> np.ndarray[Any, np.dtype[np.uint8]]:
    table = np.zeros(256, np.uint8)
    for byte in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        table[byte] = ALNUM
    table.flags.writeable = False
    return table


CLASSES: Final = _classes()  # of a byte: `ALNUM` if it is a letter or digit of ASCII


@compiled
def count_bits(word: Any) -> Any:
    """How many bits are set."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((eights * np.uint64(0x0101010101010101)) >> np.uint64(56))
