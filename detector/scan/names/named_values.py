"""Finds secrets that only their name gives away: a name of the lexicon, and a value that such a name may have.

regions ──▶ assignments (compiled) ──▶ what the name says ──▶ what kind of value ──▶ confidence ──▶ matches
"""

import os
import re  # over values of at most 512 bytes
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import numpy as np

from detector.patterns.checks import Check, Sighting
from detector.patterns.pattern import Pattern
from detector.patterns.prefilter import Expression
from detector.patterns.refusal_cache import RefusalCache
from detector.patterns.value_refusals import is_called, is_refused
from detector.scan.names import letter_statistics
from detector.scan.names.lexicon import NAME_LONGEST, Lexicon, Meaning, load, shown_name
from detector.scan.names.value_kinds import HEX, RANDOM, TELLING, UUID, WORD
from detector.scan.pattern_matcher import Match, Named, Rank
from detector.values.findings import Confidence
from detector.values.secrets import Secret

_LEAST: Final = 8  # bytes of a value that nothing but a blank or a comma announces
_ROWS: Final = 1024  # assignments at a time
_ROW: Final = 7  # numbers of each
_SUMS: Final = 2048, 12  # rows and columns of what is summed up of values that are in each other
_MANY: Final = 64  # assignments, of which it pays to judge like ones once
_ALIKE: Final = 160  # bytes of a name and its value, at most, that may be like others
_BLANK: Final = 0x20
_PERCENT: Final = 0x25
_LONG_HEX: Final = 32
_LONG: Final = 20  # characters of a random value
_MIDDLE: Final = 16
_SHORT: Final = 12
_LIKELY: Final = 160  # eighths of a bit: of a short value
_MIXED: Final = 3  # kinds of characters in a password that looks like words to the statistics
_STAR: Final = 42
_SIGNS: Final = frozenset(b"!#$%&*?@^~")  # of passwords, not of paths, labels and base64
_NEARLY: Final = 16  # eighths of a bit
_ESCAPED: Final = re.compile(
    rb"(?:[\w.~+*/-]|%(?:2[0-9a-fA-F]|3[a-fA-F]|40|5[b-eB-E]|60|7[b-dB-D]|[c-eC-E][0-9a-fA-F]|[89abAB][0-9a-fA-F]))*=*"
)
_TOKEN: Final = re.compile(rb"eyJ[\w-]*\.")  # judged by patterns of its own
_LABEL: Final = re.compile(rb"(?:\b[A-Za-z][A-Za-z0-9]*[ ]){1,2}\Z")
_LABEL_LONGEST: Final = 40
_WHOLE: Final = frozenset({b"pat", b"pw"})  # heads behind which no letter stands: `PATH` is frequent
_VERDICTS: Final = frozenset({b"PASS", b"XPASS"})


@cache
def lexicon() -> Lexicon:
    """The lexicon, read once."""
    return load()


def _heads(least: Confidence) -> tuple[list[bytes], list[bytes]]:
    """Heads of names that can be this sure, if a name goes on behind them, and such with which a name ends.

    `key` alone is a frequent name, and never sure: another part of a name is next to it.
    """
    words = lexicon()
    longer: list[bytes] = []
    whole: list[bytes] = []
    for word in words.heads:
        if words.counts(word, least):
            head = rb"(?i:" + word + rb")"
            longer.append(head + (rb"[0-9_.-]" if word in _WHOLE else rb"[A-Z0-9_.-]"))
            whole.append(head if words.counts_alone(word, least) else rb"[\w.-]" + head)
    spoken = b"|".join(word.encode() for word in sorted(words.before_key))
    whole.append(rb"(?i:" + spoken + rb")[ ](?i:key)")  # Api Key: value
    return longer, whole


