"""Compiled: the claims of a credential's id, as a pairing heap (Fredman and others, 1986).

Its root is the claim of the earliest issue. `CHILD` of an issue is the first claim below its own, `NEXT` of a claim
the next beside it.
"""

from typing import Any

import numpy as np

from detector.jit import bare
from detector.registry.issue_records import CHILD, POINTER, SOURCE, TIME, id_of, issue_of, name_of, order_of
from detector.registry.packed_names import number, put


@bare
def _earlier(arena: Any, issue: int, other: int) -> Any:
    """Whether an issue of a credential comes before another of it: by time, then source, then id."""
    times = number(arena, issue + TIME, 8), number(arena, other + TIME, 8)
    if times[0] != times[1]:
        return times[0] < times[1]
    sources = number(arena, issue + SOURCE, POINTER), number(arena, other + SOURCE, POINTER)
    if sources[0] != sources[1]:
        order = order_of(arena, name_of(arena, sources[0]), name_of(arena, sources[1]))
        if order != 0:
            return order < 0
    return order_of(arena, id_of(arena, issue), id_of(arena, other)) < 0


@bare
def melded(arena: Any, one: int, other: int) -> Any:
    """The root of two heaps of a credential's id, of which it was one."""
    if _earlier(arena, issue_of(arena, other), issue_of(arena, one)):
        one, other = other, one
    children = issue_of(arena, one) + CHILD
    put(arena, other, number(arena, children, POINTER), POINTER)
    put(arena, children, other, POINTER)
    return one


@bare
def without_root(arena: Any, root: int) -> Any:
    """The root of such a heap once the root is gone, 0 if there is none: pairs are melded, then all of them."""
    pairs: Any = np.int64(0)
    claim = number(arena, issue_of(arena, root) + CHILD, POINTER)
    while claim != 0:
        one, other = claim, number(arena, claim, POINTER)
        claim = np.int64(0)
        if other != 0:
            claim = number(arena, other, POINTER)
            one = melded(arena, one, other)
        put(arena, one, pairs, POINTER)
        pairs = one
    if pairs == 0:
        return pairs
    left, claim = pairs, number(arena, pairs, POINTER)
    while claim != 0:
        following = number(arena, claim, POINTER)
        left, claim = melded(arena, left, claim), following
    put(arena, left, 0, POINTER)
    return left
