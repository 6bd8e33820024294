"""Values as text for a person: without secrets, on one line, with readable times and sizes."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from detector.terminal.output import printable
from detector.values.times import DAY, HOUR, MILLISECOND, MINUTE, SECOND, format_rfc3339

Clean = Callable[[str], str]
"""Masks all secrets that it recognises in a text before it is written (`detector.scan.redactor.Redactor.clean`)."""


class Fixed(str):
    """A text of our own, in which no secret can stand. It is not masked: that may have to wait for a compiler."""

    __slots__ = ()


def masked(text: str, clean: Clean) -> str:
    """The text without its secrets."""
    return str(text) if isinstance(text, Fixed) else clean(text)


MAX_TEXT: Final = 1024  # characters: an output cuts longer fields of events
_APART: Final = "\n\n--\n\n"  # between texts that are cleaned as one: nothing that is encoded goes on over it
_UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MILLISECOND, "ms"))
_SIZES: Final = ("B", "KB", "MB", "GB", "TB")
_KILO: Final = 1000
_T = TypeVar("_T")


class Cleaner:
    """A `Clean` of one text, and what cleans many: it gives those that show a secret, and what becomes of each."""

    def __init__(self, one: Clean, many: Callable[[Collection[str]], Mapping[str, str]]) -> None:
        self._one = one
        self.many = many

    def __call__(self, text: str) -> str:
        """The text without the secrets that are recognised."""
        return self._one(text)


def visible(text: str, limit: int = MAX_TEXT) -> str:
    r"""`text` on one line, safe for a terminal, cut at `limit` characters with `…`.

    Characters that do not print, such as controls and bidirectional overrides, are written as `\x1b` or `\u202e`.
    """
    if not text.isprintable():
        text = printable(text[: limit + 1])
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


def showing(texts: Collection[str], clean: Clean) -> Mapping[str, str]:
    """What becomes of those texts that show a secret. One search is for all, unless one of them does."""
    if isinstance(clean, Cleaner):
        return clean.many(texts)
    joined = _APART.join(sorted(texts))
    return {} if clean(joined) == joined else {text: clean(text) for text in texts}


class _Texts(dict[str, str]):
    """The texts that were asked for, each as it is."""

    def __missing__(self, text: str) -> str:
        self[text] = text
        return text


def cleanly(make: Callable[[Clean], _T], clean: Clean) -> _T:
    """What `make` makes with clean texts.

    Hardly any text shows a secret. So it is made of the texts as they are, which are then searched together, and made
    again if one of them shows a secret.
    """
    texts = _Texts()
    made = make(texts.__getitem__)
    found = showing(texts, clean)
    if not found:
        return made

    def cleaned(text: str) -> str:
        return found.get(text, text) if text in texts else clean(text)

    return make(cleaned)


def cleaner_of(value: Any, clean: Clean) -> Clean:
    """A `clean` that has already seen all strings inside `value` (structs, dicts, lists).

    Hardly any event has a secret in it. So all its strings are cleaned at once, and one by one only if one has. A
    string that is not in `value` is cleaned when it comes.
    """
    texts = set(_strings(value))
    found = showing(texts, clean)

    def cleaned(text: str) -> str:
        return found.get(text, text) if text in texts else clean(text)

    return cleaned


def span(duration: int) -> str:
    """A duration (ns) in its two largest units: `2 h 3 min`, `45 s`, `120 ms`."""
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
    """A time in UTC, to the second: `2026-03-14 09:26:53Z`."""
    return _second(time // SECOND)


@lru_cache(maxsize=4096)  # findings of one poll are of few seconds
def _second(seconds: int) -> str:
    return format_rfc3339(seconds * SECOND).replace("T", " ")


def period(first: int, last: int) -> str:
    """From one time to another, as short as possible: `2026-03-14 09:26:53Z`, `2026-03-14 09:26:53–11:20:00Z`."""
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


def one_of(count: int, kind: str | None, only: str | None) -> str:
    """Whose a credential is, if only candidates are known.

    It is `one of 3 github-job tasks`, or `task build-7, the only candidate`. `kind` is that of all of them, None if
    they differ; `only` is the id of the first.
    """
    if not count:
        return "no known task"
    if count == 1 and only is not None:
        return f"task {only}, the only candidate"
    return f"one of {count:,} {kind} tasks" if kind else f"one of {count:,} tasks"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 use`, `3 uses`, `12,000 uses`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
