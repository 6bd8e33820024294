"""Reading a regex's text: its literals and its groups, without compiling it (RE2 and Go syntax)."""

from collections.abc import Iterator
from typing import Final

_QUANTIFIERS: Final = frozenset("*?{")
_LEAST: Final = 8  # times at least: a shorter leading part would fire too often
_SPREAD: Final = 16  # ends of one match: fewer are no cost
_SPECIAL: Final = frozenset(".^$|()[]{}*+?\\")


def capture_groups(regex: str) -> list[int]:
    """Where each capturing group opens, in order: offsets of their `(`."""
    groups = []
    for offset, token in _tokens(regex):
        if token != "(":  # noqa: S105 - a token of a regex
            continue
        rest = regex[offset + 1 : offset + 4]
        if (
            not rest.startswith("?")
            or rest.startswith("?P<")
            or (rest.startswith("?<") and rest[2:3] not in "=!")
        ):
            groups.append(offset)
    return groups


def group_names(regex: str) -> list[str]:
    """The names of the named groups, in order."""
    openings = (
        regex[at + 1 : regex.find(">", at)] for at in capture_groups(regex) if regex[at + 1 : at + 2] == "?"
    )
    return [opening.partition("<")[2] for opening in openings]


def name_group(regex: str, offset: int) -> str:
    """The regex with the group that opens at `offset` named `secret`, whatever it was called."""
    body = offset + 1
    if regex[body : body + 1] == "?":
        body = regex.index(">", body) + 1
    return f"{regex[: offset + 1]}?P<secret>{regex[body:]}"


def longest_literal(regex: str) -> str:
    """The longest run of plain characters that stands in the regex (one of several alternatives, perhaps)."""
    longest = run = ""
    for offset, token in _tokens(regex):
        following = regex[offset + len(token) : offset + len(token) + 1]
        plain = token if token not in _SPECIAL and len(token) == 1 else ""
        if token[0] == "\\" and len(token) == 2 and not token[1].isalnum():  # noqa: PLR2004 - an escaped mark
            plain = token[1]
        if not plain or (following in _QUANTIFIERS and following):
            run = ""
            continue
        run += plain
        longest = max(longest, run, key=len)
    return longest


def token_texts(regex: str) -> list[str]:
    """Each character, escape, class, group opening with its flags or name, and counted repeat, as it is written."""
    return [regex[at : at + _token_size(regex, at)] for at, _ in _tokens(regex)]


def _tokens(regex: str) -> Iterator[tuple[int, str]]:
    """Offset and text of each character, escape, class, group opening (`(`) and counted repeat."""
    at = 0
    while at < len(regex):
        size = _token_size(regex, at)
        yield at, "(" if regex[at] == "(" else regex[at : at + size]
        at += size


def _token_size(regex: str, at: int) -> int:
    char = regex[at]
    if char == "\\":
        return 2
    if char == "[":
        return _class_size(regex, at)
    if char == "{":
        end = regex.find("}", at)
        counted = end > 0 and set(regex[at + 1 : end]) <= set("0123456789,")
        return end + 1 - at if counted else 1
    if regex.startswith("(?", at):
        return _opening_size(regex, at)
    return 1


def _opening_size(regex: str, at: int) -> int:
    """Of `(?:`, `(?i)`, `(?i:`, `(?P<name>`, `(?=`, `(?<!`: all that is no regex yet."""
    for lookaround in ("(?=", "(?!", "(?<=", "(?<!"):
        if regex.startswith(lookaround, at):
            return len(lookaround)
    for end in range(at + 2, len(regex)):
        char = regex[end]
        if char in ":>":
            return end + 1 - at
        if char == ")":
            return end - at
    return len(regex) - at


def _class_size(regex: str, at: int) -> int:
    end = at + 1
    if regex[end : end + 1] == "^":
        end += 1
    if regex[end : end + 1] == "]":
        end += 1
    while end < len(regex):
        if regex[end] == "\\":
            end += 2
        elif regex.startswith("[:", end):
            end = max(end + 2, regex.find(":]", end) + 2)
        elif regex[end] == "]":
            return end + 1 - at
        else:
            end += 1
    return len(regex) - at


def without_lookarounds(regex: str) -> str:
    """The regex with every `(?=…)`, `(?!…)`, `(?<=…)` and `(?<!…)` taken out: it matches at least where it did."""
    kept: list[str] = []
    depth = 0  # of groups within a lookaround
    for offset, token in _tokens(regex):
        opening = token == "("  # noqa: S105 - a token of a regex
        if depth:
            depth += {"(": 1, ")": -1}.get(token, 0)
        elif opening and regex.startswith(("(?=", "(?!", "(?<=", "(?<!"), offset):
            depth = 1
        else:
            kept.append(regex[offset : offset + _token_size(regex, offset)])
    return "".join(kept)


def without_layout(regex: str) -> str:
    """A regex written with Python's `re.VERBOSE`, without its blanks and comments."""
    kept: list[str] = []
    comment = False
    for offset, token in _tokens(regex):
        if comment:
            comment = "\n" not in token
        elif token == "#":  # noqa: S105 - a token of a regex
            comment = True
        elif not token.isspace():
            kept.append(regex[offset : offset + _token_size(regex, offset)])
    return "".join(kept)


def leading_part(regex: str) -> str:
    """The regex up to the first long repeat, that at its least: it matches wherever the regex does, and earlier.

    `key=([a-z]{20,500})(?:;|$)` gives `key=([a-z]{20})`. For a first pass: it compiles in half the time, and fires once
    where the whole fires at each of 480 ends. Cut is only what every match has to go through: no alternative, no group
    that may be left out or repeated.
    """
    tokens = [(at, regex[at : at + _token_size(regex, at)]) for at, _ in _tokens(regex)]
    passed = _groups_always_passed(tokens)
    if passed is None or r"\Q" in regex:
        return regex
    open_groups: list[int] = []
    for number, (at, token) in enumerate(tokens):
        if token[0] == "(":
            open_groups.append(number)
        elif token == ")":  # noqa: S105 - a token of a regex
            open_groups.pop()
        elif token[0] == "{" and len(token) > 1 and passed.issuperset(open_groups):
            least, comma, most = token[1:-1].partition(",")
            several = tokens[number - 1][1] == ")" or not comma  # a whole group repeated, or a fixed number
            if not several and int(least or 0) >= _LEAST and (not most or int(most) - int(least) >= _SPREAD):
                return f"{regex[:at]}{{{least}}}{')' * len(open_groups)}"
    return regex


def _groups_always_passed(tokens: list[tuple[int, str]]) -> set[int] | None:
    """The groups (numbers of their opening tokens) that have no `|` and are neither optional nor repeated.

    None if the regex as a whole is alternatives, or its groups do not close.
    """
    passed: set[int] = set()
    stack: list[tuple[int, bool]] = []
    for number, (_, token) in enumerate(tokens):
        if token[0] == "(":
            stack.append((number, False))
        elif token == "|":  # noqa: S105 - a token of a regex
            if not stack:
                return None
            stack[-1] = (stack[-1][0], True)
        elif token == ")":  # noqa: S105 - a token of a regex
            if not stack:
                return None
            opening, alternatives = stack.pop()
            following = tokens[number + 1][1][0] if number + 1 < len(tokens) else ""
            if not alternatives and following not in set("*?+{"):
                passed.add(opening)
    return None if stack else passed
