"""A server's process: started, waited for, stopped, killed. Nothing of it is left."""

import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START_SECONDS: Final = 300.0  # Keycloak, on a busy machine
STOP_SECONDS: Final = 20.0


class ServerError(Exception):
    """A server cannot be had or did not start; the message says what to do."""


class Process:
    """One server on `port` of loopback, with a folder of its own.

    As `user` if that is given: it then has the folder.
    """

    def __init__(self, name: str, port: int, user: str | None = None) -> None:
        self.port = port
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix=f"curfewd-{name}-"))
        self._process: subprocess.Popen[bytes] | None = None
        if user is not None:
            shutil.chown(self.folder, user, pwd.getpwnam(user).pw_gid)

    @property
    def pid(self) -> int | None:
        """Of the process, None if it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def output(self) -> str:
        """What the server wrote to standard output and error."""
        return (self.folder / "output.log").read_text(errors="replace")

    def own(self, name: str, content: bytes) -> Path:
        """A file in the folder that only the server may read."""
        path = self.folder / name
        path.touch(0o600)
        path.write_bytes(content)
        if self.user is not None:
            shutil.chown(path, self.user)
        return path

    def send(self, number: signal.Signals) -> None:
        """A signal to the server, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def run(self, command: Sequence[str]) -> None:
        """Runs a command to its end.

        Raises:
            ServerError: it failed; the message has its output.
        """
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, **self._as_user()
        )
        if done.returncode:
            raise ServerError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def start(self, command: Sequence[str], ready: Callable[[], bool] | None = None) -> None:
        """Starts the server, and waits until its port answers, and it is `ready` if it can say so.

        Raises:
            ServerError: it ended, or did not answer in time.
        """
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
                **self._as_user(),
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"{command[0]} ended at its start:\n{self.output[-3000:]}")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and (ready is None or ready()):
                    return
            time.sleep(0.02)
        raise ServerError(f"{command[0]} did not start in {START_SECONDS:.0f} s:\n{self.output[-3000:]}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server; kills it if that takes too long."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        """Ends the server, and removes its folder."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}


class Server(ABC):
    """A context manager that starts a server with `_process`, and leaves nothing running, however that ends."""

    _process: Process

    @abstractmethod
    def start(self) -> Self:
        """Starts it, and waits until it can be used."""

    def remove(self) -> None:
        """Ends it, and removes its folder."""
        self._process.remove()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
