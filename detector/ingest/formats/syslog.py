r"""Syslog messages: RFC 5424, RFC 3164 and what relays write that come close; alone, in lines, or counted (RFC 6587).

`<PRI>1 TIMESTAMP HOST APP PROCID MSGID [id name="value"] MSG` and `<PRI>Mmm dd hh:mm:ss HOST TAG[pid]: MSG`. The
message is the text; all else stands beside it, values of structured data without their escapes (`\"`, `\\`, `\]`). A
time without a year is of the latest year that it can be.
"""

import re  # over the head of a line, of bounded length; of what may be longer only one character at a time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import re2

from detector.ingest.format_names import SYSLOG
from detector.records.blocks import LONG_LINE
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, NOT_SYSLOG, bad
from detector.records.log_records import LogText, Read
from detector.records.log_times import CARRIER
from detector.records.timestamps import Bytes, Ints, leading_stamp
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE
from detector.values.times import SECOND

_HEAD: Final = 1024  # bytes that a header is looked for in
_PRI = re.compile(rb"<([0-9]{1,3})>")
_MAX_PRI: Final = 191
_HEADER = re.compile(
    rb"([1-9][0-9]{0,2}) (-|[0-9T:.Z+-]{20,35}) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (?=[-\[])"
)
_NUMBERED = re.compile(rb"[1-9][0-9]{0,2} ")
_BSD = re.compile(
    rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([ 0-3][0-9]) ([0-2][0-9]):([0-5][0-9]):([0-6][0-9]) "
)
_STAMP = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,27}(?:Z|[+-][0-9]{2}:[0-9]{2}) ")
_TAG = re.compile(rb"(?:[!-~]{1,255} )?([^\s:\[\]]{1,64})(?:\[([^\]\s]{1,64})\])?: ?")
_MONTHS: Final = (
    b"Jan",
    b"Feb",
    b"Mar",
    b"Apr",
    b"May",
    b"Jun",
    b"Jul",
    b"Aug",
    b"Sep",
    b"Oct",
    b"Nov",
    b"Dec",
)
_BOM: Final = b"\xef\xbb\xbf"
_ELEMENT = re2.compile(rb"\[([!#-<>-\\^-~]{1,32})")
_PARAMETER = re2.compile(rb'(?s) ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\.)*)"')
_SIMPLE = re.compile(rb'(?:-|(?:\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="[^"\\\]]*")*\])+)')
_ESCAPE = re.compile(rb'\\(["\\\]])')
_TASK_NAMES: Final = (b"task_id", b"task", b"job_id", b"run_id")


def looks_like(line: bytes) -> bool:
    """Whether a line begins as a syslog message does, with a priority or with the time of RFC 3164."""
    start = _PRI.match(line)
    if start is not None:
        return int(start[1]) <= _MAX_PRI
    return _BSD.match(line[:_HEAD]) is not None


def stand_in(padded: Bytes, starts: Ints) -> bool:
    """Whether a line is a message: `<34>`, as RFC 3164 `Oct 11 22:14:15`, or counted, `12 <34>`.

    `padded` are the lines and at least `PAD` newlines.
    """
    first = padded[starts]
    likely = first == ord("<")
    letters = (first >= ord("A")) & (first <= ord("S"))
    if letters.any():
        spaced = (padded[starts + 3] == ord(" ")) & (padded[starts + 6] == ord(" "))
        likely |= letters & spaced & (padded[starts + 9] == ord(":"))
    dated = padded[starts + 4] == ord("-")  # as most lines are that begin with a digit
    if not dated.all():
        likely |= ~dated & (first >= ord("1")) & (first <= ord("9"))
    heads = (padded[start : start + PAD].tobytes() for start in starts[likely].tolist())
    return any(looks_like(head) or looks_counted(head) for head in heads)


def read(line: bytes, now: int) -> Read | None:
    """A message, without the newline at its end; None if it is none. `now` is the wall clock in ns."""
    head = line[:_HEAD]
    start = _PRI.match(head)
    if start is not None and int(start[1]) <= _MAX_PRI:
        at = start.end()
        header = _HEADER.match(head, at)
        if header is not None:
            return _structured(line, header, now)
        error = bad(NOT_SYSLOG) if _NUMBERED.match(head, at) else None
        return _traditional(line, at, now, error)
    if _BSD.match(head) is not None:
        return _traditional(line, 0, now, None)
    return None


def _structured(line: bytes, header: Any, now: int) -> Read:
    """As RFC 5424."""
    stamp, process = header[2], header[5]
    time, error = (None, None) if stamp == b"-" else _usable(leading_stamp(stamp), now)
    at = header.end()
    simple = _SIMPLE.match(line, at, _HEAD)
    if simple is not None and line[simple.end() : simple.end() + 1] in (b"", b" "):
        end, values = simple.end(), [] if simple[0] == b"-" else [simple[0]]
        task = _task(simple[0])
    else:
        found = _elements(line, at)
        if found is None:
            return _unread(line, at, header, time)
        end, values, task = found
    text = line[end + 1 :].removeprefix(_BOM)
    rest = b"\n".join((*filter(None, values), *header.group(3, 4, 6)))
    return _read(text, rest, time, process, error, task)


