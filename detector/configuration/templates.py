"""Paths into JSON, templates over them and conditions on them, as a configuration writes them.

A path is names with dots between them: `user.extra."authentication.kubernetes.io/pod-uid".0`. A name with dots in it stands
in quotes, a number is a place in a list. A template is text with paths in braces, `deploy/{job.cluster}/{job.id}`; it is
filled if something stands at each of them. `{{` and `}}` are braces themselves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import re2

from detector.values.globs import compile_glob

Names = tuple[str, ...]

_PATH: Final = re2.compile(r'(?:[^."{}]+|"[^"]+")(?:\.(?:[^."{}]+|"[^"]+"))*')
_NAME: Final = re2.compile(r'[^."{}]+|"[^"]+"')
_PART: Final = re2.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_CAPTURED: Final = 4096  # characters that an expression is tried on
_MAX_INDEX_DIGITS: Final = 6


def parse_path(value: Any) -> Names:
    """The names on the way.

    Raises:
        ValueError: it is no path.
    """
    if not isinstance(value, str) or _PATH.fullmatch(value) is None:
        raise ValueError('write a path, such as job.id or labels."app.kubernetes.io/name"')
    return tuple(name.strip('"') for name in _NAME.findall(value))


def stands_at(record: Any, names: Names) -> Any:
    """What stands at a path; None if nothing does."""
    for name in names:
        if isinstance(record, dict):
            record = record.get(name)
        elif isinstance(record, list) and name.isdecimal() and len(name) <= _MAX_INDEX_DIGITS:
            record = record[int(name)] if int(name) < len(record) else None
        else:
            return None
    return record


def as_text(value: Any) -> str | None:
    """A value as text: numbers as JSON writes them; None for null, empty text, lists and objects."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


class View:
    """A record as templates see it: its own values, and what expressions captured from them."""

    def __init__(self, record: Mapping[str, Any], captures: "Sequence[Capture]" = ()) -> None:
        self._record = record
        self._captured: dict[str, str] = {}
        for capture in captures:
            self._captured.update(capture.found(record))

    def at(self, names: Names) -> Any:
        """What stands at a path; a captured name wins."""
        if len(names) == 1 and names[0] in self._captured:
            return self._captured[names[0]]
        return stands_at(self._record, names)


class Template(msgspec.Struct, frozen=True):
    """Text and paths in turn."""

    parts: tuple[str | Names, ...]

    def fill(self, view: View) -> str | None:
        """The text; None if nothing stands at one of its paths."""
        texts = [part if isinstance(part, str) else as_text(view.at(part)) for part in self.parts]
        return None if None in texts else "".join(texts)  # type: ignore[arg-type] # there is no None

    def spread(self, view: View) -> Iterator[str]:
        """The text, or if it is but the path of a list, every text in that."""
        if len(self.parts) == 1 and isinstance(self.parts[0], tuple):
            found = view.at(self.parts[0])
            if isinstance(found, list):
                yield from (text for item in found if (text := as_text(item)) is not None)
                return
        text = self.fill(view)
        if text is not None:
            yield text

    def missing(self, view: View) -> str:
        """The first path where nothing stands."""
        return next(
            (
                ".".join(part)
                for part in self.parts
                if isinstance(part, tuple) and as_text(view.at(part)) is None
            ),
            "",
        )


class Choice(msgspec.Struct, frozen=True):
    """Templates of which the first that can be filled is taken."""

    templates: tuple[Template, ...]

    def fill(self, view: View) -> str | None:
        """The text; None if none of them can be filled."""
        return next((text for one in self.templates if (text := one.fill(view)) is not None), None)

    def missing(self, view: View) -> str:
        """What the first of them lacks."""
        return self.templates[0].missing(view)


