"""The patterns: what a secret of each family looks like, and the evidence for it, read from TOML files.

A file is either our own (`family`, then `[[pattern]]` tables) or gitleaks-style (`[[rules]]`). A pattern that
cannot be used is refused with its file, line and reason; none is skipped in silence.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from detector.patterns.checks import PROOFS, Check, build_check
from detector.patterns.file_cache import FileCache, cache_folder, name_of
from detector.patterns.gitleaks import translate
from detector.patterns.jwt import read_jwt
from detector.patterns.literals import longest_literal
from detector.patterns.regexes import BadRegexError, Regex
from detector.values import toml_file
from detector.values.errors import ConfigError
from detector.values.events import Identifier
from detector.values.findings import Severity
from detector.values.secrets import Secret
from detector.values.toml_file import TomlFile

JWT_ID: Final = "jwt-id"
_KEPT: Final = 4  # files of parsed patterns
_MIN_LITERAL: Final = 3  # characters; a regex with such a literal can be found by it
_ID: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_ANY_ID: Final = _ID | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_.:")


class CheckSpec(msgspec.Struct, frozen=True):
    """A check as the file has it: its name and its parameters."""

    kind: str
    parameters: Mapping[str, Any] = {}

    def build(self) -> Check:
        """The check itself.

        Raises:
            ValueError: as `build_check`.
        """
        return build_check(self.kind, self.parameters)


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pattern. `regex` is RE2 with one group `secret`; `keywords` are lower case.

    `by_keywords` has the first pass look for the keywords instead of the regex. `generic` loses to any other pattern
    over the same bytes (`password=…` around a vendor's token); `placeholder_ok` turns the check `not-placeholder`
    off. `identifier` is the scheme of the public identifier that the secret is, or carries. `named` instead of a
    regex: what a name says of a value (`detector.scan.names`). `path` and `line` say where the pattern stands.
    """

    id: str
    name: str
    severity: Severity
    regex: str = ""
    family: str = ""
    keywords: tuple[str, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    identifier: str | None = None
    multiline: bool = False
    by_keywords: bool = False
    generic: bool = False
    named: Literal["secret", "password"] | None = None
    placeholder_ok: bool = False
    reference: str = ""
    advice: str = ""
    revoke: str = ""
    examples: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()
    path: str = ""
    line: int | None = None

    @property
    def proven(self) -> bool:
        """Whether a checksum or a structure is checked, which no look-alike has."""
        return any(check.kind in PROOFS for check in self.checks)

    def error(self, reason: str) -> ConfigError:
        """A ConfigError about this pattern, where it stands."""
        return ConfigError(f"pattern `{self.id}`: {reason}", self.path, self.line)


def public_identifiers(pattern: Pattern, secret: Secret) -> tuple[Identifier, ...]:
    """The public identifiers that a secret of that pattern carries in clear.

    For `jwt-id` the token's `jti`, as it is and as Kubernetes' audit log prints it (`JTI=…`, KEP-4193), read
    without verifying. None if its signature cannot be one: a `jti` is public, and anybody can write a token around it.
    For any other scheme the match itself (an AWS access key id), which is no leak then.
    """
    if pattern.identifier is None:
        return ()
    if pattern.identifier == JWT_ID:
        token = read_jwt(secret.reveal())
        jti = token.text("jti") if token is not None and token.may_be_signed else None
        return () if not jti else (Identifier(JWT_ID, jti), Identifier(JWT_ID, f"JTI={jti}"))
    return (Identifier(pattern.identifier, secret.reveal().decode("utf-8", "replace")),)


def finds_public_ids(pattern: Pattern) -> bool:
    """Whether what the pattern finds is itself a public identifier, which is no secret."""
    return pattern.identifier is not None and pattern.identifier != JWT_ID


def load_bundled() -> tuple[Pattern, ...]:
    """The patterns that come with the program: from `patterns/` in a checkout, else from inside the package.

    Parsing them takes longer than scanning a few lines, so what comes of it is kept in the user's cache folder.

    Raises:
        ConfigError: one is wrong, or lacks what a bundled pattern must have.
    """
    package = Path(__file__).parent.parent
    checkout = (
        package.parent / "pyproject.toml"
    ).is_file()  # an editable install leaves copies in the package
    folder = package.parent / "patterns" if checkout else package / "pattern_files"
    names = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))  # noqa: PTH208 - three hundred
    contents = {f"{folder}{os.sep}{name}": (folder / name).read_bytes() for name in names}
    code = {path: Path(path).read_bytes() for path in (__file__, toml_file.__file__)}
    cache = FileCache(cache_folder(os.environ), ".patterns", _KEPT)
    return cache.kept_or_made(name_of(contents | code), tuple[Pattern, ...], lambda: _parse_bundled(contents))


def _parse_bundled(contents: Mapping[str, bytes]) -> tuple[Pattern, ...]:
    # Their regexes were compiled when they were tested: a fifth of a second saved.
    patterns = [
        pattern
        for path, content in contents.items()
        for pattern in _load(TomlFile.parse(path, content), None, tested=True)
    ]
    for pattern in patterns:
        for field in ("examples", "near_misses", "reference", "advice", "revoke", "family"):
            if not getattr(pattern, field):
                raise pattern.error(f"`{field}` is missing: a bundled pattern carries its evidence")
    return distinct(patterns)


