r"""Where encodings may begin: each byte is looked at once (`byte_rows`), the rest is arithmetic on 64 (`sieves`).

Of base64 and hex digits what it says are stretches of text. Of all others it is *maybe*: whoever asks looks at the
place.

- ESCAPED: a backslash and what makes an escape of it, of several in 64 bytes of a line perhaps the first and the last;
- PERCENT: `%41`, of several in 64 bytes of a word the first;
- ANSI: what begins a control sequence;
  STRUCK: a backspace; STRING: what begins or ends a string for the terminal, such as a title;
- ENTITY: `&#`, `&lt;`;
- QUOTED: `=3D`, `=41=`, `=` at the end of a line;
- APART: the same blank or line feed eight times, or NUL four times, one byte between each two; LINES: `\r\n` four
  times;
- PACKED: base64 of the first bytes of gzip or zlib;
- PACKED_HEX: the first bytes of gzip or zlib in hex, in lower case;
- WIDE: base64 of UTF-16, at least seven characters;
- UUENCODED: the line above uuencoded ones; CALLED: `chr(10`;
- LISTED: bytes printed one by one, as in a hex dump; GRID: signs in a period, and BEYOND: characters without a width,
  and full-width ones; CUT: words that are cut in two (`samples`);
- LONG_WORD, and as many behind it as there are kinds: long words in which something else may stand (`long_words`).
"""
# ruff: noqa: C901, PLR0912, PLR0913, PLR0917, PLR2004 - a compiled loop is one function; bytes are written as their codes, the character stands beside them

import re  # where numba is missing: of bounded length each, nothing in them can backtrack further
import threading
from itertools import groupby
from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD
from detector.jit import bare, compiled, place, zeros_above
from detector.scan.base85 import add_groups
from detector.scan.byte_rows import (
    AT_ANY,
    AT_ASCII85,
    AT_BASE64,
    AT_BASE85,
    AT_CUT,
    AT_GROUP,
    AT_HEX,
    AT_LIST,
    AT_OTHER,
    AT_PERIOD,
    AT_WORD,
    AT_XORED,
    BACKSLASH,
    BEFORE_CUT,
    BIT,
    BLANK,
    BLOCK,
    ESCAPING,
    FEED,
    LEAD,
    ROOM,
    SIGN,
    SPACE,
    WORDS,
    ahead,
    look,
)
from detector.scan.byte_rows import PERCENT as PERCENT_SIGNS
from detector.scan.cuts import FEW, add_cuts, add_last
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
from detector.scan.escapes import is_padding
from detector.scan.line_wraps import BESIDE, add_line_feeds, add_wraps
from detector.scan.long_words import ASCII85, BASE85, add_words, add_xored
from detector.scan.pages import zeros
from detector.scan.samples import add_beyond, add_grids, add_lists
from detector.scan.sieves import mark
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
    STRUCK,
    STRING,
    LISTED,
    GRID,
    BEYOND,
    CUT,
    LONG_WORD,
) = range(21)
_KEPT: Final = 1 << 16  # places of a kind for which each thread keeps room
_kept = threading.local()
LEAST_LITERAL: Final = 2  # bytes of the trigger of a decoder of one's own
# In `counts`, behind those of each kind: places of `_FORMS`; up to where groups, words, hex digits, what was XORed
# and base85 are done.
_PLACES, _GRIDS_DONE, _WORDS_DONE, _HEX_DONE, _XORED_DONE, _BASE85_DONE, _ASCII85_DONE, _COUNTS = range(
    LONG_WORD + 1, LONG_WORD + 9
)
_FORMS: Final = {
    ESCAPED: re.compile(rb"\\(?=[nrtux/\"'\\]|[01][0-7]{2})"),
    PERCENT: re.compile(rb"%(?=[0-9A-Fa-f]{2})"),
    ANSI: re.compile(rb"\x1b(?=\[)"),
    ENTITY: re.compile(rb"&(?=#|[0-9@-\x7f].{1,6};)", re.DOTALL),
    QUOTED: re.compile(rb"=(?=3D|[0-9A-F].=|\r?\n)", re.DOTALL),
    APART: re.compile(rb"\0(?=(?:[!-\xff]\0){3})|([ \n])(?=(?:[!-\xff]\1){7})"),
    LINES: re.compile(rb"\r(?=\n.\r\n.\r\n)", re.DOTALL),
    PACKED: re.compile(rb"H(?=4sI)|e(?=J[w-z]|N[o-r]|A[E-H]|F[4-7])"),
    PACKED_HEX: re.compile(rb"1(?=f8b08)|7(?=8(?:9c|da|01|5e))"),
    WIDE: re.compile(rb"A(?=[C-H].A.{4}A[C-H].A)", re.DOTALL),
    UUENCODED: re.compile(rb"b(?=egin [0-7]{3} )"),
    CALLED: re.compile(rb"[Rr](?=\([0-9]{2})"),
    STRUCK: re.compile(rb"\x08"),
    STRING: re.compile(rb"\x1b(?=[\]P_^X\\])"),
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
    (STRUCK, b"\b"),
):
    _KINDS[list(_firsts)] = _kind
