"""How much of the end of a stream may still become a secret, so that it is held back for a while.

Of a secret that is known only by a pattern or a hash nothing tells how it begins: what is held is the last word, and
characters or numbers one by one. Of one that is at hand (`Beginnings`) each beginning is known, in every form.
"""

import base64
import codecs
import re  # over the end of a text, of bounded length
from collections.abc import Iterable, Iterator
from typing import Final

from detector.records.blocks import LISTED

LONGEST: Final = 64 * 1024  # bytes that are held at most
_APART: Final = 1024  # of characters set apart, and numbers
# What a terminal does not show: colours and the like, titles and targets of links; an unfinished one at the end, too.
_UNSHOWN: Final = rb"\x1b(?:\[[ -?]*[@-~]|[\]P_^X][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\?|\Z)|\[[ -?]*\Z|\Z)"
_MOVES: Final = rb"\x1b\[[ -?]*[A-HJSTdfhlr]"  # the cursor goes elsewhere, or the screen changes
_ENDS_WORD: Final = re.compile(rb"|".join((
    _MOVES,
    rb"(?P<unshown>" + _UNSHOWN + rb")",
    rb"\x1b[ -~]",
    rb"\s",
    rb"\x08{2,}",  # something is redrawn
    rb"\.{2,}",
    rb"([!-,:-@\[-`{-~-])\2\2",  # a bar: of base64 neither + nor / are among these
)))  # fmt: skip
_LETTER: Final = re.compile(rb"[0-9A-Za-z]|\xef(?:[\xbc\xbd]|\Z)")  # full-width ones too
_SET_APART: Final = re.compile(
    rb"(?<!\S)(?:(?:\S[,;:|.-]?[ \t]{1,4}){2,}|(?:\S{3}[ \t]){3,}|(?:\S{4}[ \t]){3,}|(?:\S{5}[ \t]){3,})\S{0,5}\Z"
)
_HALF: Final = re.compile(rb"[^\s\x1b]{8,1024}\r?\n\Z")
_TURNS: Final = re.compile(rb"[0-9][A-Za-z]|[A-Za-z][0-9]")

_CONTROL: Final = re.compile(_UNSHOWN)
_BETWEEN: Final = bytes(
    {*range(0x21), *b"\"'`,;+&|\\", *range(0x7F, 0x100)}
)  # what may stand between two parts
_CONTROL_OR_BETWEEN: Final = re.compile(
    _UNSHOWN + rb"|[" + re.escape(_BETWEEN.replace(b"\x1b", b"")) + rb"]+|\x1b"
)
_LEAST: Final = 4  # characters of what has something between its parts, or is encoded


def open_tail(text: bytes) -> int:
    """Where in an unfinished line what may still become a secret begins; its length if nothing may."""
    low = max(len(text) - LONGEST, 0)
    text = text[low:]
    start, shown = 0, 0  # the last word, and what of it a letter was looked for in
    lettered = False
    for found in _ENDS_WORD.finditer(text):
        if found.lastgroup == "unshown":
            lettered = lettered or _LETTER.search(text, shown, found.start()) is not None
            shown = found.end()
        else:
            start = shown = found.end()
            lettered = False
    lettered = lettered or _LETTER.search(text, shown) is not None
    end = start if lettered else len(text)
    near = max(len(text) - _APART, 0)
    apart = _SET_APART.search(text, near) or LISTED.search(text, near)
    return low + (min(end, apart.start()) if apart is not None else end)


def ends_in_half(line: bytes) -> bool:
    """Whether a whole line ends in a word that may go on in the next: as long, and as mixed, as a part of a token."""
    word = _HALF.search(line, max(len(line) - 1030, 0))
    return word is not None and _TURNS.search(word[0]) is not None


def shown(text: bytes) -> bytes:
    """The text as it stands on a terminal, but for what moves the cursor."""
    return _CONTROL.sub(b"", text).translate(None, b"\x07\x08\r\n\x1b")


class Beginnings:
    """Tells where the end of a text may be the beginning of one of these secrets, in any form that is masked."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        plain = [secret for secret in secrets if secret]
        self._plain = plain
        self._forms = list({form.translate(None, _BETWEEN) for secret in plain for form in _forms(secret)})
        self._window = min(8 * max(map(len, plain), default=0) + 1024, LONGEST)

    def start(self, text: bytes, least: int = 1) -> int:
        """Where the longest such beginning, of so many bytes, begins; the length of the text if there is none."""
        low = max(len(text) - self._window, 0)
        text = text[low:]
        seen = _CONTROL.sub(b"", text) if b"\x1b" in text else text
        first = _place(text, _CONTROL, max((_begun(seen, one, least) for one in self._plain), default=0))
        packed = seen.translate(None, _BETWEEN)
        size = max((_begun(packed, form, max(least, _LEAST)) for form in self._forms), default=0)
        return low + min(first, _place(text, _CONTROL_OR_BETWEEN, size))


def _begun(text: bytes, form: bytes, least: int) -> int:
    """How many bytes at the end of the text a form begins with: at least `least`, else 0; not all of it."""
    tail = text[max(len(text) - len(form) + 1, 0) :]
    seed = form[:least]
    at = tail.find(seed) if len(seed) == least else -1
    while at >= 0:
        if form.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(seed, at + 1)
    return 0


def _place(text: bytes, left_out: re.Pattern[bytes], size: int) -> int:
    """Where in a text the last `size` bytes begin that are not `left_out`."""
    end = len(text)
    if not size:
        return end
    for found in reversed(list(left_out.finditer(text))):
        if end - found.end() >= size:
            break
        size -= end - found.end()
        end = found.start()
    return end - size


def _forms(secret: bytes) -> Iterator[bytes]:
    """The forms that may be written in parts: over lines, or one by one."""
    yield secret
    yield secret[::-1]
    yield codecs.encode(secret.decode("latin-1"), "rot13").encode("latin-1")
    yield from (secret.upper(), secret.lower(), secret.swapcase())
    yield from (secret.hex().encode(), secret.hex().upper().encode())
    yield from (base64.b32encode(secret), base64.b32encode(secret).lower())
    for before, part in enumerate((0, 2, 3)):  # the digits that what stands before has a part in are left out
        digits = base64.b64encode(bytes(before) + secret)[part:].rstrip(b"=")
        yield from (digits, digits.translate(bytes.maketrans(b"+/", b"-_")))
