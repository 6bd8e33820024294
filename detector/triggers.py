r"""Where encodings may begin that are rare in logs: one pass over all bytes, a few instructions for 32 of them.

What it says is *maybe*: whoever asks looks at the place.

- ENTITY: `&#`, `&lt;`;
- QUOTED: `=3D`, `=41=`, `=` at the end of a line;
- APART: the same blank, line feed or NUL four times, one byte between each two, and LINES the same with `\r\n`;
- PACKED: base64 of the first bytes of gzip or zlib;
- WIDE: base64 of UTF-16, at least seven characters.
"""
# ruff: noqa: PLR2004 - bytes are written as their codes, the character stands beside them

import re  # where numba is missing: of bounded length each, nothing in them can backtrack further
from typing import Any, Final

import numpy as np

from detector.jit import AVAILABLE, bare, compiled
from detector.kernels import BLOCK

ENTITY, QUOTED, APART, LINES, PACKED, WIDE = range(1, 7)
_AHEAD: Final = 16  # bytes after a place that are looked at, at most
_FORMS: Final = {
    ENTITY: re.compile(rb"&(?=#|.{2,7};)", re.DOTALL),
    QUOTED: re.compile(rb"=(?=3D|[0-9A-F].=|\r?\n)", re.DOTALL),
    APART: re.compile(rb"([\0 \n])(?=[!-\xff]\1[!-\xff]\1[!-\xff]\1)"),
    LINES: re.compile(rb"\r(?=\n.\r\n.\r\n)", re.DOTALL),
    PACKED: re.compile(rb"H(?=4sI)|e(?=J[w-z]|N[o-r]|A[E-H]|F[4-7])"),
    WIDE: re.compile(rb"A(?=[C-H].A.{4}A[C-H].A)", re.DOTALL),
}
_KINDS: Final = np.zeros(256, np.uint8)  # by the first byte
for _kind, _firsts in (
    (ENTITY, b"&"),
    (QUOTED, b"="),
    (APART, b"\0 \n"),
    (LINES, b"\r"),
    (PACKED, b"He"),
    (WIDE, b"A"),
):
    _KINDS[list(_firsts)] = _kind


@bare
def _mark(text: Any, size: int, flags: Any) -> None:
    """Into `flags` whether something may begin at each of the first `size` bytes.

    Arithmetic on single bytes, without branches, and little of it: `_begins` tells of what is left.
    """
    for at in range(size):
        b0, b1, b2, b3 = text[at], text[at + 1], text[at + 2], text[at + 3]
        flags[at] = (
            (b0 == np.uint8(38))  # &
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
            | ((b0 == np.uint8(65)) & (b3 == np.uint8(65)) & (text[at + 8] == np.uint8(65)))  # A A A
        )


@bare
def _begins(text: Any, at: int) -> bool:
    """Whether one of `_FORMS` stands at `at`; told by the first byte which."""
    b0, b1, b2, b3 = text[at], text[at + 1], text[at + 2], text[at + 3]
    b4, b6 = text[at + 4], text[at + 6]
    yes = False
    if b0 == 0x26:  # & # or a semicolon
        yes = b1 == 0x23
        for place in range(at + 3, at + 9):
            yes |= text[place] == 0x3B
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
    elif b0 == 0x65:  # e J w, N o, A E, F 4: two bits of the third digit are those of what follows the header
        yes = (b1 == 0x4A and 0x77 <= b2 <= 0x7A) or (b1 == 0x4E and 0x6F <= b2 <= 0x72)
        yes |= (b1 == 0x41 and 0x45 <= b2 <= 0x48) or (b1 == 0x46 and 0x34 <= b2 <= 0x37)
    else:  # A: the zero halves of the characters; C to H: of printable ones
        yes = b3 == 0x41 and text[at + 8] == 0x41 and text[at + 11] == 0x41
        yes &= 0x43 <= b1 <= 0x48 and 0x43 <= text[at + 9] <= 0x48
    return bool(yes)


@compiled
def _places(data: Any, out: Any) -> int:
    """Fill `out` with the places; how many, or -1 if there is no room."""
    flags = np.zeros(BLOCK, np.uint8)
    eights = flags.view(np.uint64)
    edge = np.full(BLOCK + _AHEAD, 255, np.uint8)
    count = 0
    done = 0
    while done < data.size:
        size = min(BLOCK, data.size - done)
        if done + size + _AHEAD <= data.size:
            text = data[done : done + size + _AHEAD]
            _mark(text, size, flags)
        else:
            edge[:] = 255
            edge[: data.size - done] = data[done:]
            text = edge
            _mark(text, size, flags)
            flags[size:] = 0
        for word in range(BLOCK >> 3):
            if eights[word] == np.uint64(0):
                continue
            for at in range(8 * word, 8 * word + 8):
                if flags[at] and _begins(text, at):
                    if count == out.size:
                        return -1
                    out[count] = done + at
                    count += 1
        done += size
    return count


def places(data: bytes, *, fast: bool = AVAILABLE) -> dict[int, Any]:
    """The places in order at which each encoding may begin; one that may begin nowhere is not named."""
    if not fast:
        found = {kind: [match.start() for match in form.finditer(data)] for kind, form in _FORMS.items()}
        return {kind: np.array(at, np.int64) for kind, at in found.items() if at}
    view = np.frombuffer(data, np.uint8)
    room = 256
    while True:
        out = np.empty(room, np.int64)
        count = _places(view, out)
        if count >= 0:
            break
        room *= 16
    kinds = _KINDS[view[out[:count]]]
    return {int(kind): out[:count][kinds == kind] for kind in np.unique(kinds)}
