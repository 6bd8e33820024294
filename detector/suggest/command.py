"""What `curfewd suggest` does: a history read, suggestions made, and printed in the form that is asked for."""

from collections.abc import Container, Iterator, Sequence

import msgspec

from detector.configuration.settings import NO_KEY_WARNING, Settings
from detector.judge.rules.catalog import RULES
from detector.outputs.report_text import console_for
from detector.replay.replay_command import Request, planned, seldom_collected
from detector.scan.scanner_loader import load_scanner
from detector.suggest.arguments import JSON, TABLE
from detector.suggest.document import Settled, document
from detector.suggest.forms import FORMS
from detector.suggest.history import Window
from detector.suggest.reading import Read, read_history
from detector.suggest.suggestion import Suggestion, suggestions
from detector.suggest.table import print_suggestions
from detector.suggest.translation import Form
from detector.terminal.output import printing, put
from detector.terminal.progress import meter
from detector.values.errors import UsageError
from detector.values.globs import compile_glob
from detector.values.times import DAY
from detector.values.wording import counted, visible

_LISTED = 12  # kinds that an error names


class Asked(msgspec.Struct, frozen=True):
    """The arguments of one suggestion. `inputs` are those of a replay.

    `kind` and `credential` are globs of what is suggested for, None for all. `tasks` must show that a part of a path
    varies. `form` is `TABLE`, `JSON` or one of `FORMS`.
    """

    inputs: Request
    kind: str | None
    credential: str | None
    by: str
    days: int
    tasks: int
    include: tuple[str, ...]
    form: str


class _Matching(Container[str]):
    """The names that a glob matches."""

    def __init__(self, glob: str) -> None:
        self._matches = compile_glob(glob)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._matches(name)


def run_suggest(asked: Asked) -> tuple[str, ...]:
    """Reads, and prints what is suggested. Returns what to say beside it, a line for each.

    Raises:
        UsageError: the configuration or an input is wrong, or there is nothing of that form to suggest.
    """
    rules = set(RULES.of_uses)
    for rule in asked.include:
        if rule not in rules:
            raise UsageError(
                f"suggest: --include {visible(rule, 64)}: no rule about uses; they are {', '.join(sorted(rules))}"
            )
    settings = Settings.load(asked.inputs.config)
    scanner, passed_over = load_scanner(settings.patterns)
    plan, finders = planned(asked.inputs, settings, scanner, warnings=passed_over)
    wanted = None if asked.kind is None else _Matching(asked.kind)
    window = Window(0, asked.by, frozenset(asked.include), wanted)
    with meter() as bars, seldom_collected():
        read = read_history(plan, bars, window, asked.days * DAY)
    made = suggestions(read.history, asked.tasks)
    if asked.credential is not None:
        matches = compile_glob(asked.credential)
        made = [each for each in made if matches(each.kind.credential)]
    # Fingerprints and leaks are no matter here: a use is found by its identifier.
    notes = (*(one for one in plan.warnings if one != NO_KEY_WARNING), *_notes(read))
    with printing():
        if asked.form == JSON:
            put(*document(read, made, Settled(asked.days, asked.tasks, asked.by)).splitlines())
        elif asked.form == TABLE:
            print_suggestions(read, made, asked.tasks, console_for())
        else:
            one, form = _only(made, FORMS[asked.form]), FORMS[asked.form]
            translated = form.of(one)
            put(*translated.text.split("\n"))
            notes = (*notes, *translated.notes)
    return tuple(map(finders.clean, notes))


def _only(made: Sequence[Suggestion], form: Form) -> Suggestion:
    """The one suggestion that has something for this form."""
    some = [each for each in made if form.covered(each)]
    if len(some) == 1:
        return some[0]
    if not some:
        kinds = counted(len(made), "kind of task and credential", "kinds of task and credential")
        raise UsageError(
            f"suggest: nothing was done in {form.what} by tasks of {kinds}: there is no policy to write"
        )
    names = [
        f"{visible(each.kind.task.name, 64)} with {visible(each.kind.credential, 64)}"
        for each in some[:_LISTED]
    ]
    more = f" and {len(some) - _LISTED:,} more" if len(some) > _LISTED else ""
    raise UsageError(
        f"suggest: a policy is for one kind of task and credential: name one with --kind and --credential: "
        f"{'; '.join(names)}{more}"
    )


def _notes(read: Read) -> Iterator[str]:
    """What the suggestions do not rest on."""
    unknown = sum(read.history.unknown.values())
    if unknown:
        yield (
            f"{counted(unknown, 'use')} of credentials that no event registers: nothing is suggested from "
            f"{'it' if unknown == 1 else 'them'}"
        )
    letters = sum(read.dead_letters.values())
    if letters:
        yield f"{counted(letters, 'record')} could not be read: `curfewd replay --out DIR` says which"
    if read.history.early:
        yield f"{counted(read.history.early, 'use')} before the days that count (--days) left out"
    if read.text:
        yield f"{counted(len(read.text), 'file')} of text not looked at: only events count"
