"""Who descends from whom, against walking the parents one by one."""

from hypothesis import given
from hypothesis import strategies as st

from detector.judge.lineage import Lineage

TASKS = st.sampled_from("abcdefgh")


def by_walking(parents: dict[str, str], task: str, ancestor: str) -> bool:
    seen: set[str] = set()
    at: str | None = task
    while at is not None and at not in seen:
        if at == ancestor:
            return True
        seen.add(at)
        at = parents.get(at)
    return False


@given(st.lists(st.tuples(TASKS, st.none() | TASKS, TASKS, TASKS), max_size=40))
def test_any_links_in_any_order_cycles_too(steps: list[tuple[str, str | None, str, str]]) -> None:
    lineage = Lineage()
    parents: dict[str, str] = {}
    for task, parent, one, other in steps:
        changed = parents.get(task) != parent
        assert (lineage.link(task, parent) is not None) == changed
        parents.pop(task, None)
        if parent is not None:
            parents[task] = parent
        assert lineage.descends(one, other) == by_walking(parents, one, other)


@given(st.lists(st.tuples(TASKS, TASKS), max_size=30))
def test_a_changed_link_changes_only_descent_within_the_root_that_it_names(
    links: list[tuple[str, str]],
) -> None:
    lineage = Lineage()
    for task, parent in links:
        before = {one: (lineage.root(one), {other for other in "abcdefgh" if lineage.descends(one, other)})
                  for one in "abcdefgh"}  # fmt: skip
        root = lineage.link(task, parent)
        for one, (own, ancestors) in before.items():
            if own != root:
                assert {other for other in "abcdefgh" if lineage.descends(one, other)} == ancestors


def test_a_chain_of_a_hundred_thousand_is_no_trouble() -> None:
    lineage = Lineage()
    for number in range(100_000):
        lineage.link(str(number + 1), str(number))
    for number in range(0, 100_000, 7):
        assert lineage.descends("100000", str(number))
        assert not lineage.descends(str(number), "100000")