_STRINGS: Final = np.array(
    [byte in b"]P_^X\\" for byte in range(256)], np.bool_
)  # after an escape (ECMA-48, 5.6)
_ESCAPING: Final = np.array([byte in b"nrtux/\"'\\" for byte in range(256)], np.bool_)  # after a backslash


@bare
def _begins(text: Any, at: int) -> bool:
    """Whether one of `_FORMS` stands at `at`; told by the first byte which, and behind an escape by the second."""
    b0, b1, b2 = text[at], text[at + 1], text[at + 2]
    if b0 == 0x5C:
        octal = 0x30 <= b1 < 0x32 and 0x30 <= b2 < 0x38 and 0x30 <= text[at + 3] < 0x38
        return octal or bool(_ESCAPING[b1])
    if b0 == 0x25:  # % and two digits
        return bool((HEX[b1] | HEX[b2]) != NONE)
    b3, b4, b6 = text[at + 3], text[at + 4], text[at + 6]
    yes = False
    if b0 == 0x1B:
        yes = b1 == 0x5B or bool(_STRINGS[b1])
    elif b0 == 0x08:
        yes = True
    elif b0 == 0x26:  # & # or a semicolon
        yes = b1 == 0x23
        if 0x30 <= b1 < 0x3A or 0x40 <= b1 < 0x80:
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
        for ahead in range(at + 7, at + 15 if b0 else at, 2):
            yes &= text[ahead] > 0x20 and text[ahead + 1] == b0
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
        yes = b2 == 0x67 and b3 == 0x69 and b4 == 0x6E and text[at + 5] == 0x20 and text[at + 9] == 0x20
        for ahead in range(at + 6, at + 9):
            yes &= 0x30 <= text[ahead] < 0x38
    elif b1 == 0x28:  # r (, two digits
        yes = b0 | 0x20 == 0x72 and 0x30 <= b2 < 0x3A and 0x30 <= b3 < 0x3A
    elif b0 == 0x41:  # A: the zero halves of the characters; C to H: of printable ones
        yes = b3 == 0x41 and text[at + 8] == 0x41 and text[at + 11] == 0x41
        yes &= 0x43 <= b1 <= 0x48 and 0x43 <= text[at + 9] <= 0x48
    return bool(yes)


@bare
def _add_digits(data: Any, at: int, bits: Any, in_hex: bool, state: Any, rows: Any) -> bool:  # noqa: FBT001 - numba takes no keywords
    """Adds stretches of digits that begin in the 64 bytes from `at` on, as `add_stretch`; False if there is no room."""
    last: Any = np.int64(1 if in_hex else 3)
    while bits != np.uint64(0):
        start = at + int(place(bits))
        bits &= bits - np.uint64(1)
        # Asked before the call: where digits stand wall to wall, it would cost more than the answer.
        if (
            start >= state[start & last]
            and group_is_text(data, start, in_hex)
            and not add_stretch(data, start, in_hex, state, rows)
        ):
            return False
    return True


