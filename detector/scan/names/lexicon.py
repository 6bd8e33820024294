"""What a name says of its value: a secret, a password, or something else. The words stand in `lexicon.toml`.

NETLIFY_AUTH_TOKEN ─▶ netlify auth token ─▶ head `token` ─▶ secret
next-page-token    ─▶ next page token    ─▶ turned by `page`
secretKeyId        ─▶ secret key id      ─▶ turned by `id`
"""

import re  # of names, which are short
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from detector.values.findings import Confidence

FILE: Final = Path(__file__).with_name("lexicon.toml")
NAME_LONGEST: Final = 120  # bytes
_WORD: Final = re.compile(
    r"[A-Za-z][0-9]{1,2}[A-Za-z](?![a-z0-9])|[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+"
)  # I18N is one
_UNKNOWN_BEHIND: Final = 3  # words: more of them are a sentence, or another thing
_PROPERTY: Final = re.compile(
    r"\w{3,}(?:tion|ment|ity|ism|ness|ance|ence|ency|able|ible|ing|ed)$"
)  # of a thing, behind its name
_DONE: Final = re.compile(
    r"\w{3,}(?:ing|ed)$"
)  # a key in front of which this stands belongs to a thing, not to a lock
_POSITIONAL: Final = frozenset({"key", "token", "auth"})
_SHOWN: Final = 64  # characters of a name in a finding
_LONG_WORD: Final = 20  # letters: a longer one is not shown
_KNOWN: Final = 1 << 14  # names whose judgement is kept

Kind = Literal["secret", "password"]


class Meaning(msgspec.Struct, frozen=True):
    """What a name says: that its value is of this kind, and how sure that is by the name alone."""

    kind: Kind
    strength: Confidence


class _Head(msgspec.Struct, frozen=True):
    kind: Kind
    strength: Literal["low", "medium", "high"]
    alone: Literal["low", "medium", "high"] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    heads: dict[str, _Head]
    spellings: dict[str, str]
    glued: dict[str, list[str]]
    turned_by_what_follows: dict[str, list[str]]
    turned_by_what_precedes: dict[str, list[str]]
    phrases: dict[Kind, list[str]]
    identifiers: dict[str, list[str]]
    strong: dict[str, list[str]]
    issued_by: dict[str, list[str]]
    transparent: dict[str, list[str]]


