"""The `[[allow]]` table: its fields, and how entries are read."""

from typing import Any, Final

from detector.configuration.allowlist import LINE, SECRET, Allow, compiled
from detector.configuration.fields import MOMENT, TEXT, Field, FieldReader, ValueType, one_of, text

_NEEDED: Final = ("reason", "expiry")
_ASKED: Final = ("fingerprint", "source", "pattern", "regex")


def unkeyed_warning(table: str) -> str:
    """The warning about entries by fingerprint where there is no deployment key."""
    return (
        f"[[{table}]] by fingerprint needs a deployment key: without one, fingerprints are valid only for one run, or one "
        "service.state"
    )


def _regex(value: Any) -> str:
    regex = text(value)
    compiled(regex)
    return regex


ALLOW_FIELDS: Final = {
    "fingerprint": Field(TEXT, "glob of the leaked secret's fingerprint; needs a deployment key"),
    "source": Field(TEXT, "glob of the file's path as you gave it, or of the topic; standard input is `-`"),
    "pattern": Field(TEXT, "glob of pattern ids"),
    "regex": Field(
        ValueType("RE2", _regex),
        "must match somewhere in the secret; `^` and `$` are its ends. Write no secret here",
    ),
    "target": Field(
        one_of(SECRET, LINE),
        "what `regex` searches; in a long line, only within 4 KiB of the secret",
        '"secret"',
    ),
    "reason": Field(TEXT, "why; required"),
    "expiry": Field(MOMENT, "a record after this time may not show it; required"),
}


def read_allows(reader: FieldReader, data: dict[str, Any]) -> tuple[Allow, ...]:
    """The entries that can be read. The reader collects what is wrong with the others."""
    tables = reader.tables(data.get("allow", []), "allow")
    read = [_allow(reader, table, index) for index, table in enumerate(tables)]
    return tuple(allow for allow in read if allow is not None)


def _allow(reader: FieldReader, table: dict[str, Any], index: int) -> Allow | None:
    values = reader.fields(table, ALLOW_FIELDS, "allow", index)
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        reader.fail(f"allow: needs {' and '.join(missing)}", "allow", index)
    elif not set(_ASKED) & set(table):
        reader.fail(f"allow: needs at least one of {', '.join(_ASKED)}", "allow", index)
    if "target" in table and "regex" not in table:
        reader.fail(
            "allow: target says where regex is searched for, and there is no regex", "allow", index, "target"
        )
    return Allow(**values) if set(_NEEDED) <= set(values) else None
