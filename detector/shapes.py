"""What one JSON object is, told by its shape: a canonical event, a provider's, or a log record.

Only whole records are looked at: text inside a message is never an event, however much it looks like one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from detector.adapters import canonical, cloudtrail, github
from detector.deadletters import BAD_TIME, FUTURE_TIME, NOT_JSON, NOT_UTF8, TOO_DEEP, TRUNCATED_JSON, bad
from detector.errors import BadRecordError
from detector.events import MAX_FUTURE, CanonicalEvent
from detector.marks import EVENT_MARKS, has_event_mark
from detector.stamps import log_time

CLOUDEVENTS: Final = "cloudevents"
CLOUDTRAIL: Final = "cloudtrail"
GITHUB: Final = "github"
JSON_LOG: Final = "json"

TIME_NAMES: Final = ("time", "timestamp", "@timestamp", "ts", "eventTime", "datetime", "date")
_MESSAGE_NAMES: Final = ("message", "msg", "log")
_WITHOUT_SECRETS: Final = frozenset({*TIME_NAMES, "task_id", "stream", "level"})
_LONG_NAME: Final = 16  # shorter keys hold no secret
_ANY: Final = msgspec.json.Decoder()


class LogText(msgspec.Struct, frozen=True):
    """A log record as it is scanned: its text in UTF-8, and its own time (ns), task and stream where known."""

    text: bytes
    time: int | None = None
    task_id: str | None = None
    stream: str | None = None


class Read(msgspec.Struct, frozen=True):
    """What one object gave: events, or a log record, and an error where (part of) it could not be read.

    An event of a `type` that is not ours is `unknown` and gives nothing else.
    """

    format: str
    events: tuple[CanonicalEvent, ...] = ()
    log: LogText | None = None
    error: BadRecordError | None = None
    unknown: bool = False


def read_object(line: bytes, now: int, *, events: bool = True) -> Iterator[Read]:
    """What a line that begins as a JSON object is; with `events` false it is a log record whatever its shape.

    Gives one `Read`, or one for each element of a CloudTrail file on one line.
    """
    marked = events and has_event_mark(line)
    problem = None
    if marked and EVENT_MARKS[0] in line:
        try:
            event = canonical.decode(line, now)
        except BadRecordError as error:
            problem = error
        else:
            yield Read(CLOUDEVENTS, unknown=True) if event is None else Read(CLOUDEVENTS, (event,))
            return
    try:
        value = _ANY.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield Read(JSON_LOG, log=LogText(line), error=_broken(error))
        return
    if not isinstance(value, dict):
        yield Read(JSON_LOG, log=LogText(line))
    elif problem is not None and "specversion" in value:
        yield Read(CLOUDEVENTS, error=problem)
    else:
        yield from read_value(value, now, events=marked)


def _broken(error: Exception) -> BadRecordError:
    if isinstance(error, RecursionError):
        return bad(TOO_DEEP)
    if isinstance(error, UnicodeDecodeError):
        return bad(NOT_UTF8)
    return bad(TRUNCATED_JSON if "truncated" in str(error) else NOT_JSON)


def read_value(value: dict[str, Any], now: int, *, events: bool) -> Iterator[Read]:
    """What a decoded object is that is no canonical event."""
    if events:
        for looks_like, translate, name in _PROVIDERS:
            if looks_like(value):
                yield _translated(value, now, translate, name)
                return
        records = value.get("Records")
        if isinstance(records, list) and any(
            isinstance(one, dict) and cloudtrail.looks_like(one) for one in records
        ):
            for one in records:
                if isinstance(one, dict):
                    yield from read_value(one, now, events=True)
            return
    yield log_record(value, now)


_Translate = Callable[[Mapping[str, Any], int], list[CanonicalEvent]]
_PROVIDERS: Final[tuple[tuple[Callable[[Mapping[str, Any]], bool], _Translate, str], ...]] = (
    (cloudtrail.looks_like, cloudtrail.translate, CLOUDTRAIL),
    (github.looks_like, github.translate, GITHUB),
)


def _translated(value: Mapping[str, Any], now: int, translate: _Translate, name: str) -> Read:
    try:
        return Read(name, tuple(translate(value, now)))
    except BadRecordError as error:
        return Read(name, error=error)


def log_record(value: Mapping[str, Any], now: int) -> Read:
    """A log record: its message decoded, and after it every other text in it as `name=value`, one a line."""
    message_name = next((name for name in _MESSAGE_NAMES if isinstance(value.get(name), str)), None)
    parts: list[str] = [] if message_name is None else [value[message_name]]
    for name, item in value.items():
        if name == message_name or (name in _WITHOUT_SECRETS and not isinstance(item, dict | list)):
            continue
        parts.extend(_texts(name, item))
    time, error = record_time(value, now, strict=message_name == "message")
    task_id, stream = value.get("task_id"), value.get("stream")
    log = LogText(
        "\n".join(parts).encode("utf-8", "replace"),
        time,
        task_id if isinstance(task_id, str) and task_id else None,
        stream if isinstance(stream, str) and stream else None,
    )
    return Read(JSON_LOG, log=log, error=error)


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


def _texts(name: str, value: Any) -> Iterator[str]:
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
        elif len(key) >= _LONG_NAME:
            yield f"{key}={item}"
