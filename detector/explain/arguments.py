"""The arguments of `curfewd sources`. Importing this loads nothing else: `--version` answers at once."""

import argparse
from typing import Any, Final

from detector.replay.arguments import add_format, add_inputs, whole_number

EXPLAIN: Final = "explain"
_LIMIT, _MOST = 100, 1_000_000
_JSON: Final = "print JSON instead of a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all arguments."""
    parser.add_argument("--json", action="store_true", help=_JSON)
    actions: Any = parser.add_subparsers(dest="action", metavar="explain")
    explain = actions.add_parser(
        EXPLAIN,
        help="say what became of each record of some files",
        description="Says how each record was read, which task and credential it joined, or why none.",
    )
    explain.epilog = (
        "Exit code: 0 when done; 2 if something that you name is wrong or cannot be opened; 3 if a file in a folder or "
        "archive cannot be read."
    )
    explain.add_argument("--config", metavar="F", help="the configuration file")
    explain.add_argument("--json", action="store_true", help=_JSON)
    add_format(explain)
    explain.add_argument(
        "--limit",
        metavar="N",
        type=whole_number(0, _MOST),
        default=_LIMIT,
        help=f"show the first N records; the totals cover all (by default {_LIMIT})",
    )
    add_inputs(explain)
