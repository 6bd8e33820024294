"""Finds failures that would only go on: then the process ends, and says what a person has to do."""

import errno
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, Final

from detector.kafka.handlers import Partition
from detector.kafka.stage_facts import PartitionStopped, TransactionCommitted
from detector.service.observability.measuring import StageName
from detector.terminal.output import shown, why
from detector.values.errors import CurfewdError, StopError, UsageError

FENCED_FOR_GOOD: Final = 20  # times in a row without a commit: another holds the partition and keeps it
FULL_BYTES: Final = 4 << 20  # free on the disk: RocksDB needs more for its next file


class HopelessFailures:
    """Takes the facts of all stages. `group` begins the names of their groups, `state` is the folder of the stores."""

    def __init__(self, group: str, state: Path) -> None:
        self._group = group
        self._state = state
        self._fenced: Counter[tuple[StageName, Partition]] = Counter()

    def observe(self, stage: StageName, fact: Any) -> CurfewdError | None:
        """Why the process has to end after this fact, None if it need not."""
        if isinstance(fact, TransactionCommitted):
            self._fenced.pop((stage, fact.partition), None)
        elif isinstance(fact, PartitionStopped) and fact.reason == "fenced":
            self._fenced[stage, fact.partition] += 1
            if self._fenced[stage, fact.partition] >= FENCED_FOR_GOOD:
                return StopError(
                    f"someone else keeps writing in our name: is group {self._group} used by another deployment?"
                )
        elif isinstance(fact, PartitionStopped) and fact.reason == "failed" and stage == "judge":
            if _free_bytes(self._state) < FULL_BYTES:
                return unusable(self._state, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            if os.statvfs(self._state).f_flag & os.ST_RDONLY:
                return unusable(self._state, OSError(errno.EROFS, os.strerror(errno.EROFS)))
        return None


def unusable(folder: Path, error: OSError) -> CurfewdError:
    """What a person has to know of a folder of state that gives this error when it is written."""
    if error.errno == errno.ENOSPC:
        return StopError(f"the disk of service.state is full: {_free_bytes(folder)} bytes left")
    return UsageError(
        f"service.state: {shown(folder)}: {why(error)}: let curfewd write there, or name another folder"
    )


def _free_bytes(folder: Path) -> int:
    """Bytes that are free where the folder is, or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
