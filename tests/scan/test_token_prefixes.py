"""The prefixes by which a changed token is told are those of the bundled patterns that are believed in such a form."""

import codecs
import re

from detector.patterns.pattern import Pattern
from detector.scan.token_prefixes import LONGEST, PREFIXES
from tests.bundled import bundled_patterns

LONG = 4  # characters of a keyword that is no accident


def believed(pattern: Pattern) -> bool:
    return not pattern.generic and (pattern.proven or any(len(word) >= LONG for word in pattern.keywords))


def test_the_list_is_that_of_the_bundled_patterns() -> None:
    begins = re.compile(rf"([A-Za-z]{{2,{LONGEST}}})[_-]")
    keywords = (word for pattern in bundled_patterns() if believed(pattern) for word in pattern.keywords)
    assert sorted({found[1].lower() for word in keywords if (found := begins.match(word))}) == list(PREFIXES)


def test_no_prefix_in_rot13_is_another() -> None:
    """Else what was turned would be turned back, and scanned again as often as texts are nested."""
    turned = {codecs.encode(prefix, "rot13") for prefix in PREFIXES}
    assert turned.isdisjoint(PREFIXES)
