"""The arguments of `curfewd revoke`. Importing this loads nothing else: `--version` answers at once."""

import argparse
from typing import Final

APPROVE: Final = "approve"
DENY: Final = "deny"
HELD: Final = "held"
RETRY: Final = "retry"
CHECK_AUDIT_LOG: Final = "check-audit-log"
COMMAND_KEYS: Final = "command-keys"
_EXIT: Final = (
    "Exit code: 0 when done; 1 if a command of --commands was refused, failed or waits, or an audit log is not whole; 2 if something that you name is wrong or cannot be opened, or Kafka refuses; with --dry-run "
    "and --commands, 3 if a line of the file is no command."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all arguments."""
    parser.epilog = _EXIT
    parser.add_argument(
        "--config",
        metavar="F",
        help="the configuration file; only check-audit-log and command-keys need none",
    )
    parser.add_argument(
        "--dry-run",
        metavar="FILE",
        help="print what would be done about the commands of a replay's revocations.jsonl (- is standard input), and "
        "ask no provider",
    )
    parser.add_argument(
        "--commands",
        metavar="FILE",
        help="carry out the commands of a replay's revocations.jsonl once (- is standard input), without Kafka",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="with --commands: the folder for outcomes.jsonl; the same command again resumes, and repeats nothing",
    )
    parser.add_argument(
        "--json", action="store_true", help="with --dry-run and held: print JSON instead of a table"
    )
    parser.add_argument(
        "--as",
        dest="approver",
        metavar="NAME",
        help="with approve, deny and retry: which [[revoke.approver]] you are, if the configuration has several",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=(APPROVE, DENY, RETRY, HELD, CHECK_AUDIT_LOG, COMMAND_KEYS),
        metavar="approve|deny|retry|held|check-audit-log|command-keys",
        help="`approve` or `deny` a command that waits, `retry` one that failed or is not proved, show those that are "
        "`held`, look for changes in an audit log, or print the `command-keys` that a revoker without the deployment "
        "key needs; without one, run the service",
    )
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="ID|FILE",
        help="with approve, deny and retry: the command's id; with check-audit-log: the log",
    )
    parser.add_argument(
        "--outcomes",
        metavar="FILE",
        help="with check-audit-log: outcomes as lines of JSON, so that a log that was cut at its end shows too",
    )
