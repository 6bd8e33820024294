"""Snowflake's statements that end a user's tokens: ALTER USER and DROP USER.

The syntax is that of docs.snowflake.com, "ALTER USER … REMOVE PROGRAMMATIC ACCESS TOKEN", "… MODIFY …", "ALTER USER"
and "DROP USER". Only the beginning of a statement is looked at, so that nothing in a string is taken for an option.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from detector.adapters.postgresql.statements import Token, tokens

_LONGEST: Final = 1 << 12  # characters
_MOST: Final = 16  # tokens
_IF_EXISTS: Final = ("if", "exists")
_SPELLINGS: Final = (("programmatic", "access", "token"), ("pat",))
_OFF: Final = ("set", "disabled", "=", "true")


class UserChange(NamedTuple):
    """What a statement ended: a token of a user, or all tokens if `token` is None.

    Names are as Snowflake keeps them.
    """

    user: str
    token: str | None = None


def user_change(statement: object, caller: str) -> UserChange | None:
    """What a statement of `caller` ended; None if nothing."""
    if not isinstance(statement, str):
        return None
    said = list(islice(tokens(statement[:_LONGEST]), _MOST))
    verb, rest = _words(said[:2]), said[2:]
    if _words(rest[:2]) == _IF_EXISTS:
        rest = rest[2:]
    if verb == ("drop", "user"):
        return UserChange(_name(rest[0])) if rest and _is_name(rest[0]) else None
    if verb != ("alter", "user") or not rest:
        return None
    own = _words(rest[:1]) in (("remove",), ("modify",)) and _spelling(rest[1:]) > 0
    user = caller if own else _name(rest[0])
    return _altered(user, rest if own else rest[1:])


def _altered(user: str, rest: Sequence[Token]) -> UserChange | None:
    """What `REMOVE PAT name`, `MODIFY PAT name SET DISABLED = TRUE` or `SET DISABLED = TRUE` ended."""
    if _words(rest[:4]) == _OFF:
        return UserChange(user)
    length = _spelling(rest[1:])
    if length == 0 or len(rest) <= length + 1 or not _is_name(rest[length + 1]):
        return None
    ended = _words(rest[:1]) == ("remove",)
    ended |= _words(rest[:1]) == ("modify",) and _words(rest[length + 2 : length + 6]) == _OFF
    return UserChange(user, _name(rest[length + 1])) if ended else None


def _spelling(rest: Sequence[Token]) -> int:
    """How many words say that a token is meant; 0 if none do."""
    return next((len(words) for words in _SPELLINGS if _words(rest[: len(words)]) == words), 0)


def _words(found: Sequence[Token]) -> tuple[str, ...]:
    return tuple("" if token.kind == "name" else token.text for token in found)


def _is_name(token: Token) -> bool:
    return token.kind in ("word", "name")


def _name(token: Token) -> str:
    """A name as Snowflake keeps it: in upper case, unless it stands in quotes."""
    return token.text if token.kind == "name" else token.text.upper()
