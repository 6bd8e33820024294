"""Whether a block of JSON can hold an event at all: one search for all marks, long before any parsing."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import hyperscan


class Markers:
    """Bytes of which every event has some. One Hyperscan search for all: faster than two plain ones on any line.

    A megabyte takes 0.35 ms with 5 marks and 0.55 to 0.7 ms with 43: which 43 makes the difference (measured with
    Hyperscan 5.4.12 on one core with SSE). The database is compiled when it is first asked, and may be from many
    threads and forked processes.
    """

    def __init__(self, marks: Iterable[bytes]) -> None:
        known = tuple(dict.fromkeys(marks))
        # What has a shorter one in it need not be looked for.
        self.marks = tuple(
            mark for mark in known if not any(other in mark for other in known if other != mark)
        )
        self._threads = threading.local()
        self._compiling = threading.Lock()
        self._database: Any = None

    def stand_in(self, data: bytes) -> bool:
        """Whether one of the marks is in `data`: if not, no event is."""
        return self._search(data, _stop)

    def ends(self, data: bytes) -> list[int]:
        """Where the marks in `data` end: some for each that stands in it."""
        found: list[int] = []
        self._search(data, lambda _number, _start, end, *_: found.append(end))
        return found

    def _search(self, data: bytes, take: Callable[..., bool | None]) -> bool:
        """Whether `take` ended the search: it is called with each mark found, and may return True."""
        try:
            database, scratch = self._threads.held
        except AttributeError:
            database, scratch = self._threads.held = self._held()
        try:
            database.scan(data, match_event_handler=take, scratch=scratch)
        except hyperscan.ScanTerminated:
            return True
        return False

    def _held(self) -> tuple[Any, Any]:
        """The database, and this thread's scratch: Hyperscan refuses one that is in use."""
        with self._compiling:
            if self._database is None:
                database = hyperscan.Database()
                database.compile(
                    expressions=[b"".join(b"\\x%02x" % byte for byte in mark) for mark in self.marks],
                    ids=list(range(len(self.marks))),
                    flags=[0] * len(self.marks),
                )
                self._database = database
        return self._database, hyperscan.Scratch(self._database)


def _stop(*_: int) -> bool:
    return True
