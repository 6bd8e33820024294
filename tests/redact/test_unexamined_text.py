"""The filter masks what it could not examine whole, or says so before it; and counts it at its end."""

import base64
import contextlib
import gzip
import random
import signal
import zlib
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.redact.stream_redactor import StreamRedactor
from detector.redact.unexamined import Handling, encoded_otherwise
from tests.redact.redactions import outside_masks_nothing_changed
from tests.redact.test_record_redactor import cri, docker
from tests.redact.test_stream_redactor import PEM, TOKEN, cut, put, redactor, start
from tests.service.scan.test_unexamined import BOMB, HIDDEN, whole

MASKED = "‹github-pat-classic:40›".encode()


def through(*chunks: bytes, handling: Handling = "mask", idle: bool = False) -> tuple[bytes, dict[str, int]]:
    """What comes out of these chunks, and what was counted."""
    stream = StreamRedactor(redactor(every_window=False), handling=handling)
    done = b"".join(stream.feed(chunk) + (stream.idle() if idle else b"") for chunk in chunks)
    return done + stream.end(), {str(reason): count for reason, count in stream.unexamined.items()}


def test_a_line_that_decodes_to_too_much_is_masked_and_its_neighbours_are_not() -> None:
    done, counted = through(b"before\n" + BOMB + b"\nafter token " + TOKEN + b"\n")
    assert done == b"before\n" + whole("decoding", BOMB) + b"\nafter token " + MASKED + b"\n"
    assert counted == {"decoding": 1}


def test_or_it_stands_behind_a_line_that_says_so() -> None:
    line = BOMB + b" token " + TOKEN
    done, counted = through(b"before\n" + line + b"\nafter\n", handling="mark")
    assert done == b"before\n%s\n%s token %s\nafter\n" % (whole("decoding", line), BOMB, MASKED)
    assert counted == {"decoding": 1}


@pytest.mark.parametrize("carry", [cri, docker])
def test_a_line_of_a_container_runtime_keeps_its_form(carry: object) -> None:
    assert callable(carry)
    end = b"\n" if carry is docker else b""
    before, line = carry(b"a" + end), carry(BOMB + end)
    done, counted = through(before + b"\n" + line + b"\n")
    assert BOMB[:60] not in done
    assert counted == {"decoding": 1}
    outside_masks_nothing_changed(before + b"\n" + line + b"\n", done)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_stream_in_a_form_that_is_not_decoded_is_masked(hidden: str) -> None:
    data = HIDDEN[hidden] + b"\n" + b"more"
    for chunks in ([data], *(cut(data, [at]) for at in (40, len(data) - 2) if hidden != "zlib")):
        assert through(*chunks) == (whole("encoding", data), {"encoding": 1})
    done, _ = through(data, handling="mark")
    assert done == data + whole("encoding", data)


def test_compressed_data_behind_text_is_masked_to_the_end() -> None:
    packed = gzip.compress(b"token " + TOKEN) + b"\nmore\n"
    assert through(b"some text\n" + packed) == (b"some text\n" + whole("encoding", packed), {"encoding": 1})


@cache
def long_text(pack: Callable[[bytes], bytes], *, wrapped: bool) -> bytes:
    """Compressed text longer than what is held, in base64. The secret stands near its end."""
    packed = pack(random.Random(3).randbytes(2_200_000) + b" token " + TOKEN + b" end")
    return base64.encodebytes(packed) if wrapped else base64.b64encode(packed) + b"\n"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("size", [4096, 64 << 10, 512 << 10])
def test_compressed_text_longer_than_what_is_held_can_not_be_unpacked_from_what_is_passed_on(
    pack: Callable[[bytes], bytes],
    wrapped: bool,  # noqa: FBT001 - pytest gives it by name
    size: int,
) -> None:
    """Whoever puts the lines together again gets no further than what was examined."""
    data = b"log:\n" + long_text(pack, wrapped=wrapped) + b"it is done\n"
    done, _ = through(*(data[at : at + size] for at in range(0, len(data), size)))
    assert done.startswith(b"log:\n")
    assert done.endswith(b"it is done\n")
    left = done.removeprefix(b"log:\n").removesuffix(b"it is done\n")
    digits = b"".join(left.split())
    first = digits.split("‹".encode())[0]
    unpacked = (
        zlib.decompressobj(47).decompress(base64.b64decode(first[: len(first) // 4 * 4])) if first else b""
    )
    assert TOKEN not in unpacked
    assert digits != b"".join(long_text(pack, wrapped=wrapped).split())


def test_a_key_that_stops_in_the_middle_is_masked() -> None:
    lines = PEM.splitlines(keepends=True)
    begun = b"".join(lines[:4])
    for chunks in ([begun], [begun, b"and it works on\n"]):
        done, counted = through(b"text\n", *chunks, idle=True)
        assert done.startswith(b"text\n" + lines[0])
        assert not any(line.strip() in done for line in lines[1:4])
        assert counted["unfinished"] >= 3
    assert done.endswith(b"and it works on\n")


def test_a_key_that_comes_line_by_line_slowly_is_masked() -> None:
    lines = PEM.splitlines(keepends=True)
    done, _ = through(*lines, b"end\n", idle=True)
    assert not any(line.strip() in done for line in lines[1:-1])
    assert done.endswith(b"end\n")


def test_a_part_of_a_line_whose_rest_does_not_come_is_masked() -> None:
    part = cri(b"token " + TOKEN[:20], b"P") + b"\n"
    done, counted = through(b"", part, idle=True)
    assert TOKEN[:20] not in done
    assert counted == {"unfinished": 1}
    outside_masks_nothing_changed(part, done)


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from((b"\0", b"\r\n", b"\n", b"\xff\xfe", b"\x1b[31m", b"caf\xe9", b'{"a": "\\ud800"}', b"-----BEGIN x")),
    st.sampled_from((b"token " + TOKEN + b" ", BOMB, PEM)),
)  # fmt: skip


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 4000), max_size=4))
@settings(max_examples=60, deadline=None)
def test_outside_masks_every_byte_stays(pieces: list[bytes], cuts: list[int]) -> None:
    """NUL, bytes that are no UTF-8, line ends of every kind; whatever the cuts."""
    data = b"\n".join(pieces)
    if encoded_otherwise(data):
        return
    done, counted = through(*cut(data, cuts))
    outside_masks_nothing_changed(data, done)
    assert TOKEN not in done
    assert bool(counted) == ("‹unexamined:".encode() in done)


def test_the_command_masks_by_default_and_says_how_many_at_its_end() -> None:
    for options, passed in (((), b""), (("--unexamined", "mark"), b"\n" + BOMB)):
        process = start(*options)
        out, err = process.communicate(b"one\n" + BOMB + b"\n", 120)
        assert process.returncode == 0
        assert out == b"one\n" + whole("decoding", BOMB) + passed + b"\n"
        how = b"passed on with a marker" if options else b"masked"
        assert err == b"curfewd: 1 text could not be examined whole, and were %s: decoding 1\n" % how


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_in_the_middle_it_has_passed_nothing_that_is_not_masked(number: signal.Signals) -> None:
    lines = [b"line %d token %s of many\n" % (at, TOKEN) for at in range(3000)]
    process = start()
    assert process.stdout is not None
    for line in lines[:1500]:
        put(process.stdin, line)
    first = process.stdout.readline()
    process.send_signal(number)
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    done = first + process.stdout.read()
    process.wait(60)
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert TOKEN not in done
    assert b"".join(lines).replace(TOKEN, MASKED).startswith(done)