@cache
def expressions(least: Confidence) -> tuple[Expression, ...]:
    """What the prefilter looks for: an assignment to a name with a head of the lexicon, and one to `value`.

    Each value that counts has `LEAST` bytes and one of `TELLING` early on, so most of `PASS: TestX` and `key: name`
    is passed by at once. No small letter follows a head: `keyboard` and `author` are other words. What repeats does
    so without a bound: Hyperscan then follows a match with one state instead of as many, and the parser has bounds of
    its own. It says what stands between: here any signs do, and the words that a blank follows.
    """
    longer, whole = map(b"|".join, _heads(least))
    more = rb"[\w.-]{0,%d}" % NAME_LONGEST
    name = rb"(?:(?:" + longer + rb")" + more + rb"|" + whole + rb")"
    telling = b"".join(b"\\x%02x" % byte for byte in TELLING)
    no_star = b"".join(b"\\x%02x" % byte for byte in TELLING if byte != _STAR)
    groups = (
        rb"(?:[A-Za-z]{4}-){3}|(?:[A-Za-z]{5}-){2}|(?:[A-Za-z]{6}-){2}"  # of letters: no other sign tells
    )
    value = rb"(?:[^\s" + telling + rb"]*(?:[" + no_star + rb"]|\*{1,2}(?:[^*]|$))|" + groups + rb")"
    between = (
        rb"[^\w\n]+(?:(?i:is|was|has|been|to|set|now|as|with|changed|updated|string|reg_sz|[0-9])[: \t=]+)*"
        rb"(?:(?i:bearer|token|basic|just) |[a-z]+[ \t]*\|[ \t]*|string\) \(len=\d+\) |S\"[ ]?:[ ]|null -> )?[\"'`]*"
    )
    long_value = rb"(?:" + _long_value(telling) + rb"|" + groups + rb")"
    forms = (
        between + long_value,
        rb"[^\w\n]+[&!]\w+ [\"']*" + long_value,  # an anchor or a tag of YAML
        rb":[ ]?[&'\w<>\[\] ]+=[ ]*[\"']" + value,  # name: Type = "value"
        rb"[ \t]+-b[ =]",
        rb"[ ]?</",
        # The value is on the next line: a hit counts for the line of the name.
        rb"\"\r?$",  # of a form
        rb"(?:\"\]=>|:[ \t]*(?:[|>][-+]?|Some\()?|>)?[ \t\r]*$",
        rb"<<\w+$",
    )
    return (
        Expression(
            name + rb"(?:" + rb"|".join(forms) + rb")", loose=longer + rb"|(?:" + whole + rb")(?:\W|$)"
        ),
        Expression(
            rb"(?:(?:(?i:value|default|content(?:=))|(?:^|\W)(?i:val))[\"'`\\\]})*]*[ \t]*[=:>]|"
            rb"--?(?i:value|body)[ =])[^\w\n]*" + value
        ),
        # A pair in rows or columns.
        Expression(rb"(?:(?i:value|default|content)|(?:^|\W)(?i:val))[^\w\n]+" + long_value),
    )


def _long_value(telling: bytes) -> bytes:
    """A regex: at least `LEAST` bytes, and one of `TELLING` among them."""
    other, one = rb"[^\s" + telling + rb"]", rb"[" + telling + rb"]"
    made = other + rb"*" + one
    for size in range(1, _LEAST):
        made = rb"(?:" + one + rb"\S{%d}|" % size + other + made + rb")"
    return made


@cache
def _tables() -> tuple[Any, ...]:
    """The arguments of the kernel: stems in rows, their sizes, the pairs of letters that begin one, the statistics."""
    stems = lexicon().stems
    rows = np.zeros((len(stems), max(map(len, stems))), np.uint8)
    first = np.zeros(1 << 10, np.bool_)
    for number, stem in enumerate(stems):
        rows[number, : len(stem)] = list(stem)
        first[(stem[0] & 31) << 5 | (stem[1] & 31)] = True
    return rows, np.array([len(stem) for stem in stems]), first, *letter_statistics.load()


def assignments(view: Any, regions: Any) -> Any:
    """The rows of `assignment_kernel.assignments` for all regions: rows (start, end) that do not overlap."""
    from detector.scan.names import assignment_kernel as kernel  # noqa: PLC0415 - numba loads slowly

    found: list[Any] = []
    region, begin = 0, 0
    stems, sizes, first, entries, kind_entries = _tables()
    plain, summed, sums = np.zeros(2, np.int64), np.zeros(2, np.int64), np.empty(_SUMS, np.int32)
    while region < len(regions):
        out = np.empty((_ROWS, _ROW), np.int64)
        count, region, begin = kernel.assignments(
            view,
            regions,
            stems,
            sizes,
            first,
            entries,
            kind_entries,
            out,
            region,
            begin,
            plain,
            summed,
            sums,
        )
        found.append(out[:count])
    return found[0] if len(found) == 1 else np.concatenate(found)


