"""Base85, uuencoded text and changed tokens: decoded at every place, and believed where they are unmistakable."""

import base64
import binascii
import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan.decode import decoded
from detector.scan.known_credentials import KnownIndex
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from tests.bundled import bundled_patterns, bundled_scanner

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=24, max_size=120)
GITHUB = next(pattern for pattern in bundled_patterns() if pattern.id == "github-pat-classic")
TOKEN = PatternScanner((GITHUB,)).scan(GITHUB.examples[0].encode())[0].secret.reveal().decode()
SCANNER = bundled_scanner()


@settings(max_examples=40, deadline=None)
@given(TEXT, st.integers(0, 70), st.sampled_from(["base85", "ascii85"]))
def test_base85_of_text_is_read_at_every_place(text: str, before: int, form: str) -> None:
    digits = base64.b85encode(text.encode()) if form == "base85" else base64.a85encode(text.encode())
    data = b"x " * (before // 2) + b"=" * (before % 2) + b' "' + digits + b'" and more'
    read = [one for one in decoded(data) if one.encodings == (form,)]
    telling = form == "base85" or any(byte >= 0x55 for byte in text.encode()[:13:4])
    if telling:
        assert any(text[:20].encode() in one.data for one in read)
    for one in read:
        assert data[one.start : one.end] in digits


@pytest.mark.parametrize("before", range(8))
def test_ascii85_is_read_where_no_group_begins_with_a_telling_digit(before: int) -> None:
    password = b"Pdjo%qvkG5w5+rm.0-_CuYZE"
    data = b"=" * before + b" " + base64.a85encode(password) + b"\n"
    assert password in [one.data for one in decoded(data) if one.encodings == ("ascii85",)]


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4).map("\n".join), st.sampled_from(["", "12:00:01 step "]))
def test_uuencoded_lines_are_read_with_what_a_log_puts_before_each(text: str, head: str) -> None:
    rows = [text.encode()[at : at + 45] for at in range(0, len(text), 45)]
    lines = ["begin 644 token", *(binascii.b2a_uu(row).decode().rstrip("\n") for row in rows), "`", "end"]
    data = "".join(f"{head}{line}\n" for line in lines).encode()
    assert [one.data for one in decoded(data) if one.encodings == ("uuencode",)] == [text.encode()]


@pytest.mark.parametrize("after", ["", "=NEKOT", " and more"])
@pytest.mark.parametrize("form", ["reversed", "rot13", "swapped"])
def test_a_changed_token_of_a_vendor_is_masked(form: str, after: str) -> None:
    changed = {"reversed": TOKEN[::-1], "rot13": codecs.encode(TOKEN, "rot13"), "swapped": TOKEN.swapcase()}[
        form
    ]
    masked = Redactor(SCANNER, KnownIndex()).clean(f"it says {changed}{after}")
    assert masked.startswith("it says ‹github-pat-classic:40›")


def test_what_looks_like_a_secret_only_behind_a_name_is_no_leak_written_backwards() -> None:
    line = "token=Zr8Lq2WvN5tYx0Kd9Hs3Jf7Qm4"[::-1] + "_abc"
    assert Redactor(SCANNER, KnownIndex()).clean(line) == line
