"""Frameworks beside which the live service is measured: installed at exact versions, and run as processes."""

import subprocess
import sys
import sysconfig
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from benchmarks import peers
from benchmarks.live_job import Job
from tests.broker.cluster import JARS

PACKAGES: Final = ("quixstreams==3.28.1", "faust-streaming==0.15.3", "confluent-kafka==2.12.2")
# What curfewd needs comes last in the path, so that the frameworks have what they ask for.
_START: Final = "import runpy, sys; sys.path.append({!r}); runpy.run_module({!r}, None, '__main__', True)"
_ROOT: Final = Path(__file__).parent.parent


class Peer(msgspec.Struct, frozen=True):
    """A peer: its name in the table, the module that runs it and its second argument.

    `scans` False: it only reads, and tells by itself what that took. A
    `slow` one gets a smaller topic. One of `ours` runs with what curfewd needs, and no more.
    """

    name: str
    module: str
    how: str
    scans: bool = True
    guarantee: Literal["exactly once", "at least once", "–"] = "exactly once"
    notes: str = ""
    slow: bool = False
    ours: bool = False


PEERS: Final = (
    Peer("bare aiokafka, getmany", "live_peer_bare", "aiokafka", False, "–", "reads and throws away"),
    Peer("bare confluent-kafka, consume", "live_peer_bare", "confluent", False, "–", "librdkafka; reads, takes each value, throws away"),
    Peer("Quix Streams, record by record", "live_peer_quix", "record", notes="exactly-once hands records over one by one", slow=True),
    Peer("Quix Streams, batches in a sink", "live_peer_quix", "batch", guarantee="at least once", notes="what a sink writes is in no transaction"),
    Peer("Faust, take_events", "live_peer_faust", "exactly_once", slow=True),
    Peer("Faust, take_events", "live_peer_faust", "at_least_once", guarantee="at least once", slow=True),
)  # fmt: skip


def install() -> str | None:
    """Installs the frameworks into the peers' environment; why that failed, None if it did not."""
    peers.install()
    pip = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    made = subprocess.run(pip, check=False, capture_output=True, text=True)
    return made.stderr.strip()[-400:] if made.returncode else None


def _python() -> Path:
    return peers.DATA / "peers" / "bin" / "python"


def versions() -> str:
    """What was measured, for the table."""
    return ", ".join(
        package.replace("==", " ") for package in (*PACKAGES, f"aiokafka=={version('aiokafka')}")
    )


def kafka_version() -> str:
    """Of the broker, from its jars."""
    return next(
        path.stem.removeprefix("kafka-server-common-")
        for path in sorted(JARS.glob("kafka-server-common-*.jar"))
    )


class Running:
    """A peer at work; killed on leaving."""

    def __init__(self, peer: Peer, job: Job, log: Path) -> None:
        self.log = log
        self.began = time.monotonic()
        start = _START.format(sysconfig.get_path("purelib"), f"benchmarks.{peer.module}")
        python = sys.executable if peer.ours else str(_python())
        command = [python, "-c", start, msgspec.json.encode(job).decode(), peer.how]
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    def ended(self) -> bool:
        """Whether it is over, for better or worse."""
        return self._popen.poll() is not None

    def wait(self) -> None:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: it does not come.
        """
        self._popen.wait(300)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()
