"""Checks an audit log of the revoker for lines that were changed, removed or added.

python -m detector.revoke.check_audit_log FILE [OUTCOMES]

OUTCOMES has outcomes as lines of JSON: then a log that was cut at its end shows too. Exit code 1 if something is wrong.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from detector.revoke.audit_log import verify_audit_log
from detector.terminal.output import put, shown, why
from detector.values.errors import InputError

DONE: Final = 0
WRONG: Final = 1
_LONGEST: Final = 1 << 20


class _Outcome(msgspec.Struct):
    audit: str = msgspec.field(default="", name="curfewdaudit")


_DECODER: Final = msgspec.json.Decoder(_Outcome)


def anchors_of(path: Path) -> Iterator[tuple[int, str]]:
    """Number and hash of the lines of the audit log that outcomes name.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(_LONGEST), b""):
            try:
                number, _, digest = _DECODER.decode(line).audit.partition(":")
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if digest and number.isascii() and number.isdigit():
                yield int(number), digest


def check(log: str, outcomes: str | None = None) -> list[str]:
    """What is wrong, a line for each place.

    Raises:
        InputError: a file cannot be read.
    """
    name = log
    try:
        anchors = {}
        if outcomes is not None:
            name = outcomes
            anchors = dict(anchors_of(Path(outcomes)))
        name = log
        return list(verify_audit_log(Path(log), anchors))
    except OSError as error:
        raise InputError(f"{shown(name)}: {why(error)}") from None


def main(arguments: list[str]) -> int:
    """Prints what is wrong; the exit code."""
    if len(arguments) not in {1, 2}:
        put("usage: python -m detector.revoke.check_audit_log FILE [OUTCOMES]")
        return 2
    try:
        found = check(*arguments)
    except InputError as error:
        put(str(error))
        return 2
    put(*(found or ["the audit log is whole"]))
    return WRONG if found else DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
