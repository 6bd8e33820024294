"""Tells whoever wants to know of each loop that numba compiles."""

from collections.abc import Callable

_watchers: list[Callable[[bool], None]] = []


def watch(watcher: Callable[[bool], None]) -> None:
    """Has it called for each loop that numba is asked for: False before it is compiled, True once it is there."""
    _watchers.append(watcher)


def tell(*, there: bool) -> None:
    """Calls the watchers."""
    for watcher in _watchers:
        watcher(there)
