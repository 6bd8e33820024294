"""The bundled incident, live: a broker, the topics, the service, and the day sent in as it would happen.

`make demo-live` runs this. All of it listens on loopback only, keeps its files in a temporary folder and ends with
Ctrl-C. With `--stop SECONDS` it ends by itself so long after the day.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from rich.console import Console

from detector.values.times import SECOND
from examples.embedded import (
    EVENTS,
    INPUTS,
    LOGS,
    SEVERITIES,
    STYLES,
    create_topics,
    options_of,
    ports,
    run_demo,
    run_live,
    service,
    show_line,
    written,
)
from examples.make_incident import Incident, incident_of
from tests.broker.cluster import Cluster

FASTER: Final = 1500.0  # times as fast as the day
LONGEST_PAUSE: Final = 0.4  # seconds between two records: nobody likes to watch a night
LOOKBACK: Final = "10s"  # the day is short: a leak may come before the credential is known


class Record(NamedTuple):
    """A record of the day: its time (ns), topic, key and value, and how many seconds after the first it is sent."""

    time: int
    topic: str
    key: bytes | None
    value: bytes
    after: float


def day_of(incident: Incident, faster: float) -> list[Record]:
    """The events and log lines of the incident in the order of time, sent so many times faster."""
    events = [(at, EVENTS, None, json.dumps(event).encode()) for at, event in incident.events]
    lines = [
        (at, LOGS, path.encode(), line.encode())
        for path, written in incident.logs.items()
        for at, line in written
    ]
    records: list[Record] = []
    for at, topic, key, value in sorted([*events, *lines], key=lambda record: record[0]):
        pause = (at - records[-1].time) / SECOND / faster if records else 0.0
        after = records[-1].after + min(pause, LONGEST_PAUSE) if records else 0.0
        records.append(Record(at, topic, key, value, after))
    return records


def day_until_now(faster: float) -> list[Record]:
    """The day, moved such that its last record is of the moment when it is sent."""
    records = day_of(incident_of(0), faster)
    last = time.time_ns() + round(records[-1].after * SECOND)
    return day_of(incident_of(last - records[-1].time), faster)


def configuration(folder: Path, bootstrap: str, listen: int, probes: int) -> Path:
    """Writes the configuration of the incident, and of the service that reads it from Kafka."""
    incident = Path(__file__).parent / "incident"
    shutil.copy(incident / "demo-only.key", folder)
    target = folder / "curfewd.toml"
    target.write_text(
        f"{(incident / 'curfewd.toml').read_text()}\n"
        "[kafka]\n"
        f'bootstrap = ["{bootstrap}"]\n'
        f'lookback = "{LOOKBACK}"\n'
        f"{INPUTS}"
        "[service]\n"
        f'listen = "127.0.0.1:{listen}"\n'
        f'probes = "127.0.0.1:{probes}"\n'
        "view = true\n"
        'state = "state"\n'
    )
    return target


async def send(bootstrap: str, records: list[Record]) -> None:
    """Sends the day, each record at its moment: by Kafka's time the service tells how far behind it is."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        begun = time.monotonic()
        for record in records:
            await asyncio.sleep(max(0.0, begun + record.after - time.monotonic()))
            await producer.send(record.topic, record.value, key=record.key)


class Watcher:
    """Prints each finding and command as it comes, and counts the findings by severity."""

    def __init__(self, console: Console) -> None:
        self.open: dict[str, int] = {}
        self.commands = 0
        self._console = console
        self._begun = time.monotonic()
        self._first = 0.0

    async def watch(self, bootstrap: str) -> None:
        """Follows both topics until it is cancelled."""
        self._begun = time.monotonic()
        async for topic, record in written(bootstrap, "curfewd.findings", "curfewd.revocations"):
            if topic == "curfewd.revocations":
                self._command(record)
            else:
                self._finding(record)

    def _finding(self, record: dict[str, Any]) -> None:
        uid, severity = record["finding_info"]["uid"], record["severity_id"]
        if record["activity_id"] == 3:  # noqa: PLR2004 - OCSF: closed
            self.open.pop(uid, None)
            return
        if not self._first:
            self._first = time.monotonic() - self._begun
        if uid not in self.open:
            self._line(SEVERITIES[severity], STYLES[severity], record["finding_info"]["title"])
        self.open[uid] = severity

    def _command(self, record: dict[str, Any]) -> None:
        self.commands += 1
        data = record["data"]
        what = "escalated revocation" if data["escalated"] else "revocation"
        text = f"curfewd asks for the {what} of {data['credential_id']}: {', '.join(data['reasons'])}"
        self._line("revoke", "bold cyan", text)

    def _line(self, label: str, style: str, text: str) -> None:
        show_line(self._console, f"{time.monotonic() - self._begun:.1f} s", label, style, text)

    def summary(self) -> str:
        """The counts, in a sentence."""
        counts = Counter(self.open.values())
        told = ", ".join(f"{counts[each]} {SEVERITIES[each]}" for each in sorted(counts, reverse=True))
        return (
            f"{len(self.open)} findings ({told}), the first {self._first:.1f} s after the first record. "
            f"{self.commands} revocations asked for."
        )


async def live(bootstrap: str, console: Console, view: str, options: argparse.Namespace) -> None:
    """Sends the day and shows what is found, until somebody stops it."""
    records, watcher = day_until_now(options.faster), Watcher(console)
    watching = asyncio.create_task(watcher.watch(bootstrap))
    console.print(
        f"\nA day of ten tasks in {records[-1].after:.0f} seconds: {len(records)} records, with times as if it ended now.\n",
    )
    try:
        await send(bootstrap, records)
        console.print(
            "\nThat was the day. One more finding comes after half a minute without a record, when the service "
            f"goes on by the clock.\nThe live view stays at {view} until you press Ctrl-C.\n"
        )
        await asyncio.wait([watching], timeout=options.stop)
    finally:
        console.print(f"\n{watcher.summary()}")
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def run(console: Console, options: argparse.Namespace) -> None:
    """Starts all that it takes, one after the other."""
    with tempfile.TemporaryDirectory(prefix="curfewd-live-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        broker = Cluster(folder / "kafka")
        stack.push(broker)  # ends it also if somebody interrupts its start
        broker.start()
        console.print(f"Apache Kafka listens on {broker.bootstrap}.", soft_wrap=True)
        listen, probes = ports(9464, 9465)
        config = configuration(folder, broker.bootstrap, listen, probes)
        create_topics(console, config)
        console.print(f"\n[bold]$ curfewd run --config {config}[/]", soft_wrap=True)
        stack.enter_context(service("run", config, probes, console))
        view = f"http://127.0.0.1:{listen}/view"
        console.print(f"ready. Open the live view: [bold]{view}[/]", soft_wrap=True)
        run_live(live(broker.bootstrap, console, view, options))


def main() -> int:
    """The command line."""
    parser = options_of(__doc__)
    parser.add_argument(
        "--faster",
        type=float,
        default=FASTER,
        metavar="TIMES",
        help=f"how much faster than the day ({FASTER:.0f})",
    )
    return run_demo(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
