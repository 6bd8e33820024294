"""Passes a stream of log bytes on with every leak in it masked, and nothing else changed.

Whole lines are passed on at once, unless they may go on in the next line: a key, base64 over many lines, half a token,
a line that a container runtime cut. Of a line too long to be held the front is passed on, cut where no secret stands.
What was passed on and may still go on is looked at once more with what follows: from where a secret is known it is
masked.

What could not be examined whole is masked, or passed on behind a line that says so (`detector.redact.unexamined`).
"""

import re  # over one line of bounded length at a time
from collections import Counter
from collections.abc import Iterable
from typing import Final

from detector.ingest.reassemble import COMPRESSED, of_key
from detector.ingest.stdin import carries_key, may_be_cut, standing_open, texts_in
from detector.patterns.regexes import MAX_MATCH
from detector.records import magic_numbers as magic
from detector.records.blocks import LISTED, LONG_LINE, safe_cut
from detector.redact.held_tail import LONGEST, Beginnings, ends_in_half, open_tail
from detector.redact.mask_edits import masked, underneath
from detector.redact.mask_neighbours import beside
from detector.redact.record_redactor import LEAST, redacted, without_texts
from detector.redact.unexamined import (
    DECODING,
    ENCODING,
    UNFINISHED,
    Handling,
    Reason,
    already_masked,
    encoded_otherwise,
    is_unexamined,
    reason_of,
    unexamined,
)
from detector.scan.mask_spans import MaskSpan, merged, with_masks
from detector.scan.redactor import PASSES, Redactor
from detector.scan.sightings import KNOWN_CREDENTIAL
from detector.values.secrets import mask

_OVERLAP: Final = 64 * 1024  # of a long line: longer than any secret with what its pattern looks at around it
_CONTEXT: Final = 4 * 1024
_WRAPPED: Final = 16 * 1024  # what goes on over many lines is looked for so far back
# Lines of nothing but base64, of one character, or with a soft line break of quoted-printable.
_GOES_ON: Final = re.compile(rb"(?:[A-Za-z0-9+/_-]{40,1024}={0,2}|[^\n]{0,75}=|[^\r\n])\r?\n")
_LONGEST_OF_THEM: Final = 1028
_EDGES: Final = re.compile(rb"-----(?:(BEGIN) |END )")  # of key blocks
_KEY_BEGIN: Final = b"-----BEGIN "
_MAGIC: Final = tuple(b"\n" + first for first in (magic.GZIP, magic.ZSTD, magic.XZ))  # on a line's start
_LONGEST_MAGIC: Final = max(map(len, _MAGIC))
_TYPED: Final = 4  # bytes of a known secret that somebody may type at once
_DIGITS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=\r\n"
_RUN: Final = re.compile(rb"[A-Za-z0-9+/_=-]*(?:\r?\n[A-Za-z0-9+/_-]{20,}={0,2})*")
_LEAST_RUN: Final = 512  # bytes of base64: what is compressed to less is in one piece
_MAY_GO_ON: Final = re.compile(rb"[A-Za-z0-9+/_-]{40}\r?\n\Z")


