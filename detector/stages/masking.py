"""The one door where a fact becomes ours: events, leaks and dead letters leave it without secrets.

    raw fact ── every text of it ──▶ one search for all facts of a batch ──▶ masked fact

Whatever stores, sends, keys, counts or shows a fact has it from here. An audit log's `resource` may be
`https://x/y?private_token=glpat-…`, an id may be a token. What becomes of a text that shows a secret:

- A plain text keeps what stands around the secret, as an excerpt does: `https://x/y?private_token=‹gitlab-pat:26›`.
- An id becomes another id, `‹gitlab-pat:26:9f2c01ab›`, the same wherever it stands: events still match. The last part
  is from the HMAC of the id. Whether a pattern sees a secret in an id does not depend on what is registered or read
  beside it, and neither does its new name.
- An id that is the hash of a record becomes a keyed one (`detector.records.record_ids`).
- A value of an identifier stays: it is no secret (docs/threat-model.md).

Which fields there are is read from the structs, so a new field is masked without a line here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

from detector.records.record_ids import hold_record_id, is_record_id, keyed_record_id
from detector.scan.leaks import LeakFinder
from detector.scan.mask_spans import MaskSpan, merged, with_masks
from detector.scan.redactor import PASSES, Redactor
from detector.scan.sightings import KNOWN_CREDENTIAL
from detector.values.events import CredentialIssued, Event, Identifier, Leak
from detector.values.secrets import KeyedHash, mask

_IDS: Final = frozenset(
    {
        "credential_id",
        "group",
        "groups",
        "id",
        "key_id",
        "parent_task_id",
        "scheme",
        "source",
        "task_group",
        "task_id",
    }
)
"""The fields by which facts are matched. All other texts are shown, or compared with globs."""

_NO_TEXT: Final = frozenset(
    {
        (Identifier, "value"),
        (Leak, "fingerprint"),
        (Leak, "identifiers"),  # made here of a secret, and blinded
        (Leak, "pattern"),
        (Leak, "time_origin"),
    }
)
_TOGETHER: Final = 2048  # facts whose texts are searched at once
_REMEMBERED: Final = 4096  # texts without a secret; most repeat from batch to batch
_LONGEST_REMEMBERED: Final = 256

_S = TypeVar("_S", bound=msgspec.Struct)


class _Masked(msgspec.Struct, frozen=True):
    """A text that shows secrets: where, what it becomes, and what it becomes as an id."""

    spans: list[MaskSpan]
    text: str
    id: str


class EventMasker:
    """Masks the texts of facts with what `finder` finds. `revocations` counts the revocation handles that changed."""

    def __init__(self, finder: LeakFinder) -> None:
        self.finder = finder
        self.revocations = 0
        self._clean: set[str] = set()
        self._last: set[str] = set()  # the texts searched last: what comes again is remembered
        self._version = -1

    def masked(self, facts: Sequence[_S]) -> list[_S]:
        """The facts without secrets, in order."""
        if not facts:
            return []
        made: list[_S] = []
        for first in range(0, len(facts), _TOGETHER):
            made += self._together(facts[first : first + _TOGETHER])
        return made

    def _together(self, facts: Sequence[_S]) -> list[_S]:
        texts = _texts_of(facts)
        hashed = hold_record_id(texts)
        version = self.finder.known_version
        found = self._found(texts)
        if isinstance(facts[0], Leak):  # a finding will show most of them soon
            self.finder.redactor.remember(texts - found.keys(), version)
        if hashed:
            key = self.finder.id_key
            hashes = {fact.id for fact in facts if isinstance(fact, Event) and is_record_id(fact.id)}
            found |= {name: _Masked([], name, keyed_record_id(name, key)) for name in hashes}
        if not found:
            return list(facts)
        made = [_rebuilt(fact, found) for fact in facts]
        self.revocations += sum(
            isinstance(fact, CredentialIssued)
            and isinstance(after, CredentialIssued)
            and after.revocation is not fact.revocation
            for fact, after in zip(facts, made, strict=True)
        )
        return made

    def text(self, text: str) -> str:
        """A plain text without secrets."""
        found = self._found({text}).get(text)
        return text if found is None else found.text

    def id(self, name: str) -> str:
        """An id without secrets."""
        found = self._found({name}).get(name)
        return name if found is None else found.id

    def path(self, path: str) -> str:
        """The name of a file: each part of the path is an id, so that two files keep two names."""
        return self.paths([path])[0]

    def paths(self, paths: Sequence[str]) -> list[str]:
        """The names of some files, for which one search is enough."""
        split = {path: path.split("/") for path in paths}
        found = self._found({*chain.from_iterable(split.values()), *paths})
        if not found:
            return list(paths)
        return [self._path(path, split[path], found) for path in paths]

    def _path(self, path: str, parts: Sequence[str], found: dict[str, _Masked]) -> str:
        if path not in found and found.keys().isdisjoint(parts):
            return path
        done = "/".join(found[part].id if part in found else part for part in parts)
        return self.id(path) if self._found({done}) else done

    def _found(self, texts: set[str]) -> dict[str, _Masked]:
        """What becomes of those texts that show a secret."""
        version = self.finder.known_version
        if version != self._version:
            self._clean.clear()
            self._last.clear()
            self._version = version
        texts -= self._clean
        if not texts:
            return {}
        fresh = list(texts)
        spans = self.finder.redactor.mask_spans_of(_encoded(fresh))
        showing = {fresh[number]: found for number, found in spans.items()}
        again = [text for text in texts & self._last if len(text) <= _LONGEST_REMEMBERED]
        if len(self._clean) + len(again) > _REMEMBERED:
            self._clean.clear()
        self._clean.update(again[:_REMEMBERED])
        self._clean.difference_update(showing)
        self._last = texts
        return self._masks(showing) if showing else {}

    def _masks(self, showing: dict[str, list[MaskSpan]]) -> dict[str, _Masked]:
        texts = list(showing)
        raw = _encoded(texts)
        patterns = self.finder.pattern_redactor.mask_spans_of(raw)
        done = _settled(
            self.finder.redactor,
            [with_masks(text, showing[name]) for text, name in zip(raw, texts, strict=True)],
        )
        return {
            name: _Masked(
                showing[name],
                done[number],
                masked_id(raw[number], (patterns.get(number) or showing[name])[0], self.finder.id_key),
            )
            for number, name in enumerate(texts)
        }


def masked_id(name: bytes, span: MaskSpan, key: KeyedHash) -> str:
    """What an id becomes in which `span` is the first secret."""
    return f"‹{span.rule}:{span.length}:{key.digest(name).hex()[:8]}›"


def _settled(redactor: Redactor, texts: list[bytes]) -> list[str]:
    """Masked texts, masked again until nothing is found: a mask may part two secrets."""
    lost: set[int] = set()
    for _ in range(PASSES):
        found = redactor.mask_spans_of(texts)
        if not found:
            break
        for number, spans in found.items():
            texts[number] = with_masks(texts[number], spans)
    else:
        lost = set(redactor.mask_spans_of(texts))
    return [
        mask(KNOWN_CREDENTIAL, len(text)) if number in lost else text.decode("utf-8", "replace")
        for number, text in enumerate(texts)
    ]


def _encoded(texts: Sequence[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:  # half a surrogate pair
        return [text.encode("utf-8", "replace") for text in texts]


class _Plan(msgspec.Struct, frozen=True):
    """The fields of one kind of struct that may hold text: `flat` gives those that are one text or None.

    Each of `nested` gives one of the others.
    """

    fields: tuple[str, ...]
    flat: Callable[[Any], Iterable[str | None]]
    nested: tuple[Callable[[Any], Any], ...]


@cache
def _plan_of(kind: type[msgspec.Struct]) -> _Plan:
    fields = {
        field.name: field.type
        for field in msgspec.structs.fields(kind)
        if (kind, field.name) not in _NO_TEXT and holds_text(field.type)
    }
    flat = [name for name, of in fields.items() if set(_parts(of)) <= {str, type(None)}]
    nested = tuple(attrgetter(name) for name in fields if name not in flat)
    return _Plan(tuple(fields), _getter(flat), nested)


def _getter(names: Sequence[str]) -> Callable[[Any], Iterable[Any]]:
    if not names:
        return lambda _: ()
    getter: Callable[[Any], Any] = attrgetter(*names)
    return getter if len(names) > 1 else lambda fact: (getter(fact),)


def _parts(of: Any) -> tuple[Any, ...]:
    return get_args(of) if get_origin(of) in (Union, UnionType) else (of,)


def holds_text(of: Any) -> bool:
    """Whether a value of that type may hold text."""
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        return bool(_plan_of(of).fields)
    inner = get_args(of)
    return any(map(holds_text, inner)) if inner else of in (str, Any)


def _texts_of(facts: Iterable[msgspec.Struct]) -> set[str]:
    """All texts in the facts, each once. All values of one type are looked at together, which takes half the time."""
    texts: set[Any] = set()
    waiting: list[Any] = list(facts)
    while waiting:
        by_kind: defaultdict[type[Any], list[Any]] = defaultdict(list)
        for value in waiting:
            by_kind[type(value)].append(value)
        waiting = []
        for kind, some in by_kind.items():
            if kind is str:
                texts.update(some)
            elif kind is tuple:
                waiting += chain.from_iterable(some)
            elif kind is dict:
                for value in some:
                    _gather_object(value, texts)
            elif issubclass(kind, msgspec.Struct):
                plan = _plan_of(kind)
                texts.update(*map(plan.flat, some))
                for nested in plan.nested:
                    waiting += filter(None, map(nested, some))
    texts -= {None, ""}
    return texts


def _gather_object(value: Any, texts: set[Any]) -> None:
    """The texts of an object of any JSON, and each with its key before it: of `"password": "…"` the key tells."""
    stack = [("", value)]
    while stack:
        key, item = stack.pop()
        if type(item) is dict:
            texts.update(item)
            stack.extend(item.items())
        elif type(item) is list:
            stack.extend([(key, each) for each in item])
        elif (text := _scalar(item)) is not None:
            texts.update((text, _behind_key(key) + text))


def _scalar(value: Any) -> str | None:
    """A value that is no object and no list as text, None if nothing can stand in it."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _behind_key(key: str) -> str:
    return f"{key}="


