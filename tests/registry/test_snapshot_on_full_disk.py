"""A snapshot whose disk has filled up: a process that maps it is not killed for a page that the disk cannot have."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.whole.small_disk import SmallDisk

SAVES = """
import asyncio, sys
from pathlib import Path
from tests.registry.test_snapshot import fresh, record, saved

registered = fresh()
asyncio.run(registered.apply([record(offset, offset, offset) for offset in range(3)]))
saved(Path(sys.argv[1]), registered, 3)
"""
# What comes to be registered is written behind what there is, into pages that the process has a copy of.
CHANGES = """
import mmap, sys
from pathlib import Path
from detector.registry.snapshot import SnapshotError, opened
from tests.registry.test_snapshot import NOW, ORIGIN, SPANS

try:
    image, _ = opened(Path(sys.argv[1]), ORIGIN, NOW, SPANS)
except SnapshotError as error:
    print(error)
else:
    for array in image.arrays:
        array.view("u1")[:: mmap.PAGESIZE] ^= 1
    print("changed")
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "state", 12) as small:
        yield small


def said(disk: SmallDisk, script: str) -> str:
    command = [*disk.inside, sys.executable, "-c", script, str(disk.folder / "registry.snapshot")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_has_all_of_its_room_once_it_is_written(disk: SmallDisk) -> None:
    said(disk, SAVES)
    disk.fill()
    assert said(disk, CHANGES) == "changed\n"


def test_one_that_takes_less_room_than_it_needs_is_not_used(disk: SmallDisk) -> None:
    """As earlier versions wrote it, and as a copy may be."""
    said(disk, SAVES)
    disk.run("cp --sparse=always registry.snapshot copy && mv copy registry.snapshot")
    disk.fill()
    assert said(disk, CHANGES) == "its disk is full, and it needs more room\n"
    disk.free()
    assert said(disk, CHANGES) == "changed\n"
