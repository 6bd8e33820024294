"""Where aiokafka's reader of record batches and ours differ: `python -m tests.kafka.batch_differences COUNT SEED`.

Both read the same changed fetches, as a consumer does: on from where it stands, until an error keeps it there, the end,
or no way on. What each answers is compared with that of `batch_reference`. Ours must be the same; aiokafka's may differ
in the ways that docs/record-batches.md names.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from detector.kafka import raw_batches
from detector.kafka.columns_check import fields
from tests.kafka import batch_reference
from tests.kafka.batch_mutations import Fetch, fetch
from tests.kafka.batch_reference import LIMIT, Record

MORE, FEWER, OTHER = "more records", "fewer records", "other records"
ERROR, NO_ERROR, BACK, ROUND = "an error", "no error", "goes back", "goes round"
_ANY: Final = frozenset({MORE, FEWER, OTHER, ERROR, NO_ERROR, BACK, ROUND})
# With an error aiokafka stays before what was left out in front of it.
_STAYS: Final = frozenset({ERROR, FEWER})
_TAKES: Final = frozenset({*_STAYS, MORE, NO_ERROR})
# What aiokafka does with each, other than ours. The first are right and unusual, the others wrong.
KINDS: Final = {
    "both formats": _ANY,
    "name of a header": _ANY,
    "no marker": _ANY - {NO_ERROR},
    "order": _ANY,
    "other marker": _TAKES | {OTHER},
    "stream": _STAYS,
    "beyond the end": _STAYS,
    "checksum": _STAYS,
    "codec": _TAKES,
    "compressed": _TAKES,
    "count": _STAYS | {NO_ERROR},
    "format": _ANY,
    "headers": _STAYS,
    "left over": _TAKES,
    "length": _TAKES,
    "length of a record": _STAYS,
    "marker": _STAYS,
    "nothing new": _ANY,
    "number": _STAYS,
    "offset of a record": _TAKES,
    "offsets of a batch": _ANY,
    "old message": frozenset[str](),
}
NOT_ASKED: Final = "old message"  # aiokafka may read it for ever
_ENOUGH: Final = 20  # fetches, of no more than ten batches
_SOURCE: Final = TopicPartition("check", 0)

Aborted = Sequence[tuple[int, int]]
# Records, where the next one begins, and the error.
Reader = Callable[[bytes, Aborted, int], tuple[list[Record], int, str]]


class Outcome(NamedTuple):
    """What a consumer got, where it stands, and how it ended: with nothing, an error, BACK or ROUND."""

    records: list[Record]
    position: int
    end: str


def consumed(fetched: Fetch, read: Reader) -> Outcome:
    """What a consumer gets with a reader."""
    records: list[Record] = []
    position = fetched.offset
    for _ in range(_ENOUGH):
        some, behind, error = read(*fetched.answer(position), position)
        records += some
        if behind == position:
            return Outcome(records, position, error)
        if behind < position:
            return Outcome(records, position, BACK)
        position = behind
    return Outcome(records, position, ROUND)


def by_reference(names: list[str]) -> Reader:
    """The reference; it adds the names of what is unusual, then of what is wrong."""

    def read(data: bytes, aborted: Aborted, offset: int) -> tuple[list[Record], int, str]:
        answer = batch_reference.read(data, aborted, offset)
        names[:0] = sorted(answer.oddities)
        names.extend(filter(None, [answer.flaw]))
        return answer.records, answer.position, answer.flaw

    return read


def by_us(most: int) -> Reader:
    """Ours, so many records in a poll."""

    def read(data: bytes, aborted: Aborted, offset: int) -> tuple[list[Record], int, str]:
        columns, _ = raw_batches.both_ways(data, aborted, offset, most, LIMIT)
        return _drained((fields(each) for poll in columns for each in poll), columns)

    return read


def by_aiokafka(data: bytes, aborted: Aborted, offset: int) -> tuple[list[Record], int, str]:
    """aiokafka's, one record after another."""
    _, records = raw_batches.both_ways(data, aborted, offset, 1, LIMIT)
    found, position, error = _drained(map(fields, records), records)
    return found, position if found or not error else offset, error  # with an error it stays


def _drained(records: Any, partition: Any) -> tuple[list[Record], int, str]:
    found: list[Record] = []
    try:
        found.extend(records)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises
        return found, partition.next_fetch_offset, type(error).__name__
    return found, partition.next_fetch_offset, ""


def differences(reference: Outcome, other: Outcome) -> set[str]:
    """How an outcome differs from that of the reference."""
    right, found = reference.records, other.records
    how = set()
    if found != right:
        shorter = min(len(found), len(right))
        grown = MORE if len(found) > shorter else FEWER
        how.add(grown if found[:shorter] == right[:shorter] else OTHER)
    if other.end in {BACK, ROUND}:
        how.add(other.end)
    elif bool(reference.end) != bool(other.end):
        how.add(ERROR if other.end else NO_ERROR)
    elif not other.end and not how and other.position != reference.position:
        how.add(BACK if other.position < reference.position else NO_ERROR)
    return how


class Found(NamedTuple):
    """A difference: of whom, by which name, and how."""

    number: int
    change: str
    name: str
    how: frozenset[str]


def compared(count: int, seed: int) -> tuple[list[Found], list[Found], Counter[str]]:
    """What differs in so many fetches: of ours, of aiokafka's; and how many fetches had what wrong."""
    rng = random.Random(seed)
    ours: list[Found] = []
    theirs: list[Found] = []
    wrong: Counter[str] = Counter()
    for number in range(count):
        fetched = fetch(rng)
        names: list[str] = []
        reference = consumed(fetched, by_reference(names))
        wrong.update(set(names))
        name = names[0] if names else ""
        if how := differences(reference, consumed(fetched, by_us(fetched.most))):
            ours.append(Found(number, fetched.change, name, frozenset(how)))
        if NOT_ASKED in names:
            continue
        if how := differences(reference, consumed(fetched, by_aiokafka)):
            theirs.append(Found(number, fetched.change, name, frozenset(how)))
    return ours, theirs, wrong


def unnamed(theirs: Sequence[Found]) -> list[Found]:
    """The differences that are of no kind."""
    return [each for each in theirs if not each.how <= KINDS.get(each.name, frozenset[str]())]


def _main(count: int, seed: int) -> None:
    ours, theirs, wrong = compared(count, seed)
    kinds = Counter((each.name, ", ".join(sorted(each.how))) for each in theirs)
    lines = []
    for name in sorted({*wrong, *(each.name for each in theirs)}):
        lines.append(f"{wrong[name]:6} {name}")
        lines += [f"       {times:6} {how}" for (other, how), times in sorted(kinds.items()) if other == name]
    lines.append(
        f"{count} fetches, {len(theirs)} where aiokafka differs, {len(kinds)} kinds; of ours {len(ours)}"
    )
    lines += map(str, (*ours, *unnamed(theirs))[:20])
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