def distinct(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """The patterns in their order.

    Raises:
        ConfigError: two have one id; it names both places.
    """
    seen: dict[str, Pattern] = {}
    for pattern in patterns:
        if pattern.id in seen:
            other = seen[pattern.id]
            where = f"{other.path}:{other.line}" if other.line is not None else other.path
            raise pattern.error(f"the id is taken by {where or 'another pattern'}")
        seen[pattern.id] = pattern
    return tuple(seen.values())


def load_file(path: str, warn: Callable[[ConfigError], None] | None = None) -> tuple[Pattern, ...]:
    """The patterns of one file, of either format.

    `warn` is told of what a gitleaks-style file says that has no meaning for logs and is left aside.

    Raises:
        ConfigError: the file cannot be read, or a pattern in it is wrong; with line and reason.
    """
    return _load(TomlFile.read(path), warn, tested=False)


def _load(file: TomlFile, warn: Callable[[ConfigError], None] | None, *, tested: bool) -> tuple[Pattern, ...]:
    table = "pattern"
    entries: Sequence[dict[str, Any] | None]
    if "rules" in file.data and "pattern" not in file.data:
        table, entries = "rules", translate(file, warn or (lambda _: None))
    else:
        entries = _own_entries(file)
    patterns = []
    for index, entry in enumerate(entries):
        if entry is None:
            continue
        pattern = _build(file, (table, index), entry)
        if not tested:
            _validate(file, (table, index), pattern, own=table == "pattern")
        patterns.append(pattern)
    return distinct(patterns)


def _own_entries(file: TomlFile) -> list[dict[str, Any]]:
    for key in file.data:
        if key not in {"family", "pattern"}:
            raise file.error(f"unknown key `{key}`; a pattern file has `family` and `[[pattern]]`", key)
    entries = file.data.get("pattern")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise file.error("no `[[pattern]]` and no `[[rules]]` in it", "pattern")
    family = file.data.get("family", "")
    if not isinstance(family, str):
        raise file.error("`family` must be text", "family")
    for index, entry in enumerate(entries):
        for key in ("path", "line", "family"):
            if key in entry:
                raise file.error(f"unknown key `{key}`", "pattern", index, key)
    return [{"family": family, **entry} for entry in entries]


def _build(file: TomlFile, at: tuple[str, int], entry: dict[str, Any]) -> Pattern:
    severity = entry.get("severity")
    levels = [level.label for level in Severity]
    if severity not in levels:
        raise file.error(f"`severity` is one of {', '.join(levels)}", *at, "severity")
    checks = entry.get("checks", [])
    if not isinstance(checks, list) or not all(isinstance(check, dict) for check in checks):
        raise file.error("`checks` is a list of tables, each with a `kind`", *at, "checks")
    specs = [
        {"kind": check.get("kind", ""), "parameters": {k: v for k, v in check.items() if k != "kind"}}
        for check in checks
    ]
    built = entry | {
        "severity": Severity.of(severity),
        "checks": specs,
        "path": file.path,
        "line": file.line(*at),
    }
    try:
        pattern = msgspec.convert(built, Pattern)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`").partition("[")[0]
        message = reason.replace("Object ", "a pattern ").replace("unknown field", "unknown key")
        raise file.error(f"{message} (`{key}`)" if key else message, *at, *((key,) if key else ())) from None
    return msgspec.structs.replace(pattern, keywords=tuple(word.lower() for word in pattern.keywords))


def _validate(file: TomlFile, at: tuple[str, int], pattern: Pattern, *, own: bool) -> None:
    allowed = _ID if own else _ANY_ID
    if not pattern.id or not allowed.issuperset(pattern.id):
        raise file.error("`id` is lower-case letters, digits and hyphens", *at, "id")
    if not pattern.name:
        raise file.error(f"pattern `{pattern.id}`: `name` is empty", *at, "name")
    if pattern.named is None:
        _validate_regex(file, at, pattern, own=own)
    elif pattern.regex or pattern.keywords or pattern.multiline:
        raise file.error(f"pattern `{pattern.id}`: `named` has no regex and no keywords", *at, "named")
    for check in pattern.checks:
        try:
            check.build()
        except ValueError as error:
            raise file.error(f"pattern `{pattern.id}`: {error}", *at, "checks") from None


def _validate_regex(file: TomlFile, at: tuple[str, int], pattern: Pattern, *, own: bool) -> None:
    try:
        Regex(pattern.regex, multiline=pattern.multiline)
    except BadRegexError as error:
        raise file.error(f"pattern `{pattern.id}`: regex: {error}", *at, "regex") from None
    for word in pattern.keywords:
        if not word or not word.isascii():
            raise file.error(f"pattern `{pattern.id}`: a keyword is empty or not ASCII", *at, "keywords")
    literal = longest_literal(pattern.regex)
    if not pattern.keywords and (pattern.multiline or (own and len(literal) >= _MIN_LITERAL)):
        raise file.error(
            f"pattern `{pattern.id}`: `keywords` is empty"
            + (f": a part of `{literal}` would do" if literal else ", and a multi-line pattern needs one"),
            *at,
            "keywords",
        )
