"""Holds events to the `[[trust]]` entries: which input may carry which event, and with what proof.

Example: the records of one topic.

    trust = TrustPolicy(settings.trust).of_topic("gitlab-audit")  # None: nothing holds this topic
    proof = trust.record(record.headers, record.value, record.timestamp * MILLISECOND)
    refusal = proof.refusal(event)  # None: believe it

Which entries count for an event:

1. If exclusive entries reserve its source, these; an input that none of them holds may not carry it.
2. Else all entries that hold the input. Without one it is believed, as the input is declared.

One entry that the event passes is enough. What cannot be judged is refused. The answer depends on the record and the
configuration alone, not on a clock: a record that is read again gets the same.
"""

import posixpath
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Final

import msgspec

from detector.configuration.trust_settings import TrustEntry
from detector.ingest.trust.signed_content import Headers, header_of, signed_content
from detector.records.dead_letters import (
    STALE_SIGNATURE,
    UNTRUSTED_HEADER,
    UNTRUSTED_SOURCE,
    UNTRUSTED_TYPE,
    bad,
)
from detector.values.errors import BadRecordError
from detector.values.events import TYPE_NAMES, CanonicalEvent
from detector.values.globs import GlobSet, Matcher, compile_glob

_REMEMBERED: Final = 4096  # pairs of source and type of one input
_LONGEST: Final = 512  # characters of a source that is remembered
_RESERVED: Final = (
    "[[trust]] lets other inputs carry events of this source, and not this one; it was not believed"
)
_NO_TIME: Final = "the record has no timestamp, so its age cannot be judged; the event was not believed"


class TrustPolicy:
    """All entries, compiled. False if there is none."""

    def __init__(self, entries: Sequence[TrustEntry] = ()) -> None:
        self._entries = [_Entry(number, entry) for number, entry in enumerate(entries)]

    def __bool__(self) -> bool:
        return bool(self._entries)

    def of_topic(self, topic: str) -> "InputTrust | None":
        """What holds a topic; None if nothing does."""
        return self._of([entry for entry in self._entries if entry.topics.matches(topic)])

    def of_path(self, path: str, archive: str | None = None) -> "InputTrust | None":
        """What holds a file, by its path as the user gave it; None if nothing does.

        What holds an archive holds its members too.
        """
        paths = (path,) if archive is None else (path, archive)
        return self._of([entry for entry in self._entries if any(map(entry.holds_path, paths))])

    def unused(self, paths: Iterable[str]) -> list[TrustEntry]:
        """The entries for files that hold none of these."""
        names = tuple(paths)
        return [
            entry.said
            for entry in self._entries
            if entry.said.paths and not any(map(entry.holds_path, names))
        ]

    def _of(self, holding: "list[_Entry]") -> "InputTrust | None":
        reserving = [entry for entry in self._entries if entry.reserves]
        return InputTrust(holding, reserving) if holding or reserving else None


NO_ENTRIES: Final = TrustPolicy()


class _Entry:
    """One entry, compiled."""

    def __init__(self, number: int, entry: TrustEntry) -> None:
        self.number = number
        self.said = entry
        self.topics = GlobSet(entry.topics)
        self.paths = GlobSet((*entry.paths, *map(posixpath.normpath, entry.paths)))
        self.sources = None if entry.sources is None else GlobSet(entry.sources)
        self.types = None if entry.types is None else GlobSet(entry.types)
        self.reserves = entry.exclusive and self.sources is not None
        self.header = None if entry.header is None else entry.header.name
        self.value: Matcher | None = None if entry.header is None else compile_glob(entry.header.value)
        self.signature = entry.signature

    @cached_property
    def verify(self) -> Callable[[Headers, bytes], None] | None:
        """The verifier of its signature. Only records of a topic ask for it: the library takes long to import."""
        if self.signature is None:
            return None
        from detector.ingest.trust.signatures import verifier_of  # noqa: PLC0415 - as above

        return verifier_of(self.signature)

    def holds_path(self, path: str) -> bool:
        """Whether it holds a file, also where its path or the glob is written with `./` or `//`."""
        return self.paths.matches(path) or self.paths.matches(posixpath.normpath(path))

    def carries(self, source: str) -> bool:
        """Whether its inputs may carry events of a source."""
        return self.sources is None or self.sources.matches(source)


