"""Each decoder's examples and near-misses, decoded as the scan decodes them."""

import base64
import zlib
from typing import Any, ClassVar

import msgspec
import pytest

from detector.scan import triggers
from detector.scan.decode import decoded
from detector.scan.decoder import Decoder, SpanDecoder
from detector.scan.decoders import BUNDLED, DECODERS, Decoders, Grid, Hex, Joined, Listed
from detector.scan.shares import SECOND_LOOK
from detector.scan.word_decoders import XoredBase64
from detector.values.forms import FORMS

EXAMPLES = [(decoder, *example) for decoder in DECODERS for example in decoder.examples]
NEAR_MISSES = [(decoder, text) for decoder in DECODERS for text in decoder.near_misses]


def texts(decoder: Decoder, data: bytes) -> list[tuple[bytes, bytes]]:
    """(where it stands, what it says) for everything that one step of decoding finds in this decoder's encodings."""
    return [(data[one.start : one.end], one.data) for one in decoded(data) if one.encodings in decoder.names]


@pytest.mark.parametrize(("decoder", "encoded", "says"), EXAMPLES)
@pytest.mark.parametrize("around", [b"%s", b"2026-05-01 a line: %s\nanother"])
def test_a_decoder_decodes_its_examples(decoder: Decoder, encoded: bytes, says: bytes, around: bytes) -> None:
    found = texts(decoder, around.replace(b"%s", encoded))
    assert any(says in text for _, text in found)
    assert all(says not in origin for origin, text in found if says in text)


@pytest.mark.parametrize(("decoder", "text"), NEAR_MISSES)
def test_a_decoder_leaves_its_near_misses_alone(decoder: Decoder, text: bytes) -> None:
    assert texts(decoder, b"2026-05-01 a line: " + text + b"\nanother") == []


@pytest.mark.parametrize(
    ("decoder", "text"),
    [
        (Grid(), b"".join(b"&#%d;" % byte for byte in b"AbcD1234efGH5678")),
        (Grid(), b"".join(rb"\u%04x" % byte for byte in b"Zklm1234jnGH567z")),
        (Grid(), b"".join(rb"\x%02x" % byte for byte in b"Zklm1234jnGH567z")),
        (Grid(), b"".join(b"%%%02x" % byte for byte in b"Zklm1234jnGH567z")),
        (Grid(), b"-a1B2" * 20),
        (Listed(), b"2026\n" * 40),
        (Joined(), b"part 1: tok_Zb81kQx5Tq9LmN2w\n" * 2),
        (XoredBase64(), base64.b64encode(b'{"id":731945,"k":"q8x","after":90125,"of":17}')),
        (XoredBase64(), base64.b64encode(b"abcdefghij" + bytes([1]) * 40)),
        (XoredBase64(), base64.b64encode(b"arrayconnection:0:852758761")),
        (XoredBase64(), base64.b64encode(b"deployments-writer:frontend")),
        (XoredBase64(), base64.b64encode(b"deploy:83a8f0c27de149b5a6")),
    ],
)
def test_text_that_says_nothing_in_a_form_is_not_decoded(decoder: Decoder, text: bytes) -> None:
    assert texts(decoder, b"a line\n" + text + b"\nanother") == []


@pytest.mark.parametrize("decoder", list(DECODERS), ids=lambda decoder: type(decoder).__name__)
def test_a_decoder_has_examples_for_each_of_its_encodings(decoder: Decoder) -> None:
    assert decoder.examples
    assert decoder.near_misses
    seen = set()
    for encoded, _ in decoder.examples:
        seen |= {one.encodings for one in decoded(b"a line: " + encoded + b"\n")}
    assert {*decoder.names} <= seen


