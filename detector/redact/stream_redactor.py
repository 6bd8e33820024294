"""Passes a stream of log bytes on with every leak in it masked, and nothing else changed.

Whole lines are passed on at once, unless they may go on in the next line: a key, base64 over many lines, a line that a
container runtime cut. Of a line too long to be held the front is passed on, cut where no secret stands. What
was passed on and may still go on is looked at once more with what follows: from where a secret is known it is masked.
"""

import re  # over one line of bounded length at a time
from typing import Final

from detector.ingest.stdin import carries_key, may_be_cut, standing_open
from detector.ingest.values import log_texts
from detector.patterns.regexes import MAX_MATCH
from detector.records.blocks import LONG_LINE, safe_cut
from detector.redact.mask_edits import masked, underneath
from detector.redact.mask_neighbours import beside
from detector.redact.record_redactor import LEAST, redacted
from detector.scan.leaks import KNOWN_CREDENTIAL, PASSES, Redactor
from detector.scan.mask_spans import MaskSpan, merged, with_masks
from detector.values.secrets import mask

_OVERLAP: Final = 64 * 1024  # of a long line: longer than any secret with what its pattern looks at around it
_CONTEXT: Final = 4 * 1024
_WRAPPED: Final = 16 * 1024  # what goes on over many lines is looked for so far back
# Lines of nothing but base64, of one character, or with a soft line break of quoted-printable.
_GOES_ON: Final = re.compile(rb"(?:[A-Za-z0-9+/_-]{40,1024}={0,2}|[^\n]{0,75}=|[^\r\n])\r?\n")
_LONGEST_OF_THEM: Final = 1028
_EDGES: Final = re.compile(rb"-----(?:(BEGIN) |END )")  # of key blocks
_MAY_GO_ON: Final = re.compile(rb"[A-Za-z0-9+/_-]{40}\r?\n\Z")


