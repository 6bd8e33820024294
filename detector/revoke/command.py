"""`curfewd revoke`: which of its forms is meant, and what it prints."""

import argparse
import sys
from pathlib import Path
from typing import Final

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.settings import Settings
from detector.outputs.report_text import console_for
from detector.revoke.approve_command import held_json, print_held, run_approve, run_held
from detector.revoke.arguments import APPROVE, CHECK_AUDIT_LOG, COMMAND_KEYS, DENY, HELD, RETRY
from detector.revoke.check_audit_log import check_audit_log
from detector.revoke.command_masker import CommandMasker
from detector.revoke.file_run import run_file
from detector.revoke.plan_table import plan_json, planned, print_plan, read_commands
from detector.revoke.service import run_revoker
from detector.revoke.target_tables import make_targets
from detector.terminal.output import printing, put, say, write_out
from detector.values.errors import UsageError
from detector.values.wording import Clean

_DONE: Final = 0
_UNREAD: Final = 3


def run_revoke(options: argparse.Namespace, clean: Clean) -> int:
    """Runs the form of the command that the arguments ask for; the exit code. `clean` masks what is printed.

    Raises:
        UsageError: arguments, configuration or a file are wrong.
        RetryError, StopError: Kafka cannot be reached, or refuses.
    """
    _check(options)
    if options.action == CHECK_AUDIT_LOG:
        return check_audit_log(options.subject, options.outcomes)
    settings = Settings.load(options.config)
    if options.dry_run is not None:
        return _plan(options, settings, clean)
    if options.action in {COMMAND_KEYS, HELD}:
        return _command_keys(settings) if options.action == COMMAND_KEYS else _held(options, settings, clean)
    if options.commands is not None:
        return _commands(options, settings, clean)
    if options.action is None:
        if not settings.revoke.given:
            raise UsageError(
                "there is no [revoke] table in the configuration: it says what may be revoked, and where"
            )
        return run_revoker(options.config)
    said = run_approve(settings, options.action, options.subject, options.approver)
    with printing():
        put(clean(said))
    return _DONE


def _check(options: argparse.Namespace) -> None:
    """Refuses arguments that have no effect together."""
    checks = options.action == CHECK_AUDIT_LOG
    if checks and options.subject is None:
        raise UsageError("name the audit log: curfewd revoke check-audit-log FILE")
    unconfigured = checks or options.action == COMMAND_KEYS or options.dry_run is not None
    if not unconfigured and options.config is None:
        raise UsageError("name the configuration: --config F")
    decides = options.action in {APPROVE, DENY, RETRY}
    for name, given, fits in (
        ("an id", options.subject is not None, decides or checks),
        ("--outcomes", options.outcomes is not None, checks),
        ("--config", options.config is not None, not checks),
        ("--as", options.approver is not None, decides),
        ("--json", options.json, options.dry_run is not None or options.action == HELD),
        ("--dry-run", options.dry_run is not None, options.action is None and options.commands is None),
        ("--commands", options.commands is not None, options.action is None and options.out is not None),
        ("--out", options.out is not None, options.commands is not None),
    ):
        if given and not fits:
            goes = {
                "--json": "--dry-run or `revoke held`",
                "--dry-run": f"no {options.action or '--commands'}",
                "--commands": f"no {options.action}" if options.action else "--out DIR",
                "--out": "--commands FILE",
                "--outcomes": "`revoke check-audit-log`",
                "--config": "no check-audit-log",
            }
            raise UsageError(f"{name} goes with {goes.get(name, '`revoke approve`, `deny` and `retry`')}")


def _plan(options: argparse.Namespace, settings: Settings, clean: Clean) -> int:
    targets = make_targets(settings.revoke, asking=False)
    read = read_commands(options.dry_run, sys.stdin.buffer, CommandMasker(settings), settings.revoke)
    plans = planned(read.commands, targets, settings.revoke)
    say(*(f"curfewd: {clean(line)}" for line in read.unread))
    if not targets:
        say(
            "curfewd: planned without targets, so nothing could be revoked: --config F names a file with [revoke.targets]"
        )
    if options.json:
        write_out(plan_json(plans, settings.revoke, clean), last=True)
    else:
        with printing():
            print_plan(plans, settings.revoke, console_for(), clean)
    return _UNREAD if read.unread else _DONE


def _commands(options: argparse.Namespace, settings: Settings, clean: Clean) -> int:
    masker = CommandMasker(settings)
    read = read_commands(options.commands, sys.stdin.buffer, masker, settings.revoke)
    say(*(f"curfewd: {clean(line)}" for line in read.unread))
    code = run_file(settings.revoke, read.commands, Path(options.out), clean, masker)
    return code or (_UNREAD if read.unread else _DONE)


def _command_keys(settings: Settings) -> int:
    """Prints secrets, because somebody asks for exactly these."""
    if not settings.keys:
        raise UsageError(f"there is no deployment key in the configuration, and none in {KEY_VARIABLE}")
    keys = [key.for_commands().material.hex() for key in settings.keys]
    write_out("".join(f"{key}\n" for key in keys).encode(), last=True)
    return _DONE


def _held(options: argparse.Namespace, settings: Settings, clean: Clean) -> int:
    waiting = run_held(settings)
    if options.json:
        write_out(held_json(waiting, clean), last=True)
    else:
        with printing():
            print_held(waiting, console_for(), clean)
    return _DONE
