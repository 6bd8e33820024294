"""`curfewd revoke --dry-run`: what would be done about the commands of a replay, as a table or as JSON. It asks nobody.

Each command is decided at the time of its evidence, as if it had come then and `mode` were "act". So the same file and
configuration give the same plan whenever it is made.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.configuration.revoke_settings import ACT, RevokeSettings
from detector.records.dead_letters import BAD_SIGNATURE, UNSIGNED
from detector.revoke.command_masker import CommandMasker
from detector.revoke.rails import Act, Go, Held, History, Proposal, Refused, decide, urgency
from detector.revoke.reader import LARGEST, read_command
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Plan, RefusedError
from detector.revoke.target_tables import TableTarget, find_target
from detector.terminal.output import shown, why
from detector.values.errors import BadRecordError, InputError
from detector.values.times import format_rfc3339, parse_rfc3339
from detector.values.wording import Clean, counted, moment, span, visible

STANDARD_INPUT: Final = "-"
MOST_SHOWN: Final = 1000  # rows of the table
_LONGEST: Final = 300  # characters of a cell
_MOST_CLEANED: Final = 4096  # texts of which it is remembered how they are without secrets: most come again
_STYLES: Final = {"go": "green", "held": "yellow", "refused": "red"}
_FAR: Final = 1 << 62  # ns: a command of the future is none here, where nothing is done


class PlannedCommand(msgspec.Struct, frozen=True):
    """What would become of one command.

    `verdict` is `go`, `held` or `refused`, `why` the reason; times are RFC 3339.
    """

    command_id: str
    credential_id: str
    task_ids: tuple[str, ...]
    kind: str
    owner: str
    severity: str
    time: str
    target: str
    steps: tuple[str, ...]
    verdict: str
    why: str
    until: str | None
    proof: str
    not_proved: str


class ReadCommands(msgspec.Struct, frozen=True):
    """The commands of a file, one for each id, and what could not be read: a line each."""

    commands: tuple[RevocationCommand, ...]
    unread: tuple[str, ...]


def read_commands(
    path: str, standard_input: BinaryIO, masker: CommandMasker, settings: RevokeSettings
) -> ReadCommands:
    """The commands of a replay's `revocations.jsonl`, masked; `-` is standard input.

    What has to be signed and is not is none.

    Raises:
        InputError: it cannot be opened, or no line of it is a command.
    """
    if path == STANDARD_INPUT:
        return _read(standard_input, "standard input", masker, settings)
    try:
        with Path(path).open("rb") as file:
            return _read(file, shown(path), masker, settings)
    except (OSError, ValueError) as error:
        reason = why(error) if isinstance(error, OSError) else "there is a zero byte in its name"
        raise InputError(f"{shown(path)}: {reason}") from None


def _read(file: BinaryIO, name: str, masker: CommandMasker, settings: RevokeSettings) -> ReadCommands:
    commands: dict[str, RevocationCommand] = {}
    unread = []
    reasons = set()
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        try:
            command = masker.command(read_command(line, _FAR, settings=settings))
        except BadRecordError as error:
            reasons.add(error.reason)
            unread.append(f"{name}:{number}: no command: {error}")
        else:
            commands.setdefault(command.id, command)
    if unread and not commands and reasons <= {UNSIGNED, BAD_SIGNATURE}:
        raise InputError(
            f"{name}: no key of the configuration has signed a line of it: replay with that deployment key, or put the "
            "key of the replay into revoke.command_key_file"
            + ("; revoke.allow_unsigned takes unsigned ones too" if UNSIGNED in reasons else "")
        )
    if unread and not commands:
        raise InputError(
            f"{name}: no line of it is a command: name the revocations.jsonl of `curfewd replay --out`"
        )
    return ReadCommands(tuple(commands.values()), tuple(unread))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines, each cut at what a command may have: the rest of a longer one is skipped."""
    while line := file.readline(LARGEST + 2):
        rest = line
        while len(rest) == LARGEST + 2 and not rest.endswith(b"\n"):
            rest = file.readline(LARGEST + 2)
        yield line.removesuffix(b"\n")


def planned(
    commands: Iterable[RevocationCommand], targets: Sequence[TableTarget], settings: RevokeSettings
) -> list[PlannedCommand]:
    """What would become of each command, in the order in which they would be decided."""
    acting = msgspec.structs.replace(settings, mode=ACT)
    history = History()
    ordered = sorted(commands, key=lambda command: (command.time, urgency(command)))
    return [_planned(command, targets, acting, history) for command in ordered]