class StreamRedactor:
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
            opened, most, cut = self._opened(end)
            held_back = max(opened, self._context)
            done = self._lines(held_back if len(self._held) - self._context <= most else end, opened, cut=cut)
        if len(self._held) - self._context > self._longest:
            done += self._front()
        return done

    def idle(self) -> bytes:
        """All whole lines, because nothing has come for a while."""
        end = self._held.rfind(b"\n") + 1
        if end <= self._context:
            return b""
        opened, _, cut = self._opened(end)
        return self._lines(end, opened, cut=cut)

    def end(self) -> bytes:
        """What is left when nothing more comes."""
        return self._lines(len(self._held), len(self._held), cut=may_be_cut(bytes(self._held)))

    def _opened(self, end: int) -> tuple[int, int, bool]:
        """Where the first line that may go on behind `end` begins, how much may be held for it, whether any is cut."""
        whole = bytes(self._held[:end])
        cut_lines = may_be_cut(whole)
        opened = standing_open(whole, end) if cut_lines else end
        if opened < end:
            return opened, self._longest, cut_lines
        cut = safe_cut(self._held, end)
        lowest = max(end - _WRAPPED, 0)
        while cut > lowest:
            start = self._held.rfind(b"\n", max(lowest, cut - _LONGEST_OF_THEM), cut - 1) + 1
            if (start <= lowest and lowest) or _GOES_ON.fullmatch(self._held, start, cut) is None:
                break
            cut = start
        return cut, 2 * _WRAPPED, cut_lines

    def _lines(self, end: int, opened: int, *, cut: bool) -> bytes:
        """data[context:end] with its leaks masked. From `opened` on the text is kept, to be scanned once more."""
        if end <= self._context:
            return b""
        data = bytes(self._held[:end])
        keep = min(opened, end)
        tail = _MAY_GO_ON.search(data, max(end - _LONGEST_OF_THEM, 0)) if keep == end else None
        if tail is not None:  # it was not held for what may never come, but if it comes, it is known
            keep = data.rfind(b"\n", max(end - _CONTEXT, 0), tail.start()) + 1
        keep = max(keep, end - _OVERLAP)
        by_line = not self._context or data[self._context - 1 : self._context] == b"\n"
        if by_line and cut:
            done = self._by_line(data, self._context)
        else:
            if by_line and carries_key(data):
                data = self._without_keys(data)
            done = self._shown(data, *self._mask_spans(data))
        del self._held[:keep]
        self._context = end - keep
        return done

    def _without_keys(self, data: bytes) -> bytes:
        """The data with those keys masked whose lines stand in records of a container runtime or shipper."""
        pieces: list[bytes] = []
        at = 0
        for start, end in key_lines(data):
            known = max(self._context, start)
            if known < end:  # else all of it was passed on
                pieces += (data[at:known], self._by_line(data[start:end], known - start))
                at = end
        return b"".join((*pieces, data[at:]))

    def _by_line(self, data: bytes, context: int) -> bytes:
        """data[context:], masked where the parts of lines are joined that container runtimes cut."""
        lines = data.split(b"\n")
        shown = redacted(lines, lambda _, line: log_texts(line), self._redactor)
        passed = data.count(b"\n", 0, context)
        return b"\n".join(
            mask(KNOWN_CREDENTIAL, len(line)).encode() if new is None else new
            for line, new in zip(lines[passed:], shown[passed:], strict=True)
        )

    def _front(self) -> bytes:
        """The front of a long line, cut beside a secret and not in it."""
        data = bytes(self._held)
        mask_spans, settled = self._mask_spans(data)
        runs: list[
            list[int]
        ] = []  # of masks without anything between them: each may be what sets the next apart
        for mask_span in mask_spans:
            if runs and runs[-1][1] == mask_span.start:
                runs[-1][1] = mask_span.end
            else:
                runs.append([mask_span.start, mask_span.end])
        cut = len(data) - _OVERLAP
        cut = next(
            (first if first > self._context else last for first, last in runs if first < cut <= last), cut
        )
        done = self._shown(data, mask_spans, settled, cut)
        keep = max(cut - _CONTEXT, 0)
        del self._held[:keep]
        self._context = cut - keep
        return done

    def _mask_spans(self, data: bytes) -> tuple[list[MaskSpan], bool]:
        """Where `data` shows secrets, also those that show only beside masks; and whether that is all of them."""
        mask_spans = found = self._redactor.mask_spans(data, LEAST)
        for _ in range(PASSES):
            if not found:
                return mask_spans, True
            text = with_masks(data, mask_spans)
            near = beside(text, mask_spans)
            seen = near is text or self._redactor.mask_spans(near, LEAST)
            found = self._redactor.mask_spans(text, LEAST) if seen else []
            mask_spans = merged((*mask_spans, *underneath(found, mask_spans)))
        return mask_spans, False

    def _shown(self, data: bytes, mask_spans: list[MaskSpan], settled: bool, end: int | None = None) -> bytes:  # noqa: FBT001 - from `_mask_spans`
        """data[context:end] with its leaks masked. Only spans that were masked before may lie across its start."""
        start, end = self._context, len(data) if end is None else end
        text = data[start:end]
        within = [
            MaskSpan(
                max(mask_span.start, start) - start,
                mask_span.end - start,
                mask_span.rule,
                mask_span.length,
                mask_span.weight,
            )
            for mask_span in mask_spans
            if start < mask_span.end <= end
        ]
        shown = masked(text, within)
        settled = settled and not any(mask_span.start < start < mask_span.end for mask_span in mask_spans)
        if settled and shown == with_masks(text, within):
            return shown
        done = self._clean(shown)
        return done if done is not None else b"".join(map(self._line, text.splitlines(keepends=True)))

    def _clean(self, text: bytes) -> bytes | None:
        """A text with everything masked that is still recognised; None if there is always more."""
        return self._redactor.masked(text, LEAST, masked)

    def _line(self, line: bytes) -> bytes:
        """One line of such a text; masked whole if there is always more in it."""
        done = self._clean(line)
        if done is not None:
            return done
        body = line.rstrip(b"\r\n")
        return mask(KNOWN_CREDENTIAL, len(body)).encode() + line[len(body) :]


def key_lines(data: bytes) -> list[tuple[int, int]]:
    """Where keys stand, from the first line to the last, with the lines around them that patterns look at."""
    spans: list[tuple[int, int]] = []
    opened = start = 0
    for found in _EDGES.finditer(data):
        if found[1]:
            start, opened = (found.start() if not opened else start), opened + 1
        elif opened:
            opened -= 1
            if not opened:
                _add(spans, data, start, found.end())
    if opened:
        _add(spans, data, start, len(data))
    return spans


def _add(spans: list[tuple[int, int]], data: bytes, start: int, end: int) -> None:
    low = data.rfind(b"\n", 0, max(start - MAX_MATCH, 0)) + 1
    high = data.find(b"\n", min(end + MAX_MATCH, len(data)))
    if spans and low <= spans[-1][1]:
        low = spans.pop()[0]
    spans.append((low, len(data) if high < 0 else high))
