r"""Where encodings may begin: one pass over all bytes, a few instructions for 32 of them.

Of base64 and hex digits what it says are stretches of text. Of all others it is *maybe*: whoever asks looks at the place.

- ESCAPED: a backslash and what makes an escape of it; PERCENT: `%41`; ANSI: what begins a control sequence;
- ENTITY: `&#`, `&lt;`;
- QUOTED: `=3D`, `=41=`, `=` at the end of a line;
- APART: the same blank, line feed or NUL four times, one byte between each two, and LINES the same with `\r\n`;
- PACKED: base64 of the first bytes of gzip or zlib;
- PACKED_HEX: the first bytes of gzip or zlib in hex, in lower case;
- WIDE: base64 of UTF-16, at least seven characters;
- UUENCODED: the line above uuencoded ones; CALLED: `chr(10`;
- LISTED: bytes printed one by one, as in a hex dump; GRID: signs in a period, and BEYOND: characters without a width, and
  full-width ones; CUT: words that are cut in two (`samples`);
- LONG_WORD, and as many behind it as there are kinds: long words in which something else may stand (`long_words`).
"""
# ruff: noqa: C901, PLR0912, PLR2004 - a compiled loop is one function; bytes are written as their codes, the character stands beside them

import re  # where numba is missing: of bounded length each, nothing in them can backtrack further
from typing import Any, Final

import numpy as np

from detector.jit import bare, compiled, place
from detector.scan.digits import (
    COUNT,
    HEX,
    NONE,
    STATE,
    add_stretch,
    base64_stretches,
    group_is_text,
    hex_stretches,
)
from detector.scan.kernels import BLOCK
from detector.scan.samples import sampled
from detector.scan.word_runs import SCRATCH, may_be_zlib

(
    BASE64_TEXT,
    HEX_TEXT,
    ESCAPED,
    PERCENT,
    ANSI,
    ENTITY,
    QUOTED,
    APART,
    LINES,
    PACKED,
    WIDE,
    PACKED_HEX,
    UUENCODED,
    CALLED,
    LISTED,
    GRID,
    BEYOND,
    CUT,
    LONG_WORD,
) = range(19)
LEAST_LITERAL: Final = 2  # bytes of the trigger of a decoder of one's own
_AHEAD: Final = 16  # bytes after a place that are looked at, at most
_FORMS: Final = {
    ESCAPED: re.compile(rb"\\(?=[nrtux/\"'\\]|[01][0-7]{2})"),
    PERCENT: re.compile(rb"%(?=[0-9A-Fa-f]{2})"),
    ANSI: re.compile(rb"\x1b(?=\[)"),
    ENTITY: re.compile(rb"&(?=#|.{2,7};)", re.DOTALL),
    QUOTED: re.compile(rb"=(?=3D|[0-9A-F].=|\r?\n)", re.DOTALL),
    APART: re.compile(rb"([\0 \n])(?=[!-\xff]\1[!-\xff]\1[!-\xff]\1)"),
    LINES: re.compile(rb"\r(?=\n.\r\n.\r\n)", re.DOTALL),
    PACKED: re.compile(rb"H(?=4sI)|e(?=J[w-z]|N[o-r]|A[E-H]|F[4-7])"),
    PACKED_HEX: re.compile(rb"1(?=f8b08)|7(?=8(?:9c|da|01|5e))"),
    WIDE: re.compile(rb"A(?=[C-H].A.{4}A[C-H].A)", re.DOTALL),
    UUENCODED: re.compile(rb"b(?=egin [0-7]{3} )"),
    CALLED: re.compile(rb"[Rr](?=\([0-9]{2})"),
}
_KINDS: Final = np.zeros(256, np.uint8)  # by the first byte
for _kind, _firsts in (
    (ESCAPED, b"\\"),
    (PERCENT, b"%"),
    (ANSI, b"\x1b"),
    (ENTITY, b"&"),
    (QUOTED, b"="),
    (APART, b"\0 \n"),
    (LINES, b"\r"),
    (PACKED, b"He"),
    (WIDE, b"A"),
    (PACKED_HEX, b"17"),
    (UUENCODED, b"b"),
    (CALLED, b"Rr"),
):
    _KINDS[list(_firsts)] = _kind