def _planned(
    command: RevocationCommand,
    targets: Sequence[TableTarget],
    settings: RevokeSettings,
    history: History,
) -> PlannedCommand:
    name, plan = "", Plan((), "", 0.0)
    decision: Go | Held | Refused
    try:
        found = find_target(targets, command)
        name = found.name
        plan = found.target.plan(command)
        decision = decide(Proposal(command, name, plan), history, settings, command.time)
    except RefusedError as error:
        decision = Refused("target", str(error))
    except Exception as error:  # noqa: BLE001 - the command is hostile, and the others are to be shown
        decision = Refused("target", f"target {name} cannot plan it ({type(error).__name__})")
    if isinstance(decision, Go):
        history.add(Act(command.time, name, command.owner))
    until = decision.until if isinstance(decision, Held) else None
    return PlannedCommand(
        command_id=command.id,
        credential_id=command.credential_id,
        task_ids=command.task_ids,
        kind=command.kind,
        owner=command.owner,
        severity=command.severity.label,
        time=format_rfc3339(command.time),
        target=name,
        steps=tuple(
            step.words + (f" (after {span(round(step.delay * 1e9))})" if step.delay else "")
            for step in plan.steps
        ),
        verdict={Go: "go", Held: "held", Refused: "refused"}[type(decision)],
        why="" if isinstance(decision, Go) else decision.reason,
        until=None if until is None else format_rfc3339(until),
        proof=plan.proof,
        not_proved=plan.unproved,
    )


def plan_json(plans: Iterable[PlannedCommand], settings: RevokeSettings, clean: Clean) -> bytes:
    """The plan as one JSON object."""
    clean = functools.lru_cache(_MOST_CLEANED)(clean)

    def cleaned(value: Any) -> Any:
        if isinstance(value, str):
            return clean(value)
        return [clean(item) for item in value] if isinstance(value, tuple) else value

    commands = [{name: cleaned(getattr(each, name)) for name in each.__struct_fields__} for each in plans]
    return (
        msgspec.json.format(msgspec.json.encode({"mode": settings.mode, "commands": commands}), indent=2)
        + b"\n"
    )


def print_plan(
    plans: Sequence[PlannedCommand], settings: RevokeSettings, console: Console, clean: Clean
) -> None:
    """Prints the plan as a table. Of many commands it shows those that are decided first, and counts all."""
    if not plans:
        console.print(Text("No commands: there is nothing to revoke."), soft_wrap=True)
        return
    table = Table("credential", "what would be done", "rails", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for each in plans[:MOST_SHOWN]:
        table.add_row(
            _cell(clean, each.credential_id, _task(each), each.severity, moment(parse_rfc3339(each.time))),
            _cell(
                clean,
                f"at {each.target}" if each.target else "no target",
                *(f"{number}. {step}" for number, step in enumerate(each.steps, 1)),
                each.proof and f"proof: {each.proof}",
                each.not_proved and f"not proved: {each.not_proved}",
            ),
            _verdict(each, clean),
        )
        table.add_row()
    console.print(table)
    if len(plans) > MOST_SHOWN:
        more = f"{counted(len(plans) - MOST_SHOWN, 'more command')} not shown: --json prints all."
        console.print(Text(more), soft_wrap=True)
    counts = {verdict: sum(each.verdict == verdict for each in plans) for verdict in _STYLES}
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    console.print(Text(f"{counted(len(plans), 'command')}: {told}."), soft_wrap=True)
    console.print(Text("Each is decided as if it had come at the time of its evidence."), soft_wrap=True)
    if settings.mode != ACT:
        console.print(Text('revoke.mode is "plan": nothing is revoked until you set "act".'), soft_wrap=True)


def _task(each: PlannedCommand) -> str:
    if not each.task_ids:
        return "no known task"
    more = f" and {len(each.task_ids) - 1} more candidates" if len(each.task_ids) > 1 else ""
    return f"task {each.task_ids[0]}{more}"


def _verdict(each: PlannedCommand, clean: Clean) -> Text:
    said = _cell(clean, each.why, each.until and f"until {each.until}")
    return Text("\n").join([Text(each.verdict, _STYLES[each.verdict]), *([said] if said else [])])


def _cell(clean: Clean, *lines: str | None) -> Text:
    """The lines that are there, each on a line of its own."""
    return Text("\n".join(visible(clean(line), _LONGEST) for line in lines if line))
