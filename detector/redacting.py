"""Passes a stream of log bytes on with every leak in it masked, and nothing else changed.

Whole lines go as soon as they are there, but for what may go on in the next: a key block, base64 over many lines. Of a
line too long to be held the front goes, cut where no secret stands; what stood before the cut is looked at once more
with what follows.
"""

import re  # over one line of bounded length at a time
from typing import Final

from detector.blocks import LONG_LINE, safe_cut
from detector.excerpts import Veil, veiled
from detector.leaks import KNOWN_CREDENTIAL, Redactor
from detector.secrets import mask

_OVERLAP: Final = 64 * 1024  # of a long line: longer than any secret with what its pattern looks at around it
_CONTEXT: Final = 4 * 1024
_WRAPPED: Final = 16 * 1024  # what goes on over many lines is looked for so far back
_BASE64_LINE: Final = re.compile(rb"[A-Za-z0-9+/_-]{40,1024}={0,2}\r?\n")
# A password that is a short word is masked where it is one, not wherever the word stands.
_LEAST: Final = 8


class Redacting:
    """One stream. Holds at most `longest` bytes, or twice the overlap, and a chunk."""

    def __init__(self, redactor: Redactor, longest: int = LONG_LINE) -> None:
        self._redactor = redactor
        self._longest = max(longest, 2 * _OVERLAP)
        self._held = bytearray()
        self._context = 0  # of what is held, the bytes that were passed on already

    def __bool__(self) -> bool:
        """Whether something is held."""
        return len(self._held) > self._context

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now that `chunk` has come."""
        self._held += chunk
        done = b""
        end = self._held.rfind(b"\n", len(self._held) - len(chunk)) + 1
        if end > self._context:
            done = self._lines(self._until(end))
        if len(self._held) > self._longest:
            done += self._front()
        return done

    def idle(self) -> bytes:
        """All whole lines: nothing has come for a while that they could go on in."""
        return self._lines(self._held.rfind(b"\n") + 1)

    def end(self) -> bytes:
        """What is left when nothing more comes."""
        return self._lines(len(self._held))

    def _until(self, end: int) -> int:
        """Where the lines end that cannot go on: `end`, or before what may."""
        cut = safe_cut(self._held, end)
        lowest = max(end - _WRAPPED, self._context)
        while cut > lowest:
            start = self._held.rfind(b"\n", lowest, cut - 1) + 1
            if not start or _BASE64_LINE.fullmatch(self._held, start, cut) is None:
                break
            cut = start
        return cut if cut > lowest or len(self._held) - self._context <= 2 * _WRAPPED else end

    def _lines(self, end: int) -> bytes:
        if end <= self._context:
            return b""
        data = bytes(self._held[:end])
        done = self._shown(data, self._redactor.veils(data, _LEAST), end)
        del self._held[:end]
        self._context = 0
        return done

    def _front(self) -> bytes:
        """Of a long line what is far enough from its end, cut beside a secret and not in it."""
        data = bytes(self._held)
        veils = self._redactor.veils(data, _LEAST)
        cut = len(data) - _OVERLAP
        for veil in veils:
            if veil.start < cut < veil.end:
                cut = veil.start if veil.start > self._context else veil.end
                break
        done = self._shown(data, veils, cut)
        keep = max(cut - _CONTEXT, 0)
        del self._held[:keep]
        self._context = cut - keep
        return done

    def _shown(self, data: bytes, veils: list[Veil], end: int) -> bytes:
        """data[context:end] as it may be seen. No veil lies across its edges, but for what was masked before them."""
        start = self._context
        text = data[start:end]
        within = [
            Veil(max(veil.start, start) - start, veil.end - start, veil.rule, veil.length, veil.weight)
            for veil in veils
            if start < veil.end <= end
        ]
        if not within:
            return text
        masked = self._redactor.masked(veiled(text, within))
        return masked if masked is not None else b"".join(map(self._line, text.splitlines(keepends=True)))

    def _line(self, line: bytes) -> bytes:
        """One line of a text that resists; if it does so by itself nothing of it is shown."""
        masked = self._redactor.masked(line)
        if masked is not None:
            return masked
        body = line.rstrip(b"\r\n")
        return mask(KNOWN_CREDENTIAL, len(body)).encode() + line[len(body) :]
