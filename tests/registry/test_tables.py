"""The tables of a registry: they grow without a look at the names, and nothing is lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.routing import task_key
from detector.registry import packed_names
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import CredentialIssued, Identifier

_BITS = 63
_ISSUES, _POLL = 40_000, 700


@given(
    st.sampled_from([1024, 5000, 70_001]),
    st.lists(st.tuples(st.integers(0, (1 << _BITS) - 1), st.integers(1, 60)), max_size=12),
    st.lists(st.integers(0, 700)),
)
def test_a_slot_tells_the_bits_of_its_hash_by_its_place(
    size: int, runs: list[tuple[int, int]], removed: list[int]
) -> None:
    """Also behind the end of the table, in long runs of used slots, and beside what was removed."""
    table = np.zeros(size, np.int64)
    hashes = [min(hashed + (n << 40), (1 << _BITS) - 1) for hashed, count in runs for n in range(count)]
    for number, hashed in enumerate(hashes, 2):
        packed_names.insert(table, hashed, number)
    for number in removed:
        table[table & packed_names.POINTER_MASK == number + 2] = packed_names.DELETED
    begin = first = packed_names.unfilled(table)
    for at in range(begin + 1, begin + size):
        slot = int(table[at % size])
        if slot == 0:
            first = at
        elif slot > packed_names.DELETED:
            upper = packed_names.upper_bits(slot, first + 1, at, size)
            hashed = hashes[(slot & packed_names.POINTER_MASK) - 2]
            assert upper in (-1, hashed >> 32 << 32)
            assert upper >= 0 or at - first > size >> 10


def _issue(number: int, source: int = 0) -> CredentialIssued:
    digest = Identifier("hmac-sha256", f"{number:064x}", 40, f"{number:08x}", folded=f"{number:032x}{0:032x}")
    other = Identifier("vault-accessor", f"accessor-{number % 9000}")
    return CredentialIssued(
        time=number,
        source=f"s{source}",
        id=f"{number}",
        credential_id=f"c-{number}",
        task_id=f"t-{number}",
        identifiers=(digest, other),
    )


def test_a_registry_that_grew_in_many_steps_has_all_that_was_not_removed() -> None:
    registry = CredentialRegistry()
    for first in range(0, _ISSUES, _POLL):
        numbers = range(first, min(first + _POLL, _ISSUES))
        registry.add(*map(_issue, numbers), *(_issue(number, 1) for number in numbers[::3]))
        for number in numbers[::5]:
            registry.remove(f"c-{number}", "s0", f"{number}")
    kept = [number % _POLL % 5 != 0 or number % _POLL % 3 == 0 for number in range(_ISSUES)]
    for number, known in enumerate(kept):
        issue = _issue(number)
        key = task_key(f"t-{number}") if known else None
        assert registry.known(issue.credential_id) == key
        assert registry.by_identifier(issue.identifiers[0]) == key
    assert len(registry) == sum(kept)
