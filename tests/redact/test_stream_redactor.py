"""`curfewd redact`: every leak masked, however the stream is cut, and nothing else changed."""

import base64
import contextlib
import gzip
import itertools
import json
import os
import random
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.patterns.pattern import Pattern, finds_public_ids
from detector.redact.mask_edits import underneath
from detector.redact.stream_redactor import StreamRedactor, key_lines
from detector.redact.unexamined import encoded_otherwise
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.mask_spans import MaskSpan, with_masks
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_patterns, bundled_scanner
from tests.scan.plain_scan import PlainPattern

ROOT = Path(__file__).parents[2]
KEY = DeploymentKey.of(b"k" * 32)
KNOWN = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
GITHUB = next(pattern for pattern in bundled_patterns() if pattern.id == "github-pat-classic")
TOKEN = PatternScanner((GITHUB,)).scan(GITHUB.examples[0].encode())[0].secret.reveal()
PEM = next(
    example
    for pattern in bundled_patterns()
    if pattern.multiline
    for example in pattern.examples
    if example.startswith("-----BEGIN") and "\n-----END" in example
).encode()
TIME = "2026-05-01T10:00:00Z"
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "clear": lambda secret: secret,
    "base64": base64.b64encode,
    "Basic": lambda secret: b"Authorization: Basic " + base64.b64encode(b"bot:" + secret),
    "hex": lambda secret: secret.hex().encode(),
    "percent": lambda secret: b"".join(b"%%%02X" % byte for byte in secret),
    "json": lambda secret: b"".join(b"\\u%04x" % byte for byte in secret),
    "colours": lambda secret: secret[:9] + b"\x1b[31m" + secret[9:] + b"\x1b[0m",
    "html": lambda secret: b"".join(b"&#x%x;" % byte for byte in secret),
    "quoted-printable": lambda secret: b"".join(b"=%02X" % byte for byte in secret),
    "utf-16 in base64": lambda secret: base64.b64encode(secret.decode().encode("utf-16-le")),
    "gzip": lambda secret: base64.b64encode(gzip.compress(b"t=" + secret)),
    "twice": lambda secret: base64.b64encode(urllib.parse.quote_plus(base64.b64encode(secret)).encode()),
}


@cache
def redactor(*, every_window: bool = True) -> Redactor:
    known = KnownIndex(KeyRing((KEY,)).identifiers(Secret(KNOWN)), (KEY,), every_window=every_window)
    return Redactor(bundled_scanner(), known)


def redacted(chunks: Iterable[bytes], longest: int = 1 << 20, *, every_window: bool = True) -> bytes:
    stream = StreamRedactor(redactor(every_window=every_window), longest)
    return b"".join(map(stream.feed, chunks)) + stream.end()


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


CUTS = st.lists(st.integers(0, 3000), max_size=12)
BEGINS = b"-----BEGIN "  # of a key whose rest may come
PLAIN = st.binary(max_size=60).filter(lambda line: BEGINS not in line and not encoded_otherwise(line)) | st.sampled_from((
    b"2026-05-01T10:00:00Z step 3 of 9 done",
    b"digest sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    b'{"message": "commit 3f786850e387550fdab836ed7e6dc881de23001b"}',
    base64.b64encode(bytes(range(57))),
))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PLAIN, max_size=30), st.sampled_from((b"\n", b"\r\n")), CUTS)
def test_what_shows_no_secret_passes_byte_by_byte(
    lines: list[bytes], newline: bytes, cuts: list[int]
) -> None:
    data = newline.join(lines)
    if not redactor().mask_spans(data):
        assert redacted(cut(data, cuts)) == data


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(("KNOWN", "TOKEN", "PEM", "plain")), min_size=1, max_size=8),
    st.sampled_from(sorted(ENCODINGS)),
    CUTS,
    st.randoms(use_true_random=False),
)
def test_nothing_that_the_scanner_knows_survives_however_the_stream_is_cut(
    kinds: list[str], encoding: str, cuts: list[int], rng: random.Random
) -> None:
    encode = ENCODINGS[encoding]
    lines = []
    for number, kind in enumerate(kinds):
        secret = {"KNOWN": encode(KNOWN), "TOKEN": encode(TOKEN), "PEM": PEM, "plain": b"nothing"}[kind]
        lines += [b"line %d before" % number, b"value=" + secret + b" ;", b"line %d after" % number]
    data = b"\n".join(lines) + rng.choice((b"", b"\n"))
    done = redacted(cut(data, cuts))
    assert redactor().mask_spans(done) == []
    for secret in (KNOWN, TOKEN, base64.b64encode(KNOWN), KNOWN.hex().encode(), PEM.splitlines()[2]):
        assert secret not in done
    for number in range(len(kinds)):
        assert b"line %d before\n" % number in done
        assert b"\nline %d after" % number in done


