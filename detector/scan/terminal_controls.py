"""What a terminal does not show: characters that backspaces strike out, titles and the targets of links."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import numpy as np

from detector.scan import triggers
from detector.scan.decoder import BETWEEN, LinearDecoder, Part
from detector.scan.ranks import ranks
from detector.values import forms

_BELL: Final = 0x07
_ESCAPE: Final = 0x1B
_FEED: Final = 0x0A
_LONGEST: Final = 4096  # bytes of a title or target
_TEXT: Final = np.isin(np.arange(256), [_FEED, *range(0x20, 0x7F)])  # bytes between which one may strike out
_STRINGS: Final = list(b"]P_^X")  # behind an escape: what goes on to a bell, or an escape and a backslash


class _TakenOut(LinearDecoder):
    """Bytes left out of the lines that hold them. Lines below each other are one text.

    If what is left out says what stands behind it, that comes `from_both`, and is masked with it.
    """

    group = forms.ESCAPES
    from_both: ClassVar[bool] = False
    names: ClassVar[tuple[tuple[str, ...], ...]]

    @abstractmethod
    def gone(self, view: Any, places: Any, feeds: Any) -> tuple[Any, Any]:
        """The starts and ends of what is left out, given the places of the triggers and of the line feeds.

        None of it reaches over the end of a line.
        """

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Rewrites the lines."""
        view = np.frombuffer(data, np.uint8)
        feeds = np.flatnonzero(view == _FEED)
        low, high = self.gone(view, places, feeds)
        if not len(low):
            return
        order = low.argsort(kind="stable")
        high = np.maximum.accumulate(high[order])
        low = np.maximum(low[order], np.append(0, high[:-1]))
        lines = ranks(feeds, low)
        lines = lines[np.diff(lines, prepend=-1) > 0]
        (first,) = np.nonzero(np.diff(lines, prepend=-2) > 1)
        edges = np.concatenate([[0], feeds + 1, [len(view)]])
        texts = edges[lines[first]]
        # A stable sort merges two that are in order.
        begins = np.sort(np.append(texts, high), kind="stable")
        stops = np.sort(np.append(low, edges[lines[np.append(first[1:], len(lines)) - 1] + 1]), kind="stable")
        begins, stops = begins[stops > begins], stops[stops > begins]
        if not len(begins):
            return
        sizes = stops - begins
        fresh = np.diff(texts.searchsorted(begins, "right"), prepend=0) > 0
        gaps = len(BETWEEN) * (np.cumsum(fresh) - 1)
        to = np.cumsum(sizes) - sizes + gaps
        at = np.arange(int(sizes.sum()))
        out = np.full(int(to[-1] + sizes[-1]), _FEED, np.uint8)
        out[at + np.repeat(gaps, sizes)] = view[at + np.repeat(begins + gaps - to, sizes)]
        segments = np.column_stack([to, begins, stops, np.ones(len(to), np.int64)])
        if self.from_both:
            segments = _with_what_is_left_out(segments, low, high)
        starts = to[fresh]
        zeros = np.zeros(len(starts), np.int64)
        yield Part(self.names, out.tobytes(), segments.astype(np.int32), starts, zeros)


def _with_what_is_left_out(segments: Any, low: Any, high: Any) -> Any:
    """The segments; of one behind what is left out the first byte stands apart, as it comes from that too."""
    begins = segments[:, 1]
    at = np.minimum(high.searchsorted(begins), len(high) - 1)
    behind = high[at] == begins
    first = segments[behind]
    first[:, 1], first[:, 2] = low[at][behind], begins[behind] + 1
    first[:, 3] = first[:, 1] - first[:, 2]
    segments[behind, :2] += 1
    segments = np.concatenate([first, segments[segments[:, 1] < segments[:, 2]]])
    return segments[segments[:, 0].argsort(kind="stable")]


class Overstrike(_TakenOut):
    """Characters in front of as many backspaces: bold and underlined text of `man`, and typing errors."""

    names = (("overstrike",),)
    from_both = True
    trigger = triggers.STRUCK
    examples = (
        (b"".join(b"%c\b%c" % (byte, byte) for byte in b"tok_Zb81+kQ/x"), b"tok_Zb81+kQ/x"),
        (b"tok_Zbb\b81abc\b\b\b+kQ/x", b"tok_Zb81+kQ/x"),
        (b"_\bt_\bo_\bk__\b_Z\na line\ntok_x\b \bZb81", b"tok_Zb81"),
    )
    near_misses = (rb"a\b is a backspace", b"a\x0cb")

    def gone(self, view: Any, places: Any, feeds: Any) -> tuple[Any, Any]:
        """From each row of backspaces as far back as it has characters, but not into the line above."""
        (begin,) = np.nonzero(np.concatenate([[True], np.diff(places) > 1]))
        starts, ends = places[begin], places[np.append(begin[1:], len(places)) - 1] + 1
        # In binary data backspaces stand by chance.
        within = _TEXT[view[starts - 1]] & ((ends == len(view)) | _TEXT[view[ends % len(view)]])
        starts, ends = starts[within], ends[within]
        lines = np.append(0, feeds + 1)[ranks(feeds, starts)]
        return np.maximum(lines, 2 * starts - ends), ends


class ControlStrings(_TakenOut):
    """Titles, targets of links and the like (ECMA-48, section 5.6) within a line."""

    names = (("ansi",),)
    trigger = triggers.STRING
    bound = _LONGEST
    examples = (
        (b"tok_\x1b]0;a title\x07Zb81", b"tok_Zb81"),
        (b"key=\x1b]8;;https://acme.test/\x1b\\tok_Z\x1b]8;;\x1b\\b81", b"key=tok_Zb81"),
    )
    near_misses = (b"\x1b]0;never ended", b"\x1b]0;a title\nin two lines\x07")

    def gone(self, view: Any, places: Any, feeds: Any) -> tuple[Any, Any]:
        """From each beginning to the next end, if no line ends between."""
        starts = places[np.isin(view[places + 1], _STRINGS)]
        if not len(starts):
            return starts, starts
        ends = np.sort(
            np.concatenate([np.flatnonzero(view == _BELL) + 1, places[view[places + 1] == ord("\\")] + 2])
        )
        after = ends.searchsorted(starts, "right")
        starts, after = starts[after < len(ends)], after[after < len(ends)]
        stops = ends[after]
        whole = (stops - starts <= _LONGEST) & (feeds.searchsorted(starts) == feeds.searchsorted(stops - 1))
        return starts[whole], stops[whole]
