"""What a character becomes when letters change their case, or are turned by 13."""

from typing import Any, Final

import numpy as np

_LOWER, _UPPER = range(97, 123), range(65, 91)


def _table(change: dict[int, int]) -> Any:
    table = np.arange(256, dtype=np.uint8)
    for byte, other in change.items():
        table[byte] = other
    table.flags.writeable = False
    return table


SWAP: Final = _table({byte: byte ^ 32 for byte in (*_LOWER, *_UPPER)})
ROT: Final = _table({first + (n + 13) % 26: first + n for first in (65, 97) for n in range(26)})
