"""The ACLs that a configuration needs, as commands of Apache Kafka's kafka-acls.sh, or as a table for acls.md.

python deploy/kafka/acls.py --config curfewd.toml --user curfewd --creator curfewd-admin
python deploy/kafka/acls.py --config curfewd.toml --scan curfewd-scan --judge curfewd-judge
python deploy/kafka/acls.py --config curfewd.toml --revoker curfewd-revoke --approver alice
python deploy/kafka/acls.py --config curfewd.toml --table
"""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings
from detector.kafka.acls import Right
from detector.service.rights import rights, rights_to_approve, rights_to_create, rights_to_revoke
from detector.values.errors import CurfewdError

_OPTIONS: Final = {"topic": "--topic", "group": "--group", "transactional id": "--transactional-id"}


def commands(user: str, needed: Iterable[Right]) -> list[str]:
    """A command for each resource."""
    operations: dict[tuple[str, str], list[str]] = {}
    for right in needed:
        operations.setdefault((_OPTIONS[right.kind], right.name), []).append(right.operation)
    lines = []
    for (option, name), allowed in operations.items():
        pattern = ["--resource-pattern-type", "prefixed"] if name.endswith("*") else []
        words = ["--add", "--allow-principal", f"User:{user}", option, name.removesuffix("*"), *pattern]
        words += [word for operation in allowed for word in ("--operation", operation)]
        lines.append(
            f'kafka-acls.sh --bootstrap-server "$BROKER" --command-config "$ADMIN" {shlex.join(words)}'
        )
    return lines


def table(live: KafkaSettings) -> str:
    """Who needs what, in Markdown."""
    columns = (
        rights(live, "all"),
        rights(live, "scan"),
        rights(live, "judge"),
        rights_to_revoke(live),
        rights_to_approve(live),
        rights_to_create(live),
    )
    # The stages' are parts of the whole's but for Describe, which goes with what the whole has.
    resources = dict.fromkeys((right.kind, right.name) for column in columns for right in column)
    lines = [
        "| resource | whole | `--stage scan` | `--stage judge` | `revoke` | `revoke approve` | `topics create` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, name in resources:
        cells = (
            ", ".join(right.operation for right in column if (right.kind, right.name) == (kind, name))
            for column in columns
        )
        shown = f"{kind} `{name.removesuffix('*')}`" + (" (prefixed)" if name.endswith("*") else "")
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", metavar="F", required=True, help="the configuration")
    parser.add_argument("--user", metavar="NAME", help="who runs both stages in one process")
    parser.add_argument("--scan", metavar="NAME", help="who runs the scan stage alone")
    parser.add_argument("--judge", metavar="NAME", help="who runs the judge stage alone")
    parser.add_argument("--revoker", metavar="NAME", help="who runs `curfewd revoke`")
    parser.add_argument(
        "--approver", metavar="NAME", help="who runs `curfewd revoke approve`, `deny` and `held`"
    )
    parser.add_argument("--creator", metavar="NAME", help="who runs `curfewd topics create`")
    parser.add_argument("--table", action="store_true", help="a table instead of commands")
    options = parser.parse_args(arguments)
    try:
        live = Settings.load(options.config).live()
    except CurfewdError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.table:
        print(table(live), end="")
        return 0
    if live.inputs.scattered:
        print(f"# Read is needed on each topic that matches {', '.join(live.inputs.scattered)}, too.")
    for user, needed in (
        (options.user, rights(live, "all")),
        (options.scan, rights(live, "scan")),
        (options.judge, rights(live, "judge")),
        (options.revoker, rights_to_revoke(live)),
        (options.approver, rights_to_approve(live)),
        (options.creator, rights_to_create(live)),
    ):
        if user is not None:
            print("\n".join(commands(user, needed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
