"""Masks in values: JSON stays JSON, requests stay requests, and nothing that the scanner knows survives."""

import base64
import json
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.ingest.kafka_records import texts_in
from detector.ingest.values import log_texts
from detector.redact.mask_edits import Places, masked
from detector.redact.record_redactor import redacted
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.mask_spans import MaskSpan
from detector.scan.redactor import Redactor
from detector.scan.shares import LimitedText
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_scanner
from tests.fake_records import NOW, FakeRecord
from tests.redact.redactions import outside_masks_nothing_changed
from tests.redact.test_stream_redactor import PEM, TOKEN

KEY = DeploymentKey.of(b"k" * 32)
KNOWN = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
MASK = "‹github-pat-classic:40›"


@cache
def redactor() -> Redactor:
    known = KnownIndex(KeyRing((KEY,)).identifiers(Secret(KNOWN)), (KEY,))
    return Redactor(bundled_scanner(), known)


def shown(*values: bytes) -> list[bytes | None]:
    return redacted(values, lambda _, line: log_texts(line), redactor())


def mask_span(value: bytes, part: bytes) -> MaskSpan:
    start = value.index(part)
    return MaskSpan(start, start + len(part), "r", len(part), (False, True, len(part)))


def test_a_mask_in_json_stands_inside_its_strings_and_a_number_becomes_one() -> None:
    inner = json.dumps({"p": "hunter2é", "k": 99999})
    value = json.dumps({"message": 'x "secret"\n', "n": 12345678, "in": inner, "s": "😀é"}).encode()
    for part, name, text in (
        (b"secret", "message", 'x "‹r:6›"\n'),
        (b"12345678", "n", "‹r:8›"),
        (b"hunter2", "in", '{"p": "‹r:7›\\u00e9", "k": 99999}'),
        (b"99999", "in", '{"p": "hunter2\\u00e9", "k": "‹r:5›"}'),
        (b"\\ude00", "s", "‹r:6›é"),
    ):
        done = json.loads(masked(value, [mask_span(value, part)]))
        assert done[name] == text
        assert {key: each for key, each in done.items() if key != name} == {
            key: each for key, each in json.loads(value).items() if key != name
        }


def test_a_mask_over_what_holds_json_together_leaves_that() -> None:
    value = b'{"a": "bcd", "e": [1, "f"], "g": null}'
    done = masked(value, [mask_span(value, b'd", "e": [1, "f')])
    assert done == '{"a": "bc‹r:15›", "‹r:15›": ["‹r:15›", "‹r:15›"], "g": null}'.encode()


def test_lines_with_json_behind_a_prefix_have_a_mask_each() -> None:
    value = b'2026-05-01T10:00:00Z stdout F {"a": "bc"}\nno json\n{"d": 1}\n'
    done = masked(value, [mask_span(value, b'c"}\nno json\n{"d"')])
    assert done == '2026-05-01T10:00:00Z stdout F {"a": "b‹r:16›"}\n‹r:16›\n{"‹r:16›": 1}\n'.encode()
    plain = b"one two\nthree\n"
    assert masked(plain, [mask_span(plain, b"two\nthree")]) == "one ‹r:9›\n".encode()


def test_a_text_is_found_where_it_is_written_with_escapes() -> None:
    value = rb'{"log": "a \u0073ecret\n", "other": "secret"}'
    (place,), _ = Places(value).spans(b"a secret", [mask_span(b"a secret", b"secret")])
    assert value[place.start : place.end] == rb"\u0073ecret"


