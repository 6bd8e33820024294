"""The order in which cases go next: those that are due, by target, the most severe first."""

import heapq
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from sortedcontainers import SortedKeyList

from detector.revoke.case import NEVER, Case
from detector.revoke.rails import urgency


class Waiting(Protocol):
    """What waits: a case, and the target that will probably take it."""

    case: Case
    likely: str


_W = TypeVar("_W", bound=Waiting)


def order(waiting: Waiting) -> tuple[int, bool, int, str]:
    """See `urgency`."""
    return urgency(waiting.case.command)


class DispatchQueue(Generic[_W]):
    """Cases that wait for their turn. `due` picks those whose time has come, without looking at the others."""

    def __init__(self) -> None:
        self._timers: list[tuple[int, str]] = []
        self._ready: dict[str, SortedKeyList] = {}

    def add(self, waiting: _W, now: int) -> None:
        """Queues it for when it is due. It may be queued already."""
        case = waiting.case
        if case.due <= now:
            ready = self._ready.get(waiting.likely)
            if ready is None:
                ready = self._ready[waiting.likely] = SortedKeyList(key=order)
            if waiting not in ready:
                ready.add(waiting)
        elif case.due < NEVER:
            heapq.heappush(self._timers, (case.due, case.command.id))

    def discard(self, waiting: _W) -> None:
        """Takes it out; its timer will find nothing."""
        ready = self._ready.get(waiting.likely)
        if ready is not None:
            ready.discard(waiting)

    def expired(self, now: int) -> Iterator[str]:
        """The ids of the commands whose timer has come."""
        while self._timers and self._timers[0][0] <= now:
            yield heapq.heappop(self._timers)[1]

    def due(self, may: Callable[[str], bool]) -> Iterator[_W]:
        """Those that are due, in order, of each target for as long as it `may` have more.

        Change the queue afterwards.
        """

        def of(name: str, ready: SortedKeyList) -> Iterator[_W]:
            for waiting in ready:
                if not may(name):
                    return
                yield waiting

        yield from heapq.merge(*(of(name, ready) for name, ready in self._ready.items()), key=order)
