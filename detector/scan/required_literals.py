"""The literals and the run that stand in every match of a regex: where one is missing, nothing has to be searched."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from detector.patterns.literals import token_texts
from detector.scan.regex_programs import GREEDY, JUMP, MATCH, SPLIT, Program

_LEAST: Final = 4  # bytes
_LEAST_RUN: Final = 32  # bytes
_SECRET: Final = "(?P<secret>"  # noqa: S105 - an opening of a regex
_PLACES: Final = frozenset((r"\b", r"\B", "^", "$"))
_SPECIAL: Final = frozenset(".|()[]{}*+?\\")
_REPEATS: Final = "*+?{"


def required_literals(regex: str) -> tuple[bytes, ...]:
    """Those of four bytes and more, in their order, none overlapping.

    What stands in other groups than `secret` is left out.
    """
    found = [bytearray()]
    depth = 0  # of groups that are left out
    for token, after in pairwise([*token_texts(regex), ""]):
        repeated = after[:1] != "" and after[0] in _REPEATS
        if token.startswith("(?") and after == ")":
            return ()  # flags for all that follows
        if token == _SECRET and not depth:
            continue
        if token.startswith("(") or depth:
            depth += token.startswith("(") - (token == ")")  # noqa: S105 - a token of a regex
            found.append(bytearray())
        elif token == "|" or (token == ")" and repeated):  # noqa: S105 - as above
            return ()
        elif not repeated and (literal := _literal(token)):
            found[-1] += literal
        elif token not in _PLACES and token != ")":  # noqa: S105 - as above
            found.append(bytearray())
    return tuple(bytes(each) for each in found if len(each) >= _LEAST)


def _literal(token: str) -> bytes:
    """The character that a token stands for; nothing if it may be several."""
    text = token[1:] if token[0] == "\\" and not token[1:].isalnum() else token
    plain = len(text) == 1 and text.isascii() and (text is not token or token not in _SPECIAL | _PLACES)
    return text.encode() if plain else b""


def has_all(data: bytes, start: int, end: int, literals: Iterable[bytes]) -> bool:
    """Whether data[start:end] has all literals, in their order."""
    for literal in literals:
        at = data.find(literal, start, end)
        if at < 0:
            return False
        start = at + len(literal)
    return True


class Run(NamedTuple):
    """So many bytes of a class: `table`, for `bytes.translate`, makes 1 of each and 0 of others; `ones` are as many."""

    table: bytes
    ones: bytes


def required_run(program: Program) -> Run | None:
    """The longest run that stands in every match: one that no way through the program leaves out."""
    code: list[list[int]] = program.code.tolist()
    found: Run | None = None
    for at, (kind, number, least, _) in enumerate(code):
        longer = kind == GREEDY and least >= (_LEAST_RUN if found is None else len(found.ones) + 1)
        if longer and not _matches_without(code, at):
            found = Run(program.classes[number].tobytes(), b"\1" * least)
    return found


def _matches_without(code: Sequence[Sequence[int]], left_out: int) -> bool:
    """Whether a way through the program leaves out one of its instructions."""
    todo, seen = [0], {left_out}
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        kind, first, second, _ = code[at]
        if kind == MATCH:
            return True
        todo += [first, second] if kind == SPLIT else [first if kind == JUMP else at + 1]
    return False


def has_run(data: bytes, start: int, end: int, run: Run) -> bool:
    """Whether data[start:end] has the run."""
    return run.ones in data[start:end].translate(run.table)
