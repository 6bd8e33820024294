"""A start that compiles says so: on a terminal, in the log, to the probes. No loop is built, and none is cached."""

import json
import os
import pty
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.cluster import free_ports

COMMAND = (sys.executable, "-m", "detector.cli")
RECEIVER = """
[kafka]
bootstrap = ["127.0.0.1:1"]
event_topics = ["audit"]

[receive]
listen = "127.0.0.1:{0}"
probes = "127.0.0.1:{1}"

[[receive.source]]
name = "ci"
type = "eventbridge"
topic = "audit"
secrets = ["env:TOKEN"]
"""


def unbuilt(folder: Path) -> dict[str, str]:
    return os.environ | {"CURFEWD_JIT": "1", "NUMBA_CACHE_DIR": str(folder / "numba"), "TOKEN": "t" * 32}


def readiness(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as answer:
            return f"{answer.status}"
    except urllib.error.HTTPError as error:
        return error.read().decode().strip()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """One of the services, and the port of its probes."""
    listen, probes = free_ports(2)
    config = tmp_path / "curfewd.toml"
    config.write_text(RECEIVER.format(listen, probes))
    command = [*COMMAND, "receive", "--config", str(config), "--out", str(tmp_path / "out.jsonl")]
    with subprocess.Popen(command, env=unbuilt(tmp_path), stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, probes
        finally:
            process.kill()


def test_a_service_says_in_its_log_and_to_the_probes_that_it_compiles(
    receiver: tuple["subprocess.Popen[str]", int],
) -> None:
    process, probes = receiver
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    assert first["event"] == "compiling the loops of the scanner for this machine, once: this takes minutes"
    assert readiness(probes).startswith("starting: compiling the loops of the scanner, ")
    process.send_signal(signal.SIGTERM)
    rest = [json.loads(line)["event"] for line in process.stderr]
    assert process.wait() == 0
    assert rest == ["stopping: what has arrived is answered", "stopped"]


def test_a_command_says_on_a_terminal_that_it_compiles_once(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    log = tmp_path / "build.log"
    log.write_text("password: hunter2-hunter2\n" * 100)
    command = [*COMMAND, "replay", "--jobs", "2", str(log)]
    with subprocess.Popen(
        command, env=unbuilt(tmp_path), stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while b"takes minutes" not in said.replace(b"\r\n", b" "):
            said += os.read(ours, 4096)
        process.kill()
    os.close(ours)
    assert (
        said.decode()
        .lstrip("\x1b[?25l")
        .startswith("curfewd: compiling the loops of the scanner for this machine")
    )