ENCODINGS: dict[str, Callable[[str], str]] = {
    "clear": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "percent": urllib.parse.quote_plus,
    "hex": lambda text: text.encode().hex(),
    "json": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("SECRET"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {"dict": [shape(each) for each in value.values()]}
    return [shape(each) for each in value] if isinstance(value, list) else type(value) is str


def holding(value: Any, secret: str) -> Any:
    if isinstance(value, dict):
        return {name: holding(each, secret) for name, each in value.items()}
    if isinstance(value, list):
        return [holding(each, secret) for each in value]
    return f"a {secret} b" if value == "SECRET" else value


@settings(max_examples=120, deadline=None)
@given(
    JSON,
    st.text(max_size=5),
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from((TOKEN, KNOWN)),
    st.sampled_from(({}, {"ensure_ascii": False}, {"indent": 2})),
)
def test_json_stays_json_and_only_what_leaks_is_another(
    extra: Any, around: str, encoding: str, secret: bytes, style: Any
) -> None:
    hidden = ENCODINGS[encoding](secret.decode())
    record = {"message": f"{around} {hidden} {around}", "extra": holding(extra, hidden), "level": "info"}
    value = json.dumps(record, **style).encode("utf-8", "surrogatepass")
    (done,) = shown(value)
    assert done is not None
    assert shape(json.loads(done)) == shape(record)
    assert secret not in done
    assert hidden.encode() not in done
    assert redactor().mask_spans(done) == []
    assert shown(done) == [done]
    outside_masks_nothing_changed(value, done)


def cri(text: bytes, mark: bytes = b"F", stream: bytes = b"stdout") -> bytes:
    return b"2026-05-01T10:00:00.123456789Z %s %s %s" % (stream, mark, text)


def docker(text: bytes, stream: str = "stdout") -> bytes:
    return json.dumps({"log": text.decode(), "stream": stream, "time": "2026-05-01T10:00:00Z"}).encode()


def fluent(text: bytes, mark: str = "F") -> bytes:
    pod = {"namespace_name": "n", "pod_name": "p"}
    return json.dumps({"log": text.decode(), "_p": mark, "stream": "stdout", "kubernetes": pod}).encode()


@pytest.mark.parametrize(
    ("first", "second", "other"),
    [
        (lambda t: cri(t, b"P"), cri, cri(b"between", stream=b"stderr")),
        (docker, lambda t: docker(t + b"\n"), docker(b"between\n", "stderr")),
        (lambda t: fluent(t, "P"), fluent, b'{"message": "between"}'),
    ],
    ids=["cri", "docker", "fluent-bit"],
)
def test_a_secret_that_was_cut_is_masked_in_both_parts(
    first: Callable[[bytes], bytes], second: Callable[[bytes], bytes], other: bytes
) -> None:
    for place in range(1, len(TOKEN)):
        before, after = first(b"a key " + TOKEN[:place]), second(TOKEN[place:] + b" z")
        done = shown(before, other, after)
        assert done[0] == first(b"a key M").replace(b"M", MASK.encode())
        assert done[1] == other
        assert done[2] == second(b"M z").replace(b"M", MASK.encode())


@pytest.mark.parametrize(
    "line",
    [cri, lambda t: docker(t + b"\n"), lambda t: json.dumps({"message": t.decode(), "level": 1}).encode()],
)
def test_a_key_over_many_records_is_masked_line_by_line_and_nothing_beside_it(
    line: Callable[[bytes], bytes],
) -> None:
    other = line(b"between them") if line is not cri else cri(b"between them", stream=b"stderr")
    lines = [line(each) for each in PEM.splitlines()]
    done = shown(line(b"before"), *lines[:3], *lines[3:], line(b"after"), other)
    assert done[0] == line(b"before")
    assert done[-2:] == [line(b"after"), other]
    for new, text in zip(done[1:-2], PEM.splitlines(), strict=True):
        assert new is not None
        rule = re.search("‹private-key[^›]*›".encode(), new)
        assert rule is not None
        assert new.replace(rule[0], b"M") == line(text).replace(text, b"M")


def test_a_key_among_the_lines_of_another_stream_is_masked() -> None:
    lines = [each for text in PEM.splitlines() for each in (cri(text), cri(b"ok", stream=b"stderr"))]
    done = shown(*lines)
    assert done[1::2] == lines[1::2]
    for text in PEM.splitlines()[1:-1]:
        assert not any(text in (each or b"") for each in done)


def test_a_key_that_begins_where_a_cut_line_ends_is_masked() -> None:
    first, *others = PEM.splitlines()
    lines = [cri(b"it is ", b"P"), cri(first), *map(cri, others)]
    done = shown(*lines)
    assert done[0] == lines[0]
    for line in (first, *others):
        assert not any(line in (each or b"") for each in done)


def varint(value: int) -> bytes:
    done = b""
    while value > 0x7F:
        done += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return done + bytes((value,))


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def request(bodies: Sequence[bytes], attribute: bytes = b"v") -> bytes:
    """An OTLP request of log records in protobuf."""
    pair = field(6, field(1, b"attr") + field(2, field(1, attribute)))
    records = b"".join(field(2, b"\x09" + bytes(8) + field(5, field(1, body)) + pair) for body in bodies)
    resource = field(1, field(1, field(1, b"service.name") + field(2, field(1, b"shop"))))
    return field(1, resource + field(2, field(1, field(1, b"scope")) + records))


def pieces(_number: int, value: bytes) -> list[Any]:
    return texts_in(FakeRecord(value), value, NOW, BUNDLED)


def test_a_request_in_protobuf_stays_one() -> None:
    long = b"w " * 200
    value = request([b"token " + TOKEN + b" " + long, b"clean", b'{"a": "' + TOKEN + b'"}'], TOKEN)
    (done,) = redacted([value], pieces, redactor())
    assert done == request(
        [b"token " + MASK.encode() + b" " + long, b"clean", b'{"a": "' + MASK.encode() + b'"}'],
        MASK.encode(),
    )
    assert [piece.text for piece in pieces(0, done)][1] == b"clean"


@pytest.mark.parametrize("name", ["message", "log", "m\\u0065ssage"])
@pytest.mark.parametrize("escaped", [False, True])
def test_a_value_that_another_of_its_name_hides_is_masked(name: str, escaped: bool) -> None:  # noqa: FBT001 - a parameter
    """Parsers differ in which of the two they show."""
    secret = b"".join(b"\\u%04x" % byte for byte in TOKEN) if escaped else TOKEN
    for held in ('"%b"', '{"deep": ["%b"]}'):
        other = held.encode() % b"clean"
        first, last = (
            (held.encode() % (b"token=" + secret), other),
            (other, held.encode() % (b"token=" + secret)),
        )
        for one, two in (first, last, (first[0], last[1])):
            value = b'{"message": ' + one + b', "' + name.encode() + b'": ' + two + b', "stream": "stdout"}'
            (done,) = shown(value)
            assert done is not None
            assert secret not in done
            assert MASK.encode() in done
            assert done.count(b"message") + done.count(name.encode()) >= 2
            json.loads(done)


def test_a_field_of_protobuf_that_another_hides_is_masked() -> None:
    body = field(1, b"token " + TOKEN) + field(1, b"clean")
    hidden = field(2, b"\x09" + bytes(8) + field(5, body) + field(5, field(1, b"clean")))
    value = field(1, field(2, field(1, field(1, b"scope")) + hidden))
    assert any(TOKEN in piece.text + piece.rest for piece in pieces(0, value))
    (done,) = redacted([value], pieces, redactor())
    assert done is not None
    assert TOKEN not in done
    assert MASK.encode() in done


def test_what_has_no_place_for_a_mask_is_not_passed_on() -> None:
    metric = field(1, field(2, field(2, field(1, b"name " + TOKEN) + field(2, b"unit"))))
    assert pieces(0, metric)
    assert redacted([metric, b"clean"], pieces, redactor()) == [None, b"clean"]


class Everything:
    """Sees a secret in every text: nothing can be masked."""

    def look(self, data: bytes, least: int = 0) -> tuple[list[MaskSpan], list[LimitedText]]:  # noqa: ARG002 - the protocol's
        return [MaskSpan(0, len(data), "r", len(data), (False, True, 0))] if data else [], []


def test_what_resists_is_not_passed_on() -> None:
    assert redacted([b"x", b""], lambda _, line: log_texts(line), Everything()) == [None, b""]


def test_every_mask_is_counted_by_its_rule() -> None:
    told: Counter[str] = Counter()
    values = [b"a " + TOKEN, b"b " + KNOWN + b" " + TOKEN]
    redacted(values, lambda _, line: log_texts(line), redactor(), lambda rule: told.update([rule]))
    assert told == {"github-pat-classic": 2, "known-credential": 1}
