"""Globs, scopes and bounds, held to what docs/events.md says about them, and to an independent matcher."""

import re
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from detector.values.events import Binding, Grant
from detector.values.globs import (
    bounds_of,
    compile_glob,
    covering,
    outside,
    overlap,
    regex_of,
    scope_of,
)
from detector.values.networks import address_of

ALPHABET = "ab*?[/\n\U0001f511"


def by_regex(glob: str, text: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(parts.get(char, re.escape(char)) for char in glob), text, re.DOTALL) is not None
    )


@given(st.text(ALPHABET, max_size=10), st.text(ALPHABET, max_size=14))
def test_a_glob_matches_what_it_says(glob: str, text: str) -> None:
    assert compile_glob(glob)(text) == by_regex(glob, text)


@given(st.lists(st.sampled_from(["*", "?", "a", "b", "ab"]), max_size=12), st.text("ab", max_size=20))
def test_stars_and_question_marks_together(parts: list[str], text: str) -> None:
    glob = "".join(parts)
    assert compile_glob(glob)(text) == by_regex(glob, text)


@given(st.lists(st.text(ALPHABET, max_size=10), min_size=1, max_size=4), st.text(ALPHABET, max_size=14))
def test_a_regex_of_globs_matches_what_they_match(globs: list[str], text: str) -> None:
    assert (re.match(regex_of(globs), text) is not None) == any(compile_glob(glob)(text) for glob in globs)


SHORT = ["".join(chars) for size in range(7) for chars in product("ab", repeat=size)]


@given(st.text("ab*?", max_size=3), st.text("ab*?", max_size=3))
def test_two_globs_overlap_if_a_text_matches_both(first: str, second: str) -> None:
    """A shortest such text has at most as many characters as both globs."""
    shared = any(compile_glob(first)(text) and compile_glob(second)(text) for text in SHORT)
    assert overlap(first, second) == shared


def test_a_regex_of_a_glob_made_to_backtrack_comes_back() -> None:
    assert re.match(regex_of(["*a" * 60 + "b", "*?a*" * 40 + "b"]), "a" * 249) is None


def test_the_whole_string_in_its_case() -> None:
    matches = compile_glob("s3:Get*")
    assert matches("s3:GetObject")
    assert not matches("s3:getObject")
    assert not matches("xs3:GetObject")


def test_a_star_crosses_slashes_and_lines_and_brackets_are_literal() -> None:
    assert compile_glob("bucket/*/x")("bucket/a/b:c\nd/x")
    assert compile_glob("[ab]")("[ab]")
    assert not compile_glob("[ab]")("a")


def test_a_question_mark_is_one_character_beyond_the_basic_plane_too() -> None:
    assert compile_glob("a?c")("a\U0001f511c")
    assert not compile_glob("a?c")("ac")


def test_a_glob_made_to_backtrack_comes_back() -> None:
    assert not compile_glob("*a" * 200 + "b")("a" * 100_000)
    assert not compile_glob("*" + "a?" * 200 + "b*")("a" * 50_000)


def test_a_grant_covers_a_use_whose_fields_match_each_list() -> None:
    scope = scope_of(
        (
            Grant(("s3:Get*",), ("bucket/*",)),
            Grant(None, ("queue/in",)),
            Grant((), None),
        )
    )
    assert covering(scope, "s3:GetObject", "bucket/a") == (0,)
    assert covering(scope, "sqs:Receive", "queue/in") == (1,)
    assert covering(scope, "s3:GetObject", None) == (0, 1)
    assert covering(scope, None, None) == (0, 1, 2)
    assert covering(scope, "s3:GetObject", "elsewhere") == ()
    assert covering(scope, "s3:Get" + "x" * 5000, "bucket/" + "y" * 5000) == (0,)
    assert covering(scope_of(()), None, None) == ()


def test_addresses_are_compared_as_numbers() -> None:
    bounds = bounds_of(Binding(None, ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "::ffff:198.51.100.0/120")))
    inside = ("10.1.2.3", "::ffff:10.1.2.3", "2001:DB8::5", "192.0.2.7", "198.51.100.9", "10.1.2.3:5555")
    beyond = (
        "11.0.0.1",
        "11.0.0.1:443",
        "[2001:db9::1]:443",
        "::ffff:11.0.0.1",
        "2001:db9::1",
        "192.0.2.8",
        "198.51.101.1",
        "::1",
    )
    assert not any(outside(bounds, None, address) for address in inside)
    assert all(outside(bounds, None, address) for address in beyond)


def test_what_is_no_address_is_not_judged() -> None:
    bounds = bounds_of(Binding(None, ("10.0.0.0/8", "no network")))
    for text in ("s3.amazonaws.com", "", "10.0.0.1:https", "1" * 1000, "999.1.1.1"):
        assert address_of(text) is None
        assert not outside(bounds, None, text)
    assert not outside(bounds, None, None)


def test_each_part_of_a_binding_is_judged_where_both_sides_have_it() -> None:
    bounds = bounds_of(Binding(("runner-*",), ("10.0.0.0/8",)))
    assert not outside(bounds, None, None)
    assert not outside(bounds, "runner-1", None)
    assert outside(bounds, "laptop", None)
    assert outside(bounds, "runner-1", "192.0.2.1")
    assert outside(bounds, "x" * 5000, "10.0.0.1")
    assert outside(bounds_of(Binding((), None)), "anything", None)