class _Choice(msgspec.Struct, frozen=True):
    """The entries whose proof is enough for a source and type; without one, why the event is refused."""

    entries: tuple[_Entry, ...] = ()
    refusal: BadRecordError | None = None


class InputTrust:
    """What holds one input."""

    def __init__(self, holding: Sequence[_Entry], reserving: Sequence[_Entry]) -> None:
        self._holding = holding
        self._reserving = reserving
        self._remembered = lru_cache(_REMEMBERED)(self._choose)

    @property
    def rules(self) -> str:
        """The entries that hold the input or reserve sources, for a person: ` ([[trust]] in lines 4, 12)`."""
        entries = {entry.number: entry for entry in (*self._holding, *self._reserving)}
        lines = [str(entry.said.line) for entry in entries.values() if entry.said.line is not None]
        return f" ([[trust]] in {'lines' if len(lines) > 1 else 'line'} {', '.join(lines)})" if lines else ""

    def record(self, headers: Headers, value: bytes, time: int) -> "RecordProof":
        """The proof that a record brings. `time` is its timestamp (ns), which no time of the event replaces."""
        return RecordProof(self, headers, value, time)

    def without_proof(self, event: CanonicalEvent) -> BadRecordError | None:
        """As `RecordProof.refusal`, of an event in a file: there are no headers."""
        choice = self.choice(event.source, TYPE_NAMES[type(event)])
        if choice.refusal is not None or not choice.entries:
            return choice.refusal
        if any(entry.header is None and entry.signature is None for entry in choice.entries):
            return None
        return bad(UNTRUSTED_HEADER)

    def choice(self, source: str, kind: str) -> _Choice:
        """See `_Choice`."""
        return self._remembered(source, kind) if len(source) <= _LONGEST else self._choose(source, kind)

    def _choose(self, source: str, kind: str) -> _Choice:
        reserved = [entry for entry in self._reserving if entry.carries(source)]
        holding = [entry for entry in self._holding if not reserved or entry in reserved]
        if not holding:
            return _Choice(refusal=bad(UNTRUSTED_SOURCE, "source", _RESERVED)) if reserved else _Choice()
        carrying = [entry for entry in holding if entry.carries(source)]
        if not carrying:
            return _Choice(refusal=bad(UNTRUSTED_SOURCE, "source"))
        typed = [entry for entry in carrying if entry.types is None or entry.types.matches(kind)]
        return _Choice(tuple(typed)) if typed else _Choice(refusal=bad(UNTRUSTED_TYPE, "type"))


class RecordProof:
    """What one record brings: its headers and its bytes. Each entry's demands are judged once."""

    def __init__(self, trust: InputTrust, headers: Headers, value: bytes, time: int) -> None:
        self._trust = trust
        self._headers = headers
        self._value = value
        self._time = time
        self._judged: dict[int, BadRecordError | None] = {}

    def refusal(self, event: CanonicalEvent) -> BadRecordError | None:
        """Why an event of the record is not believed; None if it is. Of several entries, the first says why."""
        choice = self._trust.choice(event.source, TYPE_NAMES[type(event)])
        if choice.refusal is not None:
            return choice.refusal
        first: BadRecordError | None = None
        for entry in choice.entries:
            refusal = self._of(entry) or self._age(entry, event)
            if refusal is None:
                return None
            first = first or refusal
        return first

    def _of(self, entry: _Entry) -> BadRecordError | None:
        if entry.number not in self._judged:
            try:
                self._judge(entry)
            except BadRecordError as error:
                self._judged[entry.number] = error
            else:
                self._judged[entry.number] = None
        return self._judged[entry.number]

    def _judge(self, entry: _Entry) -> None:
        if entry.header is not None and entry.value is not None:
            _look_at_header(self._headers, entry.header, entry.value)
        if entry.verify is not None:
            entry.verify(self._headers, signed_content(self._headers, self._value))

    def _age(self, entry: _Entry, event: CanonicalEvent) -> BadRecordError | None:
        if entry.signature is None:
            return None
        if self._time <= 0:
            return bad(STALE_SIGNATURE, None, _NO_TIME)
        return bad(STALE_SIGNATURE, "time") if event.time < self._time - entry.signature.max_age else None


def _look_at_header(headers: Headers, name: str, matches: Matcher) -> None:
    try:
        value = header_of(headers, name)
        right = value is not None and matches(value.decode())
    except (BadRecordError, UnicodeDecodeError):
        right = False
    if not right:
        raise bad(UNTRUSTED_HEADER, name)
