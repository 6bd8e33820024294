"""Suggestions as a policy of Vault or OpenBao, in HCL.

The operations of the audit device are the capabilities of a policy. `+` stands for one segment of a path, and a `*`
at the end for any rest. Of several paths that match a request, only the most specific counts; so each path has the
capabilities of the wider ones that match it too (developer.hashicorp.com, "Policies").
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from detector.suggest.generalise import Pattern
from detector.suggest.providers import VAULT
from detector.suggest.resource_paths import Segment, Wild
from detector.suggest.suggestion import Covered
from detector.suggest.translation import Form, Notes, Translated, shown
from detector.values.errors import UsageError
from detector.values.globs import compile_glob

_CAPABILITIES: Final = ("create", "read", "update", "patch", "delete", "list")
_UNQUOTABLE: Final = frozenset('"\\\\{}')  # quotes, and templates such as {{identity.entity.id}}
# Paths that also need `sudo` (the API reference, "Root-protected API endpoints").
_PROTECTED: Final = (
    "auth/token/accessors",
    "auth/token/accessors/",
    "auth/token/create-orphan",
    "auth/token/revoke-orphan",
    "pki/root",
    "pki/root/sign-self-issued",
    "sys/audit",
    "sys/audit/*",
    "sys/auth/*",
    "sys/config/auditing/request-headers*",
    "sys/config/cors",
    "sys/config/ui/headers*",
    "sys/internal/inspect/router/*",
    "sys/leases/lookup",
    "sys/leases/lookup/*",
    "sys/leases/revoke-force/*",
    "sys/leases/revoke-prefix/*",
    "sys/plugins/catalog/*",
    "sys/raw*",
    "sys/remount",
    "sys/revoke-force/*",
    "sys/revoke-prefix/*",
    "sys/rotate",
    "sys/seal",
    "sys/step-down",
)


def policy(covered: Sequence[Covered], _name: str) -> Translated:
    """The policy.

    Raises:
        UsageError: nothing can be written as a rule.
    """
    notes = Notes()
    capabilities: defaultdict[str, set[str]] = defaultdict(set)
    for each in covered:
        path = _path(each, notes)
        if path is not None and each.action is not None:
            capabilities[path].add(each.action)
            if any(compile_glob(glob)(path) for glob in _PROTECTED):
                capabilities[path].add("sudo")
    if not capabilities:
        raise UsageError(
            "suggest: nothing that these tasks did in Vault can be written as a rule: "
            + "; ".join(notes.lines())
        )
    _settle(capabilities, covered)
    rules = []
    for path in sorted(capabilities):
        names = [name for name in (*_CAPABILITIES, "sudo") if name in capabilities[path]]
        rules.append(f"path {_quoted(path)} {{\n  capabilities = [{', '.join(map(_quoted, names))}]\n}}")
    return Translated("\n\n".join(rules), notes.lines())


def _settle(capabilities: dict[str, set[str]], covered: Sequence[Covered]) -> None:
    """Gives the path that counts for a request what the request needs, if other paths match it too."""
    wide = {path: _Matcher(path) for path in sorted(capabilities, key=_priority) if _is_wide(path)}
    for path, found in capabilities.items():
        for wider, matches in wide.items():
            if wider != path and matches(path):
                found.update(capabilities[wider])
    if len(wide) < 2:  # noqa: PLR2004 - two that may overlap
        return
    for each in covered:
        for request in (
            each.pattern.texts if each.pattern is not None and each.action in _CAPABILITIES else ()
        ):
            counts = [path for path, matches in wide.items() if matches(request)]
            if counts and request not in capabilities:
                capabilities[counts[-1]].add(str(each.action))


def _priority(path: str) -> tuple[int, bool, int, int, str]:
    """Orders paths with wildcards as Vault does: of those that match a request the last one counts."""
    plus = [part == "+" for part in path.split("/")]
    first = len("/".join(path.split("/")[: plus.index(True)])) if any(plus) else len(path) - 1
    return first, not path.endswith("*"), -sum(plus), len(path), path


def _path(each: Covered, notes: Notes) -> str | None:
    if each.action not in _CAPABILITIES:
        notes.add("no operation that a policy names, so it is left out", shown(each))
        return None
    if each.pattern is None or not each.resource:
        notes.add("no path, so it is left out", shown(each))
        return None
    if not each.resource.isprintable() or set(each.resource) & _UNQUOTABLE:
        notes.add(
            "a path with characters that a policy does not quote alike everywhere, so it is left out",
            shown(each),
        )
        return None
    return _written(each, each.pattern, notes)


def _written(each: Covered, pattern: Pattern, notes: Notes) -> str:
    """A path as a policy has it. What a policy cannot say exactly is written a little wider."""
    pieces: list[str] = []
    segments, separators = pattern.path.segments, pattern.path.shape
    text = ""
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        separator = separators[index] if index < len(separators) else ""
        part = _segment(segment, last=last)
        if part is None or (separator == ":" and isinstance(segment, Wild)):
            notes.add(
                "written wider, because a policy's wildcards are a whole segment or the end of a path",
                shown(each),
            )
            part = part or "+"
        text += part + separator
    pieces.append(text)
    return "".join(pieces)


def _segment(segment: Segment, *, last: bool) -> str | None:
    """A segment as a policy has it; None if it has to be written wider."""
    if isinstance(segment, Wild):
        if not segment.head and not segment.tail:
            return "+"
        return f"{segment.head}*" if last and not segment.tail and "*" not in segment.head else None
    return None if segment == "+" or (last and segment.endswith("*")) else segment


def _is_wide(path: str) -> bool:
    return path.endswith("*") or "+" in path.split("/")


class _Matcher:
    """Whether a path of a policy matches all that another one does."""

    def __init__(self, path: str) -> None:
        self._prefix = path.endswith("*")
        self._parts = path.removesuffix("*").split("/")

    def __call__(self, path: str) -> bool:
        """Whether it matches all that `path` matches."""
        parts = path.removesuffix("*").split("/")
        if len(parts) < len(self._parts) or (
            not self._prefix and (len(parts) > len(self._parts) or path.endswith("*"))
        ):
            return False
        *whole, end = self._parts
        if any(mine not in ("+", part) for mine, part in zip(whole, parts, strict=False)):
            return False
        part = parts[len(whole)]
        return part.startswith(end) if self._prefix else end in ("+", part)


def _quoted(text: str) -> str:
    return f'"{text}"'


FORM: Final = Form(VAULT, "Vault", policy)