@cache
def _weights() -> Any:
    """Odd numbers that nobody else knows: who could choose two texts of one hash could hide a secret."""
    return np.frombuffer(os.urandom(8 * (_ALIKE + _ROW)), np.uint64) | np.uint64(1)


def _first_alike(view: Any, rows: Any) -> list[int]:
    """For each row, the number of the first that has the same name and value, with the same text around.

    In hostile text thousands of short ones are alike.
    """
    if len(rows) < _MANY:
        return list(range(len(rows)))
    numbers = np.arange(len(rows))
    name, name_end, start, end = rows[:, :4].T
    labelled = (name > 0) & (view[name - 1] == _BLANK)
    low = np.minimum(np.where(labelled, np.maximum(0, name - _LABEL_LONGEST - 1), name), start)
    size = np.minimum(np.maximum(name_end, end) + 1, len(view)) - low
    (short,) = np.nonzero(size <= _ALIKE)
    if not len(short):
        return numbers.tolist()
    low, size, row = low[short], size[short], rows[short].copy()
    row[:, :4] -= low[:, None]
    weights = _weights()
    hashes = row.astype(np.uint64) @ weights[_ALIKE:]
    for at in range(int(size.max())):
        inside = at < size
        hashes[inside] += (view[low[inside] + at].astype(np.uint64) + np.uint64(1)) * weights[at]
    _, first, alike = np.unique(hashes, return_index=True, return_inverse=True)
    numbers[short] = short[first[alike]]
    return numbers.tolist()


def _like_words(view: Any, rows: Any) -> Any:
    """Which rows have a value that looks like words: whatever the name says, the confidence is low at most.

    What is percent-encoded may say something else.
    """
    percents = np.flatnonzero(view == _PERCENT)
    starts, ends, kinds, ratings = rows[:, 2:6].T
    encoded = percents.searchsorted(starts) < percents.searchsorted(ends)
    return (kinds == WORD) & (ratings < _NEARLY) & ~encoded


def _unquoted(value: bytes) -> bytes:
    """The value without percent-encoding, if its percent signs are that: other signs are encoded, and no letter is."""
    return unquote_to_bytes(value) if _ESCAPED.fullmatch(value) else value


def _judged(value: bytes) -> tuple[int, int]:
    """The kind and the rating of a value, as `value_kernel.kind_of` gives them."""
    from detector.scan.names.value_kernel import kind_of  # noqa: PLC0415 - numba loads slowly

    kind, rating = kind_of(np.frombuffer(value, np.uint8), 0, len(value), *_tables()[3:])
    return int(kind), int(rating)


def confidence_of(meaning: Meaning, kind: int, rating: int, value: bytes) -> Confidence | None:
    """How sure it is that a value of this kind, behind a name that says so, is a secret; None if it is none."""
    of_value = _of_value(meaning, kind, rating, value)
    return None if of_value is None else min(meaning.strength, of_value)


def _of_value(  # noqa: PLR0911 - each kind is an answer
    meaning: Meaning, kind: int, rating: int, value: bytes
) -> Confidence | None:
    size = len(value)
    if kind == HEX:
        return Confidence.HIGH if size >= _LONG_HEX else Confidence.MEDIUM
    if kind == UUID:
        return Confidence.HIGH if meaning.strength == Confidence.HIGH else Confidence.MEDIUM
    password = meaning.kind == "password"
    if kind == RANDOM:
        if size >= _LONG or (password and size >= _SHORT):
            return Confidence.HIGH
        signed = (
            size >= _SHORT and _mixed(value) > _MIXED and (rating >= _LIKELY or not _SIGNS.isdisjoint(value))
        )
        if size >= _MIDDLE or signed or (password and rating >= _LIKELY):
            return Confidence.MEDIUM
        return Confidence.LOW
    if rating >= _NEARLY and size >= (_SHORT if password else _MIDDLE) and _mixed(value) >= _MIXED:
        return Confidence.MEDIUM
    return Confidence.LOW if password and _mixed(value) > 1 else None


def _mixed(value: bytes) -> int:
    """How many kinds of characters are in it: lower and upper case, digits, signs."""
    text = value.decode("latin-1")
    return sum(
        any(map(is_kind, text))
        for is_kind in (str.islower, str.isupper, str.isdigit, lambda one: not one.isalnum())
    )


