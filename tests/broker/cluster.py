"""Starts Apache Kafka from its Maven artifacts, and does to it what happens to brokers."""

import base64
import contextlib
import fcntl
import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

HERE: Final = Path(__file__).parent
JARS: Final = HERE.parent.parent / ".cache" / "kafka"
START_SECONDS: Final = 300.0
PORTS: Final = range(15000, 32000)
CLASSES: Final = JARS / "classes.jsa"
STORAGE: Final = JARS / "storage"  # as it is formatted for one node
JAVA: Final = ("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# Small internal topics and no waiting for more members: tests start and rebalance many times.
SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "group.coordinator.append.linger.ms": "0",
    "transaction.partition.verification.enable": "true",
    "metadata.max.idle.interval.ms": "0",  # no record twice a second for as long as nothing happens
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class BrokerError(Exception):
    """Kafka cannot be had or did not start; the message says what to do."""


def jars() -> None:
    """Has Kafka fetched by Maven, and its classes prepared, once.

    Raises:
        BrokerError: no Java or Maven, or Maven failed, or Kafka does not start.
    """
    _need("java", "default-jre-headless")
    done = JARS / ".complete"
    pom = HERE / "pom.xml"
    JARS.mkdir(parents=True, exist_ok=True)
    with (JARS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes side by side
        if not done.exists() or done.stat().st_mtime < pom.stat().st_mtime:
            _fetch(pom)
            CLASSES.unlink(missing_ok=True)
            done.touch()
        if not (CLASSES.exists() and STORAGE.exists()):
            CLASSES.unlink(missing_ok=True)
            _prepare()


def _prepare() -> None:
    """Has Java keep Kafka's classes as it holds them in memory: a broker then starts for little over half the work.

    Keeps storage, too, as a process of Java formats it: a copy of it will do for most brokers.
    """
    with tempfile.TemporaryDirectory(prefix="curfewd-kafka-") as folder:
        node = Cluster(Path(folder)).nodes[0]
        node._format(new_cluster_id())
        shutil.copytree(node.folder / "data", STORAGE, dirs_exist_ok=True)
        node.start(f"-XX:ArchiveClassesAtExit={CLASSES}")
        node.stop()


def _java(*options: str) -> list[str]:
    """The command before the name of a class. Java passes over an archive that another Java made."""
    kept = [f"-XX:SharedArchiveFile={CLASSES}"] if CLASSES.exists() else []
    return [*JAVA, *kept, *options, "-cp", f"{JARS}/*"]


def _fetch(pom: Path) -> None:
    _need("mvn", "maven")
    copy = ["dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
    run = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(pom), *copy], check=False, capture_output=True, text=True
    )
    if run.returncode:
        raise BrokerError(f"Maven could not fetch Apache Kafka:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")


def _need(command: str, package: str) -> None:
    if shutil.which(command) is None:
        raise BrokerError(
            f"the tests start Apache Kafka; `{command}` is missing (Debian: apt-get install {package})"
        )


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now.

    Below those that the system gives to clients: a broker that was killed has to get its port again.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def new_cluster_id() -> str:
    """A random one, for storage that is formatted."""
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


class Node:
    """One broker and controller, its data in `folder`."""

    def __init__(self, node_id: int, folder: Path, port: int, settings: Mapping[str, str]) -> None:
        self.node_id = node_id
        self.folder = folder
        self.port = port
        self._data = Path(settings["log.dirs"]) if "log.dirs" in settings else None
        self._properties = folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def __getstate__(self) -> dict[str, Any]:
        """For other processes, whose child it is not."""
        return {**self.__dict__, "_process": None}

    @property
    def pid(self) -> int | None:
        """Of its process, None if it was not started."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What the broker wrote."""
        return (self.folder / "broker.log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, *options: str) -> None:
        """Prepares the storage, once."""
        jars()
        if options or self._data is None:
            self._format(cluster_id, *options)
            return
        shutil.copytree(STORAGE, self._data)
        described = self._data / "meta.properties"
        values = dict(line.split("=", 1) for line in described.read_text().splitlines() if "=" in line)
        values |= {"cluster.id": cluster_id, "node.id": str(self.node_id), "directory.id": new_cluster_id()}
        described.write_text("".join(f"{key}={value}\n" for key, value in values.items()))

    def _format(self, cluster_id: str, *options: str) -> None:
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
        run = subprocess.run(
            [*_java(), *tool, *options, "-c", str(self._properties)],
            check=False,
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise BrokerError(f"the storage could not be formatted:\n{run.stdout}{run.stderr}")

    def launch(self, *options: str) -> None:
        """Starts the process, with these options of Java; `wait` says when it answers."""
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_java(*options), "kafka.Kafka", str(self._properties)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Waits until the broker accepts connections.

        Raises:
            BrokerError: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise BrokerError(f"the broker ended at its start:\n{self.log[-3000:]}")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and "Kafka Server started" in self.log:
                    return
            time.sleep(0.1)
        raise BrokerError(f"the broker did not start in {START_SECONDS:.0f} s:\n{self.log[-3000:]}")

    def start(self, *options: str) -> None:
        """Starts it and waits."""
        (self.folder / "broker.log").write_bytes(b"")
        self.launch(*options)
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT, SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """As a power cut."""
        self.signal(signal.SIGKILL)
        self._ended()

    def stop(self) -> None:
        """In good order; killed if that takes too long."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self._ended()

    def _ended(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Cluster:
    """One node or several; a context manager that leaves nothing running."""

    def __init__(self, folder: Path, nodes: int = 1, settings: Mapping[str, str] | None = None) -> None:
        ports = free_ports(2 * nodes)
        listening, control = ports[:nodes], ports[nodes:]
        voters = ",".join(f"{i + 1}@127.0.0.1:{port}" for i, port in enumerate(control))
        replicas = {
            "offsets.topic.replication.factor": str(nodes),
            "transaction.state.log.replication.factor": str(nodes),
            "transaction.state.log.min.isr": str(max(1, nodes - 1)),
            "default.replication.factor": str(nodes),
            "min.insync.replicas": str(max(1, nodes - 1)),
        }
        self.cluster_id = new_cluster_id()
        self.nodes = [
            Node(
                i + 1,
                folder / f"node-{i + 1}",
                listening[i],
                {
                    **SETTINGS,
                    **replicas,
                    "node.id": str(i + 1),
                    "controller.quorum.voters": voters,
                    "listeners": f"PLAINTEXT://127.0.0.1:{listening[i]},CONTROLLER://127.0.0.1:{control[i]}",
                    "advertised.listeners": f"PLAINTEXT://127.0.0.1:{listening[i]}",
                    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                    "log.dirs": str(folder / f"node-{i + 1}" / "data"),
                    **(settings or {}),
                },
            )
            for i in range(nodes)
        ]

    @property
    def bootstrap(self) -> str:
        """What a client connects to."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> Self:
        """Formats and starts all nodes."""
        for node in self.nodes:
            node.format(self.cluster_id)
        for node in self.nodes:
            (node.folder / "broker.log").write_bytes(b"")
            node.launch()
        for node in self.nodes:
            node.wait()
        return self

    def stop(self) -> None:
        """Ends all nodes at once: their data is of no further use, and the last could not leave in good order."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_STARTED: Final[list[Cluster]] = []  # for others too, so not ended with what holds it


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Cluster]:
    """One node for all processes that share the folder: the first starts it, the last ends it. None can signal it."""
    folder.mkdir(exist_ok=True)
    kept, using = folder / "broker", folder / f"used-by-{os.getpid()}"
    with _alone(folder):
        if not kept.exists():
            started = Cluster(Path(tempfile.mkdtemp(dir=folder))).start()
            _STARTED.append(started)
            kept.write_bytes(pickle.dumps((started, started.nodes[0].pid)))
        using.touch()
        cluster, pid = pickle.loads(kept.read_bytes())  # noqa: S301 - the lines above wrote it
    try:
        yield cluster
    finally:
        with _alone(folder):
            using.unlink()
            others = [each.name.removeprefix("used-by-") for each in folder.glob("used-by-*")]
            if not any(Path("/proc", other).exists() for other in others):
                kept.unlink()
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process has the lock of the folder."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
