"""What `make test-fast` leaves out: a test that starts a broker is known by its fixtures, and no other starts one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import APART, MARKS, WAITS, pytest_collection_modifyitems, spread

HERE = Path(__file__).parent
BROKERS = {"Cluster", "SecureBroker", "GuardedBroker", "shared"}


def starters() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions of test modules and conftest that start a broker themselves."""
    for path in [HERE / "conftest.py", *HERE.rglob("test_*.py")]:
        text = path.read_text()
        if not any(f"import {name}" in text or f", {name}" in text for name in BROKERS):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
                map(starts_broker, ast.walk(node))
            ):
                yield f"{path.relative_to(HERE)}::{node.name}", node


def starts_broker(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.withitem)
        and isinstance(node.context_expr, ast.Call)
        and isinstance(node.context_expr.func, ast.Name)
        and node.context_expr.func.id in BROKERS
    )


STARTERS = dict(starters())


@pytest.mark.parametrize("name", STARTERS)
def test_whatever_starts_a_broker_is_marked(name: str) -> None:
    function = STARTERS[name]
    names = {function.name, *(each.arg for each in function.args.args)}
    assert names & MARKS["broker"], f"{name}: add the fixture to MARKS in tests/conftest.py"


def test_the_fixtures_of_brokers_are_found() -> None:
    found = {function.name for function in STARTERS.values()}
    assert {"broker", "frail_broker", "secure", "guarded", "three"} <= found


def test_a_test_that_uses_a_broker_is_marked_and_one_that_does_not_is_not(
    request: pytest.FixtureRequest,
) -> None:
    for item in request.session.items:
        names = set(getattr(item, "fixturenames", ()))
        assert (item.get_closest_marker("broker") is not None) == bool(names & MARKS["broker"]), item.nodeid


def test_each_module_that_is_said_to_wait_is_there() -> None:
    assert [name for name in WAITS if name not in APART and not (HERE.parent / name).is_file()] == []


def test_no_test_is_lost_when_they_are_put_in_order(request: pytest.FixtureRequest) -> None:
    items = list(request.session.items)
    pytest_collection_modifyitems(items)
    assert sorted(map(id, items)) == sorted(map(id, request.session.items))


def test_the_modules_that_wait_longest_begin_first_each_at_another_worker() -> None:
    tests = {"default": [4], "short": [5], "long": [2, 3], "longer": [1], "other": [6]}
    assert spread(tests, {"short": 10, "long": 20, "longer": 30}) == [[1], [2, 3], [5], [4], [6]]
