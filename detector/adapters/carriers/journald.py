"""The journal of systemd, as `journalctl -o json` and its exporters write it: one object for each entry.

A field is text, or an array of bytes if it is not printable UTF-8, or null if it is too long, or an array of these if
the entry has it several times (systemd's JOURNAL_EXPORT_FORMATS). `__REALTIME_TIMESTAMP` is in microseconds.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from detector.adapters.adapter import Carrier, Record
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, MISSING_FIELD, WRONG_FIELD, bad
from detector.records.log_records import LogText, Read, texts
from detector.records.log_times import CARRIER
from detector.records.shipper_fields import Named, part_of, task_of
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE
from detector.values.times import MICROSECOND

JOURNALD: Final = "journald"
_TIME: Final = "__REALTIME_TIMESTAMP"
_MESSAGE: Final = "MESSAGE"
_LEFT_OUT: Final = "journalctl leaves out values longer than 4096 bytes without --all"
_DIGITS: Final = 17  # microseconds until the year 5138
_BYTE: Final = 256


def looks_like(record: Record) -> bool:
    """Whether an object is a journal entry. An entry to which a shipper added its own `message` is the shipper's."""
    return _TIME in record and "message" not in record


def unwrap(record: Record, now: int, named: Named | None = None) -> Iterator[Record | str | Read]:
    """The entry as a log record; `named` finds the task that the configuration gives it."""
    message = _printable(record.get(_MESSAGE))
    text = message if isinstance(message, str) else ""
    parts = list(texts(_MESSAGE, message)) if text == "" and message is not None else []
    for name, held in record.items():
        if name in (_MESSAGE, _TIME):
            continue
        if type(held) is str:  # most are
            parts.append(f"{name}={held}")
        else:
            parts += texts(name, _printable(held))
    time, error = _time(record[_TIME], now)
    if error is None and not isinstance(message, str | list):
        error = bad(WRONG_FIELD, _MESSAGE) if message is not None else _left_out(record)
    channel, ends = part_of(record, text) or (None, True)
    log = LogText(
        text.encode("utf-8", "replace"),
        time,
        task_of(record, named),
        rest="\n".join(parts).encode("utf-8", "replace"),
        channel=channel,
        ends=ends,
        origin=CARRIER,
    )
    yield Read(JOURNALD, log=log, error=error)


def _left_out(record: Record) -> BadRecordError | None:
    return bad(MISSING_FIELD, _MESSAGE, _LEFT_OUT) if _MESSAGE in record else None


def _printable(held: Any) -> Any:
    """An array of bytes as text; of several values each by itself."""
    if not isinstance(held, list):
        return held
    if held and all(type(byte) is int and 0 <= byte < _BYTE for byte in held):
        return bytes(held).decode("utf-8", "replace")
    return [_printable(one) if isinstance(one, list) else one for one in held]


def _time(held: Any, now: int) -> tuple[int | None, BadRecordError | None]:
    if isinstance(held, str) and len(held) <= _DIGITS and held.isascii() and held.isdigit():
        held = int(held)
    if type(held) is not int or not 0 <= held < 10**_DIGITS:
        return None, bad(BAD_TIME, _TIME)
    time = held * MICROSECOND
    return (time, None) if time <= now + MAX_FUTURE else (None, bad(FUTURE_TIME, _TIME))


def carrier(named: Named | None = None) -> Carrier:
    """The carrier; `named` finds the task that the configuration gives a record."""
    return Carrier(JOURNALD, (f'"{_TIME}"'.encode(),), looks_like, partial(unwrap, named=named))


CARRIERS: Final = (carrier(),)
