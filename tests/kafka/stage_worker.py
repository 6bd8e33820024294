"""A stage in a process of its own, for tests to kill: copies `in` to `out` with a running count for each key.

The count is state: it lives in memory, and in a changelog from which a partition is restored. Steps of transactions
are told on standard output, a line each, before they are followed by the next; `--kill-at N` makes the process kill
itself at the Nth step, `--stall-at STEP` makes it stop itself at the first such step, as an instance that the
system does not schedule for a while.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from detector.kafka.clients import read_to_end
from detector.kafka.handlers import Output, Partition, StatelessHandler
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Fact, TransactionStep
from tests.ingest.streams import Streams


class CountingCopy(StatelessHandler):
    """Copies records with the count of their key."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._counts: dict[Partition, dict[str, int]] = {}

    async def assigned(self, partition: Partition) -> None:
        counts: dict[str, int] = {}
        changelog = Partition(self._streams.changelog, partition.number)
        async for records in read_to_end(self._streams.clients, changelog):
            counts.update((record.key.decode(), int(record.value)) for record in records)
        self._counts[partition] = counts

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        counts = self._counts[partition]
        outputs = []
        for record in records:
            key = record.key.decode()
            counts[key] = counts.get(key, 0) + 1
            copy = {"partition": partition.number, "offset": record.offset, "key": key, "count": counts[key]}
            outputs.append(Output(self._streams.target, record.key, json.dumps(copy).encode()))
        touched = {record.key for record in records}
        outputs += [
            Output(self._streams.changelog, key, b"%d" % counts[key.decode()], partition=partition.number)
            for key in sorted(touched)
        ]
        return outputs

    async def revoked(self, partition: Partition) -> None:
        del self._counts[partition]


async def main(args: argparse.Namespace) -> None:
    streams = Streams(args.bootstrap, args.name)
    steps = 0

    def observe(fact: Fact) -> None:
        nonlocal steps
        sys.stdout.write(f"{type(fact).__name__} {fact}\n")
        sys.stdout.flush()
        if isinstance(fact, TransactionStep):
            steps += 1
            if steps == args.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if fact.step == args.stall_at:
                args.stall_at = None
                os.kill(os.getpid(), signal.SIGSTOP)

    settings = streams.stage(poll_records=args.poll, transaction_seconds=args.transaction)
    stage = Stage(streams.clients, settings, CountingCopy(streams), observe)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stage.stop)
    await stage.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("name")
    parser.add_argument("--poll", type=int, default=100)
    parser.add_argument("--transaction", type=float, default=10)
    parser.add_argument("--kill-at", type=int)
    parser.add_argument("--stall-at")
    asyncio.run(main(parser.parse_args()))
