"""What the live demos share: processes and topics on loopback that end with the demo, and lines for a person's eyes."""

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.demo import save
from tests.broker.cluster import BrokerError, free_ports
from tests.revoke.servers.process import ServerError

COMMAND: Final = Path(sys.executable).with_name("curfewd")
EVENTS, LOGS = "audit-events", "ci-logs"
INPUTS: Final = (
    f'event_topics = ["{EVENTS}"]       # events are believed from this topic alone\n'
    f'log_topics = ["{LOGS}"]           # everything here is text\n'
    "replication = 1\n\n"
    "[kafka.topics.work]\n"
    "partitions = 4\n\n"
)
STILL_SECONDS: Final = 120  # without another answer of `/readyz`
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
STOP_SECONDS: Final = 20
SEVERITIES: Final = {5: "critical", 4: "high", 3: "medium", 2: "low"}
STYLES: Final = {5: "bold red", 4: "red", 3: "yellow", 2: "dim"}


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def ports(*usual: int) -> list[int]:
    """The usual ports of the service, or others where somebody has them."""
    with contextlib.ExitStack() as stack:
        try:
            for port in usual:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return free_ports(len(usual))
    return list(usual)


def create_topics(console: Console, config: Path, *, listed: bool = True) -> None:
    """`curfewd topics create`, inputs and all, as a person would type it. `listed`: with what it prints."""
    console.print(f"\n[bold]$ curfewd topics create --inputs --config {config}[/]", soft_wrap=True)
    shown = None if listed else subprocess.DEVNULL
    subprocess.run([COMMAND, "topics", "create", "--inputs", "--config", config], check=True, stdout=shown)


@contextlib.contextmanager
def service(command: str, config: Path, probes: int, console: Console) -> Iterator[subprocess.Popen[bytes]]:
    """`curfewd run`, or another service, once it is ready. That is waited for while there is progress.

    It is stopped at the end.

    Raises:
        DemoError: it ended, or goes on no more.
    """
    log = config.with_name(f"{command}.log")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [COMMAND, command, "--config", config], stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        changed, last = time.monotonic(), ""
        while (answer := _waits_for(probes)) is not None:
            if answer != last:
                if (kind := answer.partition(",")[0]) != last.partition(",")[0] and "compiling" in kind:
                    console.print(f"{kind}. This takes minutes, once.", soft_wrap=True)
                changed, last = time.monotonic(), answer
            if process.poll() is not None or time.monotonic() > changed + STILL_SECONDS:
                said = log.read_text(errors="replace")[-2000:]
                raise DemoError(f"curfewd {command} did not start ({last or 'it does not answer'}):\n{said}")
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _waits_for(probes: int) -> str | None:
    """What `/readyz` says that the service waits for; None: it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{probes}/readyz", timeout=2):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip()
    except OSError:
        return ""


async def written(bootstrap: str, *topics: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What is committed to topics, as it comes."""
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


def show_line(console: Console, when: str, label: str, style: str, text: str) -> None:
    """One line of what happens: when, what kind of thing, and the thing."""
    line = Table.grid(padding=(0, 2))
    line.add_column(width=8, justify="right")
    line.add_column(width=8)
    line.add_column(overflow="fold")
    line.add_row(Text(when, "dim"), Text(label, style), Text(text))
    console.print(line)


def options_of(about: str | None) -> argparse.ArgumentParser:
    """The options of a live demo."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--stop", type=float, metavar="SECONDS", help="end by itself, so long after all was shown"
    )
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="also draw what it shows, in as many columns as COLUMNS says"
    )
    return parser


def run_demo(run: Callable[[Console, argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Runs a demo until it ends or somebody ends it; the exit code. All that it started has ended then."""
    console = Console(highlight=False, record=options.svg is not None)
    for number in _SIGNALS:  # a shell starts what runs in the background with SIGINT ignored
        signal.signal(number, _interrupt)
    try:
        run(console, options)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    except subprocess.CalledProcessError:
        return 2  # it said why
    except (BrokerError, ServerError, DemoError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.svg is not None:
        save(console, options.svg)
    return 0


def run_live(live: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine to its end.

    A signal cancels it: a KeyboardInterrupt within a loop may leave it waiting for ever.

    Raises:
        KeyboardInterrupt: a signal came.
    """

    async def cancellable() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            if task is not None and not task.cancelling():
                task.cancel()

        for each in _SIGNALS:
            loop.add_signal_handler(each, stop)
        await live

    try:
        asyncio.run(cancellable())
    except asyncio.CancelledError:
        _interrupt()


def _interrupt(*_: object) -> None:
    """Ends the demo. Nobody may interrupt that: what was started would be left over."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
