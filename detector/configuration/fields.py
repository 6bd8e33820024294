"""Reads tables of a configuration by their declared fields.

Each key's type, default and meaning are declared once. Unknown keys, wrong values and the page that documents the keys
all follow from the declarations.
"""

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.values.errors import ConfigError
from detector.values.findings import Confidence, Severity
from detector.values.times import parse_duration, parse_rfc3339
from detector.values.toml_file import Key, TomlFile
from detector.values.wording import visible

# Keys that were renamed after 0.1.0. The old name is an error that names the new one.
RENAMED_KEYS: Final[Mapping[str, str]] = {
    "linger": "grace_period",
    "confirm": "confirm_timeout",
    "hold": "command_delay",
    "over": "target",
    "request": "request_timeout",
    "session": "session_timeout",
    "transaction": "transaction_timeout",
    "rebalance": "rebalance_timeout",
    "drain": "drain_timeout",
    "cached": "cache_size",
    "caught_up": "ready_lag",
}
# Keys that others replaced: one of those, and what to do.
REPLACED_KEYS: Final[Mapping[str, tuple[str, str]]] = dict.fromkeys(
    ("inputs", "input_pattern"),
    (
        "event_topics",
        "this key is gone: write topics that carry events under event_topics, and those that carry text under log_topics",
    ),
)


_EXPLAINED: Final = 100  # unknown keys for which a known one is looked for
_SHOWN_KEY: Final = 100  # characters


class ValueType(msgspec.Struct, frozen=True):
    """The type of a value: its `name` for a person, and how to `read` it from TOML.

    `read` raises ValueError with a text that says what to write instead.
    """

    name: str
    read: Callable[[Any], Any]


class Field(msgspec.Struct, frozen=True):
    """One key: its type, its meaning, and its default as TOML writes it (empty: there is none)."""

    type: ValueType
    meaning: str
    default: str = ""


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("write text in quotes")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("write a list of texts")  # noqa: TRY004 - readers raise ValueError alone
    return tuple(text(item) for item in value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")  # noqa: TRY004 - readers raise ValueError alone
    return value


def _severity(value: Any) -> Severity:
    try:
        return Severity.of(value)
    except (KeyError, AttributeError):
        raise ValueError("write low, medium, high or critical") from None


def _confidence(value: Any) -> Confidence:
    try:
        return Confidence.of(value)
    except (KeyError, AttributeError):
        raise ValueError("write low, medium or high") from None


def _moment(value: Any) -> int:
    """A TOML date-time with an offset, or RFC 3339 text: nanoseconds."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError("write a time with a zone, such as 2027-01-31T00:00:00Z")  # noqa: TRY004 - as above
    return parse_rfc3339(value)


TEXT: Final = ValueType("text", text)
TEXTS: Final = ValueType("list of texts", _texts)
FILE: Final = ValueType("path", text)
FLAG: Final = ValueType("true or false", _flag)
SEVERITY: Final = ValueType("low, medium, high or critical", _severity)
CONFIDENCE: Final = ValueType("low, medium or high", _confidence)
MOMENT: Final = ValueType("time", _moment)
DURATION: Final = ValueType("duration", parse_duration)


def whole_number(low: int, high: int) -> ValueType:
    """A whole number from `low` to `high`."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return value

    return ValueType(f"{low} to {high}", read)


def duration_between(low: str, high: str) -> ValueType:
    """A duration from `low` to `high`, which are durations as text."""
    bounds = (parse_duration(low), parse_duration(high))

    def read(value: Any) -> int:
        duration = parse_duration(value)
        if not bounds[0] <= duration <= bounds[1]:
            raise ValueError(f"write a duration from {low} to {high}")
        return duration

    return ValueType(f"duration, {low} to {high}", read)


def one_of(*choices: str) -> ValueType:
    """One of these texts, in lower or upper case."""
    written = {choice.lower(): choice for choice in choices}

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in written:
            raise ValueError(f"write {', '.join(choices[:-1])} or {choices[-1]}")
        return written[value.lower()]

    return ValueType(f"{', '.join(choices[:-1])} or {choices[-1]}", read)


def some_of(*choices: str) -> ValueType:
    """A list of any of these texts."""

    def read(value: Any) -> frozenset[str]:
        chosen = _texts(value)
        unknown = next((each for each in chosen if each not in choices), None)
        if unknown is not None:
            near = suggestion(unknown[:_SHOWN_KEY], choices)
            raise ValueError(
                f"there is no {visible(unknown[:_SHOWN_KEY])}{near}; write any of {', '.join(choices)}"
            )
        return frozenset(chosen)

    return ValueType("list of names", read)


class FieldReader:
    """Reads tables by their fields. It collects everything that is wrong instead of stopping at the first mistake.

    `errors` are mistakes in the configuration. `unmet` are files and environment variables that this machine lacks:
    only the part of the program that needs them stops. `secret_variables` are environment variables that were asked
    for a secret, there or not.
    """

    def __init__(self, file: TomlFile) -> None:
        self.file = file
        self.folder = Path(file.path).parent
        self.errors: list[ConfigError] = []
        self.unmet: list[ConfigError] = []
        self.secret_variables: set[str] = set()

    def fail(self, reason: str, *keys: Key) -> None:
        """Adds a mistake at a key."""
        self.errors.append(self.file.error(reason, *keys))

    def missing(self, reason: str, *keys: Key) -> None:
        """Adds a file or variable that this machine lacks."""
        self.unmet.append(self.file.error(f"{dotted(keys)}: {reason}", *keys))

    def table(self, value: Any, *keys: Key) -> dict[str, Any]:
        """The table at a key. Anything else is a mistake."""
        if isinstance(value, dict):
            return value
        self.fail(f"{dotted(keys)}: write a table, [{dotted(keys)}]", *keys)
        return {}

    def tables(self, value: Any, *keys: Key) -> list[dict[str, Any]]:
        """The array of tables at a key. Anything else is a mistake."""
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        self.fail(f"{dotted(keys)}: write tables, [[{dotted(keys)}]]", *keys)
        return []

    def fields(
        self, table: Mapping[str, Any], fields: Mapping[str, Field], *keys: Key, also: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The values of the known keys. Other keys are mistakes, except those in `also`, which somebody else reads."""
        values: dict[str, Any] = {}
        known = (*fields, *also)
        for name, value in table.items():
            field = fields.get(name)
            if field is not None:
                try:
                    values[name] = field.type.read(value)
                except ValueError as error:
                    self.fail(f"{dotted((*keys, name))}: {error}", *keys, name)
            elif name not in known:
                told = _unknown(name, known) if len(self.errors) < _EXPLAINED else "no such key"
                self.fail(f"{dotted((*keys, name))}: {told}", *keys, name)
        return values


def _unknown(name: str, known: tuple[str, ...]) -> str:
    renamed = RENAMED_KEYS.get(name)
    if renamed in known:
        return f"this key is now called {renamed}"
    one, advice = REPLACED_KEYS.get(name, ("", ""))
    if one in known:
        return advice
    return f"no such key{suggestion(name, known)}; known here: {', '.join(known)}"


def dotted(keys: tuple[Key, ...]) -> str:
    """A key as a person writes it."""
    return ".".join(visible(key, _SHOWN_KEY) for key in keys if isinstance(key, str))


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """` (did you mean …?)` if a known name is close to this one, else nothing."""
    if len(name) > _SHOWN_KEY:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
