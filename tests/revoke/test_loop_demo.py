"""What `make demo-loop` runs: a broker, both services and real servers, and what a person sees of it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 240  # it takes 40


@pytest.fixture(scope="module")
def loop_demo() -> str:
    """All that it prints until somebody interrupts it, twice: the second time it is already ending."""
    with subprocess.Popen(
        [sys.executable, "examples/loop_demo.py", "--stop", "60"],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if "until you press Ctrl-C" in line:
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGINT)
    watchdog.cancel()
    assert process.returncode == 0, "".join(lines)
    return "".join(lines)


def test_it_shows_each_step_with_the_seconds_since_the_print(loop_demo: str) -> None:
    token, role, late = re.split(r"its database password in its log:|Somebody who read", loop_demo)
    assert steps(token) == {"printed", "critical", "asked", "done", "refused", "proved", "told"}
    assert steps(role) == steps(token)
    assert re.search(
        r"^ +0\.00 s  printed   \+ curl -sS -H 'Authorization: Basic \S{,30}…$", token, re.MULTILINE
    )
    assert re.search(
        r"s  proved    confirmed: before: live \(.*\); now: dead \(.* NOLOGIN, 0 sessions\)", role
    )
    assert steps(late) == {"refused", "low"}
    assert re.search(
        r"From the print to the proof: [\d.]+ s for its OAuth token and [\d.]+ s for its database", late
    )


def steps(text: str) -> set[str]:
    return set(re.findall(r"^ +\d+\.\d\d s  (\w+) ", text, re.MULTILINE))


def test_its_lines_are_in_the_order_of_their_times(loop_demo: str) -> None:
    for part in loop_demo.split(" in its log:"):
        times = [
            float(each)
            for each in re.findall(r"^ +(\d+\.\d\d) s  ", part.partition("Somebody")[0], re.MULTILINE)
        ]
        assert times == sorted(times)


def test_nothing_is_left_of_it(loop_demo: str) -> None:
    (folder,) = set(re.findall(r"curfewd run --config (\S+)/curfewd.toml", loop_demo))
    assert not Path(folder).exists()
    assert subprocess.run(["pgrep", "-f", folder], check=False, stdout=subprocess.PIPE).stdout == b""
    for port in re.findall(r"127\.0\.0\.1:(\d+)", loop_demo.partition("$ curfewd")[0]):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0, (
                "Kafka, the OAuth server or PostgreSQL runs on"
            )