CARRIERS: dict[str, Callable[[bytes, str], bytes]] = {
    "json": lambda line, stream: json.dumps({"message": line.decode(), "stream": stream, "a": 1}).encode(),
    "docker": lambda line, stream: json.dumps(
        {"log": line.decode() + "\n", "stream": stream, "time": TIME}
    ).encode(),
    "cri": lambda line, stream: f"{TIME} {stream} F ".encode() + line,
}
BESIDE = [b"line %d of no interest" % number for number in range(60)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(("key", "mixed", "half", "TOKEN", "plain")), min_size=1, max_size=6),
    st.sampled_from(sorted(CARRIERS)),
    st.sampled_from((b"\n", b"\r\n")),
    CUTS,
)
def test_a_key_over_many_records_is_masked_and_what_stands_around_it_is_not(
    kinds: list[str], carrier: str, newline: bytes, cuts: list[int]
) -> None:
    carry = CARRIERS[carrier]
    key, around = (
        [carry(line, "stdout") for line in PEM.splitlines()],
        [carry(line, "stdout") for line in BESIDE],
    )
    parts = {
        "key": key,
        "mixed": [each for line in key for each in (line, carry(b"another stream's of interest", "stderr"))],
        "half": key[:2],
        "TOKEN": [carry(b"token " + TOKEN, "stdout")],
        "plain": [carry(b"nothing \\ to see", "stdout")],
    }
    lines = [*around, *(line for kind in kinds for line in parts[kind]), *around]
    done = redacted(cut(newline.join(lines), cuts))
    assert redactor().mask_spans(done) == []
    assert TOKEN not in done
    if "half" not in kinds:  # of a key that was cut off nobody can tell where it would have ended
        assert not any(line in done for line in PEM.splitlines()[1:-1])
        assert [line for line in done.split(newline) if b"interest" in line] == [
            line for line in lines if b"interest" in line
        ]


def test_the_lines_of_keys_are_told_and_none_far_from_them() -> None:
    far = b"\n".join([b"x" * 99] * 400)
    key, other = b"-----BEGIN A-----\nx\n-----END A-----", b"-----BEGIN B-----\ny"
    data = b"\n".join((far, key, far, key, key, far, other))
    spans = key_lines(data)
    assert [data[start:end].count(b"-----BEGIN A") for start, end in spans] == [1, 2, 0]
    assert all(16 << 10 <= end - start < 34 << 10 for start, end in spans)
    assert all(data[start - 1 : start] == b"\n" for start, _ in spans)
    assert [data[end : end + 1] for _, end in spans] == [b"\n", b"\n", b""]
    assert key_lines(b"-----END A-----\n" + key) == [(0, 16 + len(key))]
    assert key_lines(far) == []


