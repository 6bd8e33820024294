"""Suggestions for a person, as lines on a terminal or in a file."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from detector.suggest.generalise import Basis
from detector.suggest.reading import Read
from detector.suggest.spans import Spans
from detector.suggest.suggestion import Count, Covered, Suggestion
from detector.suggest.use_table import MOST_VALUES
from detector.values.times import SECOND
from detector.values.wording import counted, moment, span, visible

_ROWS: Final = 24  # of one section
_NAME, _WIDE = 64, 100  # characters
_BASIS: Final = {Basis.TASKS.value: "varies", Basis.NUMBER.value: f"over {MOST_VALUES} values"}
_Row = tuple[str, str, str]  # what, where, how often


def print_suggestions(read: Read, made: Sequence[Suggestion], tasks: int, console: Console) -> None:
    """Prints all suggestions."""
    for line in _lines(read, made, tasks):
        console.print(line, soft_wrap=True)


def _lines(read: Read, made: Sequence[Suggestion], tasks: int) -> Iterator[Text]:
    if read.until is None or not made:
        yield Text(
            "Nothing to suggest: no task had a credential in these days, or none that --kind and --credential name",
            "bold yellow",
        )
        return
    kinds = counted(len(made), "kind of task and credential", "kinds of task and credential")
    yield Text(f"{kinds}, {moment(max(0, read.since))} – {moment(read.until)}", "dim")
    for each in made:
        yield Text()
        yield from _suggestion(each, tasks)


def _suggestion(made: Suggestion, tasks: int) -> Iterator[Text]:
    task = made.kind.task
    name = visible(task.name, _NAME) if task.by == "kind" else f"{task.by} {visible(task.name, _NAME)}"
    title = Text(f"{name} with {visible(made.kind.credential, _NAME)}", "bold")
    title.append(f": {_count(made.used_by)}, {counted(made.credentials, 'credential')}", "not bold")
    yield title
    if not made.enough:
        seen = (
            f"seen by {counted(made.used_by.tasks, 'task')} only"
            if made.used_by.tasks
            else "never seen at work"
        )
        yield Text(f"  {seen}: not enough to say what the next one needs ({tasks} would be)", "yellow")
    yield from _section("grant", [_covered(each) for each in made.covered])
    yield from _section(
        "do not grant: denied, or evidence of a finding",
        [
            (
                f"{visible(each.action or '(no action)', _NAME)}",
                _where(each.resource),
                f"{each.why}, {_count(each.count)}",
            )
            for each in made.refused
        ],
    )
    yield from _section("granted and never used", _unused(made))
    yield from _times(made)
    yield from _section(
        "used from",
        [(each.network, "", _count(each.count)) for each in made.networks]
        + ([("a provider's service", "", _count(made.services))] if made.services.uses else []),
    )


def _section(title: str, rows: Sequence[_Row]) -> Iterator[Text]:
    if not rows:
        return
    yield Text(f"  {title}", "dim")
    shown = rows[:_ROWS]
    first, second = (min(max(len(row[part]) for row in shown), _WIDE) for part in (0, 1))
    before = ""
    for what, where, count in shown:
        line = Text(f"    {'' if what == before and where else what:<{first}}")
        if second:
            line.append(f"  {where:<{second}}")
        line.append(f"  {count}", "dim")
        line.rstrip()
        yield line
        before = what
    if len(rows) > len(shown):
        yield Text(f"    … and {len(rows) - len(shown):,} more (--json lists all)", "dim")


def _where(resource: str | None) -> str:
    return "(no resource)" if resource is None else visible(resource, _WIDE)


def _covered(each: Covered) -> _Row:
    basis = _BASIS.get(each.basis)
    count = _count(each.count) if basis is None else f"{_count(each.count)}, {basis}"
    return visible(each.action or "(no action)", _NAME), _where(each.resource), count


def _count(count: Count) -> str:
    more = " or more" if count.at_least else ""
    return f"{counted(count.uses, 'use')} by {count.tasks:,}{more} {'task' if count.tasks == 1 else 'tasks'}"


def _unused(made: Suggestion) -> list[_Row]:
    rows: list[_Row] = []
    for each in made.unused:
        grant = each.grant
        who = counted(each.credentials, "credential")
        if each.whole:
            rows.append((_globs(grant.actions, "any action"), _globs(grant.resources, "any resource"), who))
            continue
        if each.actions:
            rows.append((_globs(each.actions, ""), f"on {_globs(grant.resources, 'any resource')}", who))
        if each.resources:
            rows.append((f"{_globs(grant.actions, 'any action')} on", _globs(each.resources, ""), who))
    if made.too_many_grants:
        rows.append(("not compared", "", "there are too many different grants"))
    elif made.without_grants:
        rows.append(
            ("not known", "", f"{counted(made.without_grants, 'credential')} without registered grants")
        )
    return rows


def _globs(globs: Iterable[str] | None, every: str) -> str:
    return every if globs is None else visible(", ".join(globs) or "nothing", _WIDE)


def _times(made: Suggestion) -> Iterator[Text]:
    undying = f", {counted(made.undying, 'credential')} never" if made.undying else ""
    rows = [
        ("tasks last", "", _spans(made.lasted)),
        ("credentials live", "", _spans(made.lived) + undying),
        ("… after the task's end", "", _spans(made.outlived)),
    ]
    yield from _section("times", rows)


def _spans(spans: Spans) -> str:
    if spans.p50 is None or spans.p99 is None or spans.longest is None:
        return "not known"
    p50, p99, longest = (_span(value) for value in (spans.p50, spans.p99, spans.longest))
    return f"p50 {p50}, p99 {p99}, longest {longest} ({spans.n:,} seen)"


def _span(seconds: float) -> str:
    return span(round(seconds * SECOND)) if seconds else "0 s"