_ESCAPING: Final = np.array([byte in b"nrtux/\"'\\" for byte in range(256)], np.bool_)  # after a backslash
_IN_BASE64, _IN_HEX, _OTHER = 1, 2, 4  # bits of a flag


@bare
def _mark_digits(text: Any, size: int, firsts: Any, flags: Any) -> None:
    """Into `flags` where digits may begin that make text, of the first `size` bytes; `firsts` is scratch.

    Arithmetic on single bytes, without branches. A digit that may be the first of those of a printable byte has a bit in
    `firsts`: C to Z and a to f of base64 (a few of them may not), 0 to 7 in hex. Five groups in a row begin with
    such; of sixteen pairs nine are looked at.
    """
    for at in range(size + _AHEAD):
        byte = text[at]
        firsts[at] = (
            np.uint8(np.uint8(byte - np.uint8(67)) < np.uint8(24))
            | np.uint8(np.uint8(byte - np.uint8(97)) < np.uint8(6))
            | np.uint8(np.uint8((byte & np.uint8(0xF8)) == np.uint8(48)) << np.uint8(1))
        )
    for at in range(size):
        both = firsts[at] & firsts[at + 4] & firsts[at + 8] & firsts[at + 12] & firsts[at + 16]
        between = firsts[at + 2] & firsts[at + 6] & firsts[at + 10] & firsts[at + 14]
        flags[at] = both & (between | np.uint8(_IN_BASE64))


@bare
def _mark(text: Any, size: int, flags: Any) -> None:
    """Add to `flags` whether something else may begin at each of the first `size` bytes.

    Arithmetic on single bytes, without branches, and little of it: `_begins` tells of what is left.
    """
    for at in range(size):
        b0, b1, b2, b3 = text[at], text[at + 1], text[at + 2], text[at + 3]
        flags[at] |= np.uint8(
            (b0 == np.uint8(92))  # \
            | (b0 == np.uint8(37))  # %
            | ((b0 == np.uint8(27)) & (b1 == np.uint8(91)))  # ESC [
            | (b0 == np.uint8(38))  # &
            | ((b0 == np.uint8(61)) & ((b1 < np.uint8(14)) | (b2 == np.uint8(68)) | (b3 == np.uint8(61))))
            | (
                (b0 < np.uint8(33))
                & (
                    ((b0 == b2) & (b0 == text[at + 4]) & (b1 > np.uint8(32)))
                    | ((b0 == b3) & (b1 == np.uint8(10)))
                )
            )
            | ((b0 == np.uint8(72)) & (b1 == np.uint8(52)))  # H 4
            | ((b0 == np.uint8(101)) & (np.uint8(b1 - np.uint8(65)) < np.uint8(14)))  # e A to N
            | ((b0 == np.uint8(49)) & (b1 == np.uint8(102)) & (b3 == np.uint8(98)))  # 1 f ? b
            | ((b0 == np.uint8(55)) & (b1 == np.uint8(56)))  # 7 8
            | ((b0 == np.uint8(65)) & (b3 == np.uint8(65)) & (text[at + 8] == np.uint8(65)))  # A A A
            | ((b0 == np.uint8(98)) & (b1 == np.uint8(101)) & (b2 == np.uint8(103)))  # b e g
            | (
                (b1 == np.uint8(40))
                & ((b0 | np.uint8(32)) == np.uint8(114))
                & (np.uint8(b2 - np.uint8(48)) < np.uint8(10))
            )  # r (
        ) << np.uint8(2)


