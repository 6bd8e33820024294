"""Paths into JSON, and the templates and conditions that a configuration makes of them.

- A path is names with dots between them: `user.extra."authentication.kubernetes.io/pod-uid".0`. A name that has a dot
  in it is quoted. A number is an index into a list.
- A template is text with paths in braces: `deploy/{job.cluster}/{job.id}`. It can be filled if the record has a value
  at each path. `{{` and `}}` stand for braces.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import re2

from detector.values.globs import compile_glob

FieldPath = tuple[str, ...]

_PATH: Final = re2.compile(r'(?:[^."{}]+|"[^"]+")(?:\.(?:[^."{}]+|"[^"]+"))*')
_NAME: Final = re2.compile(r'[^."{}]+|"[^"]+"')
_PART: Final = re2.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LONGEST: Final = 4096  # characters of a path or template
_MOST_PATHS: Final = 64  # of a template: what it gives is at most as many times as long as a record
_MAX_CAPTURED: Final = 4096  # characters: a longer text is not matched
_MAX_INDEX_DIGITS: Final = 6


def parse_path(value: Any) -> FieldPath:
    """The names in a path.

    Raises:
        ValueError: this is not a path.
    """
    if not isinstance(value, str) or len(value) > _LONGEST or _PATH.fullmatch(value) is None:
        raise ValueError('write a path, such as job.id or labels."app.kubernetes.io/name"')
    return tuple(name.strip('"') for name in _NAME.findall(value))


def value_at(record: Any, path: FieldPath) -> Any:
    """The value at a path, or None."""
    for name in path:
        if isinstance(record, dict):
            record = record.get(name)
        elif isinstance(record, list) and name.isdecimal() and len(name) <= _MAX_INDEX_DIGITS:
            record = record[int(name)] if int(name) < len(record) else None
        else:
            return None
    return record


def as_text(value: Any) -> str | None:
    """A value as text, numbers as JSON writes them. None for null, empty text, lists and objects."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


class TemplateContext:
    """What templates are filled from: the values of a record, and the named groups captured from them."""

    def __init__(self, record: Mapping[str, Any], captures: "Sequence[Capture]" = ()) -> None:
        self.record = record
        self._captured: dict[str, str] = {}
        for capture in captures:
            self._captured.update(capture.found(record))

    def value_at(self, path: FieldPath) -> Any:
        """The value at a path. A captured name wins over a field of the record."""
        if len(path) == 1 and path[0] in self._captured:
            return self._captured[path[0]]
        return value_at(self.record, path)


class Template(msgspec.Struct, frozen=True):
    """Parts that are text or a path."""

    parts: tuple[str | FieldPath, ...]

    @property
    def paths(self) -> tuple[FieldPath, ...]:
        """The paths in it."""
        return tuple(part for part in self.parts if isinstance(part, tuple))

    def fill(self, context: TemplateContext) -> str | None:
        """The filled text, or None if the record has no value at one of the paths."""
        texts = [part if isinstance(part, str) else as_text(context.value_at(part)) for part in self.parts]
        return None if None in texts else "".join(texts)  # type: ignore[arg-type] # there is no None

    def spread(self, context: TemplateContext, split: str | None = None) -> Iterator[str]:
        """The filled text.

        If the template has one path and a list stands there, it is filled with every text of the list. A text there
        becomes a list at each `split`; empty pieces are left out.
        """
        paths = self.paths
        found = context.value_at(paths[0]) if len(paths) == 1 else None
        if split is not None and isinstance(found, str):
            found = found.split(split)
        if isinstance(found, list):
            before, after = self._around()
            yield from (f"{before}{text}{after}" for item in found if (text := as_text(item)) is not None)
            return
        text = self.fill(context)
        if text is not None:
            yield text

    def _around(self) -> tuple[str, str]:
        """The texts before and after the only path."""
        at = next(number for number, part in enumerate(self.parts) if isinstance(part, tuple))
        return "".join(map(str, self.parts[:at])), "".join(map(str, self.parts[at + 1 :]))

    def missing(self, context: TemplateContext) -> str:
        """The first path at which the record has no value."""
        return next(
            (
                ".".join(part)
                for part in self.parts
                if isinstance(part, tuple) and as_text(context.value_at(part)) is None
            ),
            "",
        )


