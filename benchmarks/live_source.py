"""A producer at a steady pace, in a process of its own, with probes among its records: credentials that leak once.

The pace does not wait for anybody (an open loop): what the service cannot take piles up in the topic.
"""

import asyncio
import multiprocessing
import random
import time
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.live_load import Texts, secret_of
from detector.values.times import SECOND

TICK: Final = 0.01  # seconds between two sends
PROBES: Final = 25.0  # a second
_POOL: Final = 20_000


class _Target(msgspec.Struct, frozen=True):
    """What a source writes to, and how it is steered from outside."""

    bootstrap: str
    topic: str
    partitions: int
    seed: int
    rate: Any
    probing: Any
    sent: Any


class Source:
    """Started on entry, ended on exit; idle until `rate` is set.

    `sent` is how many records it has sent. `probes` gives when each probe was handed to the producer (Unix time), by
    its number, since it was asked last: to be asked often, for the source waits when a hundred are not taken.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._rate: Synchronized[float] = context.Value("d", 0.0)
        self._probing: Synchronized[int] = context.Value("i", 0)
        self._sent: Synchronized[int] = context.Value("q", 0)
        self._pipe, theirs = context.Pipe()
        target = (bootstrap, topic, partitions, seed, self._rate, self._probing, self._sent)
        self._process = context.Process(target=_run, args=(theirs, target), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    @property
    def sent(self) -> int:
        """Records so far."""
        return int(self._sent.value)

    def pace(self, rate: float, *, probing: bool = False) -> None:
        """So many records a second from now on."""
        self._rate.value = rate
        self._probing.value = int(probing)

    def probes(self) -> dict[int, float]:
        """When each probe was sent."""
        found: dict[int, float] = {}
        while self._pipe.poll():
            number, sent = self._pipe.recv()
            found[number] = sent
        return found

    async def probed(self, seconds: float) -> dict[int, float]:
        """The probes of so many seconds."""
        end = time.monotonic() + seconds
        found: dict[int, float] = {}
        while time.monotonic() < end:
            await asyncio.sleep(0.2)
            found |= self.probes()
        return found


def _run(pipe: Connection, target: tuple[Any, ...]) -> None:
    asyncio.run(_produce(_Target(*target), pipe))


async def _produce(target: _Target, pipe: Connection) -> None:
    texts, rng = Texts(target.seed), random.Random(target.seed)
    now = time.time_ns()
    pool = [texts.record(number, now) for number in range(_POOL)]
    probe, at, owed, due = 0, 0, 0.0, 0.0
    async with AIOKafkaProducer(bootstrap_servers=target.bootstrap, max_batch_size=1 << 20) as producer:
        pipe.send(None)
        last = time.monotonic()
        while True:
            await asyncio.sleep(max(TICK - (time.monotonic() - last), 0))
            clock = time.monotonic()
            owed += (clock - last) * target.rate.value
            due += (clock - last) * PROBES * target.probing.value
            last = clock
            batches = [producer.create_batch() for _ in range(target.partitions)]
            while due >= 1:  # first, as a batch that is full takes no more
                due -= 1
                key, value = texts.leak(probe, time.time_ns(), secret_of(target.seed, f"probe-{probe}"))
                rng.choice(batches).append(timestamp=None, key=key, value=value)
                pipe.send((probe, time.time_ns() / SECOND))
                probe += 1
            each = int(owed) // target.partitions
            for batch in batches:
                for key, value in pool[at : at + each]:
                    batch.append(timestamp=None, key=key, value=value)
                at = (at + each) % (_POOL // 2)
            owed -= each * target.partitions
            target.sent.value += sum(batch.record_count() for batch in batches)
            for number, batch in enumerate(batches):
                if batch.record_count():
                    await producer.send_batch(batch, target.topic, partition=number)