def _read(  # noqa: PLR0913, PLR0917 - the parts of a message
    text: bytes,
    rest: bytes,
    time: int | None,
    process: bytes | None,
    error: BadRecordError | None,
    task: bytes | None = None,
) -> Read:
    """What a process says is a stream of its own. A number is that of a process, and no task."""
    named = None if process in {None, b"-"} else process
    if task is None and named is not None and not named.isdigit():
        task = named
    log = LogText(text, time, _text(task), None if named == task else _text(named), rest, origin=CARRIER)
    return Read(SYSLOG, log=log, error=error)


def _task(elements: bytes) -> bytes | None:
    """The task that simple structured data names."""
    for name in _TASK_NAMES:
        _, found, value = elements.partition(b" " + name + b'="')
        if found:
            return value.partition(b'"')[0]
    return None


def _elements(line: bytes, at: int) -> tuple[int, list[bytes], bytes | None] | None:
    """Where structured data ends, its values without escapes, and the task that it names; None if it is none."""
    values: list[bytes] = []
    task: bytes | None = None
    if line[at : at + 1] == b"-":
        at += 1
    while line[at : at + 1] == b"[":
        element = _ELEMENT.match(line, at)
        if element is None:
            return None
        place = element.end()
        while (parameter := _PARAMETER.match(line, place)) is not None:
            value = _ESCAPE.sub(rb"\1", parameter[2])
            values.append(parameter[1] + b"=" + value)
            if task is None and parameter[1] in _TASK_NAMES:
                task = value
            place = parameter.end()
        if line[place : place + 1] != b"]":
            return None
        at = place + 1
    return (at, values, task) if line[at : at + 1] in (b"", b" ") else None


def _unread(line: bytes, at: int, header: Any, time: int | None) -> Read:
    """Structured data that is none is text."""
    return _read(line[at:], b"\n".join(header.group(3, 4, 6)), time, header[5], bad(NOT_SYSLOG, "SD"))


def _traditional(line: bytes, at: int, now: int, error: BadRecordError | None) -> Read:
    """As RFC 3164, or with a time as RFC 3339 has it."""
    head = line[:_HEAD]
    time: int | None = None
    bsd, stamp = _BSD.match(head, at), _STAMP.match(head, at)
    if bsd is not None:
        time, problem = _usable(_of_this_year(bsd, now), now)
        error, at = error or problem, bsd.end()
    elif stamp is not None:
        time, problem = _usable(leading_stamp(stamp[0]), now)
        error, at = error or problem, stamp.end()
    tag = _TAG.match(head, at) if bsd is not None or stamp is not None else None
    if tag is None:
        return _read(line[at:], b"", time, None, error)
    return _read(line[tag.end() :], tag[0], time, tag[2], error)


def _usable(time: int | None, now: int) -> tuple[int | None, BadRecordError | None]:
    if time is None:
        return None, bad(BAD_TIME, "TIMESTAMP")
    return (time, None) if time <= now + MAX_FUTURE else (None, bad(FUTURE_TIME, "TIMESTAMP"))


def _of_this_year(match: Any, now: int) -> int | None:
    """In UTC, in the year of `now`, or the one before if that is not yet."""
    month, day = _MONTHS.index(match[1]) + 1, int(match[2])
    hour, minute, second = (int(match[number]) for number in (3, 4, 5))
    year = datetime.fromtimestamp(now // SECOND, UTC).year
    for candidate in range(
        year + 1, year - 5, -1
    ):  # the next for the last minutes of December; back to a leap day
        try:
            moment = datetime(candidate, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except ValueError:
            continue
        time = int(moment.timestamp()) * SECOND
        if time <= now + MAX_FUTURE:
            return time
    return None


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if value else None


PAD: Final = 24  # bytes by which a message is recognised
MAX_FRAME: Final = 1 << 20  # bytes of one counted message
_COUNT = re.compile(rb"([1-9][0-9]{0,6}) (?=<[0-9]{1,3}>)")
_LONGEST_COUNT: Final = 16


def looks_counted(head: bytes) -> bool:
    """Whether data begins with a message and how long that is."""
    return _COUNT.match(head[:_LONGEST_COUNT]) is not None


def frames(data: bytes) -> Iterator[tuple[int, int]]:
    """The places of counted messages that stand one after another; it ends where that is not so.

    The last may reach beyond the data.
    """
    at = 0
    while at < len(data):
        count = _COUNT.match(data, at, at + _LONGEST_COUNT)
        if count is None or int(count[1]) > MAX_FRAME:
            return
        start = count.end()
        yield start, start + int(count[1])
        at = start + int(count[1])
        while data[at : at + 1] in (b"\n", b"\r"):  # some senders do both
            at += 1


def counted(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The counted messages of a file; or, not whole, the rest of it from where a length is wrong, as it comes."""
    rest, stream = b"", iter(chunks)
    for chunk in stream:
        rest += chunk
        at = 0
        for start, end in frames(rest):
            if end > len(rest):
                break
            yield rest[start:end].rstrip(b"\r\n"), True
            at = end
        rest = rest[at:].lstrip(b"\r\n")
        if len(rest) > 2 * MAX_FRAME + LONG_LINE:
            break
    if rest:
        yield rest, False
        yield from ((part, False) for part in stream)
