"""What is held at the end of a stream because it may still become a secret, and what is not."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.redact.held_tail import Beginnings, ends_in_half, open_tail
from detector.redact.stream_redactor import StreamRedactor
from tests.redact.test_record_redactor import docker
from tests.redact.test_stream_redactor import ENCODINGS, KNOWN, TOKEN, redactor

FORMS: dict[str, Callable[[bytes], bytes]] = {
    **{name: ENCODINGS[name] for name in ("clear", "base64", "Basic", "hex", "percent", "json", "html", "twice")},
    "base64url": base64.urlsafe_b64encode,
    "base32": base64.b32encode,
    "colours": lambda secret: secret[:9] + b"\x1b[31m\x1b[K" + secret[9:] + b"\x1b[0m",
    "a title": lambda secret: secret[:9] + b"\x1b]0;a title\x07" + secret[9:],
    "struck": lambda secret: b"".join(b"%c\b%c" % (byte, byte) for byte in secret),
    "reversed": lambda secret: secret[::-1],
    "full width": lambda secret: "".join(chr(byte + 0xFEE0) for byte in secret).encode(),
    "other case": bytes.swapcase,
}  # fmt: skip
APART: dict[str, Callable[[bytes], bytes]] = {
    "blanks": lambda secret: b" ".join(b"%c" % byte for byte in secret),
    "commas": lambda secret: b", ".join(b"%c" % byte for byte in secret),
    "groups": lambda secret: b" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    "dump": lambda secret: secret.hex(" ").encode(),
    "numbers": lambda secret: b" ".join(b"%d" % byte for byte in secret),
}


def in_pieces(pieces: list[bytes], secrets: tuple[bytes, ...] = ()) -> bytes:
    """What a terminal shows of pieces, with a short pause behind each."""
    stream = StreamRedactor(redactor(), beginnings=Beginnings(secrets))
    return b"".join(stream.feed(piece) + stream.settle() for piece in pieces) + stream.end()


def each_byte(text: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in text]


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("secret", [KNOWN, TOKEN], ids=["hash", "pattern"])
@pytest.mark.parametrize("before", [b"", b"the key is ", b"a line\r\n  token: "])
def test_a_secret_in_pieces_shows_as_it_does_in_one(form: str, secret: bytes, before: bytes) -> None:
    text = FORMS[form](secret)
    for pieces in (
        [before, *each_byte(text), b"\r\n", b"end\r\n"],
        [before, text[:3], text[3:], b"\r\nend\r\n"],
        [before + text[: len(text) // 2], b"\x1b[0m" if b"\x1b" not in text else b"", text[len(text) // 2 :], b"\r\nend\r\n"],
    ):  # fmt: skip
        whole, shown = in_pieces([b"".join(pieces)]), in_pieces(pieces)
        assert text not in shown or text in whole
        assert shown.count("‹".encode()) >= whole.count("‹".encode())
        assert not any(part in shown for part in (text[2:10], text[-12:]) if part not in whole)


@pytest.mark.parametrize("form", sorted(APART))
@pytest.mark.parametrize("secret", [KNOWN, TOKEN], ids=["hash", "pattern"])
def test_of_a_secret_with_blanks_in_it_little_shows(form: str, secret: bytes) -> None:
    text = APART[form](secret)
    whole = in_pieces([text + b"\r\nend\r\n"])
    for pieces in (
        [text[:40], text[40:], b"\r\nend\r\n"],
        [text[: len(text) // 2], text[len(text) // 2 :], b"\r\n"],
    ):
        assert "‹".encode() in whole
        assert text[8:32] not in in_pieces(pieces)


PHRASE = b"open, sesame: the 3rd door"


@pytest.mark.parametrize(
    "written", [PHRASE, PHRASE.replace(b" ", b"\r\n"), b"\x1b[1m" + PHRASE, PHRASE.swapcase()]
)
def test_each_beginning_of_a_known_secret_is_held(written: bytes) -> None:
    beginnings = Beginnings([b"another secret", PHRASE])
    for size in range(4, len(written) - 1):
        text = b"please say " + written[:size]
        assert beginnings.start(text) <= len(b"please say ") + written.startswith(b"\x1b") * 4
    assert beginnings.start(b"please say " + PHRASE + b"!") == len(b"please say ") + len(PHRASE) + 1


def test_a_known_phrase_with_blanks_does_not_show_in_pieces() -> None:
    stream = StreamRedactor(redactor(), beginnings=Beginnings([PHRASE]))
    for piece in (b"> ", b"open,", b" sesame: ", b"the 3rd"):
        stream.feed(piece)
        assert stream.settle() in (b"> ", b"")
    assert stream.feed(b" exit\r\n") == b"open, sesame: the 3rd exit\r\n"  # it was another


@pytest.mark.parametrize(
    "prompt",
    [
        b"$ ",
        b"Password: ",
        b"\x1b[?2004h\x1b[01;32mann@host\x1b[00m:\x1b[01;34m~/src\x1b[00m$ ",
        b">>> ",
        b"(gdb) ",
        b"Continue? [y/N] ",
        b"who?\t",
        b"[#####        ]",
        b"\r 42% done ",
        b"tests/a.py ......",
        b"\xe2\x9d\xaf ",  # an arrow
        b"2 files, 3 folders\x1b[12;1H",
        b"\x1b[2J\x1b[1;1Hmenu\x1b[3;1H",
    ],
)
def test_a_prompt_shows_at_once(prompt: bytes) -> None:
    assert in_pieces([prompt])[: len(prompt)] == prompt
    stream = StreamRedactor(redactor(), beginnings=Beginnings([KNOWN]))
    assert stream.feed(b"a commit 7c1aeb0f\n" + prompt) + stream.settle() == b"a commit 7c1aeb0f\n" + prompt


def test_what_is_typed_shows_at_once_but_no_known_secret() -> None:
    stream = StreamRedactor(redactor(), beginnings=Beginnings([KNOWN]))
    shown = b""
    for byte in each_byte(b"$ git push " + KNOWN):
        shown += stream.feed(byte) + stream.settle(echoed=True)
    assert shown == b"$ git push " + KNOWN[:3] + "‹known-credential:28›".encode()


def test_what_was_held_goes_out_and_the_rest_is_masked_from_where_it_is_known() -> None:
    stream = StreamRedactor(redactor(), beginnings=Beginnings([KNOWN]))
    assert stream.feed(b"key " + KNOWN[:9]) + stream.settle() == b"key "
    assert stream.pause() == KNOWN[:9]
    assert stream.feed(KNOWN[9:]) + stream.settle() == b""
    assert stream.feed(b"\r\n") + stream.idle() == "‹known-credential:28›\r\n".encode()


def test_half_a_key_that_waits_is_masked() -> None:
    stream = StreamRedactor(redactor(), beginnings=Beginnings([]))
    half = b"-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\r\nMzEfYyjiWA4R4/M2bS1GB4t7"
    assert stream.feed(half) + stream.settle() == b""
    assert b"MIIEvQ" not in (shown := stream.pause())
    assert b"MzEfYy" not in shown


@pytest.mark.parametrize(
    "first", [b"in A=9Qm3vX8r", b"id " + KNOWN[:12], b"pushed 7c1aeb0fd2", base64.b64encode(bytes(range(48)))]
)
def test_a_line_that_ends_in_half_a_token_waits_for_the_next(first: bytes) -> None:
    stream = StreamRedactor(redactor())
    assert stream.feed(b"a line\n" + first + b"\n") == b"a line\n"
    assert stream.feed(b"- the next one\n") == first + b"\n- the next one\n"


@pytest.mark.parametrize(
    "line", [b"step 3 of 9 done\n", b"see https://a.test/b\n", b"in 25 ms\r\n", b"\n", b""]
)
def test_other_lines_wait_for_nothing(line: bytes) -> None:
    assert not ends_in_half(line)
    assert StreamRedactor(redactor()).feed(line) == line


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.binary(max_size=8) | st.sampled_from([b"\x1b[0m", b"\x1b]0;", b"\x07", b" ", b"..", b"a1"]))
)
@example([b"\x1b[", b"31", b"m"])
def test_what_is_held_is_the_end_of_the_text(parts: list[bytes]) -> None:
    text = b"".join(parts)
    assert 0 <= open_tail(text) <= len(text)
    assert 0 <= Beginnings([b"a1b2", b"\xff \x00x"]).start(text) <= len(text)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=30) | st.sampled_from([KNOWN, KNOWN[:9], TOKEN, b"\r\n", b" ", b"a" * 50]))
)
def test_pauses_lose_nothing_and_change_no_other_text(parts: list[bytes]) -> None:
    stream, shown = StreamRedactor(redactor(), beginnings=Beginnings([KNOWN])), b""
    for number, part in enumerate(parts):
        shown += stream.feed(part)
        shown += (stream.settle, stream.pause, stream.idle)[number % 3]()
    shown += stream.end()
    if not redactor().look(b"".join(parts))[0] and "‹".encode() not in shown:
        assert shown == b"".join(parts)


@pytest.mark.parametrize("beginnings", [None, Beginnings([TOKEN])], ids=["by pattern", "registered"])
@pytest.mark.parametrize("size", [100, 4_000])
def test_half_of_a_line_that_a_runtime_cut_never_goes_alone(size: int, beginnings: Beginnings | None) -> None:
    lines = []
    for cut in range(8, 36):
        lines += [
            docker(b"so long that it is cut " * 800 + b"with " + TOKEN[:cut]),
            docker(TOKEN[cut:] + b" now\n"),
        ]
    data = b"".join(line + b"\n" for line in lines)
    stream = StreamRedactor(redactor(every_window=False), beginnings=beginnings)
    done = b"".join(stream.feed(data[at : at + size]) for at in range(0, len(data), size)) + stream.end()
    assert done.count(b"\n") == len(lines)
    assert TOKEN[:8] not in done
    assert TOKEN[-5:] + b" now" not in done
