"""The JSON of suggestions. docs/suggest.schema.json describes it."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from detector.suggest.reading import Read
from detector.suggest.suggestion import Count, Covered, Refused, Suggestion, UnusedGrant
from detector.values.events import Grant
from detector.values.times import format_rfc3339

VERSION: Final = 1


class Settled(msgspec.Struct, frozen=True):
    """What was asked for: days, the tasks that must show that a part of a path varies, and what divides tasks."""

    days: int
    tasks: int
    by: str


def document(read: Read, made: Sequence[Suggestion], asked: Settled) -> str:
    """All suggestions as JSON: the same for the same history."""
    return json.dumps(
        {
            "version": VERSION,
            "window": {
                "from": None if read.until is None else format_rfc3339(max(0, read.since)),
                "to": None if read.until is None else format_rfc3339(read.until),
                "days": asked.days,
            },
            "by": asked.by,
            "min_tasks": asked.tasks,
            "suggestions": [_suggestion(each) for each in made],
            "unknown_credentials": dict(sorted(read.history.unknown.items())),
            "unreadable": dict(sorted(read.dead_letters.items())),
            "text_files": list(read.text),
        },
        indent=2,
    )


def _suggestion(made: Suggestion) -> dict[str, Any]:
    return {
        "task": {"by": made.kind.task.by, "name": made.kind.task.name},
        "credential": made.kind.credential,
        "tasks": made.tasks,
        "credentials": made.credentials,
        "used_by": _count(made.used_by),
        "enough": made.enough,
        "grants": [_grant(each) for each in made.grants],
        "covered": [_covered(each) for each in made.covered],
        "not_granted": [_refused(each) for each in made.refused],
        "never_used": [_unused(each) for each in made.unused],
        "never_used_known": not made.too_many_grants and made.without_grants < made.credentials,
        "credentials_without_grants": made.without_grants,
        "task_seconds": msgspec.to_builtins(made.lasted),
        "credential_seconds": {**msgspec.to_builtins(made.lived), "never_expire": made.undying},
        "seconds_after_end": msgspec.to_builtins(made.outlived),
        "networks": [{"network": each.network, **_count(each.count)} for each in made.networks],
        "from_services": _count(made.services),
    }


def _count(count: Count) -> dict[str, Any]:
    return {"uses": count.uses, "tasks": count.tasks, "tasks_at_least": count.at_least}


def _grant(grant: Grant) -> dict[str, Any]:
    found = {"actions": grant.actions, "resources": grant.resources}
    return {name: list(globs) for name, globs in found.items() if globs is not None}


def _covered(each: Covered) -> dict[str, Any]:
    return {"action": each.action, "resource": each.resource, "basis": each.basis, **_count(each.count)}


def _refused(each: Refused) -> dict[str, Any]:
    return {"why": each.why, "action": each.action, "resource": each.resource, **_count(each.count)}


def _unused(each: UnusedGrant) -> dict[str, Any]:
    return {
        "grant": _grant(each.grant),
        "credentials": each.credentials,
        "whole": each.whole,
        "actions": list(each.actions),
        "resources": list(each.resources),
    }
