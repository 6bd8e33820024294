"""Remembers whose credential was seen alive: that a provider does not know it later is proof only then.

Providers answer "not found" also about what the revoker may not see.
"""

from typing import Final

_MOST: Final = 10_000


class SeenAlive:
    """The last 10,000 commands whose credential this process saw alive."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, command_id: str) -> None:
        """It is alive now."""
        self._ids[command_id] = None
        if len(self._ids) > _MOST:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, command_id: str) -> bool:
        return command_id in self._ids
