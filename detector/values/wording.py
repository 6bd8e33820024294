"""How values are put into words: cleaned of secrets, made visible, times and sizes for a person."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from detector.values.times import DAY, HOUR, MILLISECOND, MINUTE, SECOND, format_rfc3339

Clean = Callable[[str], str]
"""Masks every secret it knows in a text that is about to be written (`detector.scan.leaks.Redactor.clean`)."""

MAX_TEXT: Final = 1024  # characters of one field of an event that an output repeats
_UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MILLISECOND, "ms"))
_SIZES: Final = ("B", "KB", "MB", "GB", "TB")
_KILO: Final = 1000


def visible(text: str, limit: int = MAX_TEXT) -> str:
    r"""`text` on one line, safe to show in a terminal, cut at `limit` characters with `…`.

    Controls, escapes, bidirectional overrides and all else that does not print is written `\x1b`, `\u202e`.
    """
    if not text.isprintable():
        text = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
            for char in text[: limit + 1]
        )
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, msgspec.Struct):
            stack.extend(getattr(item, name) for name in item.__struct_fields__)
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)


def cleaner_of(value: Any, clean: Clean) -> Clean:
    """`clean` for the strings inside `value` (structs, dicts, lists), asked once for all of them.

    Nearly every event is free of secrets, so all its strings are cleaned as one text of many lines; only
    where that text changed is each looked at alone. A string that is not in `value` goes to `clean` itself.
    """
    texts = sorted({text for text in _strings(value) if text})
    joined = "\n".join(texts)
    same = clean(joined) == joined
    known = {text: text if same else clean(text) for text in texts}
    known[""] = ""

    def cleaned(text: str) -> str:
        found = known.get(text)
        return clean(text) if found is None else found

    return cleaned


def span(duration: int) -> str:
    """A duration in nanoseconds as its two greatest units: `2 h 3 min`, `45 s`, `120 ms`."""
    rest = abs(duration)
    for index, (unit, name) in enumerate(_UNITS):
        whole, left = divmod(rest, unit)
        if whole:
            if unit > SECOND:
                lower, lower_name = _UNITS[index + 1]
                if left // lower:
                    return f"{whole} {name} {left // lower} {lower_name}"
            return f"{whole} {name}"
    return "less than 1 ms"


def moment(time: int) -> str:
    """A time to the second in UTC, as a person reads it: `2026-03-14 09:26:53Z`."""
    return format_rfc3339(time - time % SECOND).replace("T", " ")


def period(first: int, last: int) -> str:
    """Two times, the second as short as it can be: `2026-03-14 09:26:53Z`, `2026-03-14 09:26:53–11:20:00Z`."""
    start, end = moment(first), moment(last)
    if start == end:
        return start
    date = len("2026-03-14 ")
    return f"{start[:-1]}–{end[date:]}" if start[:date] == end[:date] else f"{start[:-1]} – {end}"


def size(amount: float) -> str:
    """Bytes in decimal units: `812 B`, `1.4 MB`."""
    index = 0
    while amount >= _KILO and index < len(_SIZES) - 1:
        amount /= _KILO
        index += 1
    return f"{amount:.1f} {_SIZES[index]}" if index else f"{amount:.0f} B"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 use`, `3 uses`, `12,000 uses`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
