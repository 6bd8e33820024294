"""Tables of a configuration read by declared fields: each key's kind, default and meaning stand in one place.

Unknown keys, wrong values and their lines follow from the declarations, and so does the page that documents them.
"""

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.values.errors import ConfigError
from detector.values.findings import Severity
from detector.values.times import parse_duration, parse_rfc3339
from detector.values.toml_file import Key, TomlFile

# Keys that have another name since 0.1.0. The old name is an error that says the new one.
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


class Kind(msgspec.Struct, frozen=True):
    """What a value may be: `name` for a person, `read` from TOML's value (ValueError: what it should be)."""

    name: str
    read: Callable[[Any], Any]


class Field(msgspec.Struct, frozen=True):
    """One key: its kind, what it means, and its default as it would be written in TOML (empty: there is none)."""

    kind: Kind
    about: str
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


def _moment(value: Any) -> int:
    """A TOML date-time with an offset, or RFC 3339 text: nanoseconds."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError("write a time with a zone, such as 2027-01-31T00:00:00Z")  # noqa: TRY004 - as above
    return parse_rfc3339(value)


TEXT: Final = Kind("text", text)
TEXTS: Final = Kind("list of texts", _texts)
FILE: Final = Kind("path", text)
FLAG: Final = Kind("true or false", _flag)
SEVERITY: Final = Kind("low, medium, high or critical", _severity)
MOMENT: Final = Kind("time", _moment)
DURATION: Final = Kind("duration", parse_duration)


def whole(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return value

    return Kind(f"{low} to {high}", read)


def between(low: str, high: str) -> Kind:
    """A duration from `low` to `high`, which are durations as text."""
    bounds = (parse_duration(low), parse_duration(high))

    def read(value: Any) -> int:
        duration = parse_duration(value)
        if not bounds[0] <= duration <= bounds[1]:
            raise ValueError(f"write a duration from {low} to {high}")
        return duration

    return Kind(f"duration, {low} to {high}", read)


def one_of(*choices: str) -> Kind:
    """One of these texts, in lower or upper case."""
    written = {choice.lower(): choice for choice in choices}

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in written:
            raise ValueError(f"write {', '.join(choices[:-1])} or {choices[-1]}")
        return written[value.lower()]

    return Kind(f"{', '.join(choices[:-1])} or {choices[-1]}", read)


class FieldReader:
    """Reads tables by their fields and collects what is wrong instead of stopping at it.

    `errors` are mistakes; `unmet` is what a part of the program needs and this machine lacks (a file, a variable):
    the others go on without it.
    """

    def __init__(self, file: TomlFile) -> None:
        self.file = file
        self.folder = Path(file.path).parent
        self.errors: list[ConfigError] = []
        self.unmet: list[ConfigError] = []

    def fail(self, reason: str, *keys: Key) -> None:
        """Notes a mistake at a key."""
        self.errors.append(self.file.error(reason, *keys))

    def lack(self, reason: str, *keys: Key) -> None:
        """Notes something that is missing on this machine."""
        self.unmet.append(self.file.error(f"{dotted(keys)}: {reason}", *keys))

    def table(self, value: Any, *keys: Key) -> dict[str, Any]:
        """The table at a key; anything else is a mistake."""
        if isinstance(value, dict):
            return value
        self.fail(f"{dotted(keys)}: write a table, [{dotted(keys)}]", *keys)
        return {}

    def tables(self, value: Any, *keys: Key) -> list[dict[str, Any]]:
        """The array of tables at a key; anything else is a mistake."""
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        self.fail(f"{dotted(keys)}: write tables, [[{dotted(keys)}]]", *keys)
        return []

    def fields(
        self, table: Mapping[str, Any], fields: Mapping[str, Field], *keys: Key, also: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The values of a table's known keys; the others are mistakes, but for `also`, which others read."""
        values: dict[str, Any] = {}
        known = (*fields, *also)
        for name, value in table.items():
            field = fields.get(name)
            if field is not None:
                try:
                    values[name] = field.kind.read(value)
                except ValueError as error:
                    self.fail(f"{dotted((*keys, name))}: {error}", *keys, name)
            elif name not in known:
                self.fail(f"{dotted((*keys, name))}: {_unknown(name, known)}", *keys, name)
        return values


def _unknown(name: str, known: tuple[str, ...]) -> str:
    renamed = RENAMED_KEYS.get(name)
    if renamed in known:
        return f"this key is now called {renamed}"
    return f"no such key{nearest(name, known)}; known here: {', '.join(known)}"


def dotted(keys: tuple[Key, ...]) -> str:
    """A key as a person writes it."""
    return ".".join(str(key) for key in keys if isinstance(key, str))


def nearest(name: str, known: tuple[str, ...]) -> str:
    """A question after the known name that was perhaps meant, or nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
