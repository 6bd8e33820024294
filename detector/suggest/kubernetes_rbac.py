"""Suggestions as RBAC of Kubernetes: a Role for each namespace, a ClusterRole for what has none.

The verbs of audit events are those of RBAC. A request to create, list or watch names no object when it is authorised,
so such a rule holds for all names; so does one whose names vary, because `resourceNames` has no globs.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import re2

from detector.suggest.generalise import Pattern
from detector.suggest.providers import KUBERNETES, is_group, name_place
from detector.suggest.resource_paths import Segment, Wild
from detector.suggest.suggestion import Covered
from detector.suggest.translation import Form, Notes, Translated, shown
from detector.values.errors import UsageError

_UNNAMED: Final = frozenset({"create", "list", "watch", "deletecollection"})
_WORD: Final = re2.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")  # of a verb, a resource, a name
_URL: Final = re2.compile(r"/[!-~]{0,1000}")
_LONGEST_NAME: Final = 63


class _Rule(NamedTuple):
    """Where a rule holds, without its verbs. A rule without a `resource` is for a path of the URL, its `name`."""

    namespace: str | None
    group: str
    resource: str
    name: str | None


def roles(covered: Sequence[Covered], name: str) -> Translated:
    """The roles as YAML, one document for each.

    Raises:
        UsageError: nothing can be written as a rule.
    """
    notes = Notes()
    verbs: defaultdict[_Rule, set[str]] = defaultdict(set)
    for each in covered:
        rule = _rule(each, notes)
        if rule is not None and each.action is not None:
            verbs[rule].add(each.action)
    if not verbs:
        raise UsageError(
            "suggest: nothing that these tasks did in Kubernetes can be written as a rule: "
            + "; ".join(notes.lines())
        )
    namespaces = sorted({rule.namespace for rule in verbs}, key=lambda one: (one is None, one))
    parts = [
        _role(
            _object_name(name),
            namespace,
            {rule: verbs[rule] for rule in verbs if rule.namespace == namespace},
        )
        for namespace in namespaces
    ]
    return Translated("---\n".join(parts).rstrip("\n"), notes.lines())


def _rule(each: Covered, notes: Notes) -> _Rule | None:
    if each.action is None or not _WORD.fullmatch(each.action):
        notes.add("no verb, so it is left out", shown(each))
        return None
    if each.pattern is None or each.resource is None:
        notes.add("the events name no resource, so it is left out", shown(each))
        return None
    if each.resource.startswith("/"):
        if not each.pattern.path.exact or not _URL.fullmatch(each.resource):
            notes.add("no path of a URL that a rule can name, so it is left out", shown(each))
            return None
        return _Rule(None, "", "", each.resource)
    return _object_rule(each, each.pattern, notes)


def _object_rule(each: Covered, pattern: Pattern, notes: Notes) -> _Rule | None:
    segments = pattern.path.segments
    width = len(segments)
    place = name_place(segments, width)
    if place is None or not place <= width <= place + 2:
        notes.add("no object that a rule can name, so it is left out", shown(each))
        return None
    named = segments[place] if width > place else None
    around = [part for index, part in enumerate(segments) if index != place]
    if not all(_is_word(part) for part in around) or not (
        named is None or isinstance(named, Wild) or _is_word(named)
    ):
        notes.add("no object that a rule can name, so it is left out", shown(each))
        return None
    group = int(is_group(segments[0]))
    resource = "/".join(str(part) for part in (segments[place - 1], *segments[place + 1 :]))
    if isinstance(named, Wild):
        notes.add("a rule has no globs for names, so it holds for all of them", shown(each))
        named = None
    if each.action in _UNNAMED and "/" not in resource:
        named = None
    return _Rule(
        str(segments[group + 1]) if place == group + 3 else None,
        str(segments[0]) if group else "",
        resource,
        named,
    )


def _is_word(part: Segment) -> bool:
    return isinstance(part, str) and _WORD.fullmatch(part) is not None


def _role(name: str, namespace: str | None, verbs: dict[_Rule, set[str]]) -> str:
    kind = "ClusterRole" if namespace is None else "Role"
    place = "" if namespace is None else f"  namespace: {_text(namespace)}\n"
    wide = {rule._replace(name=None): found for rule, found in verbs.items() if rule.name is None}
    grouped: defaultdict[tuple[str, str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for rule, found in verbs.items():
        # What holds for all names need not be said of one.
        left = found - wide.get(rule._replace(name=None), set()) if rule.name is not None else found
        if left:
            kind_of = "url" if not rule.resource else "names" if rule.name is not None else "all"
            grouped[kind_of, rule.group, rule.resource, tuple(sorted(left))].append(rule.name or "")
    lines = [
        "apiVersion: rbac.authorization.k8s.io/v1",
        f"kind: {kind}",
        "metadata:",
        f"  name: {_text(name)}",
    ]
    text = "\n".join(lines) + "\n" + place + "rules:\n"
    for (kind_of, group, resource, allowed), names in sorted(grouped.items()):
        if kind_of == "url":
            text += f"  - nonResourceURLs: {_list(names)}\n"
        else:
            text += f"  - apiGroups: {_list([group])}\n    resources: {_list([resource])}\n"
            if kind_of == "names":
                text += f"    resourceNames: {_list(names)}\n"
        text += f"    verbs: {_list(allowed)}\n"
    return text


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_text(text) for text in sorted(texts)) + "]"


def _text(text: str) -> str:
    return json.dumps(text)  # all texts here are ASCII that prints: a string of JSON is one of YAML


def _object_name(name: str) -> str:
    """A name that Kubernetes takes for an object, from that of a kind of task."""
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())[
        :_LONGEST_NAME
    ]
    return plain.strip("-") or "task"


FORM: Final = Form(KUBERNETES, "Kubernetes", roles)