@bare
def _first_and_last(rows: Any, word: int) -> Any:
    """Where to look for `_FORMS` in 64 bytes: of several escapes on a line at the first and the last.

    What decodes them asks for their line alone.
    """
    one, bits = np.uint64(1), rows[AT_OTHER + word]
    escapes = rows[BACKSLASH + word] & ahead(rows, ESCAPING + word, 1) & ~ahead(rows, BIT + word, 1)
    others = escapes & (escapes - one)
    if others != np.uint64(0) and rows[FEED + word] == np.uint64(0):
        bits &= ~others | one << (np.uint64(63) - np.uint64(zeros_above(others)))
    return bits


@bare
def _add_others(
    data: Any, text: Any, rows: Any, word: int, done: int, scratch: Any, out: Any, counts: Any
) -> None:
    """Adds to `out` where one of `_FORMS` stands in 64 bytes of the text, which is the data from `done` on.

    Of several escapes on a line it may be the first and the last, of percent-encoding in a word the first.
    """
    at, bits, one = WORD * word, _first_and_last(rows, word), np.uint64(1)
    while bits != np.uint64(0):
        near = at + int(place(bits))
        bits &= bits - np.uint64(1)
        start = done + near
        if (
            _begins(text, near)
            and (text[near] != 0x37 or may_be_zlib(data, start, scratch))  # nearly all are digests
            and (text[near] != 0x3D or not is_padding(data, start))
        ):
            out[counts[_PLACES]] = start
            counts[_PLACES] += 1
            kind = _KINDS[text[near]]
            counts[STRING if kind == ANSI and _STRINGS[text[near + 1]] else kind] += 1
            if kind == PERCENT:
                behind = ~np.uint64(0) << np.uint64(near - at) << one
                blanks = rows[BLANK + word] & behind
                bits &= ~(rows[PERCENT_SIGNS + word] & behind & ((blanks & (~blanks + one)) - one))


@bare
def _add_words(data: Any, at: int, rows: Any, word: int, words: Any, counts: Any) -> None:
    """Adds to `words` the long ones that may be of one of their kinds in the 64 bytes from `at` on.

    `word` is the number of these bytes.
    """
    if rows[AT_WORD + word] != np.uint64(0):
        counts[LONG_WORD], counts[_WORDS_DONE], counts[_HEX_DONE] = add_words(
            data,
            at,
            rows[AT_WORD + word],
            words,
            counts[LONG_WORD],
            counts[_WORDS_DONE],
            counts[_HEX_DONE],
        )
    if rows[AT_XORED + word] != np.uint64(0):
        counts[LONG_WORD], counts[_XORED_DONE] = add_xored(
            data, at, rows[AT_XORED + word], words, counts[LONG_WORD], counts[_XORED_DONE]
        )
    if rows[AT_BASE85 + word] != np.uint64(0):
        counts[LONG_WORD], counts[_BASE85_DONE] = add_groups(
            data, at, rows[AT_BASE85 + word], 0, BASE85, words, counts[LONG_WORD], counts[_BASE85_DONE]
        )
    if rows[AT_ASCII85 + word] != np.uint64(0):
        counts[LONG_WORD], counts[_ASCII85_DONE] = add_groups(
            data, at, rows[AT_ASCII85 + word], 1, ASCII85, words, counts[LONG_WORD], counts[_ASCII85_DONE]
        )


@bare
def _add_grids(data: Any, at: int, rows: Any, word: int, out: Any, counts: Any) -> None:
    """Adds to `out` where text is in groups in the 64 bytes from `at` on, of which `word` is the number."""
    for candidates, signs in ((AT_PERIOD, SIGN), (AT_GROUP, SPACE)):
        if rows[candidates + word] != np.uint64(0):
            here, after = rows[signs + word], rows[signs + word + 1]
            counts[GRID], counts[_GRIDS_DONE] = add_grids(
                data, at, rows[candidates + word], here, after, out, counts[GRID], counts[_GRIDS_DONE]
            )


