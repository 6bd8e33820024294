"""The command line: arguments in, exit code out. Its output never contains a secret, even when it crashes."""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from detector import __version__
from detector.exec.arguments import add_arguments as add_exec
from detector.explain.arguments import add_arguments as add_sources
from detector.fetch.request import add_arguments as add_fetch
from detector.fetch.request import request_of
from detector.receive.arguments import add_arguments as add_receive
from detector.replay.arguments import (
    add_baseline,
    add_facts,
    add_fingerprint,
    add_judge,
    add_patterns,
    add_replay,
    add_scan,
)
from detector.revoke.arguments import add_arguments as add_revoke
from detector.suggest.arguments import add_arguments as add_suggest_arguments
from detector.terminal.command_groups import GroupedCommands
from detector.terminal.compiling import say_that_it_compiles
from detector.terminal.completion import SHELLS, completion_script
from detector.terminal.output import open_standard_streams, printing, put, say, shown, why, write_out
from detector.values.errors import CurfewdError, UsageError
from detector.values.shortage import MEMORY

DONE: Final = 0
FOUND: Final = 1  # an unaccepted finding at or above --fail-on, or a failing pattern
USAGE: Final = 2  # bad usage, configuration or input
DEAD_LETTERS: Final = 3  # a file in a folder could not be read; with --strict any dead letter
CRASHED: Final = 70  # sysexits.h: an error inside the program
INTERRUPTED: Final = 130  # 128 + SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    open_standard_streams()
    options = argparse.Namespace()
    try:
        options = command_parser().parse_args(arguments)
        say_that_it_compiles()
        code = _COMMANDS[options.command](options)
    except KeyboardInterrupt:
        say("curfewd: interrupted")
        return INTERRUPTED
    except MemoryError:
        jobs = hasattr(options, "jobs")  # the line is not masked: that takes memory
        say(f"curfewd: {'out of memory: try again with --jobs 1, or on fewer files' if jobs else MEMORY}")
        return USAGE
    except CurfewdError as error:
        _tell(f"curfewd: {error}")
        return USAGE
    except OSError as error:
        what = f"{shown(error.filename)}: " if isinstance(error.filename, str) else ""
        _tell(f"curfewd: {what}{why(error)}")
        return USAGE
    except Exception as error:  # noqa: BLE001 - its text may contain what was read: only the places are printed
        return _crashed(error)
    return code


def _tell(*lines: str) -> None:
    """Writes lines to standard error that may name a path or a value: a secret in it is masked."""
    say(*map(_masked, lines))


def _masked(line: str) -> str:
    # Only what a command needs is imported: `--version` answers at once.
    from detector.scan.message_masks import masked_message  # noqa: PLC0415

    return masked_message(line)


