"""What `make demo-live` runs: a real broker, the service, and the bundled incident sent in."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Of three uses in 82 seconds, each of its partition: which one the service sees first is not said.
PRINTED = re.compile(r"s  critical +Signing token sign-4711 .* was printed, in base64, in a log")
USED_AFTER = re.compile(r"sign-4711 .* was used 2 h [34] min after the task ended, from 203\.0\.113\.9")


@pytest.fixture(scope="module")
def live_demo() -> list[str]:
    """All that it prints until it is interrupted, before the inputs count as idle.

    It starts as a script starts what runs in the background: with SIGINT ignored.
    """
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    command = [*ignoring, sys.executable, "examples/live_demo.py", "--faster", "4000", "--stop", "60"]
    lines: list[str] = []
    awaited = {re.compile("sign-4711 of task release-4711 still worked"), PRINTED, USED_AFTER}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            seen = {text for text in awaited if text.search(line)}
            awaited -= seen
            if seen and not awaited:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, "".join(lines)
    return lines


def test_it_names_what_it_starts(live_demo: list[str]) -> None:
    text = "".join(live_demo)
    assert "audit-events: created\nci-logs: created\ncurfewd.work: created\n" in text
    assert re.search(r"Open the live view: http://127\.0\.0\.1:\d+/view", text)


def test_it_shows_the_findings_of_the_incident_as_they_come(live_demo: list[str]) -> None:
    text = "".join(live_demo)
    assert re.search(r"s  medium +Warehouse token wh-sales-us .* never expires", text)
    assert PRINTED.search(text)
    assert re.search(r"curfewd asks for the revocation of sign-4711: [a-z]", text)
    assert "curfewd asks for the escalated revocation of wh-sales-us: use-after-revocation" in text
    assert USED_AFTER.search(text)
    assert re.search(r"\d+ findings \(\d critical, .*\), the first [\d.]+ s after the first record", text)


def test_nothing_is_left_of_it(live_demo: list[str]) -> None:
    (config,) = {found for line in live_demo for found in re.findall(r"curfewd run --config (\S+)", line)}
    assert not Path(config).parent.exists()
    left = subprocess.run(["pgrep", "-f", str(Path(config).parent)], check=False, stdout=subprocess.PIPE)
    assert left.stdout == b""