def test_each_decoder_is_of_a_group_that_may_be_left_out() -> None:
    text = b"\n\n".join(decoder.examples[0][0] for decoder in BUNDLED)
    for group in FORMS:
        share = msgspec.structs.replace(SECOND_LOOK, forms=frozenset({group}))
        names = {name for decoder in BUNDLED if decoder.group == group for name in decoder.names}
        found = {one.encodings for one in decoded(text, share)}
        assert found <= names
        assert found
    assert decoded(text, msgspec.structs.replace(SECOND_LOOK, forms=frozenset())) == []


class Ascii85(SpanDecoder):
    names = (("ascii85",),)
    trigger = (b"<~",)
    bound: ClassVar[int] = 200
    examples = ()
    near_misses = ()

    def span(self, text: bytes) -> tuple[int, bytes] | None:
        assert text.startswith(b"<~")
        assert len(text) <= self.bound
        end = text.find(b"~>") + 2
        try:
            return (end, base64.a85decode(text[:end], adobe=True)) if end > 1 else None
        except ValueError:
            return None


class _Room:
    """Room for so many bytes, in one line."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.cut = 0

    def lines(self, places: Any) -> Any:
        return places * 0

    def widen(self, starts: Any, ends: Any) -> None:
        raise NotImplementedError

    def left(self, line: int) -> int:
        assert line == 0
        return self.room

    def spend(self, lines: Any, sizes: Any) -> None:
        raise NotImplementedError

    def spend_one(self, line: int, size: int) -> None:
        assert line == 0
        self.room -= size

    def cut_short(self, lines: Any, *, for_others: bool = False) -> None:
        assert (lines, for_others) == (0, False)
        self.cut += 1

    def open(self, lines: Any) -> Any:
        raise NotImplementedError


def spans(data: bytes, room: _Room | None = None) -> list[tuple[bytes, bytes]]:
    decoder = Ascii85()
    places = triggers.places_of(data, decoder.trigger)
    made = []
    for part in decoder.decode(data, places, room or _Room(1 << 16)):
        for (_, start, end, _), text in zip(part.segments, part.data.split(b"\n\n"), strict=True):
            made.append((data[start:end], text))
    return made


def test_a_span_decoder_decodes_each_text_and_knows_where_it_stands() -> None:
    one, other = base64.a85encode(b"first", adobe=True), base64.a85encode(b"second one", adobe=True)
    assert spans(b"x" + one + b" <~ and " + other + b"<~ not it") == [(one, b"first"), (other, b"second one")]


def test_a_span_decoder_reads_no_more_than_its_bound_and_keeps_to_its_room() -> None:
    long, short = base64.a85encode(b"x" * 400, adobe=True), base64.a85encode(b"short", adobe=True)
    assert spans(long + short) == [(short, b"short")]
    two, none = _Room(13), _Room(5)
    assert spans(short * 9, two) == [(short, b"short")] * 2
    assert spans(short, none) == []
    assert (two.cut, none.cut) == (7, 1)


def test_a_decoder_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="already"):
        Decoders([*BUNDLED, Hex()])
    with pytest.raises(ValueError, match="2 bytes"):
        Decoders([type("Short", (Ascii85,), {"trigger": (b"<",)})()])


@pytest.mark.parametrize(
    ("level", "strategy"), [(0, zlib.Z_DEFAULT_STRATEGY), (9, zlib.Z_FIXED), (9, zlib.Z_DEFAULT_STRATEGY)]
)
def test_hex_of_each_kind_of_block_that_zlib_writes_is_decoded(level: int, strategy: int) -> None:
    text = b"".join(b"%d: token = tok_Zb81+kQ/x=5Tq\n" % number for number in range(20))
    packer = zlib.compressobj(level, strategy=strategy)
    packed = packer.compress(text) + packer.flush()
    assert decoded(b"a " + packed.hex().encode() + b" b")[-1].data.rstrip() == text.rstrip()


@pytest.mark.parametrize("after", [b"d6", b"d7", b"00"])
def test_a_digest_that_begins_as_zlib_does_is_left_alone(after: bytes) -> None:
    assert decoded(b"78da" + after + b"b56c71bc56c0b715bacfd7259199ab83fd") == []
