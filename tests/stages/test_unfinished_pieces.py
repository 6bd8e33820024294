"""No leak disappears because one more unfinished piece stands before or behind it, live in polls or in a file."""

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest import format_names as names
from detector.ingest.files import read
from detector.ingest.range_reader import Reading
from detector.ingest.sources import Source
from detector.registry.finders import Finders
from detector.scan.known_credentials import KeyRing
from detector.scan.leaks import LeakFinder
from detector.stages.ranges import RangeScanner
from detector.stages.scan import PartitionScanner
from detector.values.events import Leak
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_patterns, bundled_scanner
from tests.command_line import curfewd
from tests.fake_records import NOW, records

KEY = DeploymentKey.of(b"k" * 32)
REGISTERED = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
PROVEN = b"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"
OPEN_ENDED = (
    b"AC4bf20f876ffc474c0251908fcdce4b31 : 0a85a368932ff2b2d409dd311ca87190"  # Twilio's, and no word goes on
)
CERTAIN = frozenset(each.id for each in bundled_patterns() if each.proven)
FILLER = b"7 Zebras, 3 Quaggas; 9 Okapis & 4 Jackals walk by the 21 Baobabs. 5 Lions: 8 Yaks! 6 Voles? 1 "
USERS = (b"", b"u:", b"ci:", b"bot:", b"x-access-token:")


@pytest.fixture(scope="module")
def finder() -> LeakFinder:
    finders = Finders(bundled_scanner(), (KEY,))
    finders.renew(KeyRing((KEY,)).identifiers(Secret(REGISTERED)))
    return finders.finder


def certain(leaks: Sequence[Leak]) -> set[str]:
    """The fingerprints of what is registered or has a checksum: of other text nobody knows where a secret ends."""
    return {leak.fingerprint for leak in leaks if leak.pattern is None or leak.pattern in CERTAIN}


def live(finder: LeakFinder, lines: Sequence[bytes], sizes: Sequence[int]) -> list[Leak]:
    """What polls of these sizes give."""
    scanner, given, at = PartitionScanner("logs", 0), records(lines), 0
    leaks: list[Leak] = []
    for size in (*sizes, len(lines)):
        if given[at : at + size]:
            leaks += scanner.scan(given[at : at + size], finder, NOW).leaks
            at += size
    return leaks + scanner.flush(finder).leaks


def replayed(finder: LeakFinder, lines: Sequence[bytes], form: str, size: int) -> list[Leak]:
    """What a file gives that is read in chunks of so many bytes."""
    data = b"\n".join(lines) + b"\n"
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    scanner = RangeScanner(finder)
    source = Source("f", form, len(data), raw=lambda _start, _end: iter(chunks))
    return scanner.facts(read(source, 0, len(data), scanner, Reading(NOW))).leaks


def cri(channel: bytes, flag: bytes, text: bytes) -> bytes:
    return b"2026-05-31T00:00:00Z %b %b %b" % (channel, flag, text)


def docker(channel: bytes, flag: bytes, text: bytes) -> bytes:
    log = text.decode() + ("\n" if flag == b"F" else "")
    return json.dumps({"log": log, "stream": channel.decode(), "time": "2026-05-31T00:00:00Z"}).encode()


def plain(channel: bytes, flag: bytes, text: bytes) -> bytes:
    return json.dumps(
        {
            "message": text.decode() + ("\\" if flag == b"P" else ""),
            "stream": channel.decode(),
            "task_id": "t",
        }
    ).encode()


FORMS: dict[str, tuple[Callable[[bytes, bytes, bytes], bytes], str]] = {
    "cri": (cri, names.CRI),
    "docker": (docker, names.DOCKER),
    "plain": (plain, names.JSON_LOG),
}


@st.composite
def printed(draw: st.DrawFn) -> bytes:
    """A secret as a job prints it."""
    secret = draw(st.sampled_from(USERS)) + draw(st.sampled_from((REGISTERED, PROVEN)))
    match draw(st.integers(0, 4)):
        case 0:
            text = secret
        case 1:
            text = secret.hex().encode()
        case 2:
            text = base64.b64encode(secret + draw(st.sampled_from(USERS)) + PROVEN)
        case _:
            text = base64.b64encode(secret)
    if draw(st.booleans()):
        text = text.rstrip(b"=")
    return draw(st.sampled_from((b"Authorization: Basic ", b"token=", b"", b"> part: "))) + text


