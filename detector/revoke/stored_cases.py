"""Cases as they are stored: in the state topic, or in the file beside a replay's outcomes."""

from collections.abc import Iterable
from typing import Final

import msgspec

from detector.revoke.case import Case
from detector.values.errors import StopError
from detector.values.stored_format import STORED_FORMAT, check_format


class _Stored(msgspec.Struct):
    format: int
    case: Case


class _Versioned(msgspec.Struct):
    format: int


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Stored)
_VERSION: Final = msgspec.json.Decoder(_Versioned)


def case_record(case: Case) -> bytes:
    """A case to store."""
    return _ENCODER.encode(_Stored(STORED_FORMAT, case))


def stored_case(record: bytes, where: str) -> Case:
    """The case in a record of `where`, such as a topic.

    Raises:
        StopError: it is none, or a later version stored it. To go on without it might mean to act twice.
    """
    try:
        check_format(str(_VERSION.decode(record).format).encode(), where)
        return _DECODER.decode(record).case
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise StopError(
            f"{where} holds a record that is no case: only curfewd revoke may write there"
        ) from None


def last_cases(changes: Iterable[tuple[bytes, bytes | None]], where: str) -> dict[bytes, Case]:
    """The last case of each key.

    Raises:
        StopError: as for `stored_case`.
    """
    last: dict[bytes, bytes] = {}
    for key, value in changes:
        if value is None:
            last.pop(key, None)
        else:
            last[key] = value
    return {key: stored_case(value, where) for key, value in last.items()}
