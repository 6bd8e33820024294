"""Globs, and the scopes and bounds that grants and bindings make of them.

A glob matches the whole string, case-sensitive. `*` is any characters, also `/`, `:` and newlines; `?` is exactly one;
all others are literal, `[` too. Matching never backtracks.
"""

import re  # only to write a regex
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, TypeAlias

from detector.values.events import Binding, Grant
from detector.values.networks import address_of, network_of

_CACHE_SIZE: Final = 65_536
_MAX_CACHED: Final = 512  # characters: longer keys are not cached, so that no input fills the memory

Matcher: TypeAlias = Callable[[str], bool]


def compile_glob(glob: str) -> Matcher:
    """A function that says whether a whole string matches `glob`.

    Its time is linear in the string. If the glob has a `?` after a `*`, it is string × glob / 60.
    """
    return _cached_glob(glob) if len(glob) <= _MAX_CACHED else _compile(glob)


@lru_cache(maxsize=_CACHE_SIZE)
def _cached_glob(glob: str) -> Matcher:
    return _compile(glob)


def overlap(first: str, second: str) -> bool:
    """Whether some text matches both globs."""
    # reached[j]: the part of `first` read so far and second[:j] can match the same text.
    reached = [not second[:j].strip("*") for j in range(len(second) + 1)]
    for one in first:
        if one == "*":
            after = reached[:]
            for j in range(1, len(second) + 1):
                after[j] |= after[j - 1]
        else:
            after = [False] * (len(second) + 1)
            for j, other in enumerate(second, start=1):
                if other == "*":
                    after[j] = reached[j] or after[j - 1]
                else:
                    after[j] = reached[j - 1] and (one == other or "?" in {one, other})
        reached = after
    return reached[-1]


def _compile(glob: str) -> Matcher:
    if "*" not in glob:
        return (
            glob.__eq__ if "?" not in glob else lambda text: len(text) == len(glob) and _fits(glob, text, 0)
        )
    head, *middle, tail = glob.split("*")
    parts = [part for part in middle if part]
    shortest = len(glob) - glob.count("*")
    if not parts and "?" not in glob:
        if not tail:
            return lambda text: text.startswith(head)
        return lambda text: len(text) >= shortest and text.startswith(head) and text.endswith(tail)
    finders = [_finder(part) for part in parts]

    def matches(text: str) -> bool:
        stop = len(text) - len(tail)
        if len(text) < shortest or not _fits(head, text, 0) or not _fits(tail, text, stop):
            return False
        at = len(head)
        for finder in finders:
            at = finder(text, at, stop)
            if at < 0:
                return False
        return True

    return matches


def _fits(part: str, text: str, at: int) -> bool:
    """Whether `text` has `part`, which has no `*`, at position `at`. `text` is long enough."""
    if "?" not in part:
        return text.startswith(part, at)
    return all(want in ("?", have) for want, have in zip(part, text[at : at + len(part)], strict=True))


def _finder(part: str) -> Callable[[str, int, int], int]:
    """A function that returns the end of the first occurrence of `part` in text[at:stop], or -1."""
    size = len(part)
    if "?" not in part:

        def find(text: str, at: int, stop: int) -> int:
            found = text.find(part, at, stop)
            return found + size if found >= 0 else -1

        return find
    # Shift-and: bit i of `state` says that part[:i + 1] ends here. One pass, whatever the text.
    wild = sum(1 << i for i, char in enumerate(part) if char == "?")
    masks: dict[str, int] = {}
    for i, char in enumerate(part):
        if char != "?":
            masks[char] = masks.get(char, wild) | 1 << i
    done = 1 << (size - 1)

    def scan(text: str, at: int, stop: int) -> int:
        state = 0
        for place in range(at, stop):
            state = (state << 1 | 1) & masks.get(text[place], wild)
            if state & done:
                return place + 1
        return -1

    return scan


def regex_of(globs: Iterable[str]) -> str:
    """A regex for `re.match` that matches the strings that one of `globs` matches.

    It never backtracks into the text between two stars: its time is string × globs.
    """
    return rf"(?s:{'|'.join(map(_regex, globs))})\Z"


def _regex(glob: str) -> str:
    parts = ["".join("." if char == "?" else re.escape(char) for char in part) for part in glob.split("*")]
    if len(parts) == 1:
        return parts[0]
    head, *middle, tail = parts
    # The first place of a middle part is as good as any later one, so it is never tried again: (?>…).
    return rf"{head}{''.join(f'(?>.*?{part})' for part in middle if part)}.*{tail}\Z"


