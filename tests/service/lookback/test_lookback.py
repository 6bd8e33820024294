"""The look-back finds leaks of credentials that were registered later, on a real broker."""

import asyncio
import base64
import gzip
import json
from concurrent.futures import ThreadPoolExecutor

from detector.judge.routing import LeakWithdrawal, decode
from detector.kafka.delayed_reader import DelayedReader, DelayedReaderSettings
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.scanner import PatternScanner
from detector.scan.shares import FIRST_LOOK
from detector.scan.sightings import NoPatterns
from detector.service.lookback.lookback import Lookback, LookbackSettings
from detector.values.events import Leak, LimitedRecord
from detector.values.secrets import Secret
from detector.values.times import SECOND
from tests.broker import Cluster
from tests.bundled import bundled_patterns
from tests.ingest.streams import PATIENCE_SECONDS, Streams, filled, made, read, until
from tests.registry.registry_topic import KEY, SECRET, followed, issue, working, write_issues


def lookback_of(
    streams: Streams, registered: RegisteredCredentials, delay: int, issues: int
) -> DelayedReader:
    """Goes on once so many issues are known."""
    settings = DelayedReaderSettings(
        f"{streams.name}-lookback",
        {streams.target: 1},
        (streams.source,),
        delay=delay,
        session_seconds=6,
    )
    handler = Lookback(LookbackSettings(streams.target, delay), registered, ThreadPoolExecutor(1))

    async def known(_time: int) -> bool:
        return len(registered.registry) >= issues

    return DelayedReader(streams.clients, settings, handler, may_read=known)


async def leaks_of(streams: Streams) -> list[tuple[str, str]]:
    found = []
    for some in (await read(streams, streams.target)).values():
        for record in some:
            leak = decode(record.value)
            if isinstance(leak, Leak) and record.key.startswith(b"t:"):
                found.append((record.key.decode(), leak.id))
    return sorted(found)


async def test_a_leak_is_found_though_its_credential_was_registered_later(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 2)
    await filled(streams, 0, [json.dumps({"message": f"token {SECRET}"}).encode(), b"nothing"])
    texts = "unregistered-" + SECRET[:16], "another-" + SECRET[8:]
    await filled(streams, 1, [f"token {texts[number % 2]}".encode() for number in range(4)])
    registered, follower = followed(streams)
    async with working(follower.run(), lookback_of(streams, registered, 3 * SECOND, 2).run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        await write_issues(streams, issue(1), issue(2, texts[1]))

        async def found() -> bool:
            return len(await leaks_of(streams)) >= 3

        await until(found, "the leaks", every=0.5)
        assert await leaks_of(streams) == [("t:t1", "p0@0"), ("t:t2", "p1@1"), ("t:t2", "p1@3")]

    # Another takes over where this one was.
    await filled(streams, 0, [f"again {SECRET}".encode()])
    async with working(lookback_of(streams, registered, 0, 2).run()):

        async def found_too() -> bool:
            return len(await leaks_of(streams)) >= 4

        await until(found_too, "one more", every=0.5)
        assert ("t:t1", "p0@2") in await leaks_of(streams)
        assert len(await leaks_of(streams)) == 4


async def test_what_turns_out_to_be_part_of_a_registered_secret_is_withdrawn(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    basic = base64.b64encode(f"deploy-bot:{SECRET}".encode()).decode()
    await filled(streams, 0, [b"nothing", f"Authorization: Basic {basic}".encode(), b"nothing"])
    scanner = PatternScanner(
        tuple(each for each in bundled_patterns() if each.id == "http-basic-authorization")
    )
    registered, follower = followed(streams, Finders(scanner, (KEY,)))
    async with working(follower.run(), lookback_of(streams, registered, 2 * SECOND, 1).run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        await write_issues(streams, issue(1))

        async def withdrawn() -> bool:
            return bool(await withdrawals(streams))

        await until(withdrawn, "the withdrawal", every=0.5)
    whole = KEY.fingerprint(Secret(SECRET.encode()))
    ((key, said),) = await withdrawals(streams)
    assert (said.source, said.id) == (streams.source, "p0@1")
    assert key.startswith("s:")
    assert key != f"s:{whole}"  # it is the secret that the pattern saw
    assert await leaks_of(streams) == [("t:t1", "p0@1")]


async def test_a_record_that_was_cut_short_is_scanned_whole_or_reported(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    packed = [
        base64.b64encode(gzip.compress(text))
        for text in (b"so it goes " * 3_600 + SECRET.encode(), b"so it goes " * 36_000 + SECRET.encode())
    ]
    await filled(streams, 0, [b"nothing", *packed])
    registered, follower = followed(streams, Finders(NoPatterns(), (KEY,), share=FIRST_LOOK))
    async with working(follower.run(), lookback_of(streams, registered, 2 * SECOND, 1).run()):
        await asyncio.wait_for(registered.complete.wait(), PATIENCE_SECONDS)
        await write_issues(streams, issue(1))

        async def reported() -> bool:
            return bool(await limited(streams))

        await until(reported, "the record that is too much", every=0.5)
    assert [(key, record.id) for key, record in await limited(streams)] == [(f"l:{streams.source}//", "p0@2")]
    assert await leaks_of(streams) == [("t:t1", "p0@1")]


async def limited(streams: Streams) -> list[tuple[str, LimitedRecord]]:
    records = [record for some in (await read(streams, streams.target)).values() for record in some]
    payloads = [(record.key.decode(), decode(record.value)) for record in records]
    return [(key, payload) for key, payload in payloads if isinstance(payload, LimitedRecord)]


async def withdrawals(streams: Streams) -> list[tuple[str, LeakWithdrawal]]:
    records = [record for some in (await read(streams, streams.target)).values() for record in some]
    payloads = [(record.key.decode(), decode(record.value)) for record in records]
    return [(key, payload) for key, payload in payloads if isinstance(payload, LeakWithdrawal)]
