"""The arguments of `curfewd replay` and `curfewd baseline`. Importing this loads nothing that reads or judges."""

import argparse
import os
import time
from collections.abc import Callable
from typing import Final

from detector.ingest.format_names import CHOICES
from detector.terminal.output import shown
from detector.values.bounded_files import BadFileError, read_bounded
from detector.values.errors import UsageError
from detector.values.times import read_moment

SEVERITIES: Final = (
    "low",
    "medium",
    "high",
    "critical",
)  # as `Severity` has them, which loads more than help needs

_PATHS: Final = 1 << 30  # bytes of names
_EXIT: Final = (
    "Exit code: 0 when done; 1 with --fail-on, if there is such a finding; 2 if something that you name is wrong or "
    "cannot be opened; 3 if a file in a folder or archive cannot be read; with --strict, 3 at any dead letter."
)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd replay`."""
    parser.epilog = _EXIT
    _add_configuration(parser)
    _add_outputs(parser)
    add_format(parser)
    _add_judging(parser)
    _add_reading(parser)
    _add_engine(parser)


def add_scan(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd scan`."""
    parser.epilog = (
        "It needs a deployment key. An interrupted scan resumes if you run it again with the same arguments. "
        "Exit code: 0 when done; 2 if something that you name is wrong or cannot be opened."
    )
    _add_configuration(parser)
    parser.add_argument(
        "--facts",
        metavar="DIR",
        required=True,
        help="the folder of the facts: a new one, or that of an interrupted scan",
    )
    add_format(parser)
    _add_reading(parser)
    _add_engine(parser)


def add_judge(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd judge`."""
    parser.epilog = _EXIT
    _add_configuration(parser)
    _add_outputs(parser)
    _add_judging(parser)
    parser.add_argument(
        "folders",
        metavar="DIR",
        nargs="+",
        help="a folder of `curfewd scan --facts DIR`; several are judged as one history",
    )


