"""Literals and runs that each match of a regex has, and the regions that have them."""

import numpy as np
import pytest

from detector.patterns.regexes import Regex
from detector.scan.regex_finder import Finder
from detector.scan.regex_programs import program_of
from detector.scan.required_literals import has_all, has_run, required_literals, required_run
from tests.bundled import bundled_patterns


@pytest.mark.parametrize(
    ("regex", "literals"),
    [
        (
            r"(?P<secret>-----BEGIN (?:RSA )?KEY-----[^-]+-----END (?:RSA )?KEY-----)",
            ["-----BEGIN ", "KEY-----", "-----END ", "KEY-----"],
        ),
        (r"(?P<secret>abcd\bef.gh|abcd)", []),
        (r"abc(?P<secret>d\b-\.[0-9])(?:wxyz){2}(?i:wxyz)-0000\x41", ["abcd-.", "-0000"]),
        (r"(?i)abcd(?P<secret>efgh)", []),
        (r"abcde+(?P<secret>f{2}ghij$)?", []),
        (r"abcde+f(?P<secret>f{2}ghij$)", ["abcd", "ghij"]),
    ],
)
def test_literals_that_each_match_has_are_known(regex: str, literals: list[str]) -> None:
    assert required_literals(regex) == tuple(literal.encode() for literal in literals)


def test_a_region_without_them_has_no_match_and_others_have_theirs() -> None:
    regex = r"(?P<secret>-----BEGIN KEY-----[^-]+-----END KEY-----)"
    key = b"-----BEGIN KEY-----\nMIIE\n-----END KEY-----"
    cut_off, swapped = key[:-9], key[-17:] + key[:-17]
    data = b"\n".join([cut_off, key, swapped, key + b"\n" + cut_off])
    ends = np.cumsum([len(each) + 1 for each in (cut_off, key, swapped, key + b"\n" + cut_off)])
    regions = np.column_stack([np.append(0, ends[:-1]), ends - 1])
    rows = Finder(regex, multiline=True).rows(data, np.frombuffer(data, np.uint8), regions)
    starts = [int(regions[1, 0]), int(regions[3, 0])]
    assert [row[:2] for row in rows] == [[start, start + len(key)] for start in starts]


@pytest.mark.parametrize(
    ("regex", "size", "members"),
    [
        (r"-- (?P<secret>(?:\n[ab]{40,80}=?){2,})z", 40, b"ab"),
        (r"(?P<secret>[ab]{40}(?:[0-9]{64})?)", 40, b"ab"),
        (r"(?P<secret>[ab]{33}-[cd]{34})", 34, b"cd"),
        (r"(?P<secret>[ab]{31})", 0, b""),
        (r"(?P<secret>x(?:[ab]{40})?|[ab]{40})", 0, b""),
        (r"(?P<secret>(?:[ab]{40}|[cd]{50})x)", 0, b""),
    ],
)
def test_the_longest_run_that_each_match_has_is_known(regex: str, size: int, members: bytes) -> None:
    program = program_of(regex, multiline=True)
    assert program is not None
    run = required_run(program)
    assert (run is None) == (not size)
    if run is not None:
        assert len(run.ones) == size
        assert bytes(byte for byte in range(256) if run.table[byte]) == members


def test_a_region_without_the_run_has_no_match_and_others_have_theirs() -> None:
    regex = r"(?P<secret>-- KEY(?:\n[a-z]{40,80})+)"
    texts = [b"-- KEY\n" + b"a" * 39, b"-- KEY\n" + b"a" * 40, b"-- KEY\n-" + b"a" * 60]
    data = b"\n\n".join(texts)
    starts = np.cumsum([0, *(len(text) + 2 for text in texts[:-1])])
    regions = np.column_stack([starts, starts + [len(text) for text in texts]])
    rows = Finder(regex, multiline=True).rows(data, np.frombuffer(data, np.uint8), regions)
    assert [row[:2] for row in rows] == regions[1:2].tolist()


def test_each_example_of_a_bundled_pattern_has_its_literals_and_its_run() -> None:
    for pattern in bundled_patterns():
        if not pattern.regex:
            continue
        literals = required_literals(pattern.regex)
        program = program_of(pattern.regex, multiline=pattern.multiline)
        run = None if program is None else required_run(program)
        regex = Regex(pattern.regex, multiline=pattern.multiline)
        for example in pattern.examples:
            text = example.encode()
            for (start, end), _ in regex.matches(text, 0, len(text)):
                assert has_all(text, start, end, literals), pattern.id
                assert run is None or has_run(text, start, end, run), pattern.id