class StreamRedactor:
    """One stream. Holds at most `longest` bytes, or twice the overlap, and a chunk.

    `handling` says what becomes of text that could not be examined whole; `unexamined` counts such texts by reason.
    What may be one of the `beginnings` of secrets is not passed on at once.
    """

    def __init__(
        self,
        redactor: Redactor,
        longest: int = LONG_LINE,
        handling: Handling = "mask",
        beginnings: Beginnings | None = None,
    ) -> None:
        self._handling = handling
        self._beginnings = beginnings
        self.unexamined: Counter[Reason] = Counter()
        self._begun = False
        self._encoded = 0  # bytes since the stream went on in a form that is not decoded
        self._hidden: list[MaskSpan] = []
        self._lost = False  # what is held goes on with compressed text whose start is gone
        self._redactor = redactor
        self._longest = max(longest, 2 * _OVERLAP)
        self._held = bytearray()
        self._context = 0  # of what is held, the bytes that were passed on already

    def __bool__(self) -> bool:
        """Whether something is held."""
        return len(self._held) > self._context

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now that `chunk` has come."""
        if self._encoded:
            return self._rest_encoded(chunk)
        self._held += chunk
        encoded = self._encoded_from(len(chunk))
        if encoded is not None:
            rest = bytes(self._held[encoded:])
            del self._held[encoded:]
            return self._lines(encoded, encoded, cut=False) + self._rest_encoded(rest)
        done = b""
        end = self._held.rfind(b"\n", len(self._held) - len(chunk)) + 1
        if end > self._context:
            opened, most, cut = self._opened(self._held, end)
            begun = self._secret_from()
            if begun < end:
                opened, most = min(opened, self._whole_line_of(begun)), self._longest
            held_back = max(opened, self._context)
            done = self._lines(held_back if len(self._held) - self._context <= most else end, opened, cut=cut)
        if len(self._held) - self._context > self._longest:
            done += self._front()
        return done

    def idle(self) -> bytes:
        """All whole lines, because nothing has come for as long as what may go on is held."""
        end = self._held.rfind(b"\n") + 1
        if end <= self._context:
            return b""
        opened, _, cut = self._opened(self._held, end)
        return self._lines(end, min(opened, self._whole_line_of(self._secret_from())), cut=cut)

    def settle(self, *, echoed: bool = False) -> bytes:
        """All but what may still become a secret, an unfinished line too: somebody may be asked something.

        Of what is `echoed` as somebody types it only a known secret is held.
        """
        line = self._line_of(len(self._held))
        at = max(line, self._context)
        unfinished = bytes(self._held[at:])
        if self._encoded or not unfinished:
            return b""
        begun = self._secret_from(_TYPED if echoed else 1)
        held = min(len(self._held) if echoed else at + open_tail(unfinished), begun)
        # Behind its first word a line tells as much of what stands above it as a whole line does.
        told = self._held + b"\n" if held > at else self._held
        opened, _, cut = self._opened(told, len(told) if held > at else line)
        if cut:
            return b""
        end = held if opened >= line else min(held, opened)
        return self._lines(end, min(opened, line, self._whole_line_of(begun)), cut=False)

    def pause(self) -> bytes:
        """All that is held, an unfinished line too, because nothing has come for as long as it is held.

        What goes on in a secret is masked from where it is known.
        """
        if self._encoded:
            return b""
        done = self.idle()
        line = self._line_of(len(self._held))
        opened = self._opened(self._held, line)[0] if line else 0
        return done + self._lines(len(self._held), min(opened, self._line_of(self._secret_from())), cut=False)

    def _secret_from(self, least: int = 1) -> int:
        """Where a known secret may begin at the end of what is held."""
        if self._beginnings is None:
            return len(self._held)
        return max(len(self._held) - LONGEST, 0) + self._beginnings.start(bytes(self._held[-LONGEST:]), least)

    def _line_of(self, at: int) -> int:
        return self._held.rfind(b"\n", 0, at) + 1

    def _whole_line_of(self, at: int) -> int:
        """The same, where a container runtime cut that line the start of its first part."""
        start = self._line_of(at)
        before = bytes(self._held[:start])
        return standing_open(before, start) if may_be_cut(before) else start

    def end(self) -> bytes:
        """What is left when nothing more comes."""
        if self._encoded:
            self.unexamined[ENCODING] += 1
            return unexamined(0, self._encoded, ENCODING).text.encode()
        whole = self._held.rfind(b"\n") + 1
        opened = self._opened(self._held, whole)[0] if whole > self._context else len(self._held)
        opened = len(self._held) if opened == whole else opened
        return self._lines(len(self._held), opened, cut=may_be_cut(bytes(self._held)))

    def _encoded_from(self, fresh: int) -> int | None:
        """Where what is held goes on in a form that is not decoded: at the start of the stream, or of a line.

        All but its last `fresh` bytes were looked at before.
        """
        if not self._begun and self._held:
            self._begun = len(self._held) > _LEAST_RUN or b"\n" in self._held
            if encoded_otherwise(bytes(self._held[: 2 * _LEAST_RUN])):
                return 0
        low = max(self._context, len(self._held) - fresh - _LONGEST_MAGIC)
        found = [at + 1 for at in (self._held.find(magic, low) for magic in _MAGIC) if at >= 0]
        return min(found, default=None)

    def _rest_encoded(self, data: bytes) -> bytes:
        """Data in a form that is not decoded: where it ends, nothing tells."""
        self._encoded += len(data)
        return b"" if self._handling == "mask" else data

    def _opened(self, held: bytearray, end: int) -> tuple[int, int, bool]:
        """Where the first line that may go on behind `end` begins, how much may be held for it, whether any is cut."""
        whole = bytes(held[:end])
        cut_lines = may_be_cut(whole)
        opened = standing_open(whole, end) if cut_lines else end
        if opened < end:
            return opened, self._longest, cut_lines
        cut = safe_cut(held, end)
        lowest = max(end - _WRAPPED, 0)
        while cut > lowest:
            start = held.rfind(b"\n", max(lowest, cut - _LONGEST_OF_THEM), cut - 1) + 1
            if start <= lowest and lowest:
                break
            line = held[start:cut]
            if not (_GOES_ON.fullmatch(line) or LISTED.search(line)):
                break
            cut = start
        if cut == end and not cut_lines:  # half of a line that a runtime cut never goes alone
            start = held.rfind(b"\n", max(lowest, end - _LONGEST_OF_THEM), end - 1) + 1
            cut = start if ends_in_half(bytes(held[start:end])) else end
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
            done = self._by_line(data, self._context, opened)
        else:
            if by_line and carries_key(data):
                data = self._without_keys(data, opened)
            spans, settled = self._mask_spans(data)
            done = self._shown(data, [*spans, *self._unfinished(data, opened)], settled)
        self._lost = self._loses(data, end, keep)
        del self._held[:keep]
        self._context = end - keep
        return done

    def _unfinished(self, data: bytes, opened: int) -> list[MaskSpan]:
        """Text that goes on in what is not there: lines of a key without end, and compressed text without start."""
        spans: list[MaskSpan] = []
        if self._lost:
            run = _RUN.match(data, self._context)
            if run is not None and run.end() > run.start():
                spans.append(unexamined(*run.span(), UNFINISHED))
        at = data.find(_KEY_BEGIN, opened)
        start = data.rfind(b"\n", 0, at) + 1 if at >= 0 else len(data)
        for line in data[start:].splitlines(keepends=True):
            body = line.rstrip(b"\r\n")
            if of_key(body) and not already_masked(body):
                spans.append(unexamined(start, start + len(body), UNFINISHED))
            start += len(line)
        return spans

    def _loses(self, data: bytes, end: int, keep: int) -> bool:
        """Whether compressed text stands across `end` whose start is no longer held from `keep` on."""
        start = len(data[:end].rstrip(_DIGITS))
        if end - start < _LEAST_RUN or start >= keep:
            return False
        if start <= self._context and self._lost:
            return True
        begun = COMPRESSED.search(data, max(start - 1, 0), end)
        return begun is not None and end - begun.start() >= _LEAST_RUN

    def _without_keys(self, data: bytes, opened: int) -> bytes:
        """The data with those keys masked whose lines stand in records of a container runtime or shipper."""
        pieces: list[bytes] = []
        at = 0
        for start, end in key_lines(data):
            known = max(self._context, start)
            if known < end:  # else all of it was passed on
                passed = self._by_line(
                    data[start:end], known - start, opened - start if end > opened else None
                )
                pieces += (data[at:known], passed)
                at = end
        return b"".join((*pieces, data[at:]))

    def _by_line(self, data: bytes, context: int, opened: int | None) -> bytes:
        """data[context:], masked where the parts of lines are joined that container runtimes cut.

        From `opened` on there are lines that go on in what is not there.
        """
        lines = data.split(b"\n")
        passed = data.count(b"\n", 0, context)
        noted: dict[int, Reason] = {}

        def note(number: int, reason: Reason) -> bool:
            if number >= passed:
                noted.setdefault(number, reason)
            return self._handling == "mask"

        shown = redacted(lines, lambda _, line: texts_in(line), self._redactor, note=note)
        if opened is not None:
            first = data.count(b"\n", 0, max(opened, 0))
            for number in range(max(first, passed), len(lines)):
                line = shown[number]
                if line is not None and _goes_on(lines, number) and note(number, UNFINISHED):
                    shown[number] = without_texts(line, texts_in(line))
        self.unexamined.update(noted.values())
        marks = {} if self._handling == "mask" else noted
        return b"\n".join(
            _marker(marks.get(number), len(lines[number]))
            + (mask(KNOWN_CREDENTIAL, len(lines[number])).encode() if new is None else new)
            for number, new in enumerate(shown[passed:], passed)
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
        done = self._shown(data, [*mask_spans, *self._unfinished(data[:cut], cut)], settled, cut)
        keep = max(cut - _CONTEXT, 0)
        self._lost = self._loses(data, cut, keep)
        del self._held[:keep]
        self._context = cut - keep
        return done

    def _mask_spans(self, data: bytes) -> tuple[list[MaskSpan], bool]:
        """Where `data` shows secrets, also those that show only beside masks; and whether that is all of them."""
        mask_spans, limited = self._redactor.look(data, LEAST)
        hidden = [unexamined(text.start, text.end, DECODING) for text in limited]
        self._hidden = hidden
        if self._handling == "mask" and hidden:
            mask_spans = merged((*mask_spans, *hidden))
        found = mask_spans
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
        mask_spans, marks = self._handled(mask_spans, start, end)
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
        text, within = _with_markers(text, within, marks)
        shown = masked(text, within)
        settled = settled and not any(mask_span.start < start < mask_span.end for mask_span in mask_spans)
        if settled and shown == with_masks(text, within):
            return shown
        done = self._clean(shown)
        return done if done is not None else b"".join(map(self._line, text.splitlines(keepends=True)))

    def _handled(
        self, mask_spans: list[MaskSpan], start: int, end: int
    ) -> tuple[list[MaskSpan], list[MaskSpan]]:
        """What to mask, and what to pass on behind a marker. It is counted here."""
        found = [span for span in mask_spans if is_unexamined(span)]
        if self._handling == "mark":
            found += self._hidden
        self._hidden = []
        if not found:
            return mask_spans, []
        cut = [
            MaskSpan(span.start, min(span.end, end), span.rule, span.length, span.weight)
            for span in found
            if span.end > start and span.start < end
        ]
        for span in cut:
            self.unexamined[reason_of(span)] += 1
        if self._handling == "mark":
            left = [span for span in mask_spans if not is_unexamined(span)]
            marks = [
                MaskSpan(max(span.start - start, 0), span.end - start, span.rule, span.length, span.weight)
                for span in cut
            ]
            return left, sorted(marks, key=lambda span: span.start)
        return merged((*(span for span in mask_spans if not is_unexamined(span)), *cut)), []

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


def _with_markers(
    text: bytes, mask_spans: list[MaskSpan], marks: Iterable[MaskSpan]
) -> tuple[bytes, list[MaskSpan]]:
    """The text with a marker before each line that holds a mark, and the mask spans where they are then."""
    for mark in reversed(list(marks)):
        at = text.rfind(b"\n", 0, mark.start) + 1
        new = mark.text.encode() + b"\n"
        text = text[:at] + new + text[at:]
        mask_spans = [
            MaskSpan(
                span.start + (len(new) if span.start >= at else 0),
                span.end + (len(new) if span.end > at else 0),
                span.rule,
                span.length,
                span.weight,
            )
            for span in mask_spans
        ]
    return text, mask_spans


def _marker(reason: Reason | None, length: int) -> bytes:
    return b"" if reason is None else unexamined(0, length, reason).text.encode() + b"\n"


def _goes_on(lines: list[bytes], number: int) -> bool:
    """Whether a line of a container runtime is a part of a line, or of a key, whose rest is not there."""
    texts = texts_in(lines[number])
    return any(
        not log.ends or _KEY_BEGIN in log.text or of_key(log.text)
        for log in texts
        if log.text and not already_masked(log.text)
    )


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
