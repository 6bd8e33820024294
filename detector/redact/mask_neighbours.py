"""The lines around the masks in a text: only they are scanned once more.

The text was scanned before the masks were put into it. A secret that it shows only now begins or ends at a mask, or
has one near it: in the same lines, or within as many bytes as a match may have.
"""

from collections.abc import Sequence
from typing import Final

from detector.patterns.regexes import MAX_MATCH
from detector.scan.mask_spans import MaskSpan
from detector.scan.pattern_matcher import REACH

NEAR: Final = MAX_MATCH + REACH  # bytes on either side of a mask, and then to the end of the line
_LINE: Final = 64 << 10  # a longer line is cut, beyond anything that is decoded in one piece


def beside(text: bytes, mask_spans: Sequence[MaskSpan], near: int = NEAR) -> bytes:
    """The lines around the masks in `text`, which `with_masks` made of these spans; all of it if they are most."""
    spans: list[list[int]] = []
    grown = 0
    for mask_span in mask_spans:
        start = mask_span.start + grown
        grown += len(mask_span.text.encode()) - (mask_span.end - mask_span.start)
        if spans and start <= spans[-1][1]:
            if mask_span.end + grown + near > spans[-1][1]:
                spans[-1][1] = _end(text, mask_span.end + grown + near)
            continue
        low = _start(text, start - near)
        high = _end(text, mask_span.end + grown + near)
        if spans and low <= spans[-1][1]:
            spans[-1][1] = high
        else:
            spans.append([low, high])
    if 2 * sum(high - low for low, high in spans) > len(text):
        return text
    return b"\n".join(text[low:high] for low, high in spans)


def _start(text: bytes, at: int) -> int:
    """The start of the line that holds a place, or a place far before it."""
    least = max(at - _LINE, 0)
    return text.rfind(b"\n", least, max(at, 0)) + 1 or least


def _end(text: bytes, at: int) -> int:
    """The end of the line that holds a place, or a place far behind it."""
    end = text.find(b"\n", at, at + _LINE)
    return min(at + _LINE, len(text)) if end < 0 else end
