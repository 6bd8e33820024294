"""Where records are written: a sink answers once they are safe."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Written(msgspec.Struct, frozen=True):
    """One record on its way: its topic, key, value and headers."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Sink(Protocol):
    """Writes records. `record_bytes` is the largest size of one; `binary`, whether it may be other than text."""

    record_bytes: int
    binary: bool

    @property
    def problem(self) -> str | None:
        """Why nothing can be written now."""

    async def run(self) -> None:
        """Keeps the sink at work until it is cancelled."""

    async def write(self, records: Sequence[Written]) -> None:
        """Returns once all of them are safe.

        Raises:
            RetryError: some may not be.
        """

    async def close(self) -> None:
        """Ends it. Nothing more is written."""
