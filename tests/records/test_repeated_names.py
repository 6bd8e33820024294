"""Objects with a name twice: found whatever the depth, the escapes and the spaces, as a slow parser finds them."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.records.repeated_names import has_repeated_name, most_names, repeating_lines
from detector.records.timestamps import line_starts


class Repeated(Exception):  # noqa: N818 - not an error
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Repeated
    return dict(pairs)


def by_python(data: bytes) -> bool:
    try:
        json.loads(data, object_pairs_hook=_once)
    except Repeated:
        return True
    return False


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a":1,"b":2,"a":3}',
        '{"a" : 1, "a"\t:\r\n1}',
        '{"message": 1, "mess\\u0061ge": 2}',
        '{"a\\"b": 1, "a\\u0022b": 2}',
        '{"a\\\\": 1, "a\\\\": 2}',
        '{"": 1, "": 2}',
        '{"x": {"a": 1, "a": 2}}',
        '{"x": [[{"b": 1}, {"a": 1, "b": {}, "a": 2}]]}',
        '{"a": {"b": 1}, "b": 1, "a": 2}',
        '{"a": "\\\\", "a": "\\""}',
        '{"ä": 1, "\\u00e4": 2}',
        "{" + ", ".join(f'"n{number}": 1' for number in range(700)) + ', "n3": 1}',
        '{"a": {"b": ' * 200 + '{"c": 1, "c": 2}' + "}}" * 200,
    ],
)
def test_a_name_that_stands_twice_is_found(text: str) -> None:
    assert by_python(text.encode())
    assert has_repeated_name(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '"a"',
        'text with "quotes": and "quotes": in it',
        '{"a": "a", "b": "a"}',
        '{"a": "{\\"b\\": 1, \\"b\\": 2}"}',
        '{"a": "\\"b\\":", "b": "\\"b\\":"}',
        '{"a": [{"a": 1}, {"a": 1}], "b": {"a": {"a": 1}}}',
        '{"a": {"b": 1}, "c": {"b": 1}}',
        '{"a": ":", "b": "a:"}',
        '{"a\\"": 1, "a": 2}',
        "{" + ", ".join(f'"n{number}": 1' for number in range(700)) + "}",
        '{"a": {"b": ' * 200 + "1" + "}}" * 200,
        '{"cut": "in the mid',
        '{"cut": "in the mid\\',
        '{"cut": 1, "cut',
        "}}}}",
    ],
)
def test_no_other_is(text: str) -> None:
    assert not has_repeated_name(text.encode())


def test_the_outermost_object_may_be_looked_at_alone() -> None:
    assert not has_repeated_name(b'{"Records": [{"a": 1, "a": 2}]}', deepest=1)
    assert has_repeated_name(b'{"Records": [{"a": 1}], "x": {"a": 1, "a": 2}, "Records": []}', deepest=1)


NAMES = st.sampled_from(["a", "b", "ab", "a\\u0062", "\\u0061", 'a\\"', "\\\\", "", "log", "é"])
SPACE = st.sampled_from(["", "", "", " ", "\t ", "\r"])
SCALARS = st.sampled_from(
    ["1", "null", '"a"', '"\\"a\\":"', '":"', '"a :"', '"\\\\"', '" : \\\\\\":"', '"{"', "-1.5e3"]
)


def _object(members: list[tuple[str, str, str, str]]) -> str:
    return (
        "{"
        + ",".join(f'{space}"{name}"{after}:{space}{value}' for name, value, space, after in members)
        + "}"
    )


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(st.tuples(NAMES, inner, SPACE, SPACE), max_size=4).map(_object),
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
    ),
    max_leaves=12,
)
OBJECTS = st.lists(st.tuples(NAMES, VALUES, SPACE, SPACE), max_size=4).map(_object)


@given(st.lists(OBJECTS, min_size=1, max_size=6))
def test_lines_are_judged_as_a_slow_parser_judges_them(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    assert repeating_lines(data, line_starts(data)) == [
        number for number, line in enumerate(lines) if by_python(line.encode())
    ]
    assert [has_repeated_name(line.encode()) for line in lines] == [
        by_python(line.encode()) for line in lines
    ]


def count_names(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(count_names, value.values()))
    return sum(map(count_names, value)) if isinstance(value, list) else 0


@given(st.lists(OBJECTS, min_size=1, max_size=6))
def test_no_name_is_missed_when_they_are_counted(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    apart = [
        json.loads(line, object_pairs_hook=lambda pairs: {str(n): v for n, (_, v) in enumerate(pairs)})
        for line in lines
    ]
    assert most_names(data) >= sum(map(count_names, apart))


def test_names_of_plain_records_are_counted_exactly() -> None:
    data = b'{"time": "10:00:00", "message": "\\"a\\": error: b\\n"}\n' * 9
    assert most_names(data) == 18
    assert most_names(b"") == most_names(b"{}") == 0


@given(st.binary(max_size=80))
def test_bytes_that_are_no_json_are_searched_without_harm(data: bytes) -> None:
    has_repeated_name(data)
    has_repeated_name(b'{"a' + data)
    repeating_lines(data, np.arange(0, len(data), 7, dtype=np.int64) if data else line_starts(b"a"))
