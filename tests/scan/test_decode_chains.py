"""Any secret is found in any chain of encodings, wherever it stands and however the file is cut into reads.

A chain is up to three of the ways in `tests.scan.encoders`. What is found stands in the lines of the encoded text,
and is named by each encoding.
"""

import random
import string
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.ingest.files import read
from detector.ingest.format_names import TEXT
from detector.ingest.range_reader import Reading
from detector.ingest.sources import Source
from detector.patterns.pattern import Pattern
from detector.records.dead_letters import DeadLetter
from detector.scan.decode import DEPTH, Decoding
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder
from detector.scan.scanner import PatternScanner
from detector.values.events import CanonicalEvent, Leak
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_scanner
from tests.ingest.collecting import NOW
from tests.patterns.generators import Generator
from tests.scan.encoders import ENCODERS
from tests.scan.origins import origin_of

KEY = DeploymentKey.of(bytes(range(32)), "k1")
RING = KeyRing([KEY])
CHARACTERS = string.ascii_letters + string.digits + "+/=_-.~:@!$&%\\\"'<>#"
SPELT = {name for name in ENCODERS if name.startswith(("blanks", "a character"))}
SCANNER = bundled_scanner()
# Whose text tells what it is, by a checksum or a mark of its own, and whose regex takes no long text.
MARKED: list[Pattern] = [
    pattern
    for pattern in SCANNER.patterns
    if pattern.id in {"github-pat-classic", "github-app-user-token", "gitlab-pat", "gitlab-routable-token", "npm-access-token"}
]  # fmt: skip
NOTHING = PatternScanner(())


class Sink:
    """Finds leaks in what a reader gives."""

    def __init__(self, finder: LeakFinder) -> None:
        self.finder = finder
        self.leaks: list[Leak] = []

    def batch(self, batch: Batch, part: int = 0) -> None:
        del part
        self.leaks += self.finder.find(batch)

    def event(self, event: CanonicalEvent) -> None:
        raise AssertionError(event)

    def dead(self, letter: DeadLetter) -> None:
        raise AssertionError(letter)


def leaks_in(data: bytes, chunk: int, finder: LeakFinder) -> list[Leak]:
    """The leaks of a file of text that is read in chunks of so many bytes."""
    chunks = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    sink = Sink(finder)
    read(
        Source("f", TEXT, len(data), raw=lambda _start, _end: iter(chunks)), 0, len(data), sink, Reading(NOW)
    )
    return sink.leaks


def encoded(text: bytes, chain: Sequence[str], rng: random.Random) -> tuple[bytes, list[tuple[str, ...]]]:
    """The text in a chain of encodings, innermost first, and of each that changes every byte what it may be called."""
    names: list[tuple[str, ...]] = []
    for number, name in enumerate(chain):
        encoder = ENCODERS[name]
        assume(len(text) >= encoder.least)
        # Of text over many lines those are decoded that have something to decode, each by itself.
        assume(not ((encoder.partly or encoder.binary) and b"\n" in text))
        assume(not encoder.binary or (number == len(chain) - 1 and not SPELT & {*chain}))
        assume(name not in SPELT or not any(byte < 0x21 for byte in text))
        # UTF-16 in base64 is told by seven characters in a row that are no line breaks.
        assume(name != "base64 of UTF-16" or b"\n" not in text[1:3])
        # A soft break behind digits of base64 or hex may look like padding.
        assume(name != "soft breaks" or not any(one.startswith(("base64", "hex")) for one in chain[:number]))
        # Of an escape sequence alone quoted-printable is not told.
        assume(name != "soft breaks" or "colours" not in chain[:number])
        text = encoder.encode(text, rng)
        if not encoder.partly:  # what leaves most bytes as they are may have left the secret
            names.append(encoder.names)
    return text, names


def check(secret: bytes, chain: Sequence[str], seed: int, chunk: int, finder: LeakFinder) -> None:
    rng = random.Random(seed)
    text, names = encoded(secret, chain, rng)
    before = b"".join(
        rng.choice((b"a line\n", b"another: \n", b"step 3 ok\n")) for _ in range(rng.randrange(4))
    )
    around = rng.choice(
        ((b"", b""), (b"value: ", b" end"), (b"(", b")"), (b"it is '", b"'\n"), (b"", b"\nlast line\n"))
    )
    if any(ENCODERS[name].lines for name in chain):
        around = rng.choice(((b"", b""), (b"value:\n", b"\n\nend")))
    data = before + around[0] + text + around[1]
    assume(secret not in data)
    fingerprint = KEY.fingerprint(Secret(secret))
    found = [leak for leak in leaks_in(data, chunk, finder) if leak.fingerprint == fingerprint]
    assert found, (data, chain)
    first = before.count(b"\n") + 1
    for leak in found:
        assert leak.line is not None
        assert first <= leak.line <= data.count(b"\n") + 1
        assert secret.decode("latin-1") not in leak.excerpt
    told = found[0].encodings
    assert all(any(name in allowed for name in told) for allowed in names), (told, names)


chains = st.lists(st.sampled_from(sorted(ENCODERS)), min_size=1, max_size=DEPTH)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(CHARACTERS, min_size=16, max_size=48), chains, st.integers(0, 1 << 32), st.integers(1, 3000))
def test_a_registered_secret_is_found_in_any_chain(
    body: str, chain: list[str], seed: int, chunk: int
) -> None:
    secret = b"k" + body.encode() + b"9"
    known = KnownIndex(RING.identifiers(Secret(secret)), [KEY])
    check(secret, chain, seed, chunk, LeakFinder(NOTHING, known, [KEY]))


FINDER = LeakFinder(SCANNER, KnownIndex(), [KEY])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.sampled_from(MARKED), chains, st.integers(0, 1 << 32), st.integers(1, 3000))
def test_what_a_pattern_describes_is_found_in_any_chain(
    pattern: Pattern, chain: list[str], seed: int, chunk: int
) -> None:
    check(Generator(pattern).make(random.Random(seed)).secret, chain, seed, chunk, FINDER)


@pytest.mark.parametrize(
    "text",
    [b"tuc_unrHAJhMN2rsCvm0JUzHEIXj", b"jXIEHzUJ0mvCsr2NMhJAHrnu_phg", b"GHP_unrHAJhMN2rsCvm0JUzHEIXj"],
)
def test_a_token_that_was_turned_is_not_turned_back(text: bytes) -> None:
    views = list(Decoding(text))
    chains = [place[1] for view in views if (place := origin_of(view, 0, 1)) is not None]
    assert chains
    assert all(len(set(chain)) == len(chain) for chain in chains)
    assert all(text not in view.data for view in views)