class GlobSet:
    """Several globs, of which any may match. Literal ones are looked up, the others are tried in turn."""

    __slots__ = ("_literal", "_others")

    def __init__(self, globs: tuple[str, ...]) -> None:
        self._literal = frozenset(glob for glob in globs if "*" not in glob and "?" not in glob)
        self._others = tuple(compile_glob(glob) for glob in globs if glob not in self._literal)

    def matches(self, text: str) -> bool:
        """Whether one of the globs matches the whole of `text`."""
        return text in self._literal or any(matcher(text) for matcher in self._others)


class Scope:
    """The grants of a credential, compiled. `scope_of` returns the same object for equal grants."""

    __slots__ = ("_grants", "size")

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self.size = len(grants)
        self._grants = [
            (
                None if grant.actions is None else GlobSet(grant.actions),
                None if grant.resources is None else GlobSet(grant.resources),
            )
            for grant in grants
        ]

    def cover(self, action: str | None, resource: str | None) -> tuple[int, ...]:
        """The indices of the grants that cover a use. A field that the use lacks is not compared."""
        return tuple(
            index
            for index, (actions, resources) in enumerate(self._grants)
            if (actions is None or action is None or actions.matches(action))
            and (resources is None or resource is None or resources.matches(resource))
        )


def scope_of(grants: tuple[Grant, ...]) -> Scope:
    """The scope of these grants."""
    cacheable = _cacheable(*(globs for grant in grants for globs in (grant.actions, grant.resources)))
    return _known_scope(grants) if cacheable else Scope(grants)


@lru_cache(maxsize=8192)
def _known_scope(grants: tuple[Grant, ...]) -> Scope:
    return Scope(grants)


def _cacheable(*lists: tuple[str, ...] | None) -> bool:
    return sum(len(text) + 1 for texts in lists for text in texts or ()) <= _MAX_CACHED


def covering(scope: Scope, action: str | None, resource: str | None) -> tuple[int, ...]:
    """`scope.cover`, cached: a credential repeats the same few actions."""
    if (action is None or len(action) <= _MAX_CACHED) and (resource is None or len(resource) <= _MAX_CACHED):
        return _covering(scope, action, resource)
    return scope.cover(action, resource)


@lru_cache(maxsize=_CACHE_SIZE)
def _covering(scope: Scope, action: str | None, resource: str | None) -> tuple[int, ...]:
    return scope.cover(action, resource)


class Bounds:
    """A binding, compiled. `bounds_of` returns the same object for equal bindings."""

    __slots__ = ("_networks", "_workloads")

    def __init__(self, binding: Binding) -> None:
        self._workloads = None if binding.workloads is None else GlobSet(binding.workloads)
        self._networks = None
        if binding.source_ips is not None:
            known = (network_of(cidr) for cidr in binding.source_ips)
            self._networks = tuple(network for network in known if network is not None)

    def outside(self, workload: str | None, source_ip: str | None) -> bool:
        """Whether the binding does not allow this workload or this address."""
        return self.workload_outside(workload) or self.address_outside(source_ip)

    def workload_outside(self, workload: str | None) -> bool:
        """Whether the binding does not allow the workload. False if either is missing."""
        return self._workloads is not None and workload is not None and not self._workloads.matches(workload)

    def address_outside(self, source_ip: str | None) -> bool:
        """Whether `source_ip` is an address outside all networks. False if it is no address or nothing is bound."""
        if self._networks is None or source_ip is None:
            return False
        address = address_of(source_ip)
        if address is None:
            return False
        version, number = address
        return not any(version == kind and number >> shift == first for kind, first, shift in self._networks)


def bounds_of(binding: Binding) -> Bounds:
    """The bounds of this binding."""
    return _known_bounds(binding) if _cacheable(binding.workloads, binding.source_ips) else Bounds(binding)


@lru_cache(maxsize=8192)
def _known_bounds(binding: Binding) -> Bounds:
    return Bounds(binding)


def outside(bounds: Bounds, workload: str | None, source_ip: str | None) -> bool:
    """`bounds.outside`, cached."""
    if (workload is None or len(workload) <= _MAX_CACHED) and (
        source_ip is None or len(source_ip) <= _MAX_CACHED
    ):
        return _outside(bounds, workload, source_ip)
    return bounds.outside(workload, source_ip)


@lru_cache(maxsize=_CACHE_SIZE)
def _outside(bounds: Bounds, workload: str | None, source_ip: str | None) -> bool:
    return bounds.outside(workload, source_ip)
