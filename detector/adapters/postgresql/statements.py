"""Reads the statements about roles that PostgreSQL's audit log shows: which roles, and which options.

Only words, names and strings are told apart, by PostgreSQL's lexical rules. So a name in quotes or in a string is never
taken for a statement. pgaudit cuts a statement after PASSWORD.
"""

import re  # over one class of tokens after the other, each bounded by its own end
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_LONGEST: Final = 1 << 14  # characters of a statement
_MOST_ROLES: Final = 100  # of one statement
_TOKEN: Final = re.compile(
    r"""\s+|--[^\n]*|(?P<comment>/\*)|"(?P<quoted>(?:[^"]|"")*+)"|(?P<escaped>[eE])?'(?P<string>(?:[^']|'')*+)'"""
    r"""|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|(?P<word>[^\W\d][\w$]*)|(?P<other>.)""",
    re.DOTALL,
)
_BLOCKS: Final = {"comment": "*/", "dollar": ""}  # and what ends each; empty: what began it
_LISTS: Final = frozenset({"role", "group", "user", "admin", ","})  # names follow
_SETTINGS: Final = frozenset({"set", "reset", "rename"})  # no options follow
_LOGIN: Final = {"login": True, "nologin": False}
_ROLE: Final = frozenset({"role", "user", "group"})
_NO_NAMES: Final = frozenset({"all", "current_role", "current_user", "session_user"})


class Token(NamedTuple):
    """`kind` is `word` (in lower case), `name` (in quotes), `string` or `other`."""

    kind: str
    text: str


class RoleStatement(NamedTuple):
    """A statement about roles. `verb`: `create`, `alter`, `drop` or `comment`.

    - `login`: what it says of LOGIN; None if nothing.
    - `valid_until`, `comment`: the string behind VALID UNTIL, or of the comment.
    """

    verb: str
    roles: tuple[str, ...]
    login: bool | None = None
    valid_until: str | None = None
    comment: str | None = None


def role_statements(text: str) -> Iterator[RoleStatement]:
    """Those in a text, which may hold several statements. Others are skipped."""
    statement: list[Token] = []
    for token in (*tokens(text[:_LONGEST]), Token("other", ";")):
        if token != ("other", ";"):
            statement.append(token)
            continue
        read = _read(statement)
        if read is not None:
            yield read
        statement = []


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text; what is not ended, ends it."""
    place = 0
    while (match := _TOKEN.match(text, place)) is not None:
        kind, place = match.lastgroup, match.end()
        if kind in _BLOCKS:
            closing = _BLOCKS[kind] or match[0]
            end = text.find(closing, place)
            if end < 0:
                return
            if kind == "dollar":
                yield Token("string", text[place:end])
            place = end + len(closing)
        elif kind is not None:
            token = _token(kind, match)
            if token is None:
                return
            yield token


def _token(kind: str, match: "re.Match[str]") -> Token | None:
    """A token that is matched as a whole; None for one whose end cannot be told."""
    if kind == "word":
        return Token(kind, match[0].lower())
    if kind == "quoted":
        return Token("name", match[kind].replace('""', '"'))
    if kind == "string":
        escapes = (
            match["escaped"] is not None and "\\" in match[kind]
        )  # its end and its value follow other rules
        return None if escapes else Token(kind, match[kind].replace("''", "'"))
    return None if match[0] in "\"'" else Token(kind, match[0])


def _read(statement: Sequence[Token]) -> RoleStatement | None:
    words = [token.text if token.kind == "word" else "" for token in statement[:4]]
    if words[:2] == ["comment", "on"] and words[2:3] == ["role"]:
        return _commented(statement)
    verb = words[0] if words else ""
    if verb not in {"create", "alter", "drop"} or len(words) < 3 or words[1] not in _ROLE:  # noqa: PLR2004 - verb, ROLE, name
        return None
    rest = list(statement[2:])
    if [token.text for token in rest[:2]] == ["if", "exists"]:
        rest = rest[2:]
    if verb == "drop":
        names = [token.text for token in rest[::2][:_MOST_ROLES] if _is_name(token)]
        return RoleStatement(verb, tuple(names))
    if not rest or not _is_name(rest[0]):
        return None
    login = True if verb == "create" and words[1] == "user" else None
    return RoleStatement(verb, (rest[0].text,), *_options(rest[1:], login))


def _options(rest: Sequence[Token], login: bool | None) -> tuple[bool | None, str | None]:  # noqa: FBT001 - what was known before
    """What is said of LOGIN and VALID UNTIL. A name after IN ROLE is no option."""
    until, before = None, Token("other", "")
    for token, after in zip(rest, [*rest[1:], before], strict=False):
        named = before.text in _LISTS and before.kind in {"word", "other"}
        if token.kind == "word" and not named:
            if token.text in _SETTINGS:
                break
            login = _LOGIN.get(token.text, login)
            if (before.text, token.text, after.kind) == ("valid", "until", "string"):
                until = after.text
        before = token
    return login, until


def _commented(statement: Sequence[Token]) -> RoleStatement | None:
    """COMMENT ON ROLE name IS 'text'."""
    if len(statement) != 6 or not _is_name(statement[3]) or statement[5].kind != "string":  # noqa: PLR2004 - as above
        return None
    return RoleStatement("comment", (statement[3].text,), comment=statement[5].text)


def _is_name(token: Token) -> bool:
    return token.kind == "name" or (token.kind == "word" and token.text not in _NO_NAMES)