class Capture(msgspec.Struct, frozen=True):
    """An expression on the text at a path; what its named groups match are names for templates."""

    path: Names
    regex: Any

    def found(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Names and texts; none if the whole text does not match."""
        text = as_text(stands_at(record, self.path))
        match = self.regex.fullmatch(text) if text is not None and len(text) <= _CAPTURED else None
        return {name: value for name, value in match.groupdict().items() if value} if match else {}


class Condition(msgspec.Struct, frozen=True):
    """Something that must hold of what stands at a path."""

    path: Names
    holds: Callable[[Any], bool]
    mark: bytes | None = None  # bytes that are in every record of which it holds


def parse_template(value: Any) -> Template:
    """A template.

    Raises:
        ValueError: it is no text, or its braces hold no path.
    """
    if not isinstance(value, str) or not value:
        raise ValueError("write text in quotes, with paths in braces: {job.id}")
    parts: list[str | Names] = []
    at = 0
    for match in _PART.finditer(value):
        parts.append(value[at : match.start()])
        at = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise ValueError("a brace stands alone: write {{ or }} for the character itself")
        else:
            parts.append(parse_path(match[1]))
    parts.append(value[at:])
    return Template(tuple(_joined(parts)))


def _joined(parts: Sequence[str | Names]) -> Iterator[str | Names]:
    """Texts next to each other as one, and none that is empty."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text


def parse_choice(value: Any) -> Choice:
    """A template, or a list of them.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, list) and value:
        return Choice(tuple(parse_template(item) for item in value))
    return Choice((parse_template(value),))


def parse_capture(value: Any) -> Capture:
    """`{ path = ..., regex = ... }`, the expression in RE2's syntax and for the whole text.

    Raises:
        ValueError: it is no such table, or the expression is none or names nothing.
    """
    if not isinstance(value, dict) or set(value) != {"path", "regex"} or not isinstance(value["regex"], str):
        raise ValueError('write { path = "...", regex = "..." }')
    options = re2.Options()
    options.log_errors = False
    try:
        regex = re2.compile(value["regex"], options)
    except re2.error:
        raise ValueError("the regex is none (it is RE2's syntax)") from None
    if not regex.groupindex:
        raise ValueError("the regex has no named group: (?P<run>[0-9]+)")
    return Capture(parse_path(value["path"]), regex)


def parse_condition(value: Any) -> Condition:
    """`{ path = ..., equals | glob | contains | exists = ... }`.

    Raises:
        ValueError: it is no such table.
    """
    kinds = ("equals", "glob", "contains", "exists")
    if not isinstance(value, dict) or "path" not in value or len(value) != 2 or not set(value) & set(kinds):  # noqa: PLR2004 - path and one more
        raise ValueError('write { path = "...", equals = ... }, or glob, contains or exists in its place')
    path = parse_path(value["path"])
    kind = next(name for name in kinds if name in value)
    wanted = value[kind]
    if kind == "exists":
        if not isinstance(wanted, bool):
            raise ValueError("exists: write true or false")
        return Condition(path, lambda found: (found is not None) == wanted, _mark(path) if wanted else None)
    if kind == "equals":
        if not isinstance(wanted, str | int | bool):
            raise ValueError("equals: write text, a whole number, true or false")
        return Condition(
            path, lambda found: found == wanted and type(found) is type(wanted), _mark(path, wanted)
        )
    if not isinstance(wanted, str) or not wanted:
        raise ValueError(f"{kind}: write a glob in quotes")
    matches = compile_glob(wanted)
    if kind == "glob":
        return Condition(
            path, lambda found: (text := as_text(found)) is not None and matches(text), _mark(path)
        )
    return Condition(
        path,
        lambda found: (
            isinstance(found, list)
            and any((text := as_text(item)) is not None and matches(text) for item in found)
        ),
        _mark(path),
    )


def _mark(path: Names, value: Any = None) -> bytes | None:
    """The longer of the last name and the value, in quotes, of those that JSON has but one way to write."""
    texts = [
        text for text in (path[-1], value) if isinstance(text, str) and _plain(text) and not text.isdecimal()
    ]
    return f'"{max(texts, key=len)}"'.encode() if texts else None


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not set(text) & set("\"\\/<>&'")