@st.composite
def in_pieces(draw: st.DrawFn, write: Callable[[bytes, bytes, bytes], bytes]) -> list[bytes]:
    """The records that a text comes in: parts of one line, or base64 that is wrapped over several."""
    if write is plain or draw(st.booleans()):
        before, behind = draw(st.integers(0, 90)), draw(st.integers(0, 90))
        secret = draw(st.sampled_from((REGISTERED, PROVEN)))
        text = (FILLER * 2)[:before] + b" " + secret + b" " + FILLER[:behind]
        lines = base64.b64encode(text)
        width = draw(st.sampled_from((64, 76)))
        return [write(b"stdout", b"F", lines[at : at + width]) for at in range(0, len(lines), width)]
    text = draw(printed())
    cuts = sorted(draw(st.lists(st.integers(1, len(text) - 1), max_size=3, unique=True)))
    parts = [text[low:high] for low, high in zip((0, *cuts), (*cuts, len(text)), strict=True)]
    return [write(b"stdout", b"P", part) for part in parts[:-1]] + [write(b"stdout", b"F", parts[-1])]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("form", FORMS)
def test_one_more_unfinished_piece_hides_nothing(finder: LeakFinder, form: str, data: st.DataObject) -> None:
    write, read_as = FORMS[form]
    whole = data.draw(in_pieces(write))
    other = data.draw(printed())
    begun = data.draw(
        st.sampled_from((other[: len(other) // 2], other, b"-----BEGIN PRIVATE KEY-----", b"A" * 76, b"")),
        "begun",
    )
    if not data.draw(st.booleans()):  # else it may be the same once more
        begun = data.draw(st.sampled_from(((b"Authorization: Basic " + begun), begun)))
    piece = write(data.draw(st.sampled_from((b"stdout", b"stderr"))), b"P", begun)
    behind = data.draw(st.sampled_from(("behind", "before", "other channel between")))
    if behind == "other channel between":
        at = data.draw(st.integers(0, len(whole)))
        more = [*whole[:at], write(b"stderr", b"P", begun), *whole[at:]]
    elif behind == "behind":
        more = [*whole, piece]
    else:  # of another channel: parts of one line go on in each other
        more = [write(b"stderr", b"P", begun), *whole]
    sizes = data.draw(st.lists(st.integers(1, 3), max_size=4))
    beside = [write(b"stdout", b"F", b"a plain line %d" % number) for number in range(9)]
    around = data.draw(st.sampled_from(([], beside)))
    assert certain(live(finder, [*around, *whole], sizes)) <= certain(live(finder, [*around, *more], sizes))
    size = data.draw(st.sampled_from((7, 64, 1 << 16)))
    assert certain(replayed(finder, [*around, *whole], read_as, size)) <= certain(
        replayed(finder, [*around, *more], read_as, size)
    )


@pytest.mark.parametrize("header", [b"Authorization: Basic ", b"> Authorization: Basic "])
@pytest.mark.parametrize("piece", [(b"stdout", b"P"), (b"stderr", b"P"), (b"stdout", b"F")])
def test_basic_credentials_in_two_halves_and_one_more_begun(
    finder: LeakFinder, header: bytes, piece: tuple[bytes, bytes]
) -> None:
    text = base64.b64encode(b"ci:" + OPEN_ENDED)
    assert not text.endswith(b"=")
    half = len(text) // 2
    two = [cri(b"stdout", b"P", header + text[:half]), cri(b"stdout", b"F", text[half:])]
    three = [*two, cri(*piece, header + text[:half])]
    for scan in (_polled, _read):
        found = {(leak.id, leak.pattern, leak.fingerprint) for leak in scan(finder, two)}
        assert {pattern for _, pattern, _ in found} == {"twilio-account-credentials"}
        assert found <= {(leak.id, leak.pattern, leak.fingerprint) for leak in scan(finder, three)}


def _polled(finder: LeakFinder, lines: Sequence[bytes]) -> list[Leak]:
    return live(finder, [*lines, cri(b"stdout", b"F", b"")], ())


def _read(finder: LeakFinder, lines: Sequence[bytes]) -> list[Leak]:
    return replayed(finder, lines, names.CRI, 1 << 16)


def test_a_replay_finds_them(tmp_path: Path) -> None:
    text = base64.b64encode(b"ci:" + OPEN_ENDED)
    header, half = b"Authorization: Basic ", len(text) // 2
    two = [cri(b"stdout", b"P", header + text[:half]), cri(b"stdout", b"F", text[half:])]
    for number, lines in enumerate((two, [*two, cri(b"stdout", b"P", header + text[:half])])):
        (path := tmp_path / f"{number}.log").write_bytes(b"\n".join(lines) + b"\n")
        out = tmp_path / f"out{number}"
        curfewd("replay", "--out", str(out), str(path))
        assert "twilio-account-credentials" in (out / "findings.jsonl").read_text()