def words_of(name: str) -> list[str]:
    """The words of a name in snake, kebab, camel, dotted or header case, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


class Lexicon:
    """The words that names are judged by."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        file = msgspec.convert(table, _File)
        self._heads = {
            word: Meaning(head.kind, Confidence.of(head.strength)) for word, head in file.heads.items()
        }
        self._alone = {
            word: Confidence.of(head.alone) for word, head in file.heads.items() if head.alone is not None
        }
        self._spellings = {word: text.split() for word, text in file.spellings.items()}
        self._endings = sorted(file.glued.pop("endings"), key=len, reverse=True)
        self._glued = {ending: frozenset(words) for ending, words in file.glued.items()}
        self._behind = frozenset(word for words in file.turned_by_what_follows.values() for word in words)
        self._always = frozenset(file.turned_by_what_precedes.pop("any"))
        self._position = frozenset(file.turned_by_what_precedes.pop("position"))
        self._before = {head: frozenset(words) for head, words in file.turned_by_what_precedes.items()}
        self._strong = {head: frozenset(words) for head, words in file.strong.items()}
        self._issuers = {word: frozenset(issuers) for word, issuers in file.issued_by.items()}
        self._glued["key"] = self._strong["key"]
        self._phrases = {tuple(text.split()): kind for kind, texts in file.phrases.items() for text in texts}
        self._identifiers = frozenset(tuple(text.split()) for text in file.identifiers["names"])
        self._transparent = frozenset(file.transparent["words"])
        self._known = frozenset(
            {*self._heads, *self._behind, *self._transparent, *self._always, *self._position}.union(
                *self._before.values(), *self._strong.values()
            )
        )
        self.meaning = lru_cache(maxsize=_KNOWN)(self._meaning)

    @property
    def heads(self) -> tuple[bytes, ...]:
        """The heads as names have them, in lower case: in each name that means something one of them ends a word."""
        found = {*self._heads, *(word for word, said in self._spellings.items() if said[-1] in self._heads)}
        return tuple(sorted(word.encode() for word in _shortest(found)))

    @property
    def before_key(self) -> frozenset[str]:
        """The words in front of `key` that make it a secret."""
        return self._strong["key"]

    def counts(self, head: bytes, least: Confidence) -> bool:
        """Whether a name with this head, and more words, can be this sure."""
        last = self._spellings.get(head.decode(), [head.decode()])[-1]
        return last in self._strong or self._heads[last].strength >= least

    def counts_alone(self, head: bytes, least: Confidence) -> bool:
        """Whether a name that is this head alone is this sure."""
        meaning = self._meaning(head.decode())
        return meaning is not None and meaning.strength >= least

    @property
    def stems(self) -> tuple[bytes, ...]:
        """Letters one of which is in each name that means something, in lower case."""
        found = self.heads
        return tuple(one for one in found if not any(other != one and other in one for other in found))

    def _unglued(self, word: str) -> list[str]:  # noqa: PLR0911 - each way is an answer
        """The words that one is made of; without the digits behind it, if it is not known with them."""
        if word in self._spellings:
            return self._spellings[word]
        if word in self._known:
            return [word]
        bare = word.rstrip("0123456789")
        if bare != word and bare:
            return self._unglued(bare)
        for ending in self._endings:
            if word.endswith(ending):
                return [word[: -len(ending)], *self._spellings.get(ending, [ending])]
        for ending, fronts in self._glued.items():
            if word.endswith(ending) and word[: -len(ending)] in fronts:
                return [word[: -len(ending)], ending]
        for head in self._heads:
            if word.startswith(head) and word[len(head) :] in self._behind:
                return [head, word[len(head) :]]
        return [word]

    def _cut(self, name: str) -> list[str]:
        """The words of a name, without the `-D` of a property of the Java virtual machine, and the `-P` of Gradle."""
        if name[:2] == "-D":
            return words_of(name[2:])
        words = words_of(name)
        if name[:2] == "-P" and words and words[0] not in self._known and words[0][1:] in self._known:
            words[0] = words[0][1:]
        return words

    def _meaning(self, name: str) -> Meaning | None:  # noqa: C901 - what is known of a name, in order
        """What a name says, or None if its value is no secret."""
        words = [part for word in self._cut(name) for part in self._unglued(word)]
        if tuple(words[1:] if words[:1] == ["x"] else words) in self._identifiers:
            return None
        for phrase, kind in self._phrases.items():
            if tuple(words[-len(phrase) :]) == phrase:
                return Meaning(kind, Confidence.HIGH)
        at = len(words) - 1
        while at >= 0 and words[at] not in self._heads:
            at -= 1
        if at < 0:
            return None
        head, front, behind = words[at], words[:at], words[at + 1 :]
        if front and front[-1] in self._transparent and self._is_strong(head, front[:-1]):
            front = front[:-1]  # `encryption primary key`
        if self._is_turned(head, front, behind):
            return None
        meaning = self._heads[head]
        strength = Confidence.HIGH if self._is_strong(head, front) else meaning.strength
        if not front and not behind:
            strength = self._alone.get(head, strength)
        unknown = sum(word not in self._transparent and not word.isdigit() for word in behind)
        if unknown > _UNKNOWN_BEHIND or (unknown and strength < Confidence.HIGH):
            strength = Confidence.LOW
        elif unknown:
            strength = Confidence.MEDIUM
        return Meaning(meaning.kind, strength)

    def _is_turned(self, head: str, front: list[str], behind: list[str]) -> bool:
        """Whether the words in front of a head, or behind it, say that the value is something else."""
        if any(self._turns(word) for word in behind if word not in self._transparent) or self._always & set(
            front
        ):
            return True
        if not front or self._is_strong(head, front):
            return False
        if head == "key" and front[-1] not in self._transparent and _DONE.match(front[-1]):
            return True
        return front[-1] in self._before.get(head, ()) or (
            head in _POSITIONAL and bool(self._position & set(front))
        )

    def _turns(self, word: str) -> bool:
        """Whether this word behind a head says that the value is something else."""
        return word in self._behind or (word not in self._known and _PROPERTY.match(word) is not None)

    def _is_strong(self, head: str, front: list[str]) -> bool:
        if not front:
            return False
        issuers = self._issuers.get(front[-1], frozenset()) if head in {"key", "token"} else frozenset()
        return front[-1] in self._strong.get(head, ()) or not issuers.isdisjoint(front[:-1])


def _shortest(words: set[str]) -> set[str]:
    """The words that end in no other of them."""
    return {one for one in words if not any(other != one and one.endswith(other) for other in words)}


def load() -> Lexicon:
    """The lexicon that comes with the program."""
    return Lexicon(tomllib.loads(FILE.read_text(encoding="utf-8")))


def shown_name(name: str) -> str:
    """A name as a finding says it: of words only, at most 64 characters, its end rather than its start.

    A name is text of a log. A word with digits in its midst, or a very long one, may be a secret itself: `…` stands
    for it.
    """
    parts = re.split(r"([_.-]+)", name)
    told = [
        "…" if len(part) > _LONG_WORD or re.search(r"[0-9][A-Za-z]+[0-9]|[0-9]{5}", part) else part
        for part in parts
    ]
    text = "".join(told)
    return text if len(text) <= _SHOWN else "…" + text[1 - _SHOWN :]
