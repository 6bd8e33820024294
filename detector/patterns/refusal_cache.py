"""Look-alikes that were refused before: the same `postgres:postgres` stands in a log a million times."""

from typing import Final

_MOST: Final = 4096
_LONGEST: Final = 256  # bytes


class RefusalCache:
    """Texts that are no secrets whatever stands around them. Bounded; threads may share it."""

    __slots__ = ("_refused",)

    def __init__(self) -> None:
        self._refused: set[bytes] = set()

    def __contains__(self, text: bytes) -> bool:
        return text in self._refused

    def add(self, text: bytes) -> None:
        """Remember one; when there are too many, all are forgotten."""
        if len(text) > _LONGEST:
            return
        if len(self._refused) >= _MOST:
            self._refused = set()
        self._refused.add(text)
