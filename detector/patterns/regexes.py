"""Regexes over hostile bytes: google-re2, in linear time.

A match is at most `MAX_MATCH` bytes, so a line of 100 MB can be searched in windows that overlap by as much. A match
counts only if it begins before the overlap. So each is seen whole exactly once, and the result is the same as for one
search over the whole line.
"""

from collections.abc import Iterator
from typing import Final

import re2

from detector.patterns.literals import group_names

MAX_MATCH: Final = 16 << 10  # bytes, of the whole match with its context
WINDOW: Final = 64 << 10  # bytes searched at once; bounds what a regex with `.*` in it can cost
SECRET: Final = "secret"  # noqa: S105 - the name of a group

Span = tuple[int, int]


class BadRegexError(ValueError):
    """A regex that RE2 refuses, or that has no single group `secret`; the text says which and why."""


class Regex:
    """One pattern's regex, compiled for bytes.

    `^` and `$` hold at line ends. Unless `multiline`, nothing in the regex ever matches a line feed (RE2's
    `never_nl`), so that a search over many lines gives what searches line by line would give.

    Raises:
        BadRegexError: RE2 refuses it, it is not ASCII, or it has not exactly one group `secret`.
    """

    __slots__ = ("_compiled", "_group")

    def __init__(self, regex: str, *, multiline: bool = False) -> None:
        if not regex.isascii():
            raise BadRegexError(r"not ASCII: bytes are matched, write others as \xNN")
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # bytes, not characters: a bad UTF-8 byte is a byte
        options.never_nl = not multiline
        options.log_errors = False
        try:
            self._compiled = re2.compile(b"(?m:" + regex.encode() + b")", options)
        except re2.error as error:
            raise BadRegexError(f"RE2 refuses it: {_text_of(error)}") from None
        if group_names(regex).count(SECRET) != 1:  # RE2 itself lets a name stand twice
            raise BadRegexError("needs exactly one named group `secret`: (?P<secret>...)")
        self._group: int = self._compiled.groupindex[SECRET.encode()]

    def found(self, data: bytes, start: int, end: int) -> Iterator[tuple[Span, Span]]:
        """The matches in data[start:end], left to right, none overlapping: (whole match, secret), offsets in data."""
        # One byte of context on either side tells `\b`, `^` and `$` what is really there.
        context = max(0, start - 1)
        text = data[context : end + 1]
        for match in self._compiled.finditer(text, start - context, end - context):
            (low, high), (first, last) = match.span(), match.span(self._group)
            yield (low + context, high + context), (first + context, last + context)

    def matches(self, data: bytes, start: int, end: int) -> Iterator[tuple[Span, Span]]:
        """As `found`, for text of any size.

        `start` and `end` are line ends, or at least `MAX_MATCH` away from every match that matters. Ignores matches
        that are longer than `MAX_MATCH` or have an empty secret.
        """
        at = start
        while at < end:
            last = end - at <= WINDOW
            window_end = end if last else at + WINDOW
            frontier = end if last else window_end - MAX_MATCH
            begin = at
            at = max(frontier, at + 1)
            for match, secret in self.found(data, begin, window_end):
                if match[0] >= frontier and not last:
                    break
                at = max(at, match[1])
                if secret[1] > secret[0] and match[1] - match[0] <= MAX_MATCH:
                    yield match, secret


def _text_of(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
