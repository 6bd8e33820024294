"""What is being scanned is on record after a crash, and only then; and a trial says what it died of."""

import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from detector.kafka.handlers import Partition, TrialError
from detector.service.scan.scan_marks import ScanMarks
from detector.service.scan.trials import Death, why_it_dies
from detector.values.errors import StopError

ONE, OTHER = Partition("logs", 1), Partition("logs", 2)
DIES = """
import os, signal, sys
from pathlib import Path
from detector.kafka.handlers import Partition
from detector.service.scan.scan_marks import ScanMarks
marks = ScanMarks(Path(sys.argv[1]), 7)
with marks.scanning("lookback", Partition("logs", 2), 5):
    pass
with marks.scanning("scan", Partition("logs", 1), 300), marks.scanning("lookback", Partition("logs", 1), 40):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def died(folder: Path) -> None:
    assert (
        subprocess.run([sys.executable, "-c", DIES, str(folder)], check=False).returncode == -signal.SIGKILL
    )


@pytest.mark.parametrize("number", [7, None, 3])
def test_what_was_scanned_at_a_crash_is_known_to_itself_and_others(
    tmp_path: Path, number: int | None
) -> None:
    died(tmp_path)
    marks = ScanMarks(tmp_path, number)
    assert (marks.left_open(ONE), marks.left_open(OTHER)) == (300, 0)
    marks.close()


def test_what_the_living_scan_is_no_suspect(tmp_path: Path) -> None:
    marks, other = ScanMarks(tmp_path, 1), ScanMarks(tmp_path, 2)
    with marks.scanning("scan", ONE, 9):
        assert other.left_open(ONE) == 0
    marks.close()
    again = ScanMarks(tmp_path, 1)
    assert again.left_open(ONE) == 0


def test_two_processes_cannot_have_one_file(tmp_path: Path) -> None:
    marks = ScanMarks(tmp_path)
    with pytest.raises(BlockingIOError):
        ScanMarks(tmp_path)
    marks.close()


def test_a_slot_that_was_being_written_is_passed_over(tmp_path: Path) -> None:
    died(tmp_path)
    path = tmp_path / "in-scan-7"
    path.write_bytes(b'["logs",2,\n' + path.read_bytes())
    assert ScanMarks(tmp_path).left_open(ONE) == 300


def test_records_that_were_set_aside_are_known_to_all_of_the_folder(tmp_path: Path) -> None:
    marks, other = ScanMarks(tmp_path, 1), ScanMarks(tmp_path, 2)
    assert other.aside(ONE) == frozenset()
    marks.set_aside(ONE, 4)
    marks.set_aside(ONE, 6)
    assert marks.aside(ONE) == other.aside(ONE) == {4, 6}
    assert other.aside(OTHER) == frozenset()


def raising() -> None:
    raise ValueError


def killing(number: int) -> None:
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)


def busy() -> None:
    while True:
        pass


def needing(descriptor: int) -> None:
    """Dies if it still has a file of the parent."""
    try:
        os.fstat(descriptor)
    except OSError:
        return
    os.abort()


async def test_a_trial_says_what_it_died_of() -> None:
    assert await why_it_dies(lambda: 1) is None
    assert await why_it_dies(raising) is None
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL):
        death = await why_it_dies(lambda number=number: killing(number))  # type: ignore[misc]  # bound in the loop
        assert death == Death(
            f"scanning it crashed the process: {number.name}", lacking=number == signal.SIGKILL
        )


async def test_a_trial_tells_what_records_take_from_what_the_machine_lacks() -> None:
    takes_much = partial(bytearray, 200 << 20)
    assert await why_it_dies(takes_much) is None
    assert await why_it_dies(takes_much, memory=100 << 20) == Death(
        "scanning it takes more than 100 MiB of memory"
    )
    lacking = "memory ran out"
    assert await why_it_dies(partial(bytearray, 1 << 62), memory=1 << 62) == Death(lacking, lacking=True)
    aborted = await why_it_dies(partial(killing, signal.SIGABRT), memory=1 << 62)
    assert aborted is not None
    assert aborted.lacking


def test_where_memory_is_lacking_fewer_records_are_tried_and_one_ends_the_service() -> None:
    death = Death("memory ran out", lacking=True)
    several, alone = ([SimpleNamespace(offset=at) for at in range(7, end)] for end in (9, 8))
    assert isinstance(death.error(ONE, several), TrialError)
    assert isinstance(Death("scanning it crashed the process: SIGSEGV").error(ONE, alone), TrialError)
    error = death.error(ONE, alone)
    assert isinstance(error, StopError)
    assert "topic logs, partition 1, offset 7" in str(error)


async def test_a_trial_that_takes_too_long_is_ended_by_its_processor_time() -> None:
    assert await why_it_dies(busy, 1) == Death("scanning it takes more than 1 s of CPU time")
    assert await why_it_dies(lambda: time.sleep(1.5), 1) is None


async def test_a_trial_has_nothing_of_the_parent_open(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0
    with (tmp_path / "file").open("wb") as file:
        assert await why_it_dies(lambda: needing(file.fileno())) is None
