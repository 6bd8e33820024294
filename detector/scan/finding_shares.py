"""How many secrets that nobody registered a stream of log records may have reported, and what is said of one with more.

A dump of ten thousand secrets is one thing to look into, and nobody reads ten thousand findings. So in each window of
positions the first `most` different ones of a stream are reported, in the records with its first `MOST_LEAKS` places
that show them. From the record on that shows one more, the stream is examined for registered credentials alone until
the window ends, and those records are counted. What is found in a stream depends on its own records and their
positions, not on how they are cut into batches or on what others print.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec
import numpy as np

from detector.values.findings import MOST_FINDINGS, MOST_LEAKS

WINDOW: Final = 1 << 18  # positions: offsets of a partition, lines of a file
_WINDOWS: Final = 2  # of which something is kept: text that waited for later records comes late
_OFTEN: Final = 1000  # leaks of one secret: the text around further ones is not shown
_MOST_OFTEN: Final = 1 << 12  # secrets of a stream whose leaks are counted
_NEVER: Final = 1 << 62  # leaks
_KEPT: Final = (
    1 << 16
)  # fingerprints, and secrets whose leaks are counted: beyond, a share starts again for the streams that were the first to show a secret

Stream: TypeAlias = tuple[str | None, str | None]  # task id and name
Key: TypeAlias = tuple[int, str | None, str | None]  # the window, and the stream


class Record(Protocol):
    """What counts of a record of a batch: `detector.scan.leaks.RecordAt`."""

    @property
    def start(self) -> int:
        """Where it begins in the batch."""

    @property
    def end(self) -> int:
        """Where it ends there."""

    @property
    def id(self) -> str:
        """Its name in its source."""

    @property
    def time(self) -> int | None:
        """When it was written (ns), if that is known."""

    @property
    def partition(self) -> int | None:
        """The partition that `offset` is in."""

    @property
    def line(self) -> int | None:
        """Its position in a file."""

    @property
    def offset(self) -> int | None:
        """Its position in a partition."""

    @property
    def task_id(self) -> str | None:
        """The task whose stream it is of."""

    @property
    def stream(self) -> str | None:
        """The name of its stream."""


class Texts(NamedTuple):
    """The texts of a part of a batch, in order: `starts` and `ends` in its data, positions, and the stream of each.

    `alike` is the stream of all of them; if it is None, `stream` gives that of a text by its index. The first `fresh`
    are those of records that stand nowhere else. `moments` gives a number for each of some indexes, the same for
    texts with the same time from the same origin; None if the records have to be asked.
    """

    starts: Any
    ends: Any
    at: Sequence[int]
    stream: Callable[[int], Stream]
    alike: Stream | None = None
    fresh: int = 0
    moments: Callable[[Any], Any] | None = None


def key_of(record: Record, window: int) -> Key:
    """The window and stream of a record, with so many positions a window."""
    at = record.offset if record.line is None else record.line
    return (at or 0) // window, record.task_id, record.stream


def texts_of(texts: Sequence[Texts], over: Collection[Key], window: int) -> Iterator[tuple[Texts, Any, Key]]:
    """The texts of some windows and streams: the part, their indexes in it, and which window and stream."""
    streams = {key[1:] for key in over}
    for part in texts:
        if part.alike is not None and part.alike not in streams:
            continue
        windows = np.fromiter(part.at, np.int64, len(part.starts)) // window
        if part.alike is not None:
            for number in np.unique(windows).tolist():
                if (number, *part.alike) in over:
                    yield part, np.flatnonzero(windows == number), (number, *part.alike)
            continue
        rows: dict[Key, list[int]] = {}
        for index, number in enumerate(windows.tolist()):
            key = (number, *part.stream(index))
            if key in over:
                rows.setdefault(key, []).append(index)
        for key, indexes in rows.items():
            yield part, np.array(indexes, np.int64), key


class Unreported(msgspec.Struct):
    """What was cut short of a stream in a window: the `first` record, how many, and their bytes.

    `grew` and `grew_size` are by how much since it was last told.
    """

    first: Record
    records: int = 0
    size: int = 0
    grew: int = 0
    grew_size: int = 0

    def add(self, records: int, size: int) -> None:
        """Counts some more."""
        self.records += records
        self.size += size
        self.grew += records
        self.grew_size += size


class _Spent(msgspec.Struct):
    """What was reported, and, once there was one too many, what was cut short.

    The fingerprints, at how many places, and how many leaks of each.
    """

    fingerprints: set[int] = set()
    places: int = 0
    leaks: dict[int, int] = {}
    unreported: Unreported | None = None


class FindingShares:
    """The shares of the streams of one input, whose records come in the order of their positions.

    `most` is how many different secrets of a stream are reported in a window of `window` positions; 0: all.
    """

    def __init__(self, most: int = MOST_FINDINGS, window: int = WINDOW) -> None:
        self._most = most
        self.window = window
        self._spent: dict[Key, _Spent] = {}
        self._over: set[Key] = set()  # those that have asked for more than their share
        self._ended: list[Unreported] = []  # of what is forgotten
        self._fresh: list[Key] = []  # those that asked for more in the batch that is looked at
        self._latest = 0
        self.kept = 0  # of `_KEPT`

    def used_up(self, record: Record) -> bool:
        """Whether a record stands behind the one that was the first to be cut short."""
        if not self._over and not self._fresh:
            return False
        spent = self._spent.get(key_of(record, self.window))
        first = None if spent is None or spent.unreported is None else spent.unreported.first
        return first is not None and first.id != record.id

    def same(self, texts: Callable[[], Sequence[Texts]]) -> bool:
        """Whether all these texts are of one stream and window."""
        whose = {
            part.alike and (part.at[at] // self.window, *part.alike)
            for part in texts()
            for at in (0, -1)
            if len(part.starts)
        }
        return len(whose) == 1 and None not in whose

    def admit(self, record: Record, fingerprint: str) -> bool:
        """Whether to report a secret that this record shows."""
        if not self._most:
            return True
        spent, secret = self._of(record), hash(fingerprint)
        if spent.unreported is not None:
            return False
        if spent.places < MOST_LEAKS:
            if secret in spent.fingerprints:
                return True
            if len(spent.fingerprints) < self._most:
                spent.fingerprints.add(secret)
                self.kept += 1
                return True
        spent.unreported = Unreported(record)
        self._fresh.append(key_of(record, self.window))
        return False

    def spend(self, record: Record, places: int) -> None:
        """Counts the places where this record shows secrets that were admitted."""
        self._of(record).places += places

    def shown_often(self, record: Record, fingerprint: str) -> bool:
        """Counts a leak of this record.

        Whether there were very many of that secret in its stream: one more says nothing new.
        """
        spent, secret = self._of(record), hash(fingerprint)
        count = spent.leaks.get(secret, 0)
        if count < _OFTEN and (count or len(spent.leaks) < _MOST_OFTEN):
            spent.leaks[secret] = count + 1
            self.kept += not count
        return count >= _OFTEN

    def more_shown(self, record: Record, fingerprint: str, different: int = _NEVER) -> int:
        """Of how many more leaks of that secret the text around is shown, in this record's stream and window.

        So many `different` secrets are about to be shown; without that, as many as there can be.
        """
        spent = self._spent.get(key_of(record, self.window))
        leaks = {} if spent is None else spent.leaks
        count = leaks.get(hash(fingerprint), 0)
        return _OFTEN - count if count or len(leaks) + different <= _MOST_OFTEN else _NEVER

    def surely_admitted(self, record: Record, different: int) -> int:
        """How many places, the first, are admitted whatever they show, if the batch has so many `different` secrets."""
        if not self._most:
            return _NEVER
        spent = self._spent.get(key_of(record, self.window), _Spent())
        if spent.unreported is not None or len(spent.fingerprints) + different > self._most:
            return 0
        return max(0, MOST_LEAKS - spent.places)

    def _of(self, record: Record) -> _Spent:
        key = key_of(record, self.window)
        spent = self._spent.get(key)
        if spent is None:
            spent = self._spent[key] = _Spent()
            self._forget(key)
        return spent

    def _forget(self, now: Key) -> None:
        """Drops windows that are over and, if too much is kept, the streams that showed a secret first."""
        if now[0] > self._latest:
            self._latest = now[0]
            for key in [key for key in self._spent if key[0] <= now[0] - _WINDOWS]:
                self._drop(key)
        while self.kept >= _KEPT and len(self._spent) > 1:
            self._drop(next(iter(self._spent)))

    def _drop(self, key: Key) -> None:
        spent = self._spent.pop(key)
        self.kept -= len(spent.fingerprints) + len(spent.leaks)
        self._over.discard(key)
        if spent.unreported is not None:
            self._ended.append(spent.unreported)

    def cut_short(self, texts: Callable[[], Sequence[Texts]]) -> Any:
        """The (start, end) of the texts of streams that were cut short before these, None if there are none."""
        if not self._over:
            return None
        spans = [
            np.column_stack([part.starts[rows], part.ends[rows]])
            for part, rows, _ in texts_of(texts(), self._over, self.window)
        ]
        return np.concatenate(spans) if spans else None

    def count(self, texts: Callable[[], Sequence[Texts]]) -> None:
        """Counts the records of these texts that were cut short. All secrets in them were asked for before."""
        if not self._fresh and not self._over:
            return
        fresh: dict[Key, int] = {}
        for key in self._fresh:
            spent = self._spent.get(key)
            if spent is not None and spent.unreported is not None:
                fresh[key] = spent.unreported.first.start
        self._fresh.clear()
        self._over.update(fresh)
        if not self._over:
            return
        for part, rows, key in texts_of(texts(), self._over, self.window):
            starts, ends = part.starts[rows], part.ends[rows]
            since = (ends >= fresh.get(key, 0)) & (rows < part.fresh)
            unreported = self._spent[key].unreported
            if unreported is not None and since.any():
                unreported.add(int(since.sum()), int((ends - starts)[since].sum()))

        for key in fresh:
            unreported = self._spent[key].unreported
            if (
                unreported is not None and not unreported.records
            ):  # a part of one record, or one that stood before
                unreported.add(1, 0)

    def unreported(self) -> list[Unreported]:
        """What was cut short, of each stream and window where that grew since the last call."""
        over = [self._spent[key].unreported for key in sorted(self._over, key=repr)]
        found = [one for one in (*self._ended, *over) if one is not None and one.grew]
        self._ended.clear()
        told = [msgspec.structs.replace(one) for one in found]
        for one in found:
            one.grew = one.grew_size = 0
        return told
