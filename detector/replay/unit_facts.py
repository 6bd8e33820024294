"""What a scan found in a unit, as lines of JSON that other programs can read.

The first line has the numbers of the unit. Each other line is one fact, an array that begins with its type; `COLUMNS`
names its fields. An identifier whose scheme is an unkeyed SHA-256 is not written: in its place stands its HMAC.
"""

import base64
from collections.abc import Iterable
from typing import Final

import msgspec

from detector.core import DigestMap
from detector.records.dead_letters import DeadLetter
from detector.scan.known_credentials import SHA256
from detector.stages.ranges import RangeFacts
from detector.values.events import CredentialUsed, Identifier, Leak, LimitedRecord
from detector.values.secrets import DeploymentKey, KeyedHash

FORMAT: Final = 1
BLINDED: Final = "sha256-keyed"  # the scheme of what stands in place of a SHA-256
_DEAD_LETTER: Final = "dead-letter"
_HASH_DIGITS: Final = 64
KINDS: Final[dict[str, type[msgspec.Struct]]] = {
    "leak": Leak,
    "limited": LimitedRecord,
    "credential.used": CredentialUsed,
    _DEAD_LETTER: DeadLetter,
}
"""The types of facts."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(field.encode_name for field in msgspec.structs.fields(kind)) for name, kind in KINDS.items()
}
"""By the type of a fact, the names of its fields, in their order."""

_BEFORE_LETTER: Final = msgspec.json.encode(_DEAD_LETTER)
_ROW: Final = msgspec.json.Decoder(Leak | LimitedRecord | CredentialUsed)
_LETTER: Final = msgspec.json.Decoder(DeadLetter)


class UnitNumbers(msgspec.Struct, frozen=True):
    """The first line: what a `RangeFacts` has beside its lists, and the length of each list. `seen` is in base64."""

    leaks: int
    limited: int
    uses: int
    dead_letters: int
    counts: dict[str, tuple[int, int]]
    seen: dict[str, str]
    unknown: int
    lines: int
    inherited: int | None
    latest: int | None
    suspects: int
    idle: dict[str, int]


_NUMBERS: Final = msgspec.json.Decoder(UnitNumbers)


class Blinding:
    """Puts a keyed hash in the place of each unkeyed one, and puts back those that are registered."""

    def __init__(self, key: DeploymentKey) -> None:
        self._hash = KeyedHash(key)
        self._registered = DigestMap(b"", b"")
        self._others: dict[str, str] = {}  # that are written in another way than hashes are

    def expect(self, identifiers: Iterable[Identifier]) -> None:
        """These are put back from now on."""
        digests, registered = bytearray(), bytearray()
        for each in identifiers:
            if each.scheme == SHA256:
                blinded = self._hash.digest(each.value.encode())
                if _is_hash(each.value):
                    digests += blinded
                    registered += bytes.fromhex(each.value)
                else:
                    self._others[blinded.hex()] = each.value
        self._registered = DigestMap(bytes(digests), bytes(registered))

    def leak(self, leak: Leak) -> Leak:
        """The leak without unkeyed hashes."""
        identifiers = tuple(
            self._blinded(each) if each.scheme == SHA256 else each for each in leak.identifiers
        )
        return msgspec.structs.replace(leak, identifiers=identifiers)

    def use(self, use: CredentialUsed) -> CredentialUsed:
        """The use without an unkeyed hash."""
        if use.identifier is None or use.identifier.scheme != SHA256:
            return use
        return msgspec.structs.replace(use, identifier=self._blinded(use.identifier))

    def leak_back(self, leak: Leak) -> Leak:
        """The leak with the registered ones put back."""
        return msgspec.structs.replace(leak, identifiers=tuple(map(self._back, leak.identifiers)))

    def use_back(self, use: CredentialUsed) -> CredentialUsed:
        """The use with a registered one put back."""
        if use.identifier is None or use.identifier.scheme != BLINDED:
            return use
        return msgspec.structs.replace(use, identifier=self._back(use.identifier))

    def _blinded(self, identifier: Identifier) -> Identifier:
        return Identifier(BLINDED, self._hash.digest(identifier.value.encode()).hex(), identifier.length)

    def _back(self, identifier: Identifier) -> Identifier:
        if identifier.scheme != BLINDED or not _is_hash(identifier.value):
            return identifier
        found = self._registered.get(bytes.fromhex(identifier.value))
        value = self._others.get(identifier.value) if found is None else found.hex()
        return identifier if value is None else Identifier(SHA256, value)


def _is_hash(value: str) -> bool:
    """Whether a value is written as hashes are."""
    return len(value) == _HASH_DIGITS and set(value) <= set("0123456789abcdef")


def scan_rows(facts: RangeFacts, blinding: Blinding) -> bytes:
    """The facts as lines."""
    numbers = UnitNumbers(
        leaks=len(facts.leaks),
        limited=len(facts.limited),
        uses=len(facts.uses),
        dead_letters=len(facts.dead_letters),
        counts=facts.counts,
        seen={name: base64.b64encode(hashes).decode() for name, hashes in facts.seen.items()},
        unknown=facts.unknown,
        lines=facts.lines,
        inherited=facts.inherited,
        latest=facts.latest,
        suspects=facts.suspects,
        idle=facts.idle,
    )
    encoder = msgspec.json.Encoder()
    letters = (
        b"[" + _BEFORE_LETTER + b"," + encoder.encode(letter)[1:] + b"\n" for letter in facts.dead_letters
    )
    return b"".join(
        (
            encoder.encode_lines([numbers]),
            encoder.encode_lines(list(map(blinding.leak, facts.leaks))),
            encoder.encode_lines(facts.limited),
            encoder.encode_lines(list(map(blinding.use, facts.uses))),
            *letters,
        )
    )


def scan_facts(rows: bytes, blinding: Blinding) -> RangeFacts:
    """The facts in such lines.

    Raises:
        ValueError: they are not such lines, or not all of them.
    """
    first, *rest = rows.split(b"\n")
    numbers = _NUMBERS.decode(first)
    sizes = numbers.leaks, numbers.limited, numbers.uses, numbers.dead_letters
    if len(rest) != sum(sizes) + 1 or rest.pop():
        raise ValueError("a line is missing")
    others, letters = rest[: sum(sizes[:3])], rest[sum(sizes[:3]) :]
    leaks, limited, uses = list[Leak](), list[LimitedRecord](), list[CredentialUsed]()
    for fact in map(_ROW.decode, others):
        if isinstance(fact, CredentialUsed):
            uses.append(blinding.use_back(fact))
        elif isinstance(fact, Leak):
            leaks.append(blinding.leak_back(fact))
        else:
            limited.append(fact)
    return RangeFacts(
        leaks=leaks,
        limited=limited,
        uses=uses,
        dead_letters=[_LETTER.decode(b"[" + row[len(_BEFORE_LETTER) + 2 :]) for row in letters],
        counts=numbers.counts,
        seen={name: base64.b64decode(text) for name, text in numbers.seen.items()},
        unknown=numbers.unknown,
        lines=numbers.lines,
        inherited=numbers.inherited,
        latest=numbers.latest,
        suspects=numbers.suspects,
        idle=numbers.idle,
    )