@compiled
def _found(data: Any, places: Any, digits: Any, words: Any, counts: Any) -> bool:
    """Fill the rows of `places`, those of base64 and hex `digits` as `add_stretch` does, of `words`, and `counts`.

    `counts` has how many there are of each kind, of `LONG_WORD` all words. False if there is no room.
    """
    rows = np.empty(ROOM, np.uint64)
    edge = np.empty(BLOCK + WORD, np.uint8)
    scratch = np.empty(SCRATCH, np.uint8)
    base64, in_hex = np.zeros(STATE, np.int64), np.zeros(STATE, np.int64)
    parts, lines = np.empty((FEW, 2), np.int64), np.empty(BESIDE + BLOCK, np.int64)
    lines[:BESIDE] = 0
    others, listed, grids, beyond, cuts = places[0], places[1], places[2], places[3], places[4]
    room = min(places.shape[1], words.shape[0]) - BLOCK
    for done in range(0, data.size, BLOCK):
        if (
            max(counts[_PLACES], counts[LISTED], counts[GRID], counts[BEYOND], counts[CUT], counts[LONG_WORD])
            > room
        ):
            return False
        text = data[done:]
        if text.size < edge.size:
            edge[:] = 0x6A  # `j`: what would be a long word of them ends behind the data, and is no place
            edge[: text.size] = text
            text = edge
        size = min(WORDS, (data.size - done + WORD - 1) // WORD)
        look(text, size + 1, rows)
        mark(rows)
        feeds, none = 0, np.uint64(0)
        for word in range(size):
            at = done + WORD * word
            feeds = add_line_feeds(rows[FEED + word], at, lines, feeds)
            if rows[AT_ANY + word] == np.uint64(0):
                continue
            # Asked before each call, which would cost more than the answer.
            if rows[AT_BASE64 + word] != none and not _add_digits(
                data, at, rows[AT_BASE64 + word], False, base64, digits[0]
            ):
                return False
            if rows[AT_HEX + word] != none and not _add_digits(
                data, at, rows[AT_HEX + word], True, in_hex, digits[1]
            ):
                return False
            if rows[AT_OTHER + word] != none:
                _add_others(data, text, rows, word, done, scratch, others, counts)
            if rows[AT_CUT + word] != none:
                counts[CUT] = add_cuts(data, at, rows[AT_CUT + word], parts, cuts, counts[CUT])
            if rows[BEFORE_CUT + word] != none:
                counts[CUT] = add_cuts(data, at + 1, rows[BEFORE_CUT + word], parts, cuts, counts[CUT])
            if rows[AT_LIST + word] != none:
                counts[LISTED] = add_lists(data, at, rows[AT_LIST + word], listed, counts[LISTED])
            if rows[LEAD + word] != none:
                counts[BEYOND] = add_beyond(data, at, rows[LEAD + word], beyond, counts[BEYOND])
            if rows[AT_PERIOD + word] | rows[AT_GROUP + word] != none:
                _add_grids(data, at, rows, word, grids, counts)
            long_words = rows[AT_WORD + word] | rows[AT_XORED + word]
            if long_words | rows[AT_BASE85 + word] | rows[AT_ASCII85 + word] != none:
                _add_words(data, at, rows, word, words, counts)
        counts[CUT] = add_wraps(data, lines, feeds, parts, cuts, counts[CUT])
    counts[CUT] = add_last(data, parts, lines, cuts, counts[CUT])
    counts[BASE64_TEXT], counts[HEX_TEXT] = base64[COUNT], in_hex[COUNT]
    return True


def _room(room: int) -> tuple[Any, Any, Any]:
    """What `_found` fills, for so many places of each kind.

    Little of it is used: numpy would have it in pages of 2 MiB, each filled with zeros when it is touched.
    """
    places = zeros(5 * room, np.int64).reshape(5, room)
    digits = zeros(8 * (room // 4 + 1), np.int64).reshape(2, -1, 4)  # a row is of five bytes or more
    return places, digits, zeros(3 * room, np.int64).reshape(room, 3)


def _kept_room() -> tuple[Any, Any, Any]:
    """Room for as much as most texts have.

    Each thread keeps one: to ask the system for it takes longer than a small text.
    """
    try:
        return _kept.room  # type: ignore[no-any-return]  # whatever a thread keeps
    except AttributeError:
        _kept.room = _room(_KEPT)
        return _kept.room  # type: ignore[no-any-return]  # the same


def found(data: bytes, *, fast: bool = True) -> dict[int, Any]:
    """Of each encoding, in order, the places in order at which it may begin; one that may begin nowhere is left out.

    Of base64 and hex digits that say text rows as of `base64_stretches`, of long words rows (start, end). No list of 31
    bytes, no groups of 23 bytes and no word of 31 bytes are missed.
    """
    view = np.frombuffer(data, np.uint8)
    size = len(data)
    for room in (_KEPT, BLOCK + size // 2, BLOCK + size):  # seldom used up, each; at most one place a byte
        places, digits, words = _kept_room() if room == _KEPT else _room(room)
        counts = np.zeros(_COUNTS, np.int64)
        if _found(view, places, digits, words, counts):
            break
    many = counts.tolist()
    made: dict[int, Any] = {}
    if not fast:
        made = {BASE64_TEXT: base64_stretches(view), HEX_TEXT: hex_stretches(view)}
        for kind, form in _FORMS.items():
            made[kind] = np.array([match.start() for match in form.finditer(data)], np.int64)
        made[ESCAPED], made[PERCENT] = (
            _ends_of_lines(data, made[ESCAPED]),
            _first_of_words(data, made[PERCENT]),
        )
        made[QUOTED] = np.array([at for at in made[QUOTED] if not is_padding(view, at)], np.int64)
        made = {kind: some for kind, some in made.items() if len(some)}
    else:
        made = {kind: digits[kind, : many[kind]].copy() for kind in (BASE64_TEXT, HEX_TEXT) if many[kind]}
        if many[_PLACES]:
            made |= _by_kind(view, places[0, : many[_PLACES]].copy(), many)
    for row, kind in enumerate((LISTED, GRID, BEYOND, CUT), start=1):
        if many[kind]:
            made[kind] = places[row, : many[kind]].copy()
    if many[CUT]:
        made[CUT].sort()  # line feeds are seen when their lines end
    if many[LONG_WORD]:
        kinds = words[: many[LONG_WORD], 0]
        made |= {LONG_WORD + kind: words[: kinds.size, 1:][kinds == kind] for kind in set(kinds.tolist())}
    return made


def _ends_of_lines(data: bytes, places: Any) -> Any:
    """As `_first_and_last`."""
    kept: list[int] = []
    for word, some in groupby(places.tolist(), lambda at: at // WORD):
        there = list(some)
        others = [at for at in there if data[at + 1] not in b"01"][1:-1]
        in_line = b"\n" not in data[WORD * word : WORD * (word + 1)]
        kept += [at for at in there if at not in others] if in_line else there
    return np.array(kept, np.int64)


def _first_of_words(data: bytes, places: Any) -> Any:
    """Those of percent-encoding that no other stands before in the same word, among the same 64 bytes."""
    kept: list[int] = []
    for at in places.tolist():
        if not kept or at // WORD != kept[-1] // WORD or min(data[kept[-1] : at]) <= 0x20:
            kept.append(at)
    return np.array(kept, np.int64)


def _by_kind(view: Any, places: Any, counts: list[int]) -> dict[int, Any]:
    """The places of `_FORMS`, told by their first bytes, and the second behind an escape, which are of which."""
    there = [kind for kind in range(ESCAPED, LISTED) if counts[kind]]
    if len(there) == 1:
        return {there[0]: places}
    kinds = _KINDS[view[places]]
    kinds[kinds == ANSI] = np.where(_STRINGS[view[places[kinds == ANSI] + 1]], STRING, ANSI)
    return {kind: places[kinds == kind] for kind in there}


def places_of(data: bytes, literals: tuple[bytes, ...]) -> Any:
    """The places in order at which one of the literals stands."""
    places: set[int] = set()
    for literal in literals:
        at = data.find(literal)
        while at >= 0:
            places.add(at)
            at = data.find(literal, at + len(literal))
    return np.array(sorted(places), np.int64)