def test_a_line_of_ten_megabytes_passes_without_its_secrets() -> None:
    rng = random.Random(4)
    words = [b"%06x" % rng.randrange(1 << 24) for _ in range(1_500_000)]
    for at in range(1000, len(words), 300_000):
        words[at] = rng.choice((TOKEN, KNOWN, base64.b64encode(KNOWN)))
    data = b" ".join(words) + b"\0\xff no newline"
    done = redacted([data[start : start + (1 << 19)] for start in range(0, len(data), 1 << 19)])
    wanted = (
        b" ".join(word if len(word) == len(words[0]) else b"\xe2" for word in words) + b"\0\xff no newline"
    )
    assert re.sub("‹[a-z-]*:[0-9]*›".encode(), b"\xe2", done) == wanted


def test_the_examples_of_every_pattern_are_masked() -> None:
    for pattern in bundled_patterns():
        if not finds_public_ids(pattern):
            secrets_in = search_of(pattern)
            for example in pattern.examples:
                data = f"before\n{example}\nafter\n".encode()
                done = redacted([data])
                secrets = secrets_in(data)
                assert secrets, pattern.id
                assert not [secret for secret in secrets if secret in done], pattern.id
                assert done.startswith(b"before\n"), pattern.id
                assert done.endswith(b"\nafter\n"), pattern.id


def search_of(pattern: Pattern) -> Callable[[bytes], list[bytes]]:
    """Finds the secrets of one pattern, plainly if it has a regex: there is nothing to compile."""
    if pattern.named is None:
        plain = PlainPattern(pattern)
        return lambda data: [data[start:end] for start, end in plain.spans(data)]
    scanner = PatternScanner((pattern,))
    return lambda data: [match.secret.reveal() for match in scanner.scan(data)]


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_a_secret_anywhere_in_a_line_of_megabytes_is_masked(encoding: str) -> None:
    rng = random.Random(encoding)
    words = b" ".join(b"%06x" % rng.randrange(1 << 24) for _ in range(150_000))
    for _ in range(3):
        at = words.index(b" ", rng.randrange(len(words) - 10))
        shown = ENCODINGS[encoding](TOKEN)
        data = words[:at] + b" token " + shown + words[at:]
        done = redacted([data[start : start + 70_000] for start in range(0, len(data), 70_000)], 1 << 17)
        assert redactor().mask_spans(done) == []
        assert shown not in done
        assert done[:at] == words[:at]
        assert done.endswith(words[at + 300 :])


def test_every_place_of_a_cut_in_a_long_line_is_safe() -> None:
    for shift in range(0, 200, 7):
        data = b"x" * (1 << 16) + b" " * shift + b" key " + TOKEN + b" " + b"y" * (1 << 16) + b"\n"
        done = redacted([data[: 1 << 17], data[1 << 17 :]], 1)
        assert TOKEN not in done
        assert done.count(b"github") == 1


def test_what_only_a_mask_sets_apart_is_masked_wherever_a_long_line_is_cut() -> None:
    shown = TOKEN + KNOWN  # no word ends between the two
    masking = redactor(every_window=False)
    assert all(
        mask_span.end <= len(b"key ") + len(TOKEN) for mask_span in masking.mask_spans(b"key " + shown)
    )
    for shift in range(0, 100, 3):
        before, after = b"x" * (1 << 16) + b" key ", b" " + b"y" * (1 << 16)
        data = before + shown + after[: len(after) - len(shown) + shift] + b"\n"
        done = redacted([data[:-1], data[-1:]], 1, every_window=False)
        assert KNOWN not in done
        assert masking.mask_spans(done) == []


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 20)), max_size=5), st.integers(0, 6))
def test_a_place_in_masked_text_is_led_back_to_where_it_stood(
    parts: list[tuple[int, int]], rest: int
) -> None:
    at, mask_spans = 0, []
    for gap, size in parts:
        mask_spans.append(MaskSpan(at + gap, at + gap + size, "r", size, (False, False, size)))
        at += gap + size
    data = bytes(range(at + rest))
    wanted = [(place, place + 1) for place in range(len(data))]
    for mask_span in reversed(mask_spans):
        wanted[mask_span.start : mask_span.end] = [(mask_span.start, mask_span.end)] * len(
            mask_span.text.encode()
        )
    text = with_masks(data, mask_spans)
    every = [MaskSpan(place, place + 1, "s", 1, (True, True, 1)) for place in range(len(text))]
    assert [(mask_span.start, mask_span.end) for mask_span in underneath(every, mask_spans)] == wanted


