"""Random histories through the service on a real Kafka, while its processes are killed.

`python -m tests.random_histories.live MODE FIRST COUNT KILLS` does so once, with the number of a mode.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.values.times import MINUTE, SECOND, format_rfc3339, parse_rfc3339
from tests.broker import shared
from tests.ingest.streams import until
from tests.random_histories.configuration import Tables, configuration, held, toml, write
from tests.random_histories.expected import Answer, Drawn, compared, drawn, expected, told
from tests.random_histories.record import FOLDER, Compared
from tests.random_histories.replayed import Replay, told_small
from tests.random_histories.written import EVENTS, LOGS, Group, interleaved, records
from tests.service.whole.deployment import Deployment, asked, summary
from tests.service.whole.instances import INPUT_PARTITIONS, Instance, drained

END: Final = "2026-11-01T00:00:00Z"  # long after the histories
LATE: Final = 10 * MINUTE  # by how much events come late at most, where lateness is 15 min
LOOKBACK: Final = 60  # s: all events are read by then, also if processes die
SESSION: Final = "3"  # s: less, and a busy machine takes partitions from a process that lives
PATIENCE: Final = 300  # s until an answer that differs is the last
_SHOWN: Final = 20  # differences
Slice = list[tuple[int, int, bytes]]


class Mode(msgspec.Struct, frozen=True):
    """In which order records come, and which processes read them: of each its options."""

    name: str
    patient: bool = True  # any order; else none is late by more than `LATE`
    processes: tuple[tuple[str, ...], ...] = ((),)


MODES: Final = (
    Mode("live, in any order"),
    Mode("live, up to ten minutes late", patient=False),
    Mode("live, scan and judge apart", processes=(("--stage", "scan"), ("--stage", "judge"))),
    Mode("live, two processes", patient=False, processes=((), ())),
)


async def run(  # noqa: PLR0913, PLR0917 - where, what and how often
    bootstrap: str, folder: Path, number: int, first: int, count: int, kills: int
) -> tuple[Compared, str]:
    """The histories of `count` seeds at once in a mode, through so many kills.

    The second is empty, or says what differs, and whether it does so in a replay too.
    """
    mode = MODES[number]
    rng = random.Random(f"{mode.name} {first}")
    tables: Tables = held(configuration(rng), "10d" if mode.patient else "1h")
    tables |= {"lateness": "3000d", "retention": "3000d"} if mode.patient else {}
    policy = write(folder, tables)[1]
    history = drawn(range(first, first + count), policy)
    deployment = Deployment(bootstrap, folder, toml(tables))
    deployment.config.write_text(
        deployment.config.read_text().replace('lookback = "2s"', f'lookback = "{LOOKBACK}s"')
    )
    wanted = expected(history, policy, parse_rfc3339(END))
    try:
        await deployment.create()
        await _killed(deployment, mode, _dealt(history, mode, kills + 1, rng), rng)
        given = await _answer(deployment, wanted)
        ids = [each["id"] for each in await deployment.commands()]
        assert len(set(ids)) == len(ids)
        assert await deployment.topic("dead-letters") == []
        differences = wanted.differences(given)
        said = await _told(deployment, tables, history, differences) if differences else ""
    finally:
        deployment.end()
    again = f"{number} {first} {count} {kills}"
    said = said and f"{said}\nAgain: python -m tests.random_histories.live {again}"
    return compared(mode.name, history, wanted, differences, kills).keep(), said


def _dealt(history: Drawn, mode: Mode, count: int, rng: random.Random) -> list[Slice]:
    """The records over random partitions, in slices: in any order, or as late as they may be.

    Those of a container come in their order and together, as a line is waited for some seconds only.
    """
    groups = records(history.events, history.streams, rng)
    late = [rng.random() if mode.patient else _time(group) + rng.randrange(LATE) for group in groups]
    order = sorted(range(len(groups)), key=late.__getitem__)
    slices: list[Slice] = []
    for number in range(count):
        some = order[len(order) * number // count : len(order) * (number + 1) // count]
        dealt = [
            [(which, partition, value) for which, value in groups[each]]
            for each in some
            for partition in (rng.randrange(INPUT_PARTITIONS),)
        ]
        lines, told = ([each for each in dealt if each[0][0] == which] for which in (LOGS, EVENTS))
        slices.append([*interleaved(lines, rng), *(record for each in told for record in each)])
    return slices


def _time(group: Group) -> int:
    number, value = group[0]
    if number == EVENTS or value.startswith(b"{"):
        record = json.loads(value)
        return parse_rfc3339(record.get("time") or record["timestamp"])
    return parse_rfc3339(value.split()[0].decode())


async def _killed(deployment: Deployment, mode: Mode, slices: list[Slice], rng: random.Random) -> None:
    """Kills one process or the other behind each slice but the last, then has them read all there is."""
    instances = [Instance(deployment, f"instance-{number}") for number in range(len(mode.processes))]
    for instance, options in zip(instances, mode.processes, strict=True):
        instance.start("--session", SESSION, *options)
    for some in slices[:-1]:
        await deployment.put(some)
        await asyncio.sleep(rng.random() * 9)
        number = rng.randrange(len(instances))
        victim = instances[number]
        assert victim.process.poll() is None, victim.log.read_text()
        await victim.kill()
        victim.start("--session", SESSION, *mode.processes[number])
    await deployment.put(slices[-1])
    await until(lambda: drained(deployment, "scan", "lookback", "judge"), "the end of the topics", every=0.5)


async def _answer(deployment: Deployment, wanted: Answer) -> Answer:
    """What is told behind the end of time, once it is what is wanted, or after some patience.

    Time goes on there: whoever has a partition next knows how late it is by what comes next, as none is idle here.
    """
    number, until_then = 0, time.monotonic() + PATIENCE
    while True:
        at = format_rfc3339(parse_rfc3339(END) + number * SECOND)
        ending = {
            "specversion": "1.0",
            "type": "task.ended",
            "source": "tick",
            "id": f"end-{number}",
            "time": at,
        }
        value = json.dumps({**ending, "data": {"task_id": "tick"}}).encode()
        await deployment.put((EVENTS, each, value) for each in range(INPUT_PARTITIONS))
        await asyncio.sleep(2)
        rows, commands = summary(await deployment.findings()), asked(await deployment.commands())
        given = told(rows, commands, wanted.unresolved)
        if not wanted.differences(given) or time.monotonic() > until_then:
            return given
        number += 1


async def _told(deployment: Deployment, tables: Tables, history: Drawn, differences: list[str]) -> str:
    """What differs; the findings as they are kept for whoever looks; and what a replay of the same gives."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / f"live-{history.worlds[0].seed}.json"
    found: dict[str, Any] = await deployment.findings()
    uids = {each for each in found if any(each in line for line in differences)}
    kept.write_text(json.dumps({uid: found[uid] for uid in sorted(uids)}, indent=1))
    how = Replay(tables, "live", 1, 1, parse_rfc3339(END))
    alike = not how.differences(FOLDER / "live", history)[1]
    replayed = "Replayed, the same gives what is expected." if alike else told_small(how, history)
    shown = [*differences[:_SHOWN], f"{len(differences)} differ. The findings that do: {kept}"]
    return "\n".join((*shown, replayed))


async def main(number: int, first: int, count: int, kills: int) -> None:
    """Runs one."""
    with tempfile.TemporaryDirectory() as folder, shared(Path(folder) / "kafka") as broker:
        (Path(folder) / "run").mkdir()
        sys.exit((await run(broker.bootstrap, Path(folder) / "run", number, first, count, kills))[1])


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
