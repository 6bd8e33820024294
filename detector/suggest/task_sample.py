"""Which tasks did something, in bounded memory: the same sample for any order of the same tasks.

Tasks are numbered by a hash of their id. A sample keeps the 64 smallest numbers, so the samples of two things hold the
same tasks as far as both did them.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

SIZE: Final = 64


def task_number(task_id: str) -> int:
    """The number of a task: the same in every run."""
    return int.from_bytes(hashlib.blake2b(task_id.encode("utf-8", "replace"), digest_size=8).digest())


class TaskSample:
    """The tasks with the smallest numbers, and whether there were more."""

    __slots__ = ("_largest", "more", "numbers")

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.numbers: set[int] = set()
        self.more = False
        self._largest = -1
        for number in numbers:
            self.add(number)

    def add(self, number: int) -> None:
        """Adds a task; a second time changes nothing."""
        numbers = self.numbers
        if number in numbers:
            return
        if len(numbers) < SIZE:
            numbers.add(number)
            self._largest = max(self._largest, number)
            return
        self.more = True
        if number < self._largest:
            numbers.remove(self._largest)
            numbers.add(number)
            self._largest = max(numbers)

    def merge(self, other: "TaskSample") -> None:
        """Adds the tasks of another sample."""
        for number in other.numbers:
            self.add(number)
        self.more |= other.more

    def may_have(self, number: int) -> bool:
        """Whether a task is one of all, as far as can be told: False is certain."""
        return number in self.numbers or (self.more and number > self._largest)

    def __len__(self) -> int:
        """How many tasks at least; exactly so many, unless there are `more`."""
        return len(self.numbers)
