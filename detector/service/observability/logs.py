"""The service's own log on standard error: lines of JSON, or text for a terminal. No line quotes a secret or a record.

What libraries log goes the same way, but less of it: only warnings and errors, each message once in a while however
often it comes. Of an exception it shows the class and the place in the code, as its text may quote a record. All of it
is a warning here: a client logs an error for every try at a broker that is away, and the stage reports the outcome.
"""

import logging
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from detector.scan.message_masks import masked_message
from detector.terminal.output import printable
from detector.values.wording import Clean, masked

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
QUIET_SECONDS: Final = 30.0
_REMEMBERED: Final = 256  # messages of libraries; more than they have
_LONGEST: Final = 500  # characters of what a library says
_FIRST: Final = ("timestamp", "level", "event")
_PLACES: Final = 3  # the innermost frames of an exception


class LogMask:
    """Masks secrets in log lines: with `clean`, which the service replaces once it knows what is registered."""

    def __init__(self, clean: Clean = masked_message) -> None:
        self.clean = clean

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Masks every text of a line."""
        return {name: self._masked(value) for name, value in event.items()}

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return masked(value, self.clean)
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        return value


def make_log(
    log_format: str, level: str, stream: TextIO | None = None, log_mask: LogMask | None = None
) -> Any:
    """A logger of structlog's, bound to nothing global.

    `log_format` is auto, json or console, `level` one of `LEVELS`; `stream` is standard error if None.
    """
    out = sys.stderr if stream is None else stream
    console = log_format == "console" or (log_format == "auto" and out.isatty())
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    return structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[
            _without_texts,
            log_mask or LogMask(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _in_order,
            *((_printable,) if console else ()),  # JSON escapes all texts itself
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=False,
    )


def route_libraries(log: Any, clock: Callable[[], float] = time.monotonic) -> "LibraryLog":
    """Sends all warnings and errors of Python's `logging` to `log` from now on."""
    handler = LibraryLog(log, clock)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # At DEBUG aiokafka logs requests with their bytes: not even the root's level is relied upon.
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return handler


class LibraryLog(logging.Handler):
    """Logs what libraries log: each message at most once in `QUIET_SECONDS`, with how often it was left out."""

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}
        self._more: dict[tuple[str, str], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a log line must not end a stage."""
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - what a library passes to its logger is not ours to trust
            self._log.warning("a library's log line cannot be shown", logger=record.name)

    def _emit(self, record: logging.LogRecord) -> None:
        key, now = (record.name, str(record.msg)[:_LONGEST]), self._clock()
        last = self._last.get(key)
        if last is not None and now - last < QUIET_SECONDS:
            self._more[key] = self._more.get(key, 0) + 1
            return
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
            self._more.clear()
        self._last[key] = now
        fields: dict[str, Any] = {"logger": record.name}
        if more := self._more.pop(key, 0):
            fields["more"] = more
        if record.exc_info and record.exc_info[1] is not None:
            fields |= described(record.exc_info[1])
        self._log.warning(_words(record), **fields)


def described(error: BaseException) -> dict[str, Any]:
    """An exception's class and its innermost places in the code; neither its text nor variables."""
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    return {
        "error": type(error).__name__,
        "at": [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames],
    }


def _words(record: logging.LogRecord) -> str:
    """The message. Of exceptions among its arguments, only the class."""
    args = record.args
    if isinstance(args, tuple):
        args = tuple(type(each).__name__ if isinstance(each, BaseException) else each for each in args)
    text = str(record.msg) % args if args else str(record.msg)
    return text.split("\n", 1)[0][:_LONGEST]


def _in_order(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Puts time, level and event first."""
    return {name: event[name] for name in _FIRST if name in event} | dict(event)


def _without_texts(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces `error=exception` by the exception's class and places."""
    error = event.get("error")
    if isinstance(error, BaseException):
        event.update(described(error))
    return event


def _printable(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Writes what does not print as escapes: nothing in a line acts on the terminal, and a line stays one line."""
    return {printable(name): _escaped(value) for name, value in event.items()}


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return [_escaped(each) for each in value]
    return value if isinstance(value, int | float | None) else printable(str(value))
