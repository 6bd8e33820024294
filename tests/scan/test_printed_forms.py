"""Secrets as tools and languages print them, over several lines too: found in a batch, in single records, masked."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.cli import main
from detector.redact.stream_redactor import StreamRedactor
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from detector.stages.scan import PartitionScanner
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_patterns, bundled_scanner

KEY = DeploymentKey.of(b"k" * 32)
KNOWN = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
GITHUB = next(pattern for pattern in bundled_patterns() if pattern.id == "github-pat-classic")
TOKEN = PatternScanner((GITHUB,)).scan(GITHUB.examples[0].encode())[0].secret.reveal()
Print = Callable[[bytes], bytes]


def tool(command: str) -> Print:
    """What a tool prints; a test that needs one that is not here is skipped."""

    def prints(text: bytes) -> bytes:
        name, *arguments = command.split()
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name} here")
        return subprocess.run([found, *arguments], input=text, check=True, capture_output=True).stdout

    return prints


def node(expression: str) -> Print:
    def prints(text: bytes) -> bytes:
        found = shutil.which("node")
        if found is None:
            pytest.skip("there is no node here")
        script = f"const b = Buffer.from(process.argv[1]); console.log({expression})"
        return subprocess.run([found, "-e", script, text.decode()], check=True, capture_output=True).stdout

    return prints


TOOLS = (
    "xxd", "xxd -g1", "xxd -g4", "xxd -c 8", "xxd -u", "xxd -i", "xxd -b", "xxd -e",
    "hexdump -C", "hexdump", "hexdump -c", "hexdump -b", "hexdump -d", "hexdump -o", "hexdump -x",
    "od", "od -c", "od -b", "od -t x1", "od -t x1z", "od -A n -t x1", "od -A d -c", "od -t u1", "od -t d1", "od -t x2",
    "od -t x4",
)  # fmt: skip
A_NUMBER_A_LINE = "Node's Buffer in JSON, a number a line"
PRINTED: dict[str, Print] = {
    **{command: tool(command) for command in TOOLS},
    "Node's Buffer": node("b.toString().length < 50 ? b : b.toString('hex').match(/../g).join(' ')"),
    "Node's Buffer in JSON": node("'got ' + JSON.stringify(b)"),
    A_NUMBER_A_LINE: node("JSON.stringify(b, null, 2)"),
    "Node's Uint8Array": node("Array.from(b)"),
    "Go's bytes": lambda text: b"[" + b" ".join(b"%d" % byte for byte in text) + b"]",
    "Python's list": lambda text: str(list(text)).encode(),
    "Java's signed bytes": lambda text: str([byte - 256 * (byte > 127) for byte in text]).encode(),
    "0x with commas": lambda text: b",".join(b"0x%02X" % byte for byte in text),
    "hex with colons": lambda text: b":".join(b"%02x" % byte for byte in text),
    "hex with blanks": lambda text: text.hex(" ").encode(),
    "hex with dashes": lambda text: text.hex("-").upper().encode(),
    "bits": lambda text: b" ".join(b"%08d" % int(f"{byte:b}") for byte in text),
    "bits, without blanks": lambda text: b"".join(b"%08d" % int(f"{byte:b}") for byte in text),
    "bold, as man prints it": lambda text: b"".join(
        b"%c\b%c" % (byte, byte) if byte > ord(" ") else b"%c" % byte for byte in text
    ),
    "cut by a terminal's title": lambda text: text[:-25] + b"\x1b]0;building\x07" + text[-25:],
}
# What a log puts before each line.
HEADS: dict[str, Callable[[int], bytes]] = {
    "nothing": lambda _: b"",
    "a time": lambda number: b"2026-05-01T10:00:%02d.%03dZ " % (number % 60, number * 37 % 1000),
    "a step": lambda _: b"##[step 3] INFO ",
}


@cache
def known() -> KnownIndex:
    return KnownIndex(KeyRing((KEY,)).identifiers(Secret(KNOWN)), (KEY,))


@cache
def finder() -> LeakFinder:
    return LeakFinder(bundled_scanner(), known(), [KEY])


def text_of(secret: bytes) -> bytes:
    return b"what came is " + secret + b"\nthe next line\n"


def lines(printed: bytes, head: Callable[[int], bytes]) -> list[bytes]:
    return [head(number) + line for number, line in enumerate(printed.splitlines())]


def records(texts: list[bytes]) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(
            topic="ci", partition=0, offset=at, timestamp=1_790_000_000_000, key=None, value=text, headers=()
        )
        for at, text in enumerate(texts)
    ]


@pytest.mark.parametrize("form", sorted(PRINTED))
@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("secret", [KNOWN, TOKEN], ids=["known", "pattern"])
def test_a_printed_secret_is_found_in_records_of_a_line_each(form: str, head: str, secret: bytes) -> None:
    if form == A_NUMBER_A_LINE and head != "nothing":
        pytest.skip("not seen: between the numbers is more than the numbers are")
    printed = [b"before it", *lines(PRINTED[form](text_of(secret)), HEADS[head]), b"after it"]
    facts = PartitionScanner("ci", 0).scan(records(printed), finder(), 1_790_000_000_000_000_000)
    rules = {None} if secret == KNOWN else {"github-pat-classic"}
    assert {leak.pattern for leak in facts.leaks} == rules, b"\n".join(printed).decode()


@pytest.mark.parametrize("form", sorted(PRINTED))
@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(HEADS)), st.sampled_from((7, 100, 1 << 20)), st.randoms(use_true_random=False))
def test_a_printed_secret_is_masked_in_place(form: str, head: str, chunk: int, rng: random.Random) -> None:
    secret = rng.choice((KNOWN, TOKEN))
    head = "nothing" if form == A_NUMBER_A_LINE else head
    printed = lines(PRINTED[form](b"x" * rng.randrange(30) + b" " + text_of(secret)), HEADS[head])
    data = b"\n".join([b"before it", *printed, b"after it", b""])
    redactor = finder().redactor
    stream = StreamRedactor(redactor)
    done = b"".join(stream.feed(data[at : at + chunk]) for at in range(0, len(data), chunk)) + stream.end()
    assert done.startswith(b"before it\n")
    assert done.endswith(b"\nafter it\n")
    assert redactor.mask_spans(done) == []
    name = b"known-credential:28" if secret == KNOWN else b"github-pat-classic:40"
    assert "‹".encode() + name + "›".encode() in done


def test_a_dump_in_a_file_is_found_by_a_replay(tmp_path: Path) -> None:
    log = tmp_path / "ci.log"
    printed = lines(PRINTED["xxd"](text_of(TOKEN)), HEADS["a time"])
    log.write_bytes(b"\n".join([b"2026-05-01T09:59:00.000Z begin", *printed, b""]))
    assert main(["replay", "--out", str(tmp_path / "out"), "--fail-on", "low", str(log)]) == 1
    findings = [json.loads(line) for line in (tmp_path / "out" / "findings.jsonl").read_text().splitlines()]
    assert [finding["finding_info"]["analytic"]["uid"] for finding in findings] == ["leaked-secret"]
    assert TOKEN[:16].decode() not in json.dumps(findings)


# As xxd and od print it, for where they are not.
RECORDED = (
    (
        b"00000000: 746f 6b65 6e3d 636f 7270 5f5a 7238 4c71  token=corp_Zr8Lq\n"
        b"00000010: 3257 764e 3574 5978 304b 6439 4873 334a  2WvN5tYx0Kd9Hs3J\n"
        b"00000020: 6637 0a                                  f7.\n"
    ),
    (
        b"0000000   t   o   k   e   n   =   c   o   r   p   _   Z   r   8   L   q\n"
        b"0000020   2   W   v   N   5   t   Y   x   0   K   d   9   H   s   3   J\n"
        b"0000040   f   7  \\n\n"
        b"0000043\n"
    ),
)


@pytest.mark.parametrize("dump", RECORDED, ids=["xxd", "od -c"])
def test_a_recorded_dump_is_masked_with_the_characters_beside_it(dump: bytes) -> None:
    redactor = Redactor(PatternScanner(()), known())
    done = redactor.masked(b"before\n" + dump + b"after\n")
    assert done is not None
    assert done.startswith(b"before\n0000000")
    assert "‹known-credential:28›".encode() in done
    assert b"Zr8" not in done
    assert b"3J" not in done


def test_what_was_struck_out_of_a_secret_is_masked_with_it() -> None:
    printed = b"".join(b"%c\b%c" % (byte, byte) for byte in KNOWN)
    assert finder().redactor.masked(b"is " + printed + b" so") == "is ‹known-credential:28› so".encode()
