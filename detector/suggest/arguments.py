"""The arguments of `curfewd suggest`. Importing this loads nothing else: `--version` answers at once."""

import argparse
from typing import Final

from detector.replay.arguments import add_inputs, whole_number

BY: Final = ("kind", "group", "workload", "owner")
"""What divides tasks into kinds: a field of their start."""
FORMS: Final = {
    "aws-session-policy": "an AWS session policy",
    "kubernetes-rbac": "roles for Kubernetes",
    "vault-policy": "a policy for Vault or OpenBao",
    "github-permissions": "the `permissions:` of a GitHub workflow",
}
TABLE: Final = "table"
JSON: Final = "json"
_DAYS, _TASKS = 90, 3
_MOST_DAYS, _MOST_TASKS = 36_500, 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all but `--config`."""
    parser.add_argument(
        "--kind",
        metavar="GLOB",
        help="only kinds of task whose name matches (see --by; the table shows the names)",
    )
    parser.add_argument("--credential", metavar="GLOB", help="only kinds of credential whose name matches")
    parser.add_argument(
        "--by",
        choices=BY,
        default=BY[0],
        help=f"what makes tasks one kind: {', '.join(BY)} (by default kind)",
    )
    parser.add_argument(
        "--days",
        metavar="N",
        type=whole_number(1, _MOST_DAYS),
        default=_DAYS,
        help=f"count the last N days before the latest event (by default {_DAYS})",
    )
    parser.add_argument(
        "--min-tasks",
        metavar="K",
        type=whole_number(2, _MOST_TASKS),
        default=_TASKS,
        help=f"a part of a resource becomes a `*` where K tasks show that it varies (by default {_TASKS})",
    )
    parser.add_argument(
        "--include",
        metavar="RULE",
        action="append",
        default=[],
        help="count uses that are evidence of this rule too (may be repeated); by default they are left out",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", dest="form", action="store_const", const=JSON, help="print JSON (docs/suggest.md)"
    )
    for name, what in FORMS.items():
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=f"print {what}")
    parser.set_defaults(form=TABLE)
    parser.add_argument(
        "--jobs", metavar="N", type=whole_number(1, 1024), help="number of processes (by default the cores)"
    )
    add_inputs(parser)
