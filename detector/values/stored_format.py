"""The format version of what the service stores and reads again: facts, state, stores, notes beside offsets.

What has no version is in format 1, as 0.1.0 wrote it. Raise `STORED_FORMAT` with a change that makes earlier versions
misread what this one stores. They then stop and say why.
"""

from collections.abc import Iterable
from typing import Final

from detector.values.errors import StopError

STORED_FORMAT: Final = 1
FORMAT_HEADER: Final = "format"
FORMAT_VALUE: Final = str(STORED_FORMAT).encode()
# Records of the registry have the header, and so do records of the work topic that report the progress of an input.
# Other records of the work topic have none: they are many, and no header means format 1. In a later format they need
# it.
FORMAT_HEADERS: Final = ((FORMAT_HEADER, FORMAT_VALUE),)
# How a record batch spells this header, with sizes as zigzag varints.
FORMAT_BYTES: Final = b"".join(
    bytes((2 * len(each),)) + each for each in (FORMAT_HEADER.encode(), FORMAT_VALUE)
)
_ELSEWHERE: Final = "give this one topics and a group of its own (kafka.prefix, kafka.group)"
_DIGITS: Final = 9


def check_format(found: bytes | None, what: str, otherwise: str = _ELSEWHERE) -> None:
    """Returns if this version can read `what`, which was stored in the format `found`, None if that was not said.

    Raises:
        StopError: a later version stored it. `otherwise` is what to do if that version cannot be run.
    """
    if found is None or found == FORMAT_VALUE:
        return
    number = int(found) if found.isdigit() and len(found) <= _DIGITS else None
    if number is None or number > STORED_FORMAT:
        shown = "an unknown format" if number is None else f"format {number}"
        raise StopError(
            f"{what} was written by a later curfewd ({shown}; this one reads up to {STORED_FORMAT}): "
            f"run that version or a newer one, or {otherwise}"
        )


def check_headers(headers: Iterable[tuple[str, bytes | None]], what: str) -> None:
    """Does the same for a record of `what` that has these headers.

    Raises:
        StopError: a later version stored the record.
    """
    for name, value in headers:
        if name == FORMAT_HEADER:
            check_format(value, what)