def test_a_secret_longer_than_what_is_held_of_a_line_is_not_shown_from_its_middle_on() -> None:
    body = base64.b64encode(random.Random(3).randbytes(9000))
    key = b"-----BEGIN RSA PRIVATE KEY-----\\n" + body + b"\\n-----END RSA PRIVATE KEY-----"
    data = b"z" * ((1 << 16) - 4000) + b' "' + key + b'" ' + b"z" * (1 << 17) + b"\n"
    done = redacted([data[start : start + 10_000] for start in range(0, len(data), 10_000)], 1)
    if redactor().mask_spans(b'"' + key + b'"'):
        assert body[4000:4100] not in done
    assert redactor().mask_spans(done) == []


def start(*options: str, stdout: int | IO[bytes] = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "detector.cli", "redact", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "CURFEWD_KEY": (b"k" * 32).hex()},
    )


def put(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream is not None
    stream.write(data)
    stream.flush()


def test_a_line_goes_before_the_next_one_comes() -> None:
    process = start()
    assert process.stdout is not None
    with process:
        put(process.stdin, b"token " + TOKEN + b"\n")
        assert process.stdout.readline() == b"token \xe2\x80\xb9github-pat-classic:40\xe2\x80\xba\n"
        put(process.stdin, b"-----BEGIN RSA PRIVATE KEY-----\n")  # and what follows may never come
        assert process.stdout.readline() == b"-----BEGIN RSA PRIVATE KEY-----\n"
        put(process.stdin, b"no newline \xff")
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout.read() == b"no newline \xff"
        assert process.wait(60) == 0


def test_credentials_registered_in_a_file_of_events_are_masked(tmp_path: Path) -> None:
    fingerprint = KeyRing((KEY,)).identifiers(Secret(KNOWN))[0]
    (tmp_path / "events.jsonl").write_text(
        '{"specversion": "1.0", "id": "1", "source": "/issuer", "type": "credential.issued", '
        '"time": "2026-05-01T00:00:00Z", "data": {"credential_id": "c", "task_id": "t", "identifiers": '
        f'[{{"scheme": "hmac-sha256", "value": "{fingerprint.value}", "length": {len(KNOWN)}, '
        f'"check": "{fingerprint.check}"}}]}}}}\n'
    )
    masked = f"‹known-credential:{len(KNOWN)}›".encode()
    process = start("--known", str(tmp_path))
    out, err = process.communicate(b"a=%s\nmysql -p%s\n%sx\n" % (KNOWN, KNOWN, KNOWN), 60)
    assert out == b"a=%s\nmysql -p%s\n%sx\n" % (masked, masked, masked)
    assert err == b""
    (tmp_path / "curfewd.toml").write_text("[scan]\nevery_window = false\n")
    process = start("--known", str(tmp_path / "events.jsonl"), "--config", str(tmp_path / "curfewd.toml"))
    out, err = process.communicate(b"mysql -p%s\n" % KNOWN, 60)
    assert (out, err) == (b"mysql -p%s\n" % KNOWN, b"")


def test_a_reader_that_goes_away_ends_it() -> None:
    process = start()
    assert process.stdout is not None
    assert process.stdin is not None
    with process:
        put(process.stdin, b"one\n")
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            for _ in range(1000):
                put(process.stdin, b"more\n" * 10_000)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(stdout=full)
        _, err = process.communicate(b"x\n" * 10_000, 60)
    assert process.returncode == 2
    assert err == b"curfewd: standard output: No space left on device\n"


def test_a_file_that_is_not_there_is_told() -> None:
    process = start("--known", "nowhere.jsonl")
    _, err = process.communicate(b"", 60)
    assert process.returncode == 2
    assert err.startswith(b"curfewd: nowhere.jsonl: ")
