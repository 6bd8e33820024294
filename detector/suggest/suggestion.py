"""The suggestion for one kind of task and credential: the smallest grants, and what they rest on.

A grant covers each pair of its actions and resources. So actions share a grant only if they were done to exactly the
same resources: nothing is covered that nobody did.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec

from detector.suggest.generalise import MANY, Pattern, patterns_of
from detector.suggest.history import History, Kind, KindHistory
from detector.suggest.providers import may_vary
from detector.suggest.spans import Spans, spans_of
from detector.suggest.task_sample import TaskSample
from detector.suggest.use_table import Action, UseTable, paths
from detector.values.events import Grant
from detector.values.globs import GlobSet, compile_glob, overlap

_MOST_COMPARED: Final = 20_000_000  # globs of grants by what was done: some seconds


class Count(msgspec.Struct, frozen=True):
    """How many uses by how many tasks. `at_least`: there were more tasks than are counted."""

    uses: int
    tasks: int
    at_least: bool = False


class Covered(msgspec.Struct, frozen=True):
    """One action on one suggested resource. `resource` is None where no use named one. `path` is the resource's."""

    action: str | None
    resource: str | None
    basis: str
    count: Count
    provider: str
    pattern: Pattern | None


class Refused(msgspec.Struct, frozen=True):
    """What was done or tried and is not granted: `why` is `denied`, a rule, or what is wrong with the action."""

    why: str
    action: str | None
    resource: str | None
    count: Count


class UnusedGrant(msgspec.Struct, frozen=True):
    """A grant, or a part of it, that covered no successful use. `credentials` had it.

    `actions` and `resources` are its globs that nothing matched; `whole`: nothing that was done matched it.
    """

    grant: Grant
    credentials: int
    whole: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]


class NetworkCount(msgspec.Struct, frozen=True):
    """A network that uses came from, as CIDR."""

    network: str
    count: Count


class Suggestion(msgspec.Struct, frozen=True):
    """What is suggested for one kind of task with one kind of credential.

    - `grants` cover what was done; `covered` says for each action and resource what it rests on.
    - `enough`: as many tasks did something as have to show that a part of a path varies.
    - `tasks` and `credentials` are all that there were, `used_by` those with a successful use.
    - `without_grants` credentials have no known grants. `too_many_grants`: there were too many to compare.
    """

    kind: Kind
    grants: tuple[Grant, ...]
    covered: tuple[Covered, ...]
    refused: tuple[Refused, ...]
    unused: tuple[UnusedGrant, ...]
    too_many_grants: bool
    without_grants: int
    enough: bool
    uses: int
    used_by: Count
    tasks: int
    credentials: int
    undying: int
    lasted: Spans
    lived: Spans
    outlived: Spans
    networks: tuple[NetworkCount, ...]
    services: Count


def suggestions(history: History, tasks: int) -> list[Suggestion]:
    """The suggestions for all kinds, in order. `tasks` is how many must show that a part of a path varies."""
    return [suggestion(kind, history.kinds[kind], tasks) for kind in sorted(history.kinds)]


def suggestion(kind: Kind, found: KindHistory, tasks: int) -> Suggestion:
    """The suggestion for one kind."""
    covered = _covered(found.done, tasks)
    count = _count(sum(each.count.uses for each in covered), found.used_by)
    texts = sum(len(each.pattern.texts) for each in covered if each.pattern is not None)
    globs = sum(len(grant.actions or ()) + len(grant.resources or ()) for grant in found.grants)
    too_many = found.more_grants or globs * (texts + len(covered)) > _MOST_COMPARED
    unused = () if too_many else tuple(_unused(found, covered))
    return Suggestion(
        kind=kind,
        grants=_grants(covered),
        covered=tuple(covered),
        refused=tuple(_refused(found)),
        unused=unused,
        too_many_grants=too_many,
        without_grants=found.unjudged,
        enough=len(found.used_by) >= tasks,
        uses=count.uses,
        used_by=count,
        tasks=len(found.tasks),
        credentials=found.credentials,
        undying=found.undying,
        lasted=spans_of(found.lasted),
        lived=spans_of(found.lived),
        outlived=spans_of(found.outlived),
        networks=tuple(
            NetworkCount(cidr, _count(network.uses, network.tasks))
            for cidr, network in found.networks.listed()
        ),
        services=_count(found.networks.services.uses, found.networks.services.tasks),
    )


def _count(uses: int, tasks: TaskSample) -> Count:
    return Count(uses, len(tasks), tasks.more)


def _order(action: Action) -> tuple[str, str]:
    return action.name or "", action.provider


