"""Arrays in memory of their own, which the system has back at once when they are freed.

What the allocator of C gives up it may keep: in a process that grows its tables step by step, that is a quarter of them.
"""

import mmap
from typing import Any, Final

import numpy as np

_SMALL: Final = 1 << 18


def zeros(count: int, dtype: Any) -> Any:
    """An array of zeros. What was never written takes no memory."""
    size = count * np.dtype(dtype).itemsize
    if size < _SMALL:
        return np.zeros(count, dtype)
    return np.frombuffer(mmap.mmap(-1, size), dtype, count)
