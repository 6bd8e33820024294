"""Remembers look-alikes that were refused: one `postgres:postgres` may be in a log a million times."""

from typing import Final

_MOST: Final = 4096
_LONGEST: Final = 256  # bytes


class RefusalCache:
    """Texts that are not secrets, whatever surrounds them. Bounded; threads may share it."""

    __slots__ = ("_refused",)

    def __init__(self) -> None:
        self._refused: set[bytes] = set()

    def __contains__(self, text: bytes) -> bool:
        return text in self._refused

    def add(self, text: bytes) -> None:
        """Remembers a text. When there are too many, it forgets all."""
        if len(text) > _LONGEST:
            return
        if len(self._refused) >= _MOST:
            self._refused = set()
        self._refused.add(text)
