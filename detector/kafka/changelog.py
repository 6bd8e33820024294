"""What the judge stage's state is restored from: a compacted topic, as little of it as the stage needs."""

from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias

Change: TypeAlias = tuple[bytes, bytes | None]  # key and value, None to delete


class Changelog(Protocol):
    """One partition for each of the work topic's, written in the transactions of the stage itself."""

    async def span(self, partition: int) -> tuple[int, int]:
        """The offset of the first record that is there and of the next to come (all that is committed is before it)."""

    def read(self, partition: int, start: int) -> AsyncIterator[list[Change]]:
        """Committed records in order, from an offset on until the end as it stands at the call."""
