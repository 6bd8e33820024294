"""What is made from one pattern's regex is found by the scanner of all, wherever a log has it and however encoded."""

import quopri
import random
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from detector.patterns.pattern import finds_public_ids
from detector.scan.scanner import PatternScanner
from detector.scan.sightings import sightings_in
from tests.bundled import regex_scanner, with_regex
from tests.patterns.generators import Generator
from tests.scan.surroundings import ENCODINGS, LINES, Surrounded, surrounded

STRINGS, SURROUNDINGS = 2, 5  # of each string
# Runs on into whatever is decoded beside it.
OPEN_ENDED = frozenset({"private-key-cut-off"})
EVERY: list[str | None] = [None, *ENCODINGS]
PATTERNS = with_regex()
BETWEEN = b"\n" + b"nothing here\n" * 30  # a key without an end is told from what follows it


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return regex_scanner()


@pytest.mark.slow
def test_what_a_pattern_describes_is_found_in_ten_surroundings(scanner: PatternScanner) -> None:
    for pattern in PATTERNS:
        if finds_public_ids(pattern):
            continue
        rng = random.Random(pattern.id)
        generator = Generator(pattern)
        for _ in range(STRINGS):
            made = generator.make(rng)
            text = generator.as_written(made)
            encodings = [None] if pattern.id in OPEN_ENDED else EVERY
            places = [somewhere(text, rng, encodings) for _ in range(SURROUNDINGS)]
            # Of a key over many lines, of which one is encoded, only the others may be seen to be one.
            assert missed(b"" if pattern.multiline else made.secret, places, scanner) == [], pattern.id


def somewhere(text: bytes, rng: random.Random, encodings: Sequence[str | None]) -> Surrounded:
    """The text in a log, in a way that decoding can be told to see through (docs/scanner.md has what it does not)."""
    while True:
        place = surrounded(text, rng, encodings)
        if not beyond(place, text):
            return place


def beyond(place: Surrounded, text: bytes) -> bool:
    """Whether it is one of the ways that are not seen through."""
    if b"\n" in text:  # of whose lines only some have an escape
        return "coloured" in place.line or place.encoding in {"colours inside", "quoted-printable"}
    if place.encoding == "quoted-printable":
        # It is told by `=3D`. An `=` at the end of a line that is not of its width looks like padding.
        encoded = quopri.encodestring(text, quotetabs=True)
        return encoded != text and (b"=3D" not in encoded or b"=\n" in encoded)
    # Without padding it goes on in a line that begins with digits.
    return place.encoding == "base64url" and place.line in {"between lines", "carriage returns"}


def missed(secret: bytes, places: list[Surrounded], scanner: PatternScanner) -> list[Surrounded]:
    """The surroundings, all of one log, in which nothing found holds the secret."""
    log, edges = b"", []
    for place in places:
        edges.append((len(log), len(log) + len(place.data)))
        log += place.data + BETWEEN
    # What stands behind a secret may be part of it: `password (`, `)`.
    found = [one.start for one in sightings_in(log, scanner, None)[0] if secret in one.secret.reveal()]
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


def test_strings_are_made_without_a_look_at_the_examples() -> None:
    for pattern in PATTERNS:
        bare = replace(pattern, examples=(), near_misses=())
        for seed in range(2):
            made = Generator(pattern).make(random.Random(seed))
            assert made == Generator(bare).make(random.Random(seed))
            assert made.text.decode("latin-1") not in pattern.examples
