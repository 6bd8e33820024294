"""gitleaks-style TOML (`[[rules]]`) as our own pattern entries.

gitleaks' `config` reference (version 8): `id`, `description`, `regex`, `secretGroup`, `entropy`, `keywords`,
`allowlists` / `allowlist` of a rule and of the file. What only makes sense for a repository (`path`, `paths`,
`commits`) has no meaning for logs.
"""

from collections.abc import Callable
from typing import Any, Final

from detector.patterns.literals import capture_groups, name_group
from detector.values.errors import ConfigError
from detector.values.toml_file import Key, TomlFile

Warn = Callable[[ConfigError], None]

_TOP: Final = frozenset({"title", "description", "minVersion", "rules", "allowlist", "allowlists", "extend"})
_RULE: Final = frozenset(
    {
        "id",
        "description",
        "regex",
        "secretGroup",
        "entropy",
        "keywords",
        "tags",
        "path",
        "allowlist",
        "allowlists",
        "skipReport",
    }
)
_ALLOW: Final = frozenset(
    {"description", "condition", "regexes", "regexTarget", "stopwords", "paths", "commits"}
)
_TARGETS: Final = {"": "secret", "secret": "secret", "match": "match", "line": "line"}
_SEVERITY: Final = "high"  # gitleaks states none


def translate(file: TomlFile, warn: Warn) -> list[dict[str, Any] | None]:
    """The rules as entries of our own format, in their order; None for one that looks at file names alone.

    Raises:
        ConfigError: a rule says something that would change what it finds and is not supported.
    """
    for key in file.data:
        if key not in _TOP:
            raise file.error(f"unknown key `{key}` of a gitleaks configuration", key)
    if "extend" in file.data:
        raise file.error("`extend` is not supported: name the other file as well", "extend")
    rules = file.data["rules"]
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise file.error("`rules` is a list of tables: [[rules]]", "rules")
    everywhere = _allowlists(file, file.data, (), warn)
    return [_rule(file, rule, ("rules", index), everywhere, warn) for index, rule in enumerate(rules)]


def _rule(
    file: TomlFile, rule: dict[str, Any], at: tuple[Key, ...], everywhere: list[dict[str, Any]], warn: Warn
) -> dict[str, Any] | None:
    for key in rule:
        if key not in _RULE:
            raise file.error(f"`{key}` of a rule is not supported", *at, key)
    if rule.get("skipReport"):
        raise file.error("`skipReport` is not supported: it serves composite rules", *at, "skipReport")
    if "regex" not in rule and "path" in rule:
        warn(file.error("a rule without `regex` looks at file names, and logs have none: ignored", *at))
        return None
    if not isinstance(rule.get("regex"), str):
        raise file.error("`regex` is missing, or not text", *at)
    if "path" in rule:
        warn(file.error("`path` has no meaning for logs: the rule applies everywhere", *at, "path"))
    checks: list[dict[str, Any]] = []
    if rule.get("entropy"):
        checks.append({"kind": "min-entropy", "bits": rule["entropy"]})
    checks += _allowlists(file, rule, at, warn) + everywhere
    return {
        "id": rule.get("id", ""),
        "name": rule.get("description") or rule.get("id", ""),
        "family": "gitleaks",
        "regex": _with_secret(file, rule, at),
        "keywords": rule.get("keywords", []),
        "severity": _SEVERITY,
        "checks": checks,
    }


def _with_secret(file: TomlFile, rule: dict[str, Any], at: tuple[Key, ...]) -> str:
    """The regex with the group that holds the secret named: `secretGroup`, else the first, else all of it."""
    regex: str = rule["regex"]
    groups = capture_groups(regex)
    number = rule.get("secretGroup", 0)
    if not isinstance(number, int) or not 0 <= number <= len(groups):
        raise file.error("`secretGroup` is not a group of the regex", *at, "secretGroup")
    if groups:
        return name_group(regex, groups[max(0, number - 1)])
    return f"(?P<secret>{regex})"


def _allowlists(
    file: TomlFile, owner: dict[str, Any], at: tuple[Key, ...], warn: Warn
) -> list[dict[str, Any]]:
    """The allowlists of a rule, or of the file, as checks."""
    checks = []
    lists: list[tuple[tuple[Key, ...], Any]] = []
    if "allowlist" in owner:
        lists.append(((*at, "allowlist"), owner["allowlist"]))
    several = owner.get("allowlists", [])
    lists += [((*at, "allowlists", index), entry) for index, entry in enumerate(several)]
    for where, entry in lists:
        check = _allowlist(file, entry, where, warn)
        if check is not None:
            checks.append(check)
    return checks


def _allowlist(file: TomlFile, entry: Any, at: tuple[Key, ...], warn: Warn) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        raise file.error("an allowlist is a table", *at)
    for key in entry:
        if key not in _ALLOW:
            raise file.error(f"`{key}` of an allowlist is not supported", *at, key)
    condition = str(entry.get("condition", "OR")).upper()
    if condition not in {"OR", "AND", "||", "&&"}:
        raise file.error('`condition` is "OR" or "AND"', *at, "condition")
    both = condition in {"AND", "&&"}
    target = _TARGETS.get(str(entry.get("regexTarget", "")).lower())
    if target is None:
        raise file.error("`regexTarget` is `secret`, `match` or `line`", *at, "regexTarget")
    for key in ("paths", "commits"):
        if entry.get(key):
            meaning = "the allowlist never applies" if both else "that part is ignored"
            warn(file.error(f"`{key}` has no meaning for logs: {meaning}", *at, key))
            if both:
                return None
    regexes, stopwords = entry.get("regexes", []), entry.get("stopwords", [])
    if not regexes and not stopwords:
        return None
    return {
        "kind": "allowlist",
        "regexes": regexes,
        "stopwords": stopwords,
        "target": target,
        "both": both and bool(regexes) and bool(stopwords),
    }
