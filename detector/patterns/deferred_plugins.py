"""detect-secrets' plugins. detect-secrets itself is imported only when one of them has a line to look at.

Its import takes longer than scanning a few lines. What must be known of a plugin before is kept in the user's cache
folder.
"""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import msgspec

from detector.patterns import literals, prefilter
from detector.patterns.file_cache import FileCache, cache_folder, name_of
from detector.patterns.pattern import Pattern
from detector.patterns.prefilter import Expression

_KEPT: Final = 4  # files
_CODE: Final = Path(__file__).with_name("detect_secrets_plugins.py")


class Plugin(Protocol):
    """A plugin as a pattern: what the prefilter looks for, and where the plugin sees a secret."""

    @property
    def pattern(self) -> Pattern:
        """Its findings are shown as this pattern's."""

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for on its behalf."""

    def spans(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where in data[start:end] it sees a secret; a span may come twice."""


class _Deferred(msgspec.Struct, frozen=True):
    """A plugin that is on by default."""

    pattern: Pattern
    expected: tuple[Expression, ...]

    def expressions(self) -> list[Expression]:
        return list(self.expected)

    def spans(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        return _by_id()[self.pattern.id].spans(data, start, end)


def load_plugins(extra: Iterable[str] = ()) -> tuple[Plugin, ...]:
    """The plugins that are quiet on logs, and those asked for, as `detect_secrets_plugins.load_plugins` says.

    Raises:
        ConfigError: no such plugin, or a file that holds none or fails.
    """
    wanted = tuple(extra)
    if wanted:
        return _load(wanted)
    cache = FileCache(cache_folder(os.environ), ".plugins", _KEPT)
    return cache.kept_or_made(name_of(_sources()), tuple[_Deferred, ...], _deferred)


def _deferred() -> tuple[_Deferred, ...]:
    return tuple(_Deferred(plugin.pattern, tuple(plugin.expressions())) for plugin in _by_id().values())


def _sources() -> dict[str, bytes]:
    """detect-secrets' plugins, and our code that reads them."""
    spec = find_spec("detect_secrets")
    folders = [] if spec is None else spec.submodule_search_locations or []
    theirs = [path for folder in folders for path in sorted(Path(folder, "plugins").glob("*.py"))]
    ours = (_CODE, Path(__file__), Path(literals.__file__), Path(prefilter.__file__))
    return {str(path): path.read_bytes() for path in (*theirs, *ours)}


def _load(extra: Iterable[str] = ()) -> tuple[Plugin, ...]:
    from detector.patterns import detect_secrets_plugins  # noqa: PLC0415 - this is what is put off

    return detect_secrets_plugins.load_plugins(extra)


@functools.cache
def _by_id() -> Mapping[str, Plugin]:
    return {plugin.pattern.id: plugin for plugin in _load()}
