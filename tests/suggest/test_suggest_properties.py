"""For every history, the grants cover what was done and no other action, whatever the order and the division."""

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from detector.suggest.suggestion import Suggestion, suggestions
from detector.values.events import DENIED, SUCCESS, CredentialUsed, Grant
from detector.values.globs import Scope
from tests.suggest.made_history import history, jobs, suggested, use

JOBS = 5
_PARTS = st.sampled_from(
    ["a", "b", "run-1", "run-2", "run-17", "x.txt", "y.txt", "*", "?", "", "a*b", "a?b", "é\n", "arn"]
)
RESOURCES = st.one_of(
    st.lists(_PARTS, min_size=1, max_size=4).map("/".join),
    st.lists(_PARTS, min_size=1, max_size=4).map(lambda parts: "arn:aws:s3:::" + "/".join(parts)),
    st.text(max_size=6),
    st.just("x" * 3000),
    st.none(),
)
ACTIONS = st.sampled_from(["read", "write", "s3:GetObject", "list", None, "s3:*", "re?d"])
USES = st.lists(
    st.builds(
        lambda job, action, resource, outcome, number: use(
            f"c{job}", number, action, resource, outcome=outcome
        ),
        st.integers(0, JOBS - 1),
        ACTIONS,
        RESOURCES,
        st.sampled_from([SUCCESS, SUCCESS, SUCCESS, DENIED]),
        st.integers(0, 60),
    ),
    max_size=40,
)
TASKS = st.integers(2, 4)


def nameable(action: str | None) -> bool:
    return action is None or not {"*", "?"} & set(action)


def counted(uses: Sequence[CredentialUsed]) -> list[CredentialUsed]:
    return [one for one in uses if one.outcome == SUCCESS and nameable(one.action)]


def one(made: list[Suggestion]) -> Suggestion:
    (only,) = made
    return only


@given(USES, TASKS)
@example([use("c0", 1, None, None)], 2)
@example([use("c0", 1, None, "a"), use("c0", 2, "read", "a")], 2)
@example([use("c0", 1, None, "b"), use("c0", 2, "read", "a"), use("c1", 3, None, None)], 2)
@example([use("c0", 1, "read", "a*b"), use("c0", 2, "read", "a?b"), use("c0", 3, "read", "axb")], 2)
def test_the_grants_cover_every_use_that_they_were_made_from(uses: list[CredentialUsed], tasks: int) -> None:
    made = one(suggested(jobs(JOBS), uses, tasks))
    scope = Scope(made.grants)
    assert [each for each in counted(uses) if not scope.cover(each.action, each.resource)] == []


@given(USES, TASKS)
def test_no_grant_covers_an_action_that_nobody_did(uses: list[CredentialUsed], tasks: int) -> None:
    made = one(suggested(jobs(JOBS), uses, tasks))
    done = {each.action for each in counted(uses)}
    assert {action for grant in made.grants for action in grant.actions or ()} == done - {None}
    assert all(grant.actions is not None and grant.resources is not None for grant in made.grants)
    for action in {each.action for each in uses} - done:
        assert action is None or not Scope(made.grants).cover(action, "a") or action in done


@given(USES, TASKS)
def test_each_pair_of_an_action_and_a_resource_was_done_or_shown_by_tasks(
    uses: list[CredentialUsed], tasks: int
) -> None:
    made = one(suggested(jobs(JOBS), uses, tasks))
    done = {(each.action, each.resource) for each in counted(uses)}
    scope = Scope(made.grants)
    exact = {(each.action, each.resource) for each in made.covered if each.basis == "exact"}
    pairs = {
        (action, each.resource) for each in made.covered for action in {each.action for each in made.covered}
    }
    for action, resource in pairs - {(each.action, each.resource) for each in made.covered}:
        if action is not None and resource is not None and not {"*", "?"} & set(resource):
            assert not scope.cover(action, resource) or _similar(action, resource, made)
    for action, resource in exact:
        if resource is not None and len(resource) < 2048 and not {"*", "?"} & set(resource):
            assert (action, resource) in done


def _similar(action: str, resource: str, made: Suggestion) -> bool:
    """Whether the action's own suggested resources match it."""
    own = tuple(each.resource for each in made.covered if each.action == action and each.resource is not None)
    return bool(Scope((Grant(None, own),)).cover(action, resource))


@given(USES, TASKS, st.randoms(use_true_random=False), st.integers(1, 7))
def test_order_copies_and_division_change_nothing(
    uses: list[CredentialUsed], tasks: int, random: object, size: int
) -> None:
    plain = suggested(jobs(JOBS), uses, tasks)
    mixed = [*uses, *uses[::2]]
    random.shuffle(mixed)  # type: ignore[attr-defined]  # random.Random
    batches = [mixed[first : first + size] for first in range(0, len(mixed), size)]
    made = suggestions(history(reversed(jobs(JOBS)), batches), tasks)
    assert [_plain(each) for each in made] == [_plain(each) for each in plain]


def _plain(made: Suggestion) -> object:
    covered = [(each.action, each.resource, each.basis, each.count) for each in made.covered]
    return made.kind, made.grants, covered, made.refused, made.networks, made.used_by, made.lasted, made.lived


@given(USES, TASKS)
@example([use("c0", 1, "read", "a?b"), use("c1", 2, "read", "axb"), use("c2", 3, "read", "a*b")], 2)
@example(
    [use(f"c{n}", n, "read", f"b/run-{n}/x") for n in range(4)] + [use("c0", 9, "read", "b/run-1/z/x")], 3
)
def test_no_grant_and_no_resource_can_be_left_out(uses: list[CredentialUsed], tasks: int) -> None:
    made = one(suggested(jobs(JOBS), uses, tasks))
    wanted = [(each.action, each.resource) for each in counted(uses)]

    def enough(grants: tuple[Grant, ...]) -> bool:
        scope = Scope(grants)
        return all(scope.cover(*pair) for pair in wanted)

    for number, grant in enumerate(made.grants):
        others = made.grants[:number] + made.grants[number + 1 :]
        assert not enough(others)
        for action in grant.actions or ():
            less = tuple(each for each in grant.actions or () if each != action)
            assert not enough((*others, Grant(less, grant.resources)))
        for resource in grant.resources or ():
            fewer = tuple(each for each in grant.resources or () if each != resource)
            assert not enough((*others, Grant(grant.actions, fewer)))


@given(USES)
def test_more_tasks_asked_for_never_make_a_wider_grant(uses: list[CredentialUsed]) -> None:
    wide, narrow = (one(suggested(jobs(JOBS), uses, tasks)) for tasks in (2, 4))
    scope = Scope(wide.grants)
    for each in narrow.covered:
        if each.resource is None or "?" not in each.resource:
            assert scope.cover(
                each.action, None if each.resource is None else each.resource.replace("*", "~")
            )