def _called(data: bytes, name: int, end: int) -> tuple[str, Meaning | None]:
    """The name in data[name:end] and what it says.

    If it is the last word of a label, as in `Page Token: `, it is given with the words in front of it.
    """
    called = data[name:end].decode("ascii", "replace")
    meaning = lexicon().meaning(called)
    if (
        meaning is None
        or not called.isalpha()
        or data[name - 1 : name] != b" "
        or data[end : end + 1] == b"="
    ):
        return called, meaning
    front = _LABEL.search(data, max(0, name - _LABEL_LONGEST), name)
    if front is None:
        return called, meaning
    label = front[0].decode("ascii") + called
    whole = lexicon().meaning(label)
    if whole is None or whole.strength == Confidence.HIGH:
        return label, whole
    return called, meaning


def _no_name(called: bytes, between: bytes, value: bytes, weak: int) -> bool:
    """Whether `PASS: value` is what a test gave, and `pass` a verb.

    A test's name has no letters of both cases and digits.
    """
    if called not in _VERDICTS:
        return bool(weak) and called.lower() == b"pass"
    if not between.startswith(b": ") or between.strip(b": \t"):
        return False
    text = value.decode("latin-1")
    return "/" in text or not all(
        any(map(is_kind, text)) for is_kind in (str.islower, str.isupper, str.isdigit)
    )


class NamedMatcher:
    """Searches for values of one kind of name, like `PatternMatcher` for a regex.

    Matches of less than `least` confidence are left out.
    """

    __slots__ = ("_checks", "_least", "_refused", "order", "pattern")

    wide: Final = False

    def __init__(self, pattern: Pattern, order: int, least: Confidence) -> None:
        self.pattern = pattern
        self.order = order
        self._least = least
        self._checks: list[Check] = [spec.build() for spec in pattern.checks]
        self._refused = RefusalCache()

    def expressions(self) -> list[Expression]:
        """What the prefilter looks for."""
        return list(expressions(self._least))

    def matches(self, data: bytes, view: Any, regions: Any, searched: Any) -> Iterator[Match]:
        """The values whose names are of the pattern's kind in the regions: rows (start, end) that do not overlap."""
        before = searched.get(NamedMatcher)
        if before is None or not (before[0] is regions or np.array_equal(before[0], regions)):
            rows = assignments(view, regions)
            if self._least > Confidence.LOW and len(rows) >= _MANY:
                rows = rows[~_like_words(view, rows)]
            before = searched[NamedMatcher] = regions, rows, _first_alike(view, rows)
        _, rows, alike = before
        passed = {
            number: told
            for number in dict.fromkeys(alike)
            if (told := self._judged(data, rows[number].tolist())) is not None
        }
        for number, first in enumerate(alike) if passed else ():
            if first not in passed:
                continue
            name, name_end, start, end = rows[number, :4].tolist()
            called, confidence = passed[first]
            yield Match(
                start,
                end,
                self.pattern,
                Secret(data[start:end]),
                Named(shown_name(called), confidence, name, name_end),
            )

    def _judged(self, data: bytes, row: Sequence[int]) -> tuple[str, Confidence] | None:
        """The name in a row of `assignments` and how sure it is that the value is a secret; None if it is none."""
        name, name_end, start, end, kind, rating, weak = row
        called, meaning = _called(data, name, name_end)
        if meaning is None or meaning.kind != self.pattern.named:
            return None
        value = data[start:end]
        if value in self._refused or _no_name(data[name:name_end], data[name_end:start], value, weak):
            return None
        bare = _unquoted(value) if b"%" in value else value
        judged = (kind, rating) if bare is value else _judged(bare)
        confidence = confidence_of(meaning, *judged, bare)
        if weak and confidence is not None:
            random = judged[0] in {RANDOM, HEX, UUID} and not is_called(bare)
            confidence = min(confidence, Confidence.MEDIUM) if random else None
        if confidence is None or confidence < self._least:
            return None
        seen = Sighting(value, data[name:end], b"")
        if _TOKEN.match(bare) or is_refused(bare) or not all(check(seen) for check in self._checks):
            self._refused.add(value)
            return None
        return called, confidence

    def rank(self, match: Match) -> Rank:
        """As for patterns with a regex."""
        return self.pattern.generic, False, True, match.start - match.end, self.order
