"""From a leak's append to the first use that a real server refuses: `curfewd run` and `curfewd revoke`, side by side.

`python -m benchmarks revoke` lets tasks print tokens of an OAuth server and passwords of PostgreSQL, one after the
other, and uses each again and again from its print on. The first use that is refused ends the measurement. A session of
PostgreSQL is open before the print: its end counts.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks import compare, peers, tables
from benchmarks.latency_bench import quantile
from benchmarks.live_kafka import cluster
from detector.values.times import MILLISECOND, parse_rfc3339
from tests.ingest.streams import until
from tests.revoke.issuers import Issued, RoleIssuer, TokenIssuer, print_secret, refused
from tests.revoke.servers import OAuthServer, Postgres
from tests.revoke.whole_way import LOGS, NO_LIMITS, WholeWay
from tests.service.whole.deployment import ended, terminate
from tests.small_history import KEY

TOKEN, ROLE = "a token (OAuth 2, RFC 7009)", "a role (PostgreSQL), with an open session"
HEAD: Final = ["credential", "leaks", "refused after, p50", "p99", "longest", "proved after, p50", "p99"]
POLL: Final = 0.01  # seconds between two uses


class Options(msgspec.Struct, frozen=True):
    """So many leaks, half of them of each kind, one every so many seconds. `warm` more come first, and do not count."""

    leaks: int = 200
    every: float = 0.25
    warm: int = 10


class Row(msgspec.Struct, frozen=True):
    """Milliseconds since the append: until the first refused use, and until the outcome says that it is proved."""

    credential: str
    refused: list[float]
    proved: list[float]

    def cells(self) -> list[str]:
        """A line of the table."""
        shares = [quantile(self.refused, 0.5), quantile(self.refused, 0.99), max(self.refused)]
        shares += [quantile(self.proved, 0.5), quantile(self.proved, 0.99)]
        return [self.credential, str(len(self.refused)), *(f"{each:.0f} ms" for each in shares)]


class _Leak(msgspec.Struct, frozen=True):
    """Times in ns since the epoch."""

    issued: Issued
    printed: int
    refused: int


async def measure(
    bootstrap: str, folder: Path, oauth: OAuthServer, postgres: Postgres, options: Options
) -> list[Row]:
    """One run over new topics."""
    tokens, roles = TokenIssuer(oauth, folder, KEY), RoleIssuer(postgres, folder, KEY)
    await roles.install()
    way = WholeWay(bootstrap, folder, (tokens, roles), NO_LIMITS)
    await way.create()
    processes = [way.start(), way.start_revoker()]
    try:
        await until(way.ready, "both are ready")
        kinds = (tokens, roles)
        count = options.warm + options.leaks
        issued = [await kinds[number % 2].issue(f"{way.name}-{number}") for number in range(count)]
        await way.begin(issued)
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0) as producer:
            leaking, begun = [], time.monotonic()
            for number, each in enumerate(issued):
                await asyncio.sleep(max(0.0, begun + number * options.every - time.monotonic()))
                leaking.append(asyncio.create_task(_leak(producer, way.inputs[LOGS], tokens, roles, each)))
            leaks = await asyncio.gather(*leaking)
        await until(partial(_told, way, len(leaks)), "all outcomes")
        proved = await _proved(way)
        for process in processes:
            terminate(process)
            await ended(process)
    finally:
        way.end()
    return _rows(leaks[options.warm :], proved)


async def _leak(
    producer: AIOKafkaProducer, topic: str, tokens: TokenIssuer, roles: RoleIssuer, issued: Issued
) -> _Leak:
    """A task prints its credential, and somebody uses it until that is refused."""
    if issued.credential_id.endswith("/token"):
        works = partial(tokens.works, issued)
    else:
        works = partial(roles.lasts, await roles.login(issued))
    printed = await print_secret(producer, topic, issued)
    return _Leak(issued, printed, await refused(works, POLL))


async def _told(way: WholeWay, count: int) -> bool:
    return len(await _proved(way)) >= count


async def _proved(way: WholeWay) -> dict[str, int]:
    """When each credential was proved dead, ns since the epoch."""
    return {
        each["data"]["credential_id"]: parse_rfc3339(each["data"]["finished_at"])
        for told in (await way.outcomes()).values()
        for each in told
        if each["data"].get("outcome") in {"confirmed", "gone-already"}
    }


def _rows(leaks: Sequence[_Leak], proved: dict[str, int]) -> list[Row]:
    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for leak in leaks:
        kind = TOKEN if leak.issued.credential_id.endswith("/token") else ROLE
        found[kind][0].append((leak.refused - leak.printed) / MILLISECOND)
        found[kind][1].append((proved[leak.issued.credential_id] - leak.printed) / MILLISECOND)
    return [Row(kind, *found[kind]) for kind in (TOKEN, ROLE)]


def _about(options: Options) -> str:
    return (
        f"\nOne leak every {options.every:g} s, after {options.warm} that do not count. Kafka, both servers and whoever "
        f"uses the credentials, every {POLL * 1000:.0f} ms, share the machine.\n"
    )


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    with (
        peers.scratch() as name,
        cluster(Path(name) / "kafka") as kafka,
        OAuthServer() as oauth,
        Postgres() as postgres,
    ):
        folder = Path(name) / "way"
        folder.mkdir()
        rows = asyncio.run(measure(kafka.bootstrap, folder, oauth, postgres, options))
    machine = compare.machine()
    text = "\n".join(
        [
            "# From a leak's append to its first refused use\n",
            tables.about(machine),
            _about(options),
            tables.table(HEAD, [row.cells() for row in rows]),
            "",
        ]
    )
    print(text)
    tables.save(compare.RESULTS, "revoke", text, {"machine": machine, "options": options, "rows": rows})