class Choice(msgspec.Struct, frozen=True):
    """Several templates. The first one that can be filled counts."""

    templates: tuple[Template, ...]

    def fill(self, context: TemplateContext) -> str | None:
        """The text of the first that can be filled, or None."""
        return next((text for one in self.templates if (text := one.fill(context)) is not None), None)

    def missing(self, context: TemplateContext) -> str:
        """The path that the first template lacks."""
        return self.templates[0].missing(context)

    def structure(self, context: TemplateContext) -> list[Any] | dict[str, Any] | None:
        """The first list or object at one of the paths, which cannot fill a template; None if there is none."""
        found = (context.value_at(path) for template in self.templates for path in template.paths)
        return next((value for value in found if isinstance(value, list | dict)), None)


class Capture(msgspec.Struct, frozen=True):
    """A regex on the text at a path. Templates can use its named groups."""

    path: FieldPath
    regex: Any

    def found(self, record: Mapping[str, Any]) -> dict[str, str]:
        """The named groups and their texts. Empty if the regex does not match the whole text."""
        text = as_text(value_at(record, self.path))
        match = self.regex.fullmatch(text) if text is not None and len(text) <= _MAX_CAPTURED else None
        return {name: value for name, value in match.groupdict().items() if value} if match else {}


class Condition(msgspec.Struct, frozen=True):
    """A test of the value at a path."""

    path: FieldPath
    holds: Callable[[Any], bool]
    marker: bytes | None = None  # a literal that stands in every record for which the condition holds


def parse_template(value: Any) -> Template:
    """A template.

    Raises:
        ValueError: this is not text, or a brace does not hold a path.
    """
    if not isinstance(value, str) or not value:
        raise ValueError("write text in quotes, with paths in braces: {job.id}")
    if len(value) > _LONGEST or value.count("{") > _MOST_PATHS:
        raise ValueError(f"longer than {_LONGEST} characters, or more than {_MOST_PATHS} braces")
    parts: list[str | FieldPath] = []
    at = 0
    for match in _PART.finditer(value):
        parts.append(value[at : match.start()])
        at = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise ValueError("a single brace: write {{ or }} for the character itself")
        else:
            parts.append(parse_path(match[1]))
    parts.append(value[at:])
    return Template(tuple(_joined(parts)))


def _joined(parts: Sequence[str | FieldPath]) -> Iterator[str | FieldPath]:
    """The parts, with adjacent texts joined and empty ones left out."""
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
        ValueError: this is neither.
    """
    if isinstance(value, list) and value:
        return Choice(tuple(parse_template(item) for item in value))
    return Choice((parse_template(value),))


def parse_capture(value: Any) -> Capture:
    """`{ path = ..., regex = ... }`. The regex has RE2's syntax and must match the whole text.

    Raises:
        ValueError: this is not such a table, or RE2 refuses the regex, or it has no named group.
    """
    if not isinstance(value, dict) or set(value) != {"path", "regex"} or not isinstance(value["regex"], str):
        raise ValueError('write { path = "...", regex = "..." }')
    options = re2.Options()
    options.log_errors = False
    try:
        regex = re2.compile(value["regex"], options)
    except re2.error:
        raise ValueError("RE2 refuses the regex") from None
    if not regex.groupindex:
        raise ValueError("the regex has no named group: (?P<run>[0-9]+)")
    return Capture(parse_path(value["path"]), regex)


def parse_condition(value: Any) -> Condition:
    """`{ path = ..., equals | glob | contains | exists = ... }`.

    Raises:
        ValueError: this is not such a table.
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
        return Condition(path, lambda found: (found is not None) == wanted, _marker(path) if wanted else None)
    if kind == "equals":
        if not isinstance(wanted, str | int | bool):
            raise ValueError("equals: write text, a whole number, true or false")
        return Condition(
            path, lambda found: found == wanted and type(found) is type(wanted), _marker(path, wanted)
        )
    if not isinstance(wanted, str) or not wanted:
        raise ValueError(f"{kind}: write a glob in quotes")
    matches = compile_glob(wanted)
    if kind == "glob":
        return Condition(
            path, lambda found: (text := as_text(found)) is not None and matches(text), _marker(path)
        )
    return Condition(
        path,
        lambda found: (
            isinstance(found, list)
            and any((text := as_text(item)) is not None and matches(text) for item in found)
        ),
        _marker(path),
    )


def _marker(path: FieldPath, value: Any = None) -> bytes | None:
    """The last name of the path or the value, whichever is longer, as JSON quotes it.

    Only texts count that JSON can write in one way alone; a text with an escape may be written otherwise.
    """
    texts = [
        text for text in (path[-1], value) if isinstance(text, str) and _plain(text) and not text.isdecimal()
    ]
    return f'"{max(texts, key=len)}"'.encode() if texts else None


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not set(text) & set("\"\\/<>&'")
