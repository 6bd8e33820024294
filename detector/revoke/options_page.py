"""Writes docs/revoke-options.md from the options of the targets, so that the page says what the program reads.

`python -m detector.revoke.options_page > docs/revoke-options.md`; a test compares the two.
"""

import importlib
import re  # over docstrings of our own
import sys
from typing import Any, Final

import msgspec

from detector.revoke.targets.names import TARGET_MODULES

_PACKAGE: Final = "detector.revoke.targets"
_BULLET: Final = re.compile(r"^ *- ((?:`\w+`(?:, )?)+): (.*?)(?=^ *- |^\s*$|\Z)", re.MULTILINE | re.DOTALL)
_NAME: Final = re.compile(r"`(\w+)`")
_HEAD: Final = """\
# Options of the targets

<!-- Written by `python -m detector.revoke.options_page`: change the docstrings of the options, not this page. -->

A target is a table like this one. [revoke.md](revoke.md#targets) says what each type does, and what it needs.

```toml
[revoke.targets.orders-db]         # a name of your own
type = "postgresql"
host = "127.0.0.1"
password_file = "orders-db.password"
drop_after = "24h"                 # a duration: "90s", "5 min", "24h", or seconds
match = { cluster = "orders" }     # only commands whose revocation object says so
```

Every table may also have `match` ([configuration.md](configuration.md#revoketargetsname)). Files are relative to the
folder of the configuration.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return _HEAD + "".join(_section(name, module) for name, module in TARGET_MODULES.items())


def _section(name: str, module: str) -> str:
    options = importlib.import_module(f"{_PACKAGE}.{module}").TARGET.Options
    meanings = _meanings(options)
    rows = []
    for field in msgspec.structs.fields(options):
        meaning = meanings[field.encode_name].replace("|", "\\|")
        rows.append(f"| `{field.encode_name}` | {_default(field)} | {meaning[:1].upper()}{meaning[1:]} |\n")
    return f"\n## `{name}`\n\n| option | default | meaning |\n| --- | --- | --- |\n{''.join(rows)}"


def _meanings(options: type[msgspec.Struct]) -> dict[str, str]:
    """What each option means, as the docstrings of the class and of those that it extends say."""
    found = {}
    for kind in reversed(options.__mro__):
        for names, meaning in _BULLET.findall(kind.__dict__.get("__doc__") or ""):
            found.update(dict.fromkeys(_NAME.findall(names), " ".join(meaning.split())))
    return found


def _default(field: Any) -> str:
    if field.required:
        return "required"
    return "" if field.default in (None, "", ()) else f"`{msgspec.json.encode(field.default).decode()}`"


if __name__ == "__main__":
    sys.stdout.write(page())
