"""Text over many lines of mixed streams is put together on a real broker, though the service is killed meanwhile."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

from detector.kafka.handlers import Partition
from tests.broker import Cluster
from tests.ingest.streams import Streams, committed_offsets, until
from tests.ingest.test_reassemble import PRINTED, WRAPS, mixed
from tests.service.whole.deployment import Deployment, replayed
from tests.service.whole.instances import Instance, agreed, drained
from tests.small_history import KEY_TEXT

POLICY = 'key_file = "deployment.key"\nlateness = "3000d"\nretention = "3000d"\n'
SHORT = ("--session", "1.5")
UNTIL = "2026-11-01T00:00:00Z"  # long after it
ROUNDS = 2


def _made(make: Callable[[int], str], seed: int, stream: int) -> str:
    return make(seed + stream)


def told(wrap: str, seed: int) -> list[list[bytes]]:
    """Records of two streams in turn, a key or wrapped base64 of each in every list."""
    texts = [
        [*mixed(partial(_made, make, seed + at)), ("nothing to see", 0)]
        for at in range(0, 10 * ROUNDS, 10)
        for make in PRINTED.values()
    ]
    numbers = itertools.count()
    return [[WRAPS[wrap](text, stream, next(numbers)) for text, stream in each] for each in texts]


async def test_streams_mixed_in_a_topic_show_what_replay_finds_though_polls_and_kills_cut_them(
    broker: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(broker.bootstrap, tmp_path, POLICY)
    some, paths = [told("JSON", 1), told("pods", 101)], []
    for partition, lists in enumerate(some):
        paths.append(tmp_path / f"{partition}.jsonl")
        paths[-1].write_bytes(b"".join(value + b"\n" for values in lists for value in values))
    expected = replayed(tmp_path, deployment.config, paths, UNTIL)
    assert len(expected.findings) == len(some) * ROUNDS * 4  # of each of two streams a key and a token
    await deployment.create()
    service, sent = Instance(deployment, "one"), [0] * len(some)
    group = Streams(deployment.bootstrap, f"{deployment.name}-scan")

    async def put(which: int, part: slice) -> None:
        records = [(0, at, value) for at, lists in enumerate(some) for value in lists[which][part]]
        for _, partition, _ in records:
            sent[partition] += 1
        await deployment.trickle(records, seconds=0.5)

    async def scanned() -> bool:
        done = await committed_offsets(group)
        return all(done.get(Partition(deployment.inputs[0], at), 0) >= count for at, count in enumerate(sent))

    try:
        service.start(*SHORT)
        await until(service.telling("started"), "a start")
        for which, values in enumerate(some[0]):
            half = len(values) // 2
            await put(which, slice(half))
            await until(scanned, "the first half of it to be read", every=0.05)
            await service.kill()  # while it waits for the rest
            service.start(*SHORT)
            await put(which, slice(half, None))
        await until(lambda: drained(deployment), "all to be read")
        await agreed(deployment, expected)
    finally:
        deployment.end()
