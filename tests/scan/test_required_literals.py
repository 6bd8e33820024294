"""Literals that each match of a regex has, and the regions that have them."""

import numpy as np
import pytest

from detector.patterns.regexes import Regex
from detector.scan.regex_finder import Finder
from detector.scan.required_literals import has_all, required_literals
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


def test_each_example_of_a_bundled_pattern_has_its_literals() -> None:
    for pattern in bundled_patterns():
        if not pattern.regex:
            continue
        literals = required_literals(pattern.regex)
        regex = Regex(pattern.regex, multiline=pattern.multiline)
        for example in pattern.examples:
            text = example.encode()
            for (start, end), _ in regex.matches(text, 0, len(text)):
                assert has_all(text, start, end, literals), pattern.id
