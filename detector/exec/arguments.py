"""What `curfewd exec` is asked for, and how the command line says it. Importing this loads next to nothing."""

import argparse
import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from detector.register.canary import FORMS
from detector.register.heartbeats import lease_of
from detector.register.task import DESTINATION_VARIABLE, TASK_VARIABLE, Description
from detector.values.errors import UsageError
from detector.values.times import parse_duration

_WAIT: Final = "5s"
_NANO: Final = 1e-9


class Request(NamedTuple):
    """What was asked for: the command, the task that it is, and its secrets by variable and by file.

    `canaries` are decoys: the form of each, and the variable in which it is planted. `lease` (ns) asks for heartbeats.
    `hold` (ns) is how long masked output waits that may still become a secret; None: as configured.
    """

    command: tuple[str, ...]
    task: Description
    variables: tuple[str, ...]
    files: tuple[str, ...]
    canaries: tuple[tuple[str, str], ...]
    to: str
    config: str | None
    masked: bool
    wait_seconds: float
    flush: bool
    lease: int | None = None
    hold: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd exec`."""
    parser.add_argument(
        "--task", metavar="ID", help="the id of the task: different for each run, such as deploy/$RUN_ID"
    )
    parser.add_argument("--kind", default="job", help="what kind of task it is (by default job)")
    parser.add_argument("--owner", help="who owns it: a team or a person")
    parser.add_argument("--group", help="what it shares with other tasks: a repository, a namespace")
    parser.add_argument("--workload", help="what runs it (by default the name of this machine)")
    parser.add_argument(
        "--parent",
        metavar="ID",
        help=f"the task that started it (by default {TASK_VARIABLE}, which exec sets for CMD)",
    )
    parser.add_argument(
        "--deadline", metavar="TIME", help="the latest that it should end, counted from its start: 15m, 2h"
    )
    parser.add_argument(
        "--lease",
        metavar="TIME",
        help="send a heartbeat every third of this time: if the machine dies, the task ends that long after the last",
    )
    parser.add_argument(
        "--secret-env",
        metavar="N",
        action="append",
        default=[],
        help="register the secret in this environment variable (may be repeated)",
    )
    parser.add_argument(
        "--secret-file",
        metavar="P",
        action="append",
        default=[],
        help="register the secret in this file, without a line break at its end (may be repeated)",
    )
    parser.add_argument(
        "--canary",
        metavar="FORM[:N]",
        action="append",
        default=[],
        help="plant a decoy in the environment of CMD, in the variable N, whose use or leak is critical: "
        f"{', '.join(FORMS)} (may be repeated)",
    )
    parser.add_argument(
        "--to",
        metavar="DEST",
        help="where the events go: a file, an http(s):// URL, or kafka://HOST:PORT/TOPIC "
        f"(by default {DESTINATION_VARIABLE})",
    )
    parser.add_argument(
        "--mask",
        action="store_true",
        help="mask these secrets, and all others that are found, in what CMD prints",
    )
    parser.add_argument(
        "--hold",
        metavar="TIME",
        help="with --mask: how long output that may still become a secret is held back when no more comes "
        "(by default `hold` of [scan], else 1s)",
    )
    parser.add_argument(
        "--config", metavar="F", help="the configuration file: deployment keys, patterns, how to reach Kafka"
    )
    parser.add_argument(
        "--wait",
        metavar="TIME",
        default=_WAIT,
        help=f"how long to try to send the last events, when CMD has ended (by default {_WAIT})",
    )
    parser.add_argument(
        "--flush",
        action="store_true",
        help="run nothing: send the events that wait in the spool, and end tasks whose process died",
    )
    parser.add_argument(
        "argv", metavar="-- CMD", nargs=argparse.REMAINDER, help="the command and its arguments"
    )


def request_of(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Request:
    """The request that was written.

    Raises:
        UsageError: there is no command, no task or no destination, or the wait is no duration.
    """
    command = tuple(options.argv[1:] if options.argv[:1] == ["--"] else options.argv)
    to = options.to or environ.get(DESTINATION_VARIABLE)
    if not to:
        raise UsageError(f"exec: say where the events go, with --to or {DESTINATION_VARIABLE}")
    if options.flush and command:
        raise UsageError("exec: --flush runs no command")
    if not options.flush and not options.task:
        raise UsageError("exec: name the task with --task, by an id that no other run has")
    if not options.flush and not command:
        raise UsageError("exec: say what to run, after --")
    if options.hold is not None and not options.mask:
        raise UsageError("exec: --hold says how long --mask holds output back: give --mask too")
    wait = _duration("--wait", options.wait) * _NANO
    task = Description(
        options.task or "",
        options.kind,
        options.owner,
        options.workload or os.uname().nodename,
        options.group,
        options.parent or environ.get(TASK_VARIABLE) or None,
        options.deadline,
    )
    return Request(
        command=command,
        task=task,
        variables=tuple(options.secret_env),
        files=tuple(options.secret_file),
        canaries=tuple(map(_canary_of, options.canary)),
        to=to,
        config=options.config,
        masked=options.mask,
        wait_seconds=wait,
        flush=options.flush,
        lease=_lease_of(options.lease),
        hold=None if options.hold is None else _duration("--hold", options.hold),
    )


def _duration(option: str, text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"exec: {option} is {error}") from None


def _lease_of(text: str | None) -> int | None:
    try:
        return lease_of(text) if text else None
    except UsageError as error:
        raise UsageError(f"exec: --lease: {error}") from None


def _canary_of(text: str) -> tuple[str, str]:
    form, _, name = text.partition(":")
    if form not in FORMS:
        raise UsageError(f"exec: --canary is one of {', '.join(FORMS)}, with :NAME for another variable")
    name = name or FORMS[form]
    if not name.isascii() or not name.isidentifier():
        raise UsageError("exec: --canary: the name of a variable has only letters, digits and _")
    return form, name
