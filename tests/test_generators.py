"""What is made from a pattern's regex alone is found by the scanner of all of them, wherever a log has it and however encoded."""

import random

import pytest

from detector.leaks import _sightings
from detector.patterns import Pattern, load_bundled
from detector.scan import PatternScanner
from tests.generators import Generator
from tests.surroundings import ENCODINGS, LINES, Surrounded, surrounded

STRINGS, SURROUNDINGS = 4, 5  # of each string
# Not seen through in all cases yet: short texts, and soft breaks on a line that other text begins.
PENDING = frozenset({"zlib", "quoted-printable"})
SEEN_THROUGH: list[str | None] = [
    *([None] * len(ENCODINGS)),
    *(name for name in ENCODINGS if name not in PENDING),
]
# Runs on into whatever is decoded beside it.
OPEN_ENDED = frozenset({"private-key-cut-off"})
NOT_ENCODED: list[str | None] = [None]
PATTERNS = load_bundled()
BETWEEN = b"\n" + b"nothing here\n" * 30  # a key without an end is told from what follows it


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return PatternScanner(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.id)
def test_what_a_pattern_describes_is_found_in_twenty_surroundings(
    pattern: Pattern, scanner: PatternScanner
) -> None:
    rng = random.Random(pattern.id)
    generator = Generator(pattern)
    for _ in range(STRINGS):
        made = generator.make(rng)
        text = generator.as_written(made)
        places = [
            surrounded(text, rng, NOT_ENCODED if pattern.id in OPEN_ENDED else SEEN_THROUGH)
            for _ in range(SURROUNDINGS)
        ]
        # Of a key over many lines, of which one is encoded, only the others may be seen to be one.
        assert missed(b"" if pattern.multiline else made.secret, places, scanner) == []


def missed(secret: bytes, places: list[Surrounded], scanner: PatternScanner) -> list[Surrounded]:
    """The surroundings, all of one log, in which nothing found holds the secret."""
    log, edges = b"", []
    for place in places:
        edges.append((len(log), len(log) + len(place.data)))
        log += place.data + BETWEEN
    # What stands behind a secret may be part of it: `password (`, `)`.
    found = [one.start for one in _sightings(log, scanner, None) if secret in one.secret.reveal()]
    return [
        place
        for place, (low, high) in zip(places, edges, strict=True)
        if not any(low <= start < high for start in found)
    ]


def test_the_surroundings_are_many_and_the_encodings_differ() -> None:
    rng = random.Random(0)
    assert len(LINES) > 20
    texts = {name: encode(b"token-Zr8Lq2WvN5tY", rng) for name, encode in ENCODINGS.items()}
    clear = {name for name, text in texts.items() if b"token-Zr8Lq2WvN5tY" in text}
    assert clear <= {"percent twice", "JSON text", "HTML", "quoted-printable", "form"}
    assert len(set(texts.values())) >= len(texts) - len(clear)


def test_strings_of_a_pattern_differ_and_no_other_generator_makes_them() -> None:
    rng = random.Random(1)
    made = [Generator(pattern).make(rng).secret for pattern in PATTERNS for _ in range(2)]
    assert len(set(made)) == len(made)
