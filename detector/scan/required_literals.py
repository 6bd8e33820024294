"""The literals that stand in every match of a regex: where one of them is missing, nothing has to be searched."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from detector.patterns.literals import token_texts

_LEAST: Final = 4  # bytes
_SECRET: Final = "(?P<secret>"  # noqa: S105 - an opening of a regex
_PLACES: Final = frozenset((r"\b", r"\B", "^", "$"))
_SPECIAL: Final = frozenset(".|()[]{}*+?\\")
_REPEATS: Final = "*+?{"


def required_literals(regex: str) -> tuple[bytes, ...]:
    """Those of four bytes and more, in their order, none overlapping. What stands in other groups than `secret` is left out."""
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
