"""Words that are cut in two, by a sign that says so or by the end of a line.

They are put together, found and masked, and not taken for secrets where they are none.
"""

from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detector.scan.decode import decoded
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.scan.triggers import CUT, found
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_patterns, bundled_scanner

KEY = DeploymentKey.of(b"k" * 32)
KNOWN = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
GITHUB = next(pattern for pattern in bundled_patterns() if pattern.id == "github-pat-classic")
TOKEN = PatternScanner((GITHUB,)).scan(GITHUB.examples[0].encode())[0].secret.reveal()
STAMP = b"2026-11-24T10:00:01.123Z "
FORMS = {
    "a backslash": b"TOKEN=%s\\\n%s",
    "a backslash, indented": b"run --token %s\\\n        %s --verbose",
    "a quoted scalar": b'  token: "%s\\\n    %s"',
    "two values of an object": b'{"part1":"%s","part2":"%s"}',
    "+": b'const token = "%s" + "%s";',
    "+ over lines": b'  String token = "%s"\n      + "%s";',
    "a dot": b"$token = '%s' . '%s';",
    "two dots": b'token = "%s" .. "%s"',
    "&": b'token = "%s" & "%s"',
    "nothing, over lines": b'token = ("%s"\n         "%s")',
    "a backslash between strings": b'token = "%s" \\\n  "%s"',
    "bars": b"SELECT '%s' || '%s'",
    "a list": b'["%s", "%s"].join("")',
    "two strings": b'token = "%s" "%s"',
    "two lines": b"%s\n%s",
    "two lines of a log": b"part 1: %s\npart 2: %s",
    "two assignments": b"TOKEN_A=%s\nTOKEN_B=%s",
    "two assignments with quotes": b"export A='%s';\nexport B='%s';",
    "a folded scalar": b"  token: >-\n    %s\n    %s",
}
WIDTHS = (20, 40, 80, 120)


@cache
def finder() -> LeakFinder:
    known = KnownIndex(KeyRing((KEY,)).identifiers(Secret(KNOWN)), (KEY,))
    return LeakFinder(bundled_scanner(), known, [KEY])


def masked(data: bytes) -> bytes:
    shown = finder().redactor.masked(data)
    assert shown is not None
    return shown


