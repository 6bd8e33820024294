"""Where one text of decoded text comes from."""

import numpy as np

from detector.scan.decode import DecodedText


def origin_of(view: DecodedText, start: int, end: int) -> tuple[tuple[int, int], tuple[str, ...]] | None:
    """The span in the first data and the encodings, outermost first; None if the text is not in one piece."""
    found = view.origins(np.array([start]), np.array([end]))
    if not found.whole[0]:
        return None
    return (int(found.starts[0]), int(found.ends[0])), found.names[found.encodings[0]]


def place_of(view: DecodedText, at: int) -> int:
    """Where in the first data the byte at a place comes from, not the whole run of digits around it."""
    return int(view.origins(np.array([at]), np.array([at + 1])).begins[0])
