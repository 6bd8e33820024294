"""Polls are scanned on the event loop, between other things, but for those that are likely to take long."""

import asyncio
import threading

import pytest

from detector.kafka.handlers import Partition
from detector.scan.scanner import PatternScanner
from detector.service.scan import turns
from detector.service.scan.handler import ScanHandler, ScanSettings
from detector.stages.scan import PartitionScanner
from tests.bundled import bundled_scanner
from tests.fake_records import NOW, PARTITION, records
from tests.service.scan.test_scan_handler import OTHER, TOPICS, Scan, log

POLL = records([log(f"line {number} of the job") for number in range(10_000)])


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


@pytest.fixture
def scanned_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The thread of each scan, in order."""
    threads: list[str] = []
    scan = PartitionScanner.scan

    def noted(*args: object, **named: object) -> object:
        threads.append(threading.current_thread().name)
        return scan(*args, **named)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(PartitionScanner, "scan", noted)
    return threads


async def test_a_poll_is_scanned_on_the_event_loop(scanner: PatternScanner, scanned_by: list[str]) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(POLL)
    scanned_by.clear()
    await scan.poll(POLL)
    assert scanned_by == [threading.current_thread().name]


async def test_one_that_is_likely_to_take_long_is_scanned_in_a_thread(
    scanner: PatternScanner, scanned_by: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST", 1e-9)
    scan = Scan(scanner)
    other = Partition(PARTITION.topic, PARTITION.number + 1)
    await scan.handler.assigned(PARTITION)
    await scan.poll(POLL)
    scanned_by.clear()
    assert await scan.poll(records([log(f"token {OTHER}")]))
    assert threading.current_thread().name not in scanned_by
    scanned_by.clear()
    await scan.handler.process(other, POLL)
    assert threading.current_thread().name in scanned_by  # nothing is known of this one


async def test_how_long_a_few_bytes_take_says_nothing_of_many(
    scanner: PatternScanner, scanned_by: list[str]
) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(POLL)
    await scan.poll(records([log("one")]))
    scanned_by.clear()
    await scan.poll(POLL)
    assert scanned_by == [threading.current_thread().name]


async def test_the_loop_goes_on_between_two_scans(scanner: PatternScanner) -> None:
    happened: list[object] = []
    scan = Scan(scanner)
    scan.handler = ScanHandler(
        ScanSettings(TOPICS),
        scan.registered,
        scan.threads,
        clock=lambda: NOW,
        observe=lambda fact: happened.append(type(fact).__name__),
    )
    partitions = [Partition(PARTITION.topic, number) for number in range(4)]
    for each in partitions:
        await scan.handler.assigned(each)
        await scan.handler.process(each, POLL)
    happened.clear()

    async def heartbeat() -> None:
        while True:
            happened.append("heartbeat")
            await asyncio.sleep(0)

    beating = asyncio.create_task(heartbeat())
    await asyncio.gather(*(scan.handler.process(each, POLL) for each in partitions))
    beating.cancel()
    polls = [at for at, what in enumerate(happened) if what == "ScannedPoll"]
    assert len(polls) == len(partitions)
    assert all(polls[at] + 1 < polls[at + 1] for at in range(len(polls) - 1)), happened
