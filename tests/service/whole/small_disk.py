"""A small file system of its own, in memory, that can really be full or read-only.

It is mounted in a namespace, where that is allowed.
"""

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


class SmallDisk:
    """A tmpfs over a folder, seen only by what runs under `inside`."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._size = f"size={megabytes}m"
        self._holder: subprocess.Popen[str]

    def __enter__(self) -> Self:
        if shutil.which("unshare") is None or shutil.which("nsenter") is None:
            pytest.skip("a full disk needs unshare and nsenter of util-linux")
        self.folder.mkdir(exist_ok=True)
        script = 'mount -t tmpfs -o "$1" none "$2" && echo mounted && exec cat'
        self._holder = subprocess.Popen(
            [
                "unshare",
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
                self._size,
                self.folder,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "mounted\n":
            _, said = self._holder.communicate()
            pytest.skip(
                f"a full disk needs a file system of its own, and may not mount one here: {said.strip()}"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.communicate()

    @property
    def inside(self) -> list[str]:
        """The command under which a program sees the disk; it becomes that program, in the same process."""
        target = str(self._holder.pid)
        return ["nsenter", "--target", target, "--user", "--mount", "--preserve-credentials", "--"]

    def run(self, script: str) -> None:
        """A shell script, in the folder."""
        subprocess.run(
            [*self.inside, "sh", "-c", f'cd "$1" && {script}', "sh", self.folder],
            check=True,
            capture_output=True,
        )

    def fill(self) -> None:
        """Takes all the room that is left."""
        self.run("dd if=/dev/zero of=filler bs=4k; true")

    def free(self) -> None:
        """Gives it back."""
        self.run("rm filler")

    def make_read_only(self) -> None:
        """No file of it may be open for writing."""
        subprocess.run(
            [*self.inside, "mount", "-o", "remount,ro", self.folder], check=True, capture_output=True
        )
