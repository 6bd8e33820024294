"""Suggestions as the `permissions:` of a GitHub workflow.

The audit log has the route of each request. `_SCOPES` says which permission a route of a repository needs, by its
first words (docs.github.com, "Permissions required for GitHub Apps"). Reading needs `read`, all else `write`. What
the audit log of Git itself reports needs `contents`.
"""

from collections.abc import Sequence
from typing import Final

from detector.suggest.providers import GITHUB
from detector.suggest.suggestion import Covered
from detector.suggest.translation import Form, Notes, Translated, shown

_READS: Final = frozenset({"GET", "HEAD"})
_REPOSITORY: Final = (
    ("repos", 3),
    ("repositories", 2),
)  # how a route to a repository begins, and its segments
_GIT: Final = {"git.clone": "read", "git.fetch": "read", "git.push": "write"}
# By what follows the repository in a route, the longest first. None: no permission is needed (metadata).
_SCOPES: Final[dict[tuple[str, ...], str | None]] = {
    (): None,
    ("actions",): "actions",
    ("artifacts",): "actions",
    ("assignees",): "issues",
    ("attestations",): "attestations",
    ("branches",): "contents",
    ("check-runs",): "checks",
    ("check-suites",): "checks",
    ("code-scanning",): "security-events",
    ("codeowners",): "contents",
    ("commits",): "contents",
    ("commits", "*", "check-runs"): "checks",
    ("commits", "*", "check-suites"): "checks",
    ("commits", "*", "pulls"): "pull-requests",
    ("commits", "*", "status"): "statuses",
    ("commits", "*", "statuses"): "statuses",
    ("compare",): "contents",
    ("contents",): "contents",
    ("contributors",): None,
    ("dependency-graph",): "contents",
    ("deployments",): "deployments",
    ("discussions",): "discussions",
    ("dispatches",): "contents",
    ("environments",): "actions",
    ("events",): None,
    ("git",): "contents",
    ("issues",): "issues",
    ("labels",): "issues",
    ("languages",): None,
    ("license",): None,
    ("merges",): "contents",
    ("merge-upstream",): "contents",
    ("milestones",): "issues",
    ("pages",): "pages",
    ("pulls",): "pull-requests",
    ("pulls", "*", "merge"): "contents",
    ("readme",): "contents",
    ("releases",): "contents",
    ("secret-scanning",): "security-events",
    ("stargazers",): None,
    ("statuses",): "statuses",
    ("subscribers",): None,
    ("tags",): None,
    ("tarball",): "contents",
    ("topics",): None,
    ("zipball",): "contents",
}
# A workflow's token cannot get these at all (the administration of a repository).
_BEYOND: Final = (
    ("branches", "*", "protection"),
    ("actions", "secrets"),
    ("actions", "variables"),
    ("actions", "runners"),
)


def permissions(covered: Sequence[Covered], _name: str) -> Translated:
    """The block for a workflow or a job. Without any permission it is `permissions: {}`."""
    notes = Notes()
    access: dict[str, str] = {}
    for each in covered:
        for scope, level in _needed(each, notes):
            if access.get(scope) != "write":
                access[scope] = level
    if not access:
        return Translated("permissions: {}", notes.lines())
    lines = [f"  {scope}: {access[scope]}" for scope in sorted(access)]
    return Translated("\n".join(["permissions:", *lines]), notes.lines())


def _needed(each: Covered, notes: Notes) -> list[tuple[str, str]]:
    action = each.action or ""
    if action in _GIT:
        return [("contents", _GIT[action])]
    method, _, route = action.partition(" ")
    parts = _in_repository(route)
    if parts is None:
        notes.add(
            "the log does not say which permission of a repository it needs, so it is left out", shown(each)
        )
        return []
    scope = next((known for known in sorted(_SCOPES, key=len, reverse=True) if _begins(parts, known)), ())
    if not scope and parts:
        notes.add("no known permission covers this route, so it is left out", action)
        return []
    name, level = _SCOPES[scope], "read" if method in _READS else "write"
    if (name is None and level == "write") or any(_begins(parts, beyond) for beyond in _BEYOND):
        notes.add("a workflow's token cannot be given this: it takes an app or a token of its own", action)
        return []
    if name == "issues" and level == "write":
        notes.add("on a pull request this may also be done with pull-requests: write", action)
    return [] if name is None else [(name, level)]


def _in_repository(route: str) -> list[str] | None:
    """The parts of a route behind the repository; None if it is not about one."""
    parts = route.removeprefix("/").split("/") if route.startswith("/") else [""]
    for first, size in _REPOSITORY:
        if parts[0] == first and len(parts) >= size:
            return parts[size:]
    return None


def _begins(parts: Sequence[str], known: tuple[str, ...]) -> bool:
    return len(parts) >= len(known) and all(
        want in ("*", part) for want, part in zip(known, parts, strict=False)
    )


FORM: Final = Form(GITHUB, "GitHub", permissions)
