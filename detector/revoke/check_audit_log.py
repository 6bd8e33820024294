"""`curfewd revoke check-audit-log`: looks for lines of an audit log that were changed, removed or added."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from detector.revoke.audit_log import verify_audit_log
from detector.terminal.output import printing, put, shown, why
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


def check_audit_log(log: str, outcomes: str | None = None) -> int:
    """Prints what is wrong; the exit code.

    Raises:
        InputError: as for `check`.
    """
    found = check(log, outcomes)
    with printing():
        put(*(found or ["the audit log is whole"]))
    return WRONG if found else DONE