def _covered(done: UseTable, tasks: int) -> list[Covered]:
    """Each action with each of its resources that is suggested."""
    found: list[Covered] = []
    for action in sorted(done.actions, key=_order):
        uses = done.actions[action]
        patterns = patterns_of(uses, partial(may_vary, action.provider), tasks)
        found += [
            Covered(
                action.name,
                pattern.glob,
                pattern.basis.value,
                _count(pattern.uses, pattern.tasks),
                action.provider,
                pattern,
            )
            for pattern in patterns
        ]
        if uses.bare is not None:
            count = _count(uses.bare.uses, uses.bare.tasks)
            found.append(Covered(action.name, None, "exact", count, action.provider, None))
    return found


def _grants(covered: Sequence[Covered]) -> tuple[Grant, ...]:
    """The fewest grants that cover this and no more. Actions that no use named are in a grant with an empty list."""
    resources: defaultdict[str | None, set[str]] = defaultdict(set)
    for each in covered:
        resources[each.action].update(() if each.resource is None else (each.resource,))
    named = {action: globs for action, globs in resources.items() if action is not None}
    if None in resources:  # any grant covers the resources of a use that names no action
        known = GlobSet(tuple(glob for globs in named.values() for glob in globs))
        resources[None] = {
            each.resource
            for each in covered
            if each.action is None and each.resource is not None and not _all_match(known, each)
        }
        if not resources[None] and named:
            del resources[None]
    actions: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for action in sorted(resources, key=lambda name: name or ""):
        actions[tuple(sorted(resources[action]))].extend([] if action is None else [action])
    alone = tuple(sorted(resources[None])) if None in resources else None
    grants = [Grant(tuple(names), globs) for globs, names in actions.items() if names or globs == alone]
    return tuple(sorted(grants, key=lambda grant: (grant.actions or (), grant.resources or ())))


def _all_match(known: GlobSet, each: Covered) -> bool:
    return each.pattern is not None and all(map(known.matches, each.pattern.texts))


def _refused(found: KindHistory) -> Iterable[Refused]:
    for why, table in [("denied", found.denied), *sorted(found.left_out.items())]:
        for action in sorted(table.actions, key=_order):
            uses = table.actions[action]
            if uses.bare is not None:
                yield Refused(why, action.name, None, _count(uses.bare.uses, uses.bare.tasks))
            for path, row in paths(uses):
                yield Refused(why, action.name, path.glob(), _count(row.uses, row.tasks))


def _unused(found: KindHistory, covered: Sequence[Covered]) -> Iterable[UnusedGrant]:
    """The grants, or parts of them, that cover nothing of what was done by any task of this kind."""
    all_of = frozenset(range(len(covered)))
    no_action = frozenset(index for index, each in enumerate(covered) if each.action is None)
    no_resource = frozenset(index for index, each in enumerate(covered) if each.resource is None)
    by_action = {
        glob: frozenset(_with_action(glob, covered)) | no_action
        for glob in {glob for grant in found.grants for glob in grant.actions or ()}
    }
    by_resource = {
        glob: frozenset(_with_resource(glob, covered)) | no_resource
        for glob in {glob for grant in found.grants for glob in grant.resources or ()}
    }
    for grant in sorted(found.grants, key=lambda one: (one.actions or (), one.resources or ())):
        actions = (
            all_of if grant.actions is None else no_action.union(*(by_action[glob] for glob in grant.actions))
        )
        resources = (
            all_of
            if grant.resources is None
            else no_resource.union(*(by_resource[glob] for glob in grant.resources))
        )
        spare_actions = tuple(glob for glob in grant.actions or () if not by_action[glob] & resources)
        spare_resources = tuple(glob for glob in grant.resources or () if not by_resource[glob] & actions)
        whole = not actions & resources
        if whole or spare_actions or spare_resources:
            yield UnusedGrant(grant, found.grants[grant], whole, spare_actions, spare_resources)


def _with_action(glob: str, covered: Sequence[Covered]) -> Iterable[int]:
    matches = compile_glob(glob)
    return (index for index, each in enumerate(covered) if each.action is not None and matches(each.action))


def _with_resource(glob: str, covered: Sequence[Covered]) -> Iterable[int]:
    """Of several resources that became one, it is enough if the glob matches one."""
    matches = compile_glob(glob)
    for index, each in enumerate(covered):
        if each.resource is None or each.pattern is None:
            continue
        if glob in ("*", each.resource) or any(
            overlap(glob, text.replace(MANY, "*")) if MANY in text else matches(text)
            for text in each.pattern.texts
        ):
            yield index
