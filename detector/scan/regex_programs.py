r"""Compiles regexes to small programs, which `detector.scan.regex_backtracker` runs.

It knows the part of RE2's syntax that patterns use: characters, classes, `\b`, `^`, `$`, groups, alternatives,
repeats. A regex with anything else has no program, and RE2 runs it. Programs find what RE2 finds with the options of
`detector.patterns.regexes`: the leftmost match, the first alternative first, over bytes.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from detector.patterns.literals import token_texts

CLASS, GREEDY, LAZY, SPLIT, JUMP, SAVE, WORD, NO_WORD, BEGIN, END, MATCH = range(11)
UNLIMITED: Final = 1 << 30
LEADS: Final = 8  # bytes of a match that are looked at before its program runs
_LONGEST: Final = 2000  # instructions
_WORDS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_EVERY: Final = frozenset(range(256))
_SETS: Final = {
    "d": frozenset(b"0123456789"),
    "w": _WORDS,
    "s": frozenset(b"\t\n\f\r "),
    "D": _EVERY - frozenset(b"0123456789"),
    "W": _EVERY - _WORDS,
    "S": _EVERY - frozenset(b"\t\n\f\r "),
}
_CONTROLS: Final = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "a": 7}
_FEED: Final = frozenset(b"\n")
_PLACES: Final = {"^": BEGIN, "$": END, r"\b": WORD, r"\B": NO_WORD}
_FLAGS: Final = {"(?:": None, "(?i:": True, "(?P<secret>": None, "(?-i:": False}
_HEX_SIZE: Final = 4  # of `\x41`
_ASCII: Final = 128

Bytes = frozenset[int]


class UnknownSyntaxError(Exception):
    """The regex uses syntax that only RE2 knows."""


class Program(msgspec.Struct, frozen=True):
    """`code`: rows of (operation, a, b, c); `classes`: for each class 256 times 0 or 1.

    `leads`: for each of the first bytes of a match 256 times whether it may be that.
    """

    code: Any
    classes: Any
    leads: Any


class _One(msgspec.Struct, frozen=True):
    """One byte out of a class."""

    members: Bytes


class _At(msgspec.Struct, frozen=True):
    """A place: `WORD`, `NO_WORD`, `BEGIN`, `END`."""

    kind: int


class _Row(msgspec.Struct, frozen=True):
    parts: tuple[Any, ...]
    saved: bool = False


class _Either(msgspec.Struct, frozen=True):
    branches: tuple[Any, ...]


class _Repeat(msgspec.Struct, frozen=True):
    body: Any
    least: int
    most: int
    lazy: bool


def program_of(regex: str, *, multiline: bool = False) -> Program | None:
    """The program of a regex with a group `secret`; None if only RE2 can run it."""
    try:
        tree = _Parser(regex, excluded=frozenset() if multiline else _FEED).parse()
        if _least_width(tree) == 0:
            return None
        writer = _Writer()
        writer.write(tree)
        writer.add(MATCH)
    except UnknownSyntaxError:
        return None
    table = np.zeros((max(len(writer.classes), 1), 256), np.uint8)
    for members, number in writer.classes.items():
        table[number, sorted(members)] = 1
    return Program(np.array(writer.code, np.int32), table, _leads(tree))


class _Parser:
    def __init__(self, regex: str, excluded: Bytes) -> None:
        self._tokens = token_texts(regex)
        self._at = 0
        self._excluded = excluded

    def parse(self) -> Any:
        tree = self._either(folded=False)
        if self._at < len(self._tokens):
            raise UnknownSyntaxError
        return tree

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _either(self, *, folded: bool) -> Any:
        branches = [self._row(folded=folded)]
        while self._peek() == "|":
            self._next()
            branches.append(self._row(folded=folded))
        return branches[0] if len(branches) == 1 else _Either(tuple(branches))

    def _row(self, *, folded: bool) -> Any:
        parts: list[Any] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._single(folded=folded)))
        return _Row(tuple(parts))

    def _single(self, *, folded: bool) -> Any:
        token = self._next()
        if token in _FLAGS or token == "(":  # noqa: S105 - a token of a regex
            flag = _FLAGS.get(token)
            body = self._either(folded=folded if flag is None else flag)
            if self._next() != ")":
                raise UnknownSyntaxError
            return _Row((body,), saved=True) if token == "(?P<secret>" else body  # noqa: S105
        if token in _PLACES:
            return _At(_PLACES[token])
        if token == ".":  # noqa: S105
            return self._one(_EVERY - _FEED, folded=False)
        if token[0] == "[" and len(token) > 1:
            return self._one(_class_of(token, folded=folded), folded=False)
        if token[0] == "\\":
            if token == r"\x":  # noqa: S105
                token += self._next() + self._next()
            return self._one(_escaped(token[1:]), folded=folded and token[1:] not in _SETS)
        if len(token) > 1 or token in {"*", "+", "?", "{"}:
            raise UnknownSyntaxError
        return self._one(frozenset({ord(token)}), folded=folded)

    def _one(self, members: Bytes, *, folded: bool) -> _One:
        return _One((_folded(members) if folded else members) - self._excluded)

    def _repeated(self, body: Any) -> Any:
        token = self._peek()
        if not token or token[0] not in "*+?{" or token == "{":  # noqa: S105 - a token of a regex
            return body
        self._next()
        least, most = _bounds(token)
        lazy = self._peek() == "?"
        if lazy:
            self._next()
        if (
            isinstance(body, _At)
            or self._peek()[:1] in {"*", "+", "?"}
            or (most > 1 and not _least_width(body))
        ):
            raise UnknownSyntaxError
        return _Repeat(body, least, most, lazy)


def _bounds(token: str) -> tuple[int, int]:
    known = {"*": (0, UNLIMITED), "+": (1, UNLIMITED), "?": (0, 1)}.get(token)
    if known is not None:
        return known
    least, comma, most = token[1:-1].partition(",")
    if not least or int(least) > int(most or UNLIMITED):
        raise UnknownSyntaxError
    return int(least), int(most) if most else UNLIMITED if comma else int(least)


def _folded(members: Bytes) -> Bytes:
    """With the letters of either case."""
    if any(byte >= _ASCII for byte in members):
        raise UnknownSyntaxError  # other letters have cases too
    both = bytes(members)
    return members | frozenset(both.lower()) | frozenset(both.upper())


def _escaped(rest: str) -> Bytes:
    if rest in _SETS:
        return _SETS[rest]
    if rest in _CONTROLS:
        return frozenset({_CONTROLS[rest]})
    if rest[0] == "x" and len(rest) == _HEX_SIZE - 1:
        return frozenset({int(rest[1:], 16)})
    if len(rest) == 1 and rest.isascii() and not rest.isalnum():
        return frozenset(rest.encode())
    raise UnknownSyntaxError


def _class_of(token: str, *, folded: bool) -> Bytes:
    body = token[1:-1]
    negated = body.startswith("^")
    body = body[negated:]
    if "[:" in body:
        raise UnknownSyntaxError
    members: set[int] = set()
    at = 0
    while at < len(body):
        size, found = _member(body, at)
        at += size
        if body[at : at + 1] == "-" and at + 1 < len(body):
            if len(found) != 1:
                raise UnknownSyntaxError
            size, stop = _member(body, at + 1)
            if len(stop) != 1:
                raise UnknownSyntaxError
            found = frozenset(range(min(found), max(stop) + 1))
            at += 1 + size
        members |= _folded(found) if folded and found not in _SETS.values() else found
    return _EVERY - members if negated else frozenset(members)


def _member(body: str, at: int) -> tuple[int, Bytes]:
    if body[at] != "\\":
        return 1, frozenset(body[at].encode())
    size = _HEX_SIZE if body[at + 1] == "x" else 2
    return size, _escaped(body[at + 1 : at + size])


def _least_width(node: Any) -> int:
    if isinstance(node, _One):
        return 1
    if isinstance(node, _Row):
        return sum(map(_least_width, node.parts))
    if isinstance(node, _Either):
        return min(map(_least_width, node.branches))
    return node.least * _least_width(node.body) if isinstance(node, _Repeat) else 0


def _leads(tree: Any) -> Any:
    """For each of the first bytes of a match which it may be."""
    leads = np.zeros((LEADS, 256), np.uint8)
    for end in _add_leads(tree, frozenset({0}), leads):
        leads[end:] = 1
    return leads


def _add_leads(node: Any, begins: frozenset[int], leads: Any) -> frozenset[int]:
    """Adds what stands at the first places of a match, where the node may begin at some of them.

    Returns where it may end.
    """
    begins -= {LEADS}
    if not begins or isinstance(node, _At):
        return begins
    if isinstance(node, _One):
        for begin in begins:
            leads[begin, sorted(node.members)] = 1
        return frozenset(begin + 1 for begin in begins)
    if isinstance(node, _Either):
        return frozenset().union(*(_add_leads(branch, begins, leads) for branch in node.branches))
    if isinstance(node, _Row):
        for part in node.parts:
            begins = _add_leads(part, begins, leads)
        return begins
    ends = frozenset() if node.least else begins
    for times in range(1, min(node.most, node.least + LEADS) + 1):
        begins = _add_leads(node.body, begins, leads)
        if times >= node.least:
            ends |= begins
    return ends


class _Writer:
    """Writes the instructions of a program."""

    def __init__(self) -> None:
        self.code: list[list[int]] = []
        self.classes: dict[Bytes, int] = {}

    def add(self, operation: int, a: int = 0, b: int = 0, c: int = 0) -> list[int]:
        if len(self.code) >= _LONGEST:
            raise UnknownSyntaxError
        self.code.append([operation, a, b, c])
        return self.code[-1]

    def write(self, node: Any) -> None:
        if isinstance(node, _One):
            self.add(CLASS, self._class(node.members))
        elif isinstance(node, _At):
            self.add(node.kind)
        elif isinstance(node, _Row):
            if node.saved:
                self.add(SAVE, 0)
            for part in node.parts:
                self.write(part)
            if node.saved:
                self.add(SAVE, 1)
        elif isinstance(node, _Either):
            self._either(node.branches)
        else:
            self._repeat(node)

    def _class(self, members: Bytes) -> int:
        return self.classes.setdefault(members, len(self.classes))

    def _either(self, branches: Sequence[Any]) -> None:
        jumps: list[list[int]] = []
        for branch in branches[:-1]:
            split = self.add(SPLIT)
            split[1] = len(self.code)
            self.write(branch)
            jumps.append(self.add(JUMP))
            split[2] = len(self.code)
        self.write(branches[-1])
        for jump in jumps:
            jump[1] = len(self.code)

    def _repeat(self, node: _Repeat) -> None:
        body = node.body
        while isinstance(body, _Row) and len(body.parts) == 1 and not body.saved:
            body = body.parts[0]
        if isinstance(body, _One):
            self.add(LAZY if node.lazy else GREEDY, self._class(body.members), node.least, node.most)
            return
        for _ in range(node.least):
            self.write(body)
        splits: list[int] = []
        if node.most == UNLIMITED:
            splits.append(self._optional(body))
            self.add(JUMP, splits[0])
        else:
            splits += [self._optional(body) for _ in range(node.most - node.least)]
        for split in splits:
            into, out = split + 1, len(self.code)
            self.code[split][1:3] = (out, into) if node.lazy else (into, out)

    def _optional(self, body: Any) -> int:
        """Writes a split and the body after it. Returns where the split is: the caller sets which way it prefers."""
        split = len(self.code)
        self.add(SPLIT)
        self.write(body)
        return split
