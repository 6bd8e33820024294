"""The version of what the service stores and reads again: payloads, state, stores, notes beside offsets.

A form without a version has version 1, which 0.1.0 wrote. Raise `STORED_FORMAT` when the code before a change would
misread what the code after it writes: the earlier code then refuses to start and says why.
"""

from collections.abc import Iterable
from typing import Final

from detector.values.errors import StopError

STORED_FORMAT: Final = 1
FORMAT_HEADER: Final = "format"
FORMAT_VALUE: Final = str(STORED_FORMAT).encode()
# On every record of the registry, and of the work topic on those that report the progress of an input. Any other record
# of the work topic has no header: it costs as much as a tenth of the record, and a later form can bring its own.
FORMAT_HEADERS: Final = ((FORMAT_HEADER, FORMAT_VALUE),)
_ELSEWHERE: Final = "give this one topics and a group of its own (kafka.prefix, kafka.group)"
_DIGITS: Final = 9


def check_format(found: bytes | None, what: str, otherwise: str = _ELSEWHERE) -> None:
    """Returns if this code reads the format `found`, None being the first. `what` was stored in it.

    Raises:
        StopError: a later version wrote it; says what to do, or `otherwise`.
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
    """The same for a record with these headers, which is in `what`.

    Raises:
        StopError: as above.
    """
    for name, value in headers:
        if name == FORMAT_HEADER:
            check_format(value, what)
