"""Tells which spans of a text, of registered lengths and checks, show registered secrets.

A text of nothing but one token has hundreds of thousands of such spans. Where many show one value, they are told at
once.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from detector.jit import bare

_MANY: Final = 64  # spans that are compared at once
_FEW: Final = 16  # with the same value: with fewer, values are told one by one


@bare
def _mark_same(data: Any, spans: Any, start: int, end: int, same: Any) -> None:
    text = data[start:end]
    for row in range(spans.shape[0]):
        same[row] = spans[row, 1] - spans[row, 0] == text.size
        if same[row]:
            other, differ = data[spans[row, 0] : spans[row, 1]], np.uint8(0)
            for at in range(text.size):
                differ |= text[at] ^ other[at]
            same[row] = differ == np.uint8(0)


def same_texts(view: Any, spans: Any, start: int, end: int) -> Any:
    """Which of the spans (rows) of a text show what it shows from `start` to `end`."""
    same = np.empty(len(spans), np.bool_)
    _mark_same(view, spans, start, end, same)
    return same


class SpanVerdicts:
    """The verdicts on spans of one text; `is_registered` is asked once for each value."""

    def __init__(self, data: bytes, view: Any, is_registered: Callable[[bytes], bool]) -> None:
        self._data = data
        self._view = view
        self._is_registered = is_registered
        self._verdicts: dict[bytes, bool] = {}
        self._ends: dict[bytes, int] = {}

    def registered(self, spans: Any) -> list[tuple[int, int]]:
        """The spans, of `spans` (rows), that show a registered secret and do not overlap one of the same value before.

        `!!!!!!!!` in a row of `!` would give one for each byte.
        """
        found: list[tuple[int, int]] = []
        while len(spans) >= _MANY:
            start, end = spans[0].tolist()
            same = same_texts(self._view, spans, start, end)
            several = spans[same]
            if len(several) < _FEW:
                break
            found += self._apart(self._data[start:end], several)
            spans = spans[~same]
        for span in spans.tolist():
            found += self._apart(self._data[slice(*span)], [span])
        return found

    def _apart(self, value: bytes, spans: Any) -> list[tuple[int, int]]:
        """Those of some spans of one value, in order, that overlap none before, if it is registered."""
        verdict = self._verdicts.get(value)
        if verdict is None:
            verdict = self._verdicts[value] = self._is_registered(value)
        if not verdict:
            return []
        after = self._ends.get(value, 0)
        if not isinstance(spans, list):
            starts, ends = spans.T
            if starts[0] >= after and (starts[1:] >= ends[:-1]).all():
                self._ends[value] = int(ends[-1])
                return list(zip(starts.tolist(), ends.tolist(), strict=True))
        found = []
        for start, _ in spans if isinstance(spans, list) else spans.tolist():
            if start >= after:
                after = start + len(value)
                found.append((start, after))
        self._ends[value] = after
        return found
