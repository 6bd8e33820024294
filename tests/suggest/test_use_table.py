"""What is kept of uses is a function of their set, also where there are too many to keep each."""

import itertools
import random as randoms

from hypothesis import example, given
from hypothesis import strategies as st

from detector.suggest.generalise import varies
from detector.suggest.resource_paths import ResourcePath, Wild, alike, path_of, rounded
from detector.suggest.seen_events import SeenEvents
from detector.suggest.task_sample import SIZE, TaskSample
from detector.suggest.use_table import Action, UseTable, paths
from detector.values.globs import compile_glob

READ = Action("", "read")
_VALUES = st.sampled_from(["a", "b", "c", "job-1", "job-12", "job-2", "x.txt", "y.txt", ""])
RESOURCES = st.lists(
    st.tuples(st.lists(_VALUES, min_size=1, max_size=4).map("/".join), st.integers(0, 90)), max_size=60
)


def table(uses: list[tuple[str, int]], most: int, compact: int = 0) -> list[object]:
    made = UseTable(most)
    for number, (resource, task) in enumerate(uses):
        made.add(READ, resource, task)
        if compact and number % compact == 0:
            made.actions[READ]._compact_at = dict.fromkeys(made.actions[READ].shapes, 0)
    if not uses:
        return []
    return [(path, row.uses, row.tasks.numbers, row.tasks.more) for path, row in paths(made.actions[READ])]


@given(RESOURCES, st.integers(1, 3), st.integers(1, 5), st.randoms(use_true_random=False))
def test_putting_values_together_depends_on_no_order(
    uses: list[tuple[str, int]], most: int, compact: int, random: randoms.Random
) -> None:
    shuffled = list(uses)
    random.shuffle(shuffled)
    assert table(uses, most) == table(shuffled, most, compact)


@given(RESOURCES, st.integers(1, 3))
def test_what_was_put_together_still_covers_each_resource(uses: list[tuple[str, int]], most: int) -> None:
    made = UseTable(most)
    for resource, task in uses:
        made.add(READ, resource, task)
    globs = [path.glob() for path, _ in paths(made.actions[READ])] if uses else []
    assert [one for one, _ in uses if not any(compile_glob(glob)(one) for glob in globs)] == []


@given(st.text(alphabet="ab/:*?x", max_size=20))
def test_a_path_is_its_resource(text: str) -> None:
    path = path_of(text)
    assert path.exact
    assert path.pieces() == [text]
    assert compile_glob(path.glob())(text)


@given(st.lists(st.text(alphabet="ab-1.", max_size=8), min_size=1, max_size=6))
def test_what_values_share_covers_all_of_them(values: list[str]) -> None:
    for wild in (rounded(alike(values)), rounded(alike([alike(values[:3]), *values]))):
        glob = ResourcePath("", (wild,)).glob()
        assert all(map(compile_glob(glob), values))


def test_names_are_cut_where_they_end() -> None:
    assert rounded(alike(["job-1.log", "job-12.log"])) == Wild("job-", ".log", 8)
    assert rounded(alike(["2026-05-01", "2026-05-02"])) == Wild("", "", 0)
    assert rounded(alike(["abc", "abd"])) == Wild("", "", 0)
    assert rounded(alike(["a-a", "a-a-a"])) == Wild("a-", "", 2)


@given(st.lists(st.integers(0, 1 << 64), max_size=200), st.integers(0, 200))
@example(list(range(200)), 90)
@example(list(range(200, 0, -1)), 64)
def test_a_sample_is_the_same_in_any_order_and_division(numbers: list[int], at: int) -> None:
    whole = TaskSample(numbers)
    parts = TaskSample(reversed(numbers[:at]))
    parts.merge(TaskSample(reversed(numbers[at:])))
    assert (whole.numbers, whole.more) == (parts.numbers, parts.more)
    assert whole.numbers == set(sorted(set(numbers))[:SIZE])
    assert all(map(whole.may_have, numbers))
    assert whole.more == (len(set(numbers)) > SIZE)


@given(st.lists(st.lists(st.integers(-50, 50), max_size=30), max_size=8))
def test_an_event_is_fresh_once(batches: list[list[int]]) -> None:
    import numpy as np  # noqa: PLC0415 - beside its use

    seen, known = SeenEvents(), set()
    for batch in batches:
        fresh = seen.fresh(np.array(batch, np.int64)).tolist()
        for number, is_fresh in zip(batch, fresh, strict=True):
            assert is_fresh == (number not in known)
            known.add(number)


SETS = st.dictionaries(st.sampled_from("abcdefg"), st.sets(st.integers(0, 6), min_size=1), max_size=7)


@given(SETS, st.integers(2, 4))
@example({"a": {1}, "b": {1, 2}}, 2)
@example({"a": {1, 2, 3}, "b": {1, 2, 3}, "c": {1, 2, 3}}, 2)
def test_what_varies_has_tasks_with_values_of_their_own(used_by: dict[str, set[int]], tasks: int) -> None:
    """Never told where it is not so: by trying all values and tasks."""
    found = varies({value: TaskSample(numbers) for value, numbers in used_by.items()}, tasks)
    shown = any(
        all(task in used_by[value] and not any(task in used_by[other] for other in values if other != value)
            for value, task in zip(values, chosen, strict=True))
        for values in itertools.combinations(sorted(used_by), tasks)
        for chosen in itertools.product(range(7), repeat=tasks)
    )  # fmt: skip
    assert shown or not found


@given(st.sets(st.integers(0, 1 << 64), min_size=4, max_size=300))
def test_values_of_one_task_each_always_vary(numbers: set[int]) -> None:
    assert varies(
        {str(number): TaskSample([number]) for number in numbers} | {"latest": TaskSample(numbers)}, 4
    )