def _rebuilt(fact: _S, found: dict[str, _Masked]) -> _S:
    """The struct with its texts masked; itself if none of them shows a secret."""
    changed: dict[str, Any] = {}
    for name in _plan_of(type(fact)).fields:
        value = getattr(fact, name)
        made = _masked_value(value, found, as_id=name in _IDS)
        if made is not value:
            changed[name] = made
    return msgspec.structs.replace(fact, **changed) if changed else fact


def _masked_value(value: Any, found: dict[str, _Masked], *, as_id: bool) -> Any:
    if isinstance(value, str):
        what = found.get(value)
        return value if what is None else what.id if as_id else what.text
    if isinstance(value, msgspec.Struct):
        return _rebuilt(value, found)
    if isinstance(value, tuple):
        made = tuple(_masked_value(item, found, as_id=as_id) for item in value)
        return value if all(map(_same, made, value)) else made
    if isinstance(value, dict):
        return _masked_object(value, found)
    return value


def _same(one: Any, other: Any) -> bool:
    return one is other


def _masked_object(value: Any, found: dict[str, _Masked], key: str = "") -> Any:
    """An object of any JSON, as deep as the reader of events lets it be. A key is an id: two keys stay two."""
    if isinstance(value, dict):
        names = {name: found[name].id if name in found else name for name in value}
        made = {names[name]: _masked_object(item, found, name) for name, item in value.items()}
        same = all(name is names[name] and made[names[name]] is item for name, item in value.items())
        return value if same else made
    if isinstance(value, list):
        items = [_masked_object(item, found, key) for item in value]
        return value if all(map(_same, items, value)) else items
    text = _scalar(value)
    if text is None:
        return value
    before = _behind_key(key)
    spans = list(found[text].spans) if text in found else []
    spans += _behind(found[before + text].spans, len(before.encode())) if before + text in found else ()
    return _with_all(text, spans) if spans else value


def _behind(spans: Iterable[MaskSpan], start: int) -> Iterator[MaskSpan]:
    """The parts of the spans that are behind the key."""
    for span in spans:
        if span.end > start:
            yield msgspec.structs.replace(span, start=max(span.start - start, 0), end=span.end - start)


def _with_all(text: str, spans: Iterable[MaskSpan]) -> str:
    return with_masks(text.encode("utf-8", "replace"), merged(spans)).decode("utf-8", "replace")
