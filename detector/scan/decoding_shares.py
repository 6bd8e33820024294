"""How much decoding a stream of log records may ask for.

A line of a hundred bytes may unpack to sixty thousand, and a hundred thousand such lines are an attack: who writes them
costs a reader six hundred times what others do. So in each window of positions a stream may decode to so many bytes beyond
what text asks for (`shares.MUCH`). The lines behind the record that asks for one more have a `shares.NARROW` share until the
window ends, and what they ask for beyond it is reported as not examined. What is examined of a stream depends on its own
records and their positions, not on how they are cut into batches or on what others print.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from detector.scan.finding_shares import WINDOW, Key, Record, Texts, key_of, texts_of

MOST_DECODED: Final = 16 << 20
_WINDOWS: Final = 2  # of which something is kept: text that waited for later records comes late
_KEPT: Final = 1 << 14  # streams: beyond, a share begins anew for those that asked for much first


class DecodingShares:
    """The shares of the streams of one input, whose records come in the order of their positions.

    `begin` a batch, then look at it as often as need be: the first look is charged.
    """

    def __init__(self, most: int = MOST_DECODED, window: int = WINDOW) -> None:
        self._most = most
        self._window = window
        self._asked: dict[Key, int] = {}
        self._over: dict[Key, int] = {}  # and the place in the batch from which on
        self._charged = False

    def begin(self) -> None:
        """A new batch comes."""
        self._charged = False
        if self._asked:
            oldest = max(window for window, *_ in self._asked) - _WINDOWS
            kept = [key for key in self._asked if key[0] > oldest][-_KEPT:]
            self._asked = {key: self._asked[key] for key in kept}
            self._over = {key: 0 for key in kept if key in self._over}

    def end(self) -> None:
        """The batch was looked at: further looks cost its streams nothing."""
        self._charged = True

    def narrow(self, texts: Callable[[], Sequence[Texts]]) -> Any:
        """Rows (start, end) of the texts that have a narrow share, in order; None if there are none."""
        if not self._over:
            return None
        spans = []
        for part, rows, key in texts_of(texts(), self._over, self._window):
            behind = rows[part.starts[rows] >= self._over[key]]
            spans.append(np.column_stack([part.starts[behind], part.ends[behind]]))
        found = np.concatenate(spans) if spans else np.empty((0, 2), np.int64)
        if not found.size:
            return None
        return found[found[:, 0].argsort()]

    def charge(self, much: Any, locate: Callable[[int], Record]) -> bool:
        """Charges the streams of lines that asked for `much` (as of `Spending`). Whether one has more than its share now."""
        if self._charged:
            return False
        over = False
        for start, size in much.tolist():
            record = locate(start)
            key = key_of(record, self._window)
            if key in self._over:
                continue
            self._asked[key] = self._asked.get(key, 0) + size
            if self._asked[key] > self._most:
                self._over[key] = record.end
                over = True
        return over


class BatchStreams:
    """Implements `detector.scan.sightings.Streams` for the texts of one batch."""

    def __init__(
        self,
        shares: DecodingShares,
        texts: Callable[[], Sequence[Texts]],
        locate: Callable[[int], Record],
    ) -> None:
        self._shares = shares
        self._texts = texts
        self._locate = locate

    def narrow(self) -> Any:
        """As `DecodingShares`."""
        return self._shares.narrow(self._texts)

    def charge(self, much: Any) -> bool:
        """As `DecodingShares`."""
        return self._shares.charge(much, self._locate)
