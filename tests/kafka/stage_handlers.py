"""Handlers and observers for tests of the stage in its own process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from detector.kafka.handlers import Output, Partition, Refusal, StatelessHandler
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Fact


class FactRecorder:
    """Keeps every fact."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def __call__(self, fact: Fact) -> None:
        self.facts.append(fact)

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


class Copy(StatelessHandler):
    """Copies each record by `make`; refused ones become `dead:` and the reason."""

    def __init__(
        self, target: str, make: Callable[[Any], bytes] = lambda record: bytes(record.value)
    ) -> None:
        self._target = target
        self._make = make
        self.calls: list[str] = []

    async def assigned(self, partition: Partition) -> None:
        self.calls.append(f"assigned {partition.number}")

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        self.calls.append(f"process {partition.number}")
        return [Output(self._target, record.key, self._make(record)) for record in records]

    async def committed(self, partition: Partition, offset: int | None) -> None:
        self.calls.append(f"committed {partition.number} {offset}")

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        return [Output(self._target, None, f"dead: {refusal.reason} {partition.number}".encode())]

    async def revoked(self, partition: Partition) -> None:
        self.calls.append(f"revoked {partition.number}")


@contextlib.asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[None]:
    """The stage at work; its errors surface at the end."""
    task = asyncio.create_task(stage.run())
    try:
        yield
    finally:
        stage.stop()
        await task