def with_stamps(printed: bytes) -> bytes:
    return b"\n".join(STAMP + line for line in printed.split(b"\n"))


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("secret", [KNOWN, TOKEN], ids=["known", "pattern"])
@pytest.mark.parametrize("head", ["no head", "a time"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CR LF"])
def test_both_halves_are_masked(form: str, secret: bytes, head: str, end: bytes) -> None:
    middle = len(secret) // 2
    printed = FORMS[form] % (secret[:middle], secret[middle:])
    printed = with_stamps(printed) if head == "a time" else printed
    shown = masked((b"before it\n" + printed + b"\nafter it\n").replace(b"\n", end))
    assert "‹".encode() in shown
    assert secret[2:middle] not in shown
    assert secret[middle:-2] not in shown
    assert shown.startswith(b"before it" + end)
    assert shown.endswith(end + b"after it" + end)


REPEATED = {
    "lines": b"part 1: %(a)s\npart 2: %(a)s\npart 3: %(b)s",
    "assignments": b"TOKEN_A=%(a)s\nTOKEN_B=%(a)s\nTOKEN_C=%(b)s",
    "more lines than are looked at": b"part 0: %(a)s\n" * 70 + b"part 1: %(b)s",
    "equal lines before": b"part 0: nothing7Here4See\n" * 3 + b"part 1: %(a)s\npart 2: %(b)s",
    "strings": b'const token = "%(a)s" + "%(a)s" + "%(b)s";',
    "a list": b'["%(a)s", "%(a)s", "%(b)s"].join("")',
}


@pytest.mark.parametrize("form", sorted(REPEATED))
@pytest.mark.parametrize("head", ["no head", "a time"])
def test_a_part_that_is_printed_again_hides_no_secret(form: str, head: str) -> None:
    middle = len(KNOWN) // 2
    printed = REPEATED[form] % {b"a": KNOWN[:middle], b"b": KNOWN[middle:]}
    printed = with_stamps(printed) if head == "a time" else printed
    shown = masked(b"before it\n" + printed + b"\nafter it\n")
    assert "‹known-credential:".encode() in shown
    assert KNOWN[middle:-2] not in shown


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("head", [b"", STAMP], ids=["no head", "a time"])
def test_a_width_cuts_the_word_wherever_it_stands(width: int, line_end: bytes, head: bytes) -> None:
    for before in range(width - len(KNOWN) + 2, width - 1):
        text = b"connecting to the registry of this job with the credential that it was given, and with no other, of token="
        text = text[-max(before, 6) :] + KNOWN + b" in 3 tries\n"
        lines = [head + text[at : at + width] for at in range(0, len(text), width)]
        shown = masked(b"before it\n" + line_end.join(lines))
        assert "‹known-credential:28›".encode() in shown, (before, shown)


def test_a_half_that_looks_like_an_assignment_is_no_name() -> None:
    known = KnownIndex(KeyRing((KEY,)).identifiers(Secret(b"TOy=dnvhRsoFjUw1r;hGaU~N")), (KEY,))
    redactor = LeakFinder(PatternScanner(()), known, [KEY]).redactor
    assert redactor.masked(b"TOy=dnvhRsoF\njUw1r;hGaU~N\n") == "‹known-credential:24›\n".encode()


def test_a_word_of_many_parts_is_put_together_once() -> None:
    parts = [TOKEN[at : at + 5] for at in range(0, len(TOKEN), 5)]
    text = b' + "'.join(part + b'"' for part in parts)
    assert [one.data for one in decoded(b'x = "' + text)] == [TOKEN]
    assert [one.data for one in decoded(b"x = \\\n" + b"\\\n  ".join(parts))] == [TOKEN]


def test_two_whole_tokens_stay_two() -> None:
    """What is whole where it stands is not reported once more across a cut."""
    data = b'a = "%s" + "%s"\n' % (TOKEN, KNOWN)
    record = RecordAt(0, len(data), "1")
    leaks = finder().look(Batch("test", data, lambda _: record)).leaks
    assert [(leak.pattern, leak.encodings) for leak in leaks] == [("github-pat-classic", ()), (None, ())]


def test_only_what_is_proven_is_believed_across_a_cut() -> None:
    text = b"curl -u ci:nW5yRk7c\\\nQe2xHs9bT4kZ https://files.acme.test\n"
    assert b"Qe2xHs9bT4kZ" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"level":"info","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}\n' * 2,
        '10.0.0.1 - - "GET / HTTP/1.1" 200 12 "https://example.com/a1b2" "Mozilla/5.0"\n' * 2,
        '  "sha512-q8Ux+A1==",\n  "sha512-w7Ty+B2==",\n',
        'key1="4bf92f3577b34da6" key2="a3ce929d0e0e4736"\n',
        "9fceb02d0ae598e95dc970b74767f19372d61af8\n7b3f1c6a2d0e4f589ab1c2d3e4f5061728394a5b\n" * 2,
        "4bf92f3577b34da6a3ce929d0e0e4736Zx/4bf92f3577b34da6a3ce929d0e0e4736\n" * 4,
        "2026-11-24T10:00:01Z compiling a.c -> build/78e608710d0b.o\n2026-11-24T10:00:02Z linking b.c -> run/6228ae33d009.o\n",
        "h1:xqgGXi3iBqSnBKECrF2Yy2Rv+Eo+/CrHXZfxwSaOnj8=\nh1:oNyEe/cGNzeN39lrl0zK6KWgOabkijGDXha9fxUCQ2s=\n",
        "./configure --prefix=/usr/local \\\n  --with-openssl=/opt/ssl3 \\\n  --quiet\n",
    ],
)
def test_ordinary_text_is_not_put_together(text: str) -> None:
    assert CUT not in found(text.encode())


@pytest.mark.parametrize("offset", [*range(0, 130, 13), 4030, 4064, 4090, 8190])
def test_a_cut_is_seen_at_every_place(offset: int) -> None:
    """Text is looked at in blocks, and its end by itself."""
    for form in (FORMS["+"], FORMS["a backslash"], FORMS["two lines"]):
        printed = form % (KNOWN[:14], KNOWN[14:])
        for size in (0, 100, 5000):
            assert found(b"y" * offset + b"\n" + printed + b"\n" + b"y" * size)[CUT].size == 1


PRINTED = st.lists(
    st.one_of(
        st.sampled_from(
            ["\n", "\r\n", " ", '"', "'", "=", ": ", "%41&amp;", "\\\n", '" + "', "TOKEN_A=", "1: "]
        ),
        st.text("aB3%", min_size=1, max_size=22),
        st.sampled_from([20, 40]).flatmap(lambda width: st.text("aB3xY", min_size=width, max_size=width)),
    ),
    max_size=14,
).map("".join)


@given(PRINTED)
@example("\n%41&amp;" * 11)
@example("1: aB3xYaB3xYaB3xYaB3xY\n1: aB3xYaB3xYaB")
def test_where_a_word_is_cut_does_not_depend_on_the_text_around_empty_lines(text: str) -> None:
    around = b"\n" * 140
    alone = found(text.encode()).get(CUT, ())
    among = found(around + text.encode() + around).get(CUT, ())
    assert [at - len(around) for at in among] == list(alone)