def add_facts(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd facts`."""
    parser.epilog = "Exit code: 0 when done; 2 if something that you name is wrong or cannot be opened."
    _add_configuration(parser)
    parser.add_argument(
        "--parquet",
        metavar="OUT",
        required=True,
        help="the folder for leak.parquet, limited.parquet, credential.used.parquet and dead-letter.parquet",
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", help="a folder of `curfewd scan --facts DIR`")


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="F", help="the configuration file")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        metavar="NAME",
        choices=("processes", "spark"),
        default="processes",
        help="what reads the files: processes on this machine (by default), or spark: the workers of a cluster",
    )
    parser.add_argument(
        "--master",
        metavar="URL",
        help="with --engine spark: the cluster, as Spark names it (by default that of spark-submit, else this machine)",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="write findings.jsonl, revocations.jsonl, dead-letters.jsonl and summary.json into this folder",
    )
    parser.add_argument(
        "--report", metavar="F.html", help="write the findings as one web page with a timeline"
    )
    parser.add_argument(
        "--sarif",
        metavar="F",
        help="write the findings as SARIF 2.1.0, for code scanning; - is standard output",
    )
    parser.add_argument(
        "--findings",
        metavar="F",
        help="write the findings as OCSF, one JSON object a line; - is standard output",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="write findings, revocations, dead letters and summary to standard output as one JSON object",
    )


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--until",
        metavar="TIME",
        type=_time,
        help="judge up to this time: a time, a day, or how long ago: 7d, 12h (by default the latest time in the input)",
    )
    parser.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        choices=SEVERITIES,
        help="exit 1 if an unaccepted finding is at or above this severity: low, medium, high, critical",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit 3 if there is a dead letter: something could not be read or understood",
    )
    parser.add_argument(
        "--baseline",
        metavar="F",
        help="accept the findings listed in this file of `curfewd baseline`; all others are new",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", metavar="N", type=_jobs, help="number of processes (by default the number of cores)"
    )
    parser.add_argument(
        "--events",
        metavar="PATH",
        action="append",
        default=[],
        help="read this file, folder or archive (or -) and believe its events: only trusted programs write to it (may be repeated)",
    )
    parser.add_argument(
        "--logs",
        metavar="PATH",
        action="append",
        default=[],
        help="read this file, folder or archive (or -) as text: nothing in it is an event, whatever it looks like (may be repeated)",
    )
    parser.add_argument(
        "--paths-from",
        metavar="F",
        help="read the files that this file names too, one path or URL a line; - is standard input",
    )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        help="a file, folder or archive (gzip, Zstandard, ZIP, tar), or - for standard input; ARCHIVE!GLOB names members "
        "of an archive. A file or member carries events if all of it is events",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """`--format` of a command that reads a history."""
    parser.add_argument(
        "--format",
        metavar="NAME",
        choices=CHOICES,
        help=f"read all inputs in this format: {', '.join(CHOICES)}",
    )


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """What a command reads that reads a history as replay does."""
    for name, what in (
        ("events", "believe its events"),
        ("logs", "take it as text: nothing in it is an event"),
    ):
        parser.add_argument(
            f"--{name}",
            metavar="PATH",
            action="append",
            default=[],
            help=f"read this file or folder (or -) and {what}",
        )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        help="a file, folder or archive, or - for standard input, as replay reads them",
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """The type of an argument that is a number from `least` to `most`."""

    def number(text: str) -> int:
        if not (
            text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most
        ):
            raise argparse.ArgumentTypeError(f"write a number from {least} to {most:,}")
        return int(text)

    return number


def add_fingerprint(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd fingerprint`."""
    _add_configuration(parser)
    parser.add_argument(
        "--keep-newline",
        action="store_true",
        help="a newline at the end belongs to the secret: print its identifiers with it and without it",
    )
    parser.add_argument(
        "--sha256",
        action="store_true",
        help="also print the SHA-256 of a generated token, by which GitHub's audit log names it (hashed_token)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="accept a secret that is one word or one number, though such text appears in logs by chance",
    )


def add_patterns(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd patterns`."""
    parser.add_argument(
        "action",
        choices=("list", "test"),
        metavar="list|test",
        help="`list` them, or `test`: run the examples and near-misses of each",
    )
    _add_configuration(parser)
    parser.add_argument(
        "--against",
        metavar="PATH",
        nargs="+",
        help="with test: show what the patterns find in your logs instead (files, archives, -)",
    )
    parser.add_argument("--pattern", metavar="GLOB", help="with --against: only patterns whose id matches")


def add_baseline(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd baseline`."""
    parser.add_argument(
        "action",
        choices=("write", "update", "prune"),
        metavar="write|update|prune",
        help="write a new file, add what is new to it, or drop what no longer occurs",
    )
    parser.add_argument("file", metavar="F", help="the file, such as curfewd-baseline.jsonl")
    parser.add_argument(
        "--from",
        dest="folder",
        metavar="DIR",
        required=True,
        help="the output of `curfewd replay --out DIR`",
    )
    parser.add_argument(
        "--reason",
        metavar="TEXT",
        default="",
        help="why the findings are accepted; needed by write and update",
    )
    parser.add_argument("--by", metavar="NAME", help="who accepts them (by default the user's login name)")
    parser.add_argument(
        "--expires",
        metavar="TIME",
        default="90d",
        help="the last day on which they are accepted, or how long (by default 90d)",
    )


def paths_in(name: str) -> tuple[str, ...]:
    """The paths that a file names, one a line; `-` is standard input.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        data = read_bounded("/dev/stdin" if name == "-" else name, _PATHS)
    except BadFileError as error:
        raise UsageError(f"--paths-from {shown(name)}: {error}") from None
    return tuple(os.fsdecode(line) for line in data.splitlines() if line)


def _time(text: str) -> int:
    try:
        return read_moment(text, time.time_ns())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:  # noqa: PLR2004 - more cores than a machine has
        raise argparse.ArgumentTypeError("write a number of processes from 1 to 1024")
    return int(text)
