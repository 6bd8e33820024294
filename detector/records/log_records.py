"""What one JSON object gave: events, or a log record with its text, or why it could not be read."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, bad
from detector.records.log_times import RECORD
from detector.records.shipper_fields import PART_MARKS, SPLIT, Named, part_of, task_of
from detector.records.timestamps import log_time
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent

JSON_LOG: Final = "json"

TIME_NAMES: Final = ("time", "timestamp", "@timestamp", "ts", "eventTime", "datetime", "date")
MESSAGE_NAMES: Final = ("message", "msg", "log", "MESSAGE")
_WITHOUT_SECRETS: Final = frozenset({*TIME_NAMES, "task_id", "stream", "level"})
LONG_LABEL: Final = 16  # no name of a stream or a level is as long
LONG_NAME: Final = 16  # shorter keys hold no secret
_ANY: Final = msgspec.json.Decoder()


class LogText(msgspec.Struct, frozen=True):
    """A log record as it is scanned: its text in UTF-8, and its time (ns), task and stream where known.

    `origin` says whose `time` that is. `carried` is the time (ns) that its carrier states, where `time` is not that.
    `rest` is what else is said in the record. It is scanned apart from the text: a key that was printed over many
    records is to stand line under line. `part` numbers the records that one object or message holds, from 1; 0 is a
    record by itself. With a `channel` it is part of a line of that channel, and of none after it if it `ends`.
    """

    text: bytes
    time: int | None = None
    task_id: str | None = None
    stream: str | None = None
    rest: bytes = b""
    part: int = 0
    channel: str | None = None
    ends: bool = True
    origin: str = RECORD
    carried: int | None = None


class Read(msgspec.Struct, frozen=True):
    """What one object gave: events, text to scan, and an error where (part of) it could not be read.

    An event of a type that is not ours is `unknown` and gives nothing else. `of_source`: an adapter knows the record
    as one of its source, whatever it gave. `idle` is the source and type of a record that is of no use. `type` is the
    type of an unknown or idle record as it names it itself; empty where it names none, or one too long for a name.
    """

    format: str
    events: tuple[CanonicalEvent, ...] = ()
    log: LogText | None = None
    error: BadRecordError | None = None
    unknown: bool = False
    of_source: bool = False
    idle: str = ""
    type: str = ""

    def carried_at(self, time: int) -> "Read":
        """The same, held in an envelope that states this time (ns)."""
        if self.log is None:
            return self
        carried = time if self.log.carried is None else min(time, self.log.carried)
        return msgspec.structs.replace(self, log=msgspec.structs.replace(self.log, carried=carried))

    def below(self, path: str) -> "Read":
        """The same, the field at fault named from the top of the document in which the object stands at `path`."""
        if self.error is None or not path:
            return self
        field = f"{path}.{self.error.field}" if self.error.field else path
        error = BadRecordError(self.error.reason, self.error.detail, field)
        return msgspec.structs.replace(self, error=error)


def log_record(value: Mapping[str, Any], now: int, named: Named | None = None) -> Read:
    """A log record: its message decoded, and as its rest every other text in it as `name=value`, one a line.

    `named` is what the configuration says of its task.
    """
    message_name, message = _message(value)
    rest = "\n".join(_beside(value, message_name))
    time, error = record_time(value, now, strict=message_name == "message")
    task_id, stream = whereabouts(value, named)
    text, rest = (rest, "") if message is None else (_line(message), rest)
    channel, ends = part_of(value, message) or (None, True)
    log = LogText(
        text.encode("utf-8", "replace"),
        time,
        task_id,
        stream,
        rest=rest.encode("utf-8", "replace"),
        channel=channel,
        ends=ends,
    )
    return Read(JSON_LOG, log=log, error=error)


def full_text(value: Mapping[str, Any]) -> str:
    """The whole text of a log record: its message, and behind it the other texts."""
    message_name, message = _message(value)
    beside = _beside(value, message_name)
    return "\n".join(beside if message is None else (_line(message), *beside))


def whole_record(value: Mapping[str, Any], time: object, task_id: str | None = None) -> LogText:
    """All that a source's record says, for a source whose requests may hold secrets. `time` is that of the record."""
    return LogText(b"", log_time(time), task_id, rest=full_text(value).encode("utf-8", "replace"))


def _beside(value: Mapping[str, Any], message_name: str | None) -> list[str]:
    """Every text in a record but its message, as `name=value`."""
    parts: list[str] = []
    for name, item in value.items():
        if name == message_name:
            continue
        if type(item) is str:  # as most are
            if name not in _WITHOUT_SECRETS or may_hide_text(name, item):
                parts.append(f"{name}={item}")
        elif name not in _WITHOUT_SECRETS or isinstance(item, dict | list):
            parts.extend(texts(name, item))
    return parts


def may_hide_text(name: str, value: str) -> bool:
    """Whether the value of a time, a stream or a level is none, so that it is scanned like any other text."""
    if name == "task_id" or len(value) < LONG_LABEL:
        return False
    return name not in TIME_NAMES or log_time(value) is None


def _line(message: str) -> str:
    """Without the newline that Docker leaves at its end: it would stand between the lines of a key."""
    return message.removesuffix("\n")


def _message(value: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The field that is the message, and what it says."""
    for name in MESSAGE_NAMES:
        held = value.get(name)
        if isinstance(held, str):
            return name, held
    return None, None


def whereabouts(value: Mapping[str, Any], named: Named | None = None) -> tuple[str | None, str | None]:
    """The task and the stream of a log record."""
    stream = value.get("stream")
    return task_of(value, named), stream if isinstance(stream, str) and stream else None


def whereabouts_of(line: bytes, named: Named | None = None) -> tuple[str | None, str | None]:
    """The same of a record that is not decoded yet."""
    try:
        value = _ANY.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    return whereabouts(value, named) if isinstance(value, dict) else (None, None)


def record_time(
    value: Mapping[str, Any], now: int, *, strict: bool
) -> tuple[int | None, BadRecordError | None]:
    """The time in a log record's fields; with `strict` one that cannot be read is an error, else it is no time."""
    name = next((name for name in TIME_NAMES if value.get(name) is not None), None)
    if name is None:
        return None, None
    time = log_time(value[name])
    if time is None:
        return None, bad(BAD_TIME, name) if strict else None
    if time > now + MAX_FUTURE:
        return None, bad(FUTURE_TIME, name)
    return time, None


def texts(name: str, value: Any) -> Iterator[str]:
    """`name=value` for every text inside `value`; without recursion, in the order of the document."""
    stack: list[tuple[str, Any]] = [(name, value)]
    while stack:
        key, item = stack.pop()
        if isinstance(item, str):
            yield f"{key}={item}"
        elif isinstance(item, dict):
            stack.extend(reversed(item.items()))
        elif isinstance(item, list):
            stack.extend((key, one) for one in reversed(item))
        elif len(key) >= LONG_NAME:
            yield f"{key}={item}"


class OpenLines:
    """Which lines of shippers' records stand open after some lines of a file: whether it may be cut there."""

    def __init__(self) -> None:
        self._open: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, line: bytes) -> None:
        """The next line of the file."""
        if not self._open and len(line) <= SPLIT and not any(mark in line for mark in PART_MARKS):
            return
        try:
            value = _ANY.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if isinstance(value, dict):
            channel, ends = part_of(value, _message(value)[1]) or (None, True)
            if channel is not None:
                (self._open.discard if ends else self._open.add)(channel)
