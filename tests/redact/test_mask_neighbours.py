"""What masks let be seen stands beside them: to look there tells as much as to look everywhere."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.redact.mask_neighbours import NEAR, beside
from detector.scan.mask_spans import MaskSpan, with_masks
from detector.scan.redactor import Redactor
from tests.redact.test_stream_redactor import ENCODINGS, KNOWN, PEM, TOKEN, redactor

WORDS = (
    b"step 3 of 9 done",
    b"commit 3f786850e387550fdab836ed7e6dc881de23001b",
    b"x" * 40,
    b"-----BEGIN ",
    b"",
)


def mask_span(start: int, end: int) -> MaskSpan:
    return MaskSpan(start, end, "r", end - start, (False, False, end - start))


def cuts(text: bytes, spans: list[tuple[int, int]], near: int) -> bytes:
    return beside(with_masks(text, masks := [mask_span(*span) for span in spans]), masks, near)


def test_whole_lines_so_far_on_either_side_of_each_mask() -> None:
    lines = [b"%03d" % number for number in range(100)]
    text = b"\n".join(lines)
    mask = "‹r:2›".encode()
    assert cuts(text, [(201, 203)], 4) == b"049\n0" + mask + b"\n051"
    assert cuts(text, [(0, 2), (397, 399)], 4) == mask + b"0\n001\n098\n0" + mask
    # Neighbours are one stretch; where that is most of the text it is all of it.
    assert cuts(text, [(201, 203), (213, 215)], 4) == b"049\n0" + mask + b"\n051\n052\n0" + mask + b"\n054"
    assert cuts(text, [(201, 203)], 150) == text.replace(b"050", b"0" + mask)


def test_of_a_line_too_long_the_part_around_the_mask() -> None:
    text = b"x" * (1 << 20)
    near = cuts(text, [(500_000, 500_040)], NEAR)
    assert "‹r:40›".encode() in near
    assert 2 * NEAR < len(near) < len(text) // 2


@pytest.fixture(scope="module")
def masking() -> Redactor:
    return redactor()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("TOKEN", "KNOWN", "PEM", "half", "words")), st.sampled_from(sorted(ENCODINGS))
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from((b"", b"", b" ", b"\n", b'"')),
    st.randoms(use_true_random=False),
)
def test_what_is_seen_behind_masks_is_seen_beside_them(
    masking: Redactor, kinds: list[tuple[str, str]], between: bytes, rng: random.Random
) -> None:
    lines = [b"line %d: nothing to see" % number for number in range(1000)]
    for kind, encoding in kinds:
        encode = ENCODINGS[encoding]
        parts = {
            "TOKEN": [encode(TOKEN)],
            "KNOWN": [TOKEN, encode(KNOWN)],  # which only a mask sets apart, where nothing is between them
            "PEM": [KNOWN, PEM],
            "half": [TOKEN, PEM[: len(PEM) // 2]],
            "words": [rng.choice(WORDS), TOKEN, rng.choice(WORDS)],
        }[kind]
        lines.insert(rng.randrange(len(lines)), between.join(parts))
    text = b"\n".join(lines)
    mask_spans = masking.mask_spans(text, 8)
    text = with_masks(text, mask_spans)
    # Nothing in here is as long as a match may be.
    near = beside(text, mask_spans, 4 << 10)
    assert near is not text or len(kinds) > 1
    assert bool(masking.mask_spans(near, 8)) == bool(masking.mask_spans(text, 8))
