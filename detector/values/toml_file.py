"""TOML files with the lines of their keys, so that what is wrong can be said with where."""

import re  # over the lines of a file its user wrote
import tomllib
from pathlib import Path
from typing import Any

from detector.values.errors import ConfigError

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\]]+?)\s*\]{1,2}\s*(?:#.*)?")
_ASSIGNMENT = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_AT_LINE = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")
_MAX_BYTES = 16 << 20

Key = str | int


class TomlFile:
    """A parsed TOML file: `data` as tomllib gives it, `path` as the user named it."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines: dict[tuple[Key, ...], int] = {}
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = _AT_LINE.search(str(error))
            reason = _AT_LINE.sub("", str(error)).strip()
            raise ConfigError(f"not TOML: {reason}", path, int(at[1]) if at else None) from None
        except RecursionError:
            raise ConfigError("not TOML: nested too deep", path) from None
        self._index(text)

    @classmethod
    def read(cls, path: str) -> "TomlFile":
        """Read and parse a file.

        Raises:
            ConfigError: it cannot be opened, is no UTF-8, is too large, or is no TOML (with the line).
        """
        try:
            raw = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", path) from None
        if len(raw) > _MAX_BYTES:
            raise ConfigError("larger than 16 MiB: not a configuration", path)
        try:
            return cls(path, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ConfigError("not UTF-8", path, raw.count(b"\n", 0, error.start) + 1) from None

    def line(self, *keys: Key) -> int | None:
        """The line, from 1, where that key or table stands; else that of the nearest table around it."""
        path = keys
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def error(self, reason: str, *keys: Key) -> ConfigError:
        """A ConfigError at that key."""
        return ConfigError(reason, self.path, self.line(*keys))

    def _index(self, text: str) -> None:
        table: tuple[Key, ...] = ()
        counts: dict[tuple[Key, ...], int] = {}
        quote: str | None = None
        for number, line in enumerate(text.split("\n"), start=1):
            if quote is not None:  # inside a multi-line string: nothing here is a key
                quote = None if quote in line else quote
                continue
            header = _HEADER.fullmatch(line)
            if header is not None:
                name = self._resolve(_parts(header[2]), counts)
                if header[1] == "[[":
                    counts[name] = counts.get(name, -1) + 1
                    table = (*name, counts[name])
                else:
                    table = name
                self._remember(table, number)
            elif (assignment := _ASSIGNMENT.match(line)) is not None:
                parts = _parts(assignment[1])
                for size in range(1, len(parts) + 1):
                    self._remember((*table, *parts[:size]), number)
            quote = _left_open(line)

    def _resolve(self, parts: tuple[Key, ...], counts: dict[tuple[Key, ...], int]) -> tuple[Key, ...]:
        """A header's name with the index of the array element that each array of tables on its way is at."""
        path: tuple[Key, ...] = ()
        for i, part in enumerate(parts):
            path = (*path, part)
            if i < len(parts) - 1 and path in counts:
                path = (*path, counts[path])
        return path

    def _remember(self, path: tuple[Key, ...], number: int) -> None:
        """Keep the first line of a key that really is in the data (a line in an array may look like one)."""
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
    """The triple quote that this line opens and does not close."""
    for quote in ("'''", '"""'):
        if line.count(quote) % 2:
            return quote
    return None
