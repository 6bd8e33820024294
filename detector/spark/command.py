"""`curfewd replay` and `curfewd scan` with `--engine spark`."""

from detector.configuration.settings import Settings
from detector.replay.facts_commands import run_scan
from detector.replay.replay_command import Request, RunnerOf, run_replay
from detector.replay.runner import Processes
from detector.scan.scanner import PatternScanner
from detector.spark.context import SparkStart
from detector.spark.runner import TASK, SparkRunner


def replay_on_spark(request: Request, master: str | None, task: int = TASK) -> int:
    """Replays with the units on Spark; the exit code. A task of Spark takes so many bytes.

    Raises:
        UsageError: as `run_replay` and `SparkRunner`.
    """
    start = SparkStart(master)
    try:
        return run_replay(request, runner_of=_runner_of(start, request, task))
    finally:
        start.stop()


def scan_on_spark(request: Request, folder: str, master: str | None, task: int = TASK) -> str:
    """Scans with the units on Spark; the facts are kept here.

    Raises:
        UsageError: as `run_scan` and `SparkRunner`.
    """
    start = SparkStart(master)
    try:
        return run_scan(request, folder, _runner_of(start, request, task))
    finally:
        start.stop()


def _runner_of(start: SparkStart, request: Request, task: int) -> RunnerOf:
    def runner_of(settings: Settings, scanner: PatternScanner) -> SparkRunner:
        own = Processes(request.jobs)
        return SparkRunner(start, request.config, settings, scanner, own=own, task=task)

    return runner_of
