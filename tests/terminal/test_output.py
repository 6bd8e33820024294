"""Paths and texts on a terminal: nothing acts on it, and no two paths look alike."""

import os

from hypothesis import given
from hypothesis import strategies as st

from detector.terminal.output import path_bytes, printable, shown

NAMES = st.one_of(
    st.binary(max_size=8), st.text("a\\xf8\xff", max_size=8).map(lambda text: text.encode("latin-1"))
)


@given(NAMES, NAMES)
def test_different_paths_are_shown_differently_and_can_be_told_back(one: bytes, other: bytes) -> None:
    first, second = (shown(os.fsdecode(name)) for name in (one, other))
    assert (first == second) == (one == other)
    assert path_bytes(first) == one
    first.encode()  # it is valid Unicode


@given(st.text())
def test_a_path_that_is_plain_text_is_shown_as_it_is(name: str) -> None:
    text = name.replace("\\", "/")
    assert shown(os.fsdecode(text.encode("utf-8", "replace"))) == text.encode("utf-8", "replace").decode()


@given(
    st.text(st.characters(), max_size=20), st.sampled_from(["\x1b[2J", "\r\n", "\u202e", "\x9b", "\udcff"])
)
def test_nothing_but_what_prints_is_printed(text: str, hostile: str) -> None:
    assert printable(f"{text}{hostile}{text}").isprintable()


def test_bytes_that_are_no_utf8_and_controls_are_told_as_escapes() -> None:
    assert printable("a\x1b[31m\n\u202e\udcff‹x›") == r"a\x1b[31m\n\u202e\xff‹x›"
