"""No stage takes the square of a line's length, in time or memory, whatever stands in it again and again."""

import base64
import itertools
import json
import random
from collections.abc import Callable
from typing import Final

import pytest

from detector.scan.decode import Decoding
from tests.chaos import MANY
from tests.scan.fragments import fragments
from tests.scan.growth import A_BYTE, BESIDE, STAGES, again, growth, growth_of, masked_record, peak

SEED: Final = 34
SAMPLE: Final = 60 * MANY
UNFINISHED: Final = base64.b64encode(b"user:password12345") + b"\x1b["
FOUND: Final = {
    "base64 cut by unfinished colours": UNFINISHED,
    "base64 cut by colours": base64.b64encode(b"user:password12345") + b"\x1b[1;2",
    "base32 in lines": b"ORXWWZLOEA6SA5DPNNPVUYRYGEVWWUJPPA6TKVDR\n",
    "lines that are no blob of zlib": b"eJwhat-is-that-not-a-blob-of-zlib-at-all\n",
    "a secret in parts, in one line that ends as no JSON does": b'{"part1":"tok_Zb81kQx5","part2":"Tq9LmN2wR7vH"}token: ',
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("name", FOUND)
def test_what_once_took_the_square_is_linear(name: str, stage: Callable[[bytes], None]) -> None:
    found = growth(stage, FOUND[name], small=25 << 10, large=400 << 10)
    assert not found.steep, found


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_sample_of_all_fragments_is_linear(stage: Callable[[bytes], None]) -> None:
    chosen = random.Random(SEED).sample([*fragments()], SAMPLE)
    steep = {name: found for name, fragment in chosen if (found := growth(stage, fragment)).steep}
    assert steep == {}


def as_json(lines: list[str]) -> bytes:
    return json.dumps([{"log": line} for line in lines]).encode()


def as_otlp(lines: list[str]) -> bytes:
    records = [{"timeUnixNano": "1800000000000000000", "body": {"stringValue": line}} for line in lines]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


@pytest.mark.parametrize("form", [as_json, as_otlp])
def test_a_record_with_ever_more_different_secrets_is_masked_in_linear_time(
    form: Callable[[list[str]], bytes],
) -> None:
    drawn = random.Random(SEED)
    lines = [f"password={drawn.randbytes(12).hex()}" for _ in range(1600)]
    found = growth_of(masked_record, form(lines[:200]), form(lines))
    assert not found.steep, found


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_one_record_holds_no_more_than_a_multiple_of_its_size(stage: Callable[[bytes], None]) -> None:
    for fragment in FOUND.values():
        text = again(fragment, 400 << 10)
        assert peak(stage, text) < A_BYTE * len(text) + BESIDE


def test_the_places_where_lines_may_change_are_no_more_than_the_decoded_bytes() -> None:
    text = again(UNFINISHED, 32 << 10)
    for view in Decoding(text):
        for outer, inner in itertools.pairwise(view.layers):
            assert len(inner.images(outer.continued)) <= len(inner.data)


def test_text_that_goes_on_in_what_stands_between_two_texts_comes_from_the_last_line() -> None:
    """A title at the end of decoded text, of which digits are left over, once was of a line that is not there."""
    text = b"\xe2\x80\x8b3d38326a5f5b6f64702d302e656b6f647\x1b]\x07"
    assert b"=82j_[odp-0.ekod" in b"".join(view.data for view in Decoding(text))
