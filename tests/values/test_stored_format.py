"""Which versions of stored forms are read, and what is said of those that are not."""

import pytest

from detector.values.errors import StopError
from detector.values.stored_format import FORMAT_HEADERS, STORED_FORMAT, check_format, check_headers


@pytest.mark.parametrize("found", [None, b"0", b"1", b"%d" % STORED_FORMAT])
def test_forms_up_to_this_versions_are_read(found: bytes | None) -> None:
    check_format(found, "it")


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (b"2", "format 2"),
        (b"999999999", "format 999999999"),
        (b"9" * 10_000, "an unknown format"),
        (b"", "an unknown format"),
        (b"-1", "an unknown format"),
        ("٣".encode(), "an unknown format"),
    ],
)
def test_a_later_form_is_refused_with_what_to_do(found: bytes, shown: str) -> None:
    with pytest.raises(StopError) as stopped:
        check_format(found, "topic state", "do something else")
    assert str(stopped.value) == (
        f"topic state was written by a later curfewd ({shown}; this one reads up to 1): "
        "run that version or a newer one, or do something else"
    )


def test_only_the_header_of_the_format_says_it() -> None:
    check_headers((("origin", b"7"), ("Format", b"7"), *FORMAT_HEADERS), "it")
    check_headers((("format", None),), "it")
    with pytest.raises(StopError, match="give this one topics and a group of its own"):
        check_headers((("origin", b"1"), ("format", b"2")), "it")
