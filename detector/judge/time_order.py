"""Keeps items in the order of their time: in a plain list while there are few, in O(log n) when there are many.

An item is a tuple that begins with its key: a time in nanoseconds, then fields that break ties. The fields after the
key are never compared, because `put` takes no second item with the same key.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec
from sortedcontainers import SortedList

_FEW: Final = 256  # inserting into a list this long costs less than a sorted list's bookkeeping

Item: TypeAlias = tuple[Any, ...]


class TimeOrder(msgspec.Struct, eq=False, gc=False):
    """Tuples in order; the first `width` fields of each are its key."""

    width: int
    _items: Any = msgspec.field(default_factory=list)

    def put(self, item: Item) -> bool:
        """Adds an item unless there is one with its key. Returns whether it was added."""
        items = self._items
        key = item[: self.width]
        if type(items) is list:
            if not items or items[-1] < key:  # nearly always, because events come nearly in order
                items.append(item)
            else:
                at = bisect_left(items, key)
                if at < len(items) and items[at][: self.width] == key:
                    return False
                items.insert(at, item)
            if len(items) > _FEW:
                self._items = SortedList(items)
            return True
        if not items or items[-1] < key or self.find(key) is None:
            items.add(item)
            return True
        return False

    def find(self, key: Item) -> Item | None:
        """The first item that begins with `key`, which may be shorter than the width."""
        items = self._items
        if type(items) is list:
            at = bisect_left(items, key)
            item: Item | None = items[at] if at < len(items) else None
        else:
            item = next(items.irange(key), None)
        return item if item is not None and item[: len(key)] == key else None

    def take(self, key: Item) -> Item | None:
        """Removes and returns the item with this whole key, None if there is none."""
        item = self.find(key)
        if item is not None:
            if type(self._items) is list:
                del self._items[bisect_left(self._items, key)]
            else:
                self._items.remove(item)
        return item

    def cut(self, time: int) -> list[Item]:
        """Removes and returns the items before `time`, in order."""
        items = self._items
        at = items.bisect_left((time,)) if type(items) is not list else bisect_left(items, (time,))
        cut: list[Item] = list(items[:at])
        del items[:at]
        return cut

    def between(self, low: int, high: int) -> Iterator[Item]:
        """Iterates over the items with low <= time <= high, in order. Change nothing meanwhile."""
        items = self._items
        if type(items) is list:
            return islice(items, bisect_left(items, (low,)), bisect_left(items, (high + 1,)))
        found: Iterator[Item] = items.irange((low,), (high + 1,), (True, False))
        return found

    def at_most(self, time: int) -> Item | None:
        """The last item at or before `time`."""
        items = self._items
        if type(items) is list:
            at = bisect_left(items, (time + 1,))
            return items[at - 1] if at else None
        last: Item | None = next(items.irange(None, (time + 1,), (True, False), reverse=True), None)
        return last

    def after(self, time: int) -> Item | None:
        """The first item later than `time`."""
        items = self._items
        if type(items) is list:
            at = bisect_left(items, (time + 1,))
            return items[at] if at < len(items) else None
        first: Item | None = next(items.irange((time + 1,)), None)
        return first

    @property
    def first(self) -> Item:
        """The first item; there must be one."""
        item: Item = self._items[0]
        return item

    @property
    def last(self) -> Item:
        """The last item; there must be one."""
        item: Item = self._items[-1]
        return item

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)
