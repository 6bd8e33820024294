"""TOML files with the lines of their keys, so that an error can name its line."""

import re  # on tomllib's own messages, and on keys of bounded length
import tomllib
from typing import Any

import re2

from detector.values.bounded_files import BadFileError, read_bounded
from detector.values.errors import ConfigError

_HEADER = re2.compile(r"\s*(\[{1,2})\s*([^\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_ASSIGNMENT = re2.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_AT_LINE = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")
_MAX_BYTES = 16 << 20
# tomllib's time for one key grows with the square of its parts.
_TOO_LONG = re2.compile(r"""(?:(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")

Key = str | int


class TomlFile:
    """A parsed TOML file: its `data`, as tomllib returns it, and its `path`, as the user named it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines: dict[tuple[Key, ...], int] = {}
        long = _TOO_LONG.search(text)
        if long is not None:
            raise ConfigError("a key of more than 64 parts", path, text.count("\n", 0, long.start()) + 1)
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = _AT_LINE.search(str(error))
            reason = _AT_LINE.sub("", str(error)).strip()
            raise ConfigError(f"not TOML: {reason}", path, int(at[1]) if at else None) from None
        except RecursionError:
            raise ConfigError("not TOML: nested too deep", path) from None
        except ValueError:  # the only other one that tomllib lets through
            raise ConfigError("not TOML: a number with too many digits", path) from None
        self._index(text)

    @classmethod
    def read(cls, path: str) -> "TomlFile":
        """Reads and parses a file.

        Raises:
            ConfigError: the file cannot be opened, is too large, is not UTF-8, or is not TOML (with the line).
        """
        try:
            raw = read_bounded(path, _MAX_BYTES)
        except BadFileError as error:
            raise ConfigError(str(error), path) from None
        return cls.parse(path, raw)

    @classmethod
    def parse(cls, path: str, raw: bytes) -> "TomlFile":
        """Parses what was read from `path`.

        Raises:
            ConfigError: it is not UTF-8, or not TOML (with the line).
        """
        try:
            return cls(path, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ConfigError("not UTF-8", path, raw.count(b"\n", 0, error.start) + 1) from None

    def line(self, *keys: Key) -> int | None:
        """The line of a key or table, from 1. Without one, the line of the table around it."""
        path = keys
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def error(self, reason: str, *keys: Key) -> ConfigError:
        """A ConfigError with the line of a key."""
        return ConfigError(reason, self.path, self.line(*keys))

    def _index(self, text: str) -> None:
        table: tuple[Key, ...] = ()
        counts: dict[tuple[Key, ...], int] = {}
        quote: str | None = None
        for number, line in enumerate(text.split("\n"), start=1):
            if quote is not None:  # inside a multi-line string: nothing here is a key
                quote = None if quote in line else quote
                continue
            header = _HEADER.fullmatch(line) if line.lstrip().startswith("[") else None
            if header is not None:
                name = self._resolve(_parts(header[2]), counts)
                if header[1] == "[[":
                    counts[name] = counts.get(name, -1) + 1
                    table = (*name, counts[name])
                else:
                    table = name
                self._remember(table, number)
            elif "=" in line and (assignment := _ASSIGNMENT.match(line)) is not None:
                parts = _parts(assignment[1])
                for size in range(1, len(parts) + 1):
                    self._remember((*table, *parts[:size]), number)
            quote = _left_open(line) if "'''" in line or '"""' in line else None

    def _resolve(self, parts: tuple[Key, ...], counts: dict[tuple[Key, ...], int]) -> tuple[Key, ...]:
        """The path of a header, with the current index after each array of tables in it."""
        path: tuple[Key, ...] = ()
        for i, part in enumerate(parts):
            path = (*path, part)
            if i < len(parts) - 1 and path in counts:
                path = (*path, counts[path])
        return path

    def _remember(self, path: tuple[Key, ...], number: int) -> None:
        """Keeps the first line of a key, if the data has it: a line in a list may only look like a key."""
        node: Any = self.data
        for key in path:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return
        self._lines.setdefault(path, number)


def _parts(dotted: str) -> tuple[Key, ...]:
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(dotted))


def _left_open(line: str) -> str | None:
    """The triple quote that this line opens but does not close."""
    for quote in ("'''", '"""'):
        if line.count(quote) % 2:
            return quote
    return None