def _crashed(error: BaseException) -> int:
    places = [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    say(
        f"curfewd {__version__}: internal error, {type(error).__name__}. The input is not shown, because it may "
        "contain secrets. Please report the error with these places:",
        *(f"  {place}" for place in places),
    )
    return CRASHED


class _Parser(argparse.ArgumentParser):
    """Prints the mistake in one line before the usage, and help as the other commands print."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.pipe = ""  # how to use a command that reads standard input alone
        self.color = False  # Python 3.14 colours usage and help, and `put` would show the escapes

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but the command itself refuses what it does not know: its own usage helps."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown and self.pipe:  # what somebody passes to such a command may be a secret
            options = [text.partition("=")[0] for text in unknown if text.startswith("--")]
            what = f"unrecognized arguments: {' '.join(options)}" if options else "it takes no such argument"
            self.error(f"{what}; it reads standard input: {self.pipe}")
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        _tell(f"curfewd: {message}", *self.format_usage().splitlines())
        sys.exit(USAGE)

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is not sys.stderr:
            with printing():
                put(*message.splitlines())


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands: help, completion and the manual page are made from it."""
    parser = _Parser(
        prog="curfewd",
        description="Finds task credentials that leak, are used after their task, or outlive it.",
        epilog="curfewd COMMAND --help shows the options of a command.",
        formatter_class=GroupedCommands,
    )
    parser.add_argument("--version", action="version", version=f"curfewd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_replay(_command(commands, "replay", "read log and event files, and report what is wrong in them"))
    run = _command(commands, "run", "run the service on Apache Kafka")
    run.add_argument("--config", metavar="F", required=True, help="the configuration file")
    run.add_argument("--stage", choices=("scan", "judge"), help="run only this stage (both by default)")
    add_revoke(
        _command(
            commands, "revoke", "carry out revocations and prove them, or show and approve those that wait"
        )
    )
    check = _command(commands, "check", "check a configuration, and report every mistake with its line")
    check.add_argument("--config", metavar="F", required=True, help="the configuration file")
    _add_redact(commands)
    add_exec(
        _command(commands, "exec", "run a job as a task: register it, mask its output if asked, and end it")
    )
    add_receive(
        _command(
            commands, "receive", "take webhooks, CloudEvents, OTLP and audit pushes into Kafka or a file"
        )
    )
    add_fetch(
        _command(commands, "fetch", "download runs, jobs and logs from GitHub or GitLab, to replay them")
    )
    add_fingerprint(
        _command(
            commands,
            "fingerprint",
            "read a secret on standard input, and print its identifiers",
            pipe='printf %s "$TOKEN" | curfewd fingerprint',
        )
    )
    add_baseline(_command(commands, "baseline", "keep a file of known and accepted findings"))
    suggest = _command(
        commands, "suggest", "suggest the narrowest grants for each kind of task, from what such tasks did"
    )
    _add_config(suggest)
    add_suggest_arguments(suggest)
    add_sources(
        _command(
            commands,
            "sources",
            "list the sources that curfewd reads, or explain what became of each record of a file",
        )
    )
    add_patterns(_command(commands, "patterns", "list the patterns, or run their examples"))
    add_scan(_command(commands, "scan", "scan the files, and keep the facts in a folder for `curfewd judge`"))
    add_judge(_command(commands, "judge", "judge the facts of `curfewd scan`, without reading a log"))
    add_facts(_command(commands, "facts", "write the facts of `curfewd scan` as Parquet, for other programs"))
    _add_topics(commands)
    completion = _command(commands, "completion", "print a script that completes commands and options")
    completion.add_argument(
        "shell",
        choices=SHELLS,
        metavar="|".join(SHELLS),
        help="the shell; docs/install.md has the line for its start file",
    )
    return parser


def _add_redact(commands: Any) -> None:
    redact = _command(
        commands,
        "redact",
        "copy standard input, with every leak masked and nothing else changed",
        pipe="curfewd redact < job.log",
    )
    _add_config(redact)
    redact.add_argument(
        "--known",
        metavar="PATH",
        action="append",
        default=[],
        help="also mask the credentials that the events in this file or folder register (may be repeated)",
    )
    redact.add_argument(
        "--pass-unrecognised",
        action="store_true",
        help="go on if --known registers credentials that cannot be recognised (by default: exit 2), and pass their "
        "secrets unmasked",
    )
    redact.add_argument(
        "--unexamined",
        choices=("mask", "mark"),
        default="mask",
        help="what to do with text that could not be examined whole: `mask` it (the default), or `mark` it with a line "
        "before it",
    )
    redact.add_argument(
        "--hold",
        metavar="TIME",
        help="how long a line that may go on in the next waits for it (by default `hold` of [scan], else 1s)",
    )


def _add_topics(commands: Any) -> None:
    topics = _command(
        commands, "topics", "create the topics that the service needs, or accept recreated ones"
    )
    topics.add_argument(
        "action",
        choices=("create", "accept"),
        metavar="create|accept",
        help="create those that are missing, and say what is wrong with the others; or go on with topics that were "
        "deleted and recreated",
    )
    topics.add_argument("names", nargs="*", metavar="TOPIC", help="accept: the recreated topics")
    topics.add_argument("--config", metavar="F", required=True, help="the configuration file")
    topics.add_argument(
        "--inputs",
        action="store_true",
        help="also create the topics of event_topics and log_topics that are named without * or ?",
    )


def _command(commands: Any, name: str, does: str, *, pipe: str = "") -> _Parser:
    """A command, whose own help begins with what the list of commands says of it."""
    parser: _Parser = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
    parser.pipe = pipe
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="F", help="the configuration file")


def _need_inputs(options: argparse.Namespace, command: str) -> None:
    """Raises UsageError if no input is named."""
    if not (options.paths or options.events or options.logs or vars(options).get("paths_from")):
        raise UsageError(f"{command}: name a file or folder to read, or - for standard input")


def _request(options: argparse.Namespace, **named: Any) -> Any:
    """The arguments of a command that reads a history, or judges one, as replay does."""
    # Only what a command needs is imported: `--version` and `check` answer at once.
    from detector.replay.replay_command import Request  # noqa: PLC0415

    given = vars(options)
    inputs: dict[str, Any] = {name: tuple(given.get(name) or ()) for name in ("paths", "events", "logs")}
    if given.get("paths_from"):
        from detector.replay.arguments import paths_in  # noqa: PLC0415 - as above

        inputs["paths"] += paths_in(options.paths_from)
    jobs = given.get("jobs") or len(os.sched_getaffinity(0))
    return Request(config=options.config, jobs=jobs, now=time.time_ns(), **inputs, **named)


def _judged(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments about what is judged and written."""
    from detector.values.findings import Severity  # noqa: PLC0415 - as above

    named = {
        name: getattr(options, name)
        for name in ("out", "report", "sarif", "findings", "until", "strict", "baseline")
    }
    least = None if options.fail_on is None else Severity.of(options.fail_on)
    return named | {"document": options.json, "fail_on": least}


def _replay(options: argparse.Namespace) -> int:
    from detector.replay.replay_command import run_replay  # noqa: PLC0415 - as above

    _need_inputs(options, "replay")
    request = _request(options, format_name=options.format, **_judged(options))
    if _on_spark(options):
        from detector.spark.command import replay_on_spark  # noqa: PLC0415 - as above

        return replay_on_spark(request, options.master)
    return run_replay(request)


def _on_spark(options: argparse.Namespace) -> bool:
    if options.engine != "spark" and options.master is not None:
        raise UsageError("--master goes with --engine spark")
    return bool(options.engine == "spark")


def _scan(options: argparse.Namespace) -> int:
    from detector.replay.facts_commands import run_scan  # noqa: PLC0415 - as above

    _need_inputs(options, "scan")
    request = _request(options, format_name=options.format)
    if _on_spark(options):
        from detector.spark.command import scan_on_spark  # noqa: PLC0415 - as above

        said = scan_on_spark(request, options.facts, options.master)
    else:
        said = run_scan(request, options.facts)
    with printing():
        put(_masked(said))
    return DONE


def _judge(options: argparse.Namespace) -> int:
    from detector.replay.facts_commands import run_judge  # noqa: PLC0415 - as above

    return run_judge(_request(options, **_judged(options)), options.folders)


def _facts(options: argparse.Namespace) -> int:
    from detector.replay.facts_parquet import write_parquet  # noqa: PLC0415 - as above

    said = write_parquet(options.config, options.folders, options.parquet)
    with printing():
        put(_masked(said))
    return DONE


def _baseline(options: argparse.Namespace) -> int:
    from detector.replay import baseline_command as baseline  # noqa: PLC0415 - as above

    request = baseline.BaselineRequest(
        options.file, options.folder, time.time_ns(), options.reason, options.by, options.expires
    )
    if options.action == "prune":
        said = baseline.prune_baseline(request)
    else:
        make = baseline.write_baseline if options.action == "write" else baseline.update_baseline
        said = make(request, _masked)
    for line in said[1:]:
        _tell(f"curfewd: {line}")
    with printing():
        put(_masked(said[0]))
    return DONE


def _fingerprint(options: argparse.Namespace) -> int:
    from detector.replay.fingerprint_command import fingerprint  # noqa: PLC0415 - as above

    with printing():
        made = fingerprint(
            sys.stdin.buffer,
            options.config,
            keep_newline=options.keep_newline,
            sha256=options.sha256,
            force=options.force,
        )
        for warning in made.warnings:
            say(f"curfewd: warning: {warning}")
        put(made.text)
    return DONE


def _redact(options: argparse.Namespace) -> int:
    from detector.redact.command import redact  # noqa: PLC0415 - as above

    redact(options, _tell)
    return DONE


def _patterns(options: argparse.Namespace) -> int:
    from detector.configuration.settings import Settings  # noqa: PLC0415 - as above
    from detector.outputs.report_text import console_for  # noqa: PLC0415 - as above
    from detector.replay.pattern_commands import list_patterns, test_patterns  # noqa: PLC0415 - as above
    from detector.scan.scanner_loader import load_patterns  # noqa: PLC0415 - as above

    if options.action == "list" and options.against:
        raise UsageError("--against goes with `patterns test`")
    if options.against:
        return _against(options)
    if options.pattern is not None:
        raise UsageError("--pattern goes with --against")
    patterns, warnings = load_patterns(Settings.load(options.config).patterns)
    for warning in warnings:
        _tell(f"curfewd: warning: {warning}")
    with printing():
        if options.action == "list":
            list_patterns(patterns, console_for())
        else:
            return DONE if test_patterns(patterns, console_for()) else FOUND
    return DONE


def _against(options: argparse.Namespace) -> int:
    from detector.configuration.settings import Settings  # noqa: PLC0415 - as above
    from detector.outputs.report_text import console_for  # noqa: PLC0415 - as above
    from detector.replay.pattern_trial_command import print_against, try_against  # noqa: PLC0415 - as above

    settings = Settings.load(options.config)
    tried, clean, warnings = try_against(settings, options.against)
    for warning in warnings:
        _tell(f"curfewd: warning: {clean(warning)}")
    with printing():
        print_against(tried, clean, options.pattern, console_for(), lasting=bool(settings.keys))
    return DONE


def _suggest(options: argparse.Namespace) -> int:
    from detector.suggest.command import Asked, run_suggest  # noqa: PLC0415 - as above

    _need_inputs(options, "suggest")
    notes = run_suggest(
        Asked(
            inputs=_request(options),
            kind=options.kind,
            credential=options.credential,
            by=options.by,
            days=options.days,
            tasks=options.min_tasks,
            include=tuple(options.include),
            form=options.form,
        )
    )
    for note in notes:
        _tell(f"curfewd: warning: {note}")
    return DONE


def _sources(options: argparse.Namespace) -> int:
    from detector.explain.command import list_sources, run_explain  # noqa: PLC0415 - as above

    if options.action is None:
        list_sources(document=options.json)
        return DONE
    _need_inputs(options, "sources explain")
    inputs = _request(options, document=options.json, format_name=options.format)
    code, warnings = run_explain(inputs, options.limit)
    for warning in warnings:
        _tell(f"curfewd: warning: {warning}")
    return code


def _fetch(options: argparse.Namespace) -> int:
    from detector.fetch.command import fetch  # noqa: PLC0415 - as above

    fetched = fetch(request_of(options, time.time_ns()), os.environ)
    with printing():
        put(*map(_masked, fetched.lines))
    for warning in fetched.warnings:
        _tell(f"curfewd: warning: {warning}")
    return DONE if fetched.complete else USAGE


def _exec(options: argparse.Namespace) -> int:
    from detector.exec.arguments import request_of as exec_request_of  # noqa: PLC0415 - as above
    from detector.exec.command import execute  # noqa: PLC0415 - as above

    return execute(exec_request_of(options), os.environ, lambda line: say(f"curfewd: exec: {line}"))


def _run(options: argparse.Namespace) -> int:
    from detector.service.command import run_service  # noqa: PLC0415 - as above

    return run_service(options.config, options.stage or "all")


def _revoke(options: argparse.Namespace) -> int:
    from detector.revoke.command import run_revoke  # noqa: PLC0415 - as above

    return run_revoke(options, _masked)


def _receive(options: argparse.Namespace) -> int:
    from detector.receive.command import check_receive, run_receive  # noqa: PLC0415 - as above

    if not options.check:
        return run_receive(options.config, options.out)
    for warning in check_receive(options.config, options.out):
        _tell(f"curfewd: warning: {warning}")
    with printing():
        put(_masked(f"{shown(options.config)}: nothing wrong"))
    return DONE


def _topics(options: argparse.Namespace) -> int:
    from detector.configuration.settings import Settings  # noqa: PLC0415 - as above
    from detector.service.accept_topics import run_accept_topics  # noqa: PLC0415 - as above
    from detector.service.topics import report, run_create_topics  # noqa: PLC0415 - as above

    live = Settings.load(options.config).live()
    for warning in live.warnings:
        _tell(f"curfewd: warning: {warning}")
    if options.action == "accept":
        with printing():
            put(*map(_masked, run_accept_topics(live, options.names)))
        return DONE
    outcome = run_create_topics(live, inputs=options.inputs)
    wild = (*live.inputs.prefixes, *live.inputs.scattered) if options.inputs else ()
    for glob in wild:
        _tell(f"curfewd: {glob}: a glob names no topic, so none is created for it")
    with printing():
        put(*map(_masked, report(outcome)))
    for difference in outcome.differences:
        _tell(f"curfewd: {'' if difference.grave else 'warning: '}{difference}")
    return USAGE if any(difference.grave for difference in outcome.differences) else DONE


def _check(options: argparse.Namespace) -> int:
    from detector.configuration.entry_warnings import entry_warnings  # noqa: PLC0415 - as above
    from detector.configuration.scope_notes import scope_notes  # noqa: PLC0415 - as above
    from detector.configuration.settings import checked  # noqa: PLC0415 - as above
    from detector.outputs.input_table import print_inputs  # noqa: PLC0415 - as above
    from detector.outputs.report_text import console_for  # noqa: PLC0415 - as above
    from detector.scan.scanner_loader import load_scanner  # noqa: PLC0415 - as above

    settings, mistakes = checked(options.config)
    wrong: list[UsageError] = list(mistakes)
    dangers: tuple[str, ...] = ()
    if settings.revoke.given and not wrong:
        from detector.revoke.table_checks import revoke_mistakes, revoke_warnings  # noqa: PLC0415 - as above

        wrong += revoke_mistakes(settings)
        dangers = tuple(revoke_warnings(settings))
    if not wrong:
        try:
            _, warnings = load_scanner(settings.patterns)
            if settings.kafka is not None:
                from detector.kafka.security import check_security  # noqa: PLC0415 - as above

                warnings = (*settings.kafka.warnings, *settings.service.warnings, *warnings)
                check_security(settings.kafka.security)
        except UsageError as error:
            wrong.append(error)
        else:
            for warning in (
                *settings.warnings,
                *warnings,
                *dangers,
                *settings.receive.warnings,
                *settings.receive.unread,
                *entry_warnings(settings, time.time_ns()),
            ):
                _tell(f"curfewd: warning: {warning}")
            with printing():
                put(_masked(f"{shown(options.config)}: nothing wrong"), *scope_notes(settings))
                print_inputs(settings.kafka, settings.trust, console_for(), _masked)
    for problem in wrong:
        _tell(str(problem))
    return USAGE if wrong else DONE


def _completion(options: argparse.Namespace) -> int:
    write_out(completion_script(command_parser(), options.shell).encode(), last=True)
    return DONE


_COMMANDS: Final = {
    "replay": _replay,
    "run": _run,
    "revoke": _revoke,
    "check": _check,
    "redact": _redact,
    "exec": _exec,
    "receive": _receive,
    "fetch": _fetch,
    "fingerprint": _fingerprint,
    "baseline": _baseline,
    "suggest": _suggest,
    "sources": _sources,
    "patterns": _patterns,
    "scan": _scan,
    "judge": _judge,
    "facts": _facts,
    "topics": _topics,
    "completion": _completion,
}


if __name__ == "__main__":
    sys.exit(main())
