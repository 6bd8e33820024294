"""A history in which something differs, made as small as it gets: a person has to read it."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from detector.values.events import CanonicalEvent
from tests.random_histories.expected import Drawn, Told
from tests.random_histories.lines import LogStream

T = TypeVar("T")
_SECONDS: Final = 120.0
Item = CanonicalEvent | tuple[str, int]  # an event, or a line: the stream and the number of its first part


def smaller(history: Drawn, differs: Callable[[Drawn], bool]) -> Drawn:
    """The histories of the fewest seeds that still differ, with the fewest events and lines."""
    end = time.monotonic() + _SECONDS

    def still(fewer: Drawn) -> bool:
        return time.monotonic() < end and differs(fewer)

    worlds = fewest(history.worlds, lambda some: still(Drawn(list(some))))
    items = [(world.seed, item) for world in worlds for item in _items(world)]

    def of(kept: Sequence[tuple[int, Item]]) -> Drawn:
        return Drawn([_with(world, [item for seed, item in kept if seed == world.seed]) for world in worlds])

    return of(fewest(items, lambda kept: still(of(kept))))


def fewest(items: Sequence[T], differs: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Leaves out what may be left out, first in large pieces: what is left still differs."""
    size = max(1, len(items) // 2)
    while True:
        at = 0
        while at < len(items) > 1:
            fewer = [*items[:at], *items[at + size :]]
            if fewer and differs(fewer):
                items = fewer
            else:
                at += size
        if size == 1:
            return items
        size //= 2


def _items(world: Told) -> list[Item]:
    lines = [(stream.name, line.whole) for stream in world.streams for line in stream.lines]
    return [*world.events, *dict.fromkeys(lines)]


def _with(world: Told, items: Sequence[Item]) -> Told:
    """The world with these of its events and lines. Lines keep their numbers, by which leaks name them."""
    kept = {item for item in items if isinstance(item, tuple)}
    streams = [
        LogStream(
            stream.name,
            stream.form,
            stream.task_id,
            [line for line in stream.lines if (stream.name, line.whole) in kept],
        )
        for stream in world.streams
    ]
    return Told(
        world.seed,
        [item for item in items if not isinstance(item, tuple)],
        [stream for stream in streams if stream.lines],
        [leak for leak in world.leaks if (leak.source, int(leak.id)) in kept],
    )
