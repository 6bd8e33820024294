"""Progress on standard error, if that is a terminal: a bar with the rate and the time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Meter(Protocol):
    """Shows how far the work has come."""

    def stage(self, name: str, total: int) -> None:
        """Starts a stage of `total` bytes, or things."""

    def advance(self, size: int) -> None:
        """Adds `size` bytes or things that are done."""


class NoMeter:
    """Shows nothing."""

    def stage(self, name: str, total: int) -> None:
        """Nothing."""

    def advance(self, size: int) -> None:
        """Nothing."""


class _Bar:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, name: str, total: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name, total=total)
        self._bars.refresh()

    def advance(self, size: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, size)
            self._bars.refresh()


@contextmanager
def meter(*, counting: bool = False) -> Iterator[Meter]:
    """Shows a bar while the block runs, if standard error is a terminal. With `counting` it counts things, not bytes.

    The bar has no thread: the work forks, and a lock that another thread holds at that moment is never released.
    """
    if not sys.stderr.isatty():
        yield NoMeter()
        return
    amount: tuple[ProgressColumn, ...] = (
        (MofNCompleteColumn(),) if counting else (DownloadColumn(), TransferSpeedColumn())
    )
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *amount, TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bars:
        yield _Bar(bars)
