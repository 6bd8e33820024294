"""The bundled incident, live: a broker, the topics, the service, and the day sent in as it would happen.

`make demo-live` runs this. All of it listens on loopback only, keeps its files in a temporary folder and ends with
Ctrl-C. With `--stop SECONDS` it ends by itself so long after the day.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.values.times import SECOND
from examples.demo import save
from examples.make_incident import Incident, incident_of
from tests.broker.cluster import BrokerError, Cluster, free_ports

COMMAND: Final = Path(sys.executable).with_name("curfewd")
EVENTS, LOGS = "audit-events", "ci-logs"
FASTER: Final = 1500.0  # times as fast as the day
LONGEST_PAUSE: Final = 0.4  # seconds between two records: nobody likes to watch a night
START_SECONDS: Final = 120
STYLES: Final = {5: "bold red", 4: "red", 3: "yellow", 2: "dim"}
SEVERITIES: Final = {5: "critical", 4: "high", 3: "medium", 2: "low"}


class Record(NamedTuple):
    """A record of the day: its time (ns), topic, key and value, and how many seconds after the first it is sent."""

    time: int
    topic: str
    key: bytes | None
    value: bytes
    after: float


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


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
        f'event_topics = ["{EVENTS}"]       # events are believed from this topic alone\n'
        f'log_topics = ["{LOGS}"]           # everything here is text\n'
        "replication = 1\n\n"
        "[kafka.topics.work]\n"
        "partitions = 4\n\n"
        "[service]\n"
        f'listen = "127.0.0.1:{listen}"\n'
        f'probes = "127.0.0.1:{probes}"\n'
        "view = true\n"
        'state = "state"\n'
    )
    return target


def ports() -> list[int]:
    """The usual ports of the service, or others where somebody has them."""
    with contextlib.ExitStack() as stack:
        try:
            for port in (9464, 9465):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return free_ports(2)
    return [9464, 9465]


@contextlib.contextmanager
def service(config: Path, probes: int) -> Iterator[subprocess.Popen[bytes]]:
    """`curfewd run` until it is ready. It is stopped at the end.

    Raises:
        DemoError: it ended, or is not ready in time.
    """
    log = config.with_name("service.log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [COMMAND, "run", "--config", config], stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready(probes):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the service did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        process.wait()


def ready(probes: int) -> bool:
    """Whether the service says that it works."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{probes}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP
    except OSError:
        return False


async def send(bootstrap: str, records: list[Record]) -> None:
    """Sends the day, each record at its moment and with its time."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        begun = time.monotonic()
        for record in records:
            await asyncio.sleep(max(0.0, begun + record.after - time.monotonic()))
            at = record.time // 1_000_000
            await producer.send(record.topic, record.value, key=record.key, timestamp_ms=at)


async def written(bootstrap: str, *topics: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What the service commits to its topics, as it comes."""
    reader = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
    )
    async with reader:
        async for record in reader:
            if record.value is not None:
                yield record.topic, json.loads(record.value)


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
        seconds = time.monotonic() - self._begun
        line = Table.grid(padding=(0, 2))
        line.add_column(width=8, justify="right")
        line.add_column(width=8)
        line.add_column(overflow="fold")
        line.add_row(Text(f"{seconds:.1f} s", "dim"), Text(label, style), Text(text))
        self._console.print(line)

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
        broker = stack.enter_context(Cluster(folder / "kafka"))
        console.print(f"Apache Kafka listens on {broker.bootstrap}.", soft_wrap=True)
        listen, probes = ports()
        config = configuration(folder, broker.bootstrap, listen, probes)
        console.print(f"\n[bold]$ curfewd topics create --inputs --config {config}[/]", soft_wrap=True)
        subprocess.run([COMMAND, "topics", "create", "--inputs", "--config", config], check=True)
        console.print(f"\n[bold]$ curfewd run --config {config}[/]", soft_wrap=True)
        stack.enter_context(service(config, probes))
        view = f"http://127.0.0.1:{listen}/view"
        console.print(f"ready. Open the live view: [bold]{view}[/]", soft_wrap=True)
        asyncio.run(live(broker.bootstrap, console, view, options))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stop", type=float, metavar="SECONDS", help="end by itself, so long after the last record"
    )
    parser.add_argument(
        "--faster",
        type=float,
        default=FASTER,
        metavar="TIMES",
        help=f"how much faster than the day ({FASTER:.0f})",
    )
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="also draw what it shows, in as many columns as COLUMNS says"
    )
    options = parser.parse_args()
    console = Console(highlight=False, record=options.svg is not None)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a shell starts what runs in the background with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        run(console, options)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    except subprocess.CalledProcessError:
        return 2  # it said why
    except (BrokerError, DemoError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.svg is not None:
        save(console, options.svg)
    return 0


if __name__ == "__main__":
    sys.exit(main())