@bare
def _begins(text: Any, at: int) -> bool:
    """Whether one of `_FORMS` stands at `at`; told by the first byte which."""
    b0, b1, b2 = text[at], text[at + 1], text[at + 2]
    if b0 == 0x5C:
        octal = 0x30 <= b1 < 0x32 and 0x30 <= b2 < 0x38 and 0x30 <= text[at + 3] < 0x38
        return octal or bool(_ESCAPING[b1])
    if b0 == 0x25:  # % and two digits
        return bool((HEX[b1] | HEX[b2]) != NONE)
    b3, b4, b6 = text[at + 3], text[at + 4], text[at + 6]
    yes = False
    if b0 == 0x1B:
        yes = b1 == 0x5B
    elif b0 == 0x26:  # & # or a semicolon
        yes = b1 == 0x23
        for ahead in range(at + 3, at + 9):
            yes |= text[ahead] == 0x3B
    elif b0 == 0x3D:  # = 3 D, = digit ? =, = at the end of the line
        yes = (b1 == 0x33 and b2 == 0x44) or b1 == 0x0A or (b1 == 0x0D and b2 == 0x0A)
        yes |= b3 == 0x3D and (0x30 <= b1 <= 0x39 or 0x41 <= b1 <= 0x46)
    elif b0 == 0x0D:
        yes = b1 == 0x0A and b3 == 0x0D and b4 == 0x0A and b6 == 0x0D and text[at + 7] == 0x0A
    elif b0 < 0x21:
        yes = b0 in (0, 0x0A, 0x20) and b2 == b0 and b4 == b0 and b6 == b0
        yes &= b1 > 0x20 and b3 > 0x20 and text[at + 5] > 0x20
    elif b0 == 0x48:  # H 4 s I
        yes = b1 == 0x34 and b2 == 0x73 and b3 == 0x49
    elif b0 == 0x31:  # 1 f 8 b 0 8
        yes = b1 == 0x66 and b2 == 0x38 and b3 == 0x62 and b4 == 0x30 and text[at + 5] == 0x38
    elif b0 == 0x37:  # 7 8, and 9 c, d a, 0 1, 5 e
        yes = b1 == 0x38 and ((b2 == 0x39 and b3 == 0x63) or (b2 == 0x64 and b3 == 0x61))
        yes |= b1 == 0x38 and ((b2 == 0x30 and b3 == 0x31) or (b2 == 0x35 and b3 == 0x65))
    elif b0 == 0x65:  # e J w, N o, A E, F 4: two bits of the third digit are those of what follows the header
        yes = (b1 == 0x4A and 0x77 <= b2 <= 0x7A) or (b1 == 0x4E and 0x6F <= b2 <= 0x72)
        yes |= (b1 == 0x41 and 0x45 <= b2 <= 0x48) or (b1 == 0x46 and 0x34 <= b2 <= 0x37)
    elif b0 == 0x62:  # b e g i n, a blank and the permissions of a file
        yes = b3 == 0x69 and b4 == 0x6E and text[at + 5] == 0x20 and text[at + 9] == 0x20
        for ahead in range(at + 6, at + 9):
            yes &= 0x30 <= text[ahead] < 0x38
    elif b1 == 0x28:  # r (, two digits
        yes = 0x30 <= b2 < 0x3A and 0x30 <= b3 < 0x3A
    else:  # A: the zero halves of the characters; C to H: of printable ones
        yes = b3 == 0x41 and text[at + 8] == 0x41 and text[at + 11] == 0x41
        yes &= 0x43 <= b1 <= 0x48 and 0x43 <= text[at + 9] <= 0x48
    return bool(yes)


