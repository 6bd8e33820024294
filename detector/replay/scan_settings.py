"""What of a configuration a scan goes by: facts stand for a judgement only while that is the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector import __version__
from detector.configuration.settings import Settings
from detector.patterns.pattern import Pattern
from detector.replay.sealing import Sealer
from detector.values.toml_file import TomlFile

_TABLES: Final = {
    "[scan]": ("scan",),
    "[[allow]]": ("allow",),
    "[[source]], [sources] or [logs]": ("source", "sources", "logs"),
    "[[trust]]": ("trust",),
}


def scan_settings(
    sealer: Sealer, config: str | None, settings: Settings, patterns: Mapping[str, Pattern]
) -> dict[str, str]:
    """By a name for a person, a keyed hash of each part that a scan goes by."""
    data = {} if config is None else TomlFile.read(config).data
    parts: dict[str, Any] = {
        "the version of curfewd": __version__,
        "skew": settings.policy.skew,
        "[patterns]": (
            [msgspec.structs.replace(pattern, path="", line=None) for _, pattern in sorted(patterns.items())],
            int(settings.patterns.confidence),
            [_bytes(path) for path in settings.patterns.plugins if path.endswith(".py")],
            None if settings.patterns.baseline is None else _bytes(settings.patterns.baseline),
        ),
    }
    parts |= {name: [data.get(table) for table in tables] for name, tables in _TABLES.items()}
    return {
        name: sealer.hash_of(msgspec.json.encode(part, order="deterministic")) for name, part in parts.items()
    }


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The names of the parts that are not the same."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _bytes(path: str) -> bytes:
    return Path(path).read_bytes()
