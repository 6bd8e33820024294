"""Cases as they are stored: in the state topic, or in the file beside a replay's outcomes."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from detector.revoke.case import Case
from detector.values.errors import StopError
from detector.values.stored_format import STORED_FORMAT, check_format


class _Stored(msgspec.Struct, omit_defaults=True):
    format: int
    case: Case
    told: tuple[msgspec.Raw, ...] = ()


class _Versioned(msgspec.Struct):
    format: int


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Stored)
_VERSION: Final = msgspec.json.Decoder(_Versioned)


def case_record(case: Case, told: Sequence[bytes] = ()) -> bytes:
    """A case to store, with the events that are about to be told of it, if they are told elsewhere and later."""
    return _ENCODER.encode(_Stored(STORED_FORMAT, case, tuple(map(msgspec.Raw, told))))


def stored_case(record: bytes, where: str) -> Case:
    """The case in a record of `where`, such as a topic.

    Raises:
        StopError: it is none, or a later version stored it. To go on without it might mean to act twice.
    """
    return case_and_told(record, where)[0]


def case_and_told(record: bytes, where: str) -> tuple[Case, list[bytes]]:
    """The case in a record, and the events of it.

    Raises:
        StopError: as for `stored_case`.
    """
    try:
        check_format(str(_VERSION.decode(record).format).encode(), where)
        stored = _DECODER.decode(record)
        return stored.case, [bytes(event) for event in stored.told]
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