@compiled
def _found(data: Any, out: Any, counts: Any, base64_rows: Any, hex_rows: Any) -> bool:
    """Fill `out` with the places, the rows as `add_stretch` does, and `counts` with how many there are of each kind.

    False if there is no room.
    """
    firsts = np.empty(BLOCK + _AHEAD, np.uint8)
    flags = np.zeros(BLOCK, np.uint8)
    eights = flags.view(np.uint64)
    edge = np.empty(BLOCK + _AHEAD, np.uint8)
    scratch = np.empty(SCRATCH, np.uint8)
    base64, in_hex = np.zeros(STATE, np.int64), np.zeros(STATE, np.int64)
    count = 0
    done = 0
    while done < data.size:
        size = min(BLOCK, data.size - done)
        if done + size + _AHEAD <= data.size:
            text = data[done : done + size + _AHEAD]
        else:
            edge[: data.size - done] = data[done:]
            edge[data.size - done :] = 255
            text = edge
        _mark_digits(text, size, firsts, flags)
        _mark(text, size, flags)
        flags[size:] = 0
        for word in range((size + 7) >> 3):
            bits = eights[word]
            while bits != np.uint64(0):
                at = int(place(bits)) >> 3
                bits &= ~(np.uint64(255) << np.uint64(8 * at))
                at += 8 * word
                flag = flags[at]
                start = done + at
                # Asked before the call: where digits stand wall to wall, it would cost more than the answer.
                if (
                    flag & _IN_BASE64
                    and start >= base64[start & 3]
                    and group_is_text(data, start, False)
                    and not add_stretch(data, start, False, base64, base64_rows)
                ):
                    return False
                if (
                    flag & _IN_HEX
                    and start >= in_hex[start & 1]
                    and group_is_text(data, start, True)
                    and not add_stretch(data, start, True, in_hex, hex_rows)
                ):
                    return False
                if (
                    flag & _OTHER
                    and _begins(text, at)
                    and (text[at] != 0x37 or may_be_zlib(data, start, scratch))  # nearly all are digests
                ):
                    if count == out.size:
                        return False
                    out[count] = start
                    counts[_KINDS[text[at]]] += 1
                    count += 1
        done += size
    counts[BASE64_TEXT], counts[HEX_TEXT] = base64[COUNT], in_hex[COUNT]
    return True


def found(data: bytes, *, fast: bool = True) -> dict[int, Any]:
    """Of each encoding, in their order, the places in order at which it may begin; one that may begin nowhere is not named.

    Of base64 and hex digits that say text rows as of `base64_stretches`.
    """
    view = np.frombuffer(data, np.uint8)
    if not fast:
        by_kind = {BASE64_TEXT: base64_stretches(view), HEX_TEXT: hex_stretches(view)}
        for kind, form in _FORMS.items():
            by_kind[kind] = np.array([match.start() for match in form.finditer(data)], np.int64)
        by_kind |= _sampled(data)
        return {kind: places for kind, places in by_kind.items() if len(places)}
    size = len(data)
    for room in (
        size // 64 + 64,
        size,
    ):  # what is seldom used up; at most one place a byte, one row of five bytes
        out = np.empty(room, np.int64)
        rows = np.empty((2, room // 4 + 1, 4), np.int64)
        counts = np.zeros(CALLED + 1, np.int64)
        if _found(view, out, counts, rows[0], rows[1]):
            break
    made: dict[int, Any] = {
        kind: rows[kind, : counts[kind]] for kind in (BASE64_TEXT, HEX_TEXT) if counts[kind]
    }
    others = np.flatnonzero(counts[ESCAPED:]) + ESCAPED
    if others.size == 1:
        made[int(others[0])] = out[: counts[others[0]]]
    elif others.size:
        kinds = _KINDS[view[out[: counts[ESCAPED:].sum()]]]
        made |= {kind: out[: kinds.size][kinds == kind] for kind in others.tolist()}
    made |= {kind: places for kind, places in _sampled(data).items() if places.size}
    return made


def _sampled(data: bytes) -> dict[int, Any]:
    lists, groups, beyond, words, cuts = sampled(data)
    made = {LISTED: lists, GRID: groups, BEYOND: beyond, CUT: cuts}
    return made | {LONG_WORD + kind: words[words[:, 0] == kind, 1:] for kind in set(words[:, 0].tolist())}


def places_of(data: bytes, literals: tuple[bytes, ...]) -> Any:
    """The places in order at which one of the literals stands."""
    places: set[int] = set()
    for literal in literals:
        at = data.find(literal)
        while at >= 0:
            places.add(at)
            at = data.find(literal, at + len(literal))
    return np.array(sorted(places), np.int64)
